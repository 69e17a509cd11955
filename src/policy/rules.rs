//! Sets of rules as they are used: checked when they change, and compiled when the first line is judged by them.

use std::sync::{Arc, OnceLock};

use crate::model::filter::{
    Filter, FilterChange, Filtered, Finding, MOST_HOSTS, MOST_PATTERNS, MOST_WORDS, Measure, Past,
};
use crate::model::message::{Extras, Line};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;

use super::filter::{self, Engine};

/// Words and patterns that are searched for beside the others since they were added: then all are compiled anew.
const MOST_BESIDE: usize = 64;

/// Words and patterns that are compiled where they are first needed: a millisecond each, about. More are compiled beside.
const FEW_WORDS: usize = 200;
const FEW_PATTERNS: usize = 5;

/// A set of rules. What searches by them is made when it is first needed: tens of milliseconds for the largest. Where a few
/// entries were added to many, these are searched for beside those, so that a list which grows one by one isn't compiled
/// with each.
#[derive(Debug, Default)]
pub struct Rules {
    filter: Filter,
    engine: OnceLock<Engine>,
    beside: Option<Beside>,
}

/// Rules as they were, and what was added to them.
#[derive(Debug)]
struct Beside {
    before: Arc<Rules>,
    added: Filter,
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
        Self { filter, ..Self::default() }
    }
}

impl Rules {
    /// What they say.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What searches by them, made now if nobody has needed it before.
    fn engines(&self) -> impl Iterator<Item = &Engine> {
        let (before, own) = match &self.beside {
            Some(Beside { before, added }) => (Some(before.engine_of(&before.filter)), self.engine_of(added)),
            None => (None, self.engine_of(&self.filter)),
        };
        before.into_iter().chain([own])
    }

    fn engine_of(&self, filter: &Filter) -> &Engine {
        self.engine.get_or_init(|| Engine::new(filter))
    }

    /// Whether judging takes microseconds: what searches by them is there, or soon made.
    pub fn is_ready(&self) -> bool {
        let few = |filter: &Filter| filter.words.len() <= FEW_WORDS && filter.patterns.len() <= FEW_PATTERNS;
        let is_there = |rules: &Self, filter: &Filter| rules.engine.get().is_some() || few(filter);
        match &self.beside {
            Some(Beside { before, added }) => is_there(before, &before.filter) && is_there(self, added),
            None => is_there(self, &self.filter),
        }
    }

    /// Makes what searches by them.
    pub fn compile(&self) {
        self.engines().for_each(drop);
    }

    /// The rules once they are changed in the name of somebody who is called `by`, and what was before; `None` when it is
    /// so already.
    pub fn changed(self: &Arc<Self>, change: &FilterChange, by: &str, at: Millis) -> Option<(Self, Past)> {
        let mut filter = self.filter.clone();
        let past = filter.change(change, by, at);
        if past == Past::default() {
            return None;
        }
        let beside = self.with_beside(&filter, &past);
        Some((Self { filter, engine: OnceLock::new(), beside }, past))
    }

    /// What is searched for beside what was before, if entries were added and nothing else has changed.
    fn with_beside(self: &Arc<Self>, filter: &Filter, past: &Past) -> Option<Beside> {
        let Past { words, patterns, hosts, links, repeats, marks, directions } = past;
        let settings = (links, repeats, marks, directions);
        let only = hosts.is_empty() && settings == (&None, &None, &None, &None);
        let (before, mut added) = match &self.beside {
            Some(Beside { before, added }) => (before, added.clone()),
            None => (self, Filter::default()),
        };
        let known = words.iter().chain(patterns).any(|(_, entry)| entry.is_some());
        if !only || known || before.filter.words.len() + before.filter.patterns.len() < MOST_BESIDE {
            return None;
        }
        for (list, all, new) in
            [(&mut added.words, &filter.words, words), (&mut added.patterns, &filter.patterns, patterns)]
        {
            list.extend(new.keys().filter_map(|text| Some((text.clone(), all.get(text)?.clone()))));
        }
        let few = added.words.len() + added.patterns.len() <= MOST_BESIDE;
        few.then(|| Beside { before: before.clone(), added })
    }

    /// The rules once a change is taken back.
    pub fn restored(&self, past: &Past) -> Self {
        let mut filter = self.filter.clone();
        filter.restore(past.clone());
        filter.into()
    }
}

/// What sets of rules make of a text together: the worst that any of them says of it as it was sent.
pub fn judge(sets: &[Arc<Rules>], text: &str, extras: &Extras) -> Option<Finding> {
    let some = sets.iter().filter(|rules| rules.filter != Filter::default());
    let engines: Vec<&Engine> = some.flat_map(|rules| rules.engines()).collect();
    filter::judge(&engines, text, extras)
}

