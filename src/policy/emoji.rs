//! Lines that are nothing but emojis.

use crate::model::message::Extras;

/// Whether a text holds nothing but emojis: the site's, as `{:name:}` with a picture beside it, Unicode's, and blanks.
pub fn is_all(text: &str, extras: &Extras) -> bool {
    let mut rest = text.to_owned();
    for (name, _) in &extras.emojis {
        rest = rest.replace(&format!("{{:{name}:}}"), " ");
    }
    rest.chars().all(|character| character.is_whitespace() || is_emoji(character))
}

/// Unicode's emoji blocks, what joins and colours them, and flags. Digits and the like, which can be emojis with a mark
/// behind them, are none.
fn is_emoji(character: char) -> bool {
    matches!(character,
        '\u{200d}' | '\u{20e3}' | '\u{fe0f}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}'
        | '\u{2194}'..='\u{21aa}' | '\u{231a}'..='\u{23ff}' | '\u{25aa}'..='\u{27bf}' | '\u{2934}'..='\u{2935}'
        | '\u{2b05}'..='\u{2b55}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
        | '\u{1f000}'..='\u{1faff}' | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_no_emojis() {
        let emojis = vec![("d_1".to_owned(), "https://site/1.png".to_owned())];
        let extras = Extras { emojis, ..Extras::default() };
        for all in ["{:d_1:}", "😀 👩‍👩‍👧", "{:d_1:}{:d_1:} ❤️", "🇰🇷", ""] {
            assert!(is_all(all, &extras), "{all}");
        }
        for not in ["a", "{:d_2:}", "😀 hi", "1", "ㅋㅋ"] {
            assert!(!is_all(not, &extras), "{not}");
        }
    }
}
