//! What the server sends unasked. The hot end of this room: encoded once per batch and group.

use serde::Serialize;

use crate::model::id::{ChannelId, Cid, Seq};
use crate::model::item::Item;

use super::cmd::Cmd;
use super::profile::{extras_string, json, profile_string};
use super::word::{SERVICE, plain_kind, status_code};

/// Protocol version that pushes name.
const VERSION: &str = "1";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChatItem<'a> {
    #[serde(rename = "svcid")]
    service: &'static str,
    cid: &'a str,
    #[serde(rename = "mbrCnt")]
    members: u32,
    uid: &'a str,
    profile: String,
    msg: &'a str,
    msg_type_code: u8,
    msg_status_type: &'static str,
    extras: String,
    ctime: i64,
    utime: i64,
    msg_tid: Option<()>,
    cuid: Option<()>,
    msg_time: i64,
}

/// Encodes `items` as as few CHAT (93101) messages as stay within `limit` bytes each, and hands each to `message`.
///
/// An item alone may be larger than `limit` only if it was admitted under a larger one; it then travels alone.
/// `ctime` = `utime` = `msgTime`, because clients moderate by `ctime`.
pub fn chat(
    channel: &ChannelId,
    cid: &Cid,
    items: &[&Item],
    members: u32,
    limit: usize,
    mut message: impl FnMut(&str),
) {
    let mut text = String::new();
    let mut last = Seq::default();
    for item in items {
        let encoded = json(&chat_item(item, channel, members));
        let tail = tail(cid, item.seq());
        if !text.is_empty() && text.len() + 1 + encoded.len() + tail.len() > limit {
            text.push_str(&self::tail(cid, last));
            message(&text);
            text.clear();
        }
        if text.is_empty() {
            text.push_str(&head());
        } else {
            text.push(',');
        }
        text.push_str(&encoded);
        last = item.seq();
    }
    if !text.is_empty() {
        text.push_str(&tail(cid, last));
        message(&text);
    }
}

fn head() -> String {
    format!(r#"{{"svcid":"{SERVICE}","ver":"{VERSION}","bdy":["#)
}

/// Real pushes of lines carry a text `tid` that clients don't read; ours is the last line's place in the log.
fn tail(cid: &Cid, last: Seq) -> String {
    format!(r#"],"cmd":{},"tid":"{last}","cid":"{cid}"}}"#, Cmd::CHAT.0)
}

fn chat_item<'a>(item: &'a Item, channel: &ChannelId, members: u32) -> ChatItem<'a> {
    ChatItem {
        service: SERVICE,
        cid: item.cid().as_str(),
        members,
        uid: item.author().uid.as_str(),
        profile: profile_string(item.author()),
        msg: item.text(),
        msg_type_code: plain_kind(item.kind()),
        msg_status_type: status_code(item.status()),
        extras: extras_string(&item.extras(), channel),
        ctime: item.time().0,
        utime: item.time().0,
        msg_tid: None,
        cuid: None,
        msg_time: item.time().0,
    }
}
