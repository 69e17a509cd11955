//! The chat wire over WebSocket: `/chat`.

mod encoder;
pub mod session;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::node::Node;
use crate::ws;
use crate::ws::upgrade::{UpgradeError, accept};

pub use encoder::ChatEncoder;

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
    /// Sends of one session that may wait for their answer.
    pub sends_in_flight: u32,
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
            sends_in_flight: 256,
        }
    }
}

/// The chat endpoint.
pub struct Chat {
    node: Arc<Node>,
    config: Config,
    /// Every connection's task, so that a drain can wait for them.
    connections: TaskTracker,
    leaving: CancellationToken,
}

impl Chat {
    /// The endpoint before this node.
    pub fn new(node: Arc<Node>, config: Config) -> Arc<Self> {
        Arc::new(Self { node, config, connections: TaskTracker::new(), leaving: CancellationToken::new() })
    }

    /// Its paths.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new().route("/chat", any(upgrade)).with_state(self.clone())
    }

    /// Closes every connection with 1012, 'come back', and waits until they are gone.
    pub async fn leave(&self) {
        self.leaving.cancel();
        self.connections.close();
        self.connections.wait().await;
    }
}

async fn upgrade(State(chat): State<Arc<Chat>>, mut request: Request) -> Response {
    match accept(&mut request) {
        Ok((headers, upgrading)) => {
            let tracked = chat.connections.token();
            let ws = chat.config.ws;
            tokio::spawn(upgrading.serve(ws, async move |connection| {
                socket::run(connection, &chat).await;
                drop(tracked);
            }));
            (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
        }
        Err(error @ UpgradeError::NotWebSocket(_)) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        Err(error @ UpgradeError::NotUpgradable) => (StatusCode::UPGRADE_REQUIRED, error.to_string()).into_response(),
    }
}
