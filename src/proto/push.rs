//! What the server sends unasked. The hot end of this room: encoded once per batch and group.

use std::time::Duration;

use serde::Serialize;

use crate::model::id::{ChannelId, Cid, Epoch, EventId, Seq};
use crate::model::item::{Item, LineView, View};
use crate::model::time::Millis;

use super::acts::{self, Where};
use super::cmd::Cmd;
use super::profile::json;
use super::word::{Dialect, SERVICE};
use super::{people, questions, special};

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
    pub(super) fn dialect(&self) -> Dialect {
        if self.stretch.is_some() { Dialect::Ext } else { Dialect::Plain }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChatItem<'a> {
    #[serde(rename = "svcid")]
    pub(super) service: &'static str,
    pub(super) cid: &'a str,
    #[serde(rename = "mbrCnt")]
    pub(super) members: u32,
    pub(super) uid: &'a str,
    /// Null of one who doesn't want to be named.
    pub(super) profile: Option<String>,
    pub(super) msg: &'a str,
    pub(super) msg_type_code: u8,
    pub(super) msg_status_type: &'static str,
    pub(super) extras: String,
    pub(super) ctime: i64,
    pub(super) utime: i64,
    pub(super) msg_tid: Option<()>,
    pub(super) cuid: Option<()>,
    pub(super) msg_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) msg_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) question_no: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) votes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change_seq: Option<u64>,
}

impl<'a> ChatItem<'a> {
    /// One that says nothing yet, of this type and by this identity.
    pub(super) fn blank(cid: &'a Cid, members: u32, time: Millis, (code, uid): (u8, &'a str)) -> Self {
        Self {
            service: SERVICE,
            cid: cid.as_str(),
            members,
            uid,
            profile: None,
            msg: "",
            msg_type_code: code,
            msg_status_type: "NORMAL",
            extras: String::new(),
            ctime: time.0,
            utime: time.0,
            msg_tid: None,
            cuid: None,
            msg_time: time.0,
            msg_id: None,
            seq: None,
            question_no: None,
            version: None,
            votes: None,
            change_seq: None,
        }
    }

    /// The same with its place in the log, for those who are told places.
    pub(super) fn placed(self, place: &Place<'_>, id: EventId, seq: Seq) -> Self {
        let ext = place.dialect() == Dialect::Ext;
        Self { msg_id: ext.then(|| id.to_string()), seq: ext.then_some(seq.0), ..self }
    }
}

/// Encodes `items` as as few messages as stay within `limit` bytes each, and hands each to `message`: lines together in
/// CHAT (93101), what staff did each by itself, in order. With a stretch there is at least one, and they cover it without a
/// gap; what is left out stands in the last.
///
/// An item alone may be larger than `limit` only if it was admitted under a larger one; it then travels alone.
/// `ctime` = `utime` = `msgTime`, because clients moderate by `ctime`.
pub fn items(place: &Place<'_>, items: &[&Item], limit: usize, message: impl FnMut(&str)) {
    let mut writer = Writer { place, limit, message, stretch: place.stretch, held: None };
    for item in items {
        match item.view() {
            // One item in a message: a client that can't read one reads no more of it.
            View::Line(line) if line.kind().is_special() => {
                writer.act(Cmd::SPECIAL, &json(&[chat_item(line, place)]), item.covers());
            }
            View::Line(line) => writer.line(&json(&chat_item(line, place)), item.seq()),
            View::Standing(lines) => {
                let here = Where { channel: place.channel, cid: place.cid, dialect: place.dialect() };
                writer.acts(acts::blinds(here, lines).into_iter().map(|body| (Cmd::BLIND, body)).collect(), item);
            }
            View::Sanction(sanction) => writer.acts(people::sanction(place.cid, sanction), item),
            View::Announced(announced) => writer.acts(special::announced(place, announced), item),
            View::Question(question) | View::Votes(question) => {
                writer.act(Cmd::QUESTION_CHANGED, &questions::changed(question), item.covers());
            }
            View::Modes(modes) => writer.act(Cmd::EVENT, &people::modes(modes), item.covers()),
            View::System(system) => {
                writer.act(Cmd::SPECIAL, &people::system(place, system), item.covers());
            }
            View::Notice(notice) => {
                let notice = notice.as_ref().map(|notice| acts::notice(place.channel, notice, place.dialect()));
                // Nothing pinned is an empty object: one published client can't read anything else (facts, 2.7).
                writer.act(Cmd::NOTICE, &notice.map_or_else(|| "{}".to_owned(), |notice| json(&notice)), item.covers());
            }
        }
    }
    writer.finish();
}

/// Puts messages together, of which each says what it covers.
struct Writer<'a, M> {
    place: &'a Place<'a>,
    limit: usize,
    message: M,
    /// What is not told yet.
    stretch: Option<Stretch>,
    /// A message that may be the last one, or may get another line.
    held: Option<Held>,
}

struct Held {
    cmd: Cmd,
    /// Without what follows the body; of lines, without the bracket that closes their list.
    text: String,
    /// Whoever has been told this has everything up to here.
    covers: Seq,
}

