//! What is shown no more, and what is kept no longer: hidden, erased, too old.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::tempdir;

use madang::eventlog::memory::Memory;
use madang::eventlog::{EventLog, LARGEST_PAGE};
use madang::model::access::Credential;
use madang::model::act::{Act, Deed, Lines};
use madang::model::event::{Body, Event};
use madang::model::id::{ChannelId, Seq, UserId};
use madang::model::message::Author;
use madang::model::principal::Role;
use madang::model::refusal::Refusal;
use madang::model::time::Millis;

use crate::support::process::{Gateway, Raw, run};
use crate::support::reader::Reader;
use crate::support::yard::{Guest, NOON, Yard, open_yard};

const DAY: Duration = Duration::from_secs(86_400);

fn demo() -> ChannelId {
    ChannelId::parse("demo").unwrap()
}

async fn channel(yard: &Yard) -> ChannelId {
    yard.node.channel(&demo()).await.unwrap().id
}

async fn says(yard: &Yard, guest: &mut Guest, text: &str) -> u64 {
    yard.clock.advance(1);
    guest.sends_and_hears("demo", text).await["bdy"]["seq"].as_u64().unwrap()
}

async fn recent(yard: &Yard) -> Vec<(Value, Value)> {
    let mut reader = yard.reader("demo").await;
    reader.says(&json!({"cmd": 5101, "cid": "demo", "bdy": {"recentMessageCount": 200}}).to_string()).await;
    let answer = reader.hears(15101).await;
    let lines = answer["bdy"]["messageList"].as_array().unwrap();
    lines.iter().map(|line| (line["content"].clone(), line["messageStatusType"].clone())).collect()
}

/// What somebody is told who has been away since `place`.
async fn comes_back(yard: &Yard, place: u64) -> (bool, Reader) {
    let mut reader = Reader { epoch: yard.node.epoch().to_string(), upto: place, ..Reader::default() };
    let mut guest = yard.guest();
    let connected = guest.connect_ext("demo", None, reader.ext()).await;
    let recovered = reader.connected(&connected);
    guest.heard_by_now().iter().for_each(|message| reader.hear(message));
    (recovered, reader)
}

#[tokio::test]
async fn a_hidden_line_is_shown_nowhere_any_more() {
    let log = Memory::new(Arc::default());
    let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
    let mut writer = yard.writer("demo", "a").await;
    let first = says(&yard, &mut writer, "fine").await;
    let bad = says(&yard, &mut writer, "bad").await;
    // Somebody has been told it already, and what was made for them is not for those who come later.
    assert_eq!(comes_back(&yard, first - 1).await.1.texts(), ["fine", "bad"]);
    assert!(yard.hides(&demo(), bad).await.unwrap().is_some());
    assert_eq!(yard.hides(&demo(), bad).await.unwrap(), None, "it is hidden already");
    assert_eq!(yard.hides(&demo(), bad + 1_000).await, Err(Refusal::NoSuchLine.into()));
    let next = says(&yard, &mut writer, "next").await;
    assert_eq!(next, bad + 3, "what hides nothing more is in the log all the same");

    let restarted = Yard::over(Arc::new(log), open_yard()).await;
    for yard in [&yard, &restarted] {
        let shown =
            [("fine", "NORMAL"), ("", "HIDDEN"), ("next", "NORMAL")].map(|(text, status)| (json!(text), json!(status)));
        assert_eq!(recent(yard).await, shown);
        assert_eq!(comes_back(yard, first - 1).await.1.texts(), ["fine", "", "next"]);
    }
}

#[tokio::test]
async fn a_line_that_is_hidden_while_it_waits_goes_out_without_its_text() {
    let log = Memory::new(Arc::default());
    let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
    let mut reader = yard.reader("demo").await;
    let mut writer = yard.writer("demo", "a").await;
    let id = channel(&yard).await;
    let place = says(&yard, &mut writer, "first").await;
    reader.hears_lines(1).await;
    // All in one turn of the log, before the feed has its own.
    writer.sends("demo", "waits").await;
    let by = Author { uid: UserId::parse("site").unwrap(), profile: Arc::default(), role: Role::SiteManager };
    let deed = Deed::Hide(Lines::One(Seq(place + 1)));
    let credential = Credential::of_the_site();
    let act = Act { by, cid: None, credential, key: String::new(), reason: String::new(), deed };
    log.append(&id, Arc::new(Event::new(Millis(NOON), Body::Act(Arc::new(act))))).await.unwrap();
    let line = &reader.hears_lines(1).await[0];
    assert_eq!((&line["msg"], &line["msgStatusType"]), (&json!(""), &json!("HIDDEN")));
}

