//! A broadcast as it runs here: its feed and who is in it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::feed::{About, Feed};
use crate::model::access::Credential;
use crate::model::aside::Aside;
use crate::model::id::{ChannelId, Cid, UserId};
use crate::model::message::Author;
use crate::model::time::Millis;

use super::Parts;
use super::roster::Roster;

/// One broadcast on this node. It lives as long as its channel shows it or somebody is in it.
pub(super) struct Stage {
    pub(super) feed: Arc<Feed>,
    pub(super) roster: Roster,
    /// Members are told who comes and goes while there are so many connections at most.
    told: u32,
    /// The same for lines of the channel's own.
    visits_told: u32,
    over: CancellationToken,
}

impl Stage {
    /// Sets up a broadcast and starts its feed.
    pub(super) fn set_up(parts: &Parts, channel: &ChannelId, cid: &Cid) -> Arc<Self> {
        let about = About { channel: channel.clone(), cid: cid.clone(), epoch: parts.log.epoch() };
        let feed = Arc::new(Feed::new(about, parts.encoders.clone(), parts.config.feed, parts.metrics.clone()));
        let over = CancellationToken::new();
        tokio::spawn(run(feed.clone(), over.clone()));
        let (told, visits_told) = (parts.config.members_told, parts.config.visits_told);
        Arc::new(Self {
            roster: Roster::new(feed.headcount().clone(), parts.config.guests),
            feed,
            told,
            visits_told,
            over,
        })
    }

    /// One more socket of a user; who is here is told of a user who wasn't, and `noted` of their coming, in the order of
    /// all who come and go.
    pub(super) fn enter(&self, author: &Author, credential: Credential, now: Millis, noted: impl FnOnce()) {
        self.roster.enter(author, credential, now, |member| {
            if self.tells() {
                self.feed.tell_aside(&Aside::Joined(member()), None);
            }
            noted();
        });
    }

    /// One socket less, at which nobody looked if it was `away`; the same of a user who has gone.
    pub(super) fn leave(&self, user: &UserId, credential: &Credential, away: bool, noted: impl FnOnce()) {
        self.roster.leave(user, credential, away, || {
            if self.tells() {
                self.feed.tell_aside(&Aside::Left(user.clone()), None);
            }
            noted();
        });
    }

    /// Whether lines of the channel's own may say who comes and goes.
    pub(super) fn tells_visits(&self) -> bool {
        self.feed.headcount().now().sockets <= self.visits_told
    }

    /// Each is told to every connection at once, of those who only read, too.
    fn tells(&self) -> bool {
        self.feed.headcount().now().sockets <= self.told
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

async fn run(feed: Arc<Feed>, over: CancellationToken) {
    feed.clone().run(over).await;
    // What was accepted before the end still goes out.
    while feed.flush() {}
}
