//! What waits to be sent: one queue for all shards, each of which takes from it in its own time.

use std::collections::{HashSet, VecDeque};

use tokio::time::Instant;

use crate::clock;
use crate::model::item::Item;

use super::pace::Effort;

/// Most bytes of one batch, as far as they can be told before it is encoded: half of what an outbox holds, so that a
/// burst of lines never looks like a slow reader.
const LARGEST_BATCH: usize = 128 * 1024;

/// Where an item stands in all that a feed was ever given.
pub(super) type Position = u64;

/// Items that not every shard has taken.
#[derive(Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    /// Where the first of them stands.
    first: Position,
    /// Where the newest item ends that can't wait for a window's end.
    urgent: Position,
    /// Rises with everything that was changed while it waited.
    revision: u64,
    shards: Vec<Progress>,
    /// When lines were taken back, and where the act stands that did; oldest first.
    hidden: VecDeque<(Position, Instant)>,
}

/// How far a shard is.
#[derive(Clone, Copy)]
struct Progress {
    /// It takes from here.
    next: Position,
    /// Its members have been told of everything before.
    told: Position,
    /// What its last flush took.
    effort: Effort,
}

/// What a shard sends next.
pub(super) struct Taken {
    /// In order; empty when there is nothing.
    pub(super) items: Vec<Item>,
    /// Which they are: the same for every shard that takes the same.
    pub(super) stretch: Stretch,
    /// Whether more waits behind them.
    pub(super) rest: bool,
}

/// Items of a queue as they stood at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    from: Position,
    to: Position,
    revision: u64,
}

/// What was pushed.
pub(super) struct Pushed {
    /// Anything at all.
    pub(super) some: bool,
    /// Something that can't wait for a window's end.
    pub(super) urgent: bool,
}

impl Queue {
    /// A place for one more shard, which gets what comes from now on.
    pub(super) fn open(&mut self) -> usize {
        let end = self.end();
        self.shards.push(Progress { next: end, told: end, effort: Effort::default() });
        self.shards.len() - 1
    }

    pub(super) fn push(&mut self, items: impl IntoIterator<Item = Item>) -> Pushed {
        let before = self.items.len();
        self.items.extend(items);
        let new = || self.items.range(before..);
        let (some, urgent) = (new().len() > 0, new().any(Item::is_act));
        if new().any(Item::hides) && new().last().is_some_and(|last| last.covers() == last.seq()) {
            self.hidden.push_back((self.end(), clock::instant()));
        }
        if urgent {
            self.urgent = self.end();
        }
        Pushed { some, urgent }
    }

    /// How many wait for the shard that is farthest behind.
    pub(super) fn waiting(&self) -> usize {
        self.items.len()
    }

    /// Whether something waits for this shard that can't wait for a window's end.
    pub(super) fn is_urgent(&self, shard: usize) -> bool {
        self.shards[shard].next < self.urgent
    }

    /// Looks again at every item that waits: it goes out as `amended`; one that doesn't go out at all leaves no trace.
    pub(super) fn amend(&mut self, amended: impl Fn(Item) -> Option<Item>) {
        self.revision += 1;
        let first = self.first;
        let mut gone = Vec::new();
        let kept = std::mem::take(&mut self.items).into_iter().zip(first..).filter_map(|(item, position)| {
            let item = amended(item);
            if item.is_none() {
                gone.push(position);
            }
            item
        });
        self.items = kept.collect();
        let moved = |position: Position| position - gone.partition_point(|gone| *gone < position) as u64;
        for shard in &mut self.shards {
            (shard.next, shard.told) = (moved(shard.next), moved(shard.told));
        }
        self.urgent = moved(self.urgent);
        self.hidden.iter_mut().for_each(|(position, _)| *position = moved(*position));
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        let end = self.end();
        self.items.clear();
        self.hidden.clear();
        self.first = end;
        self.shards.iter_mut().for_each(|shard| (shard.next, shard.told) = (end, end));
    }

    /// As many items as make a batch, at least one; nothing at all for a shard that `is_empty`, for which nothing waits
    /// any more.
    pub(super) fn take(&mut self, shard: usize, is_empty: bool) -> Taken {
        let (from, end) = (self.shards[shard].next, self.end());
        let to = if is_empty { end } else { from + self.fitting(from) };
        self.shards[shard].next = to;
        let mut items = Vec::new();
        if !is_empty {
            items.extend(self.items.range(self.index(from)..self.index(to)).cloned());
            forget_needless_votes(&mut items);
        }
        Taken { items, stretch: Stretch { from, to, revision: self.revision }, rest: to < end }
    }

    /// Takes note that a shard's members have been told what it has taken, at what effort. Calls `hidden` with the
    /// moment of each act that hid something and has now been told to everybody.
    pub(super) fn told(&mut self, shard: usize, effort: Effort, mut hidden: impl FnMut(Instant)) {
        let progress = &mut self.shards[shard];
        (progress.told, progress.effort) = (progress.next, effort);
        let told = self.shards.iter().map(|shard| shard.told).min().unwrap_or_default();
        while let Some((_, applied)) = self.hidden.pop_front_if(|(position, _)| *position <= told) {
            hidden(applied);
        }
        self.items.drain(..self.index(told));
        self.first = told;
        if self.items.is_empty() {
            // What a burst took: a broadcast that is quiet keeps no room for it.
            self.items.shrink_to(16);
        }
    }

    /// What it takes to write to everybody once, one shard after another.
    pub(super) fn sweep(&self) -> Effort {
        self.shards.iter().map(|shard| shard.effort).sum()
    }

    /// How many items from here on make a batch.
    fn fitting(&self, from: Position) -> u64 {
        let mut bytes = 0;
        let waiting = self.items.range(self.index(from)..);
        let most = waiting.len();
        let fitting = waiting.take_while(|item| {
            bytes += item.bytes();
            bytes <= LARGEST_BATCH
        });
        fitting.count().max(1).min(most) as u64
    }

    fn end(&self) -> Position {
        self.first + self.items.len() as u64
    }

    fn index(&self, position: Position) -> usize {
        usize::try_from(position - self.first).unwrap_or(usize::MAX)
    }
}

/// Drops what was said of the votes for a question where more is said of it later: thousands vote at the same moment.
fn forget_needless_votes(items: &mut Vec<Item>) {
    if !items.iter().any(|item| item.votes().is_some()) {
        return;
    }
    let mut later = HashSet::new();
    let needed: Vec<bool> = items
        .iter()
        .rev()
        .map(|item| {
            let needed = item.votes().is_none_or(|question| !later.contains(&question));
            later.extend(item.question());
            needed
        })
        .collect();
    let mut needed = needed.into_iter().rev();
    items.retain(|_| needed.next().unwrap_or(true));
}
