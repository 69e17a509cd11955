//! Words, whatever people do to their letters; and what has them inside of it by chance, left alone.

use std::collections::BTreeMap;

use aho_corasick::automaton::{Automaton, OverlappingState};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Input, MatchKind};

use super::check::{check, check_latin};
use super::fold::{Folded, Kind, gap};
use super::views::{View, Way, leet, sign_as_latin};
use crate::model::filter::{Entry, Measure};

/// Longest word in characters.
pub(super) const MOST_CHARACTERS: usize = 50;

/// Stands for any letter in [`Word::plain`]: words that fold to the same differ here.
pub(super) const ANY: u8 = 0;

/// What a word is made of, which decides how it is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Script {
    /// Hangul alone.
    Hangul,
    /// Letters with capitals, and digits.
    Latin,
    /// Digits alone.
    Digits,
    /// Anything else, or several of these.
    Mixed,
}

/// A word, ready to be searched.
#[derive(Clone, Debug)]
pub(super) struct Word {
    /// As it was added.
    pub(super) text: String,
    /// What becomes of a line that has it.
    pub(super) measure: Measure,
    /// What it is made of.
    pub(super) script: Script,
    /// Before digits and symbols became letters, if it is Latin.
    pub(super) plain: Vec<u8>,
    /// Where in its folded bytes white space stands.
    pub(super) spaces: Vec<u32>,
    /// Whether letters may stand right before it.
    pub(super) open_start: bool,
    /// Whether letters may stand right behind it.
    pub(super) open_end: bool,
    /// Whether all of it is letters of Hangul that nobody composed.
    pub(super) jamo_only: bool,
}

