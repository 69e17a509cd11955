//! The life of the gateway, in reading order.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::auth::{Grant, JwksUrl, KeyDigest, Secret, Tokens};
use crate::bus::local::Local;
use crate::clock::{self, Clock, System};
use crate::config::{Config, Environment, Flags, changes};
use crate::endpoints::chat::{Chat, ChatEncoder};
use crate::endpoints::chzzk::Chzzk;
use crate::endpoints::site::Site;
use crate::eventlog::sqlite::{self, Sqlite};
use crate::feed::Encoder;
use crate::gate::{self, Gate};
use crate::metrics::Metrics;
use crate::model::message::Author;
use crate::model::principal::{Role, Scope};
use crate::node::{Node, Parts};

use super::data::{ADDRESS_KEY, API_KEY, Data, Purpose, TOKEN_SECRET};
use super::listen::Door;
use super::routes::Routes;
use super::signals::{Signal, Signals};
use super::{Exit, listen, welcome};

/// How long sends under way may take to be answered when the gateway leaves.
const DRAIN: Duration = Duration::from_secs(5);

/// How long connections may take to read their last words.
const FAREWELL: Duration = Duration::from_secs(8);

/// How long whoever still uses the log may take to let go of it.
const CLOSE: Duration = Duration::from_secs(2);

/// How long HTTP requests under way may take after that.
const LAST_REQUESTS: Duration = Duration::from_secs(4);

/// Connections of the site's own programs, of metrics and of health at one time: few, and never crowded out.
const ADMIN_CONNECTIONS: usize = 100;

/// Files that are not connections: the log's, the listeners, standard streams, and what a look at health needs.
const OTHER_FILES: usize = 200;

/// Runs the gateway until SIGTERM or SIGINT; a second signal ends it at once. SIGHUP makes it read its settings again.
pub async fn serve(flags: &Flags) -> Result<(), Exit> {
    // From the first moment on: a SIGHUP that nobody listens to would end the process.
    let mut signals = Signals::new()?;
    let environment = Environment::of_process();
    let mut config = Config::load(flags, &environment).map_err(|error| Exit::config(&error.to_string()))?;
    config.gate.connections = connections(&config);
    // The ports before the data: while another gateway leaves the data, connections wait here and nobody is refused.
    let ports = Ports::open(&config, flags)?;
    let purpose = match (flags.dev, flags.adopt_dev_data) {
        (true, _) => Purpose::Dev,
        (false, true) => Purpose::AdoptDev,
        (false, false) => Purpose::Real,
    };
    let built = async {
        let data = Data::take(&config.data, purpose).await?;
        let gateway = Gateway::build(&config, &data).await?;
        Ok::<_, Exit>((data, gateway))
    };
    let (data, gateway) = tokio::select! {
        built = built => built?,
        () = signals.leave() => return Ok(()),
    };
    welcome::print(&config, &data, ports.addresses()?, &gateway.tokens);

    let stop = CancellationToken::new();
    let accepting = ports.accept(&gateway, &config, &stop);
    let keys = tokio::spawn(gateway.tokens.clone().keep_keys());
    while signals.next().await == Signal::Reload {
        gateway.reload(&mut config, flags, &environment).await;
    }
    tokio::spawn(signals.leave_at_once(|| {}));
    gateway.node.begin_leaving();
    if !config.drain.is_zero() {
        info!(grace_seconds = config.drain.as_secs(), "leaving: connections are told to come back elsewhere");
        gateway.chat.announce(config.drain).await;
    }
    info!("leaving: no new sends, answering those under way");
    keys.abort();
    stop.cancel();
    gateway.leave().await;
    if timeout(LAST_REQUESTS, accepting).await.is_err() {
        warn!("some HTTP requests did not end in time");
    }
    // Those who had only just connected have been upgraded meanwhile, and told to come back.
    gateway.leave().await;
    gateway.close().await;
    drop(data);
    info!("left");
    Ok(())
}

