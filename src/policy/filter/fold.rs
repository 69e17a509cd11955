//! A text as its letters: what is written differently and reads the same becomes the same bytes.
//!
//! Hangul becomes jamo of one alphabet, a byte below 0x20 each, doubled and compound ones as their parts; everything
//! else is UTF-8 in lower case. No byte of one can be a byte of the other, so one automaton searches both.

use std::ops::Range;

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

// ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅛㅜㅠㅡㅣ are 1 to 28. Order of the tables: Unicode's.

/// ㅋ, which people hang on the end of a word that is over.
pub(super) const KIEUK: u8 = 11;

const LEADS: [&[u8]; 19] = [
    &[1],
    &[1, 1],
    &[2],
    &[3],
    &[3, 3],
    &[4],
    &[5],
    &[6],
    &[6, 6],
    &[7],
    &[7, 7],
    &[8],
    &[9],
    &[9, 9],
    &[10],
    &[11],
    &[12],
    &[13],
    &[14],
];

const VOWELS: [&[u8]; 21] = [
    &[15],
    &[16],
    &[17],
    &[18],
    &[19],
    &[20],
    &[21],
    &[22],
    &[23],
    &[23, 15],
    &[23, 16],
    &[23, 28],
    &[24],
    &[25],
    &[25, 19],
    &[25, 20],
    &[25, 28],
    &[26],
    &[27],
    &[27, 28],
    &[28],
];

const TAILS: [&[u8]; 27] = [
    &[1],
    &[1, 1],
    &[1, 7],
    &[2],
    &[2, 9],
    &[2, 14],
    &[3],
    &[4],
    &[4, 1],
    &[4, 5],
    &[4, 6],
    &[4, 7],
    &[4, 12],
    &[4, 13],
    &[4, 14],
    &[5],
    &[6],
    &[6, 7],
    &[7],
    &[7, 7],
    &[8],
    &[9],
    &[10],
    &[11],
    &[12],
    &[13],
    &[14],
];

/// What stood between a letter and the one before it.
pub(super) mod gap {
    /// White space.
    pub(in crate::policy::filter) const SPACE: u8 = 1;
    /// Punctuation, symbols.
    pub(in crate::policy::filter) const MARK: u8 = 2;
    /// One of the site's emojis.
    pub(in crate::policy::filter) const EMOJI: u8 = 4;
    /// Letters or digits that this way of reading leaves out.
    pub(in crate::policy::filter) const DROPPED: u8 = 8;
    /// The last of it was such a letter.
    pub(in crate::policy::filter) const ADJACENT: u8 = 16;
}

/// What a letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Hangul that was composed: a syllable, a cluster in a circle.
    Syllable,
    /// Hangul's letter alone, or a doubled one.
    Jamo,
    /// A letter of a script with capitals.
    Cased,
    /// 0 to 9.
    Digit,
    /// Whatever else is a letter or a number.
    Other,
    /// A symbol that may stand for a letter; else it separates.
    Sign,
}

impl Kind {
    /// Whether it is Hangul.
    pub(super) fn is_hangul(self) -> bool {
        matches!(self, Self::Syllable | Self::Jamo)
    }
}

/// A letter of the text with what it is folded to.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    /// Its bytes in the text.
    pub(super) start: u32,
    /// Behind its last byte.
    pub(super) end: u32,
    /// Bits of [`gap`].
    pub(super) gap: u8,
    /// What it is.
    pub(super) kind: Kind,
    /// The first character of its compatibility decomposition, in the case in which it stood.
    pub(super) raw: char,
    from: u32,
    to: u32,
}

/// A text as letters. One is used for many texts.
#[derive(Debug, Default)]
pub(super) struct Folded {
    /// The letters, and symbols that may stand for some.
    pub(super) atoms: Vec<Atom>,
    codes: Vec<u8>,
    /// What stands behind the last letter.
    pub(super) rest: u8,
    /// Whether a letter is Hangul.
    pub(super) hangul: bool,
    /// Whether a letter has capitals.
    pub(super) cased: bool,
    /// Whether there is anything but ASCII.
    pub(super) wide: bool,
}

impl Folded {
    /// What a letter is folded to.
    pub(super) fn codes(&self, atom: &Atom) -> &[u8] {
        &self.codes[atom.from as usize..atom.to as usize]
    }

    /// Reads a text anew. Where `emojis` are, sorted, nothing is read.
    pub(super) fn read(&mut self, text: &str, emojis: &[Range<usize>]) {
        self.atoms.clear();
        self.codes.clear();
        (self.rest, self.hangul, self.cased, self.wide) = (0, false, false, false);
        let mut from = 0;
        for emoji in emojis {
            self.part(text, from..emoji.start);
            self.rest |= gap::EMOJI;
            from = emoji.end;
        }
        self.part(text, from..text.len());
    }

