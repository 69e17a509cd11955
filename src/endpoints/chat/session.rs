//! One client's conversation: text in, frames into its outbox, no socket.

mod acts;
mod asides;
mod lines;
mod questions;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::clock;
use crate::feed::{Group, Layer};
use crate::gate::{Gate, Membership, UserSeat, Visitor};
use crate::model::id::{Cid, Epoch, Seq, UserId};
use crate::model::message::Lane;
use crate::model::principal::Standing;
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::node::{Arrival, Caught, Lost, Node, Seat, Turn};
use crate::proto::cmd::Cmd;
use crate::proto::code::Code;
use crate::proto::envelope::Envelope;
use crate::proto::push;
use crate::proto::reply::{self, Address, Connected, ConnectedExt};
use crate::proto::request::{self, Connect, Ext};
use crate::proto::word::lane_name;
use crate::ws::close::CloseCode;
use crate::ws::frames::Frames;
use crate::ws::outbox::Outbox;

use super::Config;
use super::encoder::WIRE;

/// When a session that has too many sends under way should ask again.
const IN_FLIGHT_RETRY_MS: u64 = 100;

/// How long before its token ends a session of our own layer is told, at least.
const TOKEN_NOTICE: Duration = Duration::from_secs(60);

/// The larger of the two sizes of pushes: half of what an outgoing queue holds at least.
const LARGE_PUSH_BYTES: usize = 96 * 1024;

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
    gate: Arc<Gate>,
    config: Config,
    outbox: Arc<Outbox>,
    visitor: Arc<Visitor>,
    connection: Uuid,
    phase: Phase,
    in_flight: Arc<AtomicU32>,
}

enum Phase {
    /// Before CONNECT.
    New,
    Joined(Joined),
}

/// In a broadcast.
struct Joined {
    seat: Seat,
    /// A place among the user's sessions, when it may send.
    user: Option<UserSeat>,
    /// Our own layer, if it has asked for it. Boxed: most have not.
    ext: Option<Box<ExtSession>>,
    /// Tells staff that a role may have changed.
    staff: Option<Box<watch::Receiver<u64>>>,
    /// Whether it is still being told what it missed.
    behind: Option<Box<Behind>>,
    _member: Membership,
}

/// What a session of our own layer has asked for, and where it is.
struct ExtSession {
    lane: Lane,
    frame_limit: usize,
    /// The place from which it wants to be told what it missed, or why it won't be.
    resume: Option<Result<(Epoch, Seq), Lost>>,
    /// The end of a token that it has been told of.
    warned: Option<Millis>,
}

/// A session that is being told what it missed.
#[derive(Default)]
struct Behind {
    /// Its place among those who are.
    turn: Option<Turn>,
}

impl Session {
    /// A session that answers into `outbox`.
    pub fn new(
        node: Arc<Node>,
        gate: Arc<Gate>,
        config: Config,
        outbox: Arc<Outbox>,
        visitor: Arc<Visitor>,
        connection: Uuid,
    ) -> Self {
        Self { node, gate, config, outbox, visitor, connection, phase: Phase::New, in_flight: Arc::default() }
    }

    /// Whether CONNECT has succeeded.
    pub fn is_joined(&self) -> bool {
        matches!(self.phase, Phase::Joined(..))
    }

    /// The broadcast it has joined, and whose it is as far as that is known.
    pub fn whereabouts(&self) -> (Option<Cid>, Option<UserId>) {
        match &self.phase {
            Phase::New => (None, None),
            Phase::Joined(joined) => {
                let seat = &joined.seat;
                (Some(seat.cid().clone()), seat.principal().map(|principal| principal.uid.clone()))
            }
        }
    }

    /// To be called every `ping_after` at least. Gives back the place among the user's sessions once the token holds no
    /// more: who has a new one needs it. Says that a token ends, where the session has a word for it.
    pub fn look_around(&mut self) {
        let Phase::Joined(Joined { seat, user, ext, .. }) = &mut self.phase else { return };
        if user.is_some() && !self.node.may_act(seat) {
            *user = None;
        }
        let (Some(ext), Some(expires)) = (ext, seat.principal().map(|principal| principal.expires)) else { return };
        // The next look may be so much later.
        let soon = self.node.clock().now() + millis(TOKEN_NOTICE + self.config.ping_after);
        if user.is_some() && expires <= soon && ext.warned != Some(expires) {
            ext.warned = Some(expires);
            push_to(&self.outbox, &push::token_expires(seat.cid(), expires));
        }
    }

