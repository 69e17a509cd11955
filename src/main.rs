//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use madang::app::{self, AdHoc, Exit, Outputs, Talk, TokenRequest, TraceForm};
use madang::config::{Flags, USUAL_DATA};
use madang::drive::report::condition::{Condition, METRICS};
use madang::model::principal::Role;

const ABOUT_EXITS: &str = "\
Exit codes:
  0   done
  1   stopped by a second signal
  2   a wrong command line
  64  a mistake in the settings, told with key and line
  69  a port or server that can't be had
  74  files that can't be read or written
  77  refused by the gateway";

/// A live-stream chat gateway that speaks the chat wire of Chzzk.
#[derive(Parser)]
#[command(name = "madang", version, after_help = ABOUT_EXITS)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway.
    #[command(after_help = "\
Examples:
  madang serve --dev
      try it out on 127.0.0.1:8080: any cid opens itself, guests may send
  madang serve --config /etc/madang.toml --data /var/lib/madang
  MADANG_CHAT__TEXT_BYTES=1000 madang serve --listen 0.0.0.0:80

Listening sockets passed by LISTEN_FDS are used instead of --listen and --admin-listen, in this order, so that a restart
refuses nobody. SIGHUP makes it read its settings again. --dev listens on this machine only, its tokens and keys open no
other gateway, and its data is kept apart from a site's.
Traces go to standard error; RUST_LOG=madang=debug shows more.")]
    Serve(Serve),
    /// Print a chat access token.
    #[command(after_help = "\
Examples:
  madang token --uid 42 --nickname Mina --role streamer --channel N2abCd
  madang chat demo --token $(madang token --uid 7 --nickname bot --role viewer --ttl 30d)")]
    Token(Token),
    /// Join a channel in the terminal: prints lines as they come, sends what is typed.
    #[command(after_help = "\
Examples:
  madang chat demo
  madang chat demo --send 'hello'
  madang chat demo --json | jq .")]
    Chat(Chat),
    /// Print the effective settings, secrets masked.
    #[command(after_help = "\
Examples:
  madang check --config /etc/madang.toml
  MADANG_LOG__QUEUE=100 madang check")]
    Check(Check),
    /// Copy the log to a file, while the gateway runs.
    #[command(after_help = "\
Examples:
  madang backup --data /var/lib/madang /backups/madang-$(date +%F).db

The copy is the log as it is at one moment. Until it is done the gateway's write-ahead file grows by whatever is written
meanwhile: a quiet hour is best. Keep the files 'secret', 'api-key' and 'address-key' of the data directory too:
they are not in it.")]
    Backup(Backup),
    /// Make the log of a data directory from a copy, while no gateway uses it.
    #[command(after_help = "\
Examples:
  madang restore --data /var/lib/madang /backups/madang-2026-10-01.db

A log that is there already is left alone: move it away first. Everything after the copy was taken is lost, and the log
begins a new epoch, so that clients that come back are told so.")]
    Restore(Restore),
    /// Load tests that verify what everybody hears.
    #[command(subcommand)]
    Drive(Drive),
}

#[derive(Subcommand)]
enum Drive {
    /// Play a scenario against a gateway, verify it, and report.
    #[command(after_help = about_load())]
    Load(Box<Load>),
    /// Put two reports side by side.
    #[command(after_help = "\
Examples:
  madang drive compare before.json after.json")]
    Compare {
        /// A report of 'drive load --json'.
        a: PathBuf,
        /// Another one.
        b: PathBuf,
    },
    /// List the scenarios that come with the program, or print one to begin from.
    #[command(after_help = "\
Examples:
  madang drive scenarios
  madang drive scenarios goal >mine.toml")]
    Scenarios {
        /// Which one.
        name: Option<String>,
    },
}

