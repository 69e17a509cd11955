//! A run, from the first look at the server to the report.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;

use crate::client::{ChatClient, JoinError};
use crate::clock::{self, Clock, System};
use crate::ws::raw::Handshake;

use super::conductor::Conductor;
use super::crowd::Crowd;
use super::dashboard::Dashboard;
use super::engine::{DONATIONS, Donation, Process, Setting, Shared, Workers};
use super::peers::{Plan, Waiting};
use super::report::Report;
use super::scenario::Scenario;
use super::site::{self, Site};
use super::summary::{self, Remains};
use super::tokens::Tokens;
use super::watch::{self, Watched};
use super::words::base36;

/// Files that a process needs besides one for each viewer.
const FILES: u64 = 100;

/// How long an address of a name that has several may take to answer.
const KNOCK: Duration = Duration::from_secs(1);

/// Viewers of one local address, so that ports are left: Linux gives out 28,232 of one.
const OF_ONE_SOURCE: u32 = 20_000;

/// From starting the threads to the first step.
const HEAD_START: Duration = Duration::from_millis(100);

/// What shall be played, and how.
#[derive(Debug)]
pub struct Order {
    /// What.
    pub scenario: Scenario,
    /// The scenario file as it was read.
    pub text: String,
    /// The chat socket, `ws://…`.
    pub url: String,
    /// Threads of each process.
    pub threads: u32,
    /// Local addresses; none for the system's choice, and as many of 127.0.0.0/8 as are needed for a server that is there.
    pub sources: Vec<IpAddr>,
    /// Whose cost is watched.
    pub watched: Option<Watched>,
    /// Where tokens come from.
    pub tokens: Tokens,
    /// Who tells donations.
    pub site: Option<Site>,
    /// Other processes that take their share.
    pub gathering: Option<Gathering>,
    /// Whether nothing is shown while it runs.
    pub quiet: bool,
}

/// Other processes under the same report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// How many.
    pub peers: u32,
    /// Where they come to, `HOST:PORT`.
    pub listen: String,
}

/// Why nothing was played.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DriveError {
    /// The order can't be carried out.
    #[error("{0}")]
    Order(String),
    /// The server can't be reached, or does not speak the wire.
    #[error("{0}")]
    Unreachable(String),
    /// The server refused.
    #[error("{0}")]
    Refused(String),
    /// It was stopped before anything was played.
    #[error("stopped before the first step: nothing was played")]
    Stopped,
    /// The system gives no threads, polls or files.
    #[error("{0}")]
    System(String),
}

/// Plays, watches, and reports. `stop` ends it before its end; what was done until then is reported.
///
/// # Errors
///
/// Nothing was played, and why.
pub async fn load(order: Order, stop: impl Future<Output = ()>) -> Result<Report, DriveError> {
    let mut stop = pin!(stop);
    let text = order.text.clone();
    let url = order.url.clone();
    let (conductor, prepared) = tokio::select! {
        prepared = prepare(order) => prepared?,
        () = &mut stop => return Err(DriveError::Stopped),
    };
    let (shared, remains) = prepared.play(conductor, stop).await;
    Ok(summary::report(&shared, remains, &url, &text))
}

/// A run that has begun.
struct Begun {
    shared: Arc<Shared>,
    workers: Workers,
    telling: tokio::task::JoinHandle<()>,
    has_site: bool,
}

impl Begun {
    async fn play(self, mut conductor: Conductor, stop: impl Future<Output = ()>) -> (Arc<Shared>, Remains) {
        conductor.play(stop).await;
        conductor.bring_to_rest().await;
        let remains = conductor.finish(self.workers, self.has_site).await;
        self.telling.abort();
        (self.shared, remains)
    }
}

