//! Settings: a TOML file, then `MADANG_…` variables, then flags, each over the one before; composed into every room's
//! own Config and checked before a port is bound.

mod file;
mod layers;
mod reload;
mod rooms;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::auth::{self, Secret};
use crate::endpoints::chat;
use crate::eventlog::sqlite;
use crate::gate;
use crate::node;

use file::File;

pub use layers::Environment;
pub use reload::{Change, changes};

/// Where the gateway listens when nothing says otherwise.
pub const USUAL_LISTEN: &str = "127.0.0.1:8080";

/// Where metrics, health and `/v1` are listened for when nothing says otherwise.
pub const USUAL_ADMIN_LISTEN: &str = "127.0.0.1:8081";

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
    /// `--dev-anywhere`
    pub dev_anywhere: bool,
    /// `--adopt-dev-data`
    pub adopt_dev_data: bool,
    /// `--listen`
    pub listen: Option<String>,
    /// `--admin-listen`
    pub admin_listen: Option<String>,
    /// `--data`
    pub data: Option<PathBuf>,
}

/// The effective settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether this is a gateway for trying things out: guests, and broadcasts that open themselves.
    pub dev: bool,
    /// Where it listens; port 0 asks for any.
    pub listen: SocketAddr,
    /// Where it listens for the site's own programs; `None`: at the same port.
    pub admin_listen: Option<SocketAddr>,
    /// What every path of the public port begins with: empty, or `/…` without a slash at its end.
    pub path_prefix: String,
    /// Over how long connections are told to come back elsewhere before the gateway leaves.
    pub drain: Duration,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// Most connections of any kind; `None`: as many as files may be open.
    pub connections: Option<usize>,
    /// Where its data lies.
    pub data: PathBuf,
    /// What signs tokens; `None` means the one in the data directory.
    pub secret: Option<Secret>,
    /// What opens `/v1`; `None` means the one in the data directory.
    pub api_key: Option<Secret>,
    /// Under which name the site itself speaks.
    pub site_name: String,
    /// Tokens.
    pub auth: auth::Config,
    /// Who comes in.
    pub gate: gate::Config,
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
        file.admin_listen = flags.admin_listen.clone().or(file.admin_listen);
        file.data = flags.data.clone().or(file.data);
        let config = Self::from_file(&file, flags.dev)?;
        if flags.dev && !flags.dev_anywhere {
            config.stays_at_home()?;
        }
        Ok(config)
    }

    fn from_file(file: &File, dev: bool) -> Result<Self, ConfigError> {
        let admin = file.admin_listen.as_deref().or((!dev).then_some(USUAL_ADMIN_LISTEN));
        let config = Self {
            dev,
            listen: address("listen", file.listen.as_deref().unwrap_or(USUAL_LISTEN))?,
            admin_listen: admin.map(|text| address("admin_listen", text)).transpose()?,
            path_prefix: path_prefix(file.path_prefix.as_deref().unwrap_or_default())?,
            drain: Duration::from_secs(file.drain_seconds.unwrap_or_default()),
            header_timeout: Duration::from_secs(file.limits.header_timeout_seconds.unwrap_or(10)),
            connections: file.limits.connections,
            data: file.data.clone().unwrap_or_else(|| USUAL_DATA.into()),
            secret: secret("auth.secret", file.auth.secret.as_deref())?,
            api_key: secret("site.api_key", file.site.api_key.as_deref())?,
            site_name: file.site.name.clone().unwrap_or_else(|| "madang".to_owned()),
            auth: rooms::auth(file, dev)?,
            gate: rooms::gate(file, dev)?,
            node: rooms::node(file, dev)?,
            chat: rooms::chat(file),
            log: rooms::log(file),
        };
        config.checked()
    }

    fn checked(self) -> Result<Self, ConfigError> {
        let (chat, gate, rules) = (&self.chat, &self.gate, &self.node.rules);
        let limits = &rules.limits;
        let wide = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let sends = rules.sends.unwrap_or(rules.session_sends);
        let seconds = |time: Duration| usize::try_from(time.as_secs()).unwrap_or(usize::MAX);
        let ranges = [
            ("chat.text_characters", limits.graphemes, 1, 2_000),
            ("chat.text_bytes", limits.bytes, 1, 8_000),
            ("chat.extras_bytes", chat.extras_bytes, 256, 16 * 1024),
            ("chat.profile_bytes", self.auth.profile_bytes, 256, 8 * 1024),
            // A plain push holds at least one item, and a published client takes no larger push.
            ("chat.item_bytes", limits.item_bytes, 4 * 1024, 16 * 1024),
            ("chat.message_bytes", chat.ws.message_bytes, 1_024, 1 << 20),
            // A batch is up to 128 KiB and its last item 16 more: one that nobody has read yet must fit.
            ("chat.queue_bytes", chat.ws.queue_bytes, 192 * 1024, 64 << 20),
            // A push holds at least one item, and an item has up to 16 KiB.
            ("chat.push_bytes", chat.push_bytes, 20 * 1024, 1 << 20),
            ("chat.recent_bytes", chat.recent_bytes, 20 * 1024, 1 << 20),
            // The site's own client gives up after 5 seconds.
            ("chat.connect_timeout_ms", chat.connect_timeout.as_millis().try_into().unwrap_or(usize::MAX), 100, 60_000),
            ("chat.join_timeout_seconds", seconds(chat.join_timeout), 1, 3_600),
            ("limits.sends_per_second", wide(sends.per_second), 1, 1_000),
            ("limits.sends_burst", wide(sends.burst), 1, 10_000),
            ("limits.session_sends_per_second", wide(rules.session_sends.per_second), 1, 100_000),
            ("limits.recents_per_second", wide(rules.recents.per_second), 1, 1_000),
            ("limits.recents_burst", wide(rules.recents.burst), 1, 10_000),
            ("limits.acts_per_second", wide(rules.acts.per_second), 1, 1_000),
            ("limits.acts_burst", wide(rules.acts.burst), 1, 10_000),
            ("limits.whispers_per_minute", wide(rules.whispers_per_minute), 1, 10_000),
            ("limits.guests_per_minute", wide(rules.guests_per_minute.unwrap_or(1)), 1, 1_000_000),
            ("chat.members_listed", wide(rules.members_listed), 0, 1_000_000),
            ("chat.members_told", wide(self.node.members_told), 0, 1_000),
            ("chat.visits_told", wide(self.node.visits_told), 0, 1_000),
            ("limits.questions_per_minute", wide(rules.questions_per_minute), 1, 10_000),
            ("limits.messages_per_second", wide(chat.messages_per_second), 10, 1_000_000),
            ("limits.control_frames_per_second", wide(chat.control_frames_per_second), 1, 10_000),
            ("limits.connections", self.connections.unwrap_or(100), 100, 10_000_000),
            ("limits.connections_per_address", wide(gate.per_address.unwrap_or(1)), 1, 10_000_000),
            ("limits.connections_per_user", wide(gate.per_user), 1, 1_000_000),
            ("limits.requests_per_second", wide(gate.requests.map_or(1, |rate| rate.per_second)), 1, 1_000_000),
            ("limits.requests_burst", wide(gate.requests.map_or(1, |rate| rate.burst)), 1, 1_000_000),
            ("limits.joins_per_second", wide(gate.joins.map_or(1, |rate| rate.per_second)), 1, 1_000_000),
            ("drain_seconds", seconds(self.drain), 0, 3_600),
            ("limits.header_timeout_seconds", seconds(self.header_timeout), 1, 300),
            ("log.queue", self.log.queue, 16, 1 << 20),
            ("log.retention_days", self.node.retention.map_or(1, |age| seconds(age) / 86_400), 1, 36_500),
        ];
        for (key, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(mistake(key, &format!("{value} is not within {least} to {most}")));
            }
        }
        if !(1..=30).contains(&self.site_name.chars().count()) || self.site_name.chars().any(char::is_control) {
            return Err(mistake("site.name", "a name has 1 to 30 characters and no control characters"));
        }
        if chat.idle_timeout < Duration::from_secs(90) {
            return Err(mistake(
                "chat.idle_timeout_seconds",
                "published clients are silent for up to 60 s: 90 at least",
            ));
        }
        Ok(self)
    }

    /// Refuses addresses that others can reach: a gateway for trying things out lets everybody do everything.
    fn stays_at_home(&self) -> Result<(), ConfigError> {
        let addresses = [("listen", Some(self.listen)), ("admin_listen", self.admin_listen)];
        for (key, address) in addresses {
            if address.is_some_and(|address| !address.ip().is_loopback()) {
                let how = "with --dev only this machine is listened to; --dev-anywhere says that you mean it";
                return Err(mistake(key, how));
            }
        }
        Ok(())
    }

    /// The settings as TOML, secrets masked.
    pub fn masked(&self) -> String {
        // Plain values have no form that TOML lacks.
        toml::to_string(&rooms::written(self)).unwrap_or_default()
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError(format!("{}: {error}", path.display())))
}

fn mistake(key: &str, what: &str) -> ConfigError {
    ConfigError(format!("{key}: {what}"))
}

fn address(key: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| mistake(key, &format!("{text:?} is not ADDRESS:PORT")))
}

fn path_prefix(text: &str) -> Result<String, ConfigError> {
    let prefix = text.trim_end_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    if prefix.is_empty() || (prefix.starts_with('/') && !prefix.contains("//") && prefix.bytes().all(plain)) {
        return Ok(prefix.to_owned());
    }
    Err(mistake("path_prefix", &format!("{text:?} is not /like/this")))
}

fn secret(key: &str, text: Option<&str>) -> Result<Option<Secret>, ConfigError> {
    let short = || mistake(key, &format!("a secret has at least {} bytes", Secret::SHORTEST));
    text.map(|text| Secret::new(text).ok_or_else(short)).transpose()
}

#[cfg(test)]
mod tests;
