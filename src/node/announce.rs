//! What the site's backend tells everybody that no user has said.

use std::sync::Arc;

use crate::model::announcement::{Announcement, News};
use crate::model::event::{Body, Event, Logged};
use crate::model::id::{ChannelId, Cid, EventId, Seq};
use crate::model::message::Receipt;
use crate::model::refusal::Refusal;

use super::append::{ONCE_MORE, refusal, waited_for};
use super::{Access, Node, Outcome, StationError};

impl Node {
    /// Tells everybody in the broadcast that is on, in the order of the log, and waits for the verdict.
    pub async fn announce(
        &self,
        channel: &ChannelId,
        news: News,
        access: &Access,
        id: EventId,
    ) -> Result<(Cid, Receipt), StationError> {
        self.pace_program(&access.id)?;
        let view = self.channel(channel).await?;
        let cid = view.on_air().map(|broadcast| broadcast.cid.clone()).ok_or(Refusal::BroadcastEnded)?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let announcement = Arc::new(Announcement { cid: cid.clone(), key: access.id.clone(), news });
        let told_same =
            |there: &Logged| matches!(&there.event.body, Body::Announced(told) if told.news == announcement.news);
        let mut id = id;
        for _ in 0..ONCE_MORE {
            let (answer, told) = waited_for();
            let body = Body::Announced(announcement.clone());
            self.append(live.id(), Event { id, at: self.parts.clock.now(), body }, live.clone(), answer);
            match told.await {
                Outcome::Acted(receipt) | Outcome::Sent(receipt) => return Ok((cid, receipt)),
                Outcome::Before(receipt) => {
                    self.is_the_same(live.id(), receipt.seq, told_same).await?;
                    return Ok((cid, receipt));
                }
                // The broadcast was just ending then.
                Outcome::RefusedBefore => id = id.once_more(),
                Outcome::Refused(refusal) => return Err(refusal.into()),
                Outcome::At(place) => {
                    self.is_the_same(live.id(), place, told_same).await?;
                    return Err(StationError::DoneBefore);
                }
                Outcome::Voted(_) | Outcome::Done | Outcome::Late => return Err(StationError::DoneBefore),
            }
        }
        Err(StationError::Overtaken)
    }

    /// Whether what stands at a place is what was asked for: a key that was used long ago, for something else, names that.
    pub(super) async fn is_the_same(
        &self,
        channel: &ChannelId,
        place: Seq,
        asked: impl Fn(&Logged) -> bool,
    ) -> Result<(), StationError> {
        let there = self.event_at(channel, place).await.map_err(|failure| refusal(&failure))?;
        let gone = |logged: &Logged| matches!(logged.event.body, Body::Erased { .. });
        let same = there.is_none_or(|logged| gone(&logged) || asked(&logged));
        if same { Ok(()) } else { Err(StationError::OtherContent) }
    }
}