const ABOUT_LOAD: &str = "\
Examples:
  madang drive load --with-server
      a gateway of its own, a thousand viewers, twenty lines a second
  madang drive load goal --with-server --html goal.html
  madang drive load --url ws://127.0.0.1:8080/chat --pid $(pgrep -n madang) --viewers 5000 --rate 60 --for 1m
  madang drive load mine.toml --data /var/lib/madang --fail-if 'p99>500ms' --fail-if 'lost>0' --junit load.xml
  madang drive load evening --peers 1    # and, in another terminal or on another machine:
  madang drive load --join 127.0.0.1:7070

docs/load.md explains scenarios, shapes, and what is verified.

Exit codes: 0 all held; 3 something did not, or a --fail-if came true; 4 stopped before its end; 5 the generator was the
limit; 64 a wrong scenario; 69 no server; 74 files, threads; 77 refused. Ctrl-C ends a run early, and reports.";

fn about_load() -> String {
    let names: Vec<String> = METRICS.iter().map(|(name, meaning)| format!("  {name:<28} {meaning}")).collect();
    let conditions = "Conditions are NAME OPERATOR NUMBER, as in 'p99>500ms', 'ack_p99>=25ms', 'server_memory>200MiB':";
    format!("{ABOUT_LOAD}\n\n{conditions}\n{}", names.join("\n"))
}

#[derive(Args)]
struct Load {
    /// A scenario file, or a name from 'drive scenarios'; without it one of --viewers, --rate and --for.
    scenario: Option<String>,
    /// The gateway's chat socket.
    #[arg(long, default_value = "ws://127.0.0.1:8080/chat")]
    url: String,
    /// Start a gateway for this run (serve --dev, any port, data thrown away), and watch it.
    #[arg(long, conflicts_with = "url")]
    with_server: bool,
    /// Viewers, where no scenario is named.
    #[arg(long, value_name = "N", default_value_t = 1_000, conflicts_with = "scenario")]
    viewers: u32,
    /// Channels, where no scenario is named: sizes follow Zipf's law.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "scenario")]
    channels: u32,
    /// Lines a second in all channels, where no scenario is named.
    #[arg(long, value_name = "LINES", default_value_t = 20.0, conflicts_with = "scenario")]
    rate: f64,
    /// How long, where no scenario is named: 30s, 5m, 2h.
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration, conflicts_with = "scenario")]
    lasts: Duration,
    /// Share of viewers by each of whom everything is verified, 0 to 1, where no scenario is named.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, conflicts_with = "scenario")]
    verified: f64,
    /// Share of viewers on the extended layer, where no scenario is named.
    #[arg(long, value_name = "SHARE", default_value_t = 0.25, conflicts_with = "scenario")]
    ext: f64,
    /// Bytes of each text, where no scenario is named; 0 writes as people do.
    #[arg(long, value_name = "BYTES", default_value_t = 0, conflicts_with = "scenario")]
    text_bytes: usize,
    /// Another seed than the scenario's: the same one plays the same script.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Threads [default: one a core, up to 8].
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// Other processes that take an equal share each, under one report.
    #[arg(long, value_name = "N", default_value_t = 0)]
    peers: u32,
    /// Where they come to; whoever comes gets the senders' tokens.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7070")]
    peers_listen: String,
    /// Take a share of what the process there plays, and leave the report to it: all but --source is said there.
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["scenario", "with_server", "peers"])]
    join: Option<String>,
    /// Local addresses that viewers come from by turns [default: as many of 127.0.0.x as leave 20,000 to each].
    #[arg(long = "source", value_name = "IP", value_delimiter = ',')]
    sources: Vec<std::net::IpAddr>,
    /// Watch what this process costs: the server's.
    #[arg(long, value_name = "PID")]
    pid: Option<i32>,
    /// Watch the server by its metrics, in Prometheus' text form.
    #[arg(long, value_name = "URL", conflicts_with = "pid")]
    metrics: Option<String>,
    /// Senders' tokens, one a line; without them the server is asked for guests' tokens.
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Managers' tokens, one a line.
    #[arg(long, value_name = "FILE")]
    moderator_tokens: Option<PathBuf>,
    /// Make tokens with the secret of this data directory.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["tokens", "moderator_tokens"])]
    data: Option<PathBuf>,
    /// Make tokens with this secret.
    #[arg(long, value_name = "SECRET", env = "MADANG_AUTH__SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// In whose name tokens are made, as auth.issuer has it.
    #[arg(long, env = "MADANG_AUTH__ISSUER")]
    issuer: Option<String>,
    /// The site API, before /v1: donations of the script are told by it.
    #[arg(long, value_name = "URL", requires = "site_key")]
    site: Option<String>,
    /// Its key.
    #[arg(long, value_name = "KEY", env = "MADANG_SITE_KEY", hide_env_values = true, requires = "site")]
    site_key: Option<String>,
    /// The run has failed if this comes true; may be given several times.
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<Condition>,
    /// Write the report as JSON, for 'drive compare' and programs.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the checks as JUnit XML, for CI.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the report as one page with plots, which opens offline.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Show nothing while it runs.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Args)]