    fn part(&mut self, text: &str, range: Range<usize>) {
        for (offset, character) in text[range.clone()].char_indices() {
            let start = range.start + offset;
            if character.is_ascii() {
                self.ascii(character, start);
            } else {
                self.wide = true;
                self.wide(character, start);
            }
        }
    }

    fn ascii(&mut self, character: char, start: usize) {
        let byte = character as u8;
        let kind = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => Kind::Cased,
            b'0'..=b'9' => Kind::Digit,
            b' ' | b'\t'..=b'\r' => {
                self.rest |= gap::SPACE;
                return;
            }
            b'!' | b'@' | b'$' | b'|' | b'^' | b'+' => Kind::Sign,
            0..0x20 | 0x7f => return,
            _ => {
                self.rest |= gap::MARK;
                return;
            }
        };
        self.cased |= kind == Kind::Cased;
        let from = self.codes.len();
        self.codes.push(byte.to_ascii_lowercase());
        self.push(start, 1, kind, character, from);
    }

    fn wide(&mut self, character: char, start: usize) {
        if is_invisible(character) {
            return;
        }
        if character.is_whitespace() || character == '\u{2800}' {
            self.rest |= gap::SPACE;
            return;
        }
        if is_combining_mark(character) {
            self.mark(character, start);
            return;
        }
        if self.joins(character) {
            self.join(character, start);
            return;
        }
        let from = self.codes.len();
        let (mut kind, mut raw, mut parts) = (None, character, 0);
        let codes = &mut self.codes;
        decompose_compatible(character, |part| {
            let Some(found) = fold(part, kind, codes) else { return };
            parts += 1;
            if kind.is_none() {
                (kind, raw) = (Some(found), part);
            }
        });
        let Some(mut kind) = kind else {
            self.rest |= gap::MARK;
            return;
        };
        if kind == Kind::Jamo && parts > 1 {
            kind = Kind::Syllable;
        }
        self.hangul |= kind.is_hangul();
        self.cased |= kind == Kind::Cased;
        self.push(start, character.len_utf8(), kind, raw, from);
    }

    fn push(&mut self, start: usize, len: usize, kind: Kind, raw: char, from: usize) {
        let (from, to) = (from as u32, self.codes.len() as u32);
        let (start, end) = (start as u32, (start + len) as u32);
        self.atoms.push(Atom { start, end, gap: self.rest, kind, raw, from, to });
        self.rest = 0;
    }

    /// Whether a vowel or a final of decomposed Hangul belongs to what stands before it.
    fn joins(&self, character: char) -> bool {
        let last = self.atoms.last().filter(|_| self.rest == 0);
        matches!(character, '\u{1161}'..='\u{1175}' | '\u{11a8}'..='\u{11c2}')
            && last.is_some_and(|last| matches!(last.raw, '\u{1100}'..='\u{1175}') && last.kind.is_hangul())
    }

    fn join(&mut self, character: char, start: usize) {
        let _ = fold(character, None, &mut self.codes);
        if let Some(last) = self.atoms.last_mut() {
            (last.end, last.to, last.kind) =
                ((start + character.len_utf8()) as u32, self.codes.len() as u32, Kind::Syllable);
        }
    }

    /// Strokes and accents are nothing, unless they are what tells letters of their script apart: か and が.
    fn mark(&mut self, character: char, start: usize) {
        let last = self.atoms.last_mut().filter(|last| last.kind == Kind::Other && self.rest == 0);
        let Some(last) = last.filter(|_| !is_accent(character)) else { return };
        let mut bytes = [0; 4];
        self.codes.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
        (last.end, last.to) = ((start + character.len_utf8()) as u32, self.codes.len() as u32);
    }
}

