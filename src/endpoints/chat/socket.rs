//! One connection's task: what comes in, and what silence means.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::clock;
use crate::gate::Visitor;
use crate::node::{EndedBy, Farewell};
use crate::ws::close::CloseCode;
use crate::ws::connection::{Connection, Ended, Inbound};
use crate::ws::outbox::Outbox;

use super::leaving::Turn;
use super::session::{Session, Step};
use super::{Chat, Config};

const SECOND: Duration = Duration::from_secs(1);

/// Serves a connection until it ends, and notes down why it did.
pub(super) async fn run(mut connection: Connection, chat: &Chat, visitor: Arc<Visitor>, id: Uuid) {
    let (node, opened) = (&chat.node, chat.node.clock().now());
    node.metrics().connections.inc();
    let outbox = connection.outbox().clone();
    let address = visitor.address();
    let mut session = Session::new(node.clone(), chat.gate.clone(), chat.config, outbox, visitor.clone(), id);
    let end = converse(&mut connection, &mut session, chat, id).await;
    let (cid, uid) = session.whereabouts();
    drop(session);
    node.metrics().connections.dec();
    node.metrics().closes.get_or_create(&counted(end.code).into()).inc();
    let End { code, reason, by } = end;
    let ended = node.clock().now();
    node.remember_farewell(Farewell { connection: id, opened, ended, code, reason, by, cid, uid, address });
    connection.finish(end.last_words(), reason).await;
    // It counted for as long as its socket was open.
    drop(visitor);
}

/// How a connection ended.
struct End {
    code: u16,
    reason: &'static str,
    by: EndedBy,
}

impl End {
    fn by_us(code: CloseCode, reason: &'static str) -> Self {
        Self { code: code.number(), reason, by: EndedBy::Gateway }
    }

    fn by_them(ended: Ended) -> Self {
        match ended {
            Ended::ByPeer(code) => Self { code, reason: "", by: EndedBy::Client },
            Ended::Broken(code, reason) => Self::by_us(code, reason),
            Ended::Slow => Self::by_us(CloseCode::TryLater, "too slow: the outgoing queue is full"),
            Ended::Lost => Self { code: LOST, reason: "", by: EndedBy::Nobody },
        }
    }

    /// What a peer is told that has not been told anything yet.
    fn last_words(&self) -> CloseCode {
        CloseCode::ALL.into_iter().find(|code| code.number() == self.code).unwrap_or(CloseCode::Normal)
    }
}

/// What RFC 6455, 7.1.5, calls a connection that ended without a Close.
const LOST: u16 = 1006;

/// A close code by which ends are counted: a client may give any of thousands, and those beyond the standard's own count
/// as the first of their range.
fn counted(code: u16) -> u16 {
    match code {
        ..=1_015 => code,
        1_016..=2_999 => 1_016,
        3_000..=3_999 => 3_000,
        _ => 4_000,
    }
}

async fn converse(connection: &mut Connection, session: &mut Session, chat: &Chat, id: Uuid) -> End {
    let mut turn = chat.leaving.turn(id);
    let mut silence = Silence::new(&chat.config);
    let mut chatter = Chatter::new(&chat.config);
    let mut backlog = Backlog::default();
    loop {
        tokio::select! {
            inbound = connection.next() => {
                silence.broken();
                let step = match inbound {
                    Inbound::Text(text) => {
                        // What others say meanwhile still goes out.
                        tokio::select! {
                            step = session.receive(&text) => step,
                            never = connection.drain() => never,
                        }
                    }
                    Inbound::NotText => session.receive_unreadable(),
                    Inbound::Alive if chatter.too_many_signals() => {
                        return End::by_us(CloseCode::Normal, "too many control frames");
                    }
                    Inbound::Alive => continue,
                    Inbound::End(ended) => return End::by_them(ended),
                };
                if let Step::End(code, reason) = step {
                    return End::by_us(code, reason);
                }
                if let Some(pause) = chatter.pause() {
                    tokio::select! {
                        () = sleep_until(pause) => {}
                        never = connection.drain() => never,
                    }
                }
            }
            step = session.has_something_to_do() => {
                if let Step::End(code, reason) = step {
                    return End::by_us(code, reason);
                }
                session.keep_group();
            }
            () = sleep_until(silence.next) => {
                session.look_around();
                session.keep_group();
                if connection.outbox().is_closed() {
                    return End::by_us(CloseCode::Normal, "closed before");
                }
                let stuck = backlog.stuck(connection.outbox());
                if stuck >= chat.config.standstill {
                    chat.node.metrics().slow_closed.inc();
                    return End::by_us(CloseCode::TryLater, "too slow: nothing was read for too long");
                }
                if backlog.has_moved() {
                    // Whoever takes what waits is there; its pong may come behind all of that.
                    silence.broken();
                }
                match silence.grew(session.is_joined()) {
                    Growing::Wait => {}
                    Growing::Ping => connection.ping(),
                    Growing::Ask => session.ping(),
                    Growing::Over(reason) => return End::by_us(CloseCode::Away, reason),
                }
            }
            () = chat.leaving.comes_to(turn) => {
                if turn == Turn::Last || !session.tell_leaving(chat.leaving.left()) {
                    return End::by_us(CloseCode::Restart, "restarting");
                }
                turn = Turn::Last;
            }
        }
    }
}

