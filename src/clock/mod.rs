//! Time, injected: the only room that reads a clock.

#[cfg(shuttle)]
mod looks;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(not(shuttle))]
use tokio::time::Instant;

use crate::model::time::Millis;

#[cfg(shuttle)]
pub use looks::{begin, instant};

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time.
    fn now(&self) -> Millis;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the wall clock")]
    fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until it is told otherwise.
#[derive(Debug)]
pub struct Manual(AtomicI64);

impl Manual {
    /// A clock that shows `now`.
    pub fn at(now: Millis) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Moves the clock by `millis`, back when negative.
    pub fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for Manual {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::Relaxed))
    }
}

/// A monotonic instant for measuring and scheduling; tests can pause it.
#[cfg(not(shuttle))]
#[expect(clippy::disallowed_methods, reason = "this is the room that reads the monotonic clock")]
pub fn instant() -> Instant {
    Instant::now()
}
