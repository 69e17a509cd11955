//! The site's side: channels and their broadcasts.

use thiserror::Error;

use crate::feed::Attendance;
use crate::model::broadcast::Broadcast;
use crate::model::event::{Body, Event};
use crate::model::id::{ChannelId, Cid, Seq};
use crate::model::mode::Modes;
use crate::model::refusal::Refusal;

use super::Node;
use super::append::refusal;

/// Length of the identities of broadcasts that we make.
const CID_LENGTH: usize = 6;

/// What the characters of those identities are.
const CID_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// Why a channel or broadcast can't be had.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StationError {
    /// There is no such channel.
    #[error("no such channel")]
    NoChannel,
    /// The channel has no such broadcast.
    #[error("no such broadcast in this channel")]
    NoBroadcast,
    /// There is no such API key.
    #[error("no such API key")]
    NoKey,
    /// There are too many already.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// The same request was carried out before, too long ago to repeat its answer.
    #[error("this request was carried out before, too long ago for its answer to be known")]
    DoneBefore,
    /// It was judged by other rules than those that held when it came, or refused, again and again.
    #[error(
        "this was overtaken by other rules, or refused, again and again: nothing of it stands; send it anew, under another Idempotency-Key"
    )]
    Overtaken,
    /// The same key was used for something else.
    #[error("this Idempotency-Key was used for another body: use a new one")]
    OtherContent,
    /// The node could not do it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A channel as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelView {
    /// Its identity.
    pub id: ChannelId,
    /// The streamer's name.
    pub name: String,
    /// Whether it is served; a channel that was closed can still be looked at.
    pub listed: bool,
    /// Its broadcasts, oldest first: the last hundred.
    pub broadcasts: Vec<Broadcast>,
    /// How many are in the newest broadcast.
    pub there: Attendance,
    /// How its chat is run now.
    pub modes: Modes,
    /// How it is set to be run: what holds when panic is over.
    pub set: Modes,
}

impl ChannelView {
    /// The broadcast that is on.
    pub fn on_air(&self) -> Option<&Broadcast> {
        self.broadcasts.last().filter(|broadcast| broadcast.closed.is_none())
    }
}

/// The channel under which an unknown `cid` opens itself.
pub(super) fn derived_channel(cid: &Cid) -> ChannelId {
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("channel of {cid}").as_bytes());
    ChannelId::stored(&id.simple().to_string())
}

impl Node {
    /// Serves a channel under this name; a channel that is served already is renamed.
    pub async fn list_channel(&self, channel: &ChannelId, name: &str) -> Result<(), StationError> {
        self.write_directory(Body::Listed { channel: channel.clone(), name: name.to_owned() }).await
    }

    /// Ends the channel's broadcast and serves the channel no more.
    pub async fn unlist_channel(&self, channel: &ChannelId) -> Result<(), StationError> {
        let view = self.channel(channel).await?;
        if let Some(broadcast) = view.on_air() {
            self.close_broadcast(channel, &broadcast.cid).await?;
        }
        self.write_directory(Body::Unlisted { channel: channel.clone() }).await
    }

    /// Up to `limit` served channels whose identity is behind `after`.
    pub async fn channels(&self, after: Option<&ChannelId>, limit: usize) -> Result<Vec<ChannelView>, StationError> {
        let mut views = Vec::new();
        for id in self.directory.page(after, limit) {
            views.push(self.channel(&id).await?);
        }
        Ok(views)
    }

    /// The channel as it stands. Where unknown broadcasts open themselves, the name of one does for its channel's.
    pub async fn channel(&self, channel: &ChannelId) -> Result<ChannelView, StationError> {
        let (live, name, listed) = match self.directory.listing(channel) {
            Some(listing) => {
                let live = self.hub.live(channel).await.map_err(|failure| refusal(&failure))?;
                (live, listing.name, listing.listed)
            }
            None if self.opened_itself(channel).await? => {
                let live = self.hub.live(channel).await.map_err(|failure| refusal(&failure))?;
                (live, channel.to_string(), true)
            }
            None => {
                let cid = Cid::parse(channel.as_str()).ok_or(StationError::NoChannel)?;
                let live = self.channel_of(&cid).await.map_err(|refusal| match refusal {
                    Refusal::UnknownChannel => StationError::NoChannel,
                    other => StationError::Refused(other),
                })?;
                (live, cid.to_string(), true)
            }
        };
        let state = live.state.lock();
        let broadcasts = state.channel.broadcasts().to_vec();
        let there = state.stage.as_ref().map_or_else(Attendance::default, |stage| stage.feed.headcount().now());
        let running = state.channel.running();
        let (modes, set) = (running.at(self.parts.clock.now()), running.modes);
        Ok(ChannelView { id: live.id().clone(), name, listed, broadcasts, there, modes, set })
    }

    /// Whether this is the channel of a broadcast that opened itself: the directory doesn't know it, its log does.
    async fn opened_itself(&self, channel: &ChannelId) -> Result<bool, StationError> {
        if !self.parts.config.open_unknown {
            return Ok(false);
        }
        let first = self.parts.log.read(channel, Seq::default(), 1).await.map_err(|failure| refusal(&failure))?;
        Ok(!first.events.is_empty() || first.gone > Seq::default())
    }

    /// Begins a broadcast, ending the one that is on.
    pub async fn open_broadcast(&self, channel: &ChannelId, title: &str) -> Result<Cid, StationError> {
        if !self.directory.listing(channel).is_some_and(|listing| listing.listed) {
            return Err(StationError::NoChannel);
        }
        let cid = self.allot(channel).await?;
        let live = self.hub.live(channel).await.map_err(|failure| refusal(&failure))?;
        let opened = Event::new(self.parts.clock.now(), Body::Opened { cid: cid.clone(), title: title.to_owned() });
        self.append_and_wait(channel, opened, live).await?;
        Ok(cid)
    }

    /// Ends a broadcast; one that is over stays so.
    pub async fn close_broadcast(&self, channel: &ChannelId, cid: &Cid) -> Result<(), StationError> {
        let view = self.channel(channel).await?;
        if !view.broadcasts.iter().any(|broadcast| broadcast.cid == *cid) {
            return Err(StationError::NoBroadcast);
        }
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let closed = Event::new(self.parts.clock.now(), Body::Closed { cid: cid.clone() });
        self.append_and_wait(&view.id, closed, live).await?;
        Ok(())
    }

    /// A `cid` that nobody has, given to this channel.
    async fn allot(&self, channel: &ChannelId) -> Result<Cid, StationError> {
        loop {
            let cid = fresh_cid();
            if self.directory.owner(&cid).is_some() {
                continue;
            }
            self.write_directory(Body::Allotted { cid: cid.clone(), channel: channel.clone() }).await?;
            // Another machine may have given the same one away at the same moment; the log says who was first.
            if self.directory.owner(&cid).as_ref() == Some(channel) {
                return Ok(cid);
            }
        }
    }

    pub(super) async fn write_directory(&self, body: Body) -> Result<(), StationError> {
        let event = Event::new(self.parts.clock.now(), body);
        Ok(self.append_and_wait(&ChannelId::directory(), event, self.directory.clone()).await?)
    }
}

/// Real ones begin with `N` too, so a `cid` is told from a channel at a glance.
fn fresh_cid() -> Cid {
    let rest = rand::random::<[u8; CID_LENGTH - 1]>().map(|byte| CID_ALPHABET[usize::from(byte % 64)]);
    let text = format!("N{}", String::from_utf8_lossy(&rest));
    Cid::parse(&text).expect("every text of the alphabet is a cid")
}
