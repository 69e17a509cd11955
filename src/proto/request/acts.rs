//! Bodies of what staff ask for.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::act::{
    Asked, LONGEST_NOTICE_SECONDS, LONGEST_REASON, LONGEST_SWEEP_SECONDS, Name, Notice, OLDEST_NEWCOMER_MINUTES, Which,
    Wish,
};
use crate::model::id::{Seq, UserId};
use crate::model::message::Extras;
use crate::model::time::Millis;

use super::{decode, extras};

/// How a line is named: by its place, or by who said it and when (facts, 2.7).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineBody {
    seq: Option<u64>,
    user_id: Option<String>,
    message_time: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HideBody {
    #[serde(flatten)]
    line: LineBody,
    blind_type: Option<String>,
    #[serde(default)]
    all: bool,
    sweep: Option<SweepBody>,
    undo: Option<u64>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SweepBody {
    seconds: u32,
    newcomer_minutes: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PinBody {
    #[serde(flatten)]
    line: LineBody,
    message: Option<String>,
    extras: Option<String>,
    seconds: Option<u32>,
    undo: Option<u64>,
    #[serde(default)]
    reason: String,
}

impl LineBody {
    fn is_given(&self) -> bool {
        self.seq.is_some() || self.user_id.is_some() || self.message_time.is_some()
    }

    fn name(self) -> Result<Name, String> {
        match (self.seq, self.user_id, self.message_time) {
            (Some(seq), ..) => Ok(Name::Place(Seq(seq))),
            (None, Some(user), Some(time)) => Ok(Name::Said(user_id(&user)?, Millis(time))),
            _ => Err("a line is named by seq, or by userId and messageTime".to_owned()),
        }
    }
}

/// Reads the body of BLIND (4008): which lines shall be hidden, or with `blindType` CANCEL shown again.
pub fn hide(body: Option<&RawValue>) -> Result<Asked, String> {
    let HideBody { line, blind_type, all, sweep: swept, undo, reason } = decode(body)?;
    let which = || match swept {
        Some(SweepBody { seconds, newcomer_minutes }) => sweep(seconds, newcomer_minutes),
        None if all => Ok(Which::Of(user_id(line.user_id.as_deref().unwrap_or_default())?)),
        None => line.name().map(Which::Line),
    };
    let wish = match (undo, blind_type.as_deref()) {
        (Some(place), _) => Wish::Undo(Seq(place)),
        (None, Some("HIDDEN") | None) => Wish::Hide(which()?),
        (None, Some("CANCEL")) => Wish::Show(which()?),
        (None, Some(other)) => return Err(format!("blindType is HIDDEN or CANCEL, not {other:?}")),
    };
    asked(wish, reason)
}

/// Reads the body of NOTICE (4010): a text, or a line that was sent before; one that names neither unpins.
pub fn pin(body: Option<&RawValue>, largest_extras: usize) -> Result<Asked, String> {
    let PinBody { line, message, extras: shown, seconds, undo, reason } = decode(body)?;
    if seconds.is_some_and(|seconds| !(1..=LONGEST_NOTICE_SECONDS).contains(&seconds)) {
        return Err(format!("seconds is 1 to {LONGEST_NOTICE_SECONDS}"));
    }
    let wish = match (undo, message) {
        (Some(place), _) => Wish::Undo(Seq(place)),
        (None, _) if line.is_given() => Wish::Pin(Notice::Line(line.name()?), seconds),
        (None, Some(text)) => Wish::Pin(Notice::Text(text, shown_with(shown, largest_extras)?), seconds),
        (None, None) => Wish::Unpin,
    };
    asked(wish, reason)
}

/// Reads the body of HIDDEN_LINE (5008): a line's name.
pub fn hidden_line(body: Option<&RawValue>) -> Result<Name, String> {
    decode::<LineBody>(body)?.name()
}

/// A sweep, if its numbers are within their limits.
pub fn sweep(seconds: u32, newcomer_minutes: u32) -> Result<Which, String> {
    if !(1..=LONGEST_SWEEP_SECONDS).contains(&seconds) {
        return Err(format!("the seconds of a sweep are 1 to {LONGEST_SWEEP_SECONDS}"));
    }
    if newcomer_minutes > OLDEST_NEWCOMER_MINUTES {
        return Err(format!("newcomerMinutes is {OLDEST_NEWCOMER_MINUTES} at most"));
    }
    Ok(Which::Sweep { seconds, newcomer_minutes })
}

/// What is asked for, if its reason is within the limit.
pub fn asked(wish: Wish, reason: String) -> Result<Asked, String> {
    if reason.chars().count() > LONGEST_REASON || reason.chars().any(char::is_control) {
        return Err(format!("a reason has {LONGEST_REASON} characters at most, and no control characters"));
    }
    Ok(Asked { reason, wish })
}

fn user_id(text: &str) -> Result<UserId, String> {
    UserId::parse(text).ok_or_else(|| "userId is missing, or can't be one".to_owned())
}

fn shown_with(json: Option<String>, largest: usize) -> Result<Extras, String> {
    match json.as_deref() {
        None | Some("") => Ok(Extras::default()),
        Some(json) if json.len() > largest => Err(format!("extras has {largest} bytes at most")),
        Some(json) => extras(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn hides(json: &str) -> Result<Wish, String> {
        hide(Some(&raw(json))).map(|asked| asked.wish)
    }

    fn pins(json: &str) -> Result<Wish, String> {
        pin(Some(&raw(json)), 100).map(|asked| asked.wish)
    }

    #[test]
    fn lines_are_named_in_two_ways() {
        let user = UserId::parse("u").unwrap();
        let said = Name::Said(user.clone(), Millis(5));
        assert_eq!(hides(r#"{"seq":7}"#), Ok(Wish::Hide(Which::Line(Name::Place(Seq(7))))));
        assert_eq!(hides(r#"{"userId":"u","messageTime":5}"#), Ok(Wish::Hide(Which::Line(said.clone()))));
        assert_eq!(hides(r#"{"userId":"u","all":true,"blindType":"CANCEL"}"#), Ok(Wish::Show(Which::Of(user))));
        assert_eq!(pins(r#"{"userId":"u","messageTime":5,"message":"x"}"#), Ok(Wish::Pin(Notice::Line(said), None)));
        assert_eq!(pins("{}"), Ok(Wish::Unpin));
        assert_eq!(pins(r#"{"undo":9}"#), Ok(Wish::Undo(Seq(9))));
        let swept = Which::Sweep { seconds: 60, newcomer_minutes: 0 };
        assert_eq!(hides(r#"{"sweep":{"seconds":60,"newcomerMinutes":0}}"#), Ok(Wish::Hide(swept)));
    }

    #[test]
    fn bad_bodies_say_what_is_wrong() {
        for bad in
            ["{}", r#"{"userId":"u"}"#, r#"{"messageTime":5}"#, r#"{"all":true}"#, r#"{"userId":"a b","all":true}"#]
        {
            assert!(hides(bad).is_err(), "{bad}");
        }
        assert!(hides(r#"{"seq":7,"blindType":"GONE"}"#).unwrap_err().contains("HIDDEN or CANCEL"));
        assert!(hides(r#"{"sweep":{"seconds":601,"newcomerMinutes":1}}"#).unwrap_err().contains("600"));
        assert!(hides(r#"{"sweep":{"seconds":6,"newcomerMinutes":1441}}"#).unwrap_err().contains("1440"));
        assert!(pins(r#"{"message":"x","seconds":0}"#).unwrap_err().contains("86400"));
        assert!(pins(&format!(r#"{{"message":"x","extras":"{}"}}"#, "x".repeat(101))).unwrap_err().contains("100"));
        let long = format!(r#"{{"seq":7,"reason":"{}"}}"#, "x".repeat(201));
        assert!(hides(&long).unwrap_err().contains("200"));
        assert!(hide(None).is_err() && pin(None, 9).is_err());
    }
}
