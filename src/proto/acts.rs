//! What members are told of what staff did: bodies of BLIND (94008) and NOTICE (94010).

use serde::Serialize;

use crate::model::id::{ChannelId, Cid};
use crate::model::item::{LineView, NoticeView, Standing};
use crate::model::message::Kind;

use super::profile::{ProfileJson, extras_with_register, json};
use super::special;
use super::word::{Dialect, SERVICE};

/// BLIND (facts, 2.7): a line is named by who wrote it and its time.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlindJson<'a> {
    message_time: Option<i64>,
    blind_type: &'static str,
    blind_user_id: Option<()>,
    service_id: &'static str,
    /// What a line says that is shown again.
    message: Option<MessageJson>,
    user_id: Option<&'a str>,
    channel_id: &'a str,
    /// Places of the lines, on our own layer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    seqs: Vec<u64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum MessageJson {
    /// One published client has no room for anything but text there.
    Plain(String),
    Ext(ContentJson),
}

#[derive(Serialize)]
struct ContentJson {
    content: String,
    extras: String,
}

/// Where lines are told of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Where<'a> {
    pub(super) channel: &'a ChannelId,
    pub(super) cid: &'a Cid,
    pub(super) dialect: Dialect,
}

/// Bodies that say how these lines stand: on the plain wire one for each, on our own one for all that are hidden.
pub(super) fn blinds(here: Where<'_>, lines: &[Standing]) -> Vec<String> {
    let shown = lines.iter().filter_map(|line| match line {
        Standing::Line(line) if !line.status().withholds() => Some(json(&shown_again(here, line))),
        Standing::Line(_) | Standing::Withheld(_) => None,
    });
    let mut bodies = match here.dialect {
        Dialect::Plain => lines.iter().filter_map(|line| Some(json(&hidden(here, named(line)?)))).collect(),
        Dialect::Ext => all_hidden(here, lines).iter().map(json).collect::<Vec<_>>(),
    };
    bodies.extend(shown);
    bodies
}

/// The line, if it is withheld and it is known who wrote it.
fn named(standing: &Standing) -> Option<&LineView> {
    match standing {
        Standing::Line(line) if line.status().withholds() => Some(line),
        Standing::Line(_) | Standing::Withheld(_) => None,
    }
}

fn hidden<'a>(here: Where<'a>, line: &'a LineView) -> BlindJson<'a> {
    BlindJson {
        message_time: Some(line.time().0),
        blind_type: "HIDDEN",
        blind_user_id: None,
        service_id: SERVICE,
        message: None,
        user_id: Some(line.author().uid.as_str()),
        channel_id: here.cid.as_str(),
        seqs: Vec::new(),
    }
}

/// One for all; with a line's name when it is the only one.
fn all_hidden<'a>(here: Where<'a>, lines: &'a [Standing]) -> Option<BlindJson<'a>> {
    let seqs: Vec<u64> = lines.iter().filter(|line| line.is_withheld()).map(|line| line.seq().0).collect();
    let blank = BlindJson {
        message_time: None,
        blind_type: "HIDDEN",
        blind_user_id: None,
        service_id: SERVICE,
        message: None,
        user_id: None,
        channel_id: here.cid.as_str(),
        seqs: Vec::new(),
    };
    let only = lines.iter().find_map(named).filter(|_| seqs.len() == 1);
    (!seqs.is_empty()).then(|| BlindJson { seqs, ..only.map_or(blank, |line| hidden(here, line)) })
}

fn shown_again<'a>(here: Where<'a>, line: &'a LineView) -> BlindJson<'a> {
    let content = ContentJson { content: line.text().to_owned(), extras: special::extras(line, here.channel) };
    let (message, seqs) = match here.dialect {
        Dialect::Plain => (MessageJson::Plain(json(&content)), Vec::new()),
        Dialect::Ext => (MessageJson::Ext(content), vec![line.seq().0]),
    };
    BlindJson { blind_type: "CANCEL", message: Some(message), seqs, ..hidden(here, line) }
}

/// A pinned notice (facts, 2.3): as NOTICE pushes it, and as RECENT_CHAT's answer has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NoticeJson<'a> {
    service_id: &'static str,
    channel_id: &'a str,
    message_time: i64,
    user_id: &'a str,
    profile: Option<String>,
    content: &'a str,
    extras: String,
    message_type_code: u8,
    create_time: i64,
    /// When it goes by itself, on our own layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_time: Option<i64>,
}

pub(super) fn notice<'a>(channel: &ChannelId, notice: &'a NoticeView, dialect: Dialect) -> NoticeJson<'a> {
    NoticeJson {
        service_id: SERVICE,
        channel_id: notice.cid.as_str(),
        message_time: notice.time.0,
        user_id: notice.author.uid.as_str(),
        profile: special::profile(&notice.author),
        content: &notice.text,
        extras: extras_with_register(&notice.extras, channel, &ProfileJson::new(&notice.by)),
        // What was paid for a line is no part of what is pinned.
        message_type_code: dialect.kind(if notice.kind.is_special() { Kind::Text } else { notice.kind }),
        create_time: notice.time.0,
        expire_time: notice.until.filter(|_| dialect == Dialect::Ext).map(|until| until.0),
    }
}
