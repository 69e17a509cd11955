//! What the site's backend tells everybody that no user has said.

use std::sync::Arc;

use crate::model::announcement::{Announcement, News};
use crate::model::event::{Body, Event};
use crate::model::id::{ChannelId, Cid, EventId, Seq};
use crate::model::message::Receipt;
use crate::model::refusal::Refusal;

use super::append::{refusal, waited_for};
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
        let (answer, told) = waited_for();
        let body = Body::Announced(announcement.clone());
        self.append(live.id(), Event { id, at: self.parts.clock.now(), body }, live.clone(), answer);
        match told.await {
            // The second is of one that was told before.
            Outcome::Acted(receipt) | Outcome::Sent(receipt) => {
                self.is_the_same(
                    live.id(),
                    receipt.seq,
                    |body| matches!(body, Body::Announced(told) if told.news == announcement.news),
                )
                .await?;
                Ok((cid, receipt))
            }
            Outcome::Refused(refusal) => Err(refusal.into()),
            Outcome::Voted(_) | Outcome::Done | Outcome::Late => Err(StationError::DoneBefore),
        }
    }

    /// Whether what stands at a place is what was asked for: a key that was used long ago, for something else, names that.
    pub(super) async fn is_the_same(
        &self,
        channel: &ChannelId,
        place: Seq,
        asked: impl Fn(&Body) -> bool,
    ) -> Result<(), StationError> {
        let there = self.event_at(channel, place).await.map_err(|failure| refusal(&failure))?;
        let gone = |body: &Body| matches!(body, Body::Erased { .. });
        let same = there.is_none_or(|logged| gone(&logged.event.body) || asked(&logged.event.body));
        if same { Ok(()) } else { Err(StationError::OtherContent) }
    }
}