/// Where the gateway listens.
struct Ports {
    public: TcpListener,
    /// `None` when the site's own programs come in by the public one.
    admin: Option<TcpListener>,
}

impl Ports {
    fn open(config: &Config, flags: &Flags) -> Result<Self, Exit> {
        let mut inherited = listen::Inherited::new();
        let mut open = |number, address| {
            let listener = inherited.listener(number, address);
            listener.map_err(|error| Exit::unavailable(&format!("can't listen on {address}: {error}")))
        };
        let public = open(0, config.listen)?;
        let admin = config.admin_listen.map(|address| open(1, address)).transpose()?;
        let ports = Self { public, admin };
        // The settings have been looked at already; a socket that was inherited has not.
        let (public, admin) = ports.addresses()?;
        let at_home = [Some(public), admin].into_iter().flatten().all(|address| address.ip().is_loopback());
        if config.dev && !flags.dev_anywhere && !at_home {
            let how = "with --dev only this machine is listened to; --dev-anywhere says that you mean it";
            return Err(Exit::config(how));
        }
        Ok(ports)
    }

    fn addresses(&self) -> Result<(SocketAddr, Option<SocketAddr>), Exit> {
        let address = |listener: &TcpListener| listener.local_addr().map_err(|error| Exit::io(&error.to_string()));
        Ok((address(&self.public)?, self.admin.as_ref().map(address).transpose()?))
    }

    /// Accepts on all of them until `stop`; the answer is when all is over.
    fn accept(self, gateway: &Gateway, config: &Config, stop: &CancellationToken) -> JoinHandle<()> {
        let (public, admin) = gateway.routes().routers(&config.path_prefix, self.admin.is_none());
        let header_timeout = config.header_timeout;
        let public = Door { router: public, gate: gateway.gate.clone(), header_timeout };
        let admin = Door { router: admin, gate: gateway.admin_gate.clone(), header_timeout };
        let accepting = listen::accept(self.public, public, stop.clone());
        let administering = self.admin.map(|listener| listen::accept(listener, admin, stop.clone()));
        tokio::spawn(async move {
            let administering = administering.map(tokio::spawn);
            accepting.await;
            if let Some(administering) = administering {
                // A task that panicked has said so.
                let _ = administering.await;
            }
        })
    }
}

/// The house, put together.
struct Gateway {
    node: Arc<Node>,
    gate: Arc<Gate>,
    admin_gate: Arc<Gate>,
    chat: Arc<Chat>,
    chzzk: Arc<Chzzk>,
    site: Arc<Site>,
    tokens: Arc<Tokens>,
    log: Weak<()>,
}

impl Gateway {
    async fn build(config: &Config, data: &Data) -> Result<Self, Exit> {
        let metrics = Arc::new(Metrics::default());
        let clock: Arc<dyn Clock> = Arc::new(System);
        let secret = given_or_kept(config.secret.as_ref(), data, TOKEN_SECRET, "")?;
        let key = given_or_kept(config.api_key.as_ref(), data, API_KEY, root_key_prefix(config.dev))?;
        if !config.dev && key.reveal().starts_with(root_key_prefix(true).as_bytes()) {
            return Err(Exit::config("the API key was made by 'serve --dev': make another"));
        }
        let address_key = data.secret(ADDRESS_KEY, "")?;
        let log = Sqlite::open(&sqlite::file_in(data.folder()), config.log, metrics.clone())
            .map_err(|error| Exit::io(&error.to_string()))?;
        let closing = log.until_closed();
        let encoders: Vec<Arc<dyn Encoder>> = vec![Arc::new(ChatEncoder)];
        if config.auth.jwks.as_ref().is_some_and(JwksUrl::is_plain) {
            warn!("auth.jwks_url is http: whoever sits in between can put in keys of their own");
        }
        let tokens = Arc::new(Tokens::new(&secret, config.auth.clone(), clock.clone(), metrics.clone()));
        let gate = |config| Gate::new(config, address_key.reveal(), metrics.clone());
        let (admin_gate, gate) = (gate(admin_gate()), gate(config.gate.clone()));
        let parts = Parts {
            bus: Arc::new(Local::default()),
            log: Arc::new(log),
            clock: clock.clone(),
            tokens: tokens.clone(),
            root_key: KeyDigest::of(key.reveal()),
            encoders: encoders.into(),
            metrics,
            config: config.node.clone(),
        };
        let node = Node::start(parts).await.map_err(|error| Exit::io(&error.to_string()))?;
        Ok(Self {
            chat: Chat::new(node.clone(), gate.clone(), config.chat),
            chzzk: Chzzk::new(node.clone()),
            site: Site::new(node.clone(), site_author(config)),
            gate,
            admin_gate,
            node,
            tokens,
            log: closing,
        })
    }

