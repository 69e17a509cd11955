//! What is told of what was done to somebody: TEMPORARY_RESTRICT (an EVENT, 93006), KICK (94005), BLOCK (94006), PENALTY
//! (94015), and the system's line for staff (a SPECIAL, 93102, of type 30).

use serde::Serialize;
use time::format_description::BorrowedFormatItem;
use time::macros::{format_description, offset};
use time::{OffsetDateTime, UtcOffset};

use crate::model::act::Deed;
use crate::model::id::Cid;
use crate::model::item::{Sanction, SystemView};
use crate::model::message::Author;
use crate::model::mode::Modes;
use crate::model::time::Millis;

use super::cmd::Cmd;
use super::profile::{json, profile_string, role_code};
use super::push::{ChatItem, Place};
use super::word::group_name;

/// Times without a zone on this wire are Korean.
const KOREA: UtcOffset = offset!(+9);

const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]");

/// Who speaks in the system's lines (facts, 2.6).
pub(super) const SYSTEM: &str = "SYSTEM_MESSAGE";

/// Which lines of the system these are (facts, 2.6): about a restriction, about how the chat is run, about slow mode.
const RESTRICTION: u8 = 3;
pub(super) const MODE_CHANGE: u8 = 1;
const SLOW_MODE: u8 = 5;

/// `msgTypeCode` of the system's lines.
pub(super) const SYSTEM_TYPE: u8 = 30;

/// Who shall see a line of the system: the first four are staff.
const ROLES: [&str; 5] = ["STREAMING_CHANNEL_MANAGER", "STREAMING_CHAT_MANAGER", "STREAMER", "MANAGER", "COMMON_USER"];

/// How many of them are.
const STAFF: usize = 4;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TemporaryRestrict<'a> {
    r#type: &'static str,
    duration: i64,
    times: u32,
    user_id_hash: &'a str,
    created_time: String,
}

