//! What is told to other machines and kept nowhere: at most once, and only to who listens. What must not be lost goes by the
//! log.
//!
//! [`Bus`] is the contract; [`local`] serves one machine, and several in one process.

pub mod local;

use bytes::Bytes;
use tokio::sync::mpsc;

/// Messages that may wait for one listener; one more is lost to it.
pub const MOST_WAITING: usize = 1_024;

/// Tells without keeping.
pub trait Bus: Send + Sync + 'static {
    /// Tells everybody who listens to this topic now. How many that are, where the bus knows it.
    fn publish(&self, topic: &str, message: Bytes) -> Option<usize>;

    /// Listens to a topic from now on, until what is given is dropped.
    fn subscribe(&self, topic: &str) -> Subscription;
}

/// What comes of a topic.
#[derive(Debug)]
pub struct Subscription(mpsc::Receiver<Bytes>);

impl Subscription {
    /// The next message; `None` when the bus is over. Cancel-safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }
}
