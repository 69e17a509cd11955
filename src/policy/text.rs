//! What a line may look like.

use unicode_segmentation::UnicodeSegmentation;

use crate::model::message::{Author, Extras, Line};
use crate::model::refusal::Refusal;

use super::emoji;

/// Limits of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// User-perceived characters.
    pub graphemes: usize,
    /// Bytes of UTF-8.
    pub bytes: usize,
    /// Bytes of a line with its profile and extras once it is JSON in a JSON string; a plain frame holds at least one.
    pub item_bytes: usize,
    /// Where emoji pictures may come from: a picture whose address starts with none of these is dropped.
    pub emoji_prefixes: Vec<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { graphemes: 500, bytes: 2_000, item_bytes: 16 * 1024, emoji_prefixes: Vec::new() }
    }
}

/// Fixed names and punctuation around the variable parts of an item, measured from the wire and rounded up.
const ITEM_FRAME_BYTES: usize = 1_024;

/// Refuses a line that shows nothing or is too long.
pub fn judge(limits: &Limits, line: &Line) -> Result<(), Refusal> {
    let (author, draft) = (&line.author, &line.draft);
    let Some(occasion) = &line.occasion else { return judge_text(limits, author, &draft.text, &draft.extras) };
    // A mission says its text twice.
    let paid = occasion.bytes() + escaped_len(&draft.text, true);
    fits(limits, &draft.text, encoded_bytes(author, &draft.text, &draft.extras) + paid)
}

/// Refuses a text that shows nothing or is too long, with what goes with it and whose it is.
pub fn judge_text(limits: &Limits, author: &Author, text: &str, extras: &Extras) -> Result<(), Refusal> {
    if !shows_something(text) {
        return Err(Refusal::EmptyText);
    }
    fits(limits, text, encoded_bytes(author, text, extras))
}

fn fits(limits: &Limits, text: &str, item_bytes: usize) -> Result<(), Refusal> {
    let too_long = text.len() > limits.bytes || text.graphemes(true).nth(limits.graphemes).is_some();
    if too_long {
        return Err(Refusal::TextTooLong { graphemes: limits.graphemes, bytes: limits.bytes });
    }
    if item_bytes > limits.item_bytes {
        return Err(Refusal::ItemTooLarge(limits.item_bytes));
    }
    Ok(())
}

/// Drops emojis whose picture the site doesn't serve, those whose name can't be one, and those the text doesn't use.
pub fn trim_emojis(limits: &Limits, text: &str, extras: &mut Extras) {
    extras.emojis.retain(|(name, picture)| {
        emoji::is_name(name)
            && limits.emoji_prefixes.iter().any(|prefix| picture.starts_with(prefix.as_str()))
            && text.contains(&format!("{{:{name}:}}"))
    });
}

/// Whether any character has something to see: zero-width characters, controls, blanks and the Hangul fillers don't.
fn shows_something(text: &str) -> bool {
    text.chars().any(|character| {
        !(character.is_whitespace()
            || character.is_control()
            || matches!(character,
                '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
                | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'))
    })
}

/// An upper bound of the item's size as JSON, in which profile and extras are strings inside a string.
fn encoded_bytes(author: &Author, text: &str, extras: &Extras) -> usize {
    let profile = &author.profile;
    let names =
        [Some(&profile.nickname), Some(&profile.image_url), Some(&profile.color_code), profile.badge_url.as_ref()];
    let title = profile.title.iter().flat_map(|title| [&title.name, &title.color]);
    let subscription = profile.subscription.iter().flat_map(|paid| [&paid.tier_name, &paid.badge_url]);
    let badges = profile.viewer_badges.iter().flat_map(|badge| [&badge.id, &badge.image_url]);
    let emojis = extras.emojis.iter().flat_map(|(name, picture)| [name, picture]);
    let nested: usize = names
        .into_iter()
        .flatten()
        .chain(title)
        .chain(subscription)
        .chain(badges)
        .chain(emojis)
        .map(|text| escaped_len(text, true) + 64)
        .sum();
    ITEM_FRAME_BYTES + nested + escaped_len(text, false)
}

/// Bytes of `text` as JSON, or as JSON inside a JSON string.
fn escaped_len(text: &str, nested: bool) -> usize {
    let (quote, control) = if nested { (4, 7) } else { (2, 6) };
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' => quote,
            0..0x20 => control,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::UserId;
    use crate::model::message::Draft;
    use crate::model::principal::Role;

    fn author() -> Author {
        Author { uid: UserId::parse("u").unwrap(), profile: std::sync::Arc::default(), role: Role::Viewer }
    }

    fn verdict(text: &str) -> Result<(), Refusal> {
        judge_text(&Limits::default(), &author(), text, &Extras::default())
    }

    #[test]
    fn a_line_shows_something() {
        for nothing in ["", " \t\n", "\u{200b}\u{200d}\u{feff}", "\u{3164}", "\u{2060}\u{202e}", "\u{0}"] {
            assert_eq!(verdict(nothing), Err(Refusal::EmptyText), "{nothing:?}");
        }
        for something in ["a", "ㅋ", "\u{200b}.", "👩‍👩‍👧"] {
            assert_eq!(verdict(something), Ok(()), "{something:?}");
        }
    }

    #[test]
    fn length_is_counted_in_characters_people_see_and_in_bytes() {
        assert_eq!(verdict(&"가".repeat(500)), Ok(()));
        assert!(matches!(verdict(&"가".repeat(501)), Err(Refusal::TextTooLong { .. })));
        assert_eq!(verdict(&"👩‍👩‍👧".repeat(100)), Ok(()));
        assert!(matches!(verdict(&"👩‍👩‍👧".repeat(120)), Err(Refusal::TextTooLong { .. })));
    }

    #[test]
    fn what_swells_in_json_is_counted_swollen() {
        let limits = Limits { graphemes: 10_000, bytes: 10_000, ..Limits::default() };
        let text = format!("a{}", "\u{1}".repeat(3_000));
        let judged = judge_text(&limits, &author(), &text, &Extras::default());
        assert_eq!(judged, Err(Refusal::ItemTooLarge(16 * 1024)));
    }

    #[test]
    fn emojis_come_from_the_site_and_are_used() {
        let limits = Limits { emoji_prefixes: vec!["https://site/".to_owned()], ..Limits::default() };
        let mut draft = Draft { text: "{:a:} {:b:} {:a b:}".to_owned(), ..Draft::default() };
        let (ours, theirs) = ("https://site/a.png", "https://evil/b.png");
        draft.extras.emojis = [("a", ours), ("b", theirs), ("c", ours), ("a b", ours)]
            .map(|(name, picture)| (name.to_owned(), picture.to_owned()))
            .to_vec();
        trim_emojis(&limits, &draft.text, &mut draft.extras);
        assert_eq!(draft.extras.emojis, [("a".to_owned(), "https://site/a.png".to_owned())]);
    }
}
