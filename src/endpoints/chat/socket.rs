//! One connection's task: what comes in, and what silence means.

use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::ws::close::CloseCode;
use crate::ws::connection::{Connection, Inbound};

use super::session::{Session, Step};
use super::{Chat, Config};

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
    let mut silence = Silence::new(&chat.config);
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
        Self { config, opened: now, last: now, pings: 0, next: now + config.ping_after }
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
    async fn who_never_connects_is_given_up_however_alive() {
        let (config, begun) = (Config::default(), clock::instant());
        let mut silence = Silence::new(&config);
        tokio::time::advance(std::time::Duration::from_secs(24)).await;
        silence.broken();
        let told = story(&mut silence, false, begun).await;
        assert_eq!(told, [(30, Growing::Over("no CONNECT in time"))]);
    }
}
