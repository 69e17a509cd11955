//! Every released form of the log is read by every later build, to the same state.
//!
//! `tests/log-versions/vN.jsonl` has one stored event a line: its place, its id and its bytes (version byte, then JSON).
//! `vN.state.json` is what they fold to. Released files are never changed; when this build's own form changes, the test
//! below says so by failing, and a new version begins.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use uuid::Uuid;

use madang::channel::Channel;
use madang::eventlog::codec;
use madang::model::event::{Body, Logged};
use madang::model::id::{ChannelId, EventId, Seq};
use madang::model::time::Millis;

#[derive(Deserialize)]
struct Row {
    seq: u64,
    id: String,
    version: u8,
    stored: Box<RawValue>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/log-versions")
}

fn rows(version: u8) -> Vec<Row> {
    let text = fs::read_to_string(folder().join(format!("v{version}.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bytes(row: &Row) -> Vec<u8> {
    [&[row.version], row.stored.get().as_bytes()].concat()
}

fn state(channel: &Channel) -> Value {
    let broadcasts: Vec<Value> = channel
        .broadcasts()
        .iter()
        .map(
            |b| json!({"cid": b.cid.as_str(), "title": b.title, "opened": b.opened.0, "closed": b.closed.map(|c| c.0)}),
        )
        .collect();
    let newest = channel.broadcasts().last().unwrap().cid.clone();
    let lines: Vec<Value> = channel
        .recent(&newest, usize::MAX, None)
        .iter()
        .map(|item| {
            json!({
                "seq": item.seq().0, "id": item.id().to_string(), "time": item.time().0, "uid": item.author().uid.as_str(),
                "nickname": item.author().profile.nickname, "role": format!("{:?}", item.author().role),
                "kind": format!("{:?}", item.kind()), "text": item.text(), "os": format!("{:?}", item.extras().os),
                "emojis": item.extras().emojis, "members": item.members(),
            })
        })
        .collect();
    let restrictions: Vec<Value> = channel
        .restrictions()
        .all()
        .map(|(uid, held)| json!({"uid": uid.as_str(), "act": held.act.0, "until": held.until.map(|until| until.0)}))
        .collect();
    let roles = channel.grants().all().map(|(uid, grant)| json!([uid.as_str(), format!("{:?}", grant.role)]));
    json!({
        "seq": channel.seq().0, "broadcasts": broadcasts, "lines": lines, "unreadable": channel.unreadable(),
        "acts": channel.trail().places().map(|place| place.0).collect::<Vec<_>>(),
        "notice": channel.notice(Millis(0)).map(|notice| notice.text), "restrictions": restrictions,
        "roles": roles.collect::<Vec<_>>(),
    })
}

#[test]
fn every_released_version_folds_to_its_state() {
    for version in 1..=codec::VERSION {
        let mut channel = Channel::new(ChannelId::parse("golden").unwrap());
        for row in rows(version) {
            let event = codec::decode(EventId(Uuid::parse_str(&row.id).unwrap()), &bytes(&row));
            channel.apply(&Logged { seq: Seq(row.seq), event: Arc::new(event) });
        }
        let file = folder().join(format!("v{version}.state.json"));
        let expected: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(state(&channel), expected, "version {version}: {:#}", state(&channel));
    }
}

#[test]
fn this_builds_form_is_the_newest_files_byte_for_byte() {
    // Read, and no longer written: it is an act now.
    let before = |row: &Row| row.stored.get().contains(r#""type":"hidden""#);
    assert_eq!(rows(codec::VERSION).iter().filter(|row| before(row)).count(), 1);
    for row in rows(codec::VERSION).iter().filter(|row| !before(row)) {
        let event = codec::decode(EventId(Uuid::parse_str(&row.id).unwrap()), &bytes(row));
        assert!(!matches!(event.body, Body::Unreadable { .. }), "{}", row.stored);
        assert_eq!(String::from_utf8_lossy(&codec::encode(&event)), String::from_utf8_lossy(&bytes(row)));
    }
}

#[test]
fn the_newest_file_has_every_kind_of_act() {
    let deeds = |row: &Row| serde_json::from_str::<Value>(row.stored.get()).unwrap()["deed"].clone();
    let word =
        |deed: Value| deed.as_str().map(str::to_owned).or_else(|| Some(deed.as_object()?.keys().next()?.clone()));
    let words: std::collections::BTreeSet<String> = rows(codec::VERSION).iter().map(deeds).filter_map(word).collect();
    assert_eq!(
        words.into_iter().collect::<Vec<_>>(),
        [
            "appoint", "block", "calm", "hide", "kick", "lift", "panic", "penalize", "pin", "run", "show", "undo",
            "unpin"
        ]
    );
}

#[test]
fn the_newest_file_has_every_kind_of_event() {
    let kinds: std::collections::BTreeSet<String> = rows(codec::VERSION)
        .iter()
        .map(|row| serde_json::from_str::<Value>(row.stored.get()).unwrap()["type"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "act",
        "allotted",
        "closed",
        "dropped",
        "erased",
        "hidden",
        "key_made",
        "key_revoked",
        "lapsed",
        "line",
        "listed",
        "opened",
        "revoked",
        "unlisted",
        "wiped",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}
