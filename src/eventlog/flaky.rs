//! A log that misbehaves within its contract: it delays, appends twice, fails before it appends, and loses the answer
//! after it has appended. What must hold on this one holds on any.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::model::event::Event;
use crate::model::id::{ChannelId, Epoch, Seq};
use crate::model::time::Millis;

use super::tail::Tail;
use super::{EventLog, LogError, Page, Pending, Snapshot};

/// How a [`Flaky`] log misbehaves. Each share is a probability from 0 to 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Writes of any kind that are refused as if the queue were full.
    pub full: f64,
    /// Appends that fail before anything was written, without saying so.
    pub failed: f64,
    /// Writes that are done and whose answer is lost.
    pub lost_acks: f64,
    /// Appends that are done twice.
    pub doubled: f64,
    /// Longest delay of an answer.
    pub delay: Duration,
}

/// Another log, made unreliable. Equal seeds misbehave equally.
pub struct Flaky<L> {
    inner: Arc<L>,
    faults: Faults,
    chance: Arc<Mutex<StdRng>>,
}

impl<L: EventLog> Flaky<L> {
    /// `inner` with these faults.
    pub fn new(inner: L, faults: Faults, seed: u64) -> Self {
        Self { inner: Arc::new(inner), faults, chance: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))) }
    }

    fn happens(&self, share: f64) -> bool {
        self.chance.lock().random_bool(share)
    }

    /// Does something that may be refused before it is done, and whose answer may be lost after; it takes its time before
    /// and after.
    fn unreliably(&self, act: impl FnOnce() -> Pending<()> + Send + 'static) -> Pending<()> {
        let (before, after) = (self.delay(), self.delay());
        let (full, lost) = (self.happens(self.faults.full), self.happens(self.faults.lost_acks));
        Box::pin(async move {
            tokio::time::sleep(before).await;
            if full {
                return Err(LogError::Full);
            }
            act().await?;
            tokio::time::sleep(after).await;
            if lost { Err(LogError::Unknown) } else { Ok(()) }
        })
    }

    fn delay(&self) -> Duration {
        self.faults.delay.mul_f64(self.chance.lock().random())
    }
}

impl<L: EventLog> EventLog for Flaky<L> {
    fn append(&self, channel: &ChannelId, event: Arc<Event>) -> Pending<Seq> {
        let delay = self.delay();
        let early = if self.happens(self.faults.full) {
            Some(LogError::Full)
        } else if self.happens(self.faults.failed) {
            Some(LogError::Unknown)
        } else {
            None
        };
        if let Some(error) = early {
            return Box::pin(async move {
                tokio::time::sleep(delay).await;
                Err(error)
            });
        }
        let lost = self.happens(self.faults.lost_acks);
        let twice = self.happens(self.faults.doubled).then(|| self.inner.append(channel, event.clone()));
        let once = self.inner.append(channel, event);
        Box::pin(async move {
            if let Some(twice) = twice {
                twice.await?;
            }
            let seq = once.await?;
            tokio::time::sleep(delay).await;
            if lost { Err(LogError::Unknown) } else { Ok(seq) }
        })
    }

    fn read(&self, channel: &ChannelId, after: Seq, limit: usize) -> Pending<Page> {
        let (delay, page) = (self.delay(), self.inner.read(channel, after, limit));
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            page.await
        })
    }

    fn follow(&self, channel: &ChannelId, after: Seq) -> Tail {
        self.inner.follow(channel, after)
    }

    fn snapshot(&self, channel: &ChannelId) -> Pending<Option<Snapshot>> {
        self.inner.snapshot(channel)
    }

    fn put_snapshot(&self, channel: &ChannelId, snapshot: Snapshot) -> Pending<()> {
        let (inner, channel) = (self.inner.clone(), channel.clone());
        self.unreliably(move || inner.put_snapshot(&channel, snapshot))
    }

    fn erase(&self, channel: &ChannelId, places: &[Seq]) -> Pending<()> {
        let (inner, channel, places) = (self.inner.clone(), channel.clone(), places.to_vec());
        self.unreliably(move || inner.erase(&channel, &places))
    }

    fn channels(&self, after: Option<&ChannelId>, limit: usize) -> Pending<Vec<ChannelId>> {
        self.inner.channels(after, limit)
    }

    fn aged(&self, channel: &ChannelId, time: Millis) -> Pending<Option<Seq>> {
        self.inner.aged(channel, time)
    }

    fn drop_upto(&self, channel: &ChannelId, upto: Seq) -> Pending<()> {
        let (inner, channel) = (self.inner.clone(), channel.clone());
        self.unreliably(move || inner.drop_upto(&channel, upto))
    }

    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }
}
