//! The other end of the wire: what a client writes, and reads of what it hears.

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
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChatBody<'a> {
    msg: &'a str,
    msg_type_code: u8,
    msg_time: i64,
    extras: &'static str,
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
    let auth = if token.is_some() { "SEND" } else { "READ" };
    request(Cmd::CONNECT, cid, tid, None, ConnectBody { uid: None, dev_type: DEVICE, acc_tkn: token, auth })
}

/// SEND_CHAT with an ordinary line.
pub fn chat(cid: &str, tid: u64, text: &str, now_ms: i64) -> String {
    let extras = r#"{"chatType":"STREAMING","osType":"PC","emojis":{}}"#;
    request(Cmd::SEND_CHAT, cid, tid, Some(false), ChatBody { msg: text, msg_type_code: 1, msg_time: now_ms, extras })
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