struct Backup {
    /// Where the copy goes; it must not be there.
    file: PathBuf,
    /// Whose log.
    #[arg(long, value_name = "DIR", env = "MADANG_DATA", default_value = USUAL_DATA)]
    data: PathBuf,
}

#[derive(Args)]
struct Restore {
    /// The copy.
    file: PathBuf,
    /// Where the log goes.
    #[arg(long, value_name = "DIR", env = "MADANG_DATA", default_value = USUAL_DATA)]
    data: PathBuf,
}

#[derive(Args)]
struct Serve {
    /// For trying things out: any cid opens itself, anyone gets a guest's token.
    #[arg(long)]
    dev: bool,
    /// With --dev, let other machines in too.
    #[arg(long, requires = "dev")]
    dev_anywhere: bool,
    /// Take over the data of a gateway that ran with --dev, and make new secrets for it.
    #[arg(long, conflicts_with = "dev")]
    adopt_dev_data: bool,
    /// Where to listen [default: 127.0.0.1:8080]; port 0 asks for any, and prints which.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Where to listen for /v1, /metrics and health [default: 127.0.0.1:8081; with --dev the same port as --listen].
    #[arg(long, value_name = "ADDR:PORT")]
    admin_listen: Option<String>,
    /// Where the log and the secrets lie [default: ./madang-data].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Settings; config.example.toml names them all.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How traces are written, one line each.
    #[arg(long, value_enum, default_value = "text")]
    traces: Traces,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Traces {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

#[derive(Args)]
struct Token {
    /// The account's identity.
    #[arg(long, value_name = "U")]
    uid: String,
    /// How it is shown, 1 to 30 characters.
    #[arg(long, value_name = "N")]
    nickname: String,
    /// What it may do.
    #[arg(long, value_enum)]
    role: RoleName,
    /// The channel or cid in which it holds; everywhere without it.
    #[arg(long, value_name = "CID")]
    channel: Option<String>,
    /// How long it holds: 90s, 30m, 12h, 7d.
    #[arg(long, default_value = "12h", value_parser = humantime::parse_duration)]
    ttl: Duration,
    /// Sign with the secret of this data directory.
    #[arg(long, value_name = "DIR", env = "MADANG_DATA", default_value = USUAL_DATA)]
    data: PathBuf,
    /// Sign with this secret.
    #[arg(long, value_name = "SECRET", env = "MADANG_AUTH__SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// In whose name, as auth.issuer has it [default: the gateway itself; with --secret: madang].
    #[arg(long, env = "MADANG_AUTH__ISSUER")]
    issuer: Option<String>,
}

#[derive(Args)]
struct Chat {
    /// The broadcast.
    cid: String,
    /// The gateway's chat socket.
    #[arg(long, default_value = "ws://127.0.0.1:8080/chat")]
    url: String,
    /// Who you are; without it the gateway is asked for a guest's token.
    #[arg(long, value_name = "T")]
    token: Option<String>,
    /// Send this line, wait until it is accepted, and leave.
    #[arg(long, value_name = "TEXT")]
    send: Option<String>,
    /// Print the frames as they come.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Check {
    /// Settings to look at.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleName {
    #[value(alias = "common_user")]
    Viewer,
    #[value(alias = "streaming_chat_manager")]
    ChatManager,
    #[value(alias = "streaming_channel_manager")]
    ChannelManager,
    Streamer,
    /// Works for the site.
    Manager,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Viewer => Self::Viewer,
            RoleName::ChatManager => Self::ChatManager,
            RoleName::ChannelManager => Self::ChannelManager,
            RoleName::Streamer => Self::Streamer,
            RoleName::Manager => Self::SiteManager,
        }
    }
}

