//! What the server sends unasked. The hot end of this room: encoded once per batch and group.

use serde::Serialize;

use crate::model::id::{ChannelId, Cid, Epoch, Seq};
use crate::model::item::Item;
use crate::model::time::Millis;

use super::cmd::Cmd;
use super::profile::{extras_string, json, profile_string};
use super::word::{Dialect, SERVICE};

/// Protocol version that pushes name.
const VERSION: &str = "1";

/// What a push covers of its channel's log, for sessions of our own layer: everything that they may see behind `after`,
/// up to and with `upto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Which life of the log the places belong to.
    pub epoch: Epoch,
    /// What went before ends here.
    pub after: Seq,
    /// It ends here.
    pub upto: Seq,
    /// Lines that are left out of it.
    pub left: u64,
}

/// Where lines are pushed, and what every one of them says of it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The channel.
    pub channel: &'a ChannelId,
    /// The broadcast.
    pub cid: &'a Cid,
    /// Connections in the broadcast now.
    pub members: u32,
    /// For sessions of our own layer.
    pub stretch: Option<Stretch>,
}

impl Place<'_> {
    fn dialect(&self) -> Dialect {
        if self.stretch.is_some() { Dialect::Ext } else { Dialect::Plain }
    }
}

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
    #[serde(skip_serializing_if = "Option::is_none")]
    msg_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

/// Encodes `items` as as few CHAT (93101) messages as stay within `limit` bytes each, and hands each to `message`. With a
/// stretch there is at least one, and they cover it without a gap; what is left out stands in the first.
///
/// An item alone may be larger than `limit` only if it was admitted under a larger one; it then travels alone.
/// `ctime` = `utime` = `msgTime`, because clients moderate by `ctime`.
pub fn chat(place: &Place<'_>, items: &[&Item], limit: usize, mut message: impl FnMut(&str)) {
    let mut text = head();
    let (mut stretch, mut count) = (place.stretch, 0);
    let mut last = Seq::default();
    for item in items {
        let encoded = json(&chat_item(item, place));
        if count > 0 && text.len() + 1 + encoded.len() + LONGEST_TAIL > limit {
            // The rest begins where this one ends.
            let part = stretch.map(|whole| Stretch { upto: last, ..whole });
            stretch = stretch.map(|whole| Stretch { after: last, left: 0, ..whole });
            text.push_str(&tail(place, last, part));
            message(&text);
            (text, count) = (head(), 0);
        }
        if count > 0 {
            text.push(',');
        }
        text.push_str(&encoded);
        (last, count) = (item.seq(), count + 1);
    }
    if count > 0 || stretch.is_some() {
        text.push_str(&tail(place, last.max(stretch.map_or(last, |stretch| stretch.upto)), stretch));
        message(&text);
    }
}

/// More than any [`tail`]: names, a `cid` of 64 bytes, three places of 20 digits, an epoch.
const LONGEST_TAIL: usize = 256;

fn head() -> String {
    format!(r#"{{"svcid":"{SERVICE}","ver":"{VERSION}","bdy":["#)
}

/// Real pushes of lines carry a text `tid` that clients don't read; ours is the last line's place in the log.
fn tail(place: &Place<'_>, last: Seq, stretch: Option<Stretch>) -> String {
    let stretch = stretch.map(|stretch| stretch.fields()).unwrap_or_default();
    format!(r#"],"cmd":{},"tid":"{last}","cid":"{}"{stretch}}}"#, Cmd::CHAT.0, place.cid)
}

impl Stretch {
    /// As fields of an envelope.
    fn fields(self) -> String {
        let Self { epoch, after, upto, left } = self;
        let left = if left == 0 { String::new() } else { format!(r#","left":{left}"#) };
        format!(r#","epoch":"{epoch}","after":{after},"upto":{upto}{left}"#)
    }
}

fn chat_item<'a>(item: &'a Item, place: &Place<'a>) -> ChatItem<'a> {
    let dialect = place.dialect();
    ChatItem {
        service: SERVICE,
        cid: item.cid().as_str(),
        members: place.members,
        uid: item.author().uid.as_str(),
        profile: profile_string(item.author()),
        msg: item.text(),
        msg_type_code: dialect.kind(item.kind()),
        msg_status_type: dialect.status(item.kind(), item.status()),
        extras: extras_string(&item.extras(), place.channel),
        ctime: item.time().0,
        utime: item.time().0,
        msg_tid: None,
        cuid: None,
        msg_time: item.time().0,
        msg_id: (dialect == Dialect::Ext).then(|| item.id().to_string()),
        seq: (dialect == Dialect::Ext).then(|| item.seq().0),
    }
}

/// MEMBER_COUNT, an EVENT (93006) of our own layer: how many connections there are, and how many users known by name.
pub fn member_count(cid: &Cid, members: u32, users: u32, stretch: Stretch) -> String {
    let body = format!(r#"{{"type":"MEMBER_COUNT","mbrCnt":{members},"userCnt":{users}}}"#);
    event(cid, &body, &stretch.fields())
}

/// TOKEN_EXPIRES, an EVENT (93006) of our own layer, to one session: it will only read from then on.
pub fn token_expires(cid: &Cid, at: Millis) -> String {
    event(cid, &format!(r#"{{"type":"TOKEN_EXPIRES","expireTime":{}}}"#, at.0), "")
}

fn event(cid: &Cid, body: &str, fields: &str) -> String {
    let cmd = Cmd::EVENT.0;
    format!(r#"{{"svcid":"{SERVICE}","ver":"{VERSION}","bdy":{body},"cmd":{cmd},"tid":null,"cid":"{cid}"{fields}}}"#)
}
