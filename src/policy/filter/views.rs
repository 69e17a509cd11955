//! The ways in which letters are read: as they stand, Hangul alone, look-alikes as Hangul, look-alikes as Latin.

use super::fold::{Atom, Folded, Kind, gap};

/// More letters than these aren't left out between two of Hangul: people slip in one or two.
const MOST_DROPPED: usize = 3;

/// A way of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Letters and digits as they stand.
    Plain,
    /// Hangul alone: `시1발`.
    Hangul,
    /// Digits, Latin and symbols as the jamo that they look like: `ㅅ1발`.
    Jamo,
    /// Digits as Latin letters: `sh1t`.
    Latin,
    /// Digits and symbols as Latin letters: `sh!t`.
    Signs,
}

/// A letter of a view.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// Its first byte in the view.
    pub(super) at: u32,
    /// Its bytes in the text.
    pub(super) start: u32,
    /// Behind its last byte.
    pub(super) end: u32,
    /// Bits of [`gap`].
    pub(super) gap: u8,
    /// What it is.
    pub(super) kind: Kind,
    /// Whether it stands for another than itself.
    pub(super) guess: bool,
}

/// A text, read in one way. One is used for many texts.
#[derive(Debug, Default)]
pub(super) struct View {
    /// What is searched.
    pub(super) bytes: Vec<u8>,
    /// The same before digits and symbols became Latin letters; empty in other ways of reading.
    pub(super) plain: Vec<u8>,
    /// The letter of each byte.
    pub(super) owners: Vec<u32>,
    /// The letters.
    pub(super) letters: Vec<Letter>,
    /// What stands behind the last letter.
    pub(super) rest: u8,
    /// Whether a letter stands for another than itself.
    pub(super) guesses: bool,
    /// Whether anything stands between letters.
    pub(super) gaps: bool,
}

impl View {
    /// Reads letters anew.
    pub(super) fn read(&mut self, way: Way, folded: &Folded) {
        self.bytes.clear();
        self.plain.clear();
        self.owners.clear();
        self.letters.clear();
        (self.rest, self.guesses, self.gaps) = (0, false, false);
        let mut dropped = 0;
        for (index, atom) in folded.atoms.iter().enumerate() {
            self.rest |= atom.gap;
            if atom.gap != 0 {
                self.rest &= !gap::ADJACENT;
            }
            let keeps = match way {
                Way::Plain => self.keep(folded, atom, atom.kind != Kind::Sign),
                Way::Hangul => self.keep(folded, atom, atom.kind.is_hangul()),
                Way::Jamo => self.jamo(folded, index, atom),
                Way::Latin => self.latin(folded, atom, atom.kind != Kind::Sign),
                Way::Signs => self.latin(folded, atom, latin_sign(atom)),
            };
            if keeps {
                dropped = 0;
            } else if atom.kind == Kind::Sign {
                self.rest = self.rest & !gap::ADJACENT | gap::MARK;
            } else {
                dropped += 1;
                self.rest |= gap::DROPPED | gap::ADJACENT;
                if dropped > MOST_DROPPED {
                    // Nothing reaches across both.
                    self.rest |= gap::SPACE;
                }
            }
        }
        self.rest |= folded.rest;
    }

    fn keep(&mut self, folded: &Folded, atom: &Atom, keeps: bool) -> bool {
        if keeps {
            self.push(atom, false, folded.codes(atom));
        }
        keeps
    }

    fn push(&mut self, atom: &Atom, guess: bool, codes: &[u8]) {
        let (at, owner) = (self.bytes.len() as u32, self.letters.len() as u32);
        let &Atom { start, end, kind, .. } = atom;
        self.letters.push(Letter { at, start, end, gap: self.rest, kind, guess });
        self.bytes.extend_from_slice(codes);
        self.owners.resize(self.bytes.len(), owner);
        self.guesses |= guess;
        self.gaps |= self.rest != 0;
        self.rest = 0;
    }

    fn jamo(&mut self, folded: &Folded, index: usize, atom: &Atom) -> bool {
        let stands_for = if atom.kind.is_hangul() { None } else { looks_like_jamo(atom.raw) };
        match stands_for.filter(|_| atom.raw != '^' || !is_smile(&folded.atoms, index)) {
            Some(code) => self.push(atom, true, &[code]),
            None if atom.kind == Kind::Sign => return false,
            None => self.push(atom, false, folded.codes(atom)),
        }
        true
    }

    fn latin(&mut self, folded: &Folded, atom: &Atom, keeps: bool) -> bool {
        if !keeps {
            return false;
        }
        if atom.kind == Kind::Sign {
            // Of one byte, as what it stands for is.
            self.push(atom, true, &[sign_as_latin(atom.raw)]);
            self.plain.push(b'#');
            return true;
        }
        let codes = folded.codes(atom);
        self.push(atom, atom.kind == Kind::Digit, codes);
        self.plain.extend_from_slice(codes);
        let from = self.bytes.len() - codes.len();
        for byte in &mut self.bytes[from..] {
            *byte = leet(*byte);
        }
        true
    }
}

