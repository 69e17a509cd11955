//! The other end of the wire: what a client writes, and reads of what it hears.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cmd::Cmd;
use super::profile::json;
use super::word::SERVICE;

/// Protocol version that clients name.
const VERSION: &str = "3";

/// The device type that every published client names (facts, 2.2).
const DEVICE: u16 = 2001;

#[derive(Serialize)]
struct Request<'a, B> {
    ver: &'static str,
    cmd: u64,
    #[serde(rename = "svcid")]
    service: &'static str,
    cid: &'a str,
    tid: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<bool>,
    #[serde(rename = "bdy")]
    body: B,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectBody<'a> {
    uid: Option<()>,
    dev_type: u16,
    acc_tkn: Option<&'a str>,
    auth: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ext: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<Resume<'a>>,
}

/// Where a client of the extended layer was.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Resume<'a> {
    /// In which life of the log.
    pub epoch: &'a str,
    /// The largest `upto` it has seen.
    pub seq: u64,
}

/// How a client joins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Joining<'a> {
    /// To write with a token, to read without.
    pub token: Option<&'a str>,
    /// On the extended layer, where the server has it.
    pub ext: bool,
    /// Where it was, on that layer.
    pub resume: Option<Resume<'a>>,
}

/// What a line is, as its sender says it.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The text.
    pub text: &'a str,
    /// 1, or 40 for a question, 41 for a notice line.
    pub kind: u8,
    /// `PC`, `AOS`, `IOS`.
    pub os: &'a str,
    /// Emojis by name and picture.
    pub emojis: Option<(&'a str, &'a str)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChatBody<'a> {
    msg: &'a str,
    msg_type_code: u8,
    msg_time: i64,
    extras: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChatExtras<'a> {
    chat_type: &'static str,
    os_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    emojis: Option<BTreeMap<&'a str, &'a str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HideBody<'a> {
    user_id: &'a str,
    message_time: i64,
    blind_type: &'static str,
}

#[derive(Serialize)]
struct PinBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecentBody {
    recent_message_count: usize,
}

fn request<B: Serialize>(cmd: Cmd, cid: &str, tid: u64, retry: Option<bool>, body: B) -> String {
    json(&Request { ver: VERSION, cmd: cmd.0, service: SERVICE, cid, tid, retry, body })
}

/// CONNECT: as writer with a token, as reader without.
pub fn connect(cid: &str, tid: u64, token: Option<&str>) -> String {
    connect_as(cid, tid, Joining { token, ..Joining::default() })
}

/// CONNECT, in any of its forms.
pub fn connect_as(cid: &str, tid: u64, joining: Joining<'_>) -> String {
    let Joining { token, ext, resume } = joining;
    let auth = if token.is_some() { "SEND" } else { "READ" };
    let body = ConnectBody { uid: None, dev_type: DEVICE, acc_tkn: token, auth, ext: ext.then_some(1), resume };
    request(Cmd::CONNECT, cid, tid, None, body)
}

/// SEND_CHAT with an ordinary line.
pub fn chat(cid: &str, tid: u64, text: &str, now_ms: i64) -> String {
    say(cid, tid, Said { text, kind: 1, os: "PC", emojis: None }, now_ms)
}

/// SEND_CHAT with any line.
pub fn say(cid: &str, tid: u64, said: Said<'_>, now_ms: i64) -> String {
    let Said { text, kind, os, emojis } = said;
    let emojis: BTreeMap<_, _> = emojis.into_iter().collect();
    // iOS may leave the key out (facts, 2.5).
    let emojis = (os != "IOS" || !emojis.is_empty()).then_some(emojis);
    let extras = json(&ChatExtras { chat_type: "STREAMING", os_type: os, emojis });
    let body = ChatBody { msg: text, msg_type_code: kind, msg_time: now_ms, extras: &extras };
    request(Cmd::SEND_CHAT, cid, tid, Some(false), body)
}

/// BLIND: hides a line, or shows it again.
pub fn hide(cid: &str, tid: u64, (user_id, message_time): (&str, i64), shown: bool) -> String {
    let blind_type = if shown { "CANCEL" } else { "HIDDEN" };
    request(Cmd::HIDE, cid, tid, None, HideBody { user_id, message_time, blind_type })
}

/// NOTICE: pins a text, or takes down what is pinned.
pub fn pin(cid: &str, tid: u64, message: Option<&str>) -> String {
    request(Cmd::PIN, cid, tid, None, PinBody { message })
}

/// PING, or the answer to it.
pub fn alive(answer: bool) -> String {
    let cmd = if answer { Cmd::PONG } else { Cmd::PING };
    format!("{{\"ver\":\"{VERSION}\",\"cmd\":{}}}", cmd.0)
}

/// RECENT_CHAT.
pub fn recent_chat(cid: &str, tid: u64, count: usize) -> String {
    request(Cmd::RECENT_CHAT, cid, tid, None, RecentBody { recent_message_count: count })
}

/// A message of the server, as far as a simple client reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// What it is; missing only in the answer to something unreadable.
    pub cmd: Option<Cmd>,
    /// Result of a request, 0 for success.
    pub code: u16,
    /// The words beside it.
    pub words: String,
    /// Which request it answers.
    pub tid: Option<String>,
    /// In CONNECTED: whether the session may send.
    pub writes: bool,
    /// Lines, of a push or of recent chat.
    pub lines: Vec<HeardLine>,
}

/// A line, as far as a simple client reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeardLine {
    /// Who said it.
    pub nickname: String,
    /// What.
    pub text: String,
    /// When.
    pub time: i64,
    /// How many were there.
    pub members: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Message {
    cmd: Option<u64>,
    ret_code: u16,
    ret_msg: String,
    tid: Option<String>,
    bdy: Body,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Pushed(Vec<Item>),
    Reply {
        #[serde(default)]
        auth: String,
        #[serde(rename = "messageList", default)]
        messages: Vec<Item>,
    },
}

impl Default for Body {
    fn default() -> Self {
        Self::Pushed(Vec::new())
    }
}

#[derive(Deserialize)]
struct Item {
    profile: Option<String>,
    #[serde(alias = "content")]
    msg: String,
    #[serde(rename = "msgTime", alias = "messageTime")]
    time: i64,
    #[serde(rename = "mbrCnt", alias = "memberCount", default)]
    members: u32,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Shown {
    nickname: String,
}

/// Reads a message of the server, or says why it can't be read.
pub fn read(text: &str) -> Result<Heard, String> {
    let message: Message = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let (auth, items) = match message.bdy {
        Body::Pushed(items) => (String::new(), items),
        Body::Reply { auth, messages } => (auth, messages),
    };
    Ok(Heard {
        cmd: message.cmd.map(Cmd),
        code: message.ret_code,
        words: message.ret_msg,
        tid: message.tid,
        writes: auth == "SEND",
        lines: items.into_iter().map(heard_line).collect(),
    })
}

fn heard_line(item: Item) -> HeardLine {
    let shown: Shown = item.profile.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    HeardLine { nickname: shown.nickname, text: item.msg, time: item.time, members: item.members }
}
