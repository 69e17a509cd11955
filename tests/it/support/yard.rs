//! A gateway without sockets: a node over any log, a clock that stands still, and guests who talk to it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use madang::auth::{Config as AuthConfig, Grant, KeyDigest, Secret, Tokens};
use madang::bus::Bus;
use madang::bus::local::Local;
use madang::clock::Manual;
use madang::endpoints::chat::session::{Session, Step};
use madang::endpoints::chat::{ChatEncoder, Config as ChatConfig};
use madang::eventlog::EventLog;
use madang::eventlog::memory::Memory;
use madang::feed::Encoder;
use madang::gate::{Config as GateConfig, Gate};
use madang::metrics::Metrics;
use madang::model::act::{Asked, Name, Which, Wish};
use madang::model::event::{Body, Event};
use madang::model::id::{ChannelId, Cid, EventId, Seq, UserId};
use madang::model::message::{Author, Draft, Line, Receipt};
use madang::model::principal::{Role, Scope};
use madang::model::time::Millis;
use madang::node::{Config as NodeConfig, Node, Parts, Rules, StationError};
use madang::ws::outbox::Outbox;
use madang::ws::sock;

use super::frames::{Frame, split};

/// When every yard begins: 2026-10-01 00:00:00 in Korea.
pub(crate) const NOON: i64 = 1_790_780_400_000;

/// How long something may take that must happen.
const SOON: Duration = Duration::from_secs(10);

/// How long is waited for something that must not happen.
const A_WHILE: Duration = Duration::from_millis(20);

/// A gateway without sockets.
pub(crate) struct Yard {
    pub(crate) node: Arc<Node>,
    pub(crate) clock: Arc<Manual>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) chat: ChatConfig,
}

/// The settings of a yard in which every `cid` opens itself.
pub(crate) fn open_yard() -> NodeConfig {
    let rules = Rules { sends: None, ..Rules::default() };
    NodeConfig { open_unknown: true, rules, ..NodeConfig::default() }
}

pub(crate) fn secret() -> Secret {
    Secret::new("a secret for tests that is long enough").unwrap()
}

impl Yard {
    pub(crate) async fn new() -> Self {
        Self::over(Arc::new(Memory::new(Arc::default())), open_yard()).await
    }

    pub(crate) async fn over(log: Arc<dyn EventLog>, config: NodeConfig) -> Self {
        Self::with(log, config, AuthConfig::default()).await
    }

    pub(crate) async fn with(log: Arc<dyn EventLog>, config: NodeConfig, auth: AuthConfig) -> Self {
        Self::on(Arc::new(Local::default()), log, config, auth).await
    }

    /// A gateway that tells others on this bus.
    pub(crate) async fn on(bus: Arc<dyn Bus>, log: Arc<dyn EventLog>, config: NodeConfig, auth: AuthConfig) -> Self {
        let clock = Arc::new(Manual::at(Millis(NOON)));
        let tokens = Arc::new(Tokens::new(&secret(), auth, clock.clone(), Arc::default()));
        let encoders: Vec<Arc<dyn Encoder>> = vec![Arc::new(ChatEncoder)];
        let metrics = Arc::new(Metrics::default());
        let gate = Gate::new(GateConfig::default(), b"key", metrics.clone());
        let parts = Parts {
            bus,
            log,
            clock: clock.clone(),
            tokens: tokens.clone(),
            root_key: KeyDigest::of(b"root"),
            encoders: encoders.into(),
            metrics,
            config,
        };
        let node = Node::start(parts).await.unwrap();
        Self { node, tokens, gate, clock, chat: ChatConfig::default() }
    }

    pub(crate) fn token(&self, uid: &str, role: Role) -> String {
        self.tokens.issue(&Grant::plain(uid, uid, role, Scope::Everywhere, 3_600))
    }

    /// Does in the site's name what is wished for.
    pub(crate) async fn moderates(&self, channel: &ChannelId, wish: Wish) -> Result<Option<Receipt>, StationError> {
        let by = Author { uid: UserId::parse("site").unwrap(), profile: Arc::default(), role: Role::SiteManager };
        let access = self.node.access("root").unwrap();
        let asked = Asked { reason: String::new(), wish };
        self.node.act_as_site(channel, asked, by, &access, EventId::fresh()).await
    }

