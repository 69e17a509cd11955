//! Sending a line.

use std::sync::Arc;

use crate::model::event::{Body, Event};
use crate::model::message::{Author, Draft, Line};
use crate::model::principal::Principal;
use crate::model::refusal::Refusal;

use super::append::Answer;
use super::subscribe::Seat;
use super::{Node, Outcome};

impl Node {
    /// Sends a line. `answer` is told once: when the line has been applied, or why it is refused. Lines of one caller
    /// keep the order of the calls.
    pub fn send(&self, seat: &Seat, principal: &Principal, draft: Draft, answer: Answer) {
        match self.admit(seat, principal, draft) {
            Ok(event) => self.append(seat.channel(), event, Arc::clone(&seat.live), answer),
            Err(refusal) => {
                self.parts.metrics.refusals.inc();
                answer(Outcome::Refused(refusal));
            }
        }
    }

    fn admit(&self, seat: &Seat, principal: &Principal, mut draft: Draft) -> Result<Event, Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        let now = self.parts.clock.now();
        if principal.expires < now {
            return Err(Refusal::TokenExpired);
        }
        let author = Author::from(principal);
        seat.live.state.lock().channel.admit(&self.parts.config.limits, &seat.cid, &author, &mut draft)?;
        let line = Line { cid: seat.cid.clone(), author, draft, members: seat.members() };
        Ok(Event::new(now, Body::Line(Arc::new(line))))
    }
}