/// Lets a line pass as sets of rules say: as it is, masked, blinded or for its author alone, or not at all.
pub fn pass(sets: &[Arc<Rules>], line: &mut Line) -> Result<(), Refusal> {
    let Some(Finding { measure, rule, masked }) = judge(sets, &line.draft.text, &line.draft.extras) else {
        return Ok(());
    };
    let measure = match measure {
        // What is paid for is told, without what may not be said.
        Measure::Refuse | Measure::Shadow if line.draft.kind.is_special() => Measure::Blind,
        Measure::Refuse => return Err(Refusal::Filtered(rule)),
        other => other,
    };
    let original = masked.map(|masked| std::mem::replace(&mut line.draft.text, masked));
    line.filtered = Some(Arc::new(Filtered { measure, rule, original }));
    Ok(())
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

/// A change of these rules as it is kept: there is room for it, what is added can be searched for at a fair price, and is
/// written the way it is found by. Patterns are compiled for that, about a millisecond each.
pub fn checked(held: &Filter, change: FilterChange) -> Result<FilterChange, Refusal> {
    fits(held, &change)?;
    let words = change.words.into_iter().map(|(word, measure)| match measure {
        Some(_) => Ok((filter::word(&word)?, measure)),
        None => Ok((word.trim().to_owned(), measure)),
    });
    let words = words.collect::<Result<_, String>>().map_err(Refusal::BadRequest)?;
    affordable(held, &change.patterns).map_err(Refusal::BadRequest)?;
    let hosts = change.hosts.into_iter().map(|(host, allowed)| Ok((filter::host(&host)?, allowed)));
    let hosts = hosts.collect::<Result<_, String>>().map_err(Refusal::BadRequest)?;
    Ok(FilterChange { words, hosts, ..change })
}

/// Whether patterns that are added can be searched for together with the others, and each by itself.
fn affordable(held: &Filter, changes: &[(String, Option<Measure>)]) -> Result<(), String> {
    let mut added = changes.iter().filter(|(_, measure)| measure.is_some()).map(|(pattern, _)| pattern).peekable();
    if added.peek().is_none() {
        return Ok(());
    }
    let mut then = Filter { patterns: held.patterns.clone(), ..Filter::default() };
    let patterns = FilterChange { patterns: changes.to_vec(), ..FilterChange::default() };
    then.change(&patterns, "", Millis::default());
    filter::patterns_fit(&then)?;
    added.try_for_each(|pattern| filter::pattern(pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[(&str, Option<Measure>)]) -> FilterChange {
        let words = words.iter().map(|(word, measure)| ((*word).to_owned(), *measure)).collect();
        FilterChange { words, ..FilterChange::default() }
    }

    fn then(rules: impl Into<Arc<Rules>>, change: &FilterChange) -> Arc<Rules> {
        rules.into().changed(change, "mod", Millis(1)).unwrap().0.into()
    }

    fn masked(rules: &Arc<Rules>, text: &str) -> Option<(Measure, Option<String>)> {
        judge(std::slice::from_ref(rules), text, &Extras::default()).map(|found| (found.measure, found.masked))
    }

    #[test]
    fn what_is_added_to_many_is_found_beside_them() {
        let many: Vec<String> = (0..MOST_BESIDE).map(|number| format!("word{number}")).collect();
        let many: Vec<_> = many.iter().map(|word| (word.as_str(), Some(Measure::Mask))).collect();
        let rules = then(Rules::default(), &words(&many));
        assert!(rules.beside.is_none());
        let rules = then(rules, &words(&[("added", Some(Measure::Mask)), ("worse", Some(Measure::Refuse))]));
        assert!(rules.beside.is_some());
        let both = "word7 and added";
        assert_eq!(masked(&rules, both), Some((Measure::Mask, Some("***** and *****".to_owned()))));
        assert_eq!(masked(&rules, "word7 is worse"), Some((Measure::Refuse, None)));
        assert_eq!(masked(&rules, "nothing"), None);
        let all = Arc::new(Rules::from(rules.filter.clone()));
        assert_eq!((masked(&all, both), &all), (masked(&rules, both), &rules));
        let changed = then(rules, &words(&[("word7", None)]));
        assert!(changed.beside.is_none(), "what is gone is searched for no more");
        assert_eq!(masked(&changed, both), Some((Measure::Mask, Some("word7 and *****".to_owned()))));
        let mut rules = changed;
        for number in 0..MOST_BESIDE {
            rules = then(rules, &words(&[(&format!("more{number}"), Some(Measure::Mask))]));
            assert!(rules.beside.is_some());
        }
        assert!(then(rules, &words(&[("one too many", Some(Measure::Mask))])).beside.is_none());
    }

    #[test]
    fn a_line_passes_by_the_worst_of_two_sets_of_rules() {
        let sets = [
            then(Rules::default(), &words(&[("one", Some(Measure::Blind)), ("two", Some(Measure::Mask))])),
            then(Rules::default(), &words(&[("two four", Some(Measure::Blind)), ("three", Some(Measure::Mask))])),
        ];
        let author = crate::model::message::Author {
            uid: crate::model::id::UserId::parse("u").unwrap(),
            profile: Arc::default(),
            role: crate::model::principal::Role::Viewer,
        };
        let passes = |text: &str| {
            let draft = crate::model::message::Draft { text: text.to_owned(), ..Default::default() };
            let cid = crate::model::id::Cid::parse("c").unwrap();
            let (credential, known) = Default::default();
            let (members, filtered, judged) = (0, None, Default::default());
            let mut line = Line {
                cid,
                author: author.clone(),
                draft,
                members,
                credential,
                known,
                occasion: None,
                filtered,
                judged,
            };
            pass(&sets, &mut line).unwrap();
            let measure = line.filtered.as_ref().map(|filtered| filtered.measure);
            (measure, line.draft.text.clone(), line.as_sent().to_owned())
        };
        let text = |text: &str| text.to_owned();
        assert_eq!(passes("two three"), (Some(Measure::Mask), text("*** *****"), text("two three")));
        assert_eq!(passes("one three"), (Some(Measure::Blind), text("one three"), text("one three")));
        let hidden = "what one set covers is not hidden from another";
        assert_eq!(passes("two four"), (Some(Measure::Blind), text("two four"), text("two four")), "{hidden}");
        assert_eq!(passes("four"), (None, text("four"), text("four")));
    }
}