/// Bodies of pushes whose shape nobody has recorded (facts, 2.9): ours name the user and what was done.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Kick<'a> {
    channel_id: &'a str,
    quit_user_id_list: [&'a str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Penalty<'a> {
    channel_id: &'a str,
    target_user_id: &'a str,
    duration: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    channel_id: &'a str,
    target_user_id: &'a str,
    blocked: bool,
    /// When it ends; null when it is for good, or over.
    release_time: Option<i64>,
}

/// Messages about what was done to somebody.
pub(super) fn sanction(cid: &Cid, sanction: &Sanction) -> Vec<(Cmd, String)> {
    let channel_id = cid.as_str();
    match sanction {
        Sanction::Kicked(user) => {
            vec![(Cmd::KICKED, json(&Kick { channel_id, quit_user_id_list: [user.as_str()] }))]
        }
        Sanction::Penalized { user, at, seconds, times } => {
            let event = TemporaryRestrict {
                r#type: "TEMPORARY_RESTRICT",
                duration: *seconds,
                times: *times,
                user_id_hash: user.as_str(),
                created_time: korean_time(*at),
            };
            let penalty = Penalty { channel_id, target_user_id: user.as_str(), duration: *seconds };
            vec![(Cmd::EVENT, json(&event)), (Cmd::PENALIZED, json(&penalty))]
        }
        Sanction::Blocked(user, until) => {
            let release_time = until.map(|until| until.0);
            vec![(
                Cmd::BLOCKED,
                json(&Block { channel_id, target_user_id: user.as_str(), blocked: true, release_time }),
            )]
        }
        Sanction::Lifted(user) => {
            let lifted = Block { channel_id, target_user_id: user.as_str(), blocked: false, release_time: None };
            vec![(Cmd::BLOCKED, json(&lifted))]
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SystemExtras<'a> {
    description: String,
    style_type: u8,
    visible_roles: &'static [&'static str],
    /// One published client takes none, or one with both names.
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<SystemParams<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SystemParams<'a> {
    register_nickname: &'a str,
    target_nickname: &'a str,
    register_chat_profile_json: String,
    target_chat_profile_json: String,
}

/// The `extras` of a line of the system, about what one has done to another when it says who they are.
pub(super) fn system_extras(
    description: String,
    style_type: u8,
    staff: bool,
    people: Option<(&Author, &Author)>,
) -> String {
    let params = people.map(|(by, target)| SystemParams {
        register_nickname: &by.profile.nickname,
        target_nickname: &target.profile.nickname,
        register_chat_profile_json: profile_string(by),
        target_chat_profile_json: profile_string(target),
    });
    let visible_roles = if staff { &ROLES[..STAFF] } else { &ROLES };
    json(&SystemExtras { description, style_type, visible_roles, params })
}

/// A list of one line of the system: one published client reads no more of a frame that holds a line it can't read.
pub(super) fn system(place: &Place<'_>, system: &SystemView) -> String {
    let (title, description) = words(system);
    let extras = system_extras(description, style(&system.deed), true, Some((&system.by, &system.target)));
    let blank = ChatItem::blank(place.cid, place.members, system.time, (SYSTEM_TYPE, SYSTEM));
    let placed = blank.placed(place, system.id, system.seq);
    json(&[ChatItem { profile: Some("{}".to_owned()), msg: title, extras, ..placed }])
}

fn style(deed: &Deed) -> u8 {
    match deed {
        Deed::Run(change) if change.slow_seconds.is_some() => SLOW_MODE,
        Deed::Run(_) | Deed::Panic(..) | Deed::Calm => MODE_CHANGE,
        _ => RESTRICTION,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeChatMode {
    r#type: &'static str,
    min_follower_minute: u32,
    chat_emoji_mode: bool,
    chat_slow_mode_sec: u32,
    allow_subscriber_in_follower_mode: bool,
    chat_available_group: &'static str,
    chat_donation_ranking_exposure: bool,
    chat_available_condition: &'static str,
}

/// CHANGE_CHAT_MODE (facts, 2.8).
pub(super) fn modes(modes: &Modes) -> String {
    json(&ChangeChatMode {
        r#type: "CHANGE_CHAT_MODE",
        min_follower_minute: modes.follow_minutes,
        chat_emoji_mode: modes.emoji_only,
        chat_slow_mode_sec: modes.slow_seconds,
        allow_subscriber_in_follower_mode: modes.subscribers_too,
        chat_available_group: group_name(modes.group),
        chat_donation_ranking_exposure: false,
        chat_available_condition: condition_name(modes),
    })
}

/// `chatAvailableCondition`.
pub fn condition_name(modes: &Modes) -> &'static str {
    if modes.real_name { "REAL_NAME" } else { "NONE" }
}

/// What it says, in short and in full.
fn words(system: &SystemView) -> (&'static str, String) {
    let (by, target) = (&system.by.profile.nickname, &system.target.profile.nickname);
    match &system.deed {
        Deed::Penalize(_, until) => {
            let seconds = (until.0 - system.time.0) / 1_000;
            ("chat restricted", format!("{by} restricted {target} for {seconds} s"))
        }
        Deed::Block(_, Some(until)) => ("chat blocked", format!("{by} blocked {target} until {}", korean_time(*until))),
        Deed::Block(_, None) => ("chat blocked", format!("{by} blocked {target} for good")),
        Deed::Lift(_) => ("restriction lifted", format!("{by} let {target} chat again")),
        Deed::Kick(_) => ("sent out", format!("{by} sent {target} out")),
        Deed::Appoint(_, role) => ("role changed", format!("{by} made {target} {}", role_code(*role))),
        Deed::Run(_) => ("chat mode changed", format!("{by} changed how the chat is run")),
        Deed::Panic(_, until) => {
            let seconds = (until.0 - system.time.0) / 1_000;
            ("panic", format!("{by} switched panic on for {seconds} s"))
        }
        Deed::Calm => ("panic over", format!("{by} ended panic")),
        Deed::Hide(_)
        | Deed::Show(_)
        | Deed::Pin(_)
        | Deed::Unpin
        | Deed::Filter(_)
        | Deed::Say(_)
        | Deed::Mark(..)
        | Deed::Undo(_) => ("", String::new()),
    }
}

/// A time as this wire has it.
pub(super) fn korean_time(instant: Millis) -> String {
    let utc = OffsetDateTime::from_unix_timestamp_nanos(i128::from(instant.0) * 1_000_000).ok();
    utc.and_then(|utc| utc.to_offset(KOREA).format(TIME).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_korean() {
        assert_eq!(korean_time(Millis(1_790_780_400_123)), "2026-10-01T00:00:00.123");
    }
}
