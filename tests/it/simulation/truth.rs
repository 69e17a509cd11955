//! What is true, told by a model that shares nothing with the program but its events: a few lines, slow and plain.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use madang::model::act::{Deed, Lines, PinContent};
use madang::model::announcement::News;
use madang::model::event::{Body, Logged};
use madang::model::filter::Measure;
use madang::model::message::{Kind, Line};
use madang::model::question::Vote;

use super::guests::Guests;
use super::ledger::Ledger;
use super::manners::Manners;

/// How long a line may be repeated without becoming a second one.
pub(super) const REPEATABLE_MS: i64 = 120_000;

/// A line that everybody gets.
#[derive(Clone, Debug)]
pub(super) struct TrueLine {
    /// When it was admitted.
    pub(super) at: i64,
    /// When it was said, as everybody is told: behind every other line of its author.
    time: i64,
    pub(super) cid: String,
    pub(super) uid: String,
    /// What is shown of it, and what was sent.
    pub(super) text: String,
    pub(super) sent: String,
    /// It is for its author alone.
    pub(super) shadowed: bool,
    /// Its author was staff.
    staff: bool,
    pub(super) question: bool,
    /// The act that hides this line alone.
    one: Option<u64>,
    /// The acts that hide all of its author's.
    all: Vec<u64>,
    /// Since which place its text is withheld.
    pub(super) hidden_since: Option<u64>,
    /// Whether it ever was.
    pub(super) was_hidden: bool,
    /// Whether those who have it were told so.
    pub(super) told: bool,
    /// It was erased: nobody is owed it any more.
    pub(super) erased: bool,
    /// It is too old to be shown.
    pub(super) dropped: bool,
}

impl TrueLine {
    /// Whether recent chat shows it no more.
    pub(super) fn is_gone(&self) -> bool {
        self.erased || self.dropped
    }

    /// Whether its text is withheld.
    pub(super) fn is_hidden(&self) -> bool {
        self.one.is_some() || !self.all.is_empty()
    }

    /// Whether this lane shows it.
    pub(super) fn is_in(&self, lane: &str) -> bool {
        lane != "questions" || self.question
    }
}

/// Author, tid, client time and text.
type Sent = (String, String, i64, String);

/// The fold of all events, as the contract has it.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// By place.
    pub(super) lines: BTreeMap<u64, TrueLine>,
    pub(super) seq: u64,
    /// Places of acts.
    pub(super) acts: Vec<u64>,
    manners: Manners,
    pub(super) ledger: Ledger,
    pub(super) guests: Guests,
    /// Events that the site has told, by place: their broadcasts and numbers.
    pub(super) told: BTreeMap<u64, (String, u64)>,
    /// The time of each author's last line.
    last: HashMap<String, i64>,
    notice: Option<Pinned>,
    /// What was taken down last, and by which act.
    taken: Option<(u64, Pinned)>,
    on_air: Option<String>,
    dropped: u64,
    newest: i64,
    /// What was sent, with the newest time by then, the place, and of a retry when it was admitted.
    sent: HashMap<Sent, (i64, u64, Option<i64>)>,
}

