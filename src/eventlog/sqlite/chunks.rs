//! Long work of the writer, a little at a time: those who append meanwhile go first.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::eventlog::{LogError, Pending};
use crate::metrics::Metrics;
use crate::model::id::{ChannelId, Seq};

use super::command;
use super::writer::{Command, Dropped};

/// Places that are erased at once.
const ERASED_AT_ONCE: usize = 100;

/// Events that are dropped at once (`docs/adr/0003-retention-by-chunked-deletes.md`).
const DROPPED_AT_ONCE: usize = 250;

/// A chunk that took longer makes the next one smaller.
const LONGEST_DROP: Duration = Duration::from_millis(10);

/// Between two chunks the writer is left alone for so many times what the first one took.
const DROP_SHARE: u32 = 4;

/// For how long it is left alone when its queue is full.
const FULL_PAUSE: Duration = Duration::from_millis(200);

/// Somebody with much to do for the writer. Holds no place in its queue: the writer ends when nobody has one.
pub(super) struct Chunks {
    commands: mpsc::WeakSender<Command>,
    metrics: Arc<Metrics>,
}

impl Chunks {
    pub(super) fn new(commands: mpsc::WeakSender<Command>, metrics: Arc<Metrics>) -> Self {
        Self { commands, metrics }
    }

    /// Drops events, with pauses that leave the writer to others.
    pub(super) async fn drop_upto(self, channel: ChannelId, upto: Seq) -> Result<(), LogError> {
        let mut rows = DROPPED_AT_ONCE;
        loop {
            let drop = self.patiently(|| {
                let channel = channel.clone();
                command(self.commands.upgrade().as_ref(), &self.metrics, |answer| {
                    Command::Drop(channel, upto, rows, answer)
                })
            });
            let Dropped { rest, took } = drop.await?;
            if !rest {
                return Ok(());
            }
            if took > LONGEST_DROP {
                rows = (rows / 2).max(1);
            }
            tokio::time::sleep(took * DROP_SHARE).await;
        }
    }

    /// Erases places, and then what the write-ahead file still has of them.
    pub(super) async fn erase(self, channel: ChannelId, places: Vec<Seq>) -> Result<(), LogError> {
        for chunk in places.chunks(ERASED_AT_ONCE) {
            let erase = self.patiently(|| {
                let (channel, chunk) = (channel.clone(), chunk.to_vec());
                command(self.commands.upgrade().as_ref(), &self.metrics, |answer| {
                    Command::Erase(channel, chunk, answer)
                })
            });
            erase.await?;
        }
        self.patiently(|| command(self.commands.upgrade().as_ref(), &self.metrics, Command::Settle)).await
    }

    /// Asks again while the queue is full: those who wait there have more need of it.
    async fn patiently<T>(&self, ask: impl Fn() -> Pending<T>) -> Result<T, LogError> {
        loop {
            match ask().await {
                Err(LogError::Full) => tokio::time::sleep(FULL_PAUSE).await,
                ended => return ended,
            }
        }
    }
}
