//! One connection's task: what comes in, and what silence means.

use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::ws::close::CloseCode;
use crate::ws::connection::{Connection, Inbound};

use super::Chat;
use super::session::{Session, Step};

/// Serves a connection until it ends.
pub(super) async fn run(mut connection: Connection, chat: &Chat) {
    chat.node.metrics().connections.inc();
    let mut session = Session::new(chat.node.clone(), chat.config, connection.outbox().clone());
    let (code, reason) = converse(&mut connection, &mut session, chat).await;
    drop(session);
    chat.node.metrics().connections.dec();
    connection.finish(code, reason).await;
}

async fn converse(connection: &mut Connection, session: &mut Session, chat: &Chat) -> (CloseCode, &'static str) {
    let mut silence = Silence::new(chat);
    loop {
        tokio::select! {
            inbound = connection.next() => {
                silence.broken();
                let step = match inbound {
                    Inbound::Text(text) => session.receive(&text).await,
                    Inbound::NotText => session.receive_unreadable(),
                    Inbound::Alive => Step::On,
                    Inbound::End => return (CloseCode::Normal, ""),
                };
                if let Step::End(code, reason) = step {
                    return (code, reason);
                }
            }
            () = sleep_until(silence.next) => {
                match silence.grew(session.is_joined()) {
                    Growing::Wait => {}
                    Growing::Ping => connection.ping(),
                    Growing::Ask => session.ping(),
                    Growing::Over(reason) => return (CloseCode::Away, reason),
                }
            }
            () = chat.leaving.cancelled() => return (CloseCode::Restart, "restarting"),
        }
    }
}

/// How long nothing has come in. The timer is moved only when it fires: most messages cost it nothing.
struct Silence<'a> {
    chat: &'a Chat,
    opened: Instant,
    last: Instant,
    pings: u32,
    next: Instant,
}

/// What a growing silence asks for.
enum Growing {
    Wait,
    /// The WebSocket's own ping, which every library answers.
    Ping,
    /// The wire's ping, for what answers no other.
    Ask,
    Over(&'static str),
}

impl<'a> Silence<'a> {
    fn new(chat: &'a Chat) -> Self {
        let now = clock::instant();
        Self { chat, opened: now, last: now, pings: 0, next: now + chat.config.ping_after }
    }

    fn broken(&mut self) {
        self.last = clock::instant();
        self.pings = 0;
    }

    fn grew(&mut self, joined: bool) -> Growing {
        let (now, config) = (clock::instant(), &self.chat.config);
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
