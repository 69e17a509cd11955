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
    /// The last gap: a line of it that comes yet is out of order.
    gap: (u64, u64),
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
    /// Acknowledged and not told yet, with the times of their answers.
    waiting: HashMap<u32, Option<i64>>,
    /// Times of lines that don't say which they are: hidden ones.
    unmarked: HashSet<i64>,
    newest: VecDeque<(String, i64, u64)>,
    hidden: HashMap<u64, u64, FixedState>,
    /// Lines that somebody of ours has asked to show again: they are judged no more.
    shown: HashSet<u64, FixedState>,
    acts: u64,
    /// When an act was due, by its line and whether it shows it again.
    timed: HashMap<(u64, bool), u64>,
    epoch: Option<String>,
    channel: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    key: u64,
    seq: Option<u64>,
    due: u64,
}

/// How our own lines fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Sent in all.
    pub sent: u64,
    /// Acknowledged, and never told: their numbers.
    pub lost: Vec<u32>,
    /// Refused, and told.
    pub told_though_refused: Vec<u32>,
    /// Neither acknowledged nor refused, on a connection that held.
    pub unanswered: Vec<u32>,
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
        let by_seq: Vec<u64> = seqs.iter().filter_map(|seq| state.by_seq.get(seq).copied()).collect();
        for key in keys.iter().copied().chain(by_seq) {
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

    /// A line to hide: so many before the newest; `due` says when.
    pub fn choose(&self, back: u32, due: u64) -> Option<(String, i64)> {
        let mut state = self.state.lock();
        let index = state.newest.len().checked_sub(1 + back as usize)?;
        let (uid, time, key) = state.newest.get(index)?.clone();
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

    /// A line of ours was written.
    pub fn sent(&self, number: u32) {
        self.state.lock().mark(number, SENT);
    }

    /// It was acknowledged, with its time where the server says it.
    pub fn acked(&self, number: u32, time: Option<i64>) {
        let mut state = self.state.lock();
        state.mark(number, ACKED);
        if state.ours[number as usize] & TOLD == 0 {
            state.waiting.insert(number, time);
        }
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
        Audit {
            sent: state.ours.iter().filter(|state| **state & SENT != 0).count() as u64,
            lost,
            told_though_refused: with(&|state| state & REFUSED != 0 && state & TOLD != 0),
            unanswered: with(&|state| state & SENT != 0 && state & (ACKED | REFUSED | UNKNOWN) == 0),
        }
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
        if known.is_none() && cursor.next.is_none() && line.mark.is_none() && !self.places.is_empty() {
            // Of before: a newcomer is told what was said last.
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
        self.places.push_back(Place { key: line.key, seq: line.seq, due });
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
        if let Some(Mark { number, .. }) = line.mark {
            if self.state(number) & TOLD != 0 {
                fault(Fault::Twice(line.clone()));
            }
            self.mark(number, TOLD);
            self.waiting.remove(&number);
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
mod tests {
    use super::*;

    fn line(number: u32) -> Heard {
        let time = 1_000 + i64::from(number);
        let mark = Some(Mark { number, due: u64::from(number) * 10 });
        Heard { key: key("u", time), uid: "u".to_owned(), time, seq: None, mark, open: true, members: 3 }
    }

    fn hear(ledger: &Ledger, cursor: &mut Cursor, numbers: &[u32]) -> Vec<Fault> {
        let mut faults = Vec::new();
        let lines: Vec<Heard> = numbers.iter().map(|number| line(*number)).collect();
        ledger.hear(cursor, &lines, &mut |fault| faults.push(fault));
        faults
    }

    #[test]
    fn those_who_hear_the_same_are_right() {
        let (ledger, mut one, mut two) = (Ledger::default(), Cursor::default(), Cursor::default());
        assert_eq!(hear(&ledger, &mut one, &[0, 1, 2]), []);
        assert_eq!(hear(&ledger, &mut two, &[0]), []);
        assert_eq!(hear(&ledger, &mut two, &[1, 2, 3]), []);
        assert_eq!(hear(&ledger, &mut one, &[3]), []);
        assert_eq!((ledger.missing(&one), ledger.missing(&two)), (0, 0));
        let lines = [line(4)];
        assert_eq!(ledger.hear(&mut one, &lines, &mut |_| panic!()), Some((4, 5)));
    }

    #[test]
    fn a_missing_line_is_a_gap() {
        let (ledger, mut one, mut two) = (Ledger::default(), Cursor::default(), Cursor::default());
        hear(&ledger, &mut one, &[0, 1, 2, 3]);
        assert_eq!(hear(&ledger, &mut two, &[0, 3]), [Fault::Gap(2, line(3))]);
        hear(&ledger, &mut one, &[4]);
        assert_eq!(ledger.missing(&two), 1, "at the end, too");
    }

    #[test]
    fn a_newcomer_misses_what_was_due_since_it_came() {
        let (ledger, mut one) = (Ledger::default(), Cursor::default());
        hear(&ledger, &mut one, &[0, 1, 2, 3, 4]);
        let mut two = Cursor { since: 25, ..Cursor::default() };
        assert_eq!(ledger.missing(&two), 2);
        assert_eq!(hear(&ledger, &mut two, &[4]), [Fault::Gap(1, line(4))]);
        let mut three = Cursor { since: 45, ..Cursor::default() };
        assert_eq!(hear(&ledger, &mut three, &[4]), [], "that it hears more is no fault");
    }

    #[test]
    fn what_comes_twice_or_in_another_order_is_told_apart() {
        let (ledger, mut one, mut two) = (Ledger::default(), Cursor::default(), Cursor::default());
        hear(&ledger, &mut one, &[0, 1, 2, 3]);
        assert_eq!(hear(&ledger, &mut one, &[3]), [Fault::Repeat(line(3))]);
        assert_eq!(hear(&ledger, &mut two, &[0, 2, 1, 3]), [Fault::Gap(1, line(2)), Fault::Order(line(1))]);
    }

    #[test]
    fn one_send_is_one_line() {
        let (ledger, mut one) = (Ledger::default(), Cursor::default());
        hear(&ledger, &mut one, &[0]);
        let again = Heard { key: 99, time: 5_000, ..line(0) };
        let mut faults = Vec::new();
        ledger.hear(&mut one, std::slice::from_ref(&again), &mut |fault| faults.push(fault));
        assert_eq!(faults, [Fault::Twice(again)]);
    }

    #[test]
    fn hidden_text_is_not_heard_after_its_act() {
        let (ledger, mut one, mut two) = (Ledger::default(), Cursor::default(), Cursor::default());
        hear(&ledger, &mut one, &[0, 1]);
        assert_eq!(ledger.choose(0, 70), Some(("u".to_owned(), 1_001)));
        assert_eq!(ledger.blinded(&mut one, &[line(1).key], &[], false), [70]);
        assert_eq!(hear(&ledger, &mut two, &[0, 1]), [], "its own act comes behind the line");
        ledger.blinded(&mut two, &[line(1).key], &[], false);
        assert_eq!(hear(&ledger, &mut two, &[1]), [Fault::Hidden(line(1)), Fault::Repeat(line(1))]);
        let mut faults = Vec::new();
        ledger.look_back(ledger.acts(), &[line(0), line(1)], &mut |fault| faults.push(fault));
        assert_eq!(faults, [Fault::Hidden(line(1))]);
        ledger.look_back(0, &[line(1)], &mut |_| panic!("asked for before the act"));
        ledger.blinded(&mut one, &[line(1).key], &[], true);
        ledger.look_back(ledger.acts(), &[line(1)], &mut |_| panic!("shown again"));
        ledger.blinded(&mut one, &[line(0).key], &[], false);
        assert_eq!(ledger.choose_hidden(80), Some(("u".to_owned(), 1_000)));
        ledger.blinded(&mut two, &[line(0).key], &[], false);
        ledger.look_back(ledger.acts(), &[line(0)], &mut |_| panic!("it may be shown again by now"));
    }

    #[test]
    fn a_place_in_the_log_names_a_line_too() {
        let (ledger, mut one) = (Ledger::default(), Cursor::default());
        hear(&ledger, &mut one, &[0]);
        let placed = Heard { seq: Some(77), ..line(0) };
        ledger.hear(&mut Cursor::default(), &[placed.clone()], &mut |_| panic!());
        ledger.blinded(&mut one, &[], &[77], false);
        let mut faults = Vec::new();
        ledger.look_back(ledger.acts(), &[placed.clone()], &mut |fault| faults.push(fault));
        assert_eq!(faults, [Fault::Hidden(placed)]);
    }

    #[test]
    fn our_own_lines_are_accounted_for() {
        let (ledger, mut one) = (Ledger::default(), Cursor::default());
        for number in 0..7 {
            ledger.sent(number);
        }
        hear(&ledger, &mut one, &[0, 1, 2]);
        ledger.acked(0, None);
        ledger.acked(3, Some(9_999));
        ledger.acked(4, Some(1_234));
        ledger.refused(1);
        ledger.refused(5);
        ledger.unknown(6);
        let hidden = Heard { key: key("u", 1_234), time: 1_234, mark: None, open: false, ..line(0) };
        ledger.hear(&mut one, &[hidden], &mut |_| panic!());
        let audit = ledger.audit();
        assert_eq!((audit.sent, audit.lost), (7, vec![3]), "4 was told, hidden");
        assert_eq!((audit.told_though_refused, audit.unanswered), (vec![1], vec![2]));
    }
}
