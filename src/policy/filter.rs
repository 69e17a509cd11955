//! Stand-in until the engine lands.

use crate::model::filter::{Filter, Finding, Rule};
use crate::model::message::Extras;

/// Compiled rules.
#[derive(Debug)]
pub struct Engine(Filter);

impl Engine {
    /// Compiles.
    pub fn new(filter: &Filter) -> Self {
        Self(filter.clone())
    }

    /// Judges.
    pub fn judge(&self, text: &str, _: &Extras) -> Option<Finding> {
        let found = self.0.words.iter().filter(|(word, _)| text.contains(word.as_str()));
        let (word, entry) = found.max_by_key(|(_, entry)| entry.measure)?;
        let masked = (entry.measure == crate::model::filter::Measure::Mask)
            .then(|| text.replace(word.as_str(), &"*".repeat(word.chars().count())));
        Some(Finding { measure: entry.measure, rule: Rule::Word(word.clone()), masked })
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.words.is_empty()
    }
}

/// A word.
pub fn word(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.chars().count() < 2 { Err("a word has at least two letters".to_owned()) } else { Ok(text.to_owned()) }
}

/// A pattern.
pub fn pattern(_: &str) -> Result<(), String> {
    Ok(())
}

/// A host.
pub fn host(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}
