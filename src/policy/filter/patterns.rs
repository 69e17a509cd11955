//! Regular expressions: which of them are affordable, and what they fit.

use std::collections::BTreeMap;
use std::ops::Range;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::clean::Clean;
use crate::model::filter::{Entry, Measure};

/// Longest pattern in bytes.
const MOST_BYTES: usize = 500;

/// Deepest nesting of a pattern.
const DEEPEST: u32 = 50;

/// Places of one pattern that the same character may fit. `.{0,50}` has 50, a plain word 1 or 2.
const MOST_PLACES: u64 = 60;

/// The same for all patterns of a set of rules together: what a line costs at worst is proportional to it.
const MOST_PLACES_TOGETHER: u64 = 300;

/// Ranges of characters in one pattern, repeated ones as often as they are repeated: its size. `\w` has 800.
const MOST_RANGES: u64 = 10_000;

/// The same for all patterns together.
const MOST_RANGES_TOGETHER: u64 = 100_000;

/// Bytes of one pattern once it is compiled. What is within the other limits is within this one.
const COMPILED_BYTES: usize = 4 << 20;

/// Bytes of all of them, compiled together.
const COMPILED_BYTES_TOGETHER: usize = 64 << 20;

/// Bytes of what is known about texts of late, for each thread that searches.
const CACHE_BYTES: usize = 256 << 10;

/// The same for the search for all of them at once.
const CACHE_BYTES_TOGETHER: usize = 4 << 20;

/// Bytes of a line that are looked through again to find where its patterns fit; then the rest of it is as one match.
const LOOKED_THROUGH: usize = 100_000;

/// Longest part of what is wrong with a pattern, in characters.
const REASON_CHARACTERS: usize = 200;

/// Checks a pattern that is to be added, and compiles it for that.
pub(super) fn check(text: &str) -> Result<(), String> {
    fit([text].into_iter())?;
    single(text).map(drop)
}

/// Checks that patterns are affordable, each and together, without compiling one.
pub(super) fn fit<'a>(patterns: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut cost = Cost::default();
    for text in patterns {
        let hir = read(text)?;
        let mut alone = Cost::default();
        alone.add(&hir, 1);
        alone.within(MOST_PLACES, MOST_RANGES)?;
        cost.add(&hir, 1);
    }
    cost.within(MOST_PLACES_TOGETHER, MOST_RANGES_TOGETHER)
        .map_err(|reason| format!("together with the others {reason}"))
}

fn read(text: &str) -> Result<Hir, String> {
    if text.len() > MOST_BYTES {
        return Err(format!("is longer than {MOST_BYTES} bytes"));
    }
    let mut parser = regex_syntax::ParserBuilder::new().case_insensitive(true).nest_limit(DEEPEST).build();
    let hir = parser.parse(text).map_err(|error| reason(&error.to_string()))?;
    if hir.properties().minimum_len() == Some(0) {
        return Err("fits a text in which there is nothing".to_owned());
    }
    Ok(hir)
}

fn single(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .case_insensitive(true)
        .nest_limit(DEEPEST)
        .size_limit(COMPILED_BYTES)
        .dfa_size_limit(CACHE_BYTES)
        .build()
        .map_err(|error| reason(&error.to_string()))
}

/// The last line of what regex says, which is the point of it.
fn reason(said: &str) -> String {
    let line = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(said).trim();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    line.chars().take(REASON_CHARACTERS).collect()
}

/// What patterns cost: a search is in no more places at once than there are for one character.
#[derive(Clone, Debug, Default)]
struct Cost {
    /// Where ranges of characters begin and end, and how many places have them.
    edges: Vec<(u32, i64)>,
    ranges: u64,
    places: u64,
}

impl Cost {
    fn add(&mut self, hir: &Hir, times: u64) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => {
                for character in String::from_utf8_lossy(&literal.0).chars() {
                    self.range(character as u32, character as u32, times);
                }
            }
            HirKind::Class(Class::Unicode(class)) => {
                class.iter().for_each(|range| self.range(range.start() as u32, range.end() as u32, times));
            }
            HirKind::Class(Class::Bytes(class)) => {
                class.iter().for_each(|range| self.range(range.start().into(), range.end().into(), times));
            }
            HirKind::Repetition(repeated) => {
                let open = u32::from(repeated.max.is_none());
                let most = repeated.max.unwrap_or(repeated.min).saturating_add(open);
                self.add(&repeated.sub, times.saturating_mul(most.into()));
            }
            HirKind::Capture(capture) => self.add(&capture.sub, times),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().for_each(|part| self.add(part, times)),
        }
    }

    fn range(&mut self, start: u32, end: u32, times: u64) {
        let signed = i64::try_from(times).unwrap_or(i64::MAX);
        self.edges.push((start, signed));
        self.edges.push((end + 1, signed.saturating_neg()));
        self.ranges = self.ranges.saturating_add(times);
    }

    /// Places that the same character fits, at most.
    fn most_places(&mut self) -> u64 {
        self.edges.sort_unstable();
        let (mut now, mut most) = (0_i64, 0);
        for (_, change) in &self.edges {
            now = now.saturating_add(*change);
            most = most.max(now);
        }
        most.unsigned_abs()
    }

    fn within(&mut self, places: u64, ranges: u64) -> Result<(), String> {
        self.places = self.most_places();
        if self.places > places {
            return Err(format!("repeats too much: one character fits {} places, at most {places}", self.places));
        }
        if self.ranges > ranges {
            return Err(format!("is too large: {} ranges of characters, at most {ranges}", self.ranges));
        }
        Ok(())
    }
}

