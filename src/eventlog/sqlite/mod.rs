//! The embedded default: one SQLite file, one writer thread, a few readers.
//!
//! WAL with `synchronous=FULL`: what was acknowledged survives the process and the machine. Group commit without a
//! timer: the writer commits whatever is queued, and what comes meanwhile is its next batch, so a quiet log answers at
//! once and a busy one shares the disk's wait. The only room with SQL in it.

mod chunks;
pub mod copies;
mod reader;
mod schema;
mod writer;

use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;
use crate::model::event::Event;
use crate::model::id::{ChannelId, Epoch, Seq};
use crate::model::time::Millis;

use super::tail::{Followers, Tail};
use super::{EventLog, LARGEST_PAGE, LogError, Page, Pending, Snapshot, codec};
use chunks::Chunks;
use reader::Readers;
use writer::{Append, Command, Writer};

/// Settings of the embedded log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Appends that may wait for the writer; one more is refused as busy.
    pub queue: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { queue: 8_192 }
    }
}

/// The log in one SQLite file.
pub struct Sqlite {
    commands: Option<Arc<mpsc::Sender<Command>>>,
    readers: Arc<Readers>,
    followers: Arc<Followers>,
    epoch: Epoch,
    thread: Mutex<Option<JoinHandle<()>>>,
    metrics: Arc<Metrics>,
    /// The last of it: gone when everything else is closed.
    open: Arc<()>,
}

/// The log's file within a data directory.
pub fn file_in(data: &Path) -> PathBuf {
    data.join("events.db")
}

impl Sqlite {
    /// Opens the log at `file`, creating or migrating it. Before a migration the file is copied aside, to
    /// `<file>.before-v<version>`.
    pub fn open(file: &Path, config: Config, metrics: Arc<Metrics>) -> Result<Self, LogError> {
        let mut connection = schema::open(file).map_err(|error| store(&error))?;
        schema::migrate(&mut connection, file, &schema::MIGRATIONS).map_err(LogError::Store)?;
        let epoch = schema::epoch(&connection).map_err(|error| store(&error))?;
        let followers = Followers::new(metrics.clone());
        let (commands, queue) = mpsc::channel(config.queue);
        let writer = Writer::new(connection, followers.clone(), metrics.clone());
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(|error| LogError::Store(error.to_string()))?;
        let readers = Arc::new(Readers::new(file.to_owned()));
        let thread = Mutex::new(Some(thread));
        Ok(Self {
            commands: Some(Arc::new(commands)),
            readers,
            followers,
            epoch,
            thread,
            metrics,
            open: Arc::default(),
        })
    }

    /// Something that is there until the log is closed: nobody holds it any more, and its file is in order.
    pub fn until_closed(&self) -> Weak<()> {
        Arc::downgrade(&self.open)
    }

    fn command<T: Send + 'static>(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Command,
    ) -> Pending<T> {
        command(self.commands.as_deref(), &self.metrics, make)
    }

    fn chunks(&self) -> Option<Chunks> {
        self.commands.as_ref().map(|commands| Chunks::new(Arc::downgrade(commands), self.metrics.clone()))
    }
}

/// Queues a command at once; the future waits for its answer.
fn command<T: Send + 'static>(
    commands: Option<&mpsc::Sender<Command>>,
    metrics: &Metrics,
    make: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Command,
) -> Pending<T> {
    let (answer, answered) = oneshot::channel();
    let queued = match commands {
        None => Err(LogError::Closed),
        Some(commands) => commands.try_send(make(answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => LogError::Full,
            mpsc::error::TrySendError::Closed(_) => LogError::Closed,
        }),
    };
    if queued.is_ok() {
        metrics.log_queue.inc();
    }
    Box::pin(async move {
        queued?;
        // A writer that dies with the command in its hands may or may not have committed it.
        answered.await.unwrap_or(Err(LogError::Unknown))
    })
}

impl EventLog for Sqlite {
    fn append(&self, channel: &ChannelId, event: Arc<Event>) -> Pending<Seq> {
        let payload = codec::encode(&event);
        let append = Append { channel: channel.clone(), event, payload };
        self.command(|answer| Command::Append(append, answer))
    }

    fn read(&self, channel: &ChannelId, after: Seq, limit: usize) -> Pending<Page> {
        self.readers.page(channel, after, limit.min(LARGEST_PAGE))
    }

    fn follow(&self, channel: &ChannelId, after: Seq) -> Tail {
        let (readers, of) = (self.readers.clone(), channel.clone());
        self.followers.follow(channel, after, Box::new(move |after| readers.page(&of, after, LARGEST_PAGE)))
    }

    fn snapshot(&self, channel: &ChannelId) -> Pending<Option<Snapshot>> {
        self.readers.snapshot(channel)
    }

    fn put_snapshot(&self, channel: &ChannelId, snapshot: Snapshot) -> Pending<()> {
        let channel = channel.clone();
        self.command(|answer| Command::PutSnapshot(channel, snapshot, answer))
    }

    fn erase(&self, channel: &ChannelId, places: &[Seq]) -> Pending<()> {
        match self.chunks() {
            None => Box::pin(ready(Err(LogError::Closed))),
            Some(chunks) => Box::pin(chunks.erase(channel.clone(), places.to_vec())),
        }
    }

    fn channels(&self, after: Option<&ChannelId>, limit: usize) -> Pending<Vec<ChannelId>> {
        self.readers.channels(after, limit)
    }

    fn aged(&self, channel: &ChannelId, time: Millis) -> Pending<Option<Seq>> {
        self.readers.aged(channel, time)
    }

    fn drop_upto(&self, channel: &ChannelId, upto: Seq) -> Pending<()> {
        match self.chunks() {
            None => Box::pin(ready(Err(LogError::Closed))),
            Some(chunks) => Box::pin(chunks.drop_upto(channel.clone(), upto)),
        }
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }
}

impl Drop for Sqlite {
    /// Commits what is queued, then closes the file.
    fn drop(&mut self) {
        self.commands = None;
        self.readers.close();
        if let Some(thread) = self.thread.lock().take() {
            // A writer that panicked has already said so.
            let _ = thread.join();
        }
        self.followers.close();
    }
}

fn store(error: &rusqlite::Error) -> LogError {
    LogError::Store(error.to_string())
}
