//! What a channel has told, in order, as the first of its verifying viewers heard it: what all others are held against.
//!
//! On the plain wire a line has no place, so its place here is the one at which anybody heard it first. A viewer keeps the
//! place that comes next; a line that stands elsewhere is a gap, a repeat, or out of order.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::quality::FixedState;
use parking_lot::Mutex;

use crate::drive::words::Mark;

use super::audit::Audit;

/// Lines that are remembered; whoever is further behind isn't judged.
const REMEMBERED: usize = 200_000;

/// Lines that staff may choose from.
const NEWEST: usize = 64;

/// Hidden lines, acts that are timed and lines without a mark that are remembered.
const NOTED: usize = 100_000;

/// How far back is looked for lines that a newcomer should have heard.
const LOOK_BACK: u64 = 256;

const SENT: u8 = 1;
const ACKED: u8 = 2;
const REFUSED: u8 = 4;
const TOLD: u8 = 8;
/// Its connection ended before its answer: it may or may not have got through.
const UNKNOWN: u8 = 16;

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
}

#[derive(Debug, Default)]
struct State {
    places: VecDeque<Place>,
    /// The place of the first that is remembered.
    first: u64,
    by_key: HashMap<u64, u64, FixedState>,
    by_seq: HashMap<u64, u64, FixedState>,
    /// Of our own lines, by their numbers.
    ours: Vec<u8>,
    /// Told and not acknowledged yet, with their times.
    times: HashMap<u32, i64>,
    /// Acknowledged and not told yet, with the times of their answers.
    waiting: HashMap<u32, Option<i64>>,
    listeners: u32,
    deaf: u64,
    /// Times of lines that don't say which they are: hidden ones.
    unmarked: HashSet<i64>,
    newest: VecDeque<(String, i64, u64)>,
    hidden: HashMap<u64, u64, FixedState>,
    /// Lines that somebody of ours has asked to show again: they are judged no more.
    shown: HashSet<u64, FixedState>,
    acts: u64,
    /// When an act was due, by its line and whether it shows it again.
    timed: HashMap<(u64, bool), u64>,
    /// Acts on lines, by the line and whether it is shown again: those of ours that were acknowledged, and all that were heard.
    acked_acts: HashSet<(u64, bool), FixedState>,
    heard_acts: HashSet<(u64, bool), FixedState>,
    epoch: Option<String>,
    channel: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    key: u64,
    seq: Option<u64>,
    due: u64,
    number: Option<u32>,
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

