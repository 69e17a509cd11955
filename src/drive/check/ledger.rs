//! What a channel has told, in order, as the first of its verifying viewers heard it: what all others are held against.
//!
//! On the plain wire a line has no place, so its place here is the one at which anybody heard it first. A viewer keeps the
//! place that comes next; a line that stands elsewhere is a gap, a repeat, or out of order.

mod state;

use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::quality::FixedState;
use parking_lot::Mutex;

use crate::drive::words::Mark;

use super::audit::Audit;
use state::{ACKED, NOTED, REFUSED, SENT, State, TOLD, UNKNOWN, Waiting};

/// How long the push of an act may take, in microseconds, when an answer that the act is in was ahead of it.
const OF_ACTS: u64 = 5_000_000;

/// How long a line or an act that is acknowledged may take to be told, in microseconds, so that it counts as told.
const TELLING: u64 = 15_000_000;

/// A line, as it was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// [`key`] of it.
    pub key: u64,
    /// Who said it.
    pub uid: String,
    /// When.
    pub time: i64,
    /// Its place in the log (ext).
    pub seq: Option<u64>,
    /// What it says of itself, when it is one of this run.
    pub mark: Option<Mark>,
    /// Whether it came with its text.
    pub open: bool,
    /// Members, as it says.
    pub members: u64,
}

/// What names a line: who said it and when.
pub fn key(uid: &str, time: i64) -> u64 {
    FixedState::default().hash_one((uid, time))
}

/// What is wrong with what a viewer heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// So many lines are missing before this one.
    Gap(u64, Heard),
    /// It was heard before.
    Repeat(Heard),
    /// It comes behind one that others heard after it.
    Order(Heard),
    /// It came with its text, after its viewer heard the act that hid it.
    Hidden(Heard),
    /// A line of ours stands twice in the channel.
    Twice(Heard),
    /// It has another time than its sender was told.
    Time(Heard),
}

/// Where a viewer is in the channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The place that comes next; none before the first line.
    pub next: Option<u64>,
    /// Since when it is in, in microseconds of the run.
    pub since: u64,
    /// The newest act it has heard.
    pub acts: u64,
    /// Whether it may be told lines of before its joining, which nobody else has heard.
    pub history: bool,
    /// The last gap: a line of it that comes yet is out of order.
    gap: (u64, u64),
}

impl Cursor {
    /// Of one who came back, and may be told what nobody else has heard.
    pub fn anew(since: u64, acts: u64) -> Self {
        Self { since, acts, history: true, ..Self::default() }
    }
}

/// What a channel has told.
#[derive(Debug, Default)]
pub struct Ledger {
    state: Mutex<State>,
    /// Hidden lines: a look at it takes no lock.
    hidden: AtomicUsize,
    channel: OnceLock<String>,
}

impl Ledger {
    /// A viewer has heard these lines, one behind the other. Gives the stretch that they are, when nothing is wrong: whoever
    /// hears the same lines at its beginning is at its end.
    pub fn hear(&self, cursor: &mut Cursor, lines: &[Heard], fault: &mut dyn FnMut(Fault)) -> Option<(u64, u64)> {
        let mut state = self.state.lock();
        let mut clean = cursor.next.is_some();
        let from = cursor.next;
        for line in lines {
            let faultless = state.line(cursor, line, fault);
            clean &= faultless;
        }
        from.zip(cursor.next).filter(|_| clean)
    }

    /// Whether anything is hidden now, so that a stretch alone says too little.
    pub fn hides(&self) -> bool {
        self.hidden.load(Ordering::Relaxed) > 0
    }

    /// Lines of a list that was asked for at `asked`: none that was hidden by then may come with its text.
    pub fn look_back(&self, acts_then: u64, lines: &[Heard], fault: &mut dyn FnMut(Fault)) {
        let state = self.state.lock();
        for line in lines {
            if line.open && state.hidden.get(&line.key).is_some_and(|act| *act <= acts_then) {
                fault(Fault::Hidden(line.clone()));
            }
        }
    }