/// Everything up to the first step.
async fn prepare(order: Order) -> Result<(Conductor, Begun), DriveError> {
    resolve(&order.url)?;
    let own_before = watch::own();
    let scenario = Arc::new(order.scenario);
    let process =
        Process { index: 0, of: 1 + order.gathering.as_ref().map_or(0, |of| of.peers), threads: order.threads };
    room(&scenario, process)?;
    let run = base36(System.now().0.unsigned_abs() % 36_u64.pow(6));
    let crowd = Arc::new(Crowd::draw(&scenario, &format!("load{run}")));
    let dashboard = Dashboard::new(order.quiet);
    // Before it is asked for tokens: a server that isn't there gives none either.
    greet(&order.url, &crowd, &HashMap::new()).await?;
    let tokens = tokens(&order.tokens, &crowd, &order.url, &dashboard).await?;
    greet(&order.url, &crowd, &tokens).await?;
    let server_before = match &order.watched {
        Some(watched) => Some(watched.look().await.map_err(DriveError::Order)?),
        None => None,
    };
    let waiting = gather(order.gathering, process, &dashboard, |peer| Plan {
        scenario: order.text.clone(),
        seed: scenario.seed,
        url: order.url.clone(),
        run: run.clone(),
        process: peer.index,
        processes: peer.of,
        threads: peer.threads,
        tokens: tokens
            .iter()
            .filter(|(who, _)| peer.has(**who))
            .map(|(who, token)| (*who, token.to_string()))
            .collect(),
    })
    .await?;
    let (donations, donated) = mpsc::channel(DONATIONS);
    let setting = setting((scenario, crowd), &order.url, &run, &order.sources, tokens, donations)?;
    let shared = Arc::new(Shared::new(setting, clock::instant() + HEAD_START));
    let peers = waiting.start(&shared).await.map_err(DriveError::Unreachable)?;
    let workers = Workers::start(&shared, process).map_err(|error| DriveError::System(error.to_string()))?;
    let telling = tokio::spawn(site::tell(order.site.clone(), shared.clone(), donated));
    let remains = Remains {
        begun: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
        own_before,
        server_name: order.watched.as_ref().map(Watched::name),
        server_before,
        threads: u64::from(process.threads * process.of),
        processes: u64::from(process.of),
        ..Remains::default()
    };
    let conductor = Conductor::new(shared.clone(), order.watched, dashboard, remains, peers);
    Ok((conductor, Begun { shared, workers, telling, has_site: order.site.is_some() }))
}

/// What a process of a run begins with.
pub(super) fn setting(
    (scenario, crowd): (Arc<Scenario>, Arc<Crowd>),
    url: &str,
    run: &str,
    given_sources: &[IpAddr],
    tokens: HashMap<u32, Arc<str>>,
    donations: mpsc::Sender<Donation>,
) -> Result<Setting, DriveError> {
    let address = resolve(url)?;
    Ok(Setting {
        sources: sources(given_sources, address, crowd.len()),
        handshake: handshake(url),
        scenario,
        crowd,
        run: run.to_owned(),
        address,
        tokens,
        donations,
    })
}

async fn tokens(
    tokens: &Tokens,
    crowd: &Crowd,
    url: &str,
    dashboard: &Dashboard,
) -> Result<HashMap<u32, Arc<str>>, DriveError> {
    let mut progress = |many: usize| {
        if many.is_multiple_of(500) {
            dashboard.say(&format!("{many} tokens"));
        }
    };
    tokens.hand_out(crowd, url, &mut progress).await.map_err(DriveError::Order)
}

async fn gather(
    gathering: Option<Gathering>,
    process: Process,
    dashboard: &Dashboard,
    plan: impl Fn(Process) -> Plan,
) -> Result<Waiting, DriveError> {
    let Gathering { peers, listen } = gathering.unwrap_or(Gathering { peers: 0, listen: String::new() });
    let plan = |index| plan(Process { index, ..process });
    Waiting::gather(&listen, peers, plan, |words| dashboard.say(words)).await.map_err(DriveError::Unreachable)
}

