//! The messages of the chat, as the program has them. What a client wrote as JSON goes out as the JSON it was.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub(super) const PING: u64 = 0;
pub(super) const CONNECT: u64 = 100;
pub(super) const SEND_CHAT: u64 = 3101;

/// The answer to [`PING`].
pub(super) const PONG: &str = r#"{"ver":"2","cmd":10000}"#;

/// Longest `cid` in bytes, quotes included.
const LONGEST_CID: usize = 66;

/// `extras` of every line: JSON in a string.
const EXTRAS: &str = concat!(
    r#""{\"chatType\":\"STREAMING\",\"osType\":\"PC\","#,
    r#"\"streamingChannelId\":\"ffffffffffffffffffffffffffffffff\",\"emojis\":{}}""#
);

/// A message of a client.
#[derive(Deserialize)]
pub(super) struct Request<'a> {
    pub(super) cmd: u64,
    #[serde(borrow, default)]
    cid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tid: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "bdy")]
    body: Option<Body<'a>>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    auth: Option<&'a RawValue>,
    #[serde(borrow, default)]
    msg: Option<&'a RawValue>,
}

impl<'a> Request<'a> {
    /// The broadcast, as JSON.
    pub(super) fn cid(&self) -> Option<&'a str> {
        text(self.cid).filter(|cid| cid.len() <= LONGEST_CID)
    }

    /// The text of a line, as JSON.
    pub(super) fn msg(&self) -> Option<&'a str> {
        text(self.body.as_ref()?.msg)
    }

    /// What the session asks for, as JSON.
    fn auth(&self) -> &'a str {
        self.body.as_ref().and_then(|body| text(body.auth)).filter(|auth| *auth == r#""SEND""#).unwrap_or(r#""READ""#)
    }

    /// What stands behind the body of an answer to this, from the `cmd` on: a number comes back as a string.
    fn answered(&self) -> String {
        let tid = match self.tid.map_or("null", RawValue::get) {
            number if number.starts_with(|first: char| first.is_ascii_digit()) => format!(r#""{number}""#),
            string if string.starts_with('"') => string.to_owned(),
            _ => "null".to_owned(),
        };
        let (cmd, cid) = (self.cmd + 10_000, self.cid().unwrap_or("null"));
        format!(r#""cmd":{cmd},"retCode":0,"retMsg":"SUCCESS","tid":{tid},"cid":{cid}"#)
    }
}

/// JSON that is a string.
fn text(raw: Option<&RawValue>) -> Option<&str> {
    raw.map(RawValue::get).filter(|json| json.starts_with('"'))
}

/// A line's place behind all others: a time that no other line has, ahead of the clock if it must be.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    seq: u64,
    /// Milliseconds since 1970.
    time: u64,
}

impl Place {
    /// The one behind this.
    #[expect(clippy::disallowed_methods, reason = "a program by itself, whose time no test decides")]
    pub(super) fn next(self) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { seq: self.seq + 1, time: (now.as_millis() as u64).max(self.time + 1) }
    }
}

/// CHAT (93101) with one line; `cid` and `msg` are JSON, `author` is what [`author`] made.
pub(super) fn push(cid: &str, members: usize, author: &str, msg: &str, Place { seq, time }: Place) -> String {
    let head =
        format!(r#"{{"svcid":"game","ver":"1","bdy":[{{"svcid":"game","cid":{cid},"mbrCnt":{members},{author},"#);
    let said = format!(r#""msg":{msg},"msgTypeCode":1,"msgStatusType":"NORMAL","extras":{EXTRAS},"#);
    let when = format!(r#""ctime":{time},"utime":{time},"msgTid":null,"cuid":null,"msgTime":{time}}}],"#);
    let tail = format!(r#""cmd":93101,"tid":"{seq}","cid":{cid}}}"#);
    [head, said, when, tail].concat()
}

/// The answer to a line (13101).
pub(super) fn sent(request: &Request<'_>, Place { seq, time }: Place) -> String {
    let body = format!(r#"{{"msgId":"01920000-0000-7000-8000-{seq:012x}","msgTime":{time},"seq":{seq}}}"#);
    format!(r#"{{"svcid":"game","bdy":{body},{}}}"#, request.answered())
}

/// CONNECTED (10100) to the connection of this number, which may do what it asks for.
pub(super) fn connected(request: &Request<'_>, number: u64) -> String {
    let ids = format!(r#""uuid":"6a0c8d8e-0000-4000-8000-{number:012x}","sid":"{number:064x}""#);
    format!(r#"{{"svcid":"game","bdy":{{"accTkn":null,"auth":{},{ids}}},{}}}"#, request.auth(), request.answered())
}

/// The fields of a line that say whose it is: a guest, one for each connection.
pub(super) fn author(number: u64) -> Box<str> {
    let uid = format!("{number:032x}");
    let who = format!(r#"{{"userIdHash":"{uid}","nickname":"guest-{number:08x}","profileImageUrl":"","#);
    let marks =
        r#""userRoleCode":"common_user","badge":null,"title":null,"verifiedMark":false,"verifiedMarkType":null,"#;
    let color = r#""streamingProperty":{"nicknameColor":{"colorCode":"CC000"},"activatedAchievementBadgeIds":[]},"#;
    let profile = format!(r#"{who}{marks}"activityBadges":[],{color}"viewerBadges":[]}}"#);
    format!(r#""uid":"{uid}","profile":{}"#, Value::from(profile)).into()
}
