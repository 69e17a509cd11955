//! `madang drive`: load, and the comparison of two reports.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::auth::Grant;
use crate::drive::report::condition::{Condition, judge_fail_if, judge_must};
use crate::drive::report::{self, Report, html, junit, table};
use crate::drive::scenario::Scenario;
use crate::drive::tokens::{Mint, Tokens};
use crate::drive::watch::Watched;
use crate::drive::{self, DriveError, Gathering, Order, Site};
use crate::model::principal::{Role, Scope};

use super::Exit;
use super::child::OwnGateway;
use super::signals::Signals;
use super::token::Minter;

/// How long tokens hold that are made for a run, in seconds.
const TOKEN_SECONDS: i64 = 8 * 24 * 3_600;

/// Threads that are taken of many cores: each reads the whole script, and one has time for millions of deliveries a second.
const THREADS: u32 = 8;

/// Scenarios that come with the program, by their names.
const SCENARIOS: [(&str, &str); 10] = [
    ("steady", include_str!("../../scenarios/steady.toml")),
    ("join-wave", include_str!("../../scenarios/join-wave.toml")),
    ("goal", include_str!("../../scenarios/goal.toml")),
    ("raid", include_str!("../../scenarios/raid.toml")),
    ("moderator-storm", include_str!("../../scenarios/moderator-storm.toml")),
    ("reconnect-storm", include_str!("../../scenarios/reconnect-storm.toml")),
    ("slow-readers", include_str!("../../scenarios/slow-readers.toml")),
    ("churn", include_str!("../../scenarios/churn.toml")),
    ("evening", include_str!("../../scenarios/evening.toml")),
    ("smoke", include_str!("../../scenarios/smoke.toml")),
];

/// What `madang drive load` was asked to do.
#[derive(Clone, Debug)]
pub struct Load {
    /// A file, or the name of a scenario that comes with the program.
    pub scenario: Option<String>,
    /// A scenario of the command line's own, where there is none.
    pub ad_hoc: AdHoc,
    /// Another seed than the scenario's.
    pub seed: Option<u64>,
    /// The chat socket.
    pub url: String,
    /// Start a gateway for this run.
    pub with_server: bool,
    /// Threads; one a core without, up to eight.
    pub threads: Option<u32>,
    /// Other processes that take their share.
    pub peers: u32,
    /// Where they come to.
    pub peers_listen: String,
    /// Take a share of what this process plays, and leave the report to it.
    pub join: Option<String>,
    /// Local addresses.
    pub sources: Vec<IpAddr>,
    /// The server's process.
    pub pid: Option<i32>,
    /// The server's metrics.
    pub metrics: Option<String>,
    /// A file of senders' tokens, one a line.
    pub tokens: Option<PathBuf>,
    /// A file of managers' tokens.
    pub moderator_tokens: Option<PathBuf>,
    /// Whose secret makes tokens.
    pub data: Option<PathBuf>,
    /// The secret that makes tokens.
    pub secret: Option<String>,
    /// In whose name.
    pub issuer: Option<String>,
    /// The site API, before `/v1`.
    pub site: Option<String>,
    /// Its key.
    pub site_key: Option<String>,
    /// Conditions under which it has failed.
    pub fail_if: Vec<Condition>,
    /// What is written.
    pub outputs: Outputs,
}

/// A scenario of the command line.
#[derive(Clone, Copy, Debug)]
pub struct AdHoc {
    /// Viewers.
    pub viewers: u32,
    /// Channels.
    pub channels: u32,
    /// Lines a second.
    pub rate: f64,
    /// How long.
    pub lasts: Duration,
    /// Share by each of whom everything is verified.
    pub verified: f64,
    /// Share on the extended layer.
    pub ext: f64,
    /// Bytes of each text; 0 as people write.
    pub text_bytes: usize,
}

/// Where a report goes.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// The report as JSON.
    pub json: Option<PathBuf>,
    /// Checks as JUnit XML.
    pub junit: Option<PathBuf>,
    /// A page with plots.
    pub html: Option<PathBuf>,
    /// Whether nothing is shown while it runs.
    pub quiet: bool,
}

