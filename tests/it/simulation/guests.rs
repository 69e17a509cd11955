//! Guests who choose names, and what the channel says of those who come and go.

use std::collections::{BTreeMap, HashMap};

use madang::model::act::Wish;
use madang::model::announcement::Announcement;
use madang::model::announcement::News;
use madang::model::guest::Naming;
use madang::model::id::Cid;
use madang::model::own_lines::OwnLinesChange;
use madang::model::refusal::Refusal;
use madang::node::GuestWish;

use crate::support::reader::Reader;

use super::planted::Planted;
use super::world::{MACHINES, Machine, World, Wrong};

/// Names that guests would like to have: the first two look the same.
const NAMES: [&str; 3] = ["kim", "K1M", "lee"];

/// Which of them look the same.
fn group(nickname: &str) -> usize {
    usize::from(nickname == NAMES[2])
}

/// What the log says of them.
#[derive(Debug, Default)]
pub(super) struct Guests {
    /// Who is called so: nobody's name ends in a run.
    named: HashMap<usize, String>,
    /// What the channel has said of comings and goings, by place: the broadcast, the user, the text.
    pub(super) visits: BTreeMap<u64, (String, String, String)>,
    /// Users who were erased, and when.
    erased: Vec<(u64, String)>,
}

impl Guests {
    pub(super) fn name(&mut self, naming: &Naming) {
        self.named.entry(group(&naming.nickname)).or_insert_with(|| naming.uid.to_string());
    }

    pub(super) fn visit(&mut self, seq: u64, announcement: &Announcement) {
        if let News::Visit(visit) = &announcement.news {
            let (cid, uid, text) = (announcement.cid.to_string(), visit.uid.to_string(), visit.text.clone());
            self.visits.insert(seq, (cid, uid, text));
        }
    }

    pub(super) fn wipe(&mut self, seq: u64, uid: &str) {
        self.erased.push((seq, uid.to_owned()));
    }

    /// Whether it may be told no more.
    fn is_erased(&self, seq: u64, uid: &str) -> bool {
        self.erased.iter().any(|(at, erased)| seq < *at && erased == uid)
    }
}

impl World {
    /// The channel says who comes and goes, kept or not, or no longer.
    pub(super) fn greet(&mut self, machine: usize, how: usize) {
        let (tells, kept) = [(false, false), (true, false), (true, true)][how % 3];
        let text = |text: &str| tells.then(|| text.to_owned());
        let (joined, left) = (Some(text("{nickname} came")), Some(text("{nickname} left")));
        let change = OwnLinesChange { welcome: Some(text("hello")), joined, left, kept: Some(kept) };
        self.act(machine, Some(Wish::Say(change)));
    }

    /// A guest chooses a name.
    pub(super) fn name(&mut self, machine: usize, name: usize) {
        let Some(cid) = Cid::parse(&self.cid) else { return };
        let Machine { runtime, yard, .. } = &self.machines[machine % MACHINES];
        let wish = GuestWish { nickname: Some(NAMES[name % NAMES.len()]), ..GuestWish::default() };
        match runtime.block_on(yard.node.welcome(&cid, wish)) {
            Ok(guest) => self.welcomed.push((guest.uid.to_string(), guest.nickname)),
            Err(Refusal::NicknameTaken(_)) if self.planted == Some(Planted::SharesNames) => {
                self.welcomed.push(("somebody else".to_owned(), NAMES[name % NAMES.len()].to_owned()));
            }
            Err(_) => {}
        }
    }

    /// Whoever was told that a name is theirs has it, and nobody else.
    pub(super) fn judge_names(&self, wrong: &mut Vec<Wrong>) {
        for (uid, nickname) in &self.welcomed {
            let holder = self.truth.guests.named.get(&group(nickname));
            if holder != Some(uid) {
                wrong.push(format!("{uid} was told to be called {nickname}, and it is {holder:?}"));
            }
        }
    }

    /// What was said of comings and goings within what was covered was heard, and nothing else.
    pub(super) fn judge_visits(&self, uid: &str, cid: &str, reader: &Reader, wrong: &mut Vec<Wrong>) {
        let guests = &self.truth.guests;
        for (seq, text) in &reader.visits {
            let there = guests.visits.get(seq);
            if there.is_none_or(|(there, _, said)| there != cid || said != text) {
                wrong.push(format!("{uid} heard {text:?} at {seq}, where there is {there:?}"));
            }
        }
        let spans = reader.spans.iter().map(|(span, _)| span).chain(reader.lefts.iter().map(|(span, _)| span));
        for (after, upto) in spans.filter(|(after, upto)| after < upto) {
            for (seq, (there, of, text)) in guests.visits.range(after + 1..=*upto) {
                let owed = there == cid && !guests.is_erased(*seq, of);
                if owed && !reader.visits.contains_key(seq) {
                    wrong.push(format!("{uid} was told of all behind {after} up to {upto} but not {text:?} at {seq}"));
                }
            }
        }
    }
}
