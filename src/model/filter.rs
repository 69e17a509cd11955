//! What a line may not say, and what becomes of one that does.

use std::collections::{BTreeMap, BTreeSet};

use super::time::Millis;

/// Words that one set of rules may have.
pub const MOST_WORDS: usize = 10_000;

/// Patterns that one set of rules may have.
pub const MOST_PATTERNS: usize = 200;

/// Hosts that one set of rules may allow.
pub const MOST_HOSTS: usize = 1_000;

/// What becomes of a line; what is worse for its author is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// What may not be said is covered by asterisks.
    Mask,
    /// Its text is withheld until staff show it.
    Blind,
    /// Its author sees it, and nobody else.
    Shadow,
    /// It is no line.
    Refuse,
}

impl Measure {
    /// Its name in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Blind => "blind",
            Self::Shadow => "shadow",
            Self::Refuse => "refuse",
        }
    }
}

/// A word or a pattern, as it stands in a set of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What becomes of a line that has it.
    pub measure: Measure,
    /// Its number in this set of rules: none is given twice, but for an entry that takes the place of another.
    pub number: u64,
    /// When it was added.
    pub at: Millis,
    /// What whoever added it was called.
    pub by: String,
}

/// How often something may stand in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeats {
    /// The same character, or the same word, so often at most: 2 to 500.
    pub most: u32,
    /// What becomes of a line with more.
    pub measure: Measure,
}

/// A set of rules: a channel's, or the site's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Words, up to [`MOST_WORDS`].
    pub words: BTreeMap<String, Entry>,
    /// Regular expressions, up to [`MOST_PATTERNS`].
    pub patterns: BTreeMap<String, Entry>,
    /// What becomes of a line with an address of a page elsewhere.
    pub links: Option<Measure>,
    /// Hosts whose pages may be named all the same, with those below them; up to [`MOST_HOSTS`].
    pub hosts: BTreeSet<String>,
    /// How often something may stand in a row.
    pub repeats: Option<Repeats>,
    /// What becomes of a line that heaps marks on its letters.
    pub marks: Option<Measure>,
    /// What becomes of a line that turns the direction of writing around.
    pub directions: Option<Measure>,
    /// The number of the next entry.
    pub next: u64,
}

/// What a line has broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It has this word.
    Word(String),
    /// This pattern fits it.
    Pattern(String),
    /// It names a page of this host.
    Link(String),
    /// It says something too often in a row.
    Repeats,
    /// It heaps marks on its letters.
    Marks,
    /// It turns the direction of writing around.
    Directions,
}

/// What the rules make of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What becomes of the line: the worst of all that was found.
    pub measure: Measure,
    /// The rule that says so; the first in the text when several do.
    pub rule: Rule,
    /// The text with asterisks, when that is what becomes of it.
    pub masked: Option<String>,
}

/// What the rules made of a line that is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filtered {
    /// What has become of it; never [`Measure::Refuse`].
    pub measure: Measure,
    /// The rule that said so.
    pub rule: Rule,
    /// The text as it was sent, where it has asterisks now.
    pub original: Option<String>,
}

/// What shall be otherwise in a set of rules; the rest stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterChange {
    /// Whether every word goes before the others come.
    pub no_words: bool,
    /// Words that are added or changed, with a measure, and those that go, without.
    pub words: Vec<(String, Option<Measure>)>,
    /// The same of patterns.
    pub patterns: Vec<(String, Option<Measure>)>,
    /// Hosts that are allowed, and those that are no more.
    pub hosts: Vec<(String, bool)>,
    /// See [`Filter::links`].
    pub links: Option<Option<Measure>>,
    /// See [`Filter::repeats`].
    pub repeats: Option<Option<Repeats>>,
    /// See [`Filter::marks`].
    pub marks: Option<Option<Measure>>,
    /// See [`Filter::directions`].
    pub directions: Option<Option<Measure>>,
}

/// What a change has replaced: by it, it is taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Words as they were; `None` where there was none.
    pub words: BTreeMap<String, Option<Entry>>,
    /// The same of patterns.
    pub patterns: BTreeMap<String, Option<Entry>>,
    /// Whether a host was allowed.
    pub hosts: BTreeMap<String, bool>,
    /// See [`Filter::links`].
    pub links: Option<Option<Measure>>,
    /// See [`Filter::repeats`].
    pub repeats: Option<Option<Repeats>>,
    /// See [`Filter::marks`].
    pub marks: Option<Option<Measure>>,
    /// See [`Filter::directions`].
    pub directions: Option<Option<Measure>>,
}

