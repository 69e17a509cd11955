//! One client's conversation: text in, frames into its outbox, no socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::timeout;
use uuid::Uuid;

use crate::feed::{Group, Layer};
use crate::model::id::Cid;
use crate::model::item::Audience;
use crate::model::principal::{Principal, Standing};
use crate::model::refusal::Refusal;
use crate::node::{Node, Outcome, Seat};
use crate::proto::cmd::Cmd;
use crate::proto::envelope::Envelope;
use crate::proto::reply::{self, Address, Connected};
use crate::proto::request::{self, Connect};
use crate::ws::close::CloseCode;
use crate::ws::frames::Frames;
use crate::ws::outbox::Outbox;

use super::Config;
use super::encoder::WIRE;

/// When a session that has too many sends under way should ask again.
const IN_FLIGHT_RETRY_MS: u64 = 100;

/// What follows from a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The conversation goes on.
    On,
    /// It ends, with this close.
    End(CloseCode, &'static str),
}

/// The server's side of one connection.
pub struct Session {
    node: Arc<Node>,
    config: Config,
    outbox: Arc<Outbox>,
    phase: Phase,
    in_flight: Arc<AtomicU32>,
}

enum Phase {
    /// Before CONNECT.
    New,
    /// In a broadcast.
    Joined(Seat, Option<Box<Principal>>),
}

impl Session {
    /// A session that answers into `outbox`.
    pub fn new(node: Arc<Node>, config: Config, outbox: Arc<Outbox>) -> Self {
        Self { node, config, outbox, phase: Phase::New, in_flight: Arc::default() }
    }

    /// Whether CONNECT has succeeded.
    pub fn is_joined(&self) -> bool {
        matches!(self.phase, Phase::Joined(..))
    }

    /// Takes one message. The only place where commands are told apart.
    pub async fn receive(&mut self, text: &str) -> Step {
        let Ok(envelope) = Envelope::open(text) else { return self.receive_unreadable() };
        match envelope.cmd {
            None => return self.receive_unreadable(),
            Some(Cmd::PING) => self.push(&reply::pong()),
            Some(Cmd::CONNECT) => return self.connect(&envelope).await,
            Some(Cmd::SEND_CHAT) => self.send(&envelope),
            Some(Cmd::RECENT_CHAT) => self.recent_chat(&envelope),
            Some(other) if other.may_be_refused() => self.refuse(other, &envelope, &Refusal::UnknownCommand),
            // PONG, or something that only a server says: nobody waits for an answer.
            Some(_) => {}
        }
        Step::On
    }

    /// Answers what has no command number.
    pub fn receive_unreadable(&mut self) -> Step {
        self.node.metrics().refusals.inc();
        self.push(&reply::unreadable());
        Step::On
    }

    /// Asks the client for a sign of life in the wire's own words.
    pub fn ping(&self) {
        self.push(&reply::ping());
    }

    async fn connect(&mut self, envelope: &Envelope<'_>) -> Step {
        if self.is_joined() {
            self.refuse(Cmd::CONNECT, envelope, &Refusal::AlreadyJoined);
            return Step::On;
        }
        let asked = match request::connect(envelope.body) {
            Ok(asked) => asked,
            Err(reason) => {
                self.refuse(Cmd::CONNECT, envelope, &Refusal::BadRequest(reason));
                return Step::On;
            }
        };
        let entered = timeout(self.config.connect_timeout, self.enter(envelope, &asked)).await;
        match entered.unwrap_or(Err(Refusal::Busy { retry_after_ms: 1_000 })) {
            Ok((seat, principal)) => {
                self.welcome(envelope, seat, principal);
                Step::On
            }
            Err(refusal) => {
                self.refuse(Cmd::CONNECT, envelope, &refusal);
                end_after(&refusal)
            }
        }
    }

    async fn enter(&self, envelope: &Envelope<'_>, asked: &Connect) -> Result<(Seat, Option<Box<Principal>>), Refusal> {
        let cid = envelope.cid.as_deref().and_then(Cid::parse).ok_or(Refusal::UnknownChannel)?;
        let standing = match &asked.token {
            Some(token) if asked.writes => self.node.check_token(token)?,
            // A reader's token isn't looked at, as on the real wire (facts, 2.2).
            _ => Standing::Anonymous,
        };
        let principal = match standing {
            Standing::Valid(principal) => Some(Box::new(principal)),
            Standing::Expired(_) | Standing::Anonymous => None,
        };
        let seat = self.node.enter(&cid, principal.as_deref()).await?;
        Ok((seat, principal))
    }

