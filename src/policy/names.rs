//! Nicknames that guests choose: what one may be made of, and which look the same.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script, ScriptExtension, UnicodeScript};
use unicode_security::{GeneralSecurityProfile, skeleton};
use unicode_segmentation::UnicodeSegmentation;

use super::emoji;

/// Longest nickname of a guest, in user-perceived characters.
pub const LONGEST: usize = 20;

/// Longest nickname of anybody, in code points: what a token may hold.
const LONGEST_CODES: usize = 30;

/// What the names begin with that guests get who choose none.
pub const GIVEN: &str = "guest-";

/// Looks after the first: one is enough for every single character.
const MOST_LOOKS: usize = 3;

/// Numbers that are tried behind a name that is taken.
const TRIED: std::ops::RangeInclusive<u32> = 2..=99;

/// Scripts that people write side by side, where this is written; any other stands alone.
const TOGETHER: [Script; 6] =
    [Script::Latin, Script::Hangul, Script::Han, Script::Hiragana, Script::Katakana, Script::Bopomofo];

/// Makes one emoji of what stands on both sides of it.
const JOINER: char = '\u{200d}';

/// The nickname as it is shown: composed, without blanks around it, one blank for many; or what is wrong with it.
pub fn clean(wish: &str) -> Result<String, &'static str> {
    if wish.len() > LONGEST_CODES * 16 {
        return Err("a nickname has 1 to 20 characters");
    }
    let composed: String = wish.nfc().collect();
    let name = composed.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = name.graphemes(true).count();
    if length == 0 || length > LONGEST || name.chars().count() > LONGEST_CODES {
        return Err("a nickname has 1 to 20 characters");
    }
    is_made_of_what_may_stand(&name)?;
    if !goes_together(&name) {
        return Err("a nickname has letters of one script, or of Latin, Hangul, Han and Kana");
    }
    let looks = looks(&name);
    if looks.iter().any(String::is_empty) {
        return Err("a nickname has a letter, a digit or an emoji");
    }
    let given = self::looks(GIVEN);
    if looks.iter().any(|look| given.iter().any(|given| look.starts_with(given))) {
        return Err("nicknames that begin with guest are for those who choose none");
    }
    Ok(name)
}

fn is_made_of_what_may_stand(name: &str) -> Result<(), &'static str> {
    let mut characters = name.chars().peekable();
    // What marks stand on, and how many there are.
    let (mut base, mut marks) = (' ', 0);
    while let Some(character) = characters.next() {
        match character {
            _ if is_part_of_emoji(character) => {
                let joins = character != JOINER || characters.peek().is_some_and(|next| emoji::is_pictograph(*next));
                if !emoji::is_pictograph(base) || !joins {
                    return Err("a nickname has nothing that can't be seen");
                }
            }
            _ if is_combining_mark(character) && character.identifier_allowed() => {
                marks += 1;
                if marks > 2 || !is_mark_of(character, base) {
                    return Err("a nickname has no marks but those of its letters, and no more than two on one");
                }
            }
            _ if may_stand(character) => (base, marks) = (character, 0),
            _ => return Err("a nickname is made of letters, digits, emojis, blanks and -_.,!?~&+'"),
        }
    }
    Ok(())
}

/// What of a name is seen at a glance: names that have one of these in common are the same to whoever reads them.
/// Look-alikes as one of them (UTS 39), Latin letters without case, no marks, blanks and punctuation; `i`, `l` and `1` are
/// one, `o` and `0` another. Two, where what a small letter looks like isn't what its capital does.
pub fn looks(name: &str) -> Vec<String> {
    let capitals = |text: &str| one_look(&text.to_uppercase());
    let mut looks = vec![settled(name, one_look), settled(name, capitals)];
    looks.dedup();
    looks
}

/// What something looks like may look like something else again.
fn settled(name: &str, look: impl Fn(&str) -> String) -> String {
    let mut seen = look(name);
    for _ in 0..MOST_LOOKS {
        let again = look(&seen);
        if again == seen {
            break;
        }
        seen = again;
    }
    seen
}