/// Checks and trims a word that is to be added.
pub(super) fn tidy(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.chars().count() > MOST_CHARACTERS {
        return Err(format!("is longer than {MOST_CHARACTERS} characters"));
    }
    let mut folded = Folded::default();
    folded.read(text, &[]);
    let letters: Vec<_> = folded.atoms.iter().filter(|atom| atom.kind != Kind::Sign || is_letter(atom.raw)).collect();
    match letters.as_slice() {
        [] => Err("has no letter or digit".to_owned()),
        [one] if one.kind != Kind::Syllable && !stands_alone(one.raw) => {
            Err("is too short: has at least two letters".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}

/// Whether one character is a word: Han and kana aren't spelled.
fn stands_alone(raw: char) -> bool {
    matches!(raw, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// In words, unlike in texts, an exclamation mark is one.
fn is_letter(sign: char) -> bool {
    matches!(sign, '@' | '$')
}

/// A word with its folded bytes; none when it isn't one.
fn fold(text: &str, entry: &Entry) -> Option<(Vec<u8>, Word)> {
    tidy(text).ok()?;
    let trimmed = text.trim();
    let mut folded = Folded::default();
    folded.read(trimmed, &[]);
    let (mut plain, mut bytes, mut spaces, mut last) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut kinds = Vec::new();
    for atom in &folded.atoms {
        last |= atom.gap;
        if atom.kind == Kind::Sign && !is_letter(atom.raw) {
            continue;
        }
        if last & gap::SPACE != 0 {
            spaces.push(bytes.len() as u32);
        }
        last = 0;
        kinds.push(atom.kind);
        if atom.kind == Kind::Sign {
            bytes.push(sign_as_latin(atom.raw));
            plain.push(b'#');
        } else {
            bytes.extend_from_slice(folded.codes(atom));
            plain.extend_from_slice(folded.codes(atom));
        }
    }
    let script = script(&kinds);
    if script == Script::Latin {
        bytes.iter_mut().for_each(|byte| *byte = leet(*byte));
    } else {
        plain.clear();
    }
    let word = Word {
        text: text.to_owned(),
        measure: entry.measure,
        script,
        plain,
        spaces,
        open_start: trimmed.starts_with('*'),
        open_end: trimmed.ends_with('*'),
        jamo_only: kinds.iter().all(|kind| *kind == Kind::Jamo),
    };
    Some((bytes, word))
}

fn script(kinds: &[Kind]) -> Script {
    let all = |fits: fn(&Kind) -> bool| kinds.iter().all(fits);
    if all(|kind| kind.is_hangul()) {
        Script::Hangul
    } else if all(|kind| *kind == Kind::Digit) {
        Script::Digits
    } else if all(|kind| matches!(kind, Kind::Cased | Kind::Digit | Kind::Sign)) && kinds.contains(&Kind::Cased) {
        Script::Latin
    } else {
        Script::Mixed
    }
}

/// Where a word was found in a text, in bytes.
pub(super) type Hit<'a> = (&'a Word, u32, u32);

/// Words of a kind, searched together.
#[derive(Debug)]
struct Set {
    automaton: NFA,
    words: Vec<Word>,
}

impl Set {
    /// None without words.
    fn new(words: BTreeMap<(Vec<u8>, bool, bool), Word>) -> Option<Self> {
        if words.is_empty() {
            return None;
        }
        let automaton = NFA::builder().match_kind(MatchKind::Standard).build(words.keys().map(|(bytes, ..)| bytes));
        Some(Self { automaton: automaton.ok()?, words: words.into_values().collect() })
    }

    fn search<'a>(&'a self, view: &View, mut found: impl FnMut(&'a Word, usize, usize)) {
        let input = Input::new(&view.bytes);
        let mut state = OverlappingState::start();
        while self.automaton.try_find_overlapping(&input, &mut state).is_ok() {
            let Some(hit) = state.get_match() else { return };
            found(&self.words[hit.pattern().as_usize()], hit.start(), hit.end());
        }
    }

    fn memory(&self) -> usize {
        let words: usize = self.words.iter().map(|word| size_of::<Word>() + word.text.len() + word.plain.len()).sum();
        self.automaton.memory_usage() + words
    }
}

/// All words of a set of rules.
#[derive(Debug, Default)]
pub(super) struct Words {
    hangul: Option<Set>,
    latin: Option<Set>,
    others: Option<Set>,
}

impl Words {
    /// Words in the order of their text; what is none is left out.
    pub(super) fn new(words: &BTreeMap<String, Entry>) -> Self {
        let (mut hangul, mut latin, mut others) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (bytes, word) in words.iter().filter_map(|(text, entry)| fold(text, entry)) {
            let set = match word.script {
                Script::Hangul => &mut hangul,
                Script::Latin => &mut latin,
                Script::Digits | Script::Mixed => &mut others,
            };
            let key = (bytes, word.open_start, word.open_end);
            match set.get_mut(&key) {
                None => drop(set.insert(key, word)),
                Some(known) => merge(known, word),
            }
        }
        Self { hangul: Set::new(hangul), latin: Set::new(latin), others: Set::new(others) }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.hangul.is_none() && self.latin.is_none() && self.others.is_none()
    }

    /// Bytes that they take, about.
    pub(super) fn memory(&self) -> usize {
        [&self.hangul, &self.latin, &self.others].into_iter().flatten().map(Set::memory).sum()
    }

    /// Tells every word that a text has.
    pub(super) fn search<'a>(&'a self, text: &str, folded: &Folded, view: &mut View, mut hit: impl FnMut(Hit<'a>)) {
        if let Some(set) = self.hangul.as_ref().filter(|_| folded.hangul) {
            for way in [Way::Plain, Way::Hangul, Way::Jamo] {
                let differs = way == Way::Plain || folded.atoms.iter().any(|atom| !atom.kind.is_hangul());
                if !differs {
                    break;
                }
                view.read(way, folded);
                if way == Way::Jamo && !view.guesses {
                    continue;
                }
                set.search(view, |word, from, to| {
                    if let Some((start, end)) = check(way, view, word, from, to) {
                        hit((word, start, end));
                    }
                });
            }
        }
        if let Some(set) = self.latin.as_ref().filter(|_| folded.cased) {
            view.read(Way::Latin, folded);
            search_latin(set, text, view, &mut hit);
            if folded.atoms.iter().any(|atom| atom.kind == Kind::Sign && sign_as_latin(atom.raw) != b'#') {
                view.read(Way::Signs, folded);
                search_latin(set, text, view, &mut hit);
            }
        }
        if let Some(set) = &self.others {
            view.read(Way::Plain, folded);
            set.search(view, |word, from, to| {
                if let Some((start, end)) = check(Way::Plain, view, word, from, to) {
                    hit((word, start, end));
                }
            });
        }
    }
}

fn search_latin<'a>(set: &'a Set, text: &str, view: &View, hit: &mut impl FnMut(Hit<'a>)) {
    set.search(view, |word, from, to| {
        if let Some((start, end)) = check_latin(text, view, word, from, to) {
            hit((word, start, end));
        }
    });
}

/// Words that fold to the same are one: whatever has one has the other, and the worse measure decides.
fn merge(known: &mut Word, other: Word) {
    known.spaces.extend(other.spaces);
    known.spaces.sort_unstable();
    known.spaces.dedup();
    known.jamo_only &= other.jamo_only;
    for (one, two) in known.plain.iter_mut().zip(&other.plain) {
        if one != two {
            *one = ANY;
        }
    }
    if other.measure > known.measure {
        (known.text, known.measure) = (other.text, other.measure);
    }
}