    /// CONNECTED first, live lines behind it.
    fn welcome(&mut self, envelope: &Envelope<'_>, mut seat: Seat, principal: Option<Box<Principal>>) {
        let (uuid, sid) = (Uuid::new_v4(), fresh_sid());
        let connected = Connected { writes: principal.is_some(), uuid: &uuid.to_string(), sid: &sid };
        let address = Address { tid: envelope.tid.clone(), cid: Some(seat.cid().clone()) };
        self.push(&reply::connected(&address, connected));
        let group = Group {
            wire: WIRE,
            layer: Layer::Plain,
            staff: principal.as_ref().is_some_and(|principal| principal.role.is_staff()),
            frame_limit: self.config.push_bytes,
        };
        seat.listen(group, self.outbox.clone());
        self.phase = Phase::Joined(seat, principal);
    }

    fn send(&self, envelope: &Envelope<'_>) {
        let (seat, principal) = match self.seat(envelope) {
            Ok((seat, Some(principal))) => (seat, principal),
            Ok((_, None)) => return self.refuse(Cmd::SEND_CHAT, envelope, &Refusal::ReadOnly),
            Err(refusal) => return self.refuse(Cmd::SEND_CHAT, envelope, &refusal),
        };
        let draft = match request::chat(envelope.body, envelope.tid.as_deref(), envelope.retry) {
            Ok(draft) => draft,
            Err(reason) => return self.refuse(Cmd::SEND_CHAT, envelope, &Refusal::BadRequest(reason)),
        };
        if self.in_flight.load(Ordering::Relaxed) >= self.config.sends_in_flight {
            let busy = Refusal::Busy { retry_after_ms: IN_FLIGHT_RETRY_MS };
            return self.refuse(Cmd::SEND_CHAT, envelope, &busy);
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let address = Address { tid: envelope.tid.clone(), cid: Some(seat.cid().clone()) };
        let (outbox, in_flight) = (self.outbox.clone(), self.in_flight.clone());
        let answer = Box::new(move |outcome| {
            in_flight.fetch_sub(1, Ordering::Relaxed);
            // A sender that is gone, or too slow for its own answers, is closed by its outbox.
            let _ = outbox.push(&Frames::text(&answer_to_send(&address, outcome)));
        });
        self.node.send(seat, principal, draft, answer);
    }

    fn recent_chat(&self, envelope: &Envelope<'_>) {
        let asked = request::recent_chat(envelope.body).map_err(Refusal::BadRequest);
        match self.seat(envelope).and_then(|(seat, principal)| Ok((seat, principal, asked?))) {
            Ok((seat, principal, asked)) => {
                let staff = principal.is_some_and(|principal| principal.role.is_staff());
                let audience = if staff { Audience::Staff } else { Audience::All };
                let items = seat.recent(asked.count, &audience);
                let address = Address { tid: envelope.tid.clone(), cid: Some(seat.cid().clone()) };
                let limit = self.config.recent_bytes;
                self.push(&reply::recent_chat(&address, seat.channel(), &items, seat.members(), limit));
            }
            Err(refusal) => self.refuse(Cmd::RECENT_CHAT, envelope, &refusal),
        }
    }

    /// The seat that a request is about: it names its broadcast (facts, 1.1).
    fn seat(&self, envelope: &Envelope<'_>) -> Result<(&Seat, Option<&Principal>), Refusal> {
        let Phase::Joined(seat, principal) = &self.phase else { return Err(Refusal::NotJoined) };
        match envelope.cid.as_deref() {
            Some(cid) if cid == seat.cid().as_str() => Ok((seat, principal.as_deref())),
            Some(_) => Err(Refusal::OtherChannel),
            None => Err(Refusal::BadRequest("cid is missing or not a string".to_owned())),
        }
    }

    fn refuse(&self, request: Cmd, envelope: &Envelope<'_>, refusal: &Refusal) {
        self.node.metrics().refusals.inc();
        let cid = envelope.cid.as_deref().and_then(Cid::parse);
        self.push(&reply::refused(request, &Address { tid: envelope.tid.clone(), cid }, refusal));
    }

    fn push(&self, text: &str) {
        // An outbox that takes nothing more is closing, and its connection with it.
        let _ = self.outbox.push(&Frames::text(text));
    }
}

fn answer_to_send(address: &Address, outcome: Outcome) -> String {
    match outcome {
        Outcome::Sent(receipt) => reply::sent(address, &receipt),
        Outcome::Refused(refusal) => reply::refused(Cmd::SEND_CHAT, address, &refusal),
        // A line is never merely done.
        Outcome::Done => reply::refused(Cmd::SEND_CHAT, address, &Refusal::Fault),
    }
}

/// A refused CONNECT ends the connection: with 1000 where coming back doesn't help, else with 1013.
fn end_after(refusal: &Refusal) -> Step {
    match refusal {
        Refusal::UnknownChannel => Step::End(CloseCode::Normal, "Bye"),
        Refusal::Busy { .. } | Refusal::Draining | Refusal::Fault => Step::End(CloseCode::TryLater, "try again later"),
        _ => Step::End(CloseCode::Normal, "refused"),
    }
}

/// 64 characters, as on the real wire (facts, 2.2).
fn fresh_sid() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}
