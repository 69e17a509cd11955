//! A part of a feed's members, served at one go.
//!
//! A large broadcast is many shards. Each has a task that may run on any core, and takes its own batches at its own
//! times: one that has just been served gathers what comes next, while others are served what they have gathered. So a
//! line waits for its shard's next turn and not for a sweep over everybody besides, and whatever else runs on a core
//! waits for one shard. A flush has no await in it: who has locked the members knows that no batch is on its way.

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep_until;

use crate::clock;
use crate::model::id::Seq;
use crate::model::item::Item;

use super::batches::Batches;
use super::members::{Members, Served, Source};
use super::pace::{Effort, Pace};
use super::queue::Stretch;
use super::{Attendance, Feed, Layer, Span};

/// Most members of one shard: so many are written to before others may take their turn, 2 to 3 ms on one core.
#[cfg(not(shuttle))]
pub(super) const LARGEST: usize = 256;
#[cfg(shuttle)]
pub(super) const LARGEST: usize = 2;

/// One shard.
pub(super) struct Shard {
    /// Its place in the queue.
    index: usize,
    pub(super) members: Mutex<Members>,
    due: Notify,
    /// Something waits that can't wait for the window's end.
    urgent: Notify,
}

impl Shard {
    pub(super) fn new(index: usize) -> Self {
        Self { index, members: Mutex::default(), due: Notify::new(), urgent: Notify::new() }
    }

    /// Something was pushed.
    pub(super) fn call(&self, urgent: bool) {
        self.due.notify_one();
        if urgent {
            self.urgent.notify_one();
        }
    }

    /// Sends batches as they come due, for ever.
    pub(super) async fn run(&self, feed: &Feed) {
        let mut pace = Pace::unhurried(clock::instant());
        loop {
            self.due.notified().await;
            // A deadline that is past already costs a turn of the timer; a quiet broadcast shouldn't pay for it.
            if pace.next > clock::instant() {
                self.window_ends(feed, pace).await;
            }
            let turn = feed.turns.acquire().await;
            let begun = clock::instant();
            let rest = self.flush(feed);
            pace = feed.pace(begun, rest);
            if rest {
                self.due.notify_one();
            }
            // Whatever else waits on this core goes before the next shard.
            tokio::task::yield_now().await;
            drop(turn);
        }
    }

    /// Waits for the window's end, or for an act and the earliest time for one.
    async fn window_ends(&self, feed: &Feed, pace: Pace) {
        let urgent = async {
            // A call may be left over from what has gone out meanwhile.
            while !feed.queue.lock().is_urgent(self.index) {
                self.urgent.notified().await;
            }
        };
        tokio::select! {
            () = sleep_until(pace.next) => {}
            () = urgent => sleep_until(pace.next.min(pace.acts)).await,
        }
    }

    /// Sends a batch of what waits, now. Whether there is more.
    pub(super) fn flush(&self, feed: &Feed) -> bool {
        let mut members = self.members.lock();
        let begun = clock::instant();
        // Looked at under the lock: whoever has joined did so before anything was pushed that they are to get.
        let taken = feed.queue.lock().take(self.index, members.is_empty());
        let mut served = Served::default();
        if let Some(last) = taken.items.last() {
            let there = feed.headcount.now();
            for index in 0..members.groups() {
                served += flush_group(feed, &mut members, index, (&taken.items, taken.stretch), there);
            }
            for (user, kick) in taken.items.iter().filter_map(|item| Some((item.kicks()?, item.seq()))) {
                members.close(user, kick);
            }
            members.reach(last.covers());
            feed.metrics.batches.inc();
            feed.metrics.flush_seconds.observe(begun.elapsed().as_secs_f64());
        }
        drop(members);
        feed.flushed(self.index, Effort::of(clock::instant() - begun, &served));
        taken.rest
    }

    /// Says how many are there, to those who hear of it, and with it how far the log is.
    pub(super) fn tell_count(&self, feed: &Feed) {
        let mut members = self.members.lock();
        for index in 0..members.groups() {
            let Some((group, told)) = members.occupied(index) else { continue };
            let Some(encoder) = feed.encoder(&group) else { continue };
            let span = Span { after: told, upto: told.max(members.reached()) };
            let mut frames = encoder.encode_count(&feed.batch(span, &[], feed.headcount.now()), &group);
            if !frames.is_empty() {
                hand_out(feed, &mut members, index, &mut frames);
                members.tell(index, span.upto);
            }
        }
    }

    /// Members who can be told of a gap hear that nothing before `upto` comes any more.
    pub(super) fn lose(&self, feed: &Feed, upto: Seq) {
        let mut members = self.members.lock();
        for index in 0..members.groups() {
            let Some((group, _)) = members.occupied(index) else { continue };
            if group.layer == Layer::Ext {
                let mut gap = feed.skip(group, None, Span { after: upto, upto }, 0, &[]);
                hand_out(feed, &mut members, index, &mut gap);
            }
            members.tell(index, upto);
        }
    }
}

fn flush_group(
    feed: &Feed,
    members: &mut Members,
    index: usize,
    (items, stretch): (&[Item], Stretch),
    there: Attendance,
) -> Served {
    let Some((group, told)) = members.occupied(index) else { return Served::default() };
    let Some(encoder) = feed.encoder(&group) else { return Served::default() };
    let mut batches = Batches::new(feed, encoder, (group, told), (items, stretch), there);
    let served = hand_out(feed, members, index, &mut batches);
    members.tell(index, batches.told());
    served
}

/// Offers what `source` has to every member of a group.
fn hand_out(feed: &Feed, members: &mut Members, index: usize, source: &mut impl Source) -> Served {
    let served = members.serve(index, source);
    feed.metrics.deliveries.inc_by(served.deliveries);
    feed.metrics.slow_closed.inc_by(served.slow);
    feed.metrics.behind.inc_by(served.behind);
    served
}
