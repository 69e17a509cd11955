//! From the file to each room's own settings, and back.

use std::time::Duration;

use crate::auth::{self, Alg, DEV_ISSUER, JwksUrl, OWN_ISSUER};
use crate::endpoints::chat;
use crate::eventlog::sqlite;
use crate::feed;
use crate::gate::{self, Origin, Origins};
use crate::node::{self, Asked, GuestConfig, Rules};
use crate::policy::rate::Rate;
use crate::policy::text::Limits;
use crate::ws;

use super::file::{AuthSection, ChatSection, FeedSection, File, LimitsSection, LogSection, SiteSection};
use super::{Config, ConfigError, mistake};

/// Questions of one user in a minute, on a gateway for trying things out.
const DEV_QUESTIONS: u32 = 600;

/// Fewest and most hashes of a guest's work that make sense.
const MIN_WORK: u32 = 1_000;
const MAX_WORK: u32 = 10_000_000;

/// Longest title of guests in characters, and longest address of their badge in bytes.
const LONGEST_TITLE: usize = 20;
const LONGEST_BADGE_URL: usize = 500;

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn auth(file: &File, dev: bool) -> Result<auth::Config, ConfigError> {
    let (section, usual) = (&file.auth, auth::Config::default());
    let issuer = section.issuer.clone().unwrap_or(usual.issuer);
    if [OWN_ISSUER, DEV_ISSUER].contains(&issuer.as_str()) {
        return Err(mistake("auth.issuer", "this name is the gateway's own: a site needs another"));
    }
    let jwks = section.jwks_url.as_deref().map(JwksUrl::parse).transpose();
    let jwks = jwks.map_err(|why| mistake("auth.jwks_url", &why))?;
    let algorithms = match &section.algorithms {
        Some(names) => names.iter().map(|name| algorithm(name)).collect::<Result<_, _>>()?,
        None if jwks.is_some() => vec![Alg::EdDsa, Alg::Es256, Alg::Rs256],
        None => usual.algorithms,
    };
    let published = algorithms.iter().any(|alg| *alg != Alg::Hs256);
    if published != jwks.is_some() {
        let how = "EdDSA, ES256 and RS256 need auth.jwks_url, and auth.jwks_url one of them";
        return Err(mistake("auth.algorithms", how));
    }
    Ok(auth::Config {
        issuer,
        audience: section.audience.clone(),
        algorithms,
        jwks,
        leeway_seconds: section.leeway_seconds.map_or(usual.leeway_seconds, i64::from),
        profile_bytes: file.chat.profile_bytes.unwrap_or(usual.profile_bytes),
        dev,
    })
}

fn algorithm(name: &str) -> Result<Alg, ConfigError> {
    Alg::parse(name)
        .ok_or_else(|| mistake("auth.algorithms", &format!("{name:?} is none of HS256, EdDSA, ES256, RS256")))
}

pub(super) fn node(file: &File, dev: bool) -> Result<node::Config, ConfigError> {
    let usual = node::Config::default();
    Ok(node::Config {
        dev,
        open_unknown: dev,
        guests: file.auth.guests.unwrap_or(dev),
        guest: guest(&file.auth)?,
        token_seconds: file.auth.token_seconds.map_or(usual.token_seconds, i64::from),
        rules: rules(file, dev),
        feed: feed::Config {
            longest_window: file.feed.longest_window_ms.map_or(usual.feed.longest_window, Duration::from_millis),
            ..usual.feed
        },
        members_told: file.chat.members_told.unwrap_or(usual.members_told),
        visits_told: file.chat.visits_told.unwrap_or(usual.visits_told),
        idle: usual.idle,
        retention: file.log.retention_days.map(|days| DAY * days),
    })
}

fn guest(section: &AuthSection) -> Result<GuestConfig, ConfigError> {
    let usual = GuestConfig::default();
    let asked = match section.guest_proof.as_deref() {
        None => usual.asked,
        Some(word) => Asked::parse(word)
            .ok_or_else(|| mistake("auth.guest_proof", &format!("{word:?} is none of none, work, ticket")))?,
    };
    let work = section.guest_work.unwrap_or(usual.work);
    if !(MIN_WORK..=MAX_WORK).contains(&work) {
        return Err(mistake(
            "auth.guest_work",
            "hashes at most, from 1000 to 10000000: a phone does a million in some seconds",
        ));
    }
    let title = section.guest_title.clone().filter(|title| !title.is_empty());
    if title.as_ref().is_some_and(|title| title.chars().count() > LONGEST_TITLE) {
        return Err(mistake("auth.guest_title", "a title has 20 characters at most"));
    }
    let badge_url = section.guest_badge_url.clone().filter(|url| !url.is_empty());
    if badge_url.as_ref().is_some_and(|url| url.len() > LONGEST_BADGE_URL) {
        return Err(mistake("auth.guest_badge_url", "an address has 500 bytes at most"));
    }
    Ok(GuestConfig { asked, work, title, badge_url })
}

