//! The faulty server's messages.

use serde_json::{Value, json};

/// The one life of its log.
pub(super) const EPOCH: &str = "the-only-one";

/// A line, as the server keeps it.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) seq: u64,
    pub(super) uid: String,
    pub(super) time: i64,
    pub(super) text: String,
    pub(super) hidden: bool,
}

/// What a push covers.
#[derive(Clone, Copy)]
pub(super) struct Covers {
    pub(super) after: u64,
    pub(super) upto: u64,
    pub(super) left: u64,
}

impl Line {
    /// As a push has it; a hidden one has no text, unless `open`.
    fn pushed(&self, members: u64, ext: bool, open: bool) -> Value {
        let hidden = self.hidden && !open;
        let mut line = json!({
            "svcid": "game", "cid": "c", "mbrCnt": members, "uid": self.uid, "profile": "{\"nickname\":\"n\"}",
            "msg": if hidden { "" } else { &self.text }, "msgTypeCode": 1,
            "msgStatusType": if hidden { "HIDDEN" } else { "NORMAL" },
            "extras": "{\"chatType\":\"STREAMING\",\"osType\":\"PC\",\"streamingChannelId\":\"s\"}",
            "ctime": self.time, "utime": self.time, "msgTime": self.time, "msgTid": null, "cuid": null,
        });
        if ext {
            line["seq"] = self.seq.into();
            line["msgId"] = format!("m{}", self.seq).into();
        }
        line
    }

    /// As RECENT_CHAT has it.
    pub(super) fn listed(&self, members: u64, open: bool) -> Value {
        let hidden = self.hidden && !open;
        json!({
            "serviceId": "game", "channelId": "c", "messageTime": self.time, "userId": self.uid,
            "profile": "{\"nickname\":\"n\"}", "content": if hidden { "" } else { &self.text }, "extras": "{}",
            "memberCount": members, "messageTypeCode": 1, "messageStatusType": if hidden { "HIDDEN" } else { "NORMAL" },
            "createTime": self.time, "updateTime": self.time, "msgTid": null,
        })
    }
}

/// CHAT.
pub(super) fn lines<'a>(
    lines: impl Iterator<Item = &'a Line>,
    members: u64,
    covers: Option<Covers>,
    open: bool,
) -> Value {
    let list: Vec<Value> = lines.map(|line| line.pushed(members, covers.is_some(), open)).collect();
    push(93101, list.into(), covers)
}

/// BLIND, of one line.
pub(super) fn blinded(line: &Line, shown: bool, covers: Option<Covers>) -> Value {
    let mut body = json!({
        "messageTime": line.time, "blindType": if shown { "CANCEL" } else { "HIDDEN" }, "blindUserId": null,
        "serviceId": "game", "message": null, "userId": line.uid, "channelId": "c",
    });
    if covers.is_some() {
        body["seqs"] = json!([line.seq]);
    }
    push(94008, body, covers)
}

/// A message without a request.
pub(super) fn push(cmd: u64, body: Value, covers: Option<Covers>) -> Value {
    let mut push = json!({ "svcid": "game", "ver": "1", "cmd": cmd, "tid": null, "cid": "c", "bdy": body });
    if let Some(Covers { after, upto, left }) = covers {
        push["epoch"] = EPOCH.into();
        push["after"] = after.into();
        push["upto"] = upto.into();
        if left > 0 {
            push["left"] = left.into();
        }
    }
    push
}

/// An answer.
pub(super) fn answer(cmd: u64, tid: u64, code: u16, body: Value) -> Value {
    let words = if code == 0 { "SUCCESS" } else { "a fault" };
    json!({
        "svcid": "game", "cmd": cmd + 10_000, "retCode": code, "retMsg": words, "tid": tid.to_string(), "cid": "c", "bdy": body,
    })
}

/// The head of a frame of 10 MB, and the beginning of what it promises.
pub(super) fn huge() -> Vec<u8> {
    let mut frame = vec![0x81, 127];
    frame.extend(10_000_000_u64.to_be_bytes());
    frame.extend([b'x'; 10_000]);
    frame
}