#[tokio::test]
async fn what_somebody_said_is_erased_everywhere() {
    let log = Memory::new(Arc::default());
    let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
    let (mut guilty, mut other) = (yard.writer("demo", "guilty").await, yard.writer("demo", "other").await);
    let first = says(&yard, &mut guilty, "one").await;
    says(&yard, &mut other, "two").await;
    says(&yard, &mut guilty, "three").await;
    let uid = UserId::parse("guilty").unwrap();
    assert_eq!(yard.node.erase(&demo(), &uid).await.unwrap(), 2);
    assert_eq!(yard.node.erase(&demo(), &uid).await.unwrap(), 0, "nothing is left");
    says(&yard, &mut guilty, "later").await;

    let id = channel(&yard).await;
    let events = log.read(&id, Seq::default(), LARGEST_PAGE).await.unwrap().events;
    assert_eq!(events.iter().filter(|logged| matches!(logged.event.body, Body::Erased { .. })).count(), 2);
    let restarted = Yard::over(Arc::new(log), open_yard()).await;
    for yard in [&yard, &restarted] {
        assert_eq!(recent(yard).await, ["two", "later"].map(|text| (json!(text), json!("NORMAL"))));
        assert_eq!(comes_back(yard, first - 1).await.1.texts(), ["two", "later"]);
    }
}

#[tokio::test]
async fn what_is_too_old_is_dropped_and_everything_else_stays_as_it_was() {
    let log = Memory::new(Arc::default());
    let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
    let mut writer = yard.writer("demo", "a").await;
    let first = says(&yard, &mut writer, "old").await;
    let hidden = says(&yard, &mut writer, "old and hidden").await;
    yard.hides(&demo(), hidden).await.unwrap();
    yard.clock.advance(2 * 86_400_000);
    let mut writer = yard.writer("demo", "a").await;
    let place = says(&yard, &mut writer, "young").await - 1;
    assert_eq!(yard.node.drop_older_than(DAY * 3).await.unwrap(), 0);
    assert_eq!(yard.node.drop_older_than(DAY).await.unwrap(), 1);
    assert_eq!(yard.node.drop_older_than(DAY).await.unwrap(), 0, "nothing is left to drop");

    let id = channel(&yard).await;
    let page = log.read(&id, Seq::default(), LARGEST_PAGE).await.unwrap();
    assert_eq!(page.gone, Seq(place), "and it says so");
    let restarted = Yard::over(Arc::new(log.clone()), open_yard()).await;
    restarted.clock.advance(2 * 86_400_000);
    for yard in [&yard, &restarted] {
        assert_eq!(recent(yard).await, [(json!("young"), json!("NORMAL"))]);
        let (recovered, reader) = comes_back(yard, first).await;
        assert!(!recovered && reader.texts() == ["young"], "who was away for too long is told");
        let (recovered, reader) = comes_back(yard, place).await;
        assert!(recovered && reader.texts() == ["young"]);
        assert_eq!(yard.node.channel(&demo()).await.unwrap().on_air().unwrap().cid.as_str(), "demo");
    }
    // A channel in which nothing happens gets no new note every day.
    yard.clock.advance(30 * 86_400_000);
    assert_eq!(yard.node.drop_older_than(DAY).await.unwrap(), 1);
    let events = log.read(&id, Seq::default(), LARGEST_PAGE).await.unwrap().events.len();
    yard.clock.advance(30 * 86_400_000);
    assert_eq!(yard.node.drop_older_than(DAY).await.unwrap(), 0);
    assert_eq!(log.read(&id, Seq::default(), LARGEST_PAGE).await.unwrap().events.len(), events);
}

