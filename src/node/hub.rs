//! From a channel's identity to the channel itself, folded on first use.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::eventlog::LogError;
use crate::model::id::ChannelId;

use super::Parts;
use super::live::Live;

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

    /// Channels in memory.
    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }

    /// Whether this channel is in memory.
    pub(super) fn holds(&self, id: &ChannelId) -> bool {
        self.channels.contains_key(id)
    }
}
