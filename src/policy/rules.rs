//! Sets of rules as they are used: checked when they change, and compiled when the first line is judged by them.

use std::sync::{Arc, OnceLock};

use crate::model::filter::{
    Filter, FilterChange, Filtered, Finding, MOST_HOSTS, MOST_PATTERNS, MOST_WORDS, Measure, Past,
};
use crate::model::message::{Extras, Line};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;

use super::filter::{self, Engine};

/// A set of rules. What searches by them is made when it is first needed: tens of milliseconds for the largest.
#[derive(Debug, Default)]
pub struct Rules {
    filter: Filter,
    engine: OnceLock<Engine>,
}

/// The values make it.
impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.filter == other.filter
    }
}

impl Eq for Rules {}

impl From<Filter> for Rules {
    fn from(filter: Filter) -> Self {
        Self { filter, engine: OnceLock::new() }
    }
}

impl Rules {
    /// What they say.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What they make of a text.
    pub fn judge(&self, text: &str, extras: &Extras) -> Option<Finding> {
        if self.filter == Filter::default() {
            return None;
        }
        self.engine.get_or_init(|| Engine::new(&self.filter)).judge(text, extras)
    }

    /// Lets a line pass as they say: as it is, masked, blinded or for its author alone, or not at all.
    pub fn pass(&self, line: &mut Line) -> Result<(), Refusal> {
        let Some(found) = self.judge(&line.draft.text, &line.draft.extras) else { return Ok(()) };
        if found.measure == Measure::Refuse {
            return Err(Refusal::Filtered(found.rule));
        }
        let before = line.filtered.as_deref();
        let mut original = before.and_then(|before| before.original.clone());
        if let Some(masked) = found.masked {
            let sent = std::mem::replace(&mut line.draft.text, masked);
            original.get_or_insert(sent);
        }
        let worst = before.filter(|before| before.measure >= found.measure);
        let (measure, rule) = worst.map_or((found.measure, found.rule), |before| (before.measure, before.rule.clone()));
        line.filtered = Some(Arc::new(Filtered { measure, rule, original }));
        Ok(())
    }

    /// The rules once they are changed in the name of somebody who is called `by`, and what was before; `None` when it is
    /// so already.
    pub fn changed(&self, change: &FilterChange, by: &str, at: Millis) -> Option<(Self, Past)> {
        let mut filter = self.filter.clone();
        let past = filter.change(change, by, at);
        (past != Past::default()).then(|| (filter.into(), past))
    }

    /// The rules once a change is taken back.
    pub fn restored(&self, past: Past) -> Self {
        let mut filter = self.filter.clone();
        filter.restore(past);
        filter.into()
    }
}

/// Whether there is room for a change.
pub fn fits(filter: &Filter, change: &FilterChange) -> Result<(), Refusal> {
    let added = |list: &[(String, Option<Measure>)]| list.iter().filter(|(_, measure)| measure.is_some()).count();
    // A list that is long already is looked at closely; nearly all are not.
    let near = filter.words.len() + added(&change.words) > MOST_WORDS
        || filter.patterns.len() + added(&change.patterns) > MOST_PATTERNS
        || filter.hosts.len() + change.hosts.len() > MOST_HOSTS;
    if !near {
        return Ok(());
    }
    let mut then = filter.clone();
    then.change(change, "", Millis::default());
    match () {
        () if then.words.len() > MOST_WORDS => Err(Refusal::TooMany("blocked words")),
        () if then.patterns.len() > MOST_PATTERNS => Err(Refusal::TooMany("patterns")),
        () if then.hosts.len() > MOST_HOSTS => Err(Refusal::TooMany("allowed hosts")),
        () => Ok(()),
    }
}

/// A change of these rules as it is kept: what is added can be searched for at a fair price, and is written the way it is
/// found by.
pub fn checked(held: &Filter, change: FilterChange) -> Result<FilterChange, String> {
    let words = change.words.into_iter().map(|(word, measure)| match measure {
        Some(_) => Ok((filter::word(&word)?, measure)),
        None => Ok((word.trim().to_owned(), measure)),
    });
    let words = words.collect::<Result<_, String>>()?;
    let mut added = change.patterns.iter().filter(|(_, measure)| measure.is_some()).peekable();
    if added.peek().is_some() {
        let mut then = Filter { patterns: held.patterns.clone(), ..Filter::default() };
        for (pattern, _) in added {
            filter::pattern(pattern)?;
        }
        let patterns = FilterChange { patterns: change.patterns.clone(), ..FilterChange::default() };
        then.change(&patterns, "", Millis::default());
        // Too many is said by whoever counts.
        if then.patterns.len() <= MOST_PATTERNS {
            filter::patterns_fit(&then)?;
        }
    }
    let hosts = change.hosts.into_iter().map(|(host, allowed)| Ok((filter::host(&host)?, allowed)));
    Ok(FilterChange { words, hosts: hosts.collect::<Result<_, String>>()?, ..change })
}