/// A pattern, ready to be searched.
#[derive(Debug)]
pub(super) struct Pattern {
    /// As it was added.
    pub(super) text: String,
    /// What becomes of a line that it fits.
    pub(super) measure: Measure,
    regex: Regex,
}

/// All patterns of a set of rules.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// Fits whatever one of them fits, and a little more. Without it, they are searched for one by one.
    set: Option<RegexSet>,
    each: Vec<Pattern>,
}

impl Patterns {
    /// Patterns in the order of their text. Those that staff have added at the same moment, each with an eye on what was
    /// there, may come to more than is affordable: up to twice of it they are searched for, and then the oldest.
    pub(super) fn new(patterns: &BTreeMap<String, Entry>) -> Self {
        let (mut readable, mut cost) = (Vec::new(), Cost::default());
        for (text, entry) in patterns {
            let Ok(hir) = read(text) else { continue };
            cost.add(&hir, 1);
            readable.push((text, entry, hir));
        }
        if cost.within(2 * MOST_PLACES_TOGETHER, 2 * MOST_RANGES_TOGETHER).is_err() {
            readable = affordable(readable);
        }
        let (mut each, mut loose) = (Vec::new(), Vec::new());
        for (text, entry, hir) in readable {
            let Ok(regex) = single(text) else { continue };
            loose.push(loosened(text, &hir));
            each.push(Pattern { text: text.clone(), measure: entry.measure, regex });
        }
        let set = RegexSetBuilder::new(loose)
            .nest_limit(2 * DEEPEST)
            .size_limit(COMPILED_BYTES_TOGETHER)
            .dfa_size_limit(CACHE_BYTES_TOGETHER)
            .build();
        Self { set: set.ok(), each }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// Tells where patterns fit: each place of those that mask, the first of others.
    pub(super) fn search<'a>(&'a self, clean: &Clean, mut hit: impl FnMut(&'a Pattern, (u32, u32))) {
        let text = clean.text();
        let mut left = LOOKED_THROUGH;
        let fitting = self.set.as_ref().map(|set| set.matches(text));
        let may_fit = |index: usize| fitting.as_ref().is_none_or(|fitting| fitting.matched(index));
        for pattern in self.each.iter().enumerate().filter(|(index, _)| may_fit(*index)).map(|(_, pattern)| pattern) {
            let mut from = 0;
            while let Some(found) = pattern.regex.find_at(text, from) {
                left = left.saturating_sub(text.len() - from);
                let range: Range<usize> = if left == 0 { found.start()..text.len() } else { found.range() };
                from = range.end;
                hit(pattern, clean.origin(range));
                if pattern.measure != Measure::Mask {
                    break;
                }
            }
        }
    }
}

/// A pattern that can be read: as it was added, what is known of it, and what it says.
type Readable<'a> = (&'a String, &'a Entry, Hir);

/// The oldest of patterns that are affordable together, in the order of their text.
fn affordable(mut patterns: Vec<Readable<'_>>) -> Vec<Readable<'_>> {
    patterns.sort_unstable_by_key(|(_, entry, _)| entry.number);
    let mut cost = Cost::default();
    patterns.retain(|(.., hir)| {
        let mut alone = Cost::default();
        alone.add(hir, 1);
        if cost.ranges.saturating_add(alone.ranges) > 2 * MOST_RANGES_TOGETHER {
            return false;
        }
        let mut with = cost.clone();
        with.add(hir, 1);
        let fits = with.within(2 * MOST_PLACES_TOGETHER, 2 * MOST_RANGES_TOGETHER).is_ok();
        if fits {
            cost = with;
        }
        fits
    });
    patterns.sort_unstable_by_key(|(text, ..)| *text);
    patterns
}

/// What is searched for a pattern at first; the pattern itself should that be nested too deep as it is written out.
fn loosened(text: &str, hir: &Hir) -> String {
    let loose = without_words(hir).to_string();
    let is_readable = regex_syntax::ParserBuilder::new().nest_limit(2 * DEEPEST).build().parse(&loose).is_ok();
    if is_readable { loose } else { format!("(?i:{text})") }
}

/// A pattern without its word boundaries, which no automaton finds in a text that isn't ASCII: one `\b` would make all of
/// them slow. It fits wherever the pattern does, and what it fits is looked at again.
fn without_words(hir: &Hir) -> Hir {
    let parts = |parts: &[Hir]| parts.iter().map(without_words).collect();
    match hir.kind() {
        HirKind::Look(Look::Start | Look::End | Look::StartLF | Look::EndLF | Look::StartCRLF | Look::EndCRLF) => {
            hir.clone()
        }
        HirKind::Look(_) => Hir::empty(),
        HirKind::Repetition(repeated) => {
            Hir::repetition(Repetition { sub: Box::new(without_words(&repeated.sub)), ..repeated.clone() })
        }
        HirKind::Capture(capture) => without_words(&capture.sub),
        HirKind::Concat(all) => Hir::concat(parts(all)),
        HirKind::Alternation(all) => Hir::alternation(parts(all)),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => hir.clone(),
    }
}
