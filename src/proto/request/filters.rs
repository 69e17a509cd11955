//! What lines may not say, as clients and the site's backend ask for it.

use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::model::act::{Asked, Wish};
use crate::model::filter::{FilterChange, Measure, Repeats};
use crate::model::id::Seq;

use super::acts::asked;
use super::decode;

/// Entries that one request may name.
pub const MOST_NAMED: usize = 1_000;

/// How often something may stand in a row, as it can be set.
const ROWS: std::ops::RangeInclusive<u32> = 2..=500;

/// Longest word, pattern or host in bytes that is looked at.
const LONGEST: usize = 1_000;

/// What becomes of a line.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MeasureWord {
    /// What may not be said is covered by asterisks.
    Mask,
    /// Its text is withheld until staff show it.
    Blind,
    /// Its author sees it, and nobody else.
    Shadow,
    /// It is refused.
    #[default]
    Refuse,
    /// Nothing.
    Off,
}

impl MeasureWord {
    fn read(self) -> Option<Measure> {
        match self {
            Self::Mask => Some(Measure::Mask),
            Self::Blind => Some(Measure::Blind),
            Self::Shadow => Some(Measure::Shadow),
            Self::Refuse => Some(Measure::Refuse),
            Self::Off => None,
        }
    }
}

/// A word that may not be said.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WordBody {
    /// Up to 50 characters; Latin ones are found as a whole, unless there is a `*` at an end.
    pub word: String,
    /// `refuse` when it isn't said; `off` takes the word away.
    #[serde(default)]
    pub measure: MeasureWord,
}

/// A regular expression that may fit no line.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatternBody {
    /// Up to 500 bytes, of regular expressions whose time is linear; upper and lower case are the same.
    pub pattern: String,
    /// `refuse` when it isn't said; `off` takes the pattern away.
    #[serde(default)]
    pub measure: MeasureWord,
}

/// How often something may stand in a row.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RepeatsBody {
    /// 2 to 500.
    pub most: u32,
    /// `refuse` when it isn't said.
    #[serde(default)]
    pub measure: MeasureWord,
}

/// What shall be otherwise in what lines may not say; what isn't named stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilterBody {
    /// Whether every word goes first.
    #[serde(default)]
    pub no_words: bool,
    /// Words that come, change or go.
    #[serde(default)]
    pub words: Vec<WordBody>,
    /// Regular expressions that come, change or go.
    #[serde(default)]
    pub patterns: Vec<PatternBody>,
    /// Hosts whose pages may be named, with those below them.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Hosts that may be named no more.
    #[serde(default)]
    pub no_hosts: Vec<String>,
    /// Lines that name a page of another host.
    pub links: Option<MeasureWord>,
    /// Lines that say the same too often in a row.
    pub repeats: Option<RepeatsBody>,
    /// Lines that heap marks on their letters.
    pub marks: Option<MeasureWord>,
    /// Lines that turn the direction of writing around.
    pub directions: Option<MeasureWord>,
}

impl FilterBody {
    /// The change, if it is within the limits.
    pub fn read(self) -> Result<FilterChange, String> {
        let named = [self.words.len(), self.patterns.len(), self.hosts.len(), self.no_hosts.len()];
        if named.iter().sum::<usize>() > MOST_NAMED {
            return Err(format!(
                "at most {MOST_NAMED} words, patterns and hosts at once: send the rest with a second request"
            ));
        }
        let words = self.words.iter().map(|entry| &entry.word);
        let patterns = self.patterns.iter().map(|entry| &entry.pattern);
        if words.chain(patterns).chain(&self.hosts).any(|text| text.len() > LONGEST) {
            return Err(format!("a word, pattern or host has {LONGEST} bytes at most"));
        }
        if self.repeats.is_some_and(|repeats| !ROWS.contains(&repeats.most)) {
            return Err(format!("most is {} to {}", ROWS.start(), ROWS.end()));
        }
        let repeats = |body: RepeatsBody| Some(Repeats { most: body.most, measure: body.measure.read()? });
        let allowed = self.hosts.into_iter().map(|host| (host, true));
        Ok(FilterChange {
            no_words: self.no_words,
            words: self.words.into_iter().map(|entry| (entry.word, entry.measure.read())).collect(),
            patterns: self.patterns.into_iter().map(|entry| (entry.pattern, entry.measure.read())).collect(),
            hosts: allowed.chain(self.no_hosts.into_iter().map(|host| (host, false))).collect(),
            links: self.links.map(MeasureWord::read),
            repeats: self.repeats.map(repeats),
            marks: self.marks.map(MeasureWord::read),
            directions: self.directions.map(MeasureWord::read),
        })
    }
}

#[derive(Deserialize)]
struct ChangeBody {
    #[serde(default)]
    filter: FilterBody,
    undo: Option<u64>,
    #[serde(default)]
    reason: String,
}

/// Reads the body of FILTER (4040): what lines may not say from now on.
pub fn filter(body: Option<&RawValue>) -> Result<Asked, String> {
    let ChangeBody { filter, undo, reason } = decode(body)?;
    let wish = match undo {
        Some(place) => Wish::Undo(Seq(place)),
        None => Wish::Filter(filter.read()?),
    };
    asked(wish, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<FilterChange, String> {
        let body = RawValue::from_string(format!(r#"{{"filter":{json}}}"#)).unwrap();
        match filter(Some(&body))?.wish {
            Wish::Filter(change) => Ok(change),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_named_changes() {
        let change = read(
            r#"{"words":[{"word":"a","measure":"mask"},{"word":"b"},{"word":"c","measure":"off"}],"links":"off",
                "hosts":["x.com"],"noHosts":["y.com"],"repeats":{"most":9,"measure":"blind"}}"#,
        );
        let word = |text: &str, measure| (text.to_owned(), measure);
        let expected = FilterChange {
            words: vec![word("a", Some(Measure::Mask)), word("b", Some(Measure::Refuse)), word("c", None)],
            hosts: vec![("x.com".to_owned(), true), ("y.com".to_owned(), false)],
            links: Some(None),
            repeats: Some(Some(Repeats { most: 9, measure: Measure::Blind })),
            ..FilterChange::default()
        };
        assert_eq!(change, Ok(expected));
        let undo = RawValue::from_string(r#"{"undo":7}"#.to_owned()).unwrap();
        assert_eq!(filter(Some(&undo)).unwrap().wish, Wish::Undo(Seq(7)));
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let words = |count: usize| format!(r#"{{"words":[{}]}}"#, vec![r#"{"word":"ab"}"#; count].join(","));
        assert!(read(&words(MOST_NAMED)).is_ok() && read(&words(MOST_NAMED + 1)).unwrap_err().contains("1000"));
        for bad in [
            r#"{"repeats":{"most":1}}"#,
            r#"{"words":["a"]}"#,
            r#"{"links":"maybe"}"#,
            r#"{"wrods":[]}"#,
            &format!(r#"{{"patterns":[{{"pattern":"{}"}}]}}"#, "x".repeat(LONGEST + 1)),
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