fn rules(file: &File, dev: bool) -> Rules {
    let (chat, section, usual) = (&file.chat, &file.limits, Rules::default());
    let limits = Limits {
        graphemes: chat.text_characters.unwrap_or(usual.limits.graphemes),
        bytes: chat.text_bytes.unwrap_or(usual.limits.bytes),
        item_bytes: chat.item_bytes.unwrap_or(usual.limits.item_bytes),
        emoji_prefixes: chat.emoji_url_prefixes.clone().unwrap_or_default(),
    };
    let sends = usual.sends.filter(|_| !dev).map(|usual| rate(usual, section.sends_per_second, section.sends_burst));
    let session = section.session_sends_per_second;
    Rules {
        limits,
        sends,
        session_sends: rate(usual.session_sends, session, session),
        recents: rate(usual.recents, section.recents_per_second, section.recents_burst),
        acts: rate(usual.acts, section.acts_per_second, section.acts_burst),
        whispers_per_minute: section.whispers_per_minute.unwrap_or(usual.whispers_per_minute),
        guests_per_minute: section.guests_per_minute.or(usual.guests_per_minute.filter(|_| !dev)),
        members_listed: chat.members_listed.unwrap_or(usual.members_listed),
        questions_per_minute: section.questions_per_minute.unwrap_or(if dev {
            DEV_QUESTIONS
        } else {
            usual.questions_per_minute
        }),
    }
}

fn rate(usual: Rate, per_second: Option<u32>, burst: Option<u32>) -> Rate {
    Rate { per_second: per_second.unwrap_or(usual.per_second), burst: burst.unwrap_or(usual.burst) }
}

pub(super) fn gate(file: &File, dev: bool) -> Result<gate::Config, ConfigError> {
    let (section, usual) = (&file.limits, gate::Config::default());
    let origins = match &file.allowed_origins {
        None if dev => vec![Origin::Own, Origin::Localhost],
        None => usual.origins.0,
        Some(names) => names
            .iter()
            .map(|name| Origin::parse(name))
            .collect::<Result<_, _>>()
            .map_err(|why| mistake("allowed_origins", &why))?,
    };
    let network = |text: &String| {
        let address = || text.parse::<std::net::IpAddr>().ok().map(Into::into);
        text.parse().ok().or_else(address).ok_or_else(|| {
            mistake("trusted_proxies", &format!("{text:?} is no network: write 10.0.0.0/8 or 127.0.0.1"))
        })
    };
    let requests = |usual: Rate| rate(usual, section.requests_per_second, section.requests_burst);
    let joins = |usual: Rate| rate(usual, section.joins_per_second, section.joins_per_second);
    Ok(gate::Config {
        connections: section.connections.unwrap_or(usual.connections),
        per_address: section.connections_per_address.or(usual.per_address).filter(|_| !dev),
        per_user: section.connections_per_user.unwrap_or(usual.per_user),
        joins: usual.joins.map(joins).filter(|_| !dev),
        requests: usual.requests.map(requests).filter(|_| !dev),
        resumes: usual.resumes.filter(|_| !dev),
        origins: Origins(origins),
        trusted_proxies: file.trusted_proxies.iter().flatten().map(network).collect::<Result<_, _>>()?,
    })
}

pub(super) fn chat(file: &File) -> chat::Config {
    let (section, usual) = (&file.chat, chat::Config::default());
    chat::Config {
        ws: ws::Config {
            message_bytes: section.message_bytes.unwrap_or(usual.ws.message_bytes),
            queue_bytes: section.queue_bytes.unwrap_or(usual.ws.queue_bytes),
        },
        push_bytes: section.push_bytes.unwrap_or(usual.push_bytes),
        recent_bytes: section.recent_bytes.unwrap_or(usual.recent_bytes),
        connect_timeout: section.connect_timeout_ms.map_or(usual.connect_timeout, Duration::from_millis),
        join_timeout: section.join_timeout_seconds.map_or(usual.join_timeout, Duration::from_secs),
        ping_after: section.ping_after_seconds.map_or(usual.ping_after, Duration::from_secs),
        idle_timeout: section.idle_timeout_seconds.map_or(usual.idle_timeout, Duration::from_secs),
        standstill: section.standstill_seconds.map_or(usual.standstill, Duration::from_secs),
        sends_in_flight: section.sends_in_flight.unwrap_or(usual.sends_in_flight),
        extras_bytes: section.extras_bytes.unwrap_or(usual.extras_bytes),
        control_frames_per_second: file.limits.control_frames_per_second.unwrap_or(usual.control_frames_per_second),
        messages_per_second: file.limits.messages_per_second.unwrap_or(usual.messages_per_second),
    }
}