    /// A viewer has heard that lines are hidden, or shown again. Gives when each act was due, of those that this run did.
    pub fn blinded(&self, cursor: &mut Cursor, keys: &[u64], seqs: &[u64], shown: bool) -> Vec<u64> {
        let mut state = self.state.lock();
        let mut due = Vec::new();
        let by_seq: Vec<u64> =
            seqs.iter().filter_map(|seq| state.by_seq.get(seq).copied()).filter(|key| !keys.contains(key)).collect();
        for key in keys.iter().copied().chain(by_seq) {
            if state.heard_acts.len() < NOTED {
                state.heard_acts.insert((key, shown));
            }
            due.extend(state.timed.get(&(key, shown)).copied());
            if shown {
                state.hidden.remove(&key);
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
        if state.acked_acts.len() < NOTED {
            state.acked_acts.insert((key, shown));
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

    /// A line that is hidden, to show it again. From now on its text may be heard by whoever asks: an answer may be ahead of
    /// the push that says so.
    pub fn choose_hidden(&self, due: u64) -> Option<(String, i64)> {
        let mut state = self.state.lock();
        let found = state.newest.iter().rev().find(|(_, _, key)| state.hidden.contains_key(key)).cloned();
        let (uid, time, key) = found?;
        state.time(key, true, due);
        state.hidden.remove(&key);
        if state.shown.len() < NOTED {
            state.shown.insert(key);
        }
        Some((uid, time))
    }

    /// Somebody listens who verifies.
    pub fn come(&self) {
        self.state.lock().listeners += 1;
    }

    /// Somebody listens no more. With the last one goes whoever could say that what waits was told.
    pub fn go(&self) {
        let mut state = self.state.lock();
        state.listeners = state.listeners.saturating_sub(1);
        if state.listeners == 0 {
            state.waiting.clear();
            state.acked_acts.clear();
            state.deaf += 1;
        }
    }

    /// How often nobody listened any more.
    pub fn deaf(&self) -> u64 {
        self.state.lock().deaf
    }

    /// A line of ours was written.
    pub fn sent(&self, number: u32) {
        self.state.lock().mark(number, SENT);
    }

    /// It was acknowledged, with its time where the server says it. Whether that is the time of the line, if it was told.
    pub fn acked(&self, number: u32, time: Option<i64>) -> bool {
        let mut state = self.state.lock();
        state.mark(number, ACKED);
        if state.ours[number as usize] & TOLD == 0 {
            state.waiting.insert(number, time);
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

    /// How our own lines fared.
    pub fn audit(&self) -> Audit {
        let state = self.state.lock();
        let with = |is: &dyn Fn(u8) -> bool| -> Vec<u32> {
            (0..).zip(&state.ours).filter(|(_, state)| is(**state)).map(|(number, _)| number).collect()
        };
        // A hidden line has no mark; its time says that it is there.
        let told = |time: &Option<i64>| time.is_some_and(|time| state.unmarked.contains(&time));
        let mut lost: Vec<u32> =
            state.waiting.iter().filter(|(_, time)| !told(time)).map(|(number, _)| *number).collect();
        lost.sort_unstable();
        let many = |bit: u8| state.ours.iter().filter(|state| **state & bit != 0).count() as u64;
        Audit {
            sent: many(SENT),
            acked: many(ACKED),
            lost,
            acts: state.acked_acts.len() as u64,
            untold_acts: state.acked_acts.difference(&state.heard_acts).count() as u64,
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
        self.state.lock().channel.clone()
    }

    /// Which channel it is.
    pub fn set_channel(&self, channel: &str) {
        self.state.lock().channel.get_or_insert_with(|| channel.to_owned());
    }

    /// Whether a line of ours was told.
    pub fn told(&self, number: u32) -> bool {
        self.state.lock().state(number) & TOLD != 0
    }
}

impl State {
    fn end(&self) -> u64 {
        self.first + self.places.len() as u64
    }

    /// Whether nothing is wrong with it.
    fn line(&mut self, cursor: &mut Cursor, line: &Heard, fault: &mut dyn FnMut(Fault)) -> bool {
        let mut clean = true;
        if line.open && self.hidden.get(&line.key).is_some_and(|act| *act <= cursor.acts) {
            fault(Fault::Hidden(line.clone()));
            clean = false;
        }
        let known = self.by_key.get(&line.key).copied();
        let of_before = line.mark.is_none_or(|mark| mark.due <= cursor.since);
        if known.is_none() && cursor.next.is_none() && cursor.history && of_before {
            return false;
        }
        let place = match known {
            Some(place) => place,
            None => self.append(line, &mut |found| {
                fault(found);
                clean = false;
            }),
        };
        if let (Some(seq), Some(at)) = (line.seq, place.checked_sub(self.first))
            && let Some(known) = self.places.get_mut(usize::try_from(at).unwrap_or(usize::MAX))
            && known.seq.is_none()
        {
            known.seq = Some(seq);
            self.by_seq.insert(seq, line.key);
        }
        let missed = match cursor.next {
            Some(next) if place < next => {
                let late = (cursor.gap.0..cursor.gap.1).contains(&place);
                fault(if late { Fault::Order(line.clone()) } else { Fault::Repeat(line.clone()) });
                return false;
            }
            Some(next) => place - next,
            None => self.missed_before(place, cursor.since),
        };
        if missed > 0 {
            cursor.gap = (place - missed, place);
            fault(Fault::Gap(missed, line.clone()));
            clean = false;
        }
        cursor.next = Some(place + 1);
        clean
    }

    fn append(&mut self, line: &Heard, fault: &mut dyn FnMut(Fault)) -> u64 {
        let place = self.end();
        let due = line.mark.map_or(0, |mark| mark.due);
        let number = line.mark.map(|mark| mark.number);
        self.places.push_back(Place { key: line.key, seq: line.seq, due, number });
        self.by_key.insert(line.key, place);
        if let Some(seq) = line.seq {
            self.by_seq.insert(seq, line.key);
        }
        if self.places.len() > REMEMBERED
            && let Some(oldest) = self.places.pop_front()
        {
            self.first += 1;
            self.by_key.remove(&oldest.key);
            oldest.seq.map(|seq| self.by_seq.remove(&seq));
        }
        // A number that is far from all others is somebody's joke.
        let mark = line.mark.filter(|mark| (mark.number as usize) < self.ours.len() + NOTED);
        if let Some(Mark { number, .. }) = mark {
            if self.state(number) & TOLD != 0 {
                fault(Fault::Twice(line.clone()));
            }
            self.mark(number, TOLD);
            if let Some(time) = self.waiting.remove(&number).flatten()
                && time != line.time
            {
                fault(Fault::Time(line.clone()));
            }
            if self.state(number) & ACKED == 0 && self.times.len() < NOTED {
                self.times.insert(number, line.time);
            }
            self.newest.push_back((line.uid.clone(), line.time, line.key));
            if self.newest.len() > NEWEST {
                self.newest.pop_front();
            }
        } else if self.unmarked.len() < NOTED {
            self.unmarked.insert(line.time);
        }
        place
    }

    /// Lines before a place that were due when somebody was in already.
    fn missed_before(&self, place: u64, since: u64) -> u64 {
        let oldest = place.saturating_sub(LOOK_BACK).max(self.first);
        let missed = (oldest..place).find(|at| {
            let at = usize::try_from(at - self.first).unwrap_or(usize::MAX);
            self.places.get(at).is_some_and(|known| known.due > since)
        });
        missed.map_or(0, |first| place - first)
    }

    /// The number of the act that hides this line.
    fn hide(&mut self, key: u64) -> u64 {
        if let Some(act) = self.hidden.get(&key) {
            return *act;
        }
        self.acts += 1;
        if self.hidden.len() < NOTED && !self.shown.contains(&key) {
            self.hidden.insert(key, self.acts);
        }
        self.acts
    }

    fn time(&mut self, key: u64, shown: bool, due: u64) {
        if self.timed.len() < NOTED {
            self.timed.insert((key, shown), due);
        }
    }

    fn state(&self, number: u32) -> u8 {
        self.ours.get(number as usize).copied().unwrap_or(0)
    }

    fn mark(&mut self, number: u32, bits: u8) {
        let index = number as usize;
        if self.ours.len() <= index {
            self.ours.resize(index + 1, 0);
        }
        self.ours[index] |= bits;
    }
}

#[cfg(test)]
mod tests;
