//! How fast each user sends.

use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::policy::rate::{Pace, Rate};

/// Fewest names that are worth a look for those to forget.
const SWEEP_FROM: usize = 1_024;

/// The paces of everybody who sent lately, by name: about 100 bytes for each user within the time that a burst takes to
/// come back.
#[derive(Default)]
pub(super) struct Paces {
    paces: DashMap<String, Pace>,
    sweep_at: AtomicUsize,
}

impl Paces {
    /// Takes a turn for whoever this is.
    pub(super) fn take(&self, name: &str, now: Millis, rate: Rate) -> Result<(), Refusal> {
        let known = self.paces.get(name).map(|pace| pace.take(now, rate));
        let taken = known.unwrap_or_else(|| {
            self.sweep(now);
            self.paces.entry(name.to_owned()).or_default().take(now, rate)
        });
        taken.map_err(|retry_after_ms| Refusal::TooFast { retry_after_ms })
    }

    /// Forgets those who have rested, whenever there are twice as many names as the last time.
    fn sweep(&self, now: Millis) {
        if self.paces.len() < self.sweep_at.load(Ordering::Relaxed).max(SWEEP_FROM) {
            return;
        }
        self.paces.retain(|_, pace| !pace.is_rested(now));
        self.sweep_at.store(self.paces.len() * 2, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_rested_is_forgotten() {
        let (paces, rate) = (Paces::default(), Rate { per_second: 5, burst: 10 });
        for turn in 0..100_000 {
            assert_eq!(paces.take(&format!("user {turn}"), Millis(turn), rate), Ok(()));
        }
        assert!(paces.paces.len() < 3 * SWEEP_FROM, "{}", paces.paces.len());
    }
}