pub(super) fn log(file: &File) -> sqlite::Config {
    sqlite::Config { queue: file.log.queue.unwrap_or(sqlite::Config::default().queue) }
}

/// The file that says what these settings are, with nothing in it that is secret.
pub(super) fn written(config: &Config) -> File {
    let masked = |given: bool| if given { "***" } else { "*** (in the data directory)" }.to_owned();
    let (auth, node, gate) = (&config.auth, &config.node, &config.gate);
    File {
        listen: Some(config.listen.to_string()),
        admin_listen: config.admin_listen.map(|address| address.to_string()),
        path_prefix: Some(config.path_prefix.clone()),
        drain_seconds: Some(config.drain.as_secs()),
        allowed_origins: Some(gate.origins.0.iter().map(ToString::to_string).collect()),
        trusted_proxies: Some(gate.trusted_proxies.iter().map(ToString::to_string).collect()),
        data: Some(config.data.clone()),
        auth: AuthSection {
            secret: Some(masked(config.secret.is_some())),
            issuer: Some(auth.issuer.clone()),
            audience: auth.audience.clone(),
            algorithms: Some(auth.algorithms.iter().map(|alg| alg.name().to_owned()).collect()),
            jwks_url: auth.jwks.as_ref().map(JwksUrl::masked),
            leeway_seconds: u32::try_from(auth.leeway_seconds).ok(),
            token_seconds: u32::try_from(node.token_seconds).ok(),
            guests: Some(node.guests),
            guest_proof: Some(node.guest.asked.word().to_owned()),
            guest_work: Some(node.guest.work),
            guest_title: node.guest.title.clone(),
            guest_badge_url: node.guest.badge_url.clone(),
        },
        site: SiteSection { api_key: Some(masked(config.api_key.is_some())), name: Some(config.site_name.clone()) },
        chat: written_chat(config),
        limits: written_limits(config),
        feed: FeedSection { longest_window_ms: u64::try_from(node.feed.longest_window.as_millis()).ok() },
        log: LogSection {
            queue: Some(config.log.queue),
            retention_days: node.retention.and_then(|age| u32::try_from(age.as_secs() / DAY.as_secs()).ok()),
        },
    }
}

fn written_chat(config: &Config) -> ChatSection {
    let (chat, limits) = (&config.chat, &config.node.rules.limits);
    ChatSection {
        text_characters: Some(limits.graphemes),
        text_bytes: Some(limits.bytes),
        extras_bytes: Some(chat.extras_bytes),
        profile_bytes: Some(config.auth.profile_bytes),
        item_bytes: Some(limits.item_bytes),
        emoji_url_prefixes: Some(limits.emoji_prefixes.clone()),
        message_bytes: Some(chat.ws.message_bytes),
        queue_bytes: Some(chat.ws.queue_bytes),
        push_bytes: Some(chat.push_bytes),
        recent_bytes: Some(chat.recent_bytes),
        connect_timeout_ms: u64::try_from(chat.connect_timeout.as_millis()).ok(),
        join_timeout_seconds: Some(chat.join_timeout.as_secs()),
        ping_after_seconds: Some(chat.ping_after.as_secs()),
        idle_timeout_seconds: Some(chat.idle_timeout.as_secs()),
        standstill_seconds: Some(chat.standstill.as_secs()),
        sends_in_flight: Some(chat.sends_in_flight),
        members_listed: Some(config.node.rules.members_listed),
        members_told: Some(config.node.members_told),
        visits_told: Some(config.node.visits_told),
    }
}

fn written_limits(config: &Config) -> LimitsSection {
    let (rules, gate, chat) = (&config.node.rules, &config.gate, &config.chat);
    LimitsSection {
        sends_per_second: rules.sends.map(|rate| rate.per_second),
        sends_burst: rules.sends.map(|rate| rate.burst),
        session_sends_per_second: Some(rules.session_sends.per_second),
        recents_per_second: Some(rules.recents.per_second),
        recents_burst: Some(rules.recents.burst),
        acts_per_second: Some(rules.acts.per_second),
        acts_burst: Some(rules.acts.burst),
        questions_per_minute: Some(rules.questions_per_minute),
        whispers_per_minute: Some(rules.whispers_per_minute),
        guests_per_minute: rules.guests_per_minute,
        messages_per_second: Some(chat.messages_per_second),
        control_frames_per_second: Some(chat.control_frames_per_second),
        connections: config.connections,
        connections_per_address: gate.per_address,
        connections_per_user: Some(gate.per_user),
        joins_per_second: gate.joins.map(|rate| rate.per_second),
        requests_per_second: gate.requests.map(|rate| rate.per_second),
        requests_burst: gate.requests.map(|rate| rate.burst),
        header_timeout_seconds: Some(config.header_timeout.as_secs()),
    }
}