impl Truth {
    pub(super) fn apply(&mut self, logged: &Logged) {
        let seq = logged.seq.0;
        assert!(seq > self.seq, "places rise");
        self.seq = seq;
        self.newest = self.newest.max(logged.event.at.0);
        let oldest = self.newest - REPEATABLE_MS;
        self.sent.retain(|_, (by, ..)| *by >= oldest);
        match &logged.event.body {
            Body::Opened { cid, .. } => {
                self.on_air = Some(cid.to_string());
                (self.notice, self.taken) = (None, None);
                self.ledger.begin_anew();
            }
            Body::Closed { cid } if self.on_air.as_deref() == Some(cid.as_str()) => self.on_air = None,
            Body::Line(line) => self.line(seq, logged.event.at.0, line),
            Body::Announced(announcement) if self.on_air.as_deref() == Some(announcement.cid.as_str()) => {
                self.guests.visit(seq, announcement);
                let News::Event(json) = &announcement.news else { return };
                let event: serde_json::Value = serde_json::from_str(json).unwrap();
                self.told.insert(seq, (announcement.cid.to_string(), event["number"].as_u64().unwrap()));
            }
            Body::Vote(vote) => self.vote(seq, logged.event.at.0, vote),
            Body::Named(naming) => self.guests.name(naming),
            Body::Act(act) => self.act(seq, logged.event.at.0, &act.deed),
            Body::Lapsed { act } => {
                self.manners.lapse(act.0, logged.event.at.0);
                let over = |notice: &mut Pinned| {
                    notice.act == act.0 && notice.until.is_some_and(|until| until <= logged.event.at.0)
                };
                if self.notice.take_if(over).is_some() {
                    self.taken = None;
                }
            }
            Body::Wiped { uid } => {
                self.lines.values_mut().filter(|line| line.uid == uid.as_str()).for_each(|line| line.erased = true);
                self.forget_notices();
                self.manners.wipe(uid.as_str());
                self.guests.wipe(seq, uid.as_str());
                let lines = &self.lines;
                self.ledger.wipe(uid.as_str(), |place| lines[&place].uid == uid.as_str());
                self.last.remove(uid.as_str());
                self.sent.retain(|(author, ..), _| author != uid.as_str());
            }
            Body::Dropped { upto } if upto.0 > self.dropped => {
                self.dropped = upto.0;
                self.lines.range_mut(..=upto.0).for_each(|(_, line)| line.dropped = true);
                self.sent.retain(|_, (_, place, _)| *place > upto.0);
                self.ledger.drop_upto(upto.0);
                self.forget_notices();
            }
            _ => {}
        }
    }

    fn vote(&mut self, seq: u64, at: i64, vote: &Vote) {
        let Some(line) = self.lines.get(&vote.question.0) else { return };
        let here = self.on_air.as_deref() == Some(vote.cid.as_str()) && line.cid == vote.cid.as_str();
        let shown = !line.is_gone() && !line.is_hidden() && !line.shadowed && line.uid != vote.uid.as_str();
        if here && shown && self.manners.may_take_part(at, vote.uid.as_str()) {
            self.ledger.vote(seq, vote);
        }
    }

    fn line(&mut self, seq: u64, at: i64, line: &Line) {
        let (uid, draft) = (line.author.uid.to_string(), &line.draft);
        if draft.kind == Kind::Question {
            self.ledger.count();
        }
        let sent = (uid.clone(), draft.tid.clone(), draft.client_time, line.as_sent().to_owned());
        let repeats = |(_, _, retried): &(i64, u64, Option<i64>)| draft.retry || retried.is_some_and(|then| at <= then);
        if self.sent.get(&sent).is_some_and(repeats) || self.on_air.as_deref() != Some(line.cid.as_str()) {
            return;
        }
        let staff = self.manners.is_staff(&uid);
        let passed = if draft.kind.is_special() { self.manners.filtered(line) } else { self.manners.passes(at, line) };
        let Some((measure, text)) = passed else { return };
        self.sent.insert(sent, (self.newest, seq, draft.retry.then_some(at)));
        if draft.kind == Kind::Question {
            self.ledger.ask(seq);
        }
        let cid = line.cid.to_string();
        let blinded = measure == Some(Measure::Blind);
        let last = self.last.entry(uid.clone()).or_insert(i64::MIN);
        let time = at.max(last.saturating_add(1));
        *last = time;
        self.lines.insert(
            seq,
            TrueLine {
                at,
                time,
                cid,
                uid,
                text,
                sent: line.as_sent().to_owned(),
                shadowed: measure == Some(Measure::Shadow),
                staff: staff || draft.kind.is_special(),
                question: draft.kind == Kind::Question,
                one: blinded.then_some(seq),
                all: Vec::new(),
                hidden_since: blinded.then_some(seq),
                was_hidden: blinded,
                told: false,
                erased: false,
                dropped: false,
            },
        );
    }