/// Plays a scenario and reports.
pub async fn load(load: Load) -> Result<(), Exit> {
    if let Some(address) = &load.join {
        return drive::follow(address, &load.sources, |words| eprintln!("{words}")).await.map_err(exit);
    }
    let (mut scenario, mut text) = read_scenario(&load)?;
    if let Some(seed) = load.seed {
        text.insert_str(0, &format!("# played with --seed {seed}\n"));
        scenario.seed = seed;
    }
    try_outputs(&load.outputs)?;
    // Before the gateway is there: nothing may end this without ending that.
    let mut signals = Signals::new()?;
    let own = if load.with_server { Some(OwnGateway::start()?) } else { None };
    let gateway = own.as_ref();
    let must = scenario.must.clone();
    let order = Order {
        url: gateway.map_or_else(|| load.url.clone(), OwnGateway::url),
        threads: load.threads.unwrap_or_else(|| cores().min(THREADS)).max(1),
        gathering: (load.peers > 0).then(|| Gathering { peers: load.peers, listen: load.peers_listen.clone() }),
        sources: load.sources.clone(),
        watched: watched(&load, gateway),
        tokens: tokens(&load, gateway)?,
        site: site(&load, gateway)?,
        quiet: load.outputs.quiet,
        scenario,
        text,
    };
    let gateway = Arc::new(Mutex::new(own));
    let ours = gateway.clone();
    let stopped = async move {
        signals.leave().await;
        // It hears no signal of a terminal, so whoever leaves at once takes it along.
        tokio::spawn(signals.leave_at_once(move || drop(ours.lock().take())));
    };
    let played = drive::load(order, stopped).await;
    drop(gateway.lock().take());
    let mut report = played.map_err(exit)?;
    // First what was asked for: each is judged by what was found, not by the other.
    let asked = [judge_must(&must, &report), judge_fail_if(&load.fail_if, &report)].concat();
    report.checks.extend(asked);
    write(&report, &load.outputs)?;
    verdict(&report)
}

/// Two reports side by side.
pub fn compare(a: &Path, b: &Path) -> Result<(), Exit> {
    let read = |path: &Path| {
        let text = fs::read_to_string(path).map_err(|error| Exit::io(&format!("{}: {error}", path.display())))?;
        report::compare::read(&text).map_err(|error| Exit::config(&format!("{}: {error}", path.display())))
    };
    let (one, other) = (read(a)?, read(b)?);
    let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    print!("{}", report::compare::compare((&name(a), &one), (&name(b), &other)));
    Ok(())
}

/// The scenarios that come with the program, or one of them as it is written.
pub fn scenarios(name: Option<&str>) -> Result<(), Exit> {
    let Some(name) = name else {
        for (name, text) in SCENARIOS {
            let scenario = Scenario::read(text).map_err(|error| Exit::config(&error))?;
            println!(
                "{name:<16} {:>4} s  {:>5} viewers  {}",
                scenario.lasts().as_secs(),
                scenario.most_viewers(),
                scenario.about
            );
        }
        return Ok(());
    };
    let (_, text) = SCENARIOS.iter().find(|(known, _)| *known == name).ok_or_else(|| unknown(name))?;
    print!("{text}");
    Ok(())
}

fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1))
}

fn read_scenario(load: &Load) -> Result<(Scenario, String), Exit> {
    let text = match &load.scenario {
        None => load.ad_hoc.text(),
        Some(name) => match (fs::read_to_string(name), SCENARIOS.iter().find(|(known, _)| known == name)) {
            (Ok(text), _) => text,
            (Err(_), Some((_, text))) => (*text).to_owned(),
            (Err(error), None) if Path::new(name).exists() => return Err(Exit::io(&format!("{name}: {error}"))),
            (Err(_), None) => return Err(unknown(name)),
        },
    };
    let name = load.scenario.as_deref().unwrap_or("the command line");
    let scenario = Scenario::read(&text).map_err(|error| Exit::config(&format!("{name}: {error}")))?;
    Ok((scenario, text))
}

fn unknown(name: &str) -> Exit {
    let known: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
    Exit::config(&format!("{name}: no such file, and no scenario of ours: {}", known.join(", ")))
}

impl AdHoc {
    fn text(&self) -> String {
        let Self { viewers, channels, rate, lasts, verified, ext, text_bytes } = self;
        let fill = (f64::from(*viewers) / 500.0).clamp(2.0, 60.0);
        format!(
            "name = \"ad hoc\"\n\n[channels]\ncount = {channels}\n\n[viewers]\nverified = {verified:?}\next = {ext:?}\n\n\
             [lines]\ntext_bytes = {text_bytes}\n\n\
             [[stages]]\nname = \"fill\"\nfor = \"{fill:.0}s\"\nviewers = {viewers}\nmeasured = false\n\n\
             [[stages]]\nfor = \"{}ms\"\nrate = {rate:?}\n",
            lasts.as_millis()
        )
    }
}

fn watched(load: &Load, gateway: Option<&OwnGateway>) -> Option<Watched> {
    let pid = load.pid.or(gateway.map(OwnGateway::pid)).map(Watched::Pid);
    load.metrics.clone().map(Watched::Metrics).or(pid)
}

fn site(load: &Load, gateway: Option<&OwnGateway>) -> Result<Option<Site>, Exit> {
    match (&load.site, &load.site_key, gateway) {
        (None, None, Some(gateway)) => Ok(Some(Site { url: gateway.site(), key: gateway.key()? })),
        (Some(url), Some(key), _) => Ok(Some(Site { url: url.clone(), key: key.clone() })),
        _ => Ok(None),
    }
}

