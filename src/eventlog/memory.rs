//! A log that forgets everything with the process: for tests.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::metrics::Metrics;
use crate::model::event::{Body, Event, Logged};
use crate::model::id::{ChannelId, Epoch, EventId, Seq};

use super::tail::{Followers, Tail};
use super::{EventLog, LARGEST_PAGE, Page, Pending, Snapshot};

/// The log in memory. A clone is the same log.
#[derive(Clone)]
pub struct Memory {
    channels: Arc<Mutex<HashMap<ChannelId, Channel>>>,
    followers: Arc<Followers>,
    epoch: Epoch,
}

#[derive(Default)]
struct Channel {
    events: Vec<Logged>,
    places: HashMap<EventId, Seq>,
    snapshot: Option<Snapshot>,
}

impl Memory {
    /// An empty log.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { channels: Arc::default(), followers: Followers::new(metrics), epoch: Epoch::fresh() }
    }

    /// Ends every tail.
    pub fn close(&self) {
        self.followers.close();
    }
}

impl EventLog for Memory {
    fn append(&self, channel: &ChannelId, event: Arc<Event>) -> Pending<Seq> {
        let mut channels = self.channels.lock();
        let log = channels.entry(channel.clone()).or_default();
        if let Some(seq) = log.places.get(&event.id) {
            return Box::pin(ready(Ok(*seq)));
        }
        let seq = Seq(log.events.len() as u64 + 1);
        log.places.insert(event.id, seq);
        let logged = Logged { seq, event };
        log.events.push(logged.clone());
        // Published under the lock, so that followers get the order of the places.
        self.followers.publish(channel, &logged);
        Box::pin(ready(Ok(seq)))
    }

    fn read(&self, channel: &ChannelId, after: Seq, limit: usize) -> Pending<Page> {
        let channels = self.channels.lock();
        let after = usize::try_from(after.0).unwrap_or(usize::MAX);
        let events = channels.get(channel).map_or_else(Vec::new, |log| {
            log.events.iter().skip(after).take(limit.min(LARGEST_PAGE)).cloned().collect()
        });
        Box::pin(ready(Ok(Page { events, gone: Seq::default() })))
    }

    fn follow(&self, channel: &ChannelId, after: Seq) -> Tail {
        let (log, of) = (self.clone(), channel.clone());
        self.followers.follow(channel, after, Box::new(move |after| log.read(&of, after, LARGEST_PAGE)))
    }

    fn snapshot(&self, channel: &ChannelId) -> Pending<Option<Snapshot>> {
        let snapshot = self.channels.lock().get(channel).and_then(|log| log.snapshot.clone());
        Box::pin(ready(Ok(snapshot)))
    }

    fn put_snapshot(&self, channel: &ChannelId, snapshot: Snapshot) -> Pending<()> {
        let mut channels = self.channels.lock();
        let kept = &mut channels.entry(channel.clone()).or_default().snapshot;
        if kept.as_ref().is_none_or(|kept| kept.seq <= snapshot.seq) {
            *kept = Some(snapshot);
        }
        Box::pin(ready(Ok(())))
    }

    fn erase(&self, channel: &ChannelId, places: &[Seq]) -> Pending<()> {
        let mut channels = self.channels.lock();
        if let Some(log) = channels.get_mut(channel) {
            for logged in log.events.iter_mut().filter(|logged| places.contains(&logged.seq)) {
                let Event { id, at, .. } = *logged.event;
                logged.event = Arc::new(Event { id, at, body: Body::Erased });
            }
        }
        Box::pin(ready(Ok(())))
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }
}
