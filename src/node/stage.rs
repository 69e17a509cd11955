//! A broadcast as it runs here: its feed and who is in it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::feed::{About, Feed};
use crate::model::id::{ChannelId, Cid};

use super::Parts;
use super::roster::Roster;

/// One broadcast on this node. It lives as long as its channel shows it or somebody is in it.
pub(super) struct Stage {
    pub(super) feed: Arc<Feed>,
    pub(super) roster: Roster,
    over: CancellationToken,
}

impl Stage {
    /// Sets up a broadcast and starts its feed.
    pub(super) fn set_up(parts: &Parts, channel: &ChannelId, cid: &Cid) -> Arc<Self> {
        let about = About { channel: channel.clone(), cid: cid.clone(), epoch: parts.log.epoch() };
        let feed = Arc::new(Feed::new(about, parts.encoders.clone(), parts.config.feed, parts.metrics.clone()));
        let over = CancellationToken::new();
        tokio::spawn(run(feed.clone(), over.clone()));
        Arc::new(Self { roster: Roster::new(feed.headcount().clone()), feed, over })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

async fn run(feed: Arc<Feed>, over: CancellationToken) {
    tokio::select! {
        biased;
        () = over.cancelled() => {}
        () = feed.run() => {}
    }
    // What was accepted before the end still goes out.
    while feed.flush().await {}
}
