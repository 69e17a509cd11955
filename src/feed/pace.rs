//! When a shard sends next: at once while the broadcast is quiet, and the rarer, the longer it takes to write to everybody.

use std::iter::Sum;
use std::num::NonZero;
use std::time::Duration;

use tokio::time::Instant;

use super::members::Served;

/// The pause between two sweeps is so many halves of what the writes of one cost that carry next to nothing. Of these a
/// pause saves; what bytes cost beside, it doesn't.
const PAUSE_HALVES: u32 = 5;

/// A write of so many bytes costs twice what one of next to nothing does.
const DEAR_WRITE: f64 = 40.0 * 1024.0;

/// Pause before the rest of a burst that was more than one batch: 2.5 MB/s for each member, more than any chat needs and
/// less than what would fill the outbox of a member with a fair connection.
const BURST_PAUSE: Duration = Duration::from_millis(50);

/// Shortest time between a flush and one for the sake of an act: acts don't wait for the window's end, but for each other.
const BETWEEN_ACTS: Duration = Duration::from_millis(20);

/// Flushes for the sake of acts may claim one part in this many of the time.
const ACTS_SHARE: u32 = 2;

/// What writing takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effort {
    /// All of it.
    all: Duration,
    /// What the same writes would take if they carried next to nothing.
    writes: Duration,
}

impl Effort {
    /// What took so long.
    pub(super) fn of(took: Duration, served: &Served) -> Self {
        let each = served.bytes as f64 / served.deliveries.max(1) as f64;
        Self { all: took, writes: took.div_f64(1.0 + each / DEAR_WRITE) }
    }

    /// The same on so many cores.
    pub(super) fn on(self, cores: NonZero<usize>) -> Self {
        let cores = u32::try_from(cores.get()).unwrap_or(u32::MAX);
        Self { all: self.all / cores, writes: self.writes / cores }
    }
}

impl Sum for Effort {
    fn sum<I: Iterator<Item = Self>>(efforts: I) -> Self {
        efforts.fold(Self::default(), |sum, one| Self { all: sum.all + one.all, writes: sum.writes + one.writes })
    }
}

/// The earliest times for what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// For anything.
    pub(super) next: Instant,
    /// For an act, and what waits before it.
    pub(super) acts: Instant,
}

impl Pace {
    /// Before anything was sent.
    pub(super) fn unhurried(now: Instant) -> Self {
        Self { next: now, acts: now }
    }

    /// Behind a flush that began then, where a `sweep` over everybody takes that much; `rest` when it left something.
    ///
    /// A line waits for its shard's turn, so no longer than from one begin to the next: a sweep and the pause.
    pub(super) fn behind(begun: Instant, sweep: Effort, longest_pause: Duration, rest: bool) -> Self {
        let pause = (sweep.writes * PAUSE_HALVES / 2).min(longest_pause);
        let burst = if rest { BURST_PAUSE } else { Duration::ZERO };
        Self {
            next: begun + (sweep.all + pause).max(burst),
            acts: begun + BETWEEN_ACTS.max(sweep.all * ACTS_SHARE).max(burst),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::clock;

    use super::*;

    /// Milliseconds until the next flush, and until one for an act, where a sweep takes so long and each write carries
    /// so much.
    fn behind(sweep: u64, kilobytes: u64, rest: bool) -> (u128, u128) {
        let (begun, longest) = (clock::instant(), Duration::from_millis(250));
        let served = Served { deliveries: 10, bytes: kilobytes * 10 * 1024, ..Served::default() };
        let effort = Effort::of(Duration::from_millis(sweep), &served);
        let pace = Pace::behind(begun, effort, longest, rest);
        ((pace.next - begun).as_millis(), (pace.acts - begun).as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn who_writes_little_waits_little() {
        assert_eq!(behind(0, 1, false), (0, 20), "but acts share a flush");
        assert_eq!(behind(10, 0, false), (35, 20));
        assert_eq!(behind(60, 40, false), (135, 120), "only half of it can be saved by waiting");
        assert_eq!(behind(190, 4, false), (440, 380), "the pause has a limit, what is written has not");
        assert_eq!(behind(0, 0, true), (50, 50), "the rest of a burst");
    }
}
