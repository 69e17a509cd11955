//! Following a log: what is there, then what comes, with no gap between.
//!
//! A tail is registered before it reads, so an event that becomes durable meanwhile is in the pages, in the queue, or
//! in both; whatever it has seen already it skips. A queue that overflows ends the tail with [`TailEnd::Lagged`], and
//! its reader follows again from there: the store has what the queue lost.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::model::event::Logged;
use crate::model::id::{ChannelId, Seq};

use super::{LARGEST_PAGE, LogError, Page, Pending, queue};

/// Events that may wait for one follower; one more ends its tail.
const LONGEST_QUEUE: usize = 8_192;

/// Most events handed over at once.
const LARGEST_BATCH: usize = 512;

/// Why a tail ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TailEnd {
    /// The follower fell behind. It has everything up to this place: follow again from here.
    Lagged(Seq),
    /// Events before this place are gone from the log: start from a snapshot.
    Gone(Seq),
    /// The log is closed.
    Closed,
    /// The store failed.
    Failed(LogError),
}

/// Reads pages for a tail that catches up.
pub(super) type ReadPage = Box<dyn Fn(Seq) -> Pending<Page> + Send + Sync>;

/// One follower's place in a channel's log.
pub struct Tail {
    last: Seq,
    read: ReadPage,
    live: mpsc::Receiver<Logged>,
    caught_up: bool,
    channel: ChannelId,
    followers: Arc<Followers>,
    /// Room that is used again for every batch.
    batch: Vec<Logged>,
}

impl Tail {
    /// The next events, at least one. Cancel-safe.
    pub async fn next(&mut self) -> Result<Vec<Logged>, TailEnd> {
        if !self.caught_up {
            let page = (self.read)(self.last).await.map_err(TailEnd::Failed)?;
            if page.gone > self.last {
                return Err(TailEnd::Gone(page.gone));
            }
            self.caught_up = page.events.len() < LARGEST_PAGE;
            if let Some(newest) = page.events.last() {
                self.last = newest.seq;
                return Ok(page.events);
            }
        }
        loop {
            if !queue::some(&mut self.live, &mut self.batch, LARGEST_BATCH).await {
                let closed = self.followers.is_closed();
                return Err(if closed { TailEnd::Closed } else { TailEnd::Lagged(self.last) });
            }
            let last = self.last;
            let fresh: Vec<Logged> = self.batch.drain(..).filter(|logged| logged.seq > last).collect();
            if let Some(newest) = fresh.last() {
                self.last = newest.seq;
                return Ok(fresh);
            }
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.live.close();
        self.followers.forget_closed(&self.channel);
    }
}

/// Everyone who follows a log.
pub(super) struct Followers {
    state: Mutex<State>,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct State {
    by_channel: HashMap<ChannelId, Vec<mpsc::Sender<Logged>>>,
    closed: bool,
}

impl Followers {
    pub(super) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), metrics })
    }

    pub(super) fn follow(self: &Arc<Self>, channel: &ChannelId, after: Seq, read: ReadPage) -> Tail {
        let (sender, live) = mpsc::channel(LONGEST_QUEUE);
        let mut state = self.state.lock();
        if !state.closed {
            let senders = state.by_channel.entry(channel.clone()).or_default();
            senders.retain(|sender| !sender.is_closed());
            senders.push(sender);
        }
        let (channel, followers) = (channel.clone(), self.clone());
        Tail { last: after, read, live, caught_up: false, channel, followers, batch: Vec::new() }
    }

    /// Hands durable events to the channel's followers. The caller keeps the order.
    pub(super) fn publish(&self, channel: &ChannelId, logged: &Logged) {
        let mut state = self.state.lock();
        let Some(senders) = state.by_channel.get_mut(channel) else { return };
        senders.retain(|sender| match sender.try_send(logged.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.metrics.tails_lagged.inc();
                false
            }
        });
        if senders.is_empty() {
            state.by_channel.remove(channel);
        }
    }

    /// Forgets who follows a channel no more: without it they would stay until something happens there.
    fn forget_closed(&self, channel: &ChannelId) {
        let mut state = self.state.lock();
        let Some(senders) = state.by_channel.get_mut(channel) else { return };
        senders.retain(|sender| !sender.is_closed());
        if senders.is_empty() {
            state.by_channel.remove(channel);
        }
    }

    /// Makes every follower read on from the store, as if it had fallen behind.
    pub(super) fn reset(&self) {
        self.state.lock().by_channel.clear();
    }

    /// Ends every tail once it has handed over what it holds.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.by_channel.clear();
    }

    fn is_closed(&self) -> bool {
        self.state.lock().closed
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    #[test]
    fn nothing_is_kept_of_who_follows_no_more() {
        let followers = Followers::new(Arc::default());
        let channel = ChannelId::parse("c").unwrap();
        let follow = || followers.follow(&channel, Seq(0), Box::new(|_| Box::pin(ready(Ok(Page::default())))));
        let (first, second) = (follow(), follow());
        drop(first);
        assert_eq!(followers.state.lock().by_channel[&channel].len(), 1);
        drop(second);
        assert!(followers.state.lock().by_channel.is_empty());
    }
}
