//! Answers to one request. A refused one keeps the usual shape: its body is never missing, because published clients
//! read into it unguarded (facts, 5.1).

use serde::Serialize;

use crate::model::id::{ChannelId, Cid, Seq};
use crate::model::item::Item;
use crate::model::message::Receipt;
use crate::model::refusal::Refusal;

use super::cmd::Cmd;
use super::code::{self, Code};
use super::profile::{extras_string, json, profile_string};
use super::word::{SERVICE, plain_kind, status_code};

/// What the wire says in `retMsg` when all is well.
const SUCCESS: &str = "SUCCESS";

/// What a reply answers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The request's `tid`, as text.
    pub tid: Option<String>,
    /// The broadcast it was about.
    pub cid: Option<Cid>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a, B> {
    #[serde(rename = "svcid")]
    service: &'static str,
    #[serde(rename = "bdy")]
    body: B,
    cmd: u64,
    ret_code: u16,
    ret_msg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    tid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cid: Option<&'a str>,
}

fn success<B: Serialize>(request: Cmd, to: &Address, body: B) -> String {
    json(&Reply {
        service: SERVICE,
        body,
        cmd: request.reply().0,
        ret_code: Code::SUCCESS.0,
        ret_msg: SUCCESS,
        retry_after_ms: None,
        tid: to.tid.as_deref(),
        cid: to.cid.as_ref().map(Cid::as_str),
    })
}

#[derive(Serialize)]
struct Empty {}

/// PONG.
pub fn pong() -> String {
    format!(r#"{{"ver":"2","cmd":{}}}"#, Cmd::PONG.0)
}

/// PING, for clients whose library hides the WebSocket's own.
pub fn ping() -> String {
    format!(r#"{{"ver":"2","cmd":{}}}"#, Cmd::PING.0)
}

/// What CONNECTED says of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected<'a> {
    /// Whether the session may send.
    pub writes: bool,
    /// The connection's UUID.
    pub uuid: &'a str,
    /// The session's identity.
    pub sid: &'a str,
}

#[derive(Serialize)]
struct ConnectedBody<'a> {
    /// Null on the real wire too.
    #[serde(rename = "accTkn")]
    token: Option<()>,
    auth: &'static str,
    uuid: &'a str,
    sid: &'a str,
}

/// CONNECTED (10100).
pub fn connected(to: &Address, session: Connected<'_>) -> String {
    let auth = if session.writes { "SEND" } else { "READ" };
    success(Cmd::CONNECT, to, ConnectedBody { token: None, auth, uuid: session.uuid, sid: session.sid })
}

#[derive(Serialize)]
struct RefreshedBody {
    auth: &'static str,
}

/// The answer to REFRESH (10200): from now on the session may send.
pub fn refreshed(to: &Address) -> String {
    success(Cmd::REFRESH, to, RefreshedBody { auth: "SEND" })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SentBody {
    msg_id: String,
    msg_time: i64,
    seq: u64,
}

/// The answer to an accepted line (13101): it is durable and everybody gets it in this order.
pub fn sent(to: &Address, receipt: &Receipt) -> String {
    let Receipt { id, time, seq: Seq(seq) } = *receipt;
    success(Cmd::SEND_CHAT, to, SentBody { msg_id: id.to_string(), msg_time: time.0, seq })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecentBody<'a> {
    message_list: &'a [RecentItem<'a>],
    user_count: u32,
    notice: Option<()>,
}

/// A line as RECENT_CHAT spells it: other names than in a push (facts, 2.3).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecentItem<'a> {
    service_id: &'static str,
    channel_id: &'a str,
    message_time: i64,
    user_id: &'a str,
    profile: String,
    content: &'a str,
    extras: String,
    member_count: u32,
    message_type_code: u8,
    message_status_type: &'static str,
    create_time: i64,
    update_time: i64,
    msg_tid: Option<()>,
}

/// The last lines (15101), oldest first, at most `limit` bytes: the newest stay.
pub fn recent_chat(to: &Address, channel: &ChannelId, items: &[Item], members: u32, limit: usize) -> String {
    let mut lines: Vec<RecentItem<'_>> = items.iter().map(|item| recent_item(item, channel)).collect();
    loop {
        let text =
            success(Cmd::RECENT_CHAT, to, RecentBody { message_list: &lines, user_count: members, notice: None });
        if text.len() <= limit || lines.is_empty() {
            return text;
        }
        // Oldest first: as many as the excess amounts to at the average size of a line, at least one.
        let excess = (text.len() - limit) * lines.len() / text.len();
        lines.drain(..excess.clamp(1, lines.len()));
    }
}

fn recent_item<'a>(item: &'a Item, channel: &ChannelId) -> RecentItem<'a> {
    RecentItem {
        service_id: SERVICE,
        channel_id: item.cid().as_str(),
        message_time: item.time().0,
        user_id: item.author().uid.as_str(),
        profile: profile_string(item.author()),
        content: item.text(),
        extras: extras_string(&item.extras(), channel),
        member_count: item.members(),
        message_type_code: plain_kind(item.kind()),
        message_status_type: status_code(item.status()),
        create_time: item.time().0,
        update_time: item.time().0,
        msg_tid: None,
    }
}

/// A refusal in the shape of the reply it stands for.
pub fn refused(request: Cmd, to: &Address, refusal: &Refusal) -> String {
    let ret_msg = code::message(refusal);
    let reply = |body: &serde_json::value::RawValue| {
        json(&Reply {
            service: SERVICE,
            body,
            cmd: request.reply().0,
            ret_code: Code::of(refusal).0,
            ret_msg: &ret_msg,
            retry_after_ms: refusal.retry_after_ms(),
            tid: to.tid.as_deref(),
            cid: to.cid.as_ref().map(Cid::as_str),
        })
    };
    let body = if request == Cmd::RECENT_CHAT {
        json(&RecentBody { message_list: &[], user_count: 0, notice: None })
    } else {
        json(&Empty {})
    };
    serde_json::value::RawValue::from_string(body).map_or_else(|_| String::new(), |body| reply(&body))
}

/// The answer to a message without a command number. One published client opens connections just to get one (facts,
/// 5.8).
pub fn unreadable() -> String {
    format!(r#"{{"retCode":{},"retMsg":"Incorrect parameter"}}"#, Code::INCORRECT_PARAMETER.0)
}
