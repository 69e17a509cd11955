//! Settings: a TOML file, then `MADANG_…` variables, then flags, each over the one before; composed into every room's
//! own Config and checked before a port is bound.

mod layers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::auth::{self, Secret};
use crate::endpoints::chat;
use crate::eventlog::sqlite;
use crate::feed;
use crate::node;
use crate::policy::text::Limits;
use crate::ws;

pub use layers::Environment;

/// Where the gateway listens when nothing says otherwise.
pub const USUAL_LISTEN: &str = "127.0.0.1:8080";

/// Where data lies when nothing says otherwise.
pub const USUAL_DATA: &str = "./madang-data";

/// A mistake in the settings: what, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// What flags say; they win over everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config`
    pub file: Option<PathBuf>,
    /// `--dev`
    pub dev: bool,
    /// `--listen`
    pub listen: Option<String>,
    /// `--data`
    pub data: Option<PathBuf>,
}

/// The file's form. Every key is optional; an unknown one is a mistake.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: Option<String>,
    data: Option<PathBuf>,
    auth: AuthSection,
    site: SiteSection,
    chat: ChatSection,
    feed: FeedSection,
    log: LogSection,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct AuthSection {
    secret: Option<String>,
    issuer: Option<String>,
    leeway_seconds: Option<u32>,
    token_seconds: Option<u32>,
    guests: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct SiteSection {
    api_key: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct ChatSection {
    text_characters: Option<usize>,
    text_bytes: Option<usize>,
    emoji_url_prefixes: Option<Vec<String>>,
    message_bytes: Option<usize>,
    queue_bytes: Option<usize>,
    push_bytes: Option<usize>,
    recent_bytes: Option<usize>,
    ping_after_seconds: Option<u64>,
    idle_timeout_seconds: Option<u64>,
    sends_in_flight: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct FeedSection {
    longest_window_ms: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct LogSection {
    queue: Option<usize>,
}

/// The effective settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether this is a gateway for trying things out: guests, and broadcasts that open themselves.
    pub dev: bool,
    /// Where it listens; port 0 asks for any.
    pub listen: SocketAddr,
    /// Where its data lies.
    pub data: PathBuf,
    /// What signs tokens; `None` means the one in the data directory.
    pub secret: Option<Secret>,
    /// What opens `/v1`; `None` means the one in the data directory.
    pub api_key: Option<Secret>,
    /// Tokens.
    pub auth: auth::Config,
    /// The node.
    pub node: node::Config,
    /// The chat wire.
    pub chat: chat::Config,
    /// The log.
    pub log: sqlite::Config,
}

impl Config {
    /// The settings that file, environment and flags add up to.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self, ConfigError> {
        let text = match &flags.file {
            None => None,
            Some(path) => Some((path.as_path(), read(path)?)),
        };
        let mut file = layers::compose(text.as_ref().map(|(path, text)| (*path, text.as_str())), environment)?;
        file.listen = flags.listen.clone().or(file.listen);
        file.data = flags.data.clone().or(file.data);
        Self::from_file(file, flags.dev)
    }

    fn from_file(file: File, dev: bool) -> Result<Self, ConfigError> {
        let listen = file.listen.as_deref().unwrap_or(USUAL_LISTEN);
        let listen = listen.parse().map_err(|_| mistake("listen", &format!("{listen:?} is not ADDRESS:PORT")))?;
        let config = Self {
            dev,
            listen,
            data: file.data.unwrap_or_else(|| USUAL_DATA.into()),
            secret: secret("auth.secret", file.auth.secret.as_deref())?,
            api_key: secret("site.api_key", file.site.api_key.as_deref())?,
            auth: auth_config(&file.auth),
            node: node_config(&file.auth, &file.chat, &file.feed, dev),
            chat: chat_config(&file.chat),
            log: log_config(&file.log),
        };
        config.checked()
    }

    fn checked(self) -> Result<Self, ConfigError> {
        let chat = &self.chat;
        let limits = [
            ("chat.text_characters", self.node.limits.graphemes, 1, 2_000),
            ("chat.text_bytes", self.node.limits.bytes, 1, 8_000),
            ("chat.message_bytes", chat.ws.message_bytes, 1_024, 1 << 20),
            // A batch is up to 128 KiB and its last item 16 more: one that nobody has read yet must fit.
            ("chat.queue_bytes", chat.ws.queue_bytes, 192 * 1024, 64 << 20),
            // A push holds at least one item, and an item has up to 16 KiB.
            ("chat.push_bytes", chat.push_bytes, 20 * 1024, 1 << 20),
            ("chat.recent_bytes", chat.recent_bytes, 20 * 1024, 1 << 20),
            ("log.queue", self.log.queue, 16, 1 << 20),
        ];
        for (key, value, least, most) in limits {
            if !(least..=most).contains(&value) {
                return Err(mistake(key, &format!("{value} is not within {least} to {most}")));
            }
        }
        if chat.idle_timeout < Duration::from_secs(90) {
            return Err(mistake(
                "chat.idle_timeout_seconds",
                "published clients are silent for up to 60 s: 90 at least",
            ));
        }
        Ok(self)
    }

    /// The settings as TOML, secrets masked.
    pub fn masked(&self) -> String {
        let masked = |given: bool| if given { "***" } else { "*** (in the data directory)" }.to_owned();
        let (chat, limits) = (&self.chat, &self.node.limits);
        let file = File {
            listen: Some(self.listen.to_string()),
            data: Some(self.data.clone()),
            auth: AuthSection {
                secret: Some(masked(self.secret.is_some())),
                issuer: Some(self.auth.issuer.clone()),
                leeway_seconds: u32::try_from(self.auth.leeway_seconds).ok(),
                token_seconds: u32::try_from(self.node.token_seconds).ok(),
                guests: Some(self.node.guests),
            },
            site: SiteSection { api_key: Some(masked(self.api_key.is_some())) },
            chat: ChatSection {
                text_characters: Some(limits.graphemes),
                text_bytes: Some(limits.bytes),
                emoji_url_prefixes: Some(limits.emoji_prefixes.clone()),
                message_bytes: Some(chat.ws.message_bytes),
                queue_bytes: Some(chat.ws.queue_bytes),
                push_bytes: Some(chat.push_bytes),
                recent_bytes: Some(chat.recent_bytes),
                ping_after_seconds: Some(chat.ping_after.as_secs()),
                idle_timeout_seconds: Some(chat.idle_timeout.as_secs()),
                sends_in_flight: Some(chat.sends_in_flight),
            },
            feed: FeedSection { longest_window_ms: u64::try_from(self.node.feed.longest_window.as_millis()).ok() },
            log: LogSection { queue: Some(self.log.queue) },
        };
        // Plain values have no form that TOML lacks.
        toml::to_string(&file).unwrap_or_default()
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError(format!("{}: {error}", path.display())))
}

fn mistake(key: &str, what: &str) -> ConfigError {
    ConfigError(format!("{key}: {what}"))
}

fn secret(key: &str, text: Option<&str>) -> Result<Option<Secret>, ConfigError> {
    let short = || mistake(key, &format!("a secret has at least {} bytes", Secret::SHORTEST));
    text.map(|text| Secret::new(text).ok_or_else(short)).transpose()
}

fn auth_config(section: &AuthSection) -> auth::Config {
    let usual = auth::Config::default();
    auth::Config {
        issuer: section.issuer.clone().unwrap_or(usual.issuer),
        leeway_seconds: section.leeway_seconds.map_or(usual.leeway_seconds, i64::from),
    }
}

fn node_config(auth: &AuthSection, chat: &ChatSection, feed: &FeedSection, dev: bool) -> node::Config {
    let usual = node::Config::default();
    let limits = Limits {
        graphemes: chat.text_characters.unwrap_or(usual.limits.graphemes),
        bytes: chat.text_bytes.unwrap_or(usual.limits.bytes),
        emoji_prefixes: chat.emoji_url_prefixes.clone().unwrap_or_default(),
        ..usual.limits
    };
    node::Config {
        open_unknown: dev,
        guests: auth.guests.unwrap_or(dev),
        token_seconds: auth.token_seconds.map_or(usual.token_seconds, i64::from),
        limits,
        feed: feed::Config {
            longest_window: feed.longest_window_ms.map_or(usual.feed.longest_window, Duration::from_millis),
        },
    }
}

fn chat_config(section: &ChatSection) -> chat::Config {
    let usual = chat::Config::default();
    chat::Config {
        ws: ws::Config {
            message_bytes: section.message_bytes.unwrap_or(usual.ws.message_bytes),
            queue_bytes: section.queue_bytes.unwrap_or(usual.ws.queue_bytes),
        },
        push_bytes: section.push_bytes.unwrap_or(usual.push_bytes),
        recent_bytes: section.recent_bytes.unwrap_or(usual.recent_bytes),
        ping_after: section.ping_after_seconds.map_or(usual.ping_after, Duration::from_secs),
        idle_timeout: section.idle_timeout_seconds.map_or(usual.idle_timeout, Duration::from_secs),
        sends_in_flight: section.sends_in_flight.unwrap_or(usual.sends_in_flight),
        ..usual
    }
}

fn log_config(section: &LogSection) -> sqlite::Config {
    sqlite::Config { queue: section.queue.unwrap_or(sqlite::Config::default().queue) }
}

#[cfg(test)]
mod tests;