fn main() -> ExitCode {
    let command = CommandLine::parse().command;
    let form = if let Command::Serve(serve) = &command { serve.traces } else { Traces::Text };
    app::trace(form.into());
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            eprintln!("madang: {exit}");
            ExitCode::from(exit.code)
        }
    }
}

fn run(command: Command) -> Result<(), Exit> {
    match command {
        Command::Serve(serve) => block_on(app::serve(&serve.into())),
        Command::Token(token) => block_on(async {
            println!("{}", app::token(token.into()).await?);
            Ok(())
        }),
        Command::Chat(Chat { cid, url, token, send, json }) => {
            block_on(app::talk(&Talk { cid, url, token, send, json }))
        }
        Command::Backup(Backup { file, data }) => block_on(app::backup(&data, &file)),
        Command::Restore(Restore { file, data }) => block_on(app::restore(&file, &data)),
        Command::Drive(Drive::Load(load)) => block_on(app::load((*load).into())),
        Command::Drive(Drive::Compare { a, b }) => app::compare(&a, &b),
        Command::Drive(Drive::Scenarios { name }) => app::scenarios(name.as_deref()),
        Command::Check(Check { config }) => app::check(&Flags { file: config, ..Flags::default() }),
    }
}

impl From<Traces> for TraceForm {
    fn from(traces: Traces) -> Self {
        match traces {
            Traces::Text => Self::Text,
            Traces::Json => Self::Json,
        }
    }
}

impl From<Serve> for Flags {
    fn from(serve: Serve) -> Self {
        let Serve { dev, dev_anywhere, adopt_dev_data, listen, admin_listen, data, config, traces: _ } = serve;
        Self { file: config, dev, dev_anywhere, adopt_dev_data, listen, admin_listen, data }
    }
}

impl From<Token> for TokenRequest {
    fn from(token: Token) -> Self {
        let Token { uid, nickname, role, channel, ttl, data, secret, issuer } = token;
        let ttl_seconds = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        Self { uid, nickname, role: role.into(), channel, ttl_seconds, data, secret, issuer }
    }
}

impl From<Load> for app::Load {
    fn from(load: Load) -> Self {
        let Load { viewers, channels, rate, lasts, verified, ext, text_bytes, .. } = load;
        Self {
            scenario: load.scenario,
            ad_hoc: AdHoc { viewers, channels, rate, lasts, verified, ext, text_bytes },
            seed: load.seed,
            url: load.url,
            with_server: load.with_server,
            threads: load.threads,
            peers: load.peers,
            peers_listen: load.peers_listen,
            join: load.join,
            sources: load.sources,
            pid: load.pid,
            metrics: load.metrics,
            tokens: load.tokens,
            moderator_tokens: load.moderator_tokens,
            data: load.data,
            secret: load.secret,
            issuer: load.issuer,
            site: load.site,
            site_key: load.site_key,
            fail_if: load.fail_if,
            outputs: Outputs { json: load.json, junit: load.junit, html: load.html, quiet: load.quiet },
        }
    }
}

fn block_on(work: impl Future<Output = Result<(), Exit>>) -> Result<(), Exit> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Exit::io(&error.to_string()))?;
    let ended = runtime.block_on(work);
    // A thread that waits for standard input can't be told to stop; shuttle's runtime has no threads.
    #[cfg(not(shuttle))]
    runtime.shutdown_background();
    ended
}