/// How long the peer has taken nothing of what waits for it.
#[derive(Default)]
struct Backlog {
    /// Since when, and how much it had taken by then.
    stuck: Option<(Instant, u64)>,
    /// How much it had taken by the last look, and whether that was more than by the one before.
    taken: u64,
    moved: bool,
}

impl Backlog {
    fn stuck(&mut self, outbox: &Outbox) -> Duration {
        let now = clock::instant();
        let taken = outbox.written_bytes();
        (self.moved, self.taken) = (taken > self.taken, taken);
        if outbox.queued_bytes() == 0 || self.stuck.is_none_or(|(_, before)| before != taken) {
            self.stuck = (outbox.queued_bytes() > 0).then_some((now, taken));
        }
        self.stuck.map_or(Duration::ZERO, |(since, _)| now - since)
    }

    /// Whether the peer had taken something by the last look that had waited for it.
    fn has_moved(&self) -> bool {
        self.moved
    }
}

/// How much a peer says within a second.
struct Chatter<'a> {
    config: &'a Config,
    second: Instant,
    messages: u32,
    signals: u32,
}

impl<'a> Chatter<'a> {
    fn new(config: &'a Config) -> Self {
        Self { config, second: clock::instant(), messages: 0, signals: 0 }
    }

    fn turn_over(&mut self) {
        let now = clock::instant();
        if now >= self.second + SECOND {
            (self.second, self.messages, self.signals) = (now, 0, 0);
        }
    }

    /// Counts a control frame, and says whether it is one too many.
    fn too_many_signals(&mut self) -> bool {
        self.turn_over();
        self.signals += 1;
        self.signals > self.config.control_frames_per_second
    }

    /// Counts a message, and says until when nothing more is read.
    fn pause(&mut self) -> Option<Instant> {
        self.turn_over();
        self.messages += 1;
        (self.messages >= self.config.messages_per_second).then(|| self.second + SECOND)
    }
}

/// How long nothing has come in. The timer is moved only when it fires: most messages cost it nothing.
struct Silence<'a> {
    config: &'a Config,
    opened: Instant,
    last: Instant,
    pings: u32,
    next: Instant,
}

/// What a growing silence asks for.
#[derive(Debug, PartialEq, Eq)]
enum Growing {
    Wait,
    /// The WebSocket's own ping, which every library answers.
    Ping,
    /// The wire's ping, for what answers no other.
    Ask,
    Over(&'static str),
}

impl<'a> Silence<'a> {
    fn new(config: &'a Config) -> Self {
        let now = clock::instant();
        let next = now + config.ping_after.min(config.join_timeout);
        Self { config, opened: now, last: now, pings: 0, next }
    }

    fn broken(&mut self) {
        self.last = clock::instant();
        self.pings = 0;
    }

