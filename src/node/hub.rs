//! From a channel's identity to the channel itself, folded on first use and forgotten when nobody uses it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::eventlog::LogError;
use crate::model::id::ChannelId;

use super::Parts;
use super::live::Live;

/// How often idle channels are looked for.
const SWEEP: Duration = Duration::from_secs(15);

/// The channels in memory.
pub(super) struct Hub {
    parts: Arc<Parts>,
    channels: DashMap<ChannelId, Arc<OnceCell<Arc<Live>>>>,
    over: CancellationToken,
}

impl Hub {
    pub(super) fn new(parts: Arc<Parts>, over: CancellationToken) -> Self {
        Self { parts, channels: DashMap::new(), over }
    }

    /// The channel, folded from its log if it isn't in memory. Those who ask at the same time wait for one fold, and it
    /// goes on when they stop waiting: who comes back finds it done.
    pub(super) async fn live(&self, id: &ChannelId) -> Result<Arc<Live>, LogError> {
        let cell = self.channels.entry(id.clone()).or_default().value().clone();
        if let Some(live) = cell.get() {
            live.touch();
            return Ok(live.clone());
        }
        let (id, parts, over) = (id.clone(), self.parts.clone(), self.over.clone());
        let folding =
            tokio::spawn(async move { cell.get_or_try_init(|| Live::load(&id, &parts, &over)).await.cloned() });
        // A fold that panicked has said so; its channel can be asked for again.
        folding.await.unwrap_or(Err(LogError::Unknown))
    }

    /// Every channel that is in memory now.
    pub(super) fn loaded(&self) -> Vec<Arc<Live>> {
        self.channels.iter().filter_map(|entry| entry.value().get().cloned()).collect()
    }

    /// Lets channels go that nobody has used for `idle`, and what nobody has asked for lately of the others, at times, for
    /// ever.
    pub(super) async fn sweep(hub: Weak<Self>, idle: Duration) {
        loop {
            tokio::time::sleep(SWEEP.min(idle)).await;
            let Some(hub) = hub.upgrade() else { return };
            for live in hub.loaded() {
                live.tidy();
                let id = live.id().clone();
                drop(live);
                hub.evict(&id, idle).await;
            }
        }
    }

    /// Lets a channel go when nobody holds it and nobody has used it for `idle`; its state is kept first, so that it comes
    /// back at once. Whether it went.
    pub(super) async fn evict(&self, id: &ChannelId, idle: Duration) -> bool {
        // The cell in the map is the only one that holds it: whoever asks from now on is seen by `touch`.
        let unused = |cell: &Arc<OnceCell<Arc<Live>>>| {
            Arc::strong_count(cell) == 1
                && cell.get().is_some_and(|live| Arc::strong_count(live) == 1 && live.idle() >= idle)
        };
        if !self.channels.get(id).is_some_and(|entry| unused(entry.value())) {
            return false;
        }
        let Some(live) = self.channels.get(id).and_then(|entry| entry.value().get().cloned()) else { return false };
        // Without a snapshot it would still come back, only later.
        live.keep(&self.parts).await;
        drop(live);
        let gone = self.channels.remove_if(id, |_, cell| unused(cell)).is_some();
        if gone {
            self.parts.metrics.evictions.inc();
            self.parts.metrics.channels.dec();
        }
        gone
    }

    /// Channels in memory.
    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }

    /// Whether this channel is in memory.
    pub(super) fn holds(&self, id: &ChannelId) -> bool {
        self.channels.contains_key(id)
    }
}
