//! What rules make of a text: words through what people do to their letters, patterns, links, and the shape of a line.
//!
//! A text is folded once (`fold`), read in several ways (`views`), searched (`words`), and what is found is checked against
//! the rules that keep innocents out (`check`). Patterns and links are searched in a text made clean (`clean`). The same
//! rules and the same text are always the same finding.

mod check;
mod clean;
mod fold;
mod links;
mod mask;
mod patterns;
mod shape;
mod views;
mod words;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use self::clean::Clean;
use self::fold::Folded;
use self::mask::Cover;
use self::patterns::Patterns;
use self::views::View;
use self::words::Words;
use crate::model::filter::{Filter, Finding, Measure, Repeats, Rule};
use crate::model::message::Extras;

/// Times that a masked text is searched for what only the mask has brought together (`시씹발`); then all of it is masked.
const MOST_ROUNDS: usize = 3;

/// Checks and trims a word that is to be added. The error says what is wrong with it: "has no letter or digit", "is too
/// short", "is longer than 50 characters".
pub fn word(text: &str) -> Result<String, String> {
    words::tidy(text)
}

/// Checks a pattern that is to be added, a regular expression of the crate `regex`. The error says what is wrong with it:
/// it can't be read, fits nothing at all, or costs too much.
pub fn pattern(text: &str) -> Result<(), String> {
    patterns::check(text)
}

/// Checks that the patterns of a set of rules are affordable together, each of which is. To be asked with a new one in it.
pub fn patterns_fit(filter: &Filter) -> Result<(), String> {
    patterns::fit(filter.patterns.keys().map(String::as_str))
}

/// Checks a host whose pages may be named: its name in lower case, without `*.` and `www.` before it. The error says what
/// is wrong with it.
pub fn host(text: &str) -> Result<String, String> {
    links::tidy(text)
}

/// A set of rules, compiled. Immutable, and shared by whoever judges.
#[derive(Debug)]
pub struct Engine {
    words: Words,
    patterns: Patterns,
    links: Option<Measure>,
    hosts: BTreeSet<String>,
    repeats: Option<Repeats>,
    marks: Option<Measure>,
    directions: Option<Measure>,
}

/// What a thread judges with, kept from text to text.
#[derive(Debug, Default)]
struct Scratch {
    emojis: Vec<Range<usize>>,
    folded: Folded,
    view: View,
    clean: Clean,
    cover: Cover,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What was found so far.
struct Found<'a> {
    worst: Option<(Measure, u32, Broken<'a>)>,
}

/// A [`Rule`] of which nothing is copied. At the same place, the former variant comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Broken<'a> {
    Word(&'a str),
    Pattern(&'a str),
    Link(String),
    Repeats,
    Marks,
    Directions,
}

impl<'a> Found<'a> {
    fn add(&mut self, measure: Measure, at: usize, broken: Broken<'a>) {
        let at = at as u32;
        let is_first = match &self.worst {
            None => true,
            Some((worst, first, rule)) => measure > *worst || measure == *worst && (at, &broken) < (*first, rule),
        };
        if is_first {
            self.worst = Some((measure, at, broken));
        }
    }
}

impl Engine {
    /// Compiles a set of rules. What can't be compiled is left out: it was checked when it was added.
    pub fn new(filter: &Filter) -> Self {
        Self {
            words: Words::new(&filter.words),
            patterns: Patterns::new(&filter.patterns),
            links: filter.links,
            hosts: filter.hosts.clone(),
            repeats: filter.repeats,
            marks: filter.marks,
            directions: filter.directions,
        }
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
            && self.patterns.is_empty()
            && self.links.is_none()
            && self.repeats.is_none()
            && self.marks.is_none()
            && self.directions.is_none()
    }

    /// Bytes that the words take, about. What patterns take isn't known.
    pub fn word_bytes(&self) -> usize {
        self.words.memory()
    }

    fn judge_shape(&self, text: &str, scratch: &mut Scratch, found: &mut Found<'_>) {
        let Scratch { emojis, cover, .. } = scratch;
        if let Some(Repeats { most, measure }) = self.repeats {
            shape::repeats(text, emojis, most, |range| {
                found.add(measure, range.start, Broken::Repeats);
                cover.row(range);
            });
        }
        if let Some(measure) = self.marks {
            shape::marks(text, |range| {
                found.add(measure, range.start, Broken::Marks);
                cover.take(range);
            });
        }
        if let Some(measure) = self.directions {
            shape::directions(text, |range| {
                found.add(measure, range.start, Broken::Directions);
                cover.take(range);
            });
        }
    }

    /// What the rules make of a text by themselves: see [`judge`].
    pub fn judge(&self, text: &str, extras: &Extras) -> Option<Finding> {
        judge(&[self], text, extras)
    }
}

/// What sets of rules make of a text together: the worst that any of them says; none when they find nothing.
///
/// Where a line is masked, each character of what was found is an asterisk, but for white space and for the site's
/// emojis. Marks in heaps and controls of direction, which have no place of their own, are taken out instead.
pub fn judge(engines: &[&Engine], text: &str, extras: &Extras) -> Option<Finding> {
    if engines.iter().all(|engine| engine.is_empty()) || text.is_empty() {
        return None;
    }
    SCRATCH.with_borrow_mut(|scratch| judge_with(engines, text, extras, scratch))
}

fn judge_with(engines: &[&Engine], text: &str, extras: &Extras, scratch: &mut Scratch) -> Option<Finding> {
    let mut found = Found { worst: None };
    scratch.cover.clear();
    find_emojis(text, extras, &mut scratch.emojis);
    judge_words(engines, text, scratch, &mut found);
    judge_patterns(engines, text, scratch, &mut found);
    judge_links(engines, text, scratch, &mut found);
    engines.iter().for_each(|engine| engine.judge_shape(text, scratch, &mut found));
    let (measure, _, broken) = found.worst?;
    let masked = (measure == Measure::Mask).then(|| mask(engines, text, extras, scratch));
    let rule = match broken {
        Broken::Word(word) => Rule::Word(word.to_owned()),
        Broken::Pattern(pattern) => Rule::Pattern(pattern.to_owned()),
        Broken::Link(host) => Rule::Link(host),
        Broken::Repeats => Rule::Repeats,
        Broken::Marks => Rule::Marks,
        Broken::Directions => Rule::Directions,
    };
    Some(Finding { measure, rule, masked })
}

fn judge_words<'a>(engines: &[&'a Engine], text: &str, scratch: &mut Scratch, found: &mut Found<'a>) {
    if engines.iter().all(|engine| engine.words.is_empty()) {
        return;
    }
    let Scratch { emojis, folded, view, cover, .. } = scratch;
    folded.read(text, emojis);
    for engine in engines {
        engine.words.search(text, folded, view, |(word, start, end)| {
            found.add(word.measure, start as usize, Broken::Word(&word.text));
            if word.measure == Measure::Mask {
                cover.add(text, start, end);
            }
        });
    }
}

