//! Bodies of what staff ask for.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::act::{
    Asked, LONGEST_BLOCK_DAYS, LONGEST_NOTICE_SECONDS, LONGEST_PENALTY_SECONDS, LONGEST_REASON, LONGEST_SWEEP_SECONDS,
    Name, Notice, OLDEST_NEWCOMER_MINUTES, USUAL_PENALTY_SECONDS, Which, Wish,
};
use crate::model::id::{Seq, UserId};
use crate::model::message::Extras;
use crate::model::mode::{
    LONGEST_FOLLOW_MINUTES, LONGEST_PANIC_SECONDS, ModeChange, SLOW_SECONDS, USUAL_PANIC_SECONDS,
};
use crate::model::principal::Role;
use crate::model::time::Millis;

use super::super::profile::role_of;
use super::super::word::group;
use super::{decode, extras};

/// How a line is named: by its place, or by who said it and when (facts, 2.7).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineBody {
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserBody {
    user_id: Option<String>,
    seconds: Option<u32>,
    days: Option<u32>,
    blocked: Option<bool>,
    user_role_code: Option<String>,
    undo: Option<u64>,
    #[serde(default)]
    reason: String,
}

/// As CHANGE_CHAT_MODE spells them (facts, 2.8); what isn't named stays as it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModeBody {
    chat_slow_mode_sec: Option<u32>,
    chat_available_group: Option<String>,
    min_follower_minute: Option<u32>,
    allow_subscriber_in_follower_mode: Option<bool>,
    chat_emoji_mode: Option<bool>,
    chat_available_condition: Option<String>,
    panic: Option<bool>,
    seconds: Option<u32>,
    undo: Option<u64>,
    #[serde(default)]
    reason: String,
}

/// What shall be otherwise in how a chat is run, in words.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModeWords<'a> {
    /// One of [`SLOW_SECONDS`].
    pub slow_seconds: Option<u32>,
    /// Who may send, by the wire's name.
    pub group: Option<&'a str>,
    /// Up to [`LONGEST_FOLLOW_MINUTES`].
    pub follow_minutes: Option<u32>,
    /// Whether subscribers may send where followers may.
    pub subscribers_too: Option<bool>,
    /// Whether lines hold nothing but emojis.
    pub emoji_only: Option<bool>,
    /// Whether only those may send whose name the site knows.
    pub real_name: Option<bool>,
}

impl ModeWords<'_> {
    /// The change, if it is within the limits.
    pub fn read(&self) -> Result<ModeChange, String> {
        if self.slow_seconds.is_some_and(|seconds| !SLOW_SECONDS.contains(&seconds)) {
            return Err(format!("slow mode is one of {SLOW_SECONDS:?} seconds"));
        }
        if self.follow_minutes.is_some_and(|minutes| minutes > LONGEST_FOLLOW_MINUTES) {
            return Err(format!("minutes of following are {LONGEST_FOLLOW_MINUTES} at most"));
        }
        Ok(ModeChange {
            slow_seconds: self.slow_seconds,
            group: self.group.map(group).transpose()?,
            follow_minutes: self.follow_minutes,
            subscribers_too: self.subscribers_too,
            emoji_only: self.emoji_only,
            real_name: self.real_name,
        })
    }
}

/// Seconds of panic, if they are within the limit.
pub fn panic_seconds(given: Option<u32>) -> Result<u32, String> {
    let seconds = given.unwrap_or(USUAL_PANIC_SECONDS);
    let fits = (1..=LONGEST_PANIC_SECONDS).contains(&seconds);
    fits.then_some(seconds).ok_or_else(|| format!("panic lasts 1 to {LONGEST_PANIC_SECONDS} seconds"))
}

/// Whether `chatAvailableCondition` asks for real names.
pub fn condition(name: &str) -> Result<bool, String> {
    match name {
        "NONE" => Ok(false),
        "REAL_NAME" => Ok(true),
        other => Err(format!("chatAvailableCondition is NONE or REAL_NAME, not {other:?}")),
    }
}

impl UserBody {
    /// What is asked for of the user, unless an act is to be taken back.
    fn asked(self, wish: impl FnOnce(&Self, UserId) -> Result<Wish, String>) -> Result<Asked, String> {
        let wish = match self.undo {
            Some(place) => Wish::Undo(Seq(place)),
            None => wish(&self, user_id(self.user_id.as_deref().unwrap_or_default())?)?,
        };
        asked(wish, self.reason)
    }
}

impl LineBody {
    fn is_given(&self) -> bool {
        self.seq.is_some() || self.user_id.is_some() || self.message_time.is_some()
    }