    /// Does what there is to do beside answering: tells what was missed, or waits until the connection takes no more, or
    /// until what is shown to staff may be for this session no longer. Cancel-safe; never over when there is nothing to do.
    pub async fn has_something_to_do(&mut self) -> Step {
        if self.is_behind() {
            return self.catch_up().await;
        }
        tokio::select! {
            () = self.outbox.fell_behind() => self.fall_behind(),
            () = role_changed(&mut self.phase) => {}
        }
        Step::On
    }

    fn fall_behind(&mut self) {
        if let Phase::Joined(joined) = &mut self.phase
            && joined.seat.fall_behind()
        {
            joined.behind = Some(Box::default());
        }
    }

    /// Whether it hears what is shown to staff.
    pub fn is_staff(&self) -> bool {
        matches!(&self.phase, Phase::Joined(Joined { staff: Some(_), .. }))
    }

    /// Goes on as a member of the group that its role asks for now, and as nobody when its token holds no more.
    pub fn keep_group(&mut self) {
        if let Phase::Joined(joined) = &mut self.phase
            && (self.node.lapses(&mut joined.seat) || joined.staff.is_some() != joined.is_staff(&self.node))
        {
            joined.regroup(&self.node, &self.config);
        }
    }

    /// Whether it is still being told what it has missed.
    pub fn is_behind(&self) -> bool {
        matches!(&self.phase, Phase::Joined(Joined { behind: Some(_), .. }))
    }

    /// Tells a stretch of what it has missed, once the connection has taken what it was told before. Cancel-safe; only for
    /// the connection's own task.
    pub async fn catch_up(&mut self) -> Step {
        self.outbox.drained().await;
        let Phase::Joined(Joined { behind: Some(behind), .. }) = &mut self.phase else { return Step::On };
        // Whatever comes in between, its place in the queue is kept.
        let turn = behind.turn.get_or_insert_with(|| self.node.turn());
        let _turn = turn.await;
        behind.turn = None;
        // Whoever gives a turn away wakes the next to run at once, before all who have waited longer for something else.
        tokio::task::yield_now().await;
        self.take_step()
    }

    fn take_step(&mut self) -> Step {
        let Phase::Joined(joined) = &mut self.phase else { return Step::On };
        if joined.behind.is_none() {
            return Step::On;
        }
        let (group, changes) = joined.group(&self.node, &self.config);
        match joined.seat.catch_up(group, &self.outbox) {
            Caught::NotYet => {}
            Caught::Up => {
                joined.behind = None;
                joined.staff = changes;
                // Only now: nothing that is told of them from here on is missed. Votes that were are in it.
                self.tell_open_questions();
            }
            Caught::Closed(code, reason) => {
                joined.behind = None;
                return Step::End(code, reason);
            }
        }
        Step::On
    }

    /// Tells a session of our own layer to come back elsewhere, at some moment within this time. Whether it has a word for
    /// it, and there is time.
    pub fn tell_leaving(&self, within: Duration) -> bool {
        let Phase::Joined(Joined { seat, ext: Some(_), .. }) = &self.phase else { return false };
        if !within.is_zero() {
            self.push(&push::reconnect(seat.cid(), within));
        }
        !within.is_zero()
    }

    /// Takes one message. The only place where commands are told apart.
    pub async fn receive(&mut self, text: &str) -> Step {
        if self.outbox.is_closed() {
            // Nothing more is heard, so nothing more is done: the peer was told to go, and is still talking.
            return Step::End(CloseCode::Normal, "closed before");
        }
        let Ok(envelope) = Envelope::open(text) else { return self.receive_unreadable() };
        match envelope.cmd {
            None => return self.receive_unreadable(),
            Some(Cmd::PING) => self.push(&reply::pong()),
            // Boxed: every idle member's task would have room for what happens once.
            Some(Cmd::CONNECT) => return Box::pin(self.connect(&envelope)).await,
            Some(Cmd::REFRESH) => Box::pin(self.refresh(&envelope)).await,
            Some(Cmd::SEND_CHAT) => self.send(&envelope),
            Some(Cmd::RECENT_CHAT) => self.recent_chat(&envelope),
            Some(Cmd::QUESTION_VOTE) => self.vote(&envelope),
            Some(Cmd::QUESTIONS) => self.list_questions(&envelope),
            Some(Cmd::WHISPER) => Box::pin(self.whisper(&envelope)).await,
            Some(Cmd::MEMBERS) => self.members(&envelope),
            Some(cmd) if acts::is_act(cmd) => self.act(cmd, &envelope),
            Some(Cmd::HIDDEN_LINE) => Box::pin(self.hidden_line(&envelope)).await,
            Some(other) if other.may_be_refused() => self.refuse(other, &envelope, &Refusal::UnknownCommand),
            // PONG, or something that only a server says: nobody waits for an answer.
            Some(_) => {}
        }
        Step::On
    }

