//! What is remembered of authors for two minutes: the time of their last line, and what they sent.
//!
//! Two minutes are counted in the times of the log's own events, so every machine forgets at the same place. Bounded by
//! the rate at which lines are accepted: about 250 bytes for each line of the last two minutes.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use crate::model::id::{Seq, UserId};
use crate::model::message::{Line, Receipt};
use crate::model::time::Millis;

/// How long a line may be repeated without becoming a second one.
const REMEMBERED_MS: i64 = 120_000;

/// How far an event's time may lie behind the newest one's. Less than what is remembered, so that a clock that jumped
/// back can't stamp a time that a forgotten line has.
const LATEST_BEHIND_MS: i64 = 60_000;

/// Authors of the last two minutes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Authors {
    newest: Millis,
    last: HashMap<UserId, Millis>,
    sent: HashMap<Sent, Receipt>,
    /// Every line that is remembered, oldest first, by its receipt's place.
    order: VecDeque<(Millis, Sent, Seq)>,
}

/// What makes two sends the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sent {
    uid: UserId,
    tid: String,
    client_time: i64,
    /// The text by its hash: 8 bytes for up to 2,000. A collision would also need the same author, tid and time.
    text: u64,
}

impl Sent {
    fn new(line: &Line) -> Self {
        // Keyed with zeros, so that it is the same on every machine; nothing is stored of it.
        let text = BuildHasherDefault::<DefaultHasher>::default().hash_one(&line.draft.text);
        Self { uid: line.author.uid.clone(), tid: line.draft.tid.clone(), client_time: line.draft.client_time, text }
    }
}

impl Authors {
    /// A time for the author's next line: the event's, or one more than that of the author's last.
    pub(super) fn stamp(&mut self, uid: &UserId, at: Millis) -> Millis {
        let at = self.tick(at);
        let time = self.last.get(uid).map_or(at, |last| at.max(*last + 1));
        self.last.insert(uid.clone(), time);
        time
    }

    /// The receipt of the line that this one repeats. Only a line that says it may be one can be.
    pub(super) fn repeat(&mut self, line: &Line, at: Millis) -> Option<Receipt> {
        self.tick(at);
        line.draft.retry.then(|| self.sent.get(&Sent::new(line)).copied()).flatten()
    }

    pub(super) fn remember(&mut self, line: &Line, receipt: Receipt) {
        let sent = Sent::new(line);
        self.sent.insert(sent.clone(), receipt);
        self.order.push_back((self.newest, sent, receipt.seq));
    }

    /// Takes note of the time and forgets what is older than two minutes. Gives the time to go by.
    fn tick(&mut self, at: Millis) -> Millis {
        self.newest = self.newest.max(at);
        let forgotten = self.newest - REMEMBERED_MS;
        while let Some((_, sent, seq)) = self.order.pop_front_if(|(at, ..)| *at < forgotten) {
            // A later line with the same marks has taken its place and is remembered longer.
            if self.sent.get(&sent).is_some_and(|receipt| receipt.seq == seq) {
                self.sent.remove(&sent);
            }
            if self.last.get(&sent.uid).is_some_and(|last| *last < forgotten) {
                self.last.remove(&sent.uid);
            }
        }
        at.max(self.newest - LATEST_BEHIND_MS)
    }
}