    fn grew(&mut self, joined: bool) -> Growing {
        let (now, config) = (clock::instant(), self.config);
        if !joined && now >= self.opened + config.join_timeout {
            return Growing::Over("no CONNECT in time");
        }
        if now >= self.last + config.idle_timeout {
            return Growing::Over("nothing heard for too long");
        }
        let due = self.last + config.ping_after * (self.pings + 1);
        let growing = match self.pings {
            _ if now < due => Growing::Wait,
            0 => Growing::Ping,
            _ => Growing::Ask,
        };
        if !matches!(growing, Growing::Wait) {
            self.pings += 1;
        }
        let ping = self.last + config.ping_after * (self.pings + 1);
        let end = self.last + config.idle_timeout;
        let join = self.opened + config.join_timeout;
        self.next = if joined { ping.min(end) } else { ping.min(end).min(join) };
        growing
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prometheus_client::metrics::gauge::Gauge;

    use crate::ws;
    use crate::ws::frames::Frames;
    use crate::ws::sock::Memory;

    use super::*;

    /// What a silence asks for until it is over, with the seconds since `begun`.
    async fn story(silence: &mut Silence<'_>, joined: bool, begun: Instant) -> Vec<(u64, Growing)> {
        let mut told = Vec::new();
        loop {
            sleep_until(silence.next).await;
            let growing = silence.grew(joined);
            let over = matches!(growing, Growing::Over(_));
            if growing != Growing::Wait {
                told.push((begun.elapsed().as_secs(), growing));
            }
            if over {
                return told;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_member_is_pinged_asked_and_given_up() {
        let (config, begun) = (Config::default(), clock::instant());
        let told = story(&mut Silence::new(&config), true, begun).await;
        let over = Growing::Over("nothing heard for too long");
        assert_eq!(told, [(25, Growing::Ping), (50, Growing::Ask), (75, Growing::Ask), (90, over)]);
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_is_heard_begins_the_silence_anew() {
        let (config, begun) = (Config::default(), clock::instant());
        let mut silence = Silence::new(&config);
        tokio::time::advance(std::time::Duration::from_secs(20)).await;
        silence.broken();
        let told = story(&mut silence, true, begun).await;
        let over = Growing::Over("nothing heard for too long");
        assert_eq!(told, [(45, Growing::Ping), (70, Growing::Ask), (95, Growing::Ask), (110, over)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_says_so_much_a_second() {
        let config = Config { messages_per_second: 3, control_frames_per_second: 2, ..Config::default() };
        let (mut chatter, begun) = (Chatter::new(&config), clock::instant());
        assert_eq!(
            [chatter.too_many_signals(), chatter.too_many_signals(), chatter.too_many_signals()],
            [false, false, true]
        );
        assert_eq!([chatter.pause(), chatter.pause(), chatter.pause()], [None, None, Some(begun + SECOND)]);
        tokio::time::advance(SECOND).await;
        assert!(!chatter.too_many_signals() && chatter.pause().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_of_what_waits_is_stuck() {
        let sock = Memory::default();
        let mut connection =
            Connection::new(Box::new(sock.clone()), Bytes::new(), ws::Config::default(), Gauge::default()).await;
        let outbox = connection.outbox().clone();
        let mut backlog = Backlog::default();
        assert_eq!(backlog.stuck(&outbox), Duration::ZERO);
        sock.set_room(0);
        outbox.push(&Frames::text("waits")).unwrap();
        assert_eq!(backlog.stuck(&outbox), Duration::ZERO);
        tokio::time::advance(SECOND * 29).await;
        assert_eq!(backlog.stuck(&outbox), SECOND * 29);
        sock.set_room(1);
        assert!(tokio::time::timeout(Duration::from_millis(1), connection.next()).await.is_err());
        assert_eq!(backlog.stuck(&outbox), Duration::ZERO, "a byte was taken");
        assert!(backlog.has_moved(), "it is there, whatever it says");
        tokio::time::advance(SECOND * 30).await;
        assert_eq!(backlog.stuck(&outbox), SECOND * 30);
        assert!(!backlog.has_moved());
        sock.set_room(usize::MAX);
        assert!(tokio::time::timeout(Duration::from_millis(1), connection.next()).await.is_err());
        assert_eq!(backlog.stuck(&outbox), Duration::ZERO, "nothing waits");
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_connects_is_given_up_however_alive() {
        let (config, begun) = (Config::default(), clock::instant());
        let mut silence = Silence::new(&config);
        tokio::time::advance(std::time::Duration::from_secs(24)).await;
        silence.broken();
        let told = story(&mut silence, false, begun).await;
        assert_eq!(told, [(30, Growing::Over("no CONNECT in time"))]);
    }
}
