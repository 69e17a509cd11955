//! How often somebody may do something. Time is an argument.

#[cfg(not(shuttle))]
use std::sync::atomic::{AtomicI64, Ordering};

#[cfg(shuttle)]
use shuttle::sync::atomic::{AtomicI64, Ordering};

use crate::model::time::Millis;

/// So many a second, after a burst of so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run, 1 to 1,000,000.
    pub per_second: u32,
    /// At once, when nothing came before; 1 at least.
    pub burst: u32,
}

/// So many a minute, all of which may come at once; 1 at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMinute(pub u32);

/// How far apart turns are in the long run, in microseconds, and how many may be taken at once.
#[derive(Clone, Copy, Debug)]
pub struct Tempo {
    interval: i64,
    burst: i64,
}

impl From<Rate> for Tempo {
    fn from(rate: Rate) -> Self {
        Self { interval: 1_000_000 / i64::from(rate.per_second.max(1)), burst: i64::from(rate.burst.max(1)) }
    }
}

impl From<PerMinute> for Tempo {
    fn from(PerMinute(most): PerMinute) -> Self {
        Self { interval: 60_000_000 / i64::from(most.max(1)), burst: i64::from(most.max(1)) }
    }
}

impl Tempo {
    /// How far ahead of the clock a full burst reaches, in microseconds.
    fn reach(self) -> i64 {
        self.interval * self.burst
    }
}

/// What two threads' looks at the clock never differ by, in microseconds.
const JUMP: i64 = 1_000_000;

/// How far somebody is ahead of their rate (the generic cell rate algorithm): one number, in microseconds.
#[derive(Debug, Default)]
pub struct Pace(AtomicI64);

impl Pace {
    /// Takes one turn at `now`; when it is too early, says in how many milliseconds it won't be.
    ///
    /// A clock that jumps back makes nobody wait for it.
    pub fn take(&self, now: Millis, rate: impl Into<Tempo>) -> Result<(), u64> {
        let late = self.advance(now, rate.into(), 0);
        if late <= 0 { Ok(()) } else { Err(u64::try_from(late).unwrap_or_default().div_ceil(1_000)) }
    }

    /// Takes the next turn whenever it is, and says in how many milliseconds that will be; `None` when it would be
    /// later than `patience_ms`, and then nothing is taken.
    pub fn queue(&self, now: Millis, rate: Rate, patience_ms: u64) -> Option<u64> {
        let patience = i64::try_from(patience_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        let late = self.advance(now, rate.into(), patience);
        (late <= patience).then(|| u64::try_from(late).unwrap_or_default().div_ceil(1_000))
    }

    /// Moves one turn ahead if that makes it no later than `patience`, and says how late it is, in microseconds.
    fn advance(&self, now: Millis, rate: Tempo, patience: i64) -> i64 {
        let now = now.0.saturating_mul(1_000);
        let furthest = now.saturating_add(rate.reach()).saturating_add(patience);
        // Whoever is much further ahead than they can be has seen the clock jump back, and begins anew. A little further
        // is only another thread that looked at the clock a moment later.
        let settled = |ahead: i64| if ahead > furthest + JUMP { now } else { ahead.clamp(now, furthest) };
        let next = |ahead: i64| settled(ahead).saturating_add(rate.interval);
        let moved = |ahead: i64| if next(ahead) <= furthest { next(ahead) } else { settled(ahead) };
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ahead| Some(moved(ahead)));
        next(before.unwrap_or_else(|ahead| ahead)).saturating_sub(now.saturating_add(rate.reach()))
    }

    /// Whether nothing is remembered that still matters at `now`.
    pub fn is_rested(&self, now: Millis) -> bool {
        self.0.load(Ordering::Relaxed) <= now.0.saturating_mul(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 5, burst: 10 };

    #[test]
    fn ten_at_once_then_five_a_second() {
        let pace = Pace::default();
        let taken = (0..20).filter(|_| pace.take(Millis(1_000), RATE).is_ok()).count();
        assert_eq!(taken, 10);
        assert_eq!(pace.take(Millis(1_000), RATE), Err(200));
        assert_eq!(pace.take(Millis(1_150), RATE), Err(50));
        assert_eq!(pace.take(Millis(1_200), RATE), Ok(()));
        assert_eq!(pace.take(Millis(1_200), RATE), Err(200));
        let steady = (1_200..11_200).filter(|now| pace.take(Millis(*now), RATE).is_ok()).count();
        assert_eq!(steady, 49, "one was taken at 1,200 already");
        assert!(!pace.is_rested(Millis(11_200)) && pace.is_rested(Millis(13_400)));
    }

    #[test]
    fn six_a_minute_may_come_at_once() {
        let pace = Pace::default();
        assert_eq!((0..20).filter(|_| pace.take(Millis(0), PerMinute(6)).is_ok()).count(), 6);
        assert_eq!(pace.take(Millis(4_000), PerMinute(6)), Err(6_000));
        assert_eq!(pace.take(Millis(10_000), PerMinute(6)), Ok(()));
    }

    #[test]
    fn a_thousand_a_second_is_a_thousand_a_second() {
        let (pace, rate) = (Pace::default(), Rate { per_second: 1_000, burst: 1_000 });
        let taken = (0..10_000).flat_map(|now| [now; 3]).filter(|now| pace.take(Millis(*now), rate).is_ok()).count();
        assert_eq!(taken, 1_000 + 9_999);
    }

    #[test]
    fn a_clock_that_jumps_back_makes_nobody_wait_for_it() {
        let pace = Pace::default();
        assert_eq!(pace.take(Millis(300_000), RATE), Ok(()));
        assert_eq!((0..20).filter(|_| pace.take(Millis(0), RATE).is_ok()).count(), 10);
    }

    #[test]
    fn a_look_at_the_clock_that_is_a_little_late_gives_nothing_away() {
        let pace = Pace::default();
        assert_eq!((0..20).filter(|_| pace.take(Millis(1_000), RATE).is_ok()).count(), 10);
        assert_eq!((0..20).filter(|turn| pace.take(Millis(1_000 - turn), RATE).is_ok()).count(), 0);
    }

    #[test]
    fn a_queue_says_how_long_it_is_and_turns_away_the_impatient() {
        let (pace, rate) = (Pace::default(), Rate { per_second: 10, burst: 2 });
        let waits: Vec<_> = (0..7).map(|_| pace.queue(Millis(0), rate, 400)).collect();
        assert_eq!(waits, [Some(0), Some(0), Some(100), Some(200), Some(300), Some(400), None]);
        assert_eq!(pace.queue(Millis(1_000), rate, 400), Some(0));
    }
}
