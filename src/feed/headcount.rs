//! How many are there: exact, and free to ask.

#[cfg(not(shuttle))]
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(shuttle)]
use shuttle::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Notify;

/// How many are in a broadcast at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attendance {
    /// Connections.
    pub sockets: u32,
    /// Users who are known by name, however many connections each has.
    pub users: u32,
}

/// Counts who is in a broadcast.
#[derive(Debug, Default)]
pub struct Headcount {
    sockets: AtomicU32,
    users: AtomicU32,
    changed: Notify,
}

impl Headcount {
    /// How many are there now.
    pub fn now(&self) -> Attendance {
        Attendance { sockets: self.sockets.load(Ordering::Relaxed), users: self.users.load(Ordering::Relaxed) }
    }

    /// Takes note of how many users there are; whoever counts them keeps the order of the calls.
    pub fn users_are(&self, users: usize) {
        self.users.store(u32::try_from(users).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// A connection has come.
    pub fn come(&self) {
        self.sockets.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// A connection has gone that had come.
    pub fn go(&self) {
        self.sockets.fetch_sub(1, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Waits until it has changed since the last time it was waited for.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}