fn one_look(name: &str) -> String {
    // As it is written first: what a capital looks like, its small letter often doesn't.
    let written: String = skeleton(&name.nfkc().collect::<String>()).collect();
    let bones: String = skeleton(&written.to_lowercase()).filter(|character| !is_accent(*character)).collect();
    let seen = |character: char| match character {
        // Hangul's vowel and Han's stroke are as upright as the Latin letter.
        'i' | '\u{1175}' | '\u{4e28}' => Some('l'),
        _ if is_part_of_emoji(character) => None,
        _ if character.is_alphanumeric() || emoji::is_pictograph(character) => Some(character),
        // A letter's own: some scripts can't be read without.
        _ if is_combining_mark(character) => Some(character),
        _ => None,
    };
    bones.to_lowercase().chars().filter_map(seen).collect()
}

/// The first name like this one that isn't taken.
pub fn suggest(name: &str, is_taken: impl Fn(&[String]) -> bool) -> Option<String> {
    TRIED.map(|number| numbered(name, number)).find(|name| !is_taken(&looks(name)))
}

fn numbered(name: &str, number: u32) -> String {
    let number = number.to_string();
    let mut base: Vec<&str> = name.graphemes(true).collect();
    let codes = |base: &[&str]| base.iter().map(|grapheme| grapheme.chars().count()).sum::<usize>();
    while base.len() + number.len() > LONGEST || codes(&base) + number.len() > LONGEST_CODES {
        base.pop();
    }
    format!("{}{number}", base.concat().trim_end())
}

/// Letters and digits that identifiers are made of (UTS 39), Hangul's letters alone, emojis, and what people put between.
fn may_stand(character: char) -> bool {
    match character {
        ' ' | '-' | '_' | '.' | ',' | '!' | '?' | '~' | '&' | '+' | '\'' => true,
        'ㄱ'..='ㅣ' => true,
        _ => (character.is_alphanumeric() && character.identifier_allowed()) || emoji::is_pictograph(character),
    }
}

/// What colours or joins emojis.
fn is_part_of_emoji(character: char) -> bool {
    matches!(character, '\u{fe0f}' | JOINER | '\u{1f3fb}'..='\u{1f3ff}')
}

/// Whether this mark belongs on that letter: any accent does, and whatever is written with its script.
fn is_mark_of(mark: char, base: char) -> bool {
    let scripts = mark.script_extension();
    let of_its_script = !is_of_any(scripts) && !scripts.intersection(base.script_extension()).is_empty();
    base.is_alphanumeric() && (is_accent(mark) || of_its_script)
}

/// Whether people write these letters side by side.
fn goes_together(name: &str) -> bool {
    let letters =
        || name.chars().filter(|character| character.is_alphanumeric()).map(|letter| letter.script_extension());
    let together = |scripts: ScriptExtension| TOGETHER.iter().any(|script| scripts.contains_script(*script));
    let shared = letters().reduce(|one, other| one.intersection(other));
    letters().all(together) || shared.is_none_or(|shared| !shared.is_empty())
}

/// Whether a character goes with whatever stands beside it.
fn is_of_any(scripts: ScriptExtension) -> bool {
    scripts.is_common() || scripts.is_inherited()
}

