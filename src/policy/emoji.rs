//! Lines that are nothing but emojis.

use std::iter::Peekable;
use std::str::Chars;

use crate::model::message::Extras;

/// Longest name of one of the site's emojis.
const LONGEST_NAME: usize = 32;

/// Colours what stands before it.
const COLOURED: char = '\u{fe0f}';

/// Makes one of what stands on both sides of it.
const JOINER: char = '\u{200d}';

/// The flag of which tags make a region's.
const BLACK_FLAG: char = '\u{1f3f4}';

/// What ends a region's tags.
const END_OF_TAGS: char = '\u{e007f}';

/// Most tags of a region: a country's two letters, and four.
const MOST_TAGS: usize = 6;

/// Whether this can be the name of one of the site's emojis. The sender writes names and pictures: in any characters, a
/// name would be a line of its own.
pub fn is_name(name: &str) -> bool {
    let fits = (1..=LONGEST_NAME).contains(&name.len());
    fits && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a text holds nothing but emojis: the site's, as `{:name:}` with a picture beside it, Unicode's, and blanks.
pub fn is_all(text: &str, extras: &Extras) -> bool {
    let mut rest = text.to_owned();
    for (name, _) in extras.emojis.iter().filter(|(name, _)| is_name(name)) {
        rest = rest.replace(&format!("{{:{name}:}}"), " ");
    }
    let (mut characters, mut behind_emoji) = (rest.chars().peekable(), false);
    while let Some(character) = characters.next() {
        behind_emoji = match character {
            BLACK_FLAG => ends_with_region(&mut characters),
            _ if is_pictograph(character) => true,
            // One alone is shown as a letter.
            _ if is_flag_letter(&character) => characters.next_if(is_flag_letter).is_some(),
            COLOURED | JOINER => behind_emoji,
            _ => false,
        };
        if !behind_emoji && !character.is_whitespace() {
            return false;
        }
    }
    true
}

/// Passes over the tags behind a black flag. Nobody sees them, so they have to be a region's.
fn ends_with_region(characters: &mut Peekable<Chars<'_>>) -> bool {
    let is_tag = |character: &char| matches!(character, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}');
    let tags = std::iter::from_fn(|| characters.next_if(is_tag)).count();
    tags == 0 || (tags <= MOST_TAGS && characters.next_if_eq(&END_OF_TAGS).is_some())
}

fn is_flag_letter(character: &char) -> bool {
    ('\u{1f1e6}'..='\u{1f1ff}').contains(character)
}

/// Unicode's `Extended_Pictographic`, and skin colours, without what is a letter, a digit or a word in a frame, and
/// without what is kept for later, but where new emojis come. Digits and the like, which can be
/// emojis with a mark behind them, are none.
pub(super) fn is_pictograph(character: char) -> bool {
    matches!(character,
        '\u{203c}' | '\u{2049}' | '\u{2194}'..='\u{2199}' | '\u{21a9}'..='\u{21aa}' | '\u{231a}'..='\u{231b}'
        | '\u{2328}' | '\u{23cf}' | '\u{23e9}'..='\u{23f3}' | '\u{23f8}'..='\u{23fa}' | '\u{25aa}'..='\u{25ab}'
        | '\u{25b6}' | '\u{25c0}' | '\u{25fb}'..='\u{25fe}' | '\u{2600}'..='\u{2604}' | '\u{260e}' | '\u{2611}'
        | '\u{2614}'..='\u{2615}' | '\u{2618}' | '\u{261d}' | '\u{2620}' | '\u{2622}'..='\u{2623}' | '\u{2626}'
        | '\u{262a}' | '\u{262e}'..='\u{262f}' | '\u{2638}'..='\u{263a}' | '\u{2640}' | '\u{2642}'
        | '\u{2648}'..='\u{2653}' | '\u{265f}'..='\u{2660}' | '\u{2663}' | '\u{2665}'..='\u{2666}' | '\u{2668}'
        | '\u{267b}' | '\u{267e}'..='\u{267f}' | '\u{2692}'..='\u{2697}' | '\u{2699}' | '\u{269b}'..='\u{269c}'
        | '\u{26a0}'..='\u{26a1}' | '\u{26a7}' | '\u{26aa}'..='\u{26ab}' | '\u{26b0}'..='\u{26b1}'
        | '\u{26bd}'..='\u{26be}' | '\u{26c4}'..='\u{26c5}' | '\u{26c8}' | '\u{26ce}'..='\u{26cf}' | '\u{26d1}'
        | '\u{26d3}'..='\u{26d4}' | '\u{26e9}'..='\u{26ea}' | '\u{26f0}'..='\u{26f5}' | '\u{26f7}'..='\u{26fa}'
        | '\u{26fd}' | '\u{2702}' | '\u{2705}' | '\u{2708}'..='\u{270d}' | '\u{270f}' | '\u{2712}' | '\u{2714}'
        | '\u{2716}' | '\u{271d}' | '\u{2721}' | '\u{2728}' | '\u{2733}'..='\u{2734}' | '\u{2744}' | '\u{2747}'
        | '\u{274c}' | '\u{274e}' | '\u{2753}'..='\u{2755}' | '\u{2757}' | '\u{2763}'..='\u{2764}'
        | '\u{2795}'..='\u{2797}' | '\u{27a1}' | '\u{27b0}' | '\u{27bf}' | '\u{2934}'..='\u{2935}'
        | '\u{2b05}'..='\u{2b07}' | '\u{2b1b}'..='\u{2b1c}' | '\u{2b50}' | '\u{2b55}' | '\u{3030}' | '\u{303d}'
        | '\u{1f004}' | '\u{1f0cf}' | '\u{1f300}'..='\u{1f321}' | '\u{1f324}'..='\u{1f393}'
        | '\u{1f396}'..='\u{1f397}' | '\u{1f399}'..='\u{1f39b}' | '\u{1f39e}'..='\u{1f3f0}'
        | '\u{1f3f3}'..='\u{1f3f5}' | '\u{1f3f7}'..='\u{1f4fd}' | '\u{1f4ff}'..='\u{1f53d}'
        | '\u{1f549}'..='\u{1f54e}' | '\u{1f550}'..='\u{1f567}' | '\u{1f56f}'..='\u{1f570}'
        | '\u{1f573}'..='\u{1f57a}' | '\u{1f587}' | '\u{1f58a}'..='\u{1f58d}' | '\u{1f590}'
        | '\u{1f595}'..='\u{1f596}' | '\u{1f5a4}'..='\u{1f5a5}' | '\u{1f5a8}' | '\u{1f5b1}'..='\u{1f5b2}'
        | '\u{1f5bc}' | '\u{1f5c2}'..='\u{1f5c4}' | '\u{1f5d1}'..='\u{1f5d3}' | '\u{1f5dc}'..='\u{1f5de}'
        | '\u{1f5e1}' | '\u{1f5e3}' | '\u{1f5e8}' | '\u{1f5ef}' | '\u{1f5f3}' | '\u{1f5fa}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6c5}' | '\u{1f6cb}'..='\u{1f6d2}' | '\u{1f6d5}'..='\u{1f6e5}' | '\u{1f6e9}'
        | '\u{1f6eb}'..='\u{1f6f0}' | '\u{1f6f3}'..='\u{1f6ff}' | '\u{1f7e0}'..='\u{1f7eb}' | '\u{1f7f0}'
        | '\u{1f90c}'..='\u{1f93a}' | '\u{1f93c}'..='\u{1f945}' | '\u{1f947}'..='\u{1f9ff}'
        | '\u{1fa70}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use unicode_segmentation::UnicodeSegmentation;

    use super::*;

    fn named(names: &[&str]) -> Extras {
        let emojis = names.iter().map(|name| ((*name).to_owned(), "https://site/1.png".to_owned())).collect();
        Extras { emojis, ..Extras::default() }
    }

    #[test]
    fn words_are_no_emojis() {
        let extras = named(&["d_1"]);
        let wales = "\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}";
        for all in ["{:d_1:}", "😀 👩‍👩‍👧", "{:d_1:}{:d_1:} ❤️", "🇰🇷", "", "👍🏽", "❤️‍🔥 🏳️‍🌈 🏴‍☠️ 🏴", "⏰⚽☕✨➡️", "🇰🇷🇯🇵", wales]
        {
            assert!(is_all(all, &extras), "{all}");
        }
        for not in ["a", "{:d_2:}", "😀 hi", "1", "ㅋㅋ", "™", "ℹ️", "1️⃣", "\u{200d}", "😀 \u{fe0f}"] {
            assert!(!is_all(not, &extras), "{not}");
        }
    }

    #[test]
    fn letters_in_frames_and_flags_in_halves_are_words() {
        for not in ["🅗🅔🅛🅛🅞", "🄷🄸", "🅰🅱", "🆒", "🇭🇪🇱🇱🇴", "🇭 🇮", "🈲", "㊙", "Ⓜ", "❶❷", "➀", "①", "🀇", "🂡"]
        {
            assert!(!is_all(not, &Extras::default()), "{not}");
        }
    }

    #[test]
    fn nothing_is_said_in_tags_that_nobody_sees() {
        let tags = |text: &str| -> String { text.chars().filter_map(|c| char::from_u32(0xe0000 + c as u32)).collect() };
        for hidden in [tags("hi"), format!("😀{}", tags("hi")), format!("🏴{}\u{e007f}", tags("a whole line"))] {
            assert!(!is_all(&hidden, &Extras::default()));
        }
        assert!(!is_all(&format!("🏴{}", tags("gbsct")), &Extras::default()), "it never ends");
    }

    #[test]
    fn a_name_is_no_line() {
        let words = "any words here";
        assert!(!is_all(&format!("{{:{words}:}}"), &named(&[words])));
        assert!(is_name("d_47") && is_name(&"x".repeat(32)));
        for not in ["", words, "마당", "a:b", &"x".repeat(33)] {
            assert!(!is_name(not), "{not}");
        }
    }

    #[test]
    fn every_pictograph_is_one_of_unicodes() {
        for character in ('\u{80}'..=char::MAX).filter(|character| is_pictograph(*character)) {
            // Two that are joined are one to whoever knows them as pictographs; colours go with anything.
            let joined = format!("{character}{JOINER}{character}");
            assert_eq!(joined.graphemes(true).count(), 1, "{:x}", character as u32);
            assert!(!character.is_alphanumeric(), "{:x}", character as u32);
        }
    }
}