    /// Acts that anybody has heard by now.
    pub fn acts(&self) -> u64 {
        self.state.lock().acts
    }

    /// A viewer has heard, at `now`, that lines are hidden or shown again. Gives when each act was due, of those that this
    /// run did.
    pub fn blinded(&self, cursor: &mut Cursor, keys: &[u64], seqs: &[u64], shown: bool, now: u64) -> Vec<u64> {
        let mut state = self.state.lock();
        let mut due = Vec::new();
        let by_seq: Vec<u64> =
            seqs.iter().filter_map(|seq| state.by_seq.get(seq).copied()).filter(|key| !keys.contains(key)).collect();
        for key in keys.iter().copied().chain(by_seq) {
            if state.heard_acts.len() < NOTED {
                state.heard_acts.insert((key, shown));
            }
            state.untold_acts.remove(&(key, shown));
            due.extend(state.timed.get(&(key, shown)).copied());
            if shown {
                state.show(key, now);
            } else {
                let act = state.hide(key);
                cursor.acts = cursor.acts.max(act);
            }
        }
        self.hidden.store(state.hidden.len(), Ordering::Relaxed);
        due
    }

    /// An act of ours on a line was acknowledged.
    pub fn act_acked(&self, key: u64, shown: bool) {
        let mut state = self.state.lock();
        state.acked_acts += 1;
        if state.heard_acts.len() < NOTED && !state.heard_acts.contains(&(key, shown)) {
            state.untold_acts.insert((key, shown));
        }
    }

    /// A line to hide: so many before the newest; `due` says when.
    pub fn choose(&self, back: u32, due: u64) -> Option<(String, i64)> {
        let mut state = self.state.lock();
        let index = state.newest.len().checked_sub(1 + back as usize)?;
        let (uid, time, key) = state.newest.get(index)?.clone();
        if state.hidden.contains_key(&key) || state.timed.contains_key(&(key, false)) {
            return None;
        }
        state.time(key, false, due);
        Some((uid, time))
    }

    /// A line that is hidden, to show it again.
    pub fn choose_hidden(&self, due: u64) -> Option<(String, i64)> {
        let mut state = self.state.lock();
        let can = |key: &u64| state.hidden.contains_key(key) && !state.timed.contains_key(&(*key, true));
        let (uid, time, key) = state.newest.iter().rev().find(|(_, _, key)| can(key)).cloned()?;
        state.time(key, true, due);
        Some((uid, time))
    }

    /// Whether a line whose text was heard too late was shown again soon after, or may have been without anybody there to
    /// hear of it; at `heard` in microseconds of the run, which ends at `end`.
    pub fn is_forgiven(&self, key: u64, heard: u64, end: u64) -> bool {
        let state = self.state.lock();
        let soon = heard..=heard + OF_ACTS;
        state.shown.get(&key).is_some_and(|shown| shown <= soon.end())
            || state.deaf.iter().chain([&end]).any(|at| soon.contains(at))
    }

    /// Somebody listens who verifies, since then.
    pub fn come(&self, since: u64) {
        *self.state.lock().listeners.entry(since).or_default() += 1;
    }

    /// Somebody who came at `since` listens no more. Only who was in when a line was due can say that it wasn't told.
    pub fn go(&self, since: u64, now: u64) {
        let mut state = self.state.lock();
        let Some(many) = state.listeners.get_mut(&since) else { return };
        *many -= 1;
        if *many > 0 {
            return;
        }
        state.listeners.remove(&since);
        match state.listeners.first_key_value().map(|(since, _)| *since) {
            Some(oldest) if oldest > since => state.forget_before(oldest, now),
            Some(_) => {}
            None => {
                state.forget_before(u64::MAX, now);
                state.deaf.push(now);
                // It may be shown again without anybody there to hear of it.
                state.hidden.clear();
                self.hidden.store(0, Ordering::Relaxed);
            }
        }
    }

