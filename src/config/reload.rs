//! What can change while the gateway runs.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Config, rooms};

/// Keys that take effect at once.
const RELOADABLE: [&str; 23] = [
    "allowed_origins",
    "trusted_proxies",
    "chat.text_characters",
    "chat.text_bytes",
    "chat.item_bytes",
    "chat.emoji_url_prefixes",
    "limits.sends_per_second",
    "limits.sends_burst",
    "limits.session_sends_per_second",
    "limits.recents_per_second",
    "limits.recents_burst",
    "limits.acts_per_second",
    "limits.acts_burst",
    "limits.questions_per_minute",
    "limits.whispers_per_minute",
    "limits.guests_per_minute",
    "chat.members_listed",
    "limits.connections",
    "limits.connections_per_address",
    "limits.connections_per_user",
    "limits.joins_per_second",
    "limits.requests_per_second",
    "limits.requests_burst",
];

/// Keys whose values are masked, so that they are compared by themselves.
const SECRETS: [&str; 2] = ["auth.secret", "site.api_key"];

/// One key whose value is another now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `section.key`
    pub key: String,
    /// Whether it takes effect at once; otherwise at the next start.
    pub at_once: bool,
}

/// What differs between the settings that the gateway runs with and new ones.
pub fn changes(before: &Config, after: &Config) -> Vec<Change> {
    let (old, new) = (values(before), values(after));
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    let differing = keys.into_iter().filter(|key| old.get(*key) != new.get(*key)).cloned();
    let mut changes: Vec<Change> =
        differing.map(|key| Change { at_once: RELOADABLE.contains(&key.as_str()), key }).collect();
    for (key, changed) in SECRETS.into_iter().zip([before.secret != after.secret, before.api_key != after.api_key]) {
        changes.retain(|change| change.key != key);
        if changed {
            changes.push(Change { key: key.to_owned(), at_once: false });
        }
    }
    changes
}

fn values(config: &Config) -> BTreeMap<String, Value> {
    let table = Table::try_from(rooms::written(config)).unwrap_or_default();
    let mut flat = BTreeMap::new();
    for (key, value) in table {
        match value {
            Value::Table(section) => {
                flat.extend(section.into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value)));
            }
            plain => drop(flat.insert(key, plain)),
        }
    }
    flat
}