impl<M: FnMut(&str)> Writer<'_, M> {
    fn line(&mut self, line: &str, seq: Seq) {
        if let Some(held) = &mut self.held
            && held.cmd == Cmd::CHAT
            && held.text.len() + 1 + line.len() + LONGEST_TAIL <= self.limit
        {
            held.text.push(',');
            held.text.push_str(line);
            held.covers = seq;
            return;
        }
        self.let_go();
        self.held = Some(Held { cmd: Cmd::CHAT, text: format!("{}[{line}", head()), covers: seq });
    }

    fn act(&mut self, cmd: Cmd, body: &str, covers: Seq) {
        self.let_go();
        self.held = Some(Held { cmd, text: head() + body, covers });
    }

    /// Several messages of one item: the last covers its place.
    fn acts(&mut self, messages: Vec<(Cmd, String)>, item: &Item) {
        let last = messages.len().saturating_sub(1);
        for (index, (cmd, body)) in messages.into_iter().enumerate() {
            let covers = if index == last { item.covers() } else { Seq(item.seq().0.saturating_sub(1)) };
            self.act(cmd, &body, covers);
        }
    }

    /// Hands over what is held: the rest begins where it ends.
    fn let_go(&mut self) {
        let Some(held) = self.held.take() else { return };
        // Where lines are left out, nobody can say between which acts: the last message covers it all.
        let part = self.stretch.map(|whole| match whole.left {
            0 => Stretch { upto: held.covers.max(whole.after), ..whole },
            _ => Stretch { upto: whole.after, left: 0, ..whole },
        });
        self.stretch = self.stretch.zip(part).map(|(whole, part)| Stretch { after: part.upto, ..whole });
        self.write(held, part);
    }

    fn finish(mut self) {
        if self.stretch.is_some_and(|whole| whole.left > 0) {
            self.let_go();
        }
        let held = match (self.held.take(), self.stretch) {
            (Some(held), _) => held,
            (None, Some(stretch)) => Held { cmd: Cmd::CHAT, text: head() + "[", covers: stretch.upto },
            (None, None) => return,
        };
        let stretch = self.stretch;
        self.write(held, stretch);
    }

    /// Real pushes of lines carry a text `tid` that clients don't read; ours is the last line's place in the log.
    fn write(&mut self, held: Held, stretch: Option<Stretch>) {
        let Held { cmd, mut text, covers } = held;
        let (end, tid) = match cmd == Cmd::CHAT {
            true => ("]", format!(r#""{}""#, stretch.map_or(covers, |stretch| stretch.upto.max(covers)))),
            false => ("", "null".to_owned()),
        };
        let fields = stretch.map(Stretch::fields).unwrap_or_default();
        let (cmd, cid) = (cmd.0, self.place.cid);
        text.push_str(&format!(r#"{end},"cmd":{cmd},"tid":{tid},"cid":"{cid}"{fields}}}"#));
        (self.message)(&text);
    }
}

fn head() -> String {
    format!(r#"{{"svcid":"{SERVICE}","ver":"{VERSION}","bdy":"#)
}

/// More than what stands behind a body: names, a `cid` of 64 bytes, three places of 20 digits, an epoch.
const LONGEST_TAIL: usize = 256;

impl Stretch {
    /// As fields of an envelope.
    fn fields(self) -> String {
        let Self { epoch, after, upto, left } = self;
        let left = if left == 0 { String::new() } else { format!(r#","left":{left}"#) };
        format!(r#","epoch":"{epoch}","after":{after},"upto":{upto}{left}"#)
    }
}

fn chat_item<'a>(line: &'a LineView, place: &Place<'a>) -> ChatItem<'a> {
    let dialect = place.dialect();
    let question = line.question().filter(|_| dialect == Dialect::Ext);
    let by = (dialect.kind(line.kind()), line.author().uid.as_str());
    ChatItem {
        profile: special::profile(line.author()),
        msg: line.text(),
        msg_status_type: dialect.status(line.kind(), line.status(), line.question()),
        extras: special::extras(line, place.channel),
        question_no: question.map(|question| question.number),
        version: question.map(|question| question.version),
        votes: question.map(|question| question.votes),
        change_seq: question.map(|question| question.changed.0),
        ..ChatItem::blank(line.cid(), place.members, line.time(), by).placed(place, line.id(), line.seq())
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

/// RECONNECT, an EVENT (93006) of our own layer, to one session: the gateway leaves, and closes it after so long.
pub fn reconnect(cid: &Cid, within: Duration) -> String {
    event(cid, &format!(r#"{{"type":"RECONNECT","withinMs":{}}}"#, within.as_millis()), "")
}

fn event(cid: &Cid, body: &str, fields: &str) -> String {
    event_of(Cmd::EVENT, cid, body, fields)
}

/// A push with this body.
pub(super) fn event_of(cmd: Cmd, cid: &Cid, body: &str, fields: &str) -> String {
    let cmd = cmd.0;
    format!(r#"{{"svcid":"{SERVICE}","ver":"{VERSION}","bdy":{body},"cmd":{cmd},"tid":null,"cid":"{cid}"{fields}}}"#)
}
