//! What a channel has told, behind its lock.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use foldhash::quality::FixedState;

use crate::drive::words::Mark;

use super::{Cursor, Fault, Heard, TELLING};

/// Lines that are remembered; whoever is further behind isn't judged.
pub(super) const REMEMBERED: usize = 200_000;

/// Lines that staff may choose from.
const NEWEST: usize = 64;

/// Hidden lines, acts that are timed, and others of which some are remembered; of more nothing is said.
pub(super) const NOTED: usize = 100_000;

/// How far back is looked for lines that a newcomer should have heard.
const LOOK_BACK: u64 = 256;

pub(super) const SENT: u8 = 1;
pub(super) const ACKED: u8 = 2;
pub(super) const REFUSED: u8 = 4;
pub(super) const TOLD: u8 = 8;
/// Its connection ended before its answer: it may or may not have got through.
pub(super) const UNKNOWN: u8 = 16;

/// A line of ours that was acknowledged and not told yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// Its time, where the answer says it.
    pub(super) time: Option<i64>,
    /// When it was due, in microseconds of the run.
    pub(super) due: u64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) places: VecDeque<Place>,
    /// The place of the first that is remembered.
    pub(super) first: u64,
    by_key: HashMap<u64, u64, FixedState>,
    pub(super) by_seq: HashMap<u64, u64, FixedState>,
    /// Lines that stand just before a place, and were heard only after it.
    early: HashMap<u64, u64, FixedState>,
    /// Of our own lines, by their numbers.
    pub(super) ours: Vec<u8>,
    /// Told and not acknowledged yet, with their times.
    pub(super) times: HashMap<u32, i64>,
    pub(super) waiting: HashMap<u32, Waiting>,
    /// Those of them of which it is known that they won't be told.
    pub(super) lost: Vec<u32>,
    /// Those who listen, by when they came.
    pub(super) listeners: BTreeMap<u64, u32>,
    /// When nobody listened any more.
    pub(super) deaf: Vec<u64>,
    /// Times of lines that don't say which they are: hidden ones, and other people's.
    pub(super) unmarked: HashSet<i64>,
    pub(super) newest: VecDeque<(String, i64, u64)>,
    pub(super) hidden: HashMap<u64, u64, FixedState>,
    /// Lines that were shown again, and when that was heard first: they are judged no more.
    pub(super) shown: HashMap<u64, u64, FixedState>,
    pub(super) acts: u64,
    /// When an act was due, by its line and whether it shows it again.
    pub(super) timed: HashMap<(u64, bool), u64>,
    /// Acts that were heard, by the line and whether it is shown again.
    pub(super) heard_acts: HashSet<(u64, bool), FixedState>,
    /// Those of ours that were acknowledged, how many; and which of them nobody has heard of.
    pub(super) acked_acts: u64,
    pub(super) untold_acts: HashSet<(u64, bool), FixedState>,
    /// How many of these won't be told any more.
    pub(super) lost_acts: u64,
    pub(super) epoch: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    key: u64,
    seq: Option<u64>,
    due: u64,
    pub(super) number: Option<u32>,
    /// Since when the first who heard it was in.
    since: u64,
}

impl State {
    pub(super) fn end(&self) -> u64 {
        self.first + self.places.len() as u64
    }

    /// Whether nothing is wrong with it.
    pub(super) fn line(&mut self, cursor: &mut Cursor, line: &Heard, fault: &mut dyn FnMut(Fault)) -> bool {
        self.catch_up(cursor);
        let mut clean = true;
        let known = self.by_key.get(&line.key).copied();
        if line.open && self.hidden.get(&line.key).is_some_and(|act| *act <= cursor.acts) {
            fault(Fault::Hidden(line.clone()));
            clean = false;
        }
        let of_before = line.mark.is_none_or(|mark| mark.due <= cursor.since);
        if known.is_none() && cursor.next.is_none() && cursor.history && of_before {
            return false;
        }
        if known.is_none()
            && let Some(before) = self.early(cursor, line, fault)
        {
            if cursor.next.is_some_and(|next| next > before) {
                fault(Fault::Order(line.clone()));
            }
            return false;
        }
        let place = known.unwrap_or_else(|| {
            self.append(line, cursor.since, &mut |found| {
                fault(found);
                clean = false;
            })
        });
        self.know_seq(place, line);
        self.go_to(place, cursor, line, fault) && clean
    }

    /// Whoever is behind what is remembered begins anew where it ends.
    fn catch_up(&self, cursor: &mut Cursor) {
        if cursor.next.is_some_and(|next| next < self.first) {
            let newest = self.places.back().map_or(0, |place| place.due);
            *cursor = Cursor::anew(newest.max(cursor.since), cursor.acts);
        }
    }

    /// The place that a line stands before that is new, though lines behind it are known: whoever heard those first had come
    /// after it was said, and was read before those who heard it. It has no place of its own, so nobody misses it.
    fn early(&mut self, cursor: &Cursor, line: &Heard, fault: &mut dyn FnMut(Fault)) -> Option<u64> {
        if let Some(before) = self.early.get(&line.key) {
            return Some(*before);
        }
        let mark = line.mark?;
        let came_behind = |place: u64| self.at(place).is_some_and(|known| known.since >= mark.due);
        let oldest = self.end().saturating_sub(LOOK_BACK).max(self.first);
        let next = match cursor.next {
            Some(next) => Some(next).filter(|next| came_behind(*next)),
            None => (oldest..self.end()).find(|place| came_behind(*place)),
        }?;
        if self.early.len() >= NOTED {
            let first = self.first;
            self.early.retain(|_, before| *before >= first);
        }
        self.early.insert(line.key, next);
        self.account(line, fault);
        Some(next)
    }