    /// How the questions stand that everybody may see: place, number, status, version, votes.
    pub(super) fn questions(&self, cid: &str) -> Vec<(u64, u64, &str, u64, u64)> {
        let there = self.ledger.questions.iter().filter(|(place, _)| {
            let line = &self.lines[*place];
            line.cid == cid && !line.is_hidden() && !line.shadowed
        });
        let told = there.map(|(place, question)| {
            (*place, question.number, question.status.word(), question.version, question.voters.len() as u64)
        });
        told.collect()
    }

    /// What history has: every line that everybody may know of, without the text where that is withheld.
    pub(super) fn history(&self) -> Vec<(u64, String)> {
        let there = self.lines.iter().filter(|(_, line)| !line.is_gone() && !line.shadowed);
        there.map(|(seq, line)| (*seq, if line.is_hidden() { String::new() } else { line.text.clone() })).collect()
    }

    /// What recent chat shows at the end: text, or none where it is withheld.
    pub(super) fn shown(&self, cid: &str) -> Vec<String> {
        let there = self.lines.values().filter(|line| line.cid == cid && !line.is_gone() && !line.shadowed);
        let shown: Vec<String> =
            there.map(|line| if line.is_hidden() { String::new() } else { line.text.clone() }).collect();
        shown[shown.len().saturating_sub(200)..].to_vec()
    }
}

/// Lines that are remembered of a broadcast.
const REMEMBERED: usize = 4_096;

/// A notice, of a line or of words.
#[derive(Clone, Debug)]
struct Pinned {
    act: u64,
    line: Option<u64>,
    text: String,
    until: Option<i64>,
}

/// What staff do.
impl Truth {
    /// The text that is pinned.
    pub(super) fn pinned(&self) -> Option<&str> {
        self.notice.as_ref().map(|notice| &*notice.text)
    }

    fn act(&mut self, seq: u64, at: i64, deed: &Deed) {
        self.acts.push(seq);
        self.manners.act(seq, at, deed);
        let shadowed = |place: u64| self.lines.get(&place).is_some_and(|line| line.shadowed);
        if !matches!(deed, Deed::Mark(place, ..) if shadowed(place.0)) {
            self.ledger.act(seq, deed);
        }
        let before: Vec<(u64, bool)> = self.lines.iter().map(|(place, line)| (*place, line.is_hidden())).collect();
        let there = self.remembered();
        match deed {
            Deed::Hide(Lines::One(place)) => {
                let remembered = there.contains(&place.0);
                let line = self.lines.get_mut(&place.0).filter(|line| !line.erased);
                for line in line.into_iter().filter(|line| !(remembered && line.is_hidden())) {
                    line.one.get_or_insert(seq);
                }
            }
            Deed::Hide(Lines::Of(user)) => self.silence(user.as_str(), seq),
            Deed::Penalize(user, _) => self.silence(user.uid.as_str(), seq),
            Deed::Lift(_)
            | Deed::Run(_)
            | Deed::Filter(_)
            | Deed::Say(_)
            | Deed::Kick(_)
            | Deed::Block(..)
            | Deed::Appoint(..)
            | Deed::Panic(..)
            | Deed::Calm
            | Deed::Mark(..) => {}
            Deed::Hide(Lines::Sweep { seconds, .. }) => {
                let since = at - i64::from(*seconds) * 1_000;
                for place in &there {
                    let line =
                        self.lines.get_mut(place).filter(|line| line.time >= since && !line.is_hidden() && !line.staff);
                    line.into_iter().for_each(|line| line.one = Some(seq));
                }
            }
            Deed::Show(Lines::One(place)) => {
                let remembered = there.contains(&place.0);
                if let Some(line) = self.lines.get_mut(&place.0) {
                    line.one = None;
                    line.all.retain(|_| !remembered);
                }
            }
            Deed::Show(Lines::Of(user)) => {
                for (place, line) in self.lines.iter_mut().filter(|(_, line)| line.uid == user.as_str()) {
                    line.all.clear();
                    line.one = line.one.filter(|_| !there.contains(place));
                }
            }
            Deed::Show(Lines::Sweep { .. }) => {}
            Deed::Pin(pin) => self.pin(seq, pin, &there),
            Deed::Unpin => self.taken = self.notice.take().map(|notice| (seq, notice)).or(self.taken.take()),
            Deed::Undo(act) => self.undo(act.0, at),
        }
        for (place, hidden) in before {
            let line = self.lines.get_mut(&place).unwrap();
            match (hidden, line.is_hidden()) {
                (false, true) => {
                    (line.hidden_since, line.was_hidden) = (Some(seq), true);
                    line.told = !line.shadowed && (there.contains(&place) || matches!(deed, Deed::Hide(Lines::One(_))));
                }
                (_, false) => line.hidden_since = None,
                (true, true) => {}
            }
        }
        self.forget_notices();
    }

