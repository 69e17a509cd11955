//! Answers to one request. A refused one keeps the usual shape: its body is never missing, because published clients
//! read into it unguarded (facts, 5.1).

use serde::Serialize;

use crate::model::act::Act;
use crate::model::id::{ChannelId, Cid, Epoch, Seq};
use crate::model::item::{LineView, NoticeView};
use crate::model::message::Receipt;
use crate::model::refusal::Refusal;
use crate::model::time::Millis;

use super::acts::{self, NoticeJson};
use super::cmd::Cmd;
use super::code::{self, Code};
use super::profile::json;
use super::word::{Dialect, SERVICE, rule_name};
use super::{questions, special};

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

pub(super) fn success<B: Serialize>(request: Cmd, to: &Address, body: B) -> String {
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
    /// For sessions of our own layer.
    pub ext: Option<ConnectedExt>,
}

/// What CONNECTED says to a session of our own layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectedExt {
    /// Which life of the channel's log the places belong to.
    pub epoch: Epoch,
    /// How far the log is.
    pub seq: Seq,
    /// Pushes will cover everything behind this place.
    pub after: Seq,
    /// Which lines the session sees.
    pub lane: &'static str,
    /// Largest push, in bytes.
    pub frame_bytes: usize,
    /// Whether everything since the place that the client named will follow, or why not; `None` for one that named none.
    pub recovered: Option<Result<(), &'static str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExtFields {
    ext: u8,
    epoch: String,
    seq: u64,
    after: u64,
    lane: &'static str,
    frame_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl From<ConnectedExt> for ExtFields {
    fn from(ext: ConnectedExt) -> Self {
        Self {
            ext: EXT_VERSION,
            epoch: ext.epoch.to_string(),
            seq: ext.seq.0,
            after: ext.after.0,
            lane: ext.lane,
            frame_bytes: ext.frame_bytes,
            recovered: ext.recovered.map(|recovered| recovered.is_ok()),
            reason: ext.recovered.and_then(Result::err),
        }
    }
}

/// The version of our own layer.
const EXT_VERSION: u8 = 1;

#[derive(Serialize)]
struct ConnectedBody<'a> {
    /// Null on the real wire too.
    #[serde(rename = "accTkn")]
    token: Option<()>,
    auth: &'static str,
    uuid: &'a str,
    sid: &'a str,
    #[serde(flatten)]
    ext: Option<ExtFields>,
}

/// CONNECTED (10100).
pub fn connected(to: &Address, session: Connected<'_>) -> String {
    let auth = if session.writes { "SEND" } else { "READ" };
    let Connected { uuid, sid, ext, .. } = session;
    success(Cmd::CONNECT, to, ConnectedBody { token: None, auth, uuid, sid, ext: ext.map(ExtFields::from) })
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
struct ActedBody {
    act_id: String,
    act_time: i64,
    seq: u64,
}

/// The answer to something that staff did: it is durable and in force. Without a receipt it was so already.
pub fn acted(request: Cmd, to: &Address, receipt: Option<&Receipt>) -> String {
    match receipt {
        Some(Receipt { id, time, seq: Seq(seq) }) => {
            success(request, to, ActedBody { act_id: id.to_string(), act_time: time.0, seq: *seq })
        }
        None => success(request, to, Empty {}),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecentBody<'a> {
    message_list: &'a [RecentItem<'a>],
    user_count: u32,
    notice: Option<NoticeJson<'a>>,
    #[serde(flatten)]
    ext: Option<RecentExt>,
}

#[derive(Clone, Serialize)]
struct RecentExt {
    epoch: String,
    seq: u64,
}

/// A line as RECENT_CHAT spells it: other names than in a push (facts, 2.3).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecentItem<'a> {
    service_id: &'static str,
    channel_id: &'a str,
    message_time: i64,
    user_id: &'a str,
    profile: Option<String>,
    content: &'a str,
    extras: String,
    member_count: u32,
    message_type_code: u8,
    message_status_type: &'static str,
    create_time: i64,
    update_time: i64,
    msg_tid: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    question_no: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    votes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change_seq: Option<u64>,
}

/// The last lines of a broadcast.
#[derive(Clone, Copy, Debug)]
pub struct Recent<'a> {
    /// Whose broadcast it is.
    pub channel: &'a ChannelId,
    /// Oldest first.
    pub lines: &'a [LineView],
    /// What is pinned.
    pub notice: Option<&'a NoticeView>,
    /// Connections in the broadcast now.
    pub members: u32,
    /// For sessions of our own layer: how far the log is.
    pub place: Option<(Epoch, Seq)>,
}