impl Filter {
    /// Changes the rules, in the name of somebody who is called `by`. What was before; empty when nothing is otherwise.
    pub fn change(&mut self, change: &FilterChange, by: &str, at: Millis) -> Past {
        let mut past = Past::default();
        let gone = self.words.keys().filter(|_| change.no_words).map(|word| (word.clone(), None));
        let words: Vec<_> = gone.chain(change.words.iter().cloned()).collect();
        let mut next = self.next;
        for (entries, changes, past) in
            [(&mut self.words, &words, &mut past.words), (&mut self.patterns, &change.patterns, &mut past.patterns)]
        {
            let place = replaced(entries, changes);
            for (text, measure) in changes {
                let before = entries.get(text).cloned();
                if before.as_ref().map(|entry| entry.measure) == *measure {
                    continue;
                }
                match measure {
                    Some(measure) => {
                        let number = before.as_ref().map(|entry| entry.number).or(place);
                        next += u64::from(number.is_none());
                        let number = number.unwrap_or(next - 1);
                        let entry = Entry { measure: *measure, number, at, by: by.to_owned() };
                        entries.insert(text.clone(), entry);
                    }
                    None => drop(entries.remove(text)),
                }
                past.entry(text.clone()).or_insert(before);
            }
        }
        self.next = next;
        for (host, allowed) in &change.hosts {
            let before = if *allowed { !self.hosts.insert(host.clone()) } else { self.hosts.remove(host) };
            if before != *allowed {
                past.hosts.entry(host.clone()).or_insert(before);
            }
        }
        past.links = replace(&mut self.links, change.links);
        past.repeats = replace(&mut self.repeats, change.repeats);
        past.marks = replace(&mut self.marks, change.marks);
        past.directions = replace(&mut self.directions, change.directions);
        past
    }

    /// Takes a change back, as far as nobody else has changed the same.
    pub fn restore(&mut self, past: Past) {
        for (entries, past) in [(&mut self.words, past.words), (&mut self.patterns, past.patterns)] {
            for (text, before) in past {
                match before {
                    Some(entry) => drop(entries.insert(text, entry)),
                    None => drop(entries.remove(&text)),
                }
            }
        }
        for (host, allowed) in past.hosts {
            let _ = if allowed { self.hosts.insert(host) } else { self.hosts.remove(&host) };
        }
        replace(&mut self.links, past.links);
        replace(&mut self.repeats, past.repeats);
        replace(&mut self.marks, past.marks);
        replace(&mut self.directions, past.directions);
    }
}

/// The number of an entry that goes while one comes, which thereby has its place: whoever knows it by its number still does.
fn replaced(entries: &BTreeMap<String, Entry>, changes: &[(String, Option<Measure>)]) -> Option<u64> {
    let [(one, first), (other, second)] = changes else { return None };
    if one == other && first.is_none() {
        return entries.get(one).map(|entry| entry.number);
    }
    match (entries.get(one), first, entries.get(other), second) {
        (Some(gone), None, None, Some(_)) | (None, Some(_), Some(gone), None) => Some(gone.number),
        _ => None,
    }
}

/// Puts something else in place, if anything is given. What was there, if that was something else.
fn replace<T: Copy + PartialEq>(place: &mut T, given: Option<T>) -> Option<T> {
    let new = given.filter(|new| new != place)?;
    Some(std::mem::replace(place, new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_taken_back() {
        let mut filter = Filter::default();
        let word = |text: &str, measure| (text.to_owned(), measure);
        let first = FilterChange {
            words: vec![word("a", Some(Measure::Mask)), word("b", Some(Measure::Refuse))],
            patterns: vec![word("x+", Some(Measure::Blind))],
            hosts: vec![("naver.com".to_owned(), true)],
            links: Some(Some(Measure::Refuse)),
            ..FilterChange::default()
        };
        assert_ne!(filter.change(&first, "mod", Millis(1)), Past::default());
        assert_eq!(filter.change(&first, "mod", Millis(2)), Past::default(), "it is so already");
        let numbers: Vec<u64> =
            filter.words.values().chain(filter.patterns.values()).map(|entry| entry.number).collect();
        assert_eq!(numbers, [0, 1, 2]);
        let before = filter.clone();
        let second = FilterChange {
            no_words: true,
            words: vec![word("b", Some(Measure::Shadow)), word("c", Some(Measure::Mask)), word("d", None)],
            patterns: vec![word("x+", None)],
            hosts: vec![("naver.com".to_owned(), false), ("other.com".to_owned(), true)],
            links: Some(None),
            repeats: Some(Some(Repeats { most: 9, measure: Measure::Mask })),
            marks: Some(Some(Measure::Mask)),
            directions: Some(None),
        };
        let past = filter.change(&second, "other", Millis(3));
        assert_eq!(filter.words.keys().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!((filter.words["b"].measure, filter.links, filter.next), (Measure::Shadow, None, 5));
        filter.restore(past);
        assert_eq!(filter, Filter { next: 5, ..before }, "but no number is given twice");
    }

    #[test]
    fn a_word_that_takes_the_place_of_another_has_its_number() {
        let mut filter = Filter::default();
        let words = |words: &[(&str, Option<Measure>)]| FilterChange {
            words: words.iter().map(|(word, measure)| ((*word).to_owned(), *measure)).collect(),
            ..FilterChange::default()
        };
        filter.change(&words(&[("a", Some(Measure::Mask)), ("b", Some(Measure::Mask))]), "mod", Millis(1));
        let past = filter.change(&words(&[("a", None), ("c", Some(Measure::Mask))]), "mod", Millis(2));
        assert_eq!((filter.words["c"].number, filter.words["b"].number, filter.next), (0, 1, 2));
        filter.change(&words(&[("b", None), ("b", Some(Measure::Mask))]), "mod", Millis(3));
        assert_eq!(filter.words["b"].number, 1, "it takes its own");
        filter.restore(past);
        assert_eq!((filter.words["a"].number, filter.words.len(), filter.next), (0, 2, 2));
    }
}