    /// Answers what has no command number.
    pub fn receive_unreadable(&mut self) -> Step {
        self.count_refusal(Code::INCORRECT_PARAMETER);
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
            Ok(joined) => self.welcome(envelope, joined),
            Err(refusal) => {
                self.refuse(Cmd::CONNECT, envelope, &refusal);
                end_after(&refusal)
            }
        }
    }

    /// When whoever waits for room is told that there is none: with some of CONNECT's time left to join.
    fn deadline(&self) -> Instant {
        clock::instant() + self.config.connect_timeout * 7 / 8
    }

    async fn enter(&self, envelope: &Envelope<'_>, asked: &Connect) -> Result<Joined, Refusal> {
        let deadline = self.deadline();
        let member = self.visitor.join(deadline).await?;
        let cid = envelope.cid.as_deref().and_then(Cid::parse).ok_or(Refusal::UnknownChannel)?;
        let standing = match &asked.token {
            Some(token) if asked.writes => self.node.check_token(token).await?,
            // A reader's token isn't looked at, as on the real wire (facts, 2.2).
            _ => Standing::Anonymous,
        };
        let user = match &standing {
            // Whose token was revoked only reads.
            Standing::Valid(principal) if self.node.is_revoked(principal) => None,
            Standing::Valid(principal) => Some(self.gate.seat(&principal.uid, deadline).await?),
            Standing::Expired(_) | Standing::Anonymous => None,
        };
        let seat = self.node.enter(&cid, standing, self.visitor.address()).await?;
        let user = user.filter(|_| seat.principal().is_some());
        let mut ext = asked.ext.as_ref().map(|ext| Box::new(ExtSession::new(ext, &self.config)));
        if let Some((ext, place)) = ext.as_mut().zip(asked.ext.as_ref().and_then(|ext| ext.resume)) {
            ext.resume = Some(if self.gate.admit_resume(&self.visitor) { Ok(place) } else { Err(Lost::Busy) });
            if ext.resume == Some(Ok(place)) {
                self.node.hears_of(&seat, place).await;
            }
        }
        Ok(Joined { seat, user, ext, staff: None, behind: None, _member: member })
    }

    /// CONNECTED first, then what was missed, then what happens.
    fn welcome(&mut self, envelope: &Envelope<'_>, mut joined: Joined) -> Step {
        let (group, changes) = joined.group(&self.node, &self.config);
        joined.staff = changes;
        let seat = &mut joined.seat;
        let lane = joined.ext.as_ref().map_or(Lane::All, |ext| ext.lane);
        let ext = joined.ext.as_ref().map(|ext| ext.connected(self.node.arrive(seat, ext.resume)));
        let (uuid, sid) = (self.connection.to_string(), fresh_sid());
        let connected = Connected { writes: seat.principal().is_some(), uuid: &uuid, sid: &sid, ext };
        self.push(&reply::connected(&address(envelope, seat), connected));
        // Whoever comes back and is told what was missed has been welcomed.
        if lane == Lane::All && ext.and_then(|ext| ext.recovered) != Some(Ok(())) {
            self.tell_welcome(seat);
        }
        if joined.ext.is_none() {
            seat.listen(group, self.outbox.clone());
        } else {
            joined.behind = Some(Box::default());
        }
        self.phase = Phase::Joined(joined);
        let step = self.take_step();
        self.look_around();
        step
    }

    async fn refresh(&mut self, envelope: &Envelope<'_>) {
        match self.renew(envelope).await {
            Ok(address) => {
                self.push(&reply::refreshed(&address));
                self.look_around();
            }
            Err(refusal) => self.refuse(Cmd::REFRESH, envelope, &refusal),
        }
    }

    /// Takes a new token; whatever is wrong with it, the session goes on with the old one.
    async fn renew(&mut self, envelope: &Envelope<'_>) -> Result<Address, Refusal> {
        let seat = self.seat(envelope)?;
        let token = request::refresh(envelope.body).map_err(Refusal::BadRequest)?;
        self.node.pace_refresh(seat)?;
        let standing = self.node.check_token(&token).await?;
        let deadline = self.deadline();
        let Phase::Joined(joined) = &mut self.phase else { return Err(Refusal::NotJoined) };
        let fresh = match (&standing, &joined.user) {
            (Standing::Valid(principal), None) => Some(self.gate.seat(&principal.uid, deadline).await?),
            _ => None,
        };
        self.node.refresh(&mut joined.seat, standing)?;
        joined.user = joined.user.take().or(fresh);
        joined.regroup(&self.node, &self.config);
        Ok(address(envelope, &joined.seat))
    }

    /// The seat that a request is about: it names its broadcast (facts, 1.1).
    fn seat(&self, envelope: &Envelope<'_>) -> Result<&Seat, Refusal> {
        let Phase::Joined(Joined { seat, .. }) = &self.phase else { return Err(Refusal::NotJoined) };
        match envelope.cid.as_deref() {
            Some(cid) if cid == seat.cid().as_str() => Ok(seat),
            Some(_) => Err(Refusal::OtherChannel),
            None => Err(Refusal::BadRequest("cid is missing or not a string".to_owned())),
        }
    }

    fn refuse(&self, request: Cmd, envelope: &Envelope<'_>, refusal: &Refusal) {
        self.count_refusal(Code::of(refusal));
        let cid = envelope.cid.as_deref().and_then(Cid::parse);
        self.push(&reply::refused(request, &Address { tid: envelope.tid.clone(), cid }, refusal));
    }

    fn count_refusal(&self, code: Code) {
        self.node.metrics().refusals.get_or_create(&code.0.into()).inc();
    }

    fn push(&self, text: &str) {
        push_to(&self.outbox, text);
    }

    fn is_ext(&self) -> bool {
        matches!(&self.phase, Phase::Joined(Joined { ext: Some(_), .. }))
    }
}

