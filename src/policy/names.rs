//! Nicknames that guests choose: what one may be made of, and which look the same.

use unicode_normalization::UnicodeNormalization;
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
    let mut marks = 2;
    for character in name.chars() {
        // A letter carries two marks at most, and no mark stands without one.
        marks = match character {
            _ if is_mark(character) => marks + 1,
            _ if may_stand(character) => 0,
            _ => return Err("a nickname is made of letters, digits, emojis, blanks and -_.,!?~&+'"),
        };
        if marks > 2 {
            return Err("a nickname has no marks without letters, and no more than two on one");
        }
    }
    if looks(&name).is_empty() {
        return Err("a nickname has a letter, a digit or an emoji");
    }
    if looks(&name).starts_with(&looks(GIVEN)) {
        return Err("nicknames that begin with guest are for those who choose none");
    }
    Ok(name)
}

/// What of a name is seen at a glance: names with the same looks are the same to whoever reads them. Look-alikes as one of
/// them (UTS 39), Latin letters without case, no marks, blanks and punctuation; `i`, `l` and `1` are one, `o` and `0` another.
pub fn looks(name: &str) -> String {
    let mut seen = one_look(name);
    for _ in 0..MOST_LOOKS {
        let again = one_look(&seen);
        if again == seen {
            break;
        }
        seen = again;
    }
    seen
}

/// What something looks like may look like something else again.
fn one_look(name: &str) -> String {
    // As it is written first: what a capital looks like, its small letter often doesn't.
    let written: String = skeleton(&name.nfkc().collect::<String>()).collect();
    let bones: String = skeleton(&written.to_lowercase()).filter(|character| !is_accent(*character)).collect();
    let seen = |character: char| match character {
        'i' => Some('l'),
        _ if character.is_alphanumeric() || emoji::is_pictograph(character) => Some(character),
        _ => None,
    };
    bones.to_lowercase().chars().filter_map(seen).collect()
}

/// The first name like this one that isn't taken.
pub fn suggest(name: &str, is_taken: impl Fn(&str) -> bool) -> Option<String> {
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

/// What stands on another character: accents, and what colours or joins emojis.
fn is_mark(character: char) -> bool {
    let joins = matches!(character, '\u{fe0f}' | '\u{200d}' | '\u{1f3fb}'..='\u{1f3ff}');
    joins || unicode_normalization::char::is_combining_mark(character) && character.identifier_allowed()
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

    #[test]
    fn names_that_look_the_same_have_the_same_looks() {
        let groups: [&[&str]; 10] = [
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
            &["KIM", "Kim", "KlM", "k1m"],
            &["로보", "로 보", "로보!", "로보\u{0301}"],
            &["o0O", "ooo", "000", "οоo"],
            &["admin", "ADMIN", "аdmin", "adm1n", "𝐚𝐝𝐦𝐢𝐧"],
            &["스트리머Kim", "스트리머Кіm", "스트리머 ΚΙΜ"],
            &["modern", "rnodern"],
            &["10", "⏨", "lo"],
            &["ㅋㅋ", "ㅋ ㅋ"],
            &["🐶", "🐶!"],
        ];
        for group in groups {
            for name in group {
                assert_eq!(looks(name), looks(group[0]), "{name} and {}", group[0]);
            }
        }
        let firsts: std::collections::HashSet<String> = groups.iter().map(|group| looks(group[0])).collect();
        assert_eq!(firsts.len(), groups.len(), "and the groups differ");
        for (one, other) in [("철수", "철주"), ("a2", "a3"), ("🐶", "🐱"), ("가", "나"), ("ㅏ", "ㅣ")] {
            assert_ne!(looks(one), looks(other), "{one} and {other}");
        }
    }

    #[test]
    fn a_name_is_cleaned() {
        for (wish, name) in
            [("  졸린   고양이 ", "졸린 고양이"), ("José", "Jose\u{301}"), ("ㅋㅋ왕", "ㅋㅋ왕"), ("👍🏽굿", "👍🏽굿")]
        {
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
            "\u{3164}",
            "\u{202e}abc",
            "a\nb\u{7}",
            "\u{e000}",
            "guest-1",
            "Guest1234",
            "gυest-x",
            "\u{200d}",
            "ﷺ",
            "<b>",
            "a\\b",
            "\u{ffa0}",
            "\u{1f3fb}",
        ] {
            assert!(clean(wish).is_err(), "{wish:?} is {:?}", clean(wish));
        }
        assert!(clean(&"가".repeat(20)).is_ok());
    }

    #[test]
    fn a_suggestion_is_free_and_fits() {
        assert_eq!(suggest("철수", |_| false).as_deref(), Some("철수2"));
        let taken = [looks("철수2"), looks("철수3")];
        assert_eq!(suggest("철수", |name| taken.contains(&name.to_owned())).as_deref(), Some("철수4"));
        let long = suggest(&"가".repeat(20), |_| false).unwrap();
        assert_eq!(long, format!("{}2", "가".repeat(19)));
        assert!(clean(&long).is_ok());
        assert_eq!(suggest("철수", |_| true), None);
    }
}
