//! What staff ask for over the socket.

use std::sync::atomic::Ordering;

use crate::model::act::Asked;
use crate::model::refusal::Refusal;
use crate::node::Withheld;
use crate::proto::cmd::Cmd;
use crate::proto::code::Code;
use crate::proto::envelope::Envelope;
use crate::proto::reply;
use crate::proto::request::{acts, filters, questions};

use super::{IN_FLIGHT_RETRY_MS, Session, address, push_to};

/// Whether this is something that staff ask for.
pub(super) fn is_act(cmd: Cmd) -> bool {
    let people = [Cmd::KICK, Cmd::BLOCK, Cmd::PENALTY, Cmd::ROLE];
    let others = [Cmd::HIDE, Cmd::PIN, Cmd::CHAT_MODE, Cmd::FILTER, Cmd::QUESTION_STATUS];
    people.contains(&cmd) || others.contains(&cmd)
}

impl Session {
    /// Takes a request of staff: it is under way when this returns, in the order of the requests, and answered later.
    pub(super) fn act(&self, cmd: Cmd, envelope: &Envelope<'_>) {
        let read = match cmd {
            Cmd::HIDE => acts::hide(envelope.body),
            Cmd::KICK => acts::kick(envelope.body),
            Cmd::BLOCK => acts::block(envelope.body),
            Cmd::PENALTY => acts::penalty(envelope.body),
            Cmd::ROLE => acts::role(envelope.body),
            Cmd::CHAT_MODE => acts::modes(envelope.body),
            Cmd::FILTER => filters::filter(envelope.body),
            Cmd::QUESTION_STATUS => questions::mark(envelope.body),
            _ => acts::pin(envelope.body, self.config.extras_bytes),
        };
        if let Err(refusal) = self.begin_act(cmd, envelope, read.map_err(Refusal::BadRequest)) {
            self.refuse(cmd, envelope, &refusal);
        }
    }

    fn begin_act(&self, cmd: Cmd, envelope: &Envelope<'_>, read: Result<Asked, Refusal>) -> Result<(), Refusal> {
        let (seat, asked) = (self.seat(envelope)?, read?);
        if self.in_flight.load(Ordering::Relaxed) >= self.config.sends_in_flight {
            return Err(Refusal::Busy { retry_after_ms: IN_FLIGHT_RETRY_MS });
        }
        let acting = self.node.act(seat, asked)?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let (address, outbox, in_flight) = (address(envelope, seat), self.outbox.clone(), self.in_flight.clone());
        let metrics = self.node.metrics().clone();
        tokio::spawn(async move {
            let answer = match acting.await {
                Ok(receipt) => reply::acted(cmd, &address, receipt.as_ref()),
                Err(refusal) => {
                    metrics.refusals.get_or_create(&Code::of(&refusal).0.into()).inc();
                    reply::refused(cmd, &address, &refusal)
                }
            };
            in_flight.fetch_sub(1, Ordering::Relaxed);
            push_to(&outbox, &answer);
        });
        Ok(())
    }

    /// Tells staff what a line says that may be hidden, and by whom.
    pub(super) async fn hidden_line(&self, envelope: &Envelope<'_>) {
        if let Err(refusal) = self.tell_hidden(envelope).await {
            self.refuse(Cmd::HIDDEN_LINE, envelope, &refusal);
        }
    }

    async fn tell_hidden(&self, envelope: &Envelope<'_>) -> Result<(), Refusal> {
        let seat = self.seat(envelope)?;
        let name = acts::hidden_line(envelope.body).map_err(Refusal::BadRequest)?;
        let to = address(envelope, seat);
        let tell = |found: &Withheld| {
            self.push(&reply::hidden_line(&to, seat.channel(), (&found.line, found.hidden), found.act()));
        };
        self.node.withheld_from(seat, &name, tell).await
    }
}
