//! Who may say what, when: the part of what is true that staff decide on.

use std::collections::{BTreeMap, HashMap};

use madang::model::act::Deed;
use madang::model::filter::{FilterChange, Measure};
use madang::model::message::Line;
use madang::model::principal::Role;

/// Until when somebody may not send, and by which act.
type Held = (i64, u64);

/// What staff have decided.
#[derive(Debug, Default)]
pub(super) struct Manners {
    /// Who may not send, and what held before that.
    restricted: HashMap<String, (Held, Option<Held>)>,
    /// Whose role was given or taken: whether they are staff, what they were before, and by which act.
    roles: HashMap<String, (bool, Option<bool>, u64)>,
    /// Seconds of slow mode, what they were before, by which act, and who sent when.
    slow: i64,
    slow_before: Option<(u64, i64)>,
    slowed: HashMap<String, i64>,
    /// Until when panic lasts, and by which act.
    panic: Option<Held>,
    /// Words that may not be said, since which place, and what was before, by which act.
    words: BTreeMap<String, Measure>,
    words_since: u64,
    words_before: Option<(u64, BTreeMap<String, Measure>)>,
}

impl Manners {
    /// Whether somebody is staff.
    pub(super) fn is_staff(&self, uid: &str) -> bool {
        self.roles.get(uid).is_some_and(|(staff, ..)| *staff)
    }

    /// Whether somebody may take part at all.
    pub(super) fn may_take_part(&self, at: i64, uid: &str) -> bool {
        let restricted = self.restricted.get(uid).is_some_and(|((until, _), _)| at < *until);
        // Nobody follows.
        !restricted && (self.is_staff(uid) || self.panic.is_none_or(|(until, _)| at >= until))
    }

    /// What becomes of a line, and what is shown of it; `None` when it is none.
    pub(super) fn passes(&mut self, at: i64, line: &Line) -> Option<(Option<Measure>, String)> {
        let uid = line.author.uid.to_string();
        // The site has done all of it, and nobody is above that.
        if !self.may_take_part(at, &uid) {
            return None;
        }
        if self.is_staff(&uid) {
            let made = line.filtered.as_ref().map(|filtered| filtered.measure);
            return Some((made, line.draft.text.clone()));
        }
        if self.slow > 0 && self.slowed.get(&uid).is_some_and(|last| at < last + self.slow * 1_000) {
            return None;
        }
        let passed = self.filtered(line)?;
        if self.slow > 0 {
            self.slowed.insert(uid, at);
        }
        Some(passed)
    }

    /// What the rules make of a line.
    pub(super) fn filtered(&self, line: &Line) -> Option<(Option<Measure>, String)> {
        // Whoever sent it is told nothing, and it is judged again.
        if line.judged == Line::UNJUDGED || line.judged.0 < self.words_since {
            return None;
        }
        let found = |text: &str| self.words.iter().find(|(word, _)| text.contains(*word)).map(|(_, measure)| *measure);
        let sent = line.as_sent();
        match found(sent) {
            Some(Measure::Refuse) => None,
            Some(Measure::Mask) => {
                let masked = self.words.keys().fold(sent.to_owned(), |text, word| text.replace(word, "***"));
                Some((Some(Measure::Mask), masked))
            }
            other => Some((other, sent.to_owned())),
        }
    }

    /// What a new broadcast leaves as it is: everything.
    pub(super) fn act(&mut self, seq: u64, at: i64, deed: &Deed) {
        match deed {
            Deed::Penalize(user, until) => self.restrict(user.uid.to_string(), (until.0, seq), at, true),
            Deed::Block(user, until) => {
                let until = until.map_or(i64::MAX, |until| until.0);
                self.restrict(user.uid.to_string(), (until, seq), at, false);
            }
            Deed::Lift(user) => drop(self.restricted.remove(user.uid.as_str())),
            Deed::Appoint(user, role) => {
                let before = self.roles.get(user.uid.as_str()).map(|(staff, ..)| *staff);
                self.roles.insert(user.uid.to_string(), (*role > Role::Viewer, before, seq));
            }
            Deed::Run(change) => {
                let slow = change.slow_seconds.map_or(self.slow, i64::from);
                if slow != self.slow {
                    self.slow_before = Some((seq, self.slow));
                    self.set_slow(slow);
                }
            }
            Deed::Panic(_, until) => self.panic = Some((until.0, seq)),
            Deed::Calm => self.panic = None,
            Deed::Filter(change) => self.filter(seq, change),
            Deed::Undo(act) => self.undo(act.0, seq, at),
            Deed::Hide(_)
            | Deed::Show(_)
            | Deed::Pin(_)
            | Deed::Unpin
            | Deed::Kick(_)
            | Deed::Mark(..)
            | Deed::Say(_) => {}
        }
    }

    /// Whoever is erased has said nothing.
    pub(super) fn wipe(&mut self, uid: &str) {
        self.slowed.remove(uid);
    }

    /// What ends by itself.
    pub(super) fn lapse(&mut self, act: u64, at: i64) {
        self.panic = self.panic.filter(|(until, by)| *by != act || *until > at);
    }

    fn restrict(&mut self, uid: String, new: Held, at: i64, penalty: bool) {
        let held = self.restricted.get(&uid).copied().filter(|((until, _), _)| at < *until);
        let longer = held.filter(|((held, _), _)| penalty && *held > new.0);
        self.restricted.insert(uid, longer.unwrap_or((new, held.map(|(held, _)| held))));
    }

    fn filter(&mut self, seq: u64, change: &FilterChange) {
        let before = self.words.clone();
        for (word, measure) in &change.words {
            match measure {
                Some(measure) => drop(self.words.insert(word.clone(), *measure)),
                None => drop(self.words.remove(word)),
            }
        }
        if self.words != before {
            (self.words_since, self.words_before) = (seq, Some((seq, before)));
        }
    }

    fn set_slow(&mut self, seconds: i64) {
        self.slow = seconds;
        if seconds == 0 {
            self.slowed.clear();
        }
    }

    fn undo(&mut self, act: u64, seq: u64, at: i64) {
        if let Some((_, before)) = self.words_before.take_if(|(by, _)| *by == act) {
            (self.words, self.words_since) = (before, seq);
        }
        let undone = |((until, by), _): &(Held, _)| *by == act && at < *until;
        let user = self.restricted.iter().find(|(_, held)| undone(held)).map(|(user, _)| user.clone());
        if let Some((user, before)) = user.and_then(|user| Some((user.clone(), self.restricted.remove(&user)?.1)))
            && let Some(before) = before.filter(|(until, _)| at < *until)
        {
            self.restricted.insert(user, (before, None));
        }
        let user = self.roles.iter().find(|(_, (.., by))| *by == act).map(|(user, _)| user.clone());
        if let Some((user, before)) = user.and_then(|user| Some((user.clone(), self.roles.remove(&user)?.1)))
            && let Some(staff) = before
        {
            // What was before is nobody's act any more.
            self.roles.insert(user, (staff, None, 0));
        }
        if let Some((_, before)) = self.slow_before.take_if(|(by, _)| *by == act) {
            self.set_slow(before);
        }
        self.panic = self.panic.filter(|(_, by)| *by != act);
    }
}
