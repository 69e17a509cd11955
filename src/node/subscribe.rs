//! Joining a broadcast.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::feed::{Group, Place};
use crate::model::event::{Body, Event};
use crate::model::id::{ChannelId, Cid, EventId, UserId};
use crate::model::item::{Audience, Item};
use crate::model::message::Author;
use crate::model::principal::Principal;
use crate::model::refusal::Refusal;
use crate::ws::outbox::Outbox;

use super::append::refusal;
use super::live::Live;
use super::stage::Stage;
use super::{Node, station};

/// Most channels that may open themselves.
const MOST_SELF_OPENED: usize = 10_000;

/// Longest wait for an event that is in the log to be applied here.
const LONGEST_APPLY: Duration = Duration::from_secs(4);

/// One session's place in a broadcast. Dropping it is leaving.
pub struct Seat {
    pub(super) live: Arc<Live>,
    /// `None` in a broadcast that isn't the channel's newest: nothing is ever said there again.
    pub(super) stage: Option<Arc<Stage>>,
    pub(super) cid: Cid,
    user: Option<UserId>,
    place: Option<Place>,
}

impl Seat {
    /// The broadcast.
    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    /// Its channel.
    pub fn channel(&self) -> &ChannelId {
        self.live.id()
    }

    /// How many sockets are in the broadcast.
    pub fn members(&self) -> u32 {
        self.stage.as_ref().map_or(0, |stage| stage.feed.count())
    }

    /// Lets everything that happens from now on into `outbox`. What has to be heard before must be in there already.
    pub fn listen(&mut self, group: Group, outbox: Arc<Outbox>) {
        let Some(stage) = &self.stage else { return };
        // Under the channel's lock, so that no line is applied between the place we note and the joining.
        let state = self.live.state.lock();
        self.place = Some(stage.feed.join(group, outbox, self.user.clone(), state.channel.seq()));
    }

    /// The last `count` lines as `audience` may see them, oldest first.
    pub fn recent(&self, count: usize, audience: &Audience) -> Vec<Item> {
        self.live.state.lock().channel.recent(&self.cid, count, audience)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(stage) = &self.stage else { return };
        if let Some(place) = self.place {
            stage.feed.leave(place);
        }
        if let Some(user) = &self.user {
            stage.roster.leave(user);
        }
    }
}

impl Node {
    /// Takes a seat in a broadcast, one that is over included. Nothing is heard there before [`Seat::listen`].
    pub async fn enter(&self, cid: &Cid, principal: Option<&Principal>) -> Result<Seat, Refusal> {
        let live = self.channel_of(cid).await?;
        if principal.is_some_and(|principal| !principal.scope.covers(live.id(), cid)) {
            return Err(Refusal::TokenRefused("it holds in another channel".to_owned()));
        }
        let stage = live.stage_of(cid);
        if let (Some(stage), Some(principal)) = (&stage, principal) {
            stage.roster.enter(&Author::from(principal));
        }
        let user = principal.map(|principal| principal.uid.clone());
        self.parts.metrics.joins.inc();
        Ok(Seat { live, stage, cid: cid.clone(), user, place: None })
    }

    /// The author behind a user's identity: somebody who is in the broadcast, or who wrote one of its last lines.
    pub async fn author(&self, cid: &Cid, uid: &UserId) -> Result<Option<Author>, Refusal> {
        let live = self.channel_of(cid).await?;
        let present = live.stage_of(cid).and_then(|stage| stage.roster.find(uid));
        Ok(present.or_else(|| live.state.lock().channel.author(uid.as_str()).cloned()))
    }

    pub(super) async fn channel_of(&self, cid: &Cid) -> Result<Arc<Live>, Refusal> {
        if let Some(owner) = self.directory.owner(cid) {
            return self.hub.live(&owner).await.map_err(|failure| refusal(&failure));
        }
        if !self.parts.config.open_unknown {
            return Err(Refusal::UnknownChannel);
        }
        self.open_itself(cid).await
    }

    /// Opens an unknown `cid`, under a channel that is derived from it, once on all machines.
    async fn open_itself(&self, cid: &Cid) -> Result<Arc<Live>, Refusal> {
        let channel = station::derived_channel(cid);
        if !self.hub.holds(&channel) && self.hub.len() >= MOST_SELF_OPENED {
            return Err(Refusal::Busy { retry_after_ms: 60_000 });
        }
        let live = self.hub.live(&channel).await.map_err(|failure| refusal(&failure))?;
        let known = live.state.lock().channel.broadcasts().iter().any(|broadcast| broadcast.cid == *cid);
        if !known {
            let opened = Event {
                id: EventId::derived(&format!("{channel} opens itself as {cid}")),
                at: self.parts.clock.now(),
                body: Body::Opened { cid: cid.clone(), title: cid.to_string() },
            };
            self.append_once(&live, opened).await?;
        }
        Ok(live)
    }

    /// Appends an event that others may be appending at the same time: whoever is not the first waits for the log and
    /// then for this node to have applied it.
    async fn append_once(&self, live: &Arc<Live>, event: Event) -> Result<(), Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        let seq = self.parts.log.append(live.id(), Arc::new(event)).await.map_err(|failure| refusal(&failure))?;
        let deadline = clock::instant() + LONGEST_APPLY;
        while live.state.lock().channel.seq() < seq {
            if clock::instant() > deadline {
                return Err(Refusal::Fault);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}
