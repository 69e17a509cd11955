//! Whether what reads like a word is one: the rules that keep innocents out.

use super::fold::{KIEUK, Kind, gap};
use super::views::{Letter, View, Way};
use super::words::{ANY, Script, Word};

/// The shortest Latin word in which one letter may stand for another: `shlt`, but `all` is not `ail`.
const SHORTEST_SWAPPED: usize = 4;

/// The most letters that a part of a Latin word between white space has.
const MOST_APART: usize = 2;

/// Where in the text a match of Hangul, of digits or of a mixed word is, if it counts.
pub(super) fn check(way: Way, view: &View, word: &Word, from: usize, to: usize) -> Option<(u32, u32)> {
    let (first, last) = letters(view, from, to)?;
    if word.script != Script::Hangul && (touches_digit(view, first, true) || touches_digit(view, last, false)) {
        return None;
    }
    if way == Way::Jamo && !is_read_as_jamo(view, word, first, last) {
        return None;
    }
    let crossed = crossed(view, word, first, last);
    if crossed != 0 && word.script == Script::Digits {
        return None;
    }
    let (starts, ends) = (starts_piece(view, first), ends_piece(view, last));
    let counts = if crossed & gap::SPACE != 0 {
        // Both at once is too far-fetched: `7시 30발`.
        starts && ends && crossed & gap::DROPPED == 0
    } else if crossed & gap::DROPPED != 0 {
        starts
    } else {
        crossed == 0 || starts || ends
    };
    counts.then(|| (view.letters[first].start, view.letters[last].end))
}

/// Where in the text a match of a Latin word is, if it counts.
pub(super) fn check_latin(text: &str, view: &View, word: &Word, from: usize, to: usize) -> Option<(u32, u32)> {
    let (first, last) = letters(view, from, to)?;
    if !word.open_start && first > 0 && is_bound(&view.letters[first - 1], view.letters[first].gap) {
        return None;
    }
    let behind = view.letters.get(last + 1);
    if !word.open_end && behind.is_some_and(|behind| is_bound(behind, behind.gap)) {
        return None;
    }
    let digits = digits_as_letters(&view.plain[from..to], word)?;
    if digits > 0 && (touches_number(view, first) || touches_number(view, last + 1))
        || ends_with_exclamation(text, &view.letters[last])
    {
        return None;
    }
    let crossed = crossed(view, word, first, last);
    if crossed & gap::SPACE != 0 {
        let apart = starts_piece(view, first) && ends_piece(view, last) && is_apart(view, word, first, last);
        if !apart {
            return None;
        }
    }
    if crossed & gap::MARK != 0 && is_contraction(text, view, first, last) {
        return None;
    }
    Some((view.letters[first].start, view.letters[last].end))
}

/// The first and the last letter of a match; none when it begins or ends inside of one.
///
/// A final ㅋ of the last syllable may be left over, where nothing but ㅋ follows: `시밬ㅋㅋ`.
fn letters(view: &View, from: usize, to: usize) -> Option<(usize, usize)> {
    let first = *view.owners.get(from)? as usize;
    let last = *view.owners.get(to.checked_sub(1)?)? as usize;
    if view.letters[first].at as usize != from {
        return None;
    }
    let behind = view.letters.get(last + 1);
    let end = behind.map_or(view.bytes.len(), |behind| behind.at as usize);
    let is_whole = to == end;
    let hangs_on = || {
        view.letters[last].kind == Kind::Syllable
            && view.bytes[to..end].iter().all(|code| *code == KIEUK)
            && behind.is_none_or(|behind| behind.gap != 0 || view.bytes[end] == KIEUK && behind.kind == Kind::Jamo)
    };
    (is_whole || hangs_on()).then_some((first, last))
}

/// Bits of what stands between the letters of a match, but for white space where the word itself has it.
fn crossed(view: &View, word: &Word, first: usize, last: usize) -> u8 {
    if !view.gaps {
        return 0;
    }
    let from = view.letters[first].at;
    view.letters[first + 1..=last]
        .iter()
        .map(|letter| {
            let is_own = letter.gap & gap::SPACE != 0 && word.spaces.binary_search(&(letter.at - from)).is_ok();
            if is_own { letter.gap & !gap::SPACE } else { letter.gap }
        })
        .fold(0, |all, one| all | one)
}

/// Whether no letter stands right before this one, or nothing but laughter.
fn starts_piece(view: &View, first: usize) -> bool {
    let letter = &view.letters[first];
    if letter.gap != 0 {
        return letter.gap & gap::ADJACENT == 0;
    }
    first == 0 || is_laughter(view, first - 1)
}

/// Whether no letter stands right behind this one, or nothing but laughter.
fn ends_piece(view: &View, last: usize) -> bool {
    view.letters.get(last + 1).is_none_or(|behind| behind.gap != 0 || is_laughter(view, last + 1))
}

/// ㅋㅎㅜㅠ alone.
fn is_laughter(view: &View, letter: usize) -> bool {
    let letter = &view.letters[letter];
    letter.kind == Kind::Jamo && matches!(view.bytes[letter.at as usize], KIEUK | 14 | 25 | 26)
}

