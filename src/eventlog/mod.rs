//! Durability, order, and the way to every machine: one log per channel.
//!
//! [`EventLog`] is the contract; [`memory`] serves tests, [`sqlite`] is the embedded default, [`flaky`] wraps another
//! one and misbehaves. One suite runs over all of them (`tests/it/eventlog.rs`). Nothing above knows which it has.

pub mod codec;
pub mod flaky;
pub mod memory;
mod queue;
pub mod sqlite;
pub mod tail;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::model::event::{Event, Logged};
use crate::model::id::{ChannelId, Epoch, Seq};
use crate::model::time::Millis;

use tail::Tail;

/// Most events in one [`Page`].
pub const LARGEST_PAGE: usize = 1_000;

/// An answer of the log that takes a while.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, LogError>> + Send>>;

/// Why the log could not do it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LogError {
    /// The queue before the writer is full; nothing was appended.
    #[error("the log's queue is full")]
    Full,
    /// Whether the event was appended is not known. Appending the same event again is safe and tells.
    #[error("whether the event was appended is not known")]
    Unknown,
    /// The disk is full; nothing was appended.
    #[error("the disk is full")]
    NoRoom,
    /// The log is closed; nothing was appended.
    #[error("the log is closed")]
    Closed,
    /// The store failed; nothing was appended.
    #[error("the log's store failed: {0}")]
    Store(String),
}

/// Events in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In order. Fewer than asked for means that there are no more now.
    pub events: Vec<Logged>,
    /// Events up to here are gone. When it is above the place asked for, something is missing before this page, and
    /// only a snapshot knows it.
    pub gone: Seq,
}

/// A channel's state at a place in its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// It includes everything up to here.
    pub seq: Seq,
    /// Form of the bytes.
    pub version: u8,
    /// The state, in a form that only its maker reads.
    pub bytes: Bytes,
}

/// The log. Seq rises strictly per channel and may skip.
pub trait EventLog: Send + Sync + 'static {
    /// Makes the event durable and gives its place. The call itself queues it, in the order of calls; the future waits
    /// for the disk. An event whose id was appended in the last two minutes at least is not appended again: its first
    /// place is the answer.
    fn append(&self, channel: &ChannelId, event: Arc<Event>) -> Pending<Seq>;

    /// Up to `limit` (at most [`LARGEST_PAGE`]) events after a place.
    fn read(&self, channel: &ChannelId, after: Seq, limit: usize) -> Pending<Page>;

    /// Every event after a place, once and in order: those that are there, then those that come. Only durable ones.
    fn follow(&self, channel: &ChannelId, after: Seq) -> Tail;

    /// The newest snapshot of the channel.
    fn snapshot(&self, channel: &ChannelId) -> Pending<Option<Snapshot>>;

    /// Keeps a snapshot; one with a lower seq than the kept one is ignored.
    fn put_snapshot(&self, channel: &ChannelId, snapshot: Snapshot) -> Pending<()>;

    /// Erases what was said at these places, from the disk too; the places stay, as `Erased`. Places that don't exist are
    /// ignored. It takes its time.
    fn erase(&self, channel: &ChannelId, places: &[Seq]) -> Pending<()>;

    /// Up to `limit` channels that have a log, by their names, behind `after`. The directory is not among them.
    fn channels(&self, after: Option<&ChannelId>, limit: usize) -> Pending<Vec<ChannelId>>;

    /// The last of the events at the front of the log that happened before `time`, by the events' own times; `None` when
    /// the oldest is younger. Clocks that went back are not looked for: an event may be taken for as old as its neighbours.
    fn aged(&self, channel: &ChannelId, time: Millis) -> Pending<Option<Seq>>;

    /// Drops all events up to a place, for good: pages say so, and a snapshot must have been kept that includes them. It
    /// takes its time: what is appended meanwhile goes first.
    fn drop_upto(&self, channel: &ChannelId, upto: Seq) -> Pending<()>;

    /// Which life of the log the places belong to.
    fn epoch(&self) -> Epoch;
}
