//! What lines look like: something in a row, heaps of marks, writing turned around.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use super::fold::is_invisible;

/// Marks that one letter may have: Hebrew and Arabic have up to three or four.
const MOST_MARKS: usize = 4;

/// A text in parts that people see as one character each: the site's emojis, and graphemes. Tells where each begins, and
/// whether it is an emoji.
pub(super) fn characters<'a>(text: &'a str, emojis: &[Range<usize>], mut each: impl FnMut(usize, &'a str, bool)) {
    let mut from = 0;
    let end = text.len()..text.len();
    for emoji in emojis.iter().chain([&end]) {
        for (offset, grapheme) in text[from..emoji.start].grapheme_indices(true) {
            each(from + offset, grapheme, false);
        }
        if !emoji.is_empty() {
            each(emoji.start, &text[emoji.clone()], true);
        }
        from = emoji.end;
    }
}

/// A row of the same.
struct Row<'a> {
    of: &'a str,
    count: u32,
    beyond: Option<usize>,
}

impl<'a> Row<'a> {
    fn new() -> Self {
        Self { of: "", count: 0, beyond: None }
    }

    /// Whether it has too many now. Asterisks are what masks leave, and never too many.
    fn goes_on(&mut self, most: u32, at: usize, with: &'a str) -> Option<usize> {
        if with != self.of || with.is_empty() || with.bytes().all(|byte| byte == b'*') {
            (self.of, self.count, self.beyond) = (with, 1, None);
            return None;
        }
        self.count = self.count.saturating_add(1);
        if self.count > most && self.beyond.is_none() {
            self.beyond = Some(at);
        }
        self.beyond
    }
}

/// Tells what is behind the `most`-th character or word of a row.
pub(super) fn repeats(text: &str, emojis: &[Range<usize>], most: u32, mut hit: impl FnMut(Range<usize>)) {
    let mut row = Row::new();
    let mut span: Option<Range<usize>> = None;
    let mut tell = |start: usize, end: usize, hit: &mut dyn FnMut(Range<usize>)| {
        if let Some(known) = span.as_mut().filter(|known| known.start == start) {
            known.end = end;
        } else if let Some(done) = span.replace(start..end) {
            hit(done);
        }
    };
    characters(text, emojis, |at, character, is_emoji| {
        if !is_emoji && character.chars().all(is_invisible) {
            return;
        }
        let is_space = character.chars().all(char::is_whitespace);
        if let Some(start) = row.goes_on(most, at, if is_space { "" } else { character }) {
            tell(start, at + character.len(), &mut hit);
        }
    });
    let mut row = Row::new();
    let mut behind = 0;
    for word in text.split_whitespace() {
        let at = behind + text[behind..].find(word).unwrap_or_default();
        behind = at + word.len();
        if let Some(start) = row.goes_on(most, at, word) {
            tell(start, at + word.len(), &mut hit);
        }
    }
    if let Some(last) = span {
        hit(last);
    }
}

/// Tells of heaps of marks: all marks of a letter that has more than [`MOST_MARKS`].
///
/// They are counted on a letter and not in a grapheme, which in Indic scripts has several letters. What colours emojis, and
/// the frame of keycaps, is no mark here.
pub(super) fn marks(text: &str, mut hit: impl FnMut(Range<usize>)) {
    if text.is_ascii() {
        return;
    }
    let (mut count, mut heap) = (0, 0..0);
    for (at, character) in text.char_indices() {
        if is_invisible(character) && character != '\u{34f}' || character == '\u{20e3}' {
            continue;
        }
        if !character.is_ascii() && is_combining_mark(character) {
            if count == 0 {
                heap.start = at;
            }
            count += 1;
            heap.end = at + character.len_utf8();
            continue;
        }
        if count > MOST_MARKS {
            hit(heap.clone());
        }
        count = 0;
    }
    if count > MOST_MARKS {
        hit(heap);
    }
}

/// Tells of controls that turn the direction of writing: overrides, embeddings, isolates, and their ends.
pub(super) fn directions(text: &str, mut hit: impl FnMut(Range<usize>)) {
    if text.is_ascii() {
        return;
    }
    for (at, character) in text.char_indices() {
        if matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            hit(at..at + character.len_utf8());
        }
    }
}
