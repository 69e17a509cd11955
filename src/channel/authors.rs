//! What is remembered of authors for two minutes: the time of their last line, and what they sent.
//!
//! Two minutes are counted in the times of the log's own events, and the most that is remembered in lines, so every
//! machine forgets at the same place. About 250 bytes a line, 25 MB for a channel at its fullest.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

use crate::model::id::{Seq, UserId};
use crate::model::message::{Line, Receipt};
use crate::model::time::Millis;

/// How long a line may be repeated without becoming a second one.
const REMEMBERED_MS: i64 = 120_000;

/// Lines that are remembered at most: 830 a second for two minutes. A faster channel forgets sooner.
const MOST_REMEMBERED: usize = 100_000;

/// Authors of the last two minutes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Authors {
    newest: Millis,
    /// No forgotten author has a line later than this.
    floor: Millis,
    /// Time and place of each author's last line.
    last: HashMap<UserId, (Millis, Seq)>,
    sent: HashMap<Sent, Accepted>,
    /// How many of them were retries: while there are none, only a retry can be a repeat.
    retried: usize,
    /// Every line that is remembered, oldest first.
    order: VecDeque<Remembered>,
}

/// What became of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Accepted {
    receipt: Receipt,
    /// When it was admitted, if it was a retry: what it repeats may still be on its way to the log.
    retried: Option<Millis>,
}

#[derive(Debug, PartialEq, Eq)]
struct Remembered {
    /// The newest time in the log by then.
    by: Millis,
    sent: Sent,
    seq: Seq,
    time: Millis,
}

/// What makes two sends the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sent {
    uid: UserId,
    tid: String,
    client_time: i64,
    /// The text by its hash: 16 bytes for up to 2,000. A collision would also need the same author, tid and time.
    text: Uuid,
    /// A line and a donation that say the same are two.
    special: bool,
}

impl Sent {
    fn new(line: &Line) -> Self {
        let text = Uuid::new_v5(&Uuid::NAMESPACE_OID, line.as_sent().as_bytes());
        let special = line.draft.kind.is_special();
        Self {
            uid: line.author.uid.clone(),
            tid: line.draft.tid.clone(),
            client_time: line.draft.client_time,
            text,
            special,
        }
    }
}

impl Authors {
    /// A time for the author's line at this place: the event's, moved behind every other line of theirs. A clock that
    /// jumped back can't give a time that one of their forgotten lines has.
    pub(super) fn stamp(&mut self, uid: &UserId, at: Millis, seq: Seq) -> Millis {
        let before = self.last.get(uid).map_or(self.floor, |(time, _)| *time);
        let time = at.max(before + 1);
        self.last.insert(uid.clone(), (time, seq));
        time
    }

    /// The receipt of the line that this one repeats: only one that says so can be a repeat, or one that was admitted
    /// before its own retry and came into the log behind it.
    pub(super) fn repeat(&self, line: &Line, at: Millis) -> Option<Receipt> {
        if !line.draft.retry && self.retried == 0 {
            return None;
        }
        let Accepted { receipt, retried } = *self.sent.get(&Sent::new(line))?;
        (line.draft.retry || retried.is_some_and(|retried| at <= retried)).then_some(receipt)
    }

    /// What this very send was answered with, if an event of now would be its repeat: the log's own time, by which sends
    /// are forgotten, stands still while nothing happens.
    pub(super) fn first(&self, line: &Line, now: Millis) -> Option<Receipt> {
        if !line.draft.retry {
            return None;
        }
        let Accepted { receipt, .. } = *self.sent.get(&Sent::new(line))?;
        (receipt.time >= now - REMEMBERED_MS).then_some(receipt)
    }

    pub(super) fn remember(&mut self, line: &Line, at: Millis, receipt: Receipt) {
        self.remember_by(self.newest, line, at, receipt);
        if self.order.len() > MOST_REMEMBERED
            && let Some(time) = self.forget_oldest()
        {
            self.floor = self.floor.max(time);
        }
    }

    fn remember_by(&mut self, by: Millis, line: &Line, at: Millis, receipt: Receipt) {
        let sent = Sent::new(line);
        let retried = line.draft.retry.then_some(at);
        let before = self.sent.insert(sent.clone(), Accepted { receipt, retried });
        self.retried += usize::from(retried.is_some());
        self.retried -= usize::from(before.is_some_and(|before| before.retried.is_some()));
        self.order.push_back(Remembered { by, sent, seq: receipt.seq, time: receipt.time });
    }

    /// Times that say what is forgotten: the log's newest, and the one behind which every forgotten line lies.
    pub(super) fn times(&self) -> (Millis, Millis) {
        (self.newest, self.floor)
    }

    /// Every line that is remembered, oldest first: its place, its time, and the log's newest time by then.
    pub(super) fn remembered(&self) -> impl Iterator<Item = (Seq, Millis, Millis)> {
        self.order.iter().map(|line| (line.seq, line.time, line.by))
    }

    /// What [`times`](Self::times) told, with nothing remembered yet.
    pub(super) fn forgetful((newest, floor): (Millis, Millis)) -> Self {
        Self { newest, floor, ..Self::default() }
    }

    /// Remembers a line again that was remembered; the oldest first.
    pub(super) fn restore(&mut self, by: Millis, line: &Line, at: Millis, receipt: Receipt) {
        self.last.insert(line.author.uid.clone(), (receipt.time, receipt.seq));
        self.remember_by(by, line, at, receipt);
    }

    /// Takes note of the time and forgets what is older than two minutes. Whose lines those were doesn't matter: a machine
    /// that finds them erased comes to the same.
    pub(super) fn tick(&mut self, at: Millis) {
        self.newest = self.newest.max(at);
        let forgotten = self.newest - REMEMBERED_MS;
        self.floor = self.floor.max(forgotten);
        while self.order.front().is_some_and(|line| line.by < forgotten) {
            self.forget_oldest();
        }
    }

    /// Forgets all up to a place.
    pub(super) fn forget_upto(&mut self, place: Seq) {
        while self.order.front().is_some_and(|line| line.seq <= place) {
            self.forget_oldest();
        }
    }

    /// Forgets what one author sent, and when: a machine that finds their lines erased has to stamp the next one alike.
    pub(super) fn forget_author(&mut self, uid: &UserId) {
        let (theirs, others) = std::mem::take(&mut self.order).into_iter().partition(|line| line.sent.uid == *uid);
        self.order = theirs;
        while !self.order.is_empty() {
            self.forget_oldest();
        }
        self.order = others;
    }

    /// Forgets a line; the time of its author's last one, if that is it.
    fn forget_oldest(&mut self) -> Option<Millis> {
        let Remembered { sent, seq, .. } = self.order.pop_front()?;
        // A later line with the same marks, or of the same author, is remembered longer.
        if let Some(accepted) = self.sent.get(&sent).copied().filter(|accepted| accepted.receipt.seq == seq) {
            self.sent.remove(&sent);
            self.retried -= usize::from(accepted.retried.is_some());
        }
        let (time, _) = self.last.get(&sent.uid).copied().filter(|(_, last)| *last == seq)?;
        self.last.remove(&sent.uid);
        Some(time)
    }
}