    fn silence(&mut self, uid: &str, act: u64) {
        self.lines.values_mut().filter(|line| line.uid == uid).for_each(|line| line.all.push(act));
    }

    fn pin(&mut self, seq: u64, pin: &madang::model::act::Pin, there: &BTreeSet<u64>) {
        let line = match &pin.content {
            PinContent::Line(place) => Some(place.0),
            PinContent::Text(..) => None,
        };
        let fits = line.is_none_or(|place| {
            let line = &self.lines[&place];
            there.contains(&place) && !line.is_hidden() && !line.shadowed
        });
        if self.on_air.as_deref() != Some(pin.cid.as_str()) || !fits {
            return;
        }
        let text = match &pin.content {
            PinContent::Text(text, _) => text.clone(),
            PinContent::Line(place) => self.lines[&place.0].text.clone(),
        };
        let notice = Pinned { act: seq, line, text, until: pin.until.map(|until| until.0) };
        self.taken = self.notice.replace(notice).map(|before| (seq, before));
    }

    fn undo(&mut self, act: u64, at: i64) {
        for line in self.lines.values_mut() {
            line.one = line.one.filter(|by| *by != act);
            line.all.retain(|by| *by != act);
        }
        let pinned = match (&self.notice, &self.taken) {
            (Some(notice), _) => notice.act == act,
            (None, taken) => taken.as_ref().is_some_and(|(by, _)| *by == act),
        };
        if pinned {
            let before = self.taken.take_if(|(by, _)| *by == act).map(|(_, notice)| notice);
            self.notice = before.filter(|notice| notice.until.is_none_or(|until| at < until));
        }
    }

    /// What is hidden, erased or dropped is pinned no more.
    fn forget_notices(&mut self) {
        let (lines, dropped) = (&self.lines, self.dropped);
        let gone = |notice: &mut Pinned| {
            let line = notice.line.map(|place| &lines[&place]);
            notice.act <= dropped || line.is_some_and(|line| line.is_gone() || line.is_hidden())
        };
        let down = self.notice.take_if(|notice| gone(notice)).is_some();
        let taken = |(_, notice): &mut (u64, Pinned)| down || gone(notice);
        self.taken.take_if(taken);
    }

    /// Places of the lines that a channel remembers.
    fn remembered(&self) -> BTreeSet<u64> {
        let newest = self.lines.values().next_back().map(|line| line.cid.clone());
        let current = self.on_air.clone().or(newest);
        let here = self.lines.iter().rev().filter(|(_, line)| Some(&line.cid) == current.as_ref());
        here.take(REMEMBERED).filter(|(_, line)| !line.is_gone()).map(|(place, _)| *place).collect()
    }
}