    /// How often nobody listened any more.
    pub fn deaf(&self) -> usize {
        self.state.lock().deaf.len()
    }

    /// A line of ours was written.
    pub fn sent(&self, number: u32) {
        self.state.lock().mark(number, SENT);
    }

    /// It was acknowledged, with its time where the server says it. Whether that is the time of the line, if it was told.
    /// `due` is when it was to be said.
    pub fn acked(&self, number: u32, time: Option<i64>, due: u64) -> bool {
        let mut state = self.state.lock();
        state.mark(number, ACKED);
        if state.state(number) & TOLD == 0 {
            state.waiting.insert(number, Waiting { time, due });
            return true;
        }
        let told = state.times.remove(&number);
        time.zip(told).is_none_or(|(time, told)| time == told)
    }

    /// It was refused.
    pub fn refused(&self, number: u32) {
        self.state.lock().mark(number, REFUSED);
    }

    /// Its connection ended before its answer.
    pub fn unknown(&self, number: u32) {
        self.state.lock().mark(number, UNKNOWN);
    }

    /// The place behind the last line.
    pub fn end(&self) -> u64 {
        self.state.lock().end()
    }

    /// Lines that a viewer has not heard, as far as it can be told.
    pub fn missing(&self, cursor: &Cursor) -> u64 {
        let state = self.state.lock();
        match cursor.next {
            // Whoever is further behind than what is remembered isn't judged.
            Some(next) if next < state.first => 0,
            Some(next) => state.end().saturating_sub(next),
            None => state.missed_before(state.end(), cursor.since),
        }
    }

    /// How many lines of ours wait for their answer or to be told.
    pub fn open(&self) -> u64 {
        let state = self.state.lock();
        let unanswered = state.ours.iter().filter(|state| **state == SENT).count();
        (unanswered + state.waiting.len()) as u64
    }

    /// How our own lines fared by `end`, in microseconds of the run: what was due shortly before may be under way.
    pub fn audit(&self, end: u64) -> Audit {
        let mut state = self.state.lock();
        state.give_up(end);
        let with = |is: &dyn Fn(u8) -> bool| -> Vec<u32> {
            (0..).zip(&state.ours).filter(|(_, state)| is(**state)).map(|(number, _)| number).collect()
        };
        let mut lost = state.lost.clone();
        lost.sort_unstable();
        let many = |bit: u8| state.ours.iter().filter(|state| **state & bit != 0).count() as u64;
        Audit {
            sent: many(SENT),
            acked: many(ACKED),
            lost,
            acts: state.acked_acts,
            untold_acts: state.lost_acts,
            told_though_refused: with(&|state| state & REFUSED != 0 && state & TOLD != 0),
            unanswered: with(&|state| state & SENT != 0 && state & (ACKED | REFUSED | UNKNOWN) == 0),
        }
    }

    /// Numbers of our own lines in the order in which they were told.
    pub fn order(&self) -> Vec<u32> {
        self.state.lock().places.iter().filter_map(|place| place.number).collect()
    }

    /// The life of the channel's log, for those who come back.
    pub fn epoch(&self) -> Option<String> {
        self.state.lock().epoch.clone()
    }

    /// Which life it is.
    pub fn set_epoch(&self, epoch: &str) {
        let mut state = self.state.lock();
        if state.epoch.as_deref() != Some(epoch) {
            state.epoch = Some(epoch.to_owned());
        }
    }

    /// The channel's own identity, as its lines say it.
    pub fn channel(&self) -> Option<String> {
        self.channel.get().cloned()
    }

    /// Which channel it is.
    pub fn set_channel(&self, channel: &str) {
        self.channel.get_or_init(|| channel.to_owned());
    }

    /// Whether a line of ours was told.
    pub fn told(&self, number: u32) -> bool {
        self.state.lock().state(number) & TOLD != 0
    }
}

#[cfg(test)]
mod tests;
