//! The life of the gateway, in reading order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::auth::{Grant, Secret, Tokens};
use crate::clock::{Clock, System};
use crate::config::{Config, Environment, Flags};
use crate::endpoints::chat::{Chat, ChatEncoder};
use crate::endpoints::chzzk::Chzzk;
use crate::endpoints::site::{ApiKey, Site};
use crate::eventlog::sqlite::{self, Sqlite};
use crate::feed::Encoder;
use crate::metrics::Metrics;
use crate::model::principal::{Role, Scope};
use crate::node::{Node, Parts};

use super::data::{API_KEY, Data, TOKEN_SECRET};
use super::{Exit, listen};

/// How long sends under way may take to be answered when the gateway leaves.
const DRAIN: Duration = Duration::from_secs(5);

/// How long connections may take to read their last words.
const FAREWELL: Duration = Duration::from_secs(8);

/// How long HTTP requests under way may take after that.
const LAST_REQUESTS: Duration = Duration::from_secs(4);

/// How long a dev token holds, in seconds.
const DEV_TOKEN_SECONDS: i64 = 24 * 3_600;

/// Runs the gateway until SIGTERM or SIGINT; a second signal ends it at once.
pub async fn serve(flags: &Flags) -> Result<(), Exit> {
    let config = Config::load(flags, &Environment::of_process()).map_err(|error| Exit::config(&error.to_string()))?;
    raise_file_limit();
    // The port before the data: while another gateway leaves the data, connections wait here and nobody is refused.
    let listener = listen::listener(config.listen)
        .map_err(|error| Exit::unavailable(&format!("can't listen on {}: {error}", config.listen)))?;
    let address = listener.local_addr().map_err(|error| Exit::io(&error.to_string()))?;
    let data = Data::take(&config.data).await?;
    let gateway = Gateway::build(&config, &data).await?;
    print_welcome(&config, &data, address, &gateway);

    let stop = CancellationToken::new();
    let accepting = tokio::spawn(listen::accept(listener, gateway.router(), stop.clone()));
    wait_for_signal().await;
    info!("leaving: no new sends, answering those under way");
    stop.cancel();
    gateway.leave().await;
    if timeout(LAST_REQUESTS, accepting).await.is_err() {
        warn!("some HTTP requests did not end in time");
    }
    // Those who had only just connected have been upgraded meanwhile, and told to come back.
    gateway.leave().await;
    drop(gateway);
    drop(data);
    info!("left");
    Ok(())
}

/// The house, put together.
struct Gateway {
    node: Arc<Node>,
    chat: Arc<Chat>,
    chzzk: Arc<Chzzk>,
    site: Arc<Site>,
    tokens: Tokens,
}

impl Gateway {
    async fn build(config: &Config, data: &Data) -> Result<Self, Exit> {
        let metrics = Arc::new(Metrics::default());
        let clock: Arc<dyn Clock> = Arc::new(System);
        let secret = given_or_kept(config.secret.as_ref(), data, TOKEN_SECRET)?;
        let key = given_or_kept(config.api_key.as_ref(), data, API_KEY)?;
        let log = Sqlite::open(&sqlite::file_in(data.folder()), config.log, metrics.clone())
            .map_err(|error| Exit::io(&error.to_string()))?;
        let encoders: Vec<Arc<dyn Encoder>> = vec![Arc::new(ChatEncoder)];
        let parts = Parts {
            log: Arc::new(log),
            clock: clock.clone(),
            tokens: Tokens::new(&secret, config.auth.clone(), clock.clone()),
            encoders: encoders.into(),
            metrics,
            config: config.node.clone(),
        };
        let node = Node::start(parts).await.map_err(|error| Exit::io(&error.to_string()))?;
        Ok(Self {
            chat: Chat::new(node.clone(), config.chat),
            chzzk: Chzzk::new(node.clone()),
            site: Site::new(node.clone(), ApiKey::new(key.reveal())),
            node,
            tokens: Tokens::new(&secret, config.auth.clone(), clock),
        })
    }

    fn router(&self) -> Router {
        self.chat
            .router()
            .merge(self.chzzk.router())
            .merge(self.site.router())
            .fallback(async || (StatusCode::NOT_FOUND, "no such path: the chat socket is /chat, the API /v1\n"))
    }

    async fn leave(&self) {
        if timeout(DRAIN, self.node.drain()).await.is_err() {
            warn!("some sends were not answered in time");
        }
        if timeout(FAREWELL, self.chat.leave()).await.is_err() {
            warn!("some connections did not read their last words in time");
        }
    }
}

fn given_or_kept(given: Option<&Secret>, data: &Data, name: &str) -> Result<Secret, Exit> {
    given.cloned().map_or_else(|| data.secret(name), Ok)
}

/// Every connection is a file; the soft limit is often 1,024.
fn raise_file_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => info!(limit, "open files"),
        Err(error) => warn!(%error, "the limit of open files could not be raised"),
    }
}

async fn wait_for_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        warn!("signals can't be heard: stop the gateway with SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        warn!("a second signal: leaving at once");
        std::process::exit(1);
    });
}

fn print_welcome(config: &Config, data: &Data, address: SocketAddr, gateway: &Gateway) {
    println!("madang {} listens on {address}", env!("CARGO_PKG_VERSION"));
    println!("  chat socket     ws://{address}/chat");
    println!("  chzzk paths     http://{address}/polling/v2/channels/{{channelId}}/live-status and its kin");
    println!("  site API        http://{address}/v1/channels (API key: {})", key_place(config, data));
    println!("  data            {}", data.folder().display());
    if config.dev {
        let token = |role, nickname: &str| {
            let uid = uuid::Uuid::new_v4().simple().to_string();
            gateway.tokens.issue(&Grant::plain(&uid, nickname, role, Scope::Everywhere, DEV_TOKEN_SECONDS))
        };
        println!("--dev: any cid opens itself, anyone gets a guest's token. Not for a public site.");
        println!("  guest token     {}", token(Role::Viewer, "guest"));
        println!("  streamer token  {}", token(Role::Streamer, "streamer"));
        println!("  try             madang chat demo --url ws://{address}/chat");
    }
}

fn key_place(config: &Config, data: &Data) -> String {
    match config.api_key {
        Some(_) => "from the settings".to_owned(),
        None => data.folder().join(API_KEY).display().to_string(),
    }
}