#[test]
fn a_machine_that_is_too_late_for_what_was_dropped_starts_from_the_snapshot_and_says_so() {
    // Two machines on one log, each of which stands still while the other runs.
    let machine = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (here, there) = (machine(), machine());
    let log = Memory::new(Arc::default());
    let (late, mut guest, mut reader) = here.block_on(async {
        let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
        let mut writer = yard.writer("demo", "a").await;
        let (mut guest, mut reader) = (yard.guest(), Reader::default());
        reader.connected(&guest.connect_ext("demo", None, json!({"ext": 1})).await);
        let known = says(&yard, &mut writer, "known").await;
        while reader.upto < known {
            reader.hear(&guest.hears_anything().await);
        }
        (yard, guest, reader)
    });
    log.lag();
    let young = there.block_on(async {
        let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
        let mut writer = yard.writer("demo", "b").await;
        for _ in 0..3 {
            says(&yard, &mut writer, "dropped before the other machine has seen it").await;
        }
        yard.clock.advance(2 * 86_400_000);
        assert_eq!(yard.node.drop_older_than(DAY).await.unwrap(), 1);
        let mut writer = yard.writer("demo", "b").await;
        says(&yard, &mut writer, "young").await
    });
    here.block_on(async {
        let mut writer = late.writer("demo", "a").await;
        crate::support::yard::until(async || recent(&late).await == [(json!("young"), json!("NORMAL"))]).await;
        let last = says(&late, &mut writer, "both are here").await;
        while reader.upto < last {
            reader.hear(&guest.hears_anything().await);
        }
        assert_eq!(reader.texts(), ["known", "both are here"]);
        assert!(reader.gaps.len() == 1 && reader.gaps[0].1 >= young, "{:?}", reader.gaps);
    });
}

#[test]
fn a_site_hides_erases_copies_and_restores() {
    let (data, copies) = (tempdir().unwrap(), tempdir().unwrap());
    let gateway = Gateway::dev(data.path());
    let mut writer = Raw::join(&gateway, "demo");
    let mut places = Vec::new();
    for text in ["first", "secret-words", "third"] {
        let line = crate::support::yard::line("demo", text, false);
        writer.text(&line.to_string());
        places.push(writer.hears(13101)["bdy"]["seq"].as_u64().unwrap());
    }
    let (status, hidden) = gateway.site("POST", &format!("/v1/channels/demo/messages/{}/hide", places[0]), "");
    assert!(status == 200 && hidden["seq"].as_u64().unwrap() > places[2], "{hidden}");
    let copy = copies.path().join("copy.db");
    let folder = data.path().to_str().unwrap();
    let copied = run(&["backup", copy.to_str().unwrap(), "--data", folder]);
    assert!(copied.status.success(), "{copied:?}");
    let uid = {
        writer.text(&json!({"cmd": 5101, "cid": "demo", "bdy": {}}).to_string());
        let recent = writer.hears(15101);
        assert_eq!(recent["bdy"]["messageList"][0]["messageStatusType"], "HIDDEN");
        recent["bdy"]["messageList"][1]["userId"].as_str().unwrap().to_owned()
    };
    let (status, erased) = gateway.site("POST", &format!("/v1/channels/demo/users/{uid}/erase"), "");
    assert_eq!((status, &erased["erased"]), (200, &json!(3)), "{erased}");
    let words = b"secret-words";
    let holds =
        |file: &std::path::Path| std::fs::read(file).unwrap().windows(words.len()).any(|window| window == words);
    for name in ["events.db", "events.db-wal"] {
        assert!(!holds(&data.path().join(name)), "its bytes are gone from {name} while the gateway runs");
    }
    assert_eq!(gateway.site("POST", "/v1/channels/demo/messages/x/hide", "").0, 400);
    let elsewhere = run(&["restore", copy.to_str().unwrap(), "--data", copies.path().join("new").to_str().unwrap()]);
    assert!(elsewhere.status.success() && copies.path().join("new/events.db").exists(), "{elsewhere:?}");
    assert!(gateway.terminate().success());
    assert!(!data.path().join("events.db-wal").exists(), "the log was closed");
    assert!(holds(&copy), "the copy is older");

    let restore = || run(&["restore", copy.to_str().unwrap(), "--data", folder]);
    let refused = restore();
    assert_eq!(refused.status.code(), Some(74));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("move it away"), "{refused:?}");
    std::fs::rename(data.path().join("events.db"), copies.path().join("before.db")).unwrap();
    let again = restore();
    assert!(again.status.success(), "{again:?}");
    let restored = Gateway::dev(data.path());
    let mut reader = Raw::join(&restored, "demo");
    reader.text(&json!({"cmd": 5101, "cid": "demo", "bdy": {}}).to_string());
    let lines = reader.hears(15101)["bdy"]["messageList"].take();
    let texts: Vec<&str> = lines.as_array().unwrap().iter().map(|line| line["content"].as_str().unwrap()).collect();
    assert_eq!(texts, ["", "secret-words", "third"]);
}
