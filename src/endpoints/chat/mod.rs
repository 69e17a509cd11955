//! The chat wire over WebSocket: `/chat`.

mod encoder;
mod leaving;
pub mod session;
mod socket;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::gate::{Gate, Visitor};
use crate::node::Node;
use crate::ws;
use crate::ws::upgrade::{UpgradeError, accept};

use leaving::Leaving;

pub use encoder::ChatEncoder;

/// Where proxies say whom they speak for.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where the answer to an upgrade says what the connection is called in the ledger of closes.
const CONNECTION_ID: HeaderName = HeaderName::from_static("x-connection-id");

/// Settings of the chat wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Limits of one connection.
    pub ws: ws::Config,
    /// Largest message that is pushed, in bytes: one published client closes on more than 32,768 (facts, 5.5).
    pub push_bytes: usize,
    /// Largest answer to RECENT_CHAT, in bytes: one published client takes 64 KB (facts, 5.7).
    pub recent_bytes: usize,
    /// How long CONNECT may take; the site's own client gives up after 5 seconds (facts, 1.2).
    pub connect_timeout: Duration,
    /// How long a new connection may stay without having joined.
    pub join_timeout: Duration,
    /// Silence after which the server pings. Proxies cut at 60 seconds.
    pub ping_after: Duration,
    /// Silence after which a connection is given up.
    pub idle_timeout: Duration,
    /// How long a peer may take nothing of what waits for it. It is looked at whenever the silence is, so it may become
    /// longer by as much as `ping_after`, twice.
    pub standstill: Duration,
    /// Sends of one session that may wait for their answer.
    pub sends_in_flight: u32,
    /// Largest extras of a line as they are sent, in bytes.
    pub extras_bytes: usize,
    /// Pings, pongs and the like of one connection in a second; one more closes it with 1000.
    pub control_frames_per_second: u32,
    /// Messages of one connection in a second, of any kind; the rest waits, unread, for the next second.
    pub messages_per_second: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ws: ws::Config::default(),
            push_bytes: 32_768,
            recent_bytes: 61_440,
            connect_timeout: Duration::from_secs(4),
            join_timeout: Duration::from_secs(30),
            ping_after: Duration::from_secs(25),
            idle_timeout: Duration::from_secs(90),
            standstill: Duration::from_secs(60),
            sends_in_flight: 256,
            extras_bytes: 4 * 1024,
            control_frames_per_second: 10,
            messages_per_second: 2_000,
        }
    }
}

/// The chat endpoint.
pub struct Chat {
    node: Arc<Node>,
    gate: Arc<Gate>,
    config: Config,
    /// Every connection's task, so that a drain can wait for them.
    connections: TaskTracker,
    leaving: Leaving,
}

impl Chat {
    /// The endpoint before this node, behind this gate.
    pub fn new(node: Arc<Node>, gate: Arc<Gate>, config: Config) -> Arc<Self> {
        Arc::new(Self { node, gate, config, connections: TaskTracker::new(), leaving: Leaving::new() })
    }

    /// Its paths.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new().route("/chat", any(upgrade)).with_state(self.clone())
    }

    /// Tells connections in slices to come back elsewhere, for as long as `grace` or until nobody is there: those of the
    /// plain wire are closed with 1012, those of our own layer are told within which time. Whoever comes meanwhile stays
    /// to the end.
    pub async fn announce(&self, grace: Duration) {
        self.leaving.tell(grace, || self.connections.is_empty()).await;
    }

    /// Closes every connection that is left with 1012, 'come back', and waits until they are gone.
    pub async fn leave(&self) {
        self.leaving.end();
        self.connections.close();
        self.connections.wait().await;
    }
}

async fn upgrade(State(chat): State<Arc<Chat>>, mut request: Request) -> Response {
    let Some(peer) = request.extensions().get::<Arc<Visitor>>().cloned() else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "it is not known where this connection comes from").into_response();
    };
    let Some(visitor) = peer.behind(forwarded(request.headers()).iter().map(AsRef::as_ref)) else {
        return (StatusCode::TOO_MANY_REQUESTS, "far too many connections of this address").into_response();
    };
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    if !chat.gate.admits_origin(header(ORIGIN), header(HOST)) {
        let how = "pages of this origin may not use this gateway: see allowed_origins in its settings";
        return (StatusCode::FORBIDDEN, how).into_response();
    }
    match accept(&mut request) {
        Ok((mut headers, upgrading)) => {
            let tracked = chat.connections.token();
            let (ws, queued) = (chat.config.ws, chat.node.metrics().queue_bytes.clone());
            let id = Uuid::new_v4();
            if let Ok(id) = id.to_string().parse() {
                headers.insert(CONNECTION_ID, id);
            }
            tokio::spawn(upgrading.serve(ws, queued, async move |connection| {
                socket::run(connection, &chat, visitor, id).await;
                drop(tracked);
            }));
            (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
        }
        Err(error @ UpgradeError::NotWebSocket(_)) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        Err(error @ UpgradeError::NotUpgradable) => (StatusCode::UPGRADE_REQUIRED, error.to_string()).into_response(),
    }
}

/// For whom a proxy says it speaks. Whatever a client has put into that header before the proxy, what the proxy itself has
/// written behind it is read.
pub fn forwarded(headers: &HeaderMap) -> Vec<Cow<'_, str>> {
    headers.get_all(FORWARDED_FOR).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect()
}