/// Marks of Latin, Greek and Cyrillic, which many overlook; other scripts can't be read without theirs.
fn is_accent(character: char) -> bool {
    matches!(character,
        '\u{0300}'..='\u{036f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether whoever reads them takes them for the same.
    fn alike(one: &str, other: &str) -> bool {
        looks(one).iter().any(|look| looks(other).contains(look))
    }

    #[test]
    fn names_that_look_the_same_have_a_look_in_common() {
        let groups: [&[&str]; 14] = [
            &[
                "paypal",
                "PayPal",
                "раураl",
                "pаypal",
                "p a y p a l",
                "pay.pal",
                "ｐａｙｐａｌ",
                "paypa1",
                "paypaI",
                "páypal",
            ],
            &["KIM", "Kim", "KlM", "k1m", "КІМ", "кім"],
            &["로보", "로 보", "로보!", "로보\u{0301}"],
            &["o0O", "ooo", "000", "οоo"],
            &["admin", "ADMIN", "аdmin", "adm1n", "𝐚𝐝𝐦𝐢𝐧"],
            &["스트리머Kim", "스트리머Кіm", "스트리머 ΚΙΜ", "스트리머кім"],
            &["modern", "rnodern"],
            &["10", "⏨", "lo"],
            &["ВОВА", "вова", "Вова", "BOBA"],
            &["ΝΙΚΟΣ", "νικοσ", "NIKO\u{3a3}"],
            &["TOM", "том", "ТОМ"],
            &["ㅋㅋ", "ㅋ ㅋ"],
            &["ㅣee", "lee", "丨ee"],
            &["🐶", "🐶!", "🐶\u{fe0f}"],
        ];
        for group in groups {
            for name in group {
                assert!(alike(name, group[0]), "{name} and {}: {:?}, {:?}", group[0], looks(name), looks(group[0]));
            }
        }
        for (index, one) in groups.iter().enumerate() {
            for other in &groups[index + 1..] {
                assert!(!alike(one[0], other[0]), "{} and {}", one[0], other[0]);
            }
        }
        for (one, other) in [("철수", "철주"), ("a2", "a3"), ("🐶", "🐱"), ("가", "나"), ("ㅏ", "ㅣ"), ("กา", "กี")]
        {
            assert!(!alike(one, other), "{one} and {other}");
        }
        assert!(alike("👍🏽", "👍"), "of which colour a hand is nobody notices");
    }

    #[test]
    fn a_name_is_cleaned() {
        for (wish, name) in [
            ("  졸린   고양이 ", "졸린 고양이"),
            ("José", "Jose\u{301}"),
            ("ㅋㅋ왕", "ㅋㅋ왕"),
            ("👍🏽굿", "👍🏽굿"),
            ("👨‍👩‍👧", "👨‍👩‍👧"),
            ("東京kimチ", "東京kimチ"),
            ("นักร้อง", "นักร้อง"),
            ("هادی", "هادی"),
            ("Вася 2", "Вася 2"),
        ] {
            assert_eq!(clean(wish), clean(name), "{wish}");
            assert_eq!(clean(wish).unwrap(), name.nfc().collect::<String>());
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let marks = "\u{0301}".repeat(5);
        let long = "가".repeat(21);
        let heaped = format!("a{}", "\u{0301}".repeat(4));
        let bytes = "a".repeat(10_000);
        for wish in [
            "",
            "   ",
            &marks,
            &heaped,
            &long,
            &bytes,
            "...",
            "-",
            "\u{200b}\u{200b}",
            "a\u{200b}b",
            "a\u{200d}b",
            "a\u{fe0f}",
            "kim🏽",
            "👨\u{200d}",
            "\u{3164}",
            "\u{202e}abc",
            "a\nb\u{7}",
            "\u{e000}",
            "guest-1",
            "Guest1234",
            "gυest-x",
            "guеsт-1",
            "GUESТ",
            "\u{200d}",
            "ﷺ",
            "<b>",
            "a\\b",
            "\u{ffa0}",
            "\u{1f3fb}",
            "pаypal",
            "스트리머Кіm",
            "스트리머ุKim",
            "kimุ",
            "로\u{3099}보",
            "kim٠",
        ] {
            assert!(clean(wish).is_err(), "{wish:?} is {:?}", clean(wish));
        }
        assert!(clean(&"가".repeat(20)).is_ok());
    }

    #[test]
    fn no_mark_makes_a_taken_name_another_one() {
        for mark in (0..=0x0010_ffff).filter_map(char::from_u32).filter(|character| is_combining_mark(*character)) {
            for name in ["kim", "로보"] {
                let marked = format!("{name}{mark}");
                assert!(clean(&marked).is_err() || alike(&marked, name), "{marked} {:x}", mark as u32);
            }
        }
    }

    #[test]
    fn a_suggestion_is_free_and_fits() {
        assert_eq!(suggest("철수", |_| false).as_deref(), Some("철수2"));
        let taken = [looks("철수2"), looks("철수3")];
        assert_eq!(suggest("철수", |name| taken.iter().any(|taken| taken == name)).as_deref(), Some("철수4"));
        let long = suggest(&"가".repeat(20), |_| false).unwrap();
        assert_eq!(long, format!("{}2", "가".repeat(19)));
        assert!(clean(&long).is_ok());
        assert_eq!(suggest("철수", |_| true), None);
    }
}
