//! A log that forgets everything with the process: for tests.

use std::collections::{HashMap, VecDeque};
use std::future::ready;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::metrics::Metrics;
use crate::model::event::{Event, Logged};
use crate::model::id::{ChannelId, Epoch, EventId, Seq};
use crate::model::time::Millis;

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
    events: VecDeque<Logged>,
    /// How many of the oldest are gone: places are counted from 1.
    gone: u64,
    places: HashMap<EventId, Seq>,
    snapshot: Option<Snapshot>,
}

impl Memory {
    /// An empty log.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { channels: Arc::default(), followers: Followers::new(metrics), epoch: Epoch::fresh() }
    }

    /// Makes every tail fall behind.
    pub fn lag(&self) {
        self.followers.reset();
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
        let seq = Seq(log.gone + log.events.len() as u64 + 1);
        log.places.insert(event.id, seq);
        let logged = Logged { seq, event };
        log.events.push_back(logged.clone());
        // Published under the lock, so that followers get the order of the places.
        self.followers.publish(channel, &logged);
        Box::pin(ready(Ok(seq)))
    }

    fn read(&self, channel: &ChannelId, after: Seq, limit: usize) -> Pending<Page> {
        let channels = self.channels.lock();
        let page = channels.get(channel).map_or_else(Page::default, |log| {
            let skipped = usize::try_from(after.0.saturating_sub(log.gone)).unwrap_or(usize::MAX);
            let events = log.events.iter().skip(skipped).take(limit.min(LARGEST_PAGE)).cloned().collect();
            Page { events, gone: Seq(log.gone) }
        });
        Box::pin(ready(Ok(page)))
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
                let Event { id, at, body } = &*logged.event;
                logged.event = Arc::new(Event { id: *id, at: *at, body: body.erased() });
            }
        }
        Box::pin(ready(Ok(())))
    }

    fn channels(&self, after: Option<&ChannelId>, limit: usize) -> Pending<Vec<ChannelId>> {
        let directory = ChannelId::directory();
        let behind = |id: &&ChannelId| **id != directory && after.is_none_or(|after| *id > after);
        let mut channels: Vec<ChannelId> = self.channels.lock().keys().filter(behind).cloned().collect();
        channels.sort();
        channels.truncate(limit);
        Box::pin(ready(Ok(channels)))
    }

    fn aged(&self, channel: &ChannelId, time: Millis) -> Pending<Option<Seq>> {
        let channels = self.channels.lock();
        let older =
            |log: &Channel| log.events.iter().take_while(|logged| logged.event.at < time).last().map(|last| last.seq);
        Box::pin(ready(Ok(channels.get(channel).and_then(older))))
    }

    fn drop_upto(&self, channel: &ChannelId, upto: Seq) -> Pending<()> {
        if let Some(log) = self.channels.lock().get_mut(channel) {
            while log.events.front().is_some_and(|logged| logged.seq <= upto) {
                log.events.pop_front();
                log.gone += 1;
            }
        }
        Box::pin(ready(Ok(())))
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }
}
