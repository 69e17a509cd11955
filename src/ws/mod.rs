//! WebSocket: the upgrade, whole messages in, framed bytes out.
//!
//! The only room that names the WebSocket library. Everything that leaves a connection goes through its [`Outbox`],
//! a bounded queue of whole frames beneath the library: the feed pushes bytes that were framed once for everybody,
//! the library pushes its own pongs and closes, and the two can never split each other's frames.

pub mod client;
pub mod close;
pub mod connection;
pub mod frames;
mod io;
pub mod outbox;
pub mod raw;
pub mod sock;
pub mod upgrade;

/// The crates beneath, as their traces are named. The finer ones hold whole messages.
pub const LIBRARIES: [&str; 2] = ["tungstenite", "tokio_tungstenite"];

/// Limits of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Largest incoming message in bytes, fragments together; a larger one is closed with 1009.
    pub message_bytes: usize,
    /// Largest outgoing queue in bytes; a member that lets it fill is closed with 1013.
    pub queue_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { message_bytes: 16 * 1024, queue_bytes: 256 * 1024 }
    }
}
