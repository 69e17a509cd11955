//! Questions over the socket: voting for them, and listing them. Staff change how they stand by [`super::acts`].

use std::sync::atomic::Ordering;

use crate::model::refusal::Refusal;
use crate::proto::cmd::Cmd;
use crate::proto::code::Code;
use crate::proto::envelope::Envelope;
use crate::proto::questions::{self, Listing};
use crate::proto::reply;
use crate::proto::request::questions as request;

use super::{IN_FLIGHT_RETRY_MS, Joined, Phase, Session, address, push_to};

/// Questions that whoever comes is told of, at most.
const MOST_TOLD: usize = 50;

impl Session {
    /// Takes a vote: it is under way when this returns, in the order of the requests, and answered later.
    pub(super) fn vote(&self, envelope: &Envelope<'_>) {
        if let Err(refusal) = self.begin_vote(envelope) {
            self.refuse(Cmd::QUESTION_VOTE, envelope, &refusal);
        }
    }

    fn begin_vote(&self, envelope: &Envelope<'_>) -> Result<(), Refusal> {
        let seat = self.seat(envelope)?;
        let (name, up) = request::vote(envelope.body).map_err(Refusal::BadRequest)?;
        if self.in_flight.load(Ordering::Relaxed) >= self.config.sends_in_flight {
            return Err(Refusal::Busy { retry_after_ms: IN_FLIGHT_RETRY_MS });
        }
        let voting = self.node.vote(seat, &name, up)?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let (address, outbox, in_flight) = (address(envelope, seat), self.outbox.clone(), self.in_flight.clone());
        let metrics = self.node.metrics().clone();
        tokio::spawn(async move {
            let answer = match voting.await {
                Ok(question) => questions::voted(&address, &question, up),
                Err(refusal) => {
                    metrics.refusals.get_or_create(&Code::of(&refusal).0.into()).inc();
                    reply::refused(Cmd::QUESTION_VOTE, &address, &refusal)
                }
            };
            in_flight.fetch_sub(1, Ordering::Relaxed);
            push_to(&outbox, &answer);
        });
        Ok(())
    }

    /// Lists questions.
    pub(super) fn list_questions(&self, envelope: &Envelope<'_>) {
        let answer = || {
            let seat = self.seat(envelope)?;
            let asked = request::list(envelope.body, seat.cid()).map_err(Refusal::BadRequest)?;
            self.node.questions(seat, &asked.query, asked.size, |found, open| {
                let more = found.len() == asked.size;
                let listing = Listing { channel: seat.channel(), questions: &found, open, more };
                self.push(&questions::listing(&address(envelope, seat), &listing, self.config.recent_bytes));
            })
        };
        if let Err(refusal) = answer() {
            self.refuse(Cmd::QUESTIONS, envelope, &refusal);
        }
    }

    /// Tells a session of our own layer that sees questions which ones wait for an answer.
    pub(super) fn tell_open_questions(&self) {
        let Phase::Joined(Joined { seat, ext: Some(ext), .. }) = &self.phase else { return };
        if !ext.lane.shows_questions() {
            return;
        }
        self.node.open_questions(seat, MOST_TOLD, |found, open| {
            if !found.is_empty() {
                let listing = Listing { channel: seat.channel(), questions: &found, open, more: false };
                self.push(&questions::open(seat.cid(), &listing, self.config.push_bytes));
            }
        });
    }
}