/// Folds one character that can't be decomposed; none when it is no letter. `base` is what it was decomposed with.
fn fold(part: char, base: Option<Kind>, codes: &mut Vec<u8>) -> Option<Kind> {
    let number = part as usize;
    let jamo = match number {
        0x1100..=0x1112 => LEADS[number - 0x1100],
        0x1161..=0x1175 => VOWELS[number - 0x1161],
        0x11a8..=0x11c2 => TAILS[number - 0x11a8],
        // ㅀ and ㅄ alone, which Unicode takes for old initials.
        0x111a => &[4, 14],
        0x1121 => &[6, 7],
        _ => &[],
    };
    if !jamo.is_empty() {
        codes.extend_from_slice(jamo);
        return Some(Kind::Jamo);
    }
    if let Some(plain) = confusable(part) {
        codes.push(plain);
        return Some(if plain.is_ascii_digit() { Kind::Digit } else { Kind::Cased });
    }
    if is_combining_mark(part) && (base != Some(Kind::Other) || is_accent(part)) {
        return None;
    }
    let mut bytes = [0; 4];
    if !part.is_alphanumeric() && !is_combining_mark(part) {
        let is_sign = look_alike_sign(part);
        if is_sign {
            codes.extend_from_slice(part.encode_utf8(&mut bytes).as_bytes());
        }
        return is_sign.then_some(Kind::Sign);
    }
    for lower in part.to_lowercase() {
        codes.extend_from_slice(lower.encode_utf8(&mut bytes).as_bytes());
    }
    Some(if part.is_lowercase() || part.is_uppercase() { Kind::Cased } else { Kind::Other })
}

/// Symbols that `views` reads as letters.
fn look_alike_sign(part: char) -> bool {
    matches!(part, '!' | '@' | '$' | '|' | '^' | '+' | '€' | '○' | '◯' | '∧' | '⊥' | '∟' | '□')
}

/// Accents of no script in particular, and those which are left out in writing (Hebrew's, Arabic's points).
fn is_accent(character: char) -> bool {
    matches!(character,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{302a}'..='\u{302f}' | '\u{fe20}'..='\u{fe2f}')
}

/// Characters that nobody sees and that part nothing. U+2800 and white space are seen: as spaces.
pub(super) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Letters that look like Latin ones and have no decomposition that says so.
///
/// A small table and not the skeletons of `unicode-security`: those are made for comparing identifiers with one another.
/// They turn m into rn, 0 into O and 1 into l, which leet reads otherwise, and they are several characters long. What
/// people write here are Cyrillic and Greek letters and letters in boxes.
fn confusable(part: char) -> Option<u8> {
    let boxed = |first: u32| Some(b'a' + (part as u32 - first) as u8);
    Some(match part {
        'а' | 'А' | 'α' | 'Α' | 'ɑ' | 'ᴀ' => b'a',
        'В' | 'в' | 'Β' | 'ʙ' | 'β' => b'b',
        'с' | 'С' | 'ϲ' | 'ᴄ' => b'c',
        'ԁ' | 'đ' | 'Đ' | 'ᴅ' | 'ɖ' => b'd',
        'е' | 'Е' | 'ε' | 'Ε' | 'є' | 'ᴇ' | 'ə' => b'e',
        'ƒ' | 'ꜰ' => b'f',
        'ɡ' | 'ɢ' => b'g',
        'һ' | 'Н' | 'н' | 'Η' | 'ʜ' => b'h',
        'і' | 'І' | 'ι' | 'Ι' | 'ı' | 'ɪ' => b'i',
        'ј' | 'Ј' | 'ᴊ' => b'j',
        'к' | 'К' | 'κ' | 'Κ' | 'ᴋ' => b'k',
        'ł' | 'Ł' | 'ʟ' | 'ӏ' | 'Ӏ' => b'l',
        'М' | 'м' | 'Μ' | 'ᴍ' => b'm',
        'Ν' | 'η' | 'ɴ' | 'п' => b'n',
        'о' | 'О' | 'ο' | 'Ο' | 'σ' | 'ø' | 'Ø' | 'ᴏ' => b'o',
        'р' | 'Р' | 'ρ' | 'Ρ' | 'ᴘ' => b'p',
        'ԛ' => b'q',
        'ʀ' | 'г' => b'r',
        'ѕ' | 'Ѕ' | 'ꜱ' => b's',
        'т' | 'Т' | 'τ' | 'Τ' | 'ᴛ' | 'ŧ' | 'Ŧ' => b't',
        'υ' | 'ᴜ' | 'ц' => b'u',
        'ν' | 'ᴠ' | 'ѵ' => b'v',
        'ԝ' | 'ω' | 'ᴡ' | 'ш' => b'w',
        'х' | 'Х' | 'χ' | 'Χ' => b'x',
        'у' | 'У' | 'Υ' | 'ү' | 'ʏ' => b'y',
        'Ζ' | 'ᴢ' => b'z',
        '\u{1f150}'..='\u{1f169}' => return boxed(0x1f150),
        '\u{1f170}'..='\u{1f189}' => return boxed(0x1f170),
        '\u{1f1e6}'..='\u{1f1ff}' => return boxed(0x1f1e6),
        _ => return None,
    })
}