/// Whether a match begins or ends inside of a number: `18` is not in `2018`.
fn touches_digit(view: &View, edge: usize, is_first: bool) -> bool {
    let beside = if is_first { edge.checked_sub(1) } else { Some(edge + 1) };
    let Some(beside) = beside.filter(|beside| *beside < view.letters.len()) else { return false };
    let gap = view.letters[edge.max(beside)].gap;
    gap == 0 && view.letters[edge].kind == Kind::Digit && view.letters[beside].kind == Kind::Digit
}

/// Whether a reading of look-alikes convinces: real Hangul is among it, and no digit hangs on a syllable (`시바2`).
fn is_read_as_jamo(view: &View, word: &Word, first: usize, last: usize) -> bool {
    let letters = &view.letters[first..=last];
    let real = letters.iter().filter(|letter| !letter.guess).count();
    let hangs_on =
        letters.len() > 1 && letters[letters.len() - 1].guess && letters[letters.len() - 2].kind == Kind::Syllable;
    real > 0 && real < letters.len() && !hangs_on && (!word.jamo_only || real * 2 >= letters.len())
}

/// Whether a letter beside a Latin word makes a longer one of it. The site's emojis don't part words.
fn is_bound(beside: &Letter, gap: u8) -> bool {
    beside.kind == Kind::Cased && (gap == 0 || gap == gap::EMOJI)
}

/// How many digits stand for letters; none when those are more than half of the word (`A55` is a phone), when nothing is
/// what it stands for, or when letters stand for others in a short word.
fn digits_as_letters(plain: &[u8], word: &Word) -> Option<usize> {
    if plain == word.plain {
        return Some(0);
    }
    let (mut real, mut digits, mut swapped) = (0, 0, 0);
    for (has, wants) in plain.iter().zip(&word.plain) {
        let is_same = has == wants || *wants == ANY;
        if is_same || has.is_ascii_alphabetic() || !has.is_ascii() {
            real += 1;
        }
        if !is_same && has.is_ascii_digit() {
            digits += 1;
        }
        if !is_same && has.is_ascii_alphabetic() && wants.is_ascii_alphabetic() {
            swapped += 1;
        }
    }
    let counts = real > 0 && digits * 2 <= plain.len() && (swapped == 0 || plain.len() >= SHORTEST_SWAPPED);
    counts.then_some(digits)
}

/// Whether a digit stands on either side of where a letter begins: where others are read as letters, it may be one, too.
fn touches_number(view: &View, letter: usize) -> bool {
    let is_joined = view.letters.get(letter).is_some_and(|letter| letter.gap == 0) && letter > 0;
    is_joined && [letter - 1, letter].into_iter().any(|beside| view.letters[beside].kind == Kind::Digit)
}

/// An exclamation mark at the end is one.
fn ends_with_exclamation(text: &str, last: &Letter) -> bool {
    last.kind == Kind::Sign && matches!(text.as_bytes().get(last.start as usize), Some(b'!' | b'|'))
}

/// Whether the parts of a word between white space are short: `f u c k`.
fn is_apart(view: &View, word: &Word, first: usize, last: usize) -> bool {
    let from = view.letters[first].at;
    let mut run = 0;
    for (index, letter) in view.letters[first..=last].iter().enumerate() {
        let is_new = index > 0 && letter.gap & gap::SPACE != 0;
        if is_new && word.spaces.binary_search(&(letter.at - from)).is_err() {
            if run > MOST_APART {
                return false;
            }
            run = 0;
        }
        run += 1;
    }
    run <= MOST_APART
}

/// What English hangs on words with an apostrophe.
const ENDINGS: &[&str] = &["s", "d", "m", "ll", "re", "ve"];

/// What it hangs `t` on.
const NEGATED: &[&str] = &[
    "can", "don", "won", "isn", "aren", "wasn", "weren", "doesn", "didn", "hasn", "haven", "hadn", "couldn", "shouldn",
    "wouldn", "mustn", "needn", "mightn", "shan", "ain",
];

/// Whether a match has one apostrophe inside, and behind it what English hangs on words: `he'll`, `can't`, not
/// `fu'ck` or `shi't`.
fn is_contraction(text: &str, view: &View, first: usize, last: usize) -> bool {
    let (start, end) = (view.letters[first].end as usize, view.letters[last].start as usize);
    let between = text.get(start..end).unwrap_or_default();
    let mut apostrophes = between.match_indices(['\'', '’', '`', '´']);
    let (Some((at, apostrophe)), None) = (apostrophes.next(), apostrophes.next()) else { return false };
    let behind = text.get(start + at + apostrophe.len()..).unwrap_or_default();
    let length = behind.find(|character: char| !character.is_alphabetic()).unwrap_or(behind.len());
    let before = text.get(..start + at).unwrap_or_default();
    let begins = before.char_indices().rev().take_while(|(_, character)| character.is_alphabetic()).last();
    let (stem, ending) = (&before[begins.map_or(before.len(), |(at, _)| at)..], &behind[..length]);
    let is_one_of = |known: &[&str], part: &str| known.iter().any(|known| part.eq_ignore_ascii_case(known));
    is_one_of(ENDINGS, ending) || ending.eq_ignore_ascii_case("t") && is_one_of(NEGATED, stem)
}