    /// A viewer has heard the line of this place; whether it is the one that comes next.
    fn go_to(&self, place: u64, cursor: &mut Cursor, line: &Heard, fault: &mut dyn FnMut(Fault)) -> bool {
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
        }
        cursor.next = Some(place + 1);
        missed == 0
    }

    fn append(&mut self, line: &Heard, since: u64, fault: &mut dyn FnMut(Fault)) -> u64 {
        let place = self.end();
        let due = line.mark.map_or(0, |mark| mark.due);
        let number = line.mark.map(|mark| mark.number);
        self.places.push_back(Place { key: line.key, seq: line.seq, due, number, since });
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
        self.account(line, fault);
        place
    }

    /// A line is told for the first time: what is said of it elsewhere must fit.
    fn account(&mut self, line: &Heard, fault: &mut dyn FnMut(Fault)) {
        // A number that is far from all others is somebody's joke.
        let mark = line.mark.filter(|mark| (mark.number as usize) < self.ours.len() + NOTED);
        let Some(Mark { number, .. }) = mark else {
            if self.unmarked.len() < NOTED {
                self.unmarked.insert(line.time);
            }
            return;
        };
        if self.state(number) & TOLD != 0 {
            fault(Fault::Twice(line.clone()));
        }
        self.mark(number, TOLD);
        let time = self.waiting.remove(&number).and_then(|waiting| waiting.time);
        if time.is_some_and(|time| time != line.time) {
            fault(Fault::Time(line.clone()));
        }
        if self.state(number) & ACKED == 0 && self.times.len() < NOTED {
            self.times.insert(number, line.time);
        }
        self.newest.push_back((line.uid.clone(), line.time, line.key));
        if self.newest.len() > NEWEST {
            self.newest.pop_front();
        }
    }

    /// Whoever heard it first may have been on the plain wire, where it has no place.
    fn know_seq(&mut self, place: u64, line: &Heard) {
        if let (Some(seq), Some(at)) = (line.seq, place.checked_sub(self.first))
            && let Some(known) = self.places.get_mut(usize::try_from(at).unwrap_or(usize::MAX))
            && known.seq.is_none()
        {
            known.seq = Some(seq);
            self.by_seq.insert(seq, line.key);
        }
    }

    fn at(&self, place: u64) -> Option<&Place> {
        let at = place.checked_sub(self.first)?;
        self.places.get(usize::try_from(at).unwrap_or(usize::MAX))
    }

    /// The first of the last lines before `end` that were due when somebody was in already.
    fn first_due_after(&self, since: u64, end: u64) -> Option<u64> {
        let oldest = end.saturating_sub(LOOK_BACK).max(self.first);
        (oldest..end).find(|at| self.at(*at).is_some_and(|known| known.due > since))
    }

    /// Lines before a place that were due when somebody was in already.
    pub(super) fn missed_before(&self, place: u64, since: u64) -> u64 {
        self.first_due_after(since, place).map_or(0, |first| place - first)
    }

    /// The number of the act that hides this line; 0 when it isn't judged, because it has been shown again or too many are
    /// hidden.
    pub(super) fn hide(&mut self, key: u64) -> u64 {
        if let Some(act) = self.hidden.get(&key) {
            return *act;
        }
        if self.shown.contains_key(&key) || self.shown.len() >= NOTED || self.hidden.len() >= NOTED {
            return 0;
        }
        self.acts += 1;
        self.hidden.insert(key, self.acts);
        self.acts
    }

    /// Its text may be heard from now on. Others may hear of the act that hid it only now: it is judged no more.
    pub(super) fn show(&mut self, key: u64, now: u64) {
        self.hidden.remove(&key);
        if self.shown.len() < NOTED {
            self.shown.entry(key).or_insert(now);
        } else {
            self.hidden.clear();
        }
    }

    pub(super) fn time(&mut self, key: u64, shown: bool, due: u64) {
        if self.timed.len() < NOTED {
            self.timed.insert((key, shown), due);
        }
    }

    /// Nobody is left who was in before `since`: whether what was due by then is told from now on nobody can say.
    pub(super) fn forget_before(&mut self, since: u64, now: u64) {
        self.give_up(now);
        self.waiting.retain(|_, waiting| waiting.due > since);
        let timed = &self.timed;
        self.untold_acts.retain(|act| timed.get(act).is_some_and(|due| *due > since));
    }

    /// What had its time to be told by `now` is lost.
    pub(super) fn give_up(&mut self, now: u64) {
        let Some(limit) = now.checked_sub(TELLING) else { return };
        // A hidden line has no mark; its time says that it is there.
        let unmarked = &self.unmarked;
        let told = |time: i64| unmarked.len() >= NOTED || unmarked.contains(&time);
        for (number, waiting) in self.waiting.extract_if(|_, waiting| waiting.due <= limit) {
            if !waiting.time.is_some_and(told) {
                self.lost.push(number);
            }
        }
        if self.heard_acts.len() < NOTED {
            let timed = &self.timed;
            let late = |act: &(u64, bool)| timed.get(act).is_none_or(|due| *due <= limit);
            self.lost_acts += self.untold_acts.extract_if(late).count() as u64;
        }
    }

    pub(super) fn state(&self, number: u32) -> u8 {
        self.ours.get(number as usize).copied().unwrap_or(0)
    }

    pub(super) fn mark(&mut self, number: u32, bits: u8) {
        let index = number as usize;
        if self.ours.len() <= index {
            self.ours.resize(index + 1, 0);
        }
        self.ours[index] |= bits;
    }
}
