//! Long work of the writer, a little at a time: those who append meanwhile go first.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::eventlog::{LogError, Pending};
use crate::metrics::Metrics;
use crate::model::id::{ChannelId, Seq};

use super::command;
use super::writer::{Command, Dropped};

/// Places that are erased at once.
const ERASED_AT_ONCE: usize = 100;

/// Events that are dropped at once at first, and at least: fewer would never come to an end.
const FEWEST_DROPPED: usize = 16;

/// And at most (`docs/adr/0003-retention-by-chunked-deletes.md`).
const DROPPED_AT_ONCE: usize = 250;

/// A chunk that took longer makes the next one smaller.
const LONGEST_DROP: Duration = Duration::from_millis(10);

/// Between two chunks the writer is left alone for so many times what the first one took.
const DROP_SHARE: u32 = 4;

/// Longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How often it is tried to empty the write-ahead file.
const SETTLING: u32 = 20;

/// Pause between two attempts: readers are quick, but for one that makes a backup.
const SETTLING_PAUSE: Duration = Duration::from_millis(100);

/// For how long it is left alone when its queue is full.
const FULL_PAUSE: Duration = Duration::from_millis(200);

/// Somebody with much to do for the writer. Holds no place in its queue: the writer ends when nobody has one.
pub(super) struct Chunks {
    commands: Weak<mpsc::Sender<Command>>,
    metrics: Arc<Metrics>,
}

impl Chunks {
    pub(super) fn new(commands: Weak<mpsc::Sender<Command>>, metrics: Arc<Metrics>) -> Self {
        Self { commands, metrics }
    }

    /// Drops events, with pauses that leave the writer to others.
    pub(super) async fn drop_upto(self, channel: ChannelId, upto: Seq) -> Result<(), LogError> {
        // Nobody knows yet how large they are.
        let mut rows = FEWEST_DROPPED;
        loop {
            let drop = self.patiently(|| {
                let channel = channel.clone();
                command(self.commands.upgrade().as_deref(), &self.metrics, |answer| {
                    Command::Drop(channel, upto, rows, answer)
                })
            });
            let Dropped { rest, took, commit } = drop.await?;
            if !rest {
                return Ok(());
            }
            rows = if took > LONGEST_DROP { rows / 2 } else { rows * 2 }.clamp(FEWEST_DROPPED, DROPPED_AT_ONCE);
            tokio::time::sleep((commit * DROP_SHARE).min(LONGEST_PAUSE)).await;
        }
    }

    /// Erases places, and then what the write-ahead file still has of them.
    pub(super) async fn erase(self, channel: ChannelId, places: Vec<Seq>) -> Result<(), LogError> {
        for chunk in places.chunks(ERASED_AT_ONCE) {
            let erase = self.patiently(|| {
                let (channel, chunk) = (channel.clone(), chunk.to_vec());
                command(self.commands.upgrade().as_deref(), &self.metrics, |answer| {
                    Command::Erase(channel, chunk, answer)
                })
            });
            erase.await?;
        }
        for _ in 0..SETTLING {
            let settle = self.patiently(|| command(self.commands.upgrade().as_deref(), &self.metrics, Command::Settle));
            if settle.await? {
                return Ok(());
            }
            tokio::time::sleep(SETTLING_PAUSE).await;
        }
        // It is erased where the log stands; whether a copy of it still does is not known.
        Err(LogError::Full)
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
