//! What is told beside the log: WHISPER (93301), JOIN (94001), QUIT (94002) on our own layer, lines of the channel's own
//! (93102) on both; and the answers to WHISPER (13301) and MEMBERS (15201).

use serde::Serialize;

use crate::model::aside::{Aside, Member, Whisper};
use crate::model::id::{Cid, EventId, UserId};
use crate::model::time::Millis;

use super::cmd::Cmd;
use super::profile::{json, profile_string, role_code};
use super::push::event_of;
use super::reply::{Address, success};
use super::special;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WhisperJson<'a> {
    whisper_id: String,
    channel_id: &'a str,
    user_id: &'a str,
    profile: String,
    msg: &'a str,
    emojis: serde_json::Map<String, serde_json::Value>,
    msg_time: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberJson<'a> {
    user_id: &'a str,
    nickname: &'a str,
    user_role_code: &'static str,
    color_code: &'a str,
    profile_image_url: &'a str,
    verified_mark: bool,
    join_time: i64,
    away: bool,
}

impl<'a> From<&'a Member> for MemberJson<'a> {
    fn from(member: &'a Member) -> Self {
        let profile = &member.author.profile;
        Self {
            user_id: member.author.uid.as_str(),
            nickname: &profile.nickname,
            user_role_code: role_code(member.author.role),
            color_code: &profile.color_code,
            profile_image_url: &profile.image_url,
            verified_mark: profile.verified,
            join_time: member.joined.0,
            away: member.away,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LeftJson<'a> {
    user_id: &'a str,
}

/// A push of what is told beside the log. It covers no part of it.
pub fn push(cid: &Cid, aside: &Aside) -> String {
    let (cmd, body) = match aside {
        Aside::Whisper(whisper) => (Cmd::WHISPERED, json(&whisper_json(cid, whisper))),
        Aside::Joined(member) => (Cmd::JOINED, json(&MemberJson::from(member))),
        Aside::Line(line) => (Cmd::SPECIAL, special::own_line(cid, line)),
        Aside::Left(user) => (Cmd::LEFT, json(&LeftJson { user_id: user.as_str() })),
    };
    event_of(cmd, cid, &body, "")
}

fn whisper_json<'a>(cid: &'a Cid, whisper: &'a Whisper) -> WhisperJson<'a> {
    let emojis = whisper.extras.emojis.iter().map(|(name, picture)| (name.clone(), picture.clone().into()));
    WhisperJson {
        whisper_id: whisper.id.to_string(),
        channel_id: cid.as_str(),
        user_id: whisper.from.uid.as_str(),
        profile: profile_string(&whisper.from),
        msg: &whisper.text,
        emojis: emojis.collect(),
        msg_time: whisper.time.0,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WhisperedBody {
    whisper_id: String,
    msg_time: i64,
}

/// The answer to WHISPER (13301): it is queued to one of the other's sessions at least.
pub fn whispered(to: &Address, id: EventId, time: Millis) -> String {
    success(Cmd::WHISPER, to, WhisperedBody { whisper_id: id.to_string(), msg_time: time.0 })
}

#[derive(Serialize)]
struct NothingMore {}

/// The answer to a WHISPER that says what is taken from now on.
pub fn takes_whispers(to: &Address) -> String {
    success(Cmd::WHISPER, to, NothingMore {})
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MembersBody<'a> {
    members: Vec<MemberJson<'a>>,
    mbr_cnt: u32,
    user_cnt: u32,
    next_cursor: Option<&'a str>,
}

/// The answer to MEMBERS (15201), at most `limit` bytes: what doesn't fit comes with the next page.
pub fn members(to: &Address, members: &[Member], more: bool, (sockets, users): (u32, u32), limit: usize) -> String {
    let mut count = members.len();
    loop {
        let cut = more || count < members.len();
        let next = members[..count].last().filter(|_| cut).map(|last| last.author.uid.as_str());
        let shown = members[..count].iter().map(MemberJson::from).collect();
        let body = MembersBody { members: shown, mbr_cnt: sockets, user_cnt: users, next_cursor: next };
        let text = success(Cmd::MEMBERS, to, body);
        if text.len() <= limit || count <= 1 {
            return text;
        }
        let excess = (text.len() - limit) * count / text.len();
        count -= excess.clamp(1, count - 1);
    }
}

/// Where a list of members goes on.
pub fn read_cursor(text: &str) -> Result<UserId, String> {
    UserId::parse(text).ok_or_else(|| "cursor is not one that was given out".to_owned())
}
