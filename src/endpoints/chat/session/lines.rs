//! Lines over the socket: sending one, and asking for the last ones.

use std::sync::atomic::Ordering;

use crate::clock;
use crate::model::refusal::Refusal;
use crate::node::Outcome;
use crate::proto::cmd::Cmd;
use crate::proto::code::Code;
use crate::proto::envelope::Envelope;
use crate::proto::reply::{self, Address, Recent};
use crate::proto::request;
use crate::ws::frames::Frames;

use super::{IN_FLIGHT_RETRY_MS, Session, address};

impl Session {
    /// Takes a line: it is under way when this returns, and answered later.
    pub(super) fn send(&self, envelope: &Envelope<'_>) {
        let asked = request::chat(envelope, self.config.extras_bytes);
        let (seat, draft) = match self.seat(envelope).and_then(|seat| Ok((seat, asked?))) {
            Ok((seat, _)) if seat.principal().is_none() => {
                return self.refuse(Cmd::SEND_CHAT, envelope, &Refusal::ReadOnly);
            }
            Ok(both) => both,
            Err(refusal) => return self.refuse(Cmd::SEND_CHAT, envelope, &refusal),
        };
        if self.in_flight.load(Ordering::Relaxed) >= self.config.sends_in_flight {
            let busy = Refusal::Busy { retry_after_ms: IN_FLIGHT_RETRY_MS };
            return self.refuse(Cmd::SEND_CHAT, envelope, &busy);
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let address = address(envelope, seat);
        let (outbox, in_flight) = (self.outbox.clone(), self.in_flight.clone());
        let (metrics, begun) = (self.node.metrics().clone(), clock::instant());
        let answer = Box::new(move |outcome| {
            in_flight.fetch_sub(1, Ordering::Relaxed);
            match &outcome {
                Outcome::Refused(refusal) => {
                    metrics.refusals.get_or_create(&Code::of(refusal).0.into()).inc();
                }
                _ => metrics.ack_seconds.observe(begun.elapsed().as_secs_f64()),
            }
            // A sender that is gone, or too slow for its own answers, is closed by its outbox.
            let _ = outbox.push(&Frames::text(&answer_to_send(&address, outcome)));
        });
        self.node.send(seat, draft, answer);
    }

    /// Tells the last lines.
    pub(super) fn recent_chat(&self, envelope: &Envelope<'_>) {
        let asked = request::recent_chat(envelope.body).map_err(Refusal::BadRequest);
        let answer = || {
            let (seat, asked) = (self.seat(envelope)?, asked?);
            self.node.recent(seat, asked.count, |lines, notice, seq| {
                let place = self.is_ext().then(|| (self.node.epoch(), seq));
                let (channel, members) = (seat.channel(), seat.members());
                let recent = Recent { channel, lines: &lines, notice: notice.as_ref(), members, place };
                self.push(&reply::recent_chat(&address(envelope, seat), &recent, self.config.recent_bytes));
            })
        };
        if let Err(refusal) = answer() {
            self.refuse(Cmd::RECENT_CHAT, envelope, &refusal);
        }
    }
}

fn answer_to_send(address: &Address, outcome: Outcome) -> String {
    match outcome {
        Outcome::Sent(receipt) | Outcome::Before(receipt) => reply::sent(address, &receipt),
        Outcome::Refused(refusal) => reply::refused(Cmd::SEND_CHAT, address, &refusal),
        // A line is never merely done.
        Outcome::Acted(_)
        | Outcome::Voted(_)
        | Outcome::RefusedBefore
        | Outcome::At(_)
        | Outcome::Done
        | Outcome::Late => reply::refused(Cmd::SEND_CHAT, address, &Refusal::Fault),
    }
}
