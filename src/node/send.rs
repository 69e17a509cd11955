//! Sending a line.

use std::sync::Arc;

use crate::model::access::Credential;
use crate::model::event::{Body, Logged};
use crate::model::id::{ChannelId, Cid, EventId};
use crate::model::message::{Author, Draft, Kind, Line, Receipt};
use crate::model::mode::Known;
use crate::model::occasion::Occasion;
use crate::model::principal::Principal;
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::policy::rate::PerMinute;

use super::append::{Answer, refusal, waited_for};
use super::judging::Sent;
use super::station::StationError;
use super::subscribe::Seat;
use super::{Access, Node, Outcome};

/// A line that the site's backend sends, in anybody's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteLine {
    /// In whose name.
    pub author: Author,
    /// What is known of them beside their profile.
    pub known: Known,
    /// What is said.
    pub draft: Draft,
    /// With what, if it is a special line.
    pub occasion: Option<Occasion>,
    /// The event that it becomes: the same request, sent again, is the same event.
    pub id: EventId,
}

impl Node {
    /// Sends a line. `answer` is told once: when the line has been applied, or why it is refused. Lines of one caller
    /// keep the order of the calls, but for one that other rules overtake: it is judged again, and comes later.
    pub fn send(self: &Arc<Self>, seat: &Seat, draft: Draft, answer: Answer) {
        match self.admit(seat, draft) {
            Ok((at, line)) => {
                self.judge(&seat.live, Sent { id: None, at, line, overtaken: 0, refused: 0, answer });
            }
            Err(refusal) => answer(Outcome::Refused(refusal)),
        }
    }

    fn admit(&self, seat: &Seat, draft: Draft) -> Result<(Millis, Line), Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        let principal = seat.principal().ok_or(Refusal::ReadOnly)?;
        self.still_holds(principal)?;
        self.pace(seat, principal)?;
        self.pace_questions(seat, principal, &draft)?;
        let author = Author::from(principal);
        let (credential, now) = (principal.credential(), self.parts.clock.now());
        let (members, known) = (seat.members(), seat.known(principal));
        let (cid, occasion, filtered, judged) = (seat.cid.clone(), None, None, Line::UNJUDGED);
        Ok((now, Line { cid, author, draft, members, credential, known, occasion, filtered, judged }))
    }

    /// Who isn't staff asks so many questions in a minute, in all their sessions together.
    fn pace_questions(&self, seat: &Seat, principal: &Principal, draft: &Draft) -> Result<(), Refusal> {
        if draft.kind != Kind::Question || seat.is_staff() {
            return Ok(());
        }
        let (now, most) = (self.parts.clock.now(), self.rules().questions_per_minute);
        let taken = self.askers.take(principal.uid.as_str(), now, PerMinute(most));
        taken.map_err(|retry_after_ms| Refusal::TooFast { retry_after_ms })
    }

    /// Every session has its own limit; who isn't staff has one with all their sessions together.
    pub(super) fn pace(&self, seat: &Seat, principal: &Principal) -> Result<(), Refusal> {
        let (now, rules) = (self.parts.clock.now(), self.rules());
        let too_fast = |retry_after_ms| Refusal::TooFast { retry_after_ms };
        seat.sends.take(now, rules.session_sends).map_err(too_fast)?;
        match rules.sends {
            Some(rate) if !seat.is_staff() => self.users.take(principal.uid.as_str(), now, rate).map_err(too_fast),
            _ => Ok(()),
        }
    }

    /// Sends a line of the site's backend into the broadcast that is on, and waits for the verdict.
    pub async fn say(
        self: &Arc<Self>,
        channel: &ChannelId,
        line: SiteLine,
        access: &Access,
    ) -> Result<(Cid, Receipt), StationError> {
        let SiteLine { author, known, draft, occasion, id } = line;
        self.pace_program(&access.id)?;
        let view = self.channel(channel).await?;
        let cid = view.on_air().map(|broadcast| broadcast.cid.clone()).ok_or(Refusal::BroadcastEnded)?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let now = self.parts.clock.now();
        let line = Line {
            cid: cid.clone(),
            author,
            draft,
            members: view.there.sockets,
            credential: Credential::of_the_site(),
            known,
            occasion: occasion.map(Arc::new),
            filtered: None,
            judged: Line::UNJUDGED,
        };
        let asked = line.clone();
        let (answer, told) = waited_for();
        self.judge(&live, Sent { id: Some(id), at: now, line, overtaken: 0, refused: 0, answer });
        // What is asked for under one key is said once, and never in place of something else.
        let said_same = |there: &Logged| match &there.event.body {
            Body::Line(line) => {
                let (kind, author) = (line.draft.kind, &line.author.uid);
                let said = (kind, author, line.as_sent()) == (asked.draft.kind, &asked.author.uid, &asked.draft.text);
                said && line.occasion == asked.occasion
            }
            _ => false,
        };
        match told.await {
            Outcome::Sent(receipt) => Ok((cid, receipt)),
            Outcome::Before(receipt) => {
                self.is_the_same(live.id(), receipt.seq, said_same).await?;
                Ok((cid, receipt))
            }
            Outcome::At(place) => {
                self.is_the_same(live.id(), place, said_same).await?;
                Err(StationError::DoneBefore)
            }
            Outcome::Refused(refusal) => Err(refusal.into()),
            // It was sent before, and so long ago that nobody remembers when.
            Outcome::Acted(_) | Outcome::Voted(_) | Outcome::Done => Err(StationError::DoneBefore),
            Outcome::Late | Outcome::RefusedBefore => Err(StationError::Overtaken),
        }
    }
}
