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

    /// The channel, folded from its log if it isn't in memory. Those who ask at the same time wait for one fold.
    pub(super) async fn live(&self, id: &ChannelId) -> Result<Arc<Live>, LogError> {
        let cell = self.channels.entry(id.clone()).or_default().value().clone();
        cell.get_or_try_init(|| Live::load(id, &self.parts, &self.over)).await.cloned()
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
