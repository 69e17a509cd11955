//! A text with asterisks.

use std::ops::Range;

use super::shape::characters;

/// What of a text is to be covered. One is used for many texts.
#[derive(Debug, Default)]
pub(super) struct Cover {
    /// For each byte, up to where what begins there is covered. As many as there are once something is.
    reach: Vec<u32>,
    /// What is covered with the site's emojis in it.
    rows: Vec<Range<usize>>,
    /// What vanishes: marks and controls, which have no place of their own.
    gone: Vec<Range<usize>>,
    is_whole: bool,
}

impl Cover {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.reach.clear();
        self.rows.clear();
        self.gone.clear();
        self.is_whole = false;
    }

    /// Covers a range of `text`, but for the site's emojis in it.
    pub(super) fn add(&mut self, text: &str, start: u32, end: u32) {
        if self.reach.is_empty() {
            self.reach.resize(text.len() + 1, 0);
        }
        if let Some(reach) = self.reach.get_mut(start as usize) {
            *reach = end.max(*reach);
        }
    }

    /// Covers a range with the site's emojis in it.
    pub(super) fn row(&mut self, range: Range<usize>) {
        self.rows.push(range);
    }

    /// Takes a range out.
    pub(super) fn take(&mut self, range: Range<usize>) {
        self.gone.push(range);
    }

    /// Covers everything but the site's emojis.
    pub(super) fn all(&mut self) {
        self.is_whole = true;
    }

    /// The text with an asterisk for each character of what is covered, but for white space. Never longer than it was.
    pub(super) fn apply(&mut self, text: &str, emojis: &[Range<usize>]) -> String {
        self.rows.sort_unstable_by_key(|range| range.start);
        self.gone.sort_unstable_by_key(|range| range.start);
        let mut masked = String::with_capacity(text.len());
        let (mut reached, mut rows, mut gone) = (0, self.rows.iter().peekable(), self.gone.iter().peekable());
        characters(text, emojis, |at, character, is_emoji| {
            let end = at + character.len();
            let begun = self.reach.get(at..end).unwrap_or_default().iter().copied().max().unwrap_or_default();
            reached = reached.max(begun as usize);
            while rows.next_if(|row| row.end <= at).is_some() {}
            let is_row = rows.peek().is_some_and(|row| row.start < end);
            let is_covered = is_row || !is_emoji && (self.is_whole || reached > at);
            if is_covered && !character.chars().all(char::is_whitespace) {
                masked.push('*');
                return;
            }
            for (offset, one) in character.char_indices() {
                while gone.next_if(|range| range.end <= at + offset).is_some() {}
                if gone.peek().is_none_or(|range| range.start > at + offset) {
                    masked.push(one);
                }
            }
        });
        masked
    }
}