/// Where a `ws://` address leads.
fn resolve(url: &str) -> Result<SocketAddr, DriveError> {
    let wrong =
        || DriveError::Order(format!("--url {url}: ws://HOST:PORT/chat; for wss:// go through a proxy that ends TLS"));
    let uri: hyper::Uri = url.parse().map_err(|_| wrong())?;
    if uri.scheme_str() != Some("ws") {
        return Err(wrong());
    }
    let host = uri.host().ok_or_else(wrong)?;
    let found = (host, uri.port_u16().unwrap_or(80)).to_socket_addrs();
    let found: Vec<SocketAddr> = found.map_err(|error| DriveError::Unreachable(format!("{host}: {error}")))?.collect();
    let first = *found.first().ok_or_else(|| DriveError::Unreachable(format!("{host}: no address")))?;
    if found.len() == 1 {
        return Ok(first);
    }
    // A name with several addresses: one of them has a server.
    let answers = |address: &&SocketAddr| TcpStream::connect_timeout(address, KNOCK).is_ok();
    Ok(found.iter().find(answers).copied().unwrap_or(first))
}

fn handshake(url: &str) -> Handshake {
    let uri: hyper::Uri = url.parse().unwrap_or_default();
    let host = uri.authority().map_or("", |authority| authority.as_str());
    Handshake::new(host, uri.path_and_query().map_or("/", |path| path.as_str()))
}

/// Whether this process may open as many connections as are its share.
pub(super) fn room(scenario: &Scenario, process: Process) -> Result<(), DriveError> {
    let viewers = scenario.most_viewers().div_ceil(process.of);
    let needed = u64::from(viewers) + FILES;
    let may = rlimit::increase_nofile_limit(needed).map_err(|error| DriveError::System(error.to_string()))?;
    if may < needed {
        return Err(DriveError::System(format!(
            "{needed} files are needed for {viewers} viewers, and this process may open {may}: raise it (ulimit -n {needed}; \
             the hard limit as root), or share the viewers among processes (--peers)"
        )));
    }
    Ok(())
}

/// One connection that is made with care: whatever is wrong with the server, the address or the token is told at once.
async fn greet(url: &str, crowd: &Crowd, tokens: &HashMap<u32, Arc<str>>) -> Result<(), DriveError> {
    let first = tokens.iter().min_by_key(|(who, _)| **who);
    let cid = crowd.cid(first.map_or(0, |(who, _)| crowd.person(*who).channel));
    let token = first.map(|(_, token)| token.as_ref());
    let client = ChatClient::join(url, cid, token).await.map_err(|error| match error {
        JoinError::Unreachable { .. } => DriveError::Unreachable(error.to_string()),
        JoinError::Refused { .. } => DriveError::Refused(format!("{error} (asked to join {cid})")),
    })?;
    if token.is_some() && !client.writes() {
        return Err(DriveError::Refused(
            "the server takes the senders' token and lets it only read: has it ended, or is it for another server?"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Local addresses: those that were given, or as many of this machine's own as the viewers need ports.
fn sources(given: &[IpAddr], server: SocketAddr, viewers: u32) -> Vec<IpAddr> {
    let needed = viewers.div_ceil(OF_ONE_SOURCE);
    if !given.is_empty() || !server.ip().is_loopback() || !server.is_ipv4() || needed < 2 {
        return given.to_vec();
    }
    (0..needed).map(|index| Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + index).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_ports_for_so_many() {
        let server = "127.0.0.1:8080".parse().unwrap();
        assert_eq!(sources(&[], server, 20_000), Vec::<IpAddr>::new(), "the system's choice does");
        let many: Vec<String> = sources(&[], server, 50_000).iter().map(ToString::to_string).collect();
        assert_eq!(many, ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
        assert!(sources(&[], "10.0.0.1:80".parse().unwrap(), 50_000).is_empty());
    }

    #[test]
    fn addresses_that_lead_nowhere_are_told() {
        assert_eq!(resolve("ws://127.0.0.1:8080/chat"), Ok("127.0.0.1:8080".parse().unwrap()));
        assert!(matches!(resolve("wss://127.0.0.1/chat"), Err(DriveError::Order(_))));
        assert!(matches!(resolve("127.0.0.1:8080"), Err(DriveError::Order(_))));
    }
}
