//! A clock that goes on a millisecond with each look, for orders of threads that shuttle decides: the same order is the same
//! run.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

#[expect(clippy::disallowed_methods, reason = "whenever that is: only differences are told")]
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

std::thread_local! {
    /// All threads of a run are one to the system.
    static LOOKS: AtomicU64 = const { AtomicU64::new(0) };
}

/// A run begins.
pub fn begin() {
    LOOKS.with(|looks| looks.store(0, Ordering::Relaxed));
}

/// The next instant of this run.
pub fn instant() -> Instant {
    *BEGUN + Duration::from_millis(LOOKS.with(|looks| looks.fetch_add(1, Ordering::Relaxed)))
}