fn judge_patterns<'a>(engines: &[&'a Engine], text: &str, scratch: &mut Scratch, found: &mut Found<'a>) {
    if engines.iter().all(|engine| engine.patterns.is_empty()) {
        return;
    }
    let Scratch { emojis, clean, cover, .. } = scratch;
    clean.read(text, emojis, false);
    for engine in engines {
        engine.patterns.search(clean, |pattern, (start, end)| {
            found.add(pattern.measure, start as usize, Broken::Pattern(&pattern.text));
            if pattern.measure == Measure::Mask {
                cover.add(text, start, end);
            }
        });
    }
}

fn judge_links(engines: &[&Engine], text: &str, scratch: &mut Scratch, found: &mut Found<'_>) {
    let Scratch { emojis, clean, cover, .. } = scratch;
    let mut is_read = false;
    for engine in engines {
        let Some(measure) = engine.links else { continue };
        if !is_read {
            clean.read(text, emojis, true);
            is_read = true;
        }
        links::search(clean.text(), &engine.hosts, |range, host| {
            let (start, end) = clean.origin(range);
            found.add(measure, start as usize, Broken::Link(host));
            if measure == Measure::Mask {
                cover.add(text, start, end);
            }
        });
    }
}

/// The text with asterisks, in which no word is found any more.
fn mask(engines: &[&Engine], text: &str, extras: &Extras, scratch: &mut Scratch) -> String {
    let mut masked = scratch.cover.apply(text, &scratch.emojis);
    for round in 0..=MOST_ROUNDS {
        let Scratch { emojis, folded, view, cover, .. } = scratch;
        if engines.iter().all(|engine| engine.words.is_empty()) {
            break;
        }
        find_emojis(&masked, extras, emojis);
        folded.read(&masked, emojis);
        cover.clear();
        let mut is_clean = true;
        for engine in engines {
            engine.words.search(&masked, folded, view, |(_, start, end)| {
                is_clean = false;
                cover.add(&masked, start, end);
            });
        }
        if is_clean {
            break;
        }
        if round == MOST_ROUNDS {
            cover.all();
        }
        masked = cover.apply(&masked, emojis);
    }
    masked
}

/// Where the site's emojis stand, `{:name:}` each.
fn find_emojis(text: &str, extras: &Extras, found: &mut Vec<Range<usize>>) {
    found.clear();
    if extras.emojis.is_empty() {
        return;
    }
    let mut from = 0;
    while let Some(start) = text[from..].find("{:").map(|at| from + at) {
        let inner = start + 2;
        let end = text[inner..].find(":}").map(|at| inner + at);
        match end.filter(|end| extras.emojis.iter().any(|(name, _)| *name == text[inner..*end])) {
            Some(end) => {
                found.push(start..end + 2);
                from = end + 2;
            }
            None => from = inner,
        }
    }
}
