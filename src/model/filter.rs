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

/// A word or a pattern, as it stands in a set of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What becomes of a line that has it.
    pub measure: Measure,
    /// Its number in this set of rules: none is given twice.
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
