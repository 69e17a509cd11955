//! A text without what nobody sees, its characters in the form in which they are usually typed, for patterns and links.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::fold::is_invisible;

/// ㄱ to ㅎ, in Unicode's order of initials.
const LEADS: [char; 19] =
    ['ㄱ', 'ㄲ', 'ㄴ', 'ㄷ', 'ㄸ', 'ㄹ', 'ㅁ', 'ㅂ', 'ㅃ', 'ㅅ', 'ㅆ', 'ㅇ', 'ㅈ', 'ㅉ', 'ㅊ', 'ㅋ', 'ㅌ', 'ㅍ', 'ㅎ'];

/// A text made clean. One is used for many texts.
#[derive(Debug, Default)]
pub(super) struct Clean {
    text: String,
    /// The bytes in the text that each byte comes from; empty when it is the text as it stands.
    from: Vec<(u32, u32)>,
    run: String,
}

impl Clean {
    /// Makes a text clean. Where `emojis` are, sorted, there is nothing. With `dots`, the full stop of Chinese and Japanese,
    /// which hosts may be written with, is one.
    pub(super) fn read(&mut self, text: &str, emojis: &[Range<usize>], dots: bool) {
        self.text.clear();
        self.from.clear();
        if emojis.is_empty() && text.chars().all(is_stable) {
            self.text.push_str(text);
            return;
        }
        let mut from = 0;
        for emoji in emojis {
            self.part(text, from..emoji.start, dots);
            from = emoji.end;
        }
        self.part(text, from..text.len(), dots);
    }

    /// What is left.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Where a range of it comes from.
    pub(super) fn origin(&self, range: Range<usize>) -> (u32, u32) {
        match (self.from.get(range.start), range.end.checked_sub(1).and_then(|last| self.from.get(last))) {
            (Some(first), Some(last)) => (first.0, last.1),
            _ => (range.start as u32, range.end as u32),
        }
    }

    fn part(&mut self, text: &str, range: Range<usize>, dots: bool) {
        let base = range.start;
        let mut characters = text[range].char_indices().peekable();
        while let Some((offset, character)) = characters.next() {
            if is_invisible(character) {
                continue;
            }
            let start = base + offset;
            let mut end = start + character.len_utf8();
            self.run.clear();
            self.run.push(character);
            while let Some((_, next)) = characters.next_if(|(_, next)| joins(*next)) {
                self.run.push(next);
                end += next.len_utf8();
            }
            let is_alone = end - start == character.len_utf8();
            if is_alone && is_stable(character) {
                self.text.push(character);
            } else {
                let typed = self.run.nfkc().map(as_typed);
                self.text.extend(typed.map(|one| if dots && one == '。' { '.' } else { one }));
            }
            self.from.resize(self.text.len(), (start as u32, end as u32));
        }
    }
}

/// Whether a character makes one with what is before it.
fn joins(character: char) -> bool {
    matches!(character, '\u{1161}'..='\u{1175}' | '\u{11a8}'..='\u{11c2}')
        || !character.is_ascii() && !is_invisible(character) && is_combining_mark(character)
}

/// What most texts consist of, and stays as it is.
fn is_stable(character: char) -> bool {
    matches!(character, '\t' | '\n' | ' '..='~' | '가'..='힣' | '\u{3131}'..='\u{3163}')
}

/// Jamo that stand alone as keyboards type them.
fn as_typed(character: char) -> char {
    let number = character as u32;
    match number {
        0x1100..=0x1112 => LEADS[number as usize - 0x1100],
        0x1161..=0x1175 => char::from_u32(number - 0x1161 + 0x314f).unwrap_or(character),
        _ => character,
    }
}