/// RECENT_CHAT's answer (15101), at most `limit` bytes: the newest lines stay.
pub fn recent_chat(to: &Address, recent: &Recent<'_>, limit: usize) -> String {
    let ext = recent.place.map(|(epoch, seq)| RecentExt { epoch: epoch.to_string(), seq: seq.0 });
    let dialect = if ext.is_some() { Dialect::Ext } else { Dialect::Plain };
    // Bots read the profile of whatever history gives them.
    let shown = |line: &&LineView| dialect == Dialect::Ext || !line.author().uid.is_anonymous();
    let lines = recent.lines.iter().filter(shown).map(|line| recent_item(line, recent.channel, dialect));
    let mut lines: Vec<RecentItem<'_>> = lines.collect();
    loop {
        let notice = recent.notice.map(|notice| acts::notice(recent.channel, notice, dialect));
        let body = RecentBody { message_list: &lines, user_count: recent.members, notice, ext: ext.clone() };
        let text = success(Cmd::RECENT_CHAT, to, body);
        if text.len() <= limit || lines.is_empty() {
            return text;
        }
        // Oldest first: as many as the excess amounts to at the average size of a line, at least one.
        let excess = (text.len() - limit) * lines.len() / text.len();
        lines.drain(..excess.clamp(1, lines.len()));
    }
}

fn recent_item<'a>(line: &'a LineView, channel: &ChannelId, dialect: Dialect) -> RecentItem<'a> {
    let question = line.question().filter(|_| dialect == Dialect::Ext);
    RecentItem {
        service_id: SERVICE,
        channel_id: line.cid().as_str(),
        message_time: line.time().0,
        user_id: line.author().uid.as_str(),
        profile: special::profile(line.author()),
        content: line.text(),
        extras: special::extras(line, channel),
        member_count: line.members(),
        message_type_code: dialect.kind(line.kind()),
        message_status_type: dialect.status(line.kind(), line.status(), line.question()),
        create_time: line.time().0,
        update_time: line.time().0,
        msg_tid: None,
        msg_id: (dialect == Dialect::Ext).then(|| line.id().to_string()),
        seq: (dialect == Dialect::Ext).then(|| line.seq().0),
        question_no: question.map(|question| question.number),
        version: question.map(|question| question.version),
        votes: question.map(|question| question.votes),
        change_seq: question.map(|question| question.changed.0),
    }
}

/// A line with its text for staff, and by whom and why it is hidden.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HiddenLineBody<'a> {
    #[serde(flatten)]
    line: RecentItem<'a>,
    hidden_by: Option<HiddenByJson<'a>>,
    /// What the rules have made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    filtered: Option<FilteredJson<'a>>,
}

#[derive(Serialize)]
struct FilteredJson<'a> {
    measure: &'static str,
    rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HiddenByJson<'a> {
    seq: u64,
    act_time: i64,
    user_id: &'a str,
    nickname: &'a str,
    reason: &'a str,
}

/// HIDDEN_LINE's answer (15008).
pub fn hidden_line(
    to: &Address,
    channel: &ChannelId,
    (line, hidden): (&LineView, bool),
    by: Option<(Seq, Millis, &Act)>,
) -> String {
    let hidden_by = by.map(|(Seq(seq), Millis(act_time), act)| HiddenByJson {
        seq,
        act_time,
        user_id: act.by.uid.as_str(),
        nickname: &act.by.profile.nickname,
        reason: &act.reason,
    });
    let filtered = line.filtered().map(|filtered| {
        let (rule, found) = rule_name(&filtered.rule);
        FilteredJson { measure: filtered.measure.word(), rule, found }
    });
    let mut line = recent_item(line, channel, Dialect::Ext);
    line.message_status_type = if hidden { "HIDDEN" } else { line.message_status_type };
    success(Cmd::HIDDEN_LINE, to, HiddenLineBody { line, hidden_by, filtered })
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
    let body = match refusal {
        Refusal::StaleQuestion(state) => json(&questions::state(state)),
        _ if request == Cmd::RECENT_CHAT => {
            json(&RecentBody { message_list: &[], user_count: 0, notice: None, ext: None })
        }
        _ => json(&Empty {}),
    };
    serde_json::value::RawValue::from_string(body).map_or_else(|_| String::new(), |body| reply(&body))
}

/// The answer to a message without a command number. One published client opens connections just to get one (facts,
/// 5.8).
pub fn unreadable() -> String {
    format!(r#"{{"retCode":{},"retMsg":"Incorrect parameter"}}"#, Code::INCORRECT_PARAMETER.0)
}