/// Digits as the Latin letters that they stand for. l is i, as 1 and | are both.
pub(super) fn leet(byte: u8) -> u8 {
    match byte {
        b'0' => b'o',
        b'1' | b'l' => b'i',
        b'2' => b'z',
        b'3' => b'e',
        b'4' => b'a',
        b'5' => b's',
        b'6' | b'9' => b'g',
        b'7' => b't',
        b'8' => b'b',
        other => other,
    }
}

fn latin_sign(atom: &Atom) -> bool {
    atom.kind != Kind::Sign || sign_as_latin(atom.raw) != b'#'
}

/// The letter that a symbol stands for, `#` when it stands for none.
pub(super) fn sign_as_latin(sign: char) -> u8 {
    match sign {
        '@' => b'a',
        '$' => b's',
        '!' | '|' => b'i',
        '+' => b't',
        '€' => b'e',
        _ => b'#',
    }
}

/// What may stand for a jamo: seen in chats, one reading each. Lower case where only that looks like it.
fn looks_like_jamo(raw: char) -> Option<u8> {
    Some(match raw {
        '7' | 'フ' => 1,                                // ㄱ
        'L' | '∟' => 2,                                 // ㄴ
        'C' | 'c' | '匚' => 3,                          // ㄷ
        '2' | '己' | '乙' => 4,                         // ㄹ
        '口' | 'ロ' | '□' => 5,                         // ㅁ
        'A' | '^' | '∧' | '人' | 'Λ' | '入' => 7,       // ㅅ
        '0' | 'o' | 'O' | '○' | '◯' | '〇' => 8,        // ㅇ
        'ヲ' | 'ヨ' => 11,                              // ㅋ
        'E' => 12,                                      // ㅌ
        '卜' | 'ト' => 15,                              // ㅏ
        'H' => 16,                                      // ㅐ
        '⊥' => 23,                                      // ㅗ
        'T' | '丅' | '丁' => 25,                        // ㅜ
        'π' => 26,                                      // ㅠ
        '一' | 'ー' => 27,                              // ㅡ
        '1' | 'l' | 'I' | 'i' | '|' | '!' | '丨' => 28, // ㅣ
        _ => return None,
    })
}

/// Whether a ^ has another in its run of letters: `^ㅂ^` is a face.
fn is_smile(atoms: &[Atom], index: usize) -> bool {
    let before = atoms[..index].iter().rev().take(4);
    let after = atoms[index + 1..].iter().take(4);
    before.chain(after).any(|atom| atom.raw == '^')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(way: Way, text: &str) -> Vec<u8> {
        let (mut folded, mut view) = (Folded::default(), View::default());
        folded.read(text, &[]);
        view.read(way, &folded);
        view.bytes
    }

    #[test]
    fn hangul_is_the_same_however_it_is_written() {
        let plain = read(Way::Plain, "시발");
        for same in [
            "ㅅㅣㅂㅏㄹ",
            "ㅅㅣ발",
            "시ㅂㅏㄹ",
            "시\u{200b}발",
            "시 발",
            "시.발",
            "\u{1109}\u{1175}\u{1107}\u{1161}\u{11af}",
            "\u{ffb5}\u{ffdc}\u{ffb2}\u{ffc2}\u{ffa9}",
            "시\u{336}발\u{336}",
        ] {
            assert_eq!(read(Way::Plain, same), plain, "{same}");
        }
        assert_eq!(read(Way::Hangul, "시1x발"), plain);
        for same in ["ㅅ1발", "^ㅣ발", "Al발", "人ㅣ발"] {
            assert_eq!(read(Way::Jamo, same), plain, "{same}");
        }
    }

    #[test]
    fn doubled_and_compound_jamo_are_their_parts() {
        for (one, other) in
            [("ㄲ", "ㄱㄱ"), ("ㄳ", "ㄱㅅ"), ("와", "ㅇㅗㅏ"), ("없", "ㅇㅓㅂㅅ"), ("ㅄ", "ㅂㅅ"), ("㉮", "가")]
        {
            assert_eq!(read(Way::Plain, one), read(Way::Plain, other), "{one}");
        }
    }

    #[test]
    fn latin_is_the_same_however_it_is_written() {
        for same in ["shit", "SHIT", "ｓｈｉｔ", "ⓢⓗⓘⓣ", "🅢🅗🅘🅣", "🆂🅷🅸🆃", "🅂🄷🄸🅃", "🇸🇭🇮🇹", "śhíť", "ѕһіт", "5h17", "𝓼𝓱𝓲𝓽"]
        {
            assert_eq!(read(Way::Latin, same), b"shit", "{same}");
        }
        assert_eq!(read(Way::Signs, "$h!+"), b"shit");
    }

    #[test]
    fn marks_that_make_a_letter_stay() {
        assert_ne!(read(Way::Plain, "か"), read(Way::Plain, "が"));
        assert_eq!(read(Way::Plain, "が"), read(Way::Plain, "か\u{3099}"));
        assert_eq!(read(Way::Plain, "시\u{e47}\u{e47}발"), read(Way::Plain, "시발"));
    }
}
