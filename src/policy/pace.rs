//! How fast each of many does something.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

use crate::model::time::Millis;

use super::rate::{Pace, Tempo};

/// Fewest names that are worth a look for those to forget.
const SWEEP_FROM: usize = 1_024;

// `Clone` is what shuttle's map asks of its names.
/// The paces of everybody who took a turn lately, by name: about 100 bytes for each within the time that a burst takes to
/// come back.
#[derive(Debug)]
pub struct Paces<K: Hash + Eq + Clone> {
    paces: DashMap<K, Pace>,
    sweep_at: AtomicUsize,
}

impl<K: Hash + Eq + Clone> Default for Paces<K> {
    fn default() -> Self {
        Self { paces: DashMap::new(), sweep_at: AtomicUsize::new(0) }
    }
}

impl<K: Hash + Eq + Clone> Paces<K> {
    /// Takes a turn for whoever this is; when it is too early, says in how many milliseconds it won't be.
    pub fn take<Q: ?Sized + Hash + Eq + ToOwned<Owned = K>>(
        &self,
        name: &Q,
        now: Millis,
        rate: impl Into<Tempo>,
    ) -> Result<(), u64>
    where
        K: Borrow<Q>,
    {
        let rate = rate.into();
        let known = self.paces.get(name).map(|pace| pace.take(now, rate));
        known.unwrap_or_else(|| {
            self.sweep(now);
            self.paces.entry(name.to_owned()).or_default().take(now, rate)
        })
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
    use super::super::rate::Rate;
    use super::*;

    #[test]
    fn who_has_rested_is_forgotten() {
        let (paces, rate) = (Paces::<String>::default(), Rate { per_second: 5, burst: 10 });
        for turn in 0..100_000 {
            assert_eq!(paces.take(format!("user {turn}").as_str(), Millis(turn), rate), Ok(()));
        }
        assert!(paces.paces.len() < 3 * SWEEP_FROM, "{}", paces.paces.len());
    }
}
