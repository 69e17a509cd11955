//! The gateway leaves: connections are told in slices, so that not all of them come back at once.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock;

/// Parts in which connections are told.
const SLICES: usize = 64;

/// When who is told.
pub(super) struct Leaving {
    slices: [CancellationToken; SLICES],
    /// When everybody who is still there is closed.
    end: OnceLock<Instant>,
    over: CancellationToken,
}

/// When a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// With this slice.
    Slice(usize),
    /// At the end: it has been told before, or has come when others already were.
    Last,
}

impl Leaving {
    pub(super) fn new() -> Self {
        Self {
            slices: std::array::from_fn(|_| CancellationToken::new()),
            end: OnceLock::new(),
            over: CancellationToken::new(),
        }
    }

    /// When a connection will be told that comes now.
    pub(super) fn turn(&self, connection: Uuid) -> Turn {
        let (_, random) = connection.as_u64_pair();
        match self.end.get() {
            None => Turn::Slice(usize::try_from(random % SLICES as u64).unwrap_or_default()),
            Some(_) => Turn::Last,
        }
    }

    /// Waits for a turn.
    pub(super) async fn comes_to(&self, turn: Turn) {
        match turn {
            Turn::Slice(slice) => self.slices[slice].cancelled().await,
            Turn::Last => self.over.cancelled().await,
        }
    }

    /// How long it takes until everybody is closed.
    pub(super) fn left(&self) -> Duration {
        self.end.get().map_or(Duration::ZERO, |end| end.saturating_duration_since(clock::instant()))
    }

    /// Tells one slice after the other, for as long as `grace` or until nobody is there.
    pub(super) async fn tell(&self, grace: Duration, is_empty: impl Fn() -> bool) {
        let begun = clock::instant();
        // Whoever calls it twice has told everybody already.
        let _ = self.end.set(begun + grace);
        for (number, slice) in (1_u32..).zip(&self.slices) {
            slice.cancel();
            if is_empty() {
                return;
            }
            tokio::time::sleep_until(begun + grace * number / SLICES as u32).await;
        }
    }

    /// Tells everybody who is still there.
    pub(super) fn end(&self) {
        let _ = self.end.set(clock::instant());
        self.slices.iter().for_each(CancellationToken::cancel);
        self.over.cancel();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn connections_are_told_over_the_grace_period_and_newcomers_at_its_end() {
        let leaving = Leaving::new();
        let turns: Vec<Turn> = (0..1_000).map(|_| leaving.turn(Uuid::new_v4())).collect();
        let told = || turns.iter().filter(|turn| leaving.comes_to(**turn).now_or_never().is_some()).count();
        let grace = Duration::from_secs(10);
        let mut telling = std::pin::pin!(leaving.tell(grace, || false));
        assert_eq!(told(), 0);
        assert!(telling.as_mut().now_or_never().is_none());
        assert!((1..200).contains(&told()), "{} at once", told());
        assert!(tokio::time::timeout(grace / 2, telling.as_mut()).await.is_err());
        assert!((350..650).contains(&told()), "{} after half of it", told());
        assert_eq!(leaving.left(), grace / 2);
        let newcomer = leaving.turn(Uuid::new_v4());
        telling.await;
        assert_eq!((told(), leaving.left()), (1_000, Duration::ZERO));
        assert!(leaving.comes_to(newcomer).now_or_never().is_none());
        leaving.end();
        assert!(leaving.comes_to(newcomer).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn where_nobody_is_nothing_is_waited_for() {
        let begun = clock::instant();
        Leaving::new().tell(Duration::from_secs(10), || true).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