    /// Hides a line.
    pub(crate) async fn hides(&self, channel: &ChannelId, place: u64) -> Result<Option<Receipt>, StationError> {
        self.moderates(channel, Wish::Hide(Which::Line(Name::Place(Seq(place))))).await
    }

    /// Somebody at the gate, not joined.
    pub(crate) fn guest(&self) -> Guest {
        let sock = sock::Memory::default();
        let outbox = Arc::new(Outbox::new(Box::new(sock.clone()), self.chat.ws.queue_bytes, Default::default()));
        let visitor = self.gate.visitor(self.gate.admit().unwrap(), [192, 0, 2, 1].into()).unwrap();
        let (node, gate) = (self.node.clone(), self.gate.clone());
        let session = Session::new(node, gate, self.chat, outbox.clone(), visitor, Uuid::new_v4());
        Guest { session, sock, outbox, unread: Vec::new(), heard: Vec::new() }
    }

    /// Somebody who has joined to read.
    pub(crate) async fn reader(&self, cid: &str) -> Guest {
        let mut guest = self.guest();
        guest.connect(cid, None).await;
        guest
    }

    /// Somebody who has joined to write.
    pub(crate) async fn writer(&self, cid: &str, uid: &str) -> Guest {
        let mut guest = self.guest();
        let connected = guest.connect(cid, Some(&self.token(uid, Role::Viewer))).await;
        assert_eq!(connected["bdy"]["auth"], "SEND");
        guest
    }
}

/// Somebody who has joined the broadcast `demo` with this role.
pub(crate) async fn joins(yard: &Yard, uid: &str, role: Role) -> Guest {
    let mut guest = yard.guest();
    guest.connect("demo", Some(&yard.token(uid, role))).await;
    guest
}

/// A request there, and its answer.
pub(crate) async fn asks(guest: &mut Guest, cmd: u64, body: Value) -> Value {
    guest.says(&json!({"ver": "3", "cmd": cmd, "cid": "demo", "tid": 9, "bdy": body}).to_string()).await;
    guest.hears(cmd + 10_000).await
}

/// One client of a yard.
pub(crate) struct Guest {
    pub(crate) session: Session,
    pub(crate) sock: sock::Memory,
    pub(crate) outbox: Arc<Outbox>,
    unread: Vec<u8>,
    heard: Vec<Frame>,
}

impl Guest {
    /// Says something and gives what follows from it.
    pub(crate) async fn says(&mut self, message: &str) -> Step {
        self.session.receive(message).await
    }

    /// CONNECT, and its answer.
    pub(crate) async fn connect(&mut self, cid: &str, token: Option<&str>) -> Value {
        let auth = if token.is_some() { "SEND" } else { "READ" };
        let body = json!({"uid": null, "devType": 2001, "accTkn": token, "auth": auth});
        self.says(&json!({"ver": "3", "cmd": 100, "svcid": "game", "cid": cid, "tid": 1, "bdy": body}).to_string())
            .await;
        self.hears(10100).await
    }

    /// CONNECT with our own layer, as `ext` asks for it, and its answer. What was missed is told as far as the socket takes
    /// it.
    pub(crate) async fn connect_ext(&mut self, cid: &str, token: Option<&str>, ext: Value) -> Value {
        let mut body = json!({"accTkn": token, "auth": if token.is_some() { "SEND" } else { "READ" }});
        body.as_object_mut().unwrap().extend(ext.as_object().unwrap().clone());
        self.says(&json!({"ver": "3", "cmd": 100, "cid": cid, "tid": 1, "bdy": body}).to_string()).await;
        let connected = self.hears(10100).await;
        self.catches_up().await;
        connected
    }

    /// What was missed is told, as far as the socket takes it now.
    pub(crate) async fn catches_up(&mut self) {
        // What its task does whenever it is woken.
        let _ = self.session.has_something_to_do().now_or_never();
        while self.session.is_behind() && timeout(A_WHILE, self.session.catch_up()).await.is_ok() {}
    }

    /// What waits for its socket goes out as far as there is room, and so does what was missed.
    pub(crate) async fn takes_what_waits(&mut self) {
        let outbox = self.outbox.clone();
        // A socket without room is waited for in vain.
        let _ = timeout(A_WHILE, outbox.drained()).await;
        self.catches_up().await;
    }