    /// Waits for the log to be closed: tasks that follow it end by themselves.
    async fn close(self) {
        let log = self.log.clone();
        drop(self);
        let deadline = clock::instant() + CLOSE;
        while log.strong_count() > 0 && clock::instant() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if log.strong_count() > 0 {
            warn!("the log is still in use; the next start puts it in order");
        }
    }

    fn routes(&self) -> Routes<'_> {
        let Self { chat, chzzk, site, gate, .. } = self;
        Routes { chat, chzzk, site, gate }
    }

    /// Reads the settings again and takes over what can be changed; says what can't.
    async fn reload(&self, config: &mut Config, flags: &Flags, environment: &Environment) {
        let mut fresh = match Config::load(flags, environment) {
            Ok(fresh) => fresh,
            Err(mistake) => return error!(%mistake, "the settings stay as they were"),
        };
        fresh.gate.connections = connections(&fresh);
        let changes = changes(config, &fresh);
        for change in &changes {
            match change.at_once {
                true => info!(key = change.key, "changed"),
                false => warn!(key = change.key, "changes at the next start only"),
            }
        }
        info!(changes = changes.len(), "the settings were read again");
        self.gate.configure(fresh.gate.clone());
        self.node.configure(fresh.node.rules.clone());
        self.tokens.reload_keys().await;
        (config.gate, config.node.rules) = (fresh.gate, fresh.node.rules);
        config.connections = fresh.connections;
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

/// Who speaks when the site itself does.
fn site_author(config: &Config) -> Author {
    let grant = Grant::plain("site", &config.site_name, Role::SiteManager, Scope::Everywhere, 0);
    Author { uid: grant.uid, profile: Arc::new(grant.profile), role: grant.role }
}

fn admin_gate() -> gate::Config {
    gate::Config { connections: ADMIN_CONNECTIONS, per_address: None, ..gate::Config::default() }
}

fn given_or_kept(given: Option<&Secret>, data: &Data, name: &str, prefix: &str) -> Result<Secret, Exit> {
    given.cloned().map_or_else(|| data.secret(name, prefix), Ok)
}

/// What the key in the data directory begins with: it tells who made it, and a gateway without `--dev` refuses one that
/// was made with it.
fn root_key_prefix(dev: bool) -> &'static str {
    if dev { "madang-dev_root_" } else { "madang_root_" }
}

/// How many connections there may be: what the settings say, as far as so many files may be open. The soft limit is
/// often 1,024, so it is raised to the hard one first.
fn connections(config: &Config) -> usize {
    let files = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => usize::try_from(files).unwrap_or(usize::MAX),
        Err(error) => {
            warn!(%error, "the limit of open files could not be raised");
            1_024
        }
    };
    let possible = files.saturating_sub(OTHER_FILES + ADMIN_CONNECTIONS).max(16);
    let connections = config.connections.unwrap_or(possible).min(possible);
    if config.connections.is_some_and(|wanted| wanted > possible) {
        warn!(connections, files, "fewer connections than limits.connections says: raise the limit of open files");
    } else {
        info!(connections, files, "room for so many connections");
    }
    connections
}
