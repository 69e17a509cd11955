//! Sending a line.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::model::access::Credential;
use crate::model::event::{Body, Event};
use crate::model::id::{ChannelId, Cid, EventId, Seq};
use crate::model::message::{Author, Draft, Line, Receipt};
use crate::model::mode::Known;
use crate::model::principal::Principal;
use crate::model::refusal::Refusal;
use crate::model::time::Millis;

use super::append::{Answer, refusal};
use super::live::Live;
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
    /// The event that it becomes: the same request, sent again, is the same event.
    pub id: EventId,
}

/// How often a line is judged that other rules overtake on its way; its sender may try again then.
const MOST_JUDGED: u32 = 3;

/// When that is worth it.
const OVERTAKEN_RETRY_MS: u64 = 200;

impl Node {
    /// Sends a line. `answer` is told once: when the line has been applied, or why it is refused. Lines of one caller
    /// keep the order of the calls, but for one that other rules overtake: it is judged again, and comes later.
    pub fn send(self: &Arc<Self>, seat: &Seat, draft: Draft, answer: Answer) {
        match self.admit(seat, draft) {
            Ok(event) => self.append_line(&seat.live, event, 1, answer),
            Err(refusal) => answer(Outcome::Refused(refusal)),
        }
    }

    fn admit(&self, seat: &Seat, draft: Draft) -> Result<Event, Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        let principal = seat.principal().ok_or(Refusal::ReadOnly)?;
        self.still_holds(principal)?;
        self.pace(seat, principal)?;
        let author = Author::from(principal);
        let (credential, now) = (principal.credential(), self.parts.clock.now());
        let (members, known) = (seat.members(), seat.known(principal));
        let (cid, filtered, judged) = (seat.cid.clone(), None, Seq::default());
        let mut line = Line { cid, author, draft, members, credential, known, filtered, judged };
        self.look_at(&seat.live, &mut line, now)?;
        Ok(Event::new(now, Body::Line(Arc::new(line))))
    }

    /// Refuses a line that may not be sent as things stand now, and lets others pass as the rules say.
    fn look_at(&self, live: &Live, line: &mut Line, now: Millis) -> Result<(), Refusal> {
        let state = live.state.lock();
        if state.channel.admit(&self.rules().limits, now, line)? {
            // What it repeats has passed.
            return Ok(());
        }
        let measures = state.channel.measures(line);
        // Long lists take their time, and nobody else should wait for that.
        drop(state);
        self.filter(line, &measures)
    }

    /// Appends a line that was judged so often by now.
    fn append_line(self: &Arc<Self>, live: &Arc<Live>, event: Event, judged: u32, answer: Answer) {
        let Body::Line(line) = &event.body else { return answer(Outcome::Refused(Refusal::Fault)) };
        // Weak, because it is kept by the channel itself until the line is judged.
        let (node, there, line, at) = (Arc::downgrade(self), Arc::downgrade(live), line.clone(), event.at);
        let told: Answer = Box::new(move |outcome| match (outcome, node.upgrade(), there.upgrade()) {
            (Outcome::Late, Some(node), Some(there)) => {
                // Whoever tells this has the log to follow.
                tokio::spawn(async move { node.judge_again(&there, (at, Line::clone(&line)), judged, answer) });
            }
            (Outcome::Late, ..) => answer(Outcome::Refused(Refusal::Draining)),
            (other, ..) => answer(other),
        });
        self.append(live.id(), event, live.clone(), told);
    }

    fn judge_again(self: &Arc<Self>, live: &Arc<Live>, (at, mut line): (Millis, Line), judged: u32, answer: Answer) {
        if judged == MOST_JUDGED {
            return answer(Outcome::Refused(Refusal::Busy { retry_after_ms: OVERTAKEN_RETRY_MS }));
        }
        if let Some(sent) = line.filtered.take().and_then(|filtered| filtered.original.clone()) {
            line.draft.text = sent;
        }
        line.judged = Seq::default();
        // It is as old as it is: a retry that came before it is what it repeats.
        match self.look_at(live, &mut line, at) {
            Ok(()) => self.append_line(live, Event::new(at, Body::Line(Arc::new(line))), judged + 1, answer),
            Err(refusal) => answer(Outcome::Refused(refusal)),
        }
    }

    /// Every session has its own limit; who isn't staff has one with all their sessions together.
    fn pace(&self, seat: &Seat, principal: &Principal) -> Result<(), Refusal> {
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
        let SiteLine { author, known, draft, id } = line;
        self.pace_program(&access.id)?;
        let view = self.channel(channel).await?;
        let cid = view.on_air().map(|broadcast| broadcast.cid.clone()).ok_or(Refusal::BroadcastEnded)?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let now = self.parts.clock.now();
        let mut line = Line {
            cid: cid.clone(),
            author,
            draft,
            members: view.there.sockets,
            credential: Credential::of_the_site(),
            known,
            filtered: None,
            judged: Seq::default(),
        };
        self.look_at(&live, &mut line, now)?;
        let event = Event { id, at: now, body: Body::Line(Arc::new(line)) };
        let (tell, told) = oneshot::channel();
        let answer = Box::new(move |outcome| {
            // Whoever asked may have hung up; the line stands all the same.
            let _ = tell.send(outcome);
        });
        self.append_line(&live, event, 1, answer);
        match told.await.unwrap_or(Outcome::Refused(Refusal::Fault)) {
            Outcome::Sent(receipt) => Ok((cid, receipt)),
            Outcome::Refused(refusal) => Err(refusal.into()),
            // It was sent before, and so long ago that nobody remembers when.
            Outcome::Acted(_) | Outcome::Done | Outcome::Late => Err(StationError::DoneBefore),
        }
    }
}