    /// Everything that has been pushed by now.
    pub(crate) fn heard_by_now(&mut self) -> Vec<Value> {
        self.unread.extend_from_slice(&self.sock.take());
        let frames = split(&mut self.unread);
        let messages = self.heard.drain(..).chain(frames).filter_map(|frame| match frame {
            Frame::Text(text) => Some(serde_json::from_str(&text).expect("every message is JSON")),
            _ => None,
        });
        messages.collect()
    }

    /// SEND_CHAT without waiting.
    pub(crate) async fn sends(&mut self, cid: &str, text: &str) {
        self.says(&line(cid, text, false).to_string()).await;
    }

    /// SEND_CHAT, and its answer.
    pub(crate) async fn sends_and_hears(&mut self, cid: &str, text: &str) -> Value {
        self.sends(cid, text).await;
        self.hears(13101).await
    }

    /// The next message with this number; others before it are dropped.
    pub(crate) async fn hears(&mut self, cmd: u64) -> Value {
        loop {
            let message = self.hears_anything().await;
            if message["cmd"] == cmd {
                return message;
            }
        }
    }

    /// The next message.
    pub(crate) async fn hears_anything(&mut self) -> Value {
        match timeout(SOON, self.next()).await.expect("something is heard") {
            Frame::Text(text) => serde_json::from_str(&text).expect("every message is JSON"),
            other => panic!("{other:?}"),
        }
    }

    /// The next `count` lines, however many came in one message.
    pub(crate) async fn hears_lines(&mut self, count: usize) -> Vec<Value> {
        let mut lines = Vec::new();
        while lines.len() < count {
            let message = self.hears(93101).await;
            lines.extend(message["bdy"].as_array().unwrap().iter().cloned());
        }
        assert_eq!(lines.len(), count, "no more than that");
        lines
    }

    /// Nothing comes for a while.
    pub(crate) async fn hears_nothing(&mut self) {
        if let Ok(frame) = timeout(A_WHILE, self.next()).await {
            panic!("{frame:?}");
        }
    }

    /// The next frame of any kind.
    pub(crate) async fn next(&mut self) -> Frame {
        loop {
            self.unread.extend_from_slice(&self.sock.take());
            let frames = split(&mut self.unread);
            self.heard.extend(frames);
            if !self.heard.is_empty() {
                return self.heard.remove(0);
            }
            self.sock.written().await;
        }
    }
}

/// Waits for something that must come to hold.
pub(crate) async fn until(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never held");
}

/// A SEND_CHAT message.
pub(crate) fn line(cid: &str, text: &str, retry: bool) -> Value {
    let extras = r#"{"chatType":"STREAMING","osType":"PC","streamingChannelId":"x","emojis":""}"#;
    let body = json!({"msg": text, "msgTypeCode": 1, "msgTime": 7, "extras": extras});
    json!({"ver": "2", "cmd": 3101, "svcid": "game", "cid": cid, "tid": 3, "retry": retry, "bdy": body})
}

/// A SEND_CHAT message of another kind.
pub(crate) fn line_of(cid: &str, text: &str, kind: u8) -> Value {
    let mut message = line(cid, text, false);
    message["bdy"]["msgTypeCode"] = kind.into();
    message
}

/// The texts of lines, for comparing.
pub(crate) fn texts(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["msg"].as_str().unwrap()).collect()
}

/// The event of a line that a channel takes from its log as it comes, whoever appended it.
pub(crate) fn event_of(cid: &str, uid: &str, text: &str, number: usize) -> Arc<Event> {
    let author = Author { uid: UserId::parse(uid).unwrap(), profile: Arc::default(), role: Role::Viewer };
    let line = Line {
        cid: Cid::parse(cid).unwrap(),
        author,
        draft: Draft { text: text.to_owned(), tid: number.to_string(), ..Draft::default() },
        members: 0,
        credential: Default::default(),
        known: Default::default(),
        occasion: None,
        filtered: None,
        judged: Default::default(),
    };
    Arc::new(Event::new(Millis(NOON), Body::Line(Arc::new(line))))
}
