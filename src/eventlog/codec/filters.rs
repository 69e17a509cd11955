//! The stored form of what lines may not say, and of what that made of one.

use serde::{Deserialize, Serialize};

use crate::model::filter::{FilterChange, Filtered, Measure, Repeats, Rule};

use super::{value, word};

/// As they are; an empty word is none.
const MEASURES: [(Option<Measure>, &str); 5] = [
    (Some(Measure::Mask), "mask"),
    (Some(Measure::Blind), "blind"),
    (Some(Measure::Shadow), "shadow"),
    (Some(Measure::Refuse), "refuse"),
    (None, ""),
];

#[derive(Serialize, Deserialize)]
pub(super) struct StoredFiltered {
    measure: String,
    rule: StoredRule,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    original: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredRule {
    Word(String),
    Pattern(String),
    Link(String),
    Repeats,
    Marks,
    Directions,
}

pub(super) fn stored_filtered(filtered: &Filtered) -> StoredFiltered {
    StoredFiltered {
        measure: word(&MEASURES, Some(filtered.measure)),
        rule: match &filtered.rule {
            Rule::Word(text) => StoredRule::Word(text.clone()),
            Rule::Pattern(text) => StoredRule::Pattern(text.clone()),
            Rule::Link(host) => StoredRule::Link(host.clone()),
            Rule::Repeats => StoredRule::Repeats,
            Rule::Marks => StoredRule::Marks,
            Rule::Directions => StoredRule::Directions,
        },
        original: filtered.original.clone(),
    }
}

pub(super) fn read_filtered(stored: StoredFiltered) -> Option<Filtered> {
    Some(Filtered {
        measure: value(&MEASURES, &stored.measure)??,
        rule: match stored.rule {
            StoredRule::Word(text) => Rule::Word(text),
            StoredRule::Pattern(text) => Rule::Pattern(text),
            StoredRule::Link(host) => Rule::Link(host),
            StoredRule::Repeats => Rule::Repeats,
            StoredRule::Marks => Rule::Marks,
            StoredRule::Directions => Rule::Directions,
        },
        original: stored.original,
    })
}

/// What is otherwise: an empty measure takes away.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StoredFilterChange {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    no_words: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    words: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    patterns: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<(String, bool)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<(u32, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marks: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directions: Option<String>,
}

pub(super) fn stored_change(change: &FilterChange) -> StoredFilterChange {
    let list = |entries: &[(String, Option<Measure>)]| {
        entries.iter().map(|(text, measure)| (text.clone(), word(&MEASURES, *measure))).collect()
    };
    let measure = |given: Option<Option<Measure>>| given.map(|measure| word(&MEASURES, measure));
    let repeats = |repeats: Repeats| (repeats.most, word(&MEASURES, Some(repeats.measure)));
    StoredFilterChange {
        no_words: change.no_words,
        words: list(&change.words),
        patterns: list(&change.patterns),
        hosts: change.hosts.clone(),
        links: measure(change.links),
        repeats: change.repeats.map(|given| given.map_or_else(Default::default, repeats)),
        marks: measure(change.marks),
        directions: measure(change.directions),
    }
}

pub(super) fn read_change(stored: StoredFilterChange) -> Option<FilterChange> {
    let list = |entries: Vec<(String, String)>| {
        entries.into_iter().map(|(text, name)| Some((text, value(&MEASURES, &name)?))).collect::<Option<_>>()
    };
    Some(FilterChange {
        no_words: stored.no_words,
        words: list(stored.words)?,
        patterns: list(stored.patterns)?,
        hosts: stored.hosts,
        links: read_measure(stored.links)?,
        repeats: match stored.repeats {
            Some((most, name)) => Some(value(&MEASURES, &name)?.map(|measure| Repeats { most, measure })),
            None => None,
        },
        marks: read_measure(stored.marks)?,
        directions: read_measure(stored.directions)?,
    })
}

/// The outer one says whether it can be read, the next whether it is named.
fn read_measure(name: Option<String>) -> Option<Option<Option<Measure>>> {
    match name {
        Some(name) => Some(Some(value(&MEASURES, &name)?)),
        None => Some(None),
    }
}