    pub(super) fn name(self) -> Result<Name, String> {
        match (self.seq, self.user_id, self.message_time) {
            (Some(seq), ..) => Ok(Name::Place(Seq(seq))),
            // A donor who isn't named has a name, too.
            (None, Some(user), Some(time)) => {
                let user = UserId::stored(&user).ok_or("userId can't be one")?;
                Ok(Name::Said(user, Millis(time)))
            }
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

/// Reads the body of KICK (4005): a user.
pub fn kick(body: Option<&RawValue>) -> Result<Asked, String> {
    decode::<UserBody>(body)?.asked(|_, user| Ok(Wish::Kick(user)))
}

/// Reads the body of BLOCK (4006): a user, and for how many days; for good without, and no longer with `blocked` false.
pub fn block(body: Option<&RawValue>) -> Result<Asked, String> {
    decode::<UserBody>(body)?.asked(|body, user| match body.blocked {
        Some(false) => Ok(Wish::Lift(user)),
        Some(true) | None => Ok(Wish::Block(user, body.days.map(days).transpose()?)),
    })
}

/// Reads the body of PENALTY (4015): a user, and for how many seconds; 0 ends it.
pub fn penalty(body: Option<&RawValue>) -> Result<Asked, String> {
    decode::<UserBody>(body)?.asked(|body, user| match body.seconds.unwrap_or(USUAL_PENALTY_SECONDS) {
        0 => Ok(Wish::Lift(user)),
        given => Ok(Wish::Penalize(user, seconds(given)?)),
    })
}

/// Reads the body of ROLE (4020): a user, and a role by its name on the wire.
pub fn role(body: Option<&RawValue>) -> Result<Asked, String> {
    decode::<UserBody>(body)?.asked(|body, user| {
        let code = body.user_role_code.as_deref().unwrap_or_default();
        Ok(Wish::Appoint(user, given_role(code)?))
    })
}

/// Reads the body of CHAT_MODE (4030): how the chat shall be run, for good or in panic.
pub fn modes(body: Option<&RawValue>) -> Result<Asked, String> {
    let body: ModeBody = decode(body)?;
    let words = ModeWords {
        slow_seconds: body.chat_slow_mode_sec,
        group: body.chat_available_group.as_deref(),
        follow_minutes: body.min_follower_minute,
        subscribers_too: body.allow_subscriber_in_follower_mode,
        emoji_only: body.chat_emoji_mode,
        real_name: body.chat_available_condition.as_deref().map(condition).transpose()?,
    };
    let wish = match (body.undo, body.panic) {
        (Some(place), _) => Wish::Undo(Seq(place)),
        (None, Some(true)) => Wish::Panic(words.read()?, panic_seconds(body.seconds)?),
        (None, Some(false)) => Wish::Calm,
        (None, None) => Wish::Run(words.read()?),
    };
    asked(wish, body.reason)
}

/// A role that can be given, by its name on the wire in any case; `common_user` takes what was given.
pub fn given_role(code: &str) -> Result<Role, String> {
    let role = role_of(&code.to_ascii_lowercase()).filter(|role| *role < Role::Streamer);
    role.ok_or_else(|| {
        "a role is streaming_chat_manager, streaming_channel_manager, or common_user for none".to_owned()
    })
}

/// Days of a block, if they are within the limit.
pub fn days(days: u32) -> Result<u32, String> {
    let fits = (1..=LONGEST_BLOCK_DAYS).contains(&days);
    fits.then_some(days).ok_or_else(|| format!("days is 1 to {LONGEST_BLOCK_DAYS}, or missing for good"))
}

/// Seconds of a penalty, if they are within the limit.
pub fn seconds(seconds: u32) -> Result<u32, String> {
    let fits = (1..=LONGEST_PENALTY_SECONDS).contains(&seconds);
    fits.then_some(seconds).ok_or_else(|| format!("seconds is 1 to {LONGEST_PENALTY_SECONDS}"))
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
    fn users_are_dealt_with_as_asked() {
        let user = UserId::parse("u").unwrap();
        let wish = |read: fn(Option<&RawValue>) -> Result<Asked, String>, json: &str| {
            read(Some(&raw(json))).map(|asked| asked.wish)
        };
        assert_eq!(wish(kick, r#"{"userId":"u"}"#), Ok(Wish::Kick(user.clone())));
        assert_eq!(wish(block, r#"{"userId":"u","days":7}"#), Ok(Wish::Block(user.clone(), Some(7))));
        assert_eq!(wish(block, r#"{"userId":"u"}"#), Ok(Wish::Block(user.clone(), None)));
        assert_eq!(wish(block, r#"{"userId":"u","blocked":false}"#), Ok(Wish::Lift(user.clone())));
        assert_eq!(wish(penalty, r#"{"userId":"u"}"#), Ok(Wish::Penalize(user.clone(), 30)));
        assert_eq!(wish(penalty, r#"{"userId":"u","seconds":0}"#), Ok(Wish::Lift(user.clone())));
        assert_eq!(wish(penalty, r#"{"undo":3}"#), Ok(Wish::Undo(Seq(3))));
        let code = r#"{"userId":"u","userRoleCode":"STREAMING_CHAT_MANAGER"}"#;
        assert_eq!(wish(role, code), Ok(Wish::Appoint(user, Role::ChatManager)));
        for bad in ["{}", r#"{"userId":""}"#, r#"{"userId":5}"#] {
            assert!(wish(kick, bad).is_err() && wish(block, bad).is_err() && wish(penalty, bad).is_err(), "{bad}");
        }
        assert!(wish(role, r#"{"userId":"u","userRoleCode":"streamer"}"#).is_err());
        let slow = ModeChange { slow_seconds: Some(5), ..ModeChange::default() };
        assert_eq!(wish(modes, r#"{"chatSlowModeSec":5}"#), Ok(Wish::Run(slow)));
        assert_eq!(wish(modes, r#"{"panic":true,"chatSlowModeSec":5}"#), Ok(Wish::Panic(slow, 600)));
        assert_eq!(wish(modes, r#"{"panic":false}"#), Ok(Wish::Calm));
        for bad in [
            r#"{"chatSlowModeSec":4}"#,
            r#"{"chatAvailableGroup":"NOBODY"}"#,
            r#"{"minFollowerMinute":259201}"#,
            r#"{"chatAvailableCondition":"X"}"#,
            r#"{"panic":true,"seconds":0}"#,
        ] {
            assert!(wish(modes, bad).is_err(), "{bad}");
        }
        assert!(wish(block, r#"{"userId":"u","days":0}"#).is_err());
        assert!(wish(penalty, r#"{"userId":"u","seconds":86401}"#).is_err());
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
