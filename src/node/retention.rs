//! What is kept no longer: events that are too old, and what somebody wants erased.
//!
//! Both go the same way, so that neither a crash nor another machine finds a state that the log can't tell: an event says
//! what will be gone, every channel forgets it when it applies that event, a snapshot keeps a state that needs it no more,
//! and only then does the log let go of it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tracing::{error, info};

use crate::eventlog::{LARGEST_PAGE, LogError};
use crate::model::access::Revoked;
use crate::model::act::Deed;
use crate::model::event::{Body, Event};
use crate::model::id::{ChannelId, EventId, Seq, UserId};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;

use super::append::refusal;
use super::revoke::patiently;
use super::{Node, StationError};

/// How often old events are looked for.
const LOOK: Duration = Duration::from_secs(3_600);

/// Pause before the first look: a gateway that has just started has more to do.
const FIRST_LOOK: Duration = Duration::from_secs(60);

/// Channels that are listed at once.
const CHANNELS: usize = 1_000;

impl Node {
    /// Drops what is older than `age`, at times, for as long as the node is there.
    pub(super) async fn retain(node: Weak<Self>, age: Duration) {
        let mut pause = FIRST_LOOK;
        loop {
            tokio::time::sleep(pause).await;
            pause = LOOK;
            let Some(node) = node.upgrade() else { return };
            match node.drop_older_than(age).await {
                Ok(0) | Err(Refusal::Draining) => {}
                Ok(channels) => info!(channels, "dropped what is too old"),
                Err(failure) => {
                    node.parts.metrics.faults.inc();
                    error!(%failure, "what is too old could not be dropped");
                }
            }
        }
    }

    /// Drops all events that are older than `age`, in every channel; one in which that fails keeps none of the others from
    /// it. In how many there were some.
    pub async fn drop_older_than(&self, age: Duration) -> Result<u64, Refusal> {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let before = self.parts.clock.now() - age;
        let (mut dropped, mut last) = (0, None);
        loop {
            let channels =
                self.parts.log.channels(last.as_ref(), CHANNELS).await.map_err(|failure| refusal(&failure))?;
            for channel in &channels {
                let used = self.hub.holds(channel);
                let ended = patiently(|| self.drop_before(channel, before)).await;
                if !used {
                    // Nobody else wants all of them in memory.
                    self.hub.evict(channel, Duration::ZERO).await;
                }
                match ended {
                    Ok(some) => dropped += u64::from(some),
                    // It would fail in every other, too.
                    Err(refusal @ (Refusal::Draining | Refusal::DiskFull)) => return Err(refusal),
                    Err(failure) => {
                        self.parts.metrics.faults.inc();
                        error!(%failure, %channel, "what is too old could not be dropped");
                    }
                }
            }
            match channels.into_iter().next_back() {
                Some(newest) => last = Some(newest),
                None => return Ok(dropped),
            }
        }
    }

    /// Drops a channel's events from before a time. Whether there were any.
    async fn drop_before(&self, channel: &ChannelId, time: Millis) -> Result<bool, Refusal> {
        let log = &self.parts.log;
        let failed = |failure: LogError| refusal(&failure);
        let Some(upto) = log.aged(channel, time).await.map_err(failed)? else { return Ok(false) };
        let first = log.read(channel, Seq::default(), 1).await.map_err(failed)?;
        let note = |body: &Body| matches!(body, Body::Dropped { .. });
        if first.events.first().is_some_and(|first| first.seq == upto && note(&first.event.body)) {
            // All that is that old is the note of the last time.
            return Ok(false);
        }
        let _under_way = self.begin()?;
        let live = self.hub.live(channel).await.map_err(failed)?;
        if live.state.lock().channel.dropped() < upto {
            let id = EventId::derived(&format!("{channel} drops up to {upto}"));
            let event = Event { id, at: self.parts.clock.now(), body: Body::Dropped { upto } };
            self.append_once(&live, event).await?;
        }
        let (dropped, readable) = {
            let channel = &live.state.lock().channel;
            (channel.dropped(), channel.unreadable().is_none())
        };
        // A channel that this build can't read has no snapshot, and keeps everything.
        if dropped < upto || !readable {
            return Ok(false);
        }
        if !live.keep(&self.parts).await {
            return Err(Refusal::Busy { retry_after_ms: 1_000 });
        }
        log.drop_upto(channel, upto).await.map_err(failed)?;
        Ok(true)
    }

    /// Erases everything that somebody has said in a channel by now, from memory and from the log. How many lines that
    /// were. It goes on when nobody waits for it; asked again after a failure, it does what is left.
    pub async fn erase(self: &Arc<Self>, channel: &ChannelId, uid: &UserId) -> Result<u64, StationError> {
        let (node, channel, uid, under_way) = (self.clone(), channel.clone(), uid.clone(), self.begin()?);
        let erasing = tokio::spawn(async move {
            let _under_way = under_way;
            node.erase_now(&channel, &uid).await
        });
        // A task that panicked has said so.
        erasing.await.unwrap_or(Err(Refusal::Fault.into()))
    }

    async fn erase_now(&self, channel: &ChannelId, uid: &UserId) -> Result<u64, StationError> {
        let id = self.channel(channel).await?.id;
        let live = self.hub.live(&id).await.map_err(|failure| refusal(&failure))?;
        let named = live.state.lock().channel.has_named(uid);
        if named {
            // Their name is anybody's then: no token may say it any more.
            self.revoke_everywhere(&Revoked::User(uid.clone())).await?;
        }
        let event = Event::new(self.parts.clock.now(), Body::Wiped { uid: uid.clone() });
        let upto = self.append_once(&live, event).await?;
        live.told();
        if !live.keep(&self.parts).await {
            return Err(Refusal::Busy { retry_after_ms: 5_000 }.into());
        }
        self.erase_payloads(&id, uid, upto).await.map_err(|failure| refusal(&failure).into())
    }

    async fn erase_payloads(&self, channel: &ChannelId, uid: &UserId, upto: Seq) -> Result<u64, LogError> {
        let (log, mut after, mut places, mut others) = (&self.parts.log, Seq::default(), Vec::new(), Vec::new());
        loop {
            let page = log.read(channel, after, LARGEST_PAGE).await?;
            let theirs = |body: &Body| match body {
                Body::Line(line) => line.author.uid == *uid,
                // A notice in their own words.
                Body::Act(act) => act.by.uid == *uid && matches!(&act.deed, Deed::Pin(pin) if pin.is_text()),
                _ => false,
            };
            let beside = |body: &Body| match body {
                Body::Vote(vote) => vote.uid == *uid,
                Body::Named(naming) => naming.uid == *uid,
                Body::Announced(announcement) => announcement.is_visit_of(uid),
                _ => false,
            };
            for logged in page.events.iter().filter(|logged| logged.seq <= upto) {
                places.extend(theirs(&logged.event.body).then_some(logged.seq));
                others.extend(beside(&logged.event.body).then_some(logged.seq));
            }
            match page.events.last() {
                Some(last) if last.seq < upto && page.events.len() == LARGEST_PAGE => after = last.seq,
                _ => break,
            }
        }
        // For nothing, too: an earlier attempt may have been cut off before the log was in order.
        log.erase(channel, &[&places[..], &others].concat()).await?;
        Ok(places.len() as u64)
    }
}