fn tokens(load: &Load, gateway: Option<&OwnGateway>) -> Result<Tokens, Exit> {
    let lines = |path: &Option<PathBuf>| match path {
        None => Ok(Vec::new()),
        Some(path) => fs::read_to_string(path)
            .map(|text| text.split_whitespace().map(str::to_owned).collect())
            .map_err(|error| Exit::io(&format!("{}: {error}", path.display()))),
    };
    if load.tokens.is_some() || load.moderator_tokens.is_some() {
        return Ok(Tokens::Listed { senders: lines(&load.tokens)?, moderators: lines(&load.moderator_tokens)? });
    }
    let data = gateway.map(|gateway| gateway.data().to_owned()).or_else(|| load.data.clone());
    if data.is_none() && load.secret.is_none() {
        return Ok(Tokens::Ask);
    }
    let minter = Minter::new(&data.unwrap_or_default(), load.secret.as_deref(), load.issuer.as_deref())?;
    let mint: Mint = Arc::new(move |uid, nickname, role| {
        let role = if role == drive::crowd::Role::Moderator { Role::ChatManager } else { Role::Viewer };
        Ok(minter.mint(&Grant::plain(uid, nickname, role, Scope::Everywhere, TOKEN_SECONDS)))
    });
    Ok(Tokens::Minted(mint))
}

/// Whether each can be written: better known before an hour's run than after it.
fn try_outputs(outputs: &Outputs) -> Result<(), Exit> {
    for path in [&outputs.json, &outputs.junit, &outputs.html].into_iter().flatten() {
        let opened = fs::OpenOptions::new().create(true).append(true).open(path);
        opened.map_err(|error| Exit::io(&format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

fn write(report: &Report, outputs: &Outputs) -> Result<(), Exit> {
    let written = save(report, outputs);
    // Whoever reads it may have read enough.
    let _ = std::io::stdout().write_all(table::table(report).as_bytes());
    written
}

fn save(report: &Report, outputs: &Outputs) -> Result<(), Exit> {
    let save = |path: &Path, text: String| {
        fs::write(path, text).map_err(|error| Exit::io(&format!("{}: {error}", path.display())))
    };
    if let Some(path) = &outputs.json {
        let text = serde_json::to_string_pretty(report).map_err(|error| Exit::io(&error.to_string()))?;
        save(path, text + "\n")?;
    }
    if let Some(path) = &outputs.junit {
        save(path, junit::junit(report))?;
    }
    if let Some(path) = &outputs.html {
        save(path, html::html(report))?;
    }
    Ok(())
}

/// Laws that no generator breaks by being slow: whatever it could not do, these are the server's.
const SERVER_S_OWN: [&str; 6] = ["order", "duplicates", "lost", "hidden", "frames", "wire"];

/// What did not hold weighs most: with it the figures don't matter. But a generator that was the limit may have broken by
/// itself what hangs on time.
fn verdict(report: &Report) -> Result<(), Exit> {
    let broken: Vec<&str> = report.broken().map(|check| check.name.as_str()).collect();
    let words = format!("broken: {}", broken.join(", "));
    if let Some(limit) = report.generator.limits.first()
        && !broken.iter().any(|name| SERVER_S_OWN.contains(name))
    {
        let words = if broken.is_empty() { String::new() } else { format!(" ({words})") };
        return Err(Exit::generator(&format!(
            "the generator was the limit, so the figures are its own: {limit}{words}"
        )));
    }
    if !broken.is_empty() {
        return Err(Exit::broken(&words));
    }
    if report.totals.cut_short {
        return Err(Exit::cut_short("the run was cut short: the report is of what was done"));
    }
    Ok(())
}

fn exit(error: DriveError) -> Exit {
    match error {
        DriveError::Order(words) => Exit::config(&words),
        DriveError::Unreachable(words) => Exit::unavailable(&words),
        DriveError::Refused(words) => Exit::refused(&words),
        DriveError::System(words) => Exit::io(&words),
        DriveError::Stopped => Exit::cut_short(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_of_ours_can_be_read_and_says_what_must_hold() {
        for (name, text) in SCENARIOS {
            let scenario = Scenario::read(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(scenario.name, name);
            assert!(!scenario.must.is_empty() && !scenario.about.is_empty(), "{name}");
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        assert_eq!(fs::read_dir(folder).unwrap().count(), SCENARIOS.len(), "each file comes with the program");
    }

    #[test]
    fn the_command_line_makes_a_scenario() {
        let lasts = Duration::from_secs(30);
        let hoc = AdHoc { viewers: 1_000, channels: 2, rate: 20.0, lasts, verified: 1.0, ext: 0.25, text_bytes: 300 };
        let scenario = Scenario::read(&hoc.text()).unwrap();
        assert_eq!((scenario.most_viewers(), scenario.channel_count()), (1_000, 2));
        assert_eq!((scenario.stages[1].lasts, scenario.lines.text_bytes), (lasts, 300));
    }
}
