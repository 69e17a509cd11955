//! The stored form of what lines may not say.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::channel::Filtering;
use crate::model::filter::{Entry, Filter, Measure, Past, Repeats};
use crate::model::id::Seq;
use crate::model::time::Millis;
use crate::policy::rules::Rules;

/// Measure, number, when and by whom.
type StoredEntry = (u8, u64, i64, String);

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StoredRules {
    since: u64,
    next: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    words: BTreeMap<String, StoredEntry>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    patterns: BTreeMap<String, StoredEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<String>,
    settings: StoredSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    past: Option<StoredPast>,
}

/// 0 is no measure; of what is not named nothing is said.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<(u32, u8)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marks: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directions: Option<u8>,
}

#[derive(Serialize, Deserialize)]
struct StoredPast {
    act: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    words: BTreeMap<String, Option<StoredEntry>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    patterns: BTreeMap<String, Option<StoredEntry>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    hosts: BTreeMap<String, bool>,
    settings: StoredSettings,
}

const MEASURES: [(Option<Measure>, u8); 5] = [
    (None, 0),
    (Some(Measure::Mask), 1),
    (Some(Measure::Blind), 2),
    (Some(Measure::Shadow), 3),
    (Some(Measure::Refuse), 4),
];

fn number(measure: Option<Measure>) -> u8 {
    MEASURES.iter().find(|(known, _)| *known == measure).map_or(0, |(_, number)| *number)
}

fn measure(number: u8) -> Option<Option<Measure>> {
    MEASURES.iter().find(|(_, known)| *known == number).map(|(measure, _)| *measure)
}

/// `None` for a channel whose rules nobody has ever changed.
pub(super) fn stored(filtering: &Filtering) -> Option<StoredRules> {
    let filter = filtering.rules.filter();
    let settings =
        |links: Option<_>, repeats: Option<Option<Repeats>>, marks: Option<_>, directions: Option<_>| StoredSettings {
            links: links.map(number),
            repeats: repeats.map(|given| given.map_or((0, 0), |given| (given.most, number(Some(given.measure))))),
            marks: marks.map(number),
            directions: directions.map(number),
        };
    let past = filtering.past.as_ref().map(|(act, past)| StoredPast {
        act: act.0,
        words: stored_map(&past.words, |entry| entry.as_ref().map(stored_entry)),
        patterns: stored_map(&past.patterns, |entry| entry.as_ref().map(stored_entry)),
        hosts: past.hosts.clone(),
        settings: settings(past.links, past.repeats, past.marks, past.directions),
    });
    (*filtering != Filtering::default()).then(|| StoredRules {
        since: filtering.since.0,
        next: filter.next,
        words: stored_map(&filter.words, stored_entry),
        patterns: stored_map(&filter.patterns, stored_entry),
        hosts: filter.hosts.iter().cloned().collect(),
        settings: settings(Some(filter.links), Some(filter.repeats), Some(filter.marks), Some(filter.directions)),
        past,
    })
}

fn stored_map<T, S>(map: &BTreeMap<String, T>, stored: impl Fn(&T) -> S) -> BTreeMap<String, S> {
    map.iter().map(|(text, entry)| (text.clone(), stored(entry))).collect()
}

fn stored_entry(entry: &Entry) -> StoredEntry {
    (number(Some(entry.measure)), entry.number, entry.at.0, entry.by.clone())
}

pub(super) fn read(stored: Option<StoredRules>) -> Option<Filtering> {
    let Some(stored) = stored else { return Some(Filtering::default()) };
    let StoredSettings { links, repeats, marks, directions } = stored.settings;
    let filter = Filter {
        words: read_map(stored.words, read_entry)?,
        patterns: read_map(stored.patterns, read_entry)?,
        links: read_measure(links)?.flatten(),
        hosts: stored.hosts.into_iter().collect(),
        repeats: read_repeats(repeats)?.flatten(),
        marks: read_measure(marks)?.flatten(),
        directions: read_measure(directions)?.flatten(),
        next: stored.next,
    };
    let past = match stored.past {
        Some(past) => Some(read_past(past).map(|(act, past)| (act, Arc::new(past)))?),
        None => None,
    };
    Some(Filtering { rules: Arc::new(Rules::from(filter)), since: Seq(stored.since), past })
}

fn read_past(stored: StoredPast) -> Option<(Seq, Past)> {
    let StoredSettings { links, repeats, marks, directions } = stored.settings;
    let entry = |entry: Option<StoredEntry>| match entry {
        Some(entry) => Some(Some(read_entry(entry)?)),
        None => Some(None),
    };
    let past = Past {
        words: read_map(stored.words, entry)?,
        patterns: read_map(stored.patterns, entry)?,
        hosts: stored.hosts,
        links: read_measure(links)?,
        repeats: read_repeats(repeats)?,
        marks: read_measure(marks)?,
        directions: read_measure(directions)?,
    };
    Some((Seq(stored.act), past))
}

fn read_map<S, T>(map: BTreeMap<String, S>, read: impl Fn(S) -> Option<T>) -> Option<BTreeMap<String, T>> {
    map.into_iter().map(|(text, entry)| Some((text, read(entry)?))).collect()
}

fn read_entry((given, number, at, by): StoredEntry) -> Option<Entry> {
    Some(Entry { measure: measure(given)??, number, at: Millis(at), by })
}

/// The outer one says whether it can be read, the next whether it is named.
fn read_measure(stored: Option<u8>) -> Option<Option<Option<Measure>>> {
    match stored {
        Some(number) => Some(Some(measure(number)?)),
        None => Some(None),
    }
}

fn read_repeats(stored: Option<(u32, u8)>) -> Option<Option<Option<Repeats>>> {
    match stored {
        Some((most, number)) => Some(Some(measure(number)?.map(|measure| Repeats { most, measure }))),
        None => Some(None),
    }
}
