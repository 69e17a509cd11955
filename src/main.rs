//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use madang::app::{self, Exit, Talk, TokenRequest, TraceForm};
use madang::config::{Flags, USUAL_DATA};
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

fn block_on(work: impl Future<Output = Result<(), Exit>>) -> Result<(), Exit> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Exit::io(&error.to_string()))?;
    let ended = runtime.block_on(work);
    // A thread that waits for standard input can't be told to stop; shuttle's runtime has no threads.
    #[cfg(not(shuttle))]
    runtime.shutdown_background();
    ended
}