/// Waits until the role of one of the staff may have changed.
async fn role_changed(phase: &mut Phase) {
    let Phase::Joined(Joined { staff: Some(changes), .. }) = phase else { return pending().await };
    // The channel outlives the seat.
    let _ = changes.changed().await;
}

impl Joined {
    /// Goes on as a member of the group that its role and token ask for now.
    fn regroup(&mut self, node: &Node, config: &Config) {
        let (group, changes) = self.group(node, config);
        self.seat.regroup(group);
        self.staff = changes;
    }

    /// Whether it is shown now what is for staff.
    fn is_staff(&self, node: &Node) -> bool {
        node.may_act(&self.seat) && self.seat.is_staff()
    }

    /// The group that its role and token ask for now, and for staff what tells whether that is so no longer.
    fn group(&self, node: &Node, config: &Config) -> (Group, Option<Box<watch::Receiver<u64>>>) {
        // Asked for first, so that nothing changes unheard between the look and the joining.
        let changes = self.seat.role_changes();
        let staff = self.is_staff(node);
        let (layer, lane, frame_limit) = match &self.ext {
            None => (Layer::Plain, Lane::All, config.push_bytes),
            Some(ext) => (Layer::Ext, ext.lane, ext.frame_limit),
        };
        (Group { wire: WIRE, layer, lane, staff, frame_limit }, staff.then(|| Box::new(changes)))
    }
}

impl ExtSession {
    fn new(asked: &Ext, config: &Config) -> Self {
        // Two sizes and no more: members of one size share their bytes.
        let large = asked.frame_bytes >= LARGE_PUSH_BYTES;
        let frame_limit = if large { config.push_bytes.max(LARGE_PUSH_BYTES) } else { config.push_bytes };
        Self { lane: asked.lane, frame_limit, resume: None, warned: None }
    }

    fn connected(&self, arrival: Arrival) -> ConnectedExt {
        let Arrival { epoch, seq, after, recovered } = arrival;
        let reason = |lost| match lost {
            Lost::Epoch => "epoch",
            Lost::Ahead => "ahead",
            Lost::TooOld => "too_old",
            Lost::Busy => "busy",
        };
        let recovered = recovered.map(|recovered| recovered.map_err(reason));
        ConnectedExt { epoch, seq, after, lane: lane_name(self.lane), frame_bytes: self.frame_limit, recovered }
    }
}

fn push_to(outbox: &Outbox, text: &str) {
    // An outbox that takes nothing more is closing, and its connection with it.
    let _ = outbox.push(&Frames::text(text));
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn address(envelope: &Envelope<'_>, seat: &Seat) -> Address {
    Address { tid: envelope.tid.clone(), cid: Some(seat.cid().clone()) }
}

/// A refused CONNECT ends the connection: with 1000 where coming back doesn't help, else with 1013.
fn end_after(refusal: &Refusal) -> Step {
    match refusal {
        Refusal::UnknownChannel => Step::End(CloseCode::Normal, "Bye"),
        Refusal::TooManyConnections(_) => Step::End(CloseCode::TryLater, "too many connections"),
        Refusal::Busy { .. } | Refusal::Draining | Refusal::DiskFull | Refusal::Fault => {
            Step::End(CloseCode::TryLater, "try again later")
        }
        _ => Step::End(CloseCode::Normal, "refused"),
    }
}

/// 64 characters, as on the real wire (facts, 2.2).
fn fresh_sid() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}
