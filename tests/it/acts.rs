//! What staff do: hide, show again, pin, sweep, and take it back.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use madang::auth::Grant;
use madang::eventlog::memory::Memory;
use madang::eventlog::{EventLog, LARGEST_PAGE};
use madang::model::access::Revoked;
use madang::model::act::{Notice, Wish};
use madang::model::event::Body;
use madang::model::id::{ChannelId, Seq, UserId};
use madang::model::message::Extras;
use madang::model::principal::{Role, Scope};

use crate::support::reader::Reader;
use crate::support::yard::{Guest, NOON, Yard, asks, joins, open_yard, until};

fn demo() -> ChannelId {
    ChannelId::parse("demo").unwrap()
}

async fn code(guest: &mut Guest, cmd: u64, body: Value) -> u64 {
    asks(guest, cmd, body).await["retCode"].as_u64().unwrap()
}

/// Somebody of our own layer, who notes down what comes.
struct Watcher {
    guest: Guest,
    reader: Reader,
}

impl Watcher {
    async fn comes(yard: &Yard, mut reader: Reader) -> (bool, Self) {
        let mut guest = yard.guest();
        let connected = guest.connect_ext("demo", None, reader.ext()).await;
        let recovered = reader.connected(&connected);
        guest.heard_by_now().iter().for_each(|message| reader.hear(message));
        (recovered, Self { guest, reader })
    }

    /// What is shown once everything up to a place has come.
    async fn shows(&mut self, upto: u64) -> Vec<&str> {
        while self.reader.upto < upto {
            let message = self.guest.hears_anything().await;
            self.reader.hear(&message);
        }
        self.reader.screen.values().map(String::as_str).collect()
    }
}

async fn recent(yard: &Yard) -> Value {
    let mut guest = yard.reader("demo").await;
    asks(&mut guest, 5101, json!({"recentMessageCount": 50})).await["bdy"].take()
}

fn seq(answer: &Value) -> u64 {
    answer["bdy"]["seq"].as_u64().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn a_line_is_hidden_and_shown_again_on_every_screen() {
    let yard = Yard::new().await;
    let (mut staff, mut writer) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "a").await);
    let (_, mut watcher) = Watcher::comes(&yard, Reader::default()).await;
    let sent = writer.sends_and_hears("demo", "bad").await;
    let (line, time) = (seq(&sent), sent["bdy"]["msgTime"].clone());
    let done = asks(&mut staff, 4008, json!({"userId": "a", "messageTime": time, "reason": "spam"})).await;
    assert_eq!(watcher.shows(seq(&done)).await, [""]);
    let away = watcher.reader.clone();
    let expected = json!({
        "messageTime": time, "blindType": "HIDDEN", "blindUserId": null, "serviceId": "game", "message": null,
        "userId": "a", "channelId": "demo",
    });
    assert_eq!(writer.hears(94008).await["bdy"], expected, "on the plain wire exactly its own words");
    assert_eq!(asks(&mut staff, 4008, json!({"seq": line})).await["bdy"], json!({}), "it is so already");
    assert_eq!(recent(&yard).await["messageList"][0]["content"], "");

    let back = asks(&mut staff, 4008, json!({"seq": line, "blindType": "CANCEL"})).await;
    assert_eq!(watcher.shows(seq(&back)).await, ["bad"]);
    let message = writer.hears(94008).await["bdy"]["message"].as_str().map(serde_json::from_str::<Value>);
    assert_eq!(message.unwrap().unwrap()["content"], "bad");
    assert_eq!(recent(&yard).await["messageList"][0]["content"], "bad");
    let (recovered, mut returned) = Watcher::comes(&yard, away).await;
    assert!(recovered && returned.shows(seq(&back)).await == ["bad"]);
}

#[tokio::test]
async fn who_comes_back_with_a_line_on_the_screen_is_told_that_it_was_hidden() {
    let log = Memory::new(Arc::default());
    let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
    let (mut staff, mut writer) = (joins(&yard, "mod", Role::Streamer).await, yard.writer("demo", "a").await);
    let (_, mut watcher) = Watcher::comes(&yard, Reader::default()).await;
    for text in ["one", "two", "three"] {
        writer.sends_and_hears("demo", text).await;
    }
    let last = seq(&writer.sends_and_hears("demo", "four").await);
    assert_eq!(watcher.shows(last).await, ["one", "two", "three", "four"]);
    let away = watcher.reader.clone();
    drop(watcher);
    let hidden = seq(&asks(&mut staff, 4008, json!({"userId": "a", "all": true})).await);
    let pinned = seq(&asks(&mut staff, 4010, json!({"message": "be kind"})).await);
    let next = seq(&writer.sends_and_hears("demo", "five").await);
    assert!(hidden < pinned && pinned < next);
    // Here, and after a restart.
    for yard in [&yard, &Yard::over(Arc::new(log), open_yard()).await] {
        let (recovered, mut returned) = Watcher::comes(yard, away.clone()).await;
        assert!(recovered);
        assert_eq!(returned.shows(next).await, ["", "", "", "", "five"]);
        assert_eq!(returned.reader.notice["content"], "be kind");
        assert_eq!((&returned.reader.gaps, returned.reader.repeats), (&vec![], 0));
    }
}

#[tokio::test]
async fn only_staff_of_this_channel_acts_and_only_on_what_is_there() {
    let yard = Yard::new().await;
    let mut writer = yard.writer("demo", "a").await;
    let line = seq(&writer.sends_and_hears("demo", "fine").await);
    let hide = json!({"seq": line});
    assert_eq!(code(&mut writer, 4008, hide.clone()).await, 403);
    assert_eq!(code(&mut yard.reader("demo").await, 4008, hide.clone()).await, 403);
    let mut new = yard.guest();
    assert_eq!(code(&mut new, 4008, hide.clone()).await, 409, "before CONNECT");
    // A moderator of another channel.
    let elsewhere = Grant {
        roles: vec![("other".to_owned(), Role::ChatManager)],
        ..Grant::plain("other", "other", Role::Viewer, Scope::Everywhere, 60)
    };
    let mut stranger = yard.guest();
    stranger.connect("demo", Some(&yard.tokens.issue(&elsewhere))).await;
    assert_eq!(code(&mut stranger, 4008, hide.clone()).await, 403);

    let (mut staff, mut king) =
        (joins(&yard, "mod", Role::ChatManager).await, joins(&yard, "king", Role::Streamer).await);
    let kings = seq(&king.sends_and_hears("demo", "mine").await);
    for (body, expected) in [
        (json!({"seq": kings}), 403),
        (json!({"seq": line + 1_000}), 404),
        (json!({"seq": 0}), 404),
        (json!({"userId": "a", "messageTime": 5}), 404),
        (json!({"undo": line}), 409),
        (json!({}), 105),
        (json!({"seq": "x"}), 105),
        (json!([]), 105),
        (json!({"seq": line, "reason": "x".repeat(201)}), 105),
    ] {
        assert_eq!(code(&mut staff, 4008, body.clone()).await, expected, "{body}");
    }
    assert_eq!(code(&mut staff, 4010, json!({"message": " "})).await, 422);
    assert_eq!(code(&mut staff, 4010, json!({"message": "x".repeat(501)})).await, 413);
    assert_eq!(code(&mut staff, 4010, json!({"seq": line + 1_000})).await, 404);
    assert_eq!(recent(&yard).await["messageList"][0]["content"], "fine", "nothing of that has happened");
    // A token that was revoked a moment ago.
    yard.node.revoke(&Revoked::User(UserId::parse("mod").unwrap())).await.unwrap();
    assert_eq!(code(&mut staff, 4008, hide).await, 401);
}

#[tokio::test]
async fn acts_have_a_pace() {
    let yard = Yard::new().await;
    let (mut staff, mut other) =
        (joins(&yard, "mod", Role::ChatManager).await, joins(&yard, "mod2", Role::ChatManager).await);
    for _ in 0..100 {
        assert_eq!(code(&mut staff, 4010, json!({})).await, 0);
    }
    let refused = asks(&mut staff, 4010, json!({})).await;
    assert_eq!((&refused["retCode"], &refused["retryAfterMs"]), (&json!(429), &json!(50)), "{refused}");
    assert_eq!(code(&mut other, 4010, json!({})).await, 0, "everybody has their own");
}

#[tokio::test]
async fn a_notice_is_told_to_those_who_are_there_and_those_who_come_late() {
    let yard = Yard::new().await;
    let (mut staff, mut writer) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "a").await);
    let sent = writer.sends_and_hears("demo", "a good line").await;
    assert_eq!(recent(&yard).await["notice"], Value::Null);
    asks(&mut staff, 4010, json!({"userId": "a", "messageTime": sent["bdy"]["msgTime"]})).await;
    let pushed = writer.hears(94010).await["bdy"].take();
    assert_eq!((&pushed["content"], &pushed["userId"]), (&json!("a good line"), &json!("a")));
    let extras: Value = serde_json::from_str(pushed["extras"].as_str().unwrap()).unwrap();
    assert_eq!(extras["registerProfile"]["userIdHash"], "mod");
    assert_eq!(recent(&yard).await["notice"], pushed, "in the same shape");

    asks(&mut staff, 4010, json!({"message": "two minutes", "seconds": 120})).await;
    assert_eq!(writer.hears(94010).await["bdy"]["content"], "two minutes");
    yard.clock.advance(119_999);
    assert_eq!(recent(&yard).await["notice"]["content"], "two minutes");
    yard.clock.advance(1);
    assert_eq!(recent(&yard).await["notice"], Value::Null, "at once, whoever tells it");
    assert_eq!(writer.hears(94010).await["bdy"], json!({}), "and everybody is told");
}

#[tokio::test]
async fn a_notice_that_ends_while_no_gateway_runs_ends_when_one_does() {
    let log = Memory::new(Arc::default());
    {
        let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
        yard.reader("demo").await;
        yard.moderates(&demo(), Wish::Pin(Notice::Text("over soon".to_owned(), Extras::default()), Some(60)))
            .await
            .unwrap();
        assert_eq!(recent(&yard).await["notice"]["content"], "over soon");
    }
    let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
    yard.clock.advance(61_000);
    yard.reader("demo").await;
    let id = yard.node.channel(&demo()).await.unwrap().id;
    until(async || {
        let events = log.read(&id, Seq::default(), LARGEST_PAGE).await.unwrap().events;
        matches!(events.last().unwrap().event.body, Body::Lapsed { .. })
    })
    .await;
}

#[tokio::test]
async fn staff_look_at_what_is_hidden_and_at_what_was_done() {
    let yard = Yard::new().await;
    let (mut staff, mut writer) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "a").await);
    let line = seq(&writer.sends_and_hears("demo", "bad words").await);
    let act = seq(&asks(&mut staff, 4008, json!({"seq": line, "reason": "rude"})).await);
    let answer = asks(&mut staff, 5008, json!({"seq": line})).await["bdy"].take();
    assert_eq!((&answer["content"], &answer["messageStatusType"]), (&json!("bad words"), &json!("HIDDEN")));
    let by = json!({"seq": act, "actTime": NOON, "userId": "mod", "nickname": "mod", "reason": "rude"});
    assert_eq!(answer["hiddenBy"], by);
    assert_eq!(code(&mut writer, 5008, json!({"seq": line})).await, 403);
    assert_eq!(code(&mut staff, 5008, json!({"seq": line + 99})).await, 404);

    asks(&mut staff, 4008, json!({"undo": act})).await;
    assert_eq!(asks(&mut staff, 5008, json!({"seq": line})).await["bdy"]["hiddenBy"], Value::Null);
    assert_eq!(code(&mut staff, 4008, json!({"undo": act})).await, 409);
    let (acts, next) = yard.node.acts(&demo(), None, 10).await.unwrap();
    let trail: Vec<_> = acts.iter().map(|(place, _, act)| (place.0, act.deed.word(), act.reason.as_str())).collect();
    assert!(next.is_none() && trail[1] == (act, "hide", "rude") && trail[0].1 == "undo", "{trail:?}");
}

#[tokio::test]
async fn two_moderators_at_once_do_it_once() {
    let yard = Yard::new().await;
    let (mut one, mut two) =
        (joins(&yard, "one", Role::ChatManager).await, joins(&yard, "two", Role::ChatManager).await);
    let mut writer = yard.writer("demo", "a").await;
    let line = seq(&writer.sends_and_hears("demo", "bad").await);
    let hide = json!({"cmd": 4008, "cid": "demo", "tid": 1, "bdy": {"seq": line}}).to_string();
    one.says(&hide).await;
    two.says(&hide).await;
    let answers = [one.hears(14008).await, two.hears(14008).await];
    assert!(answers.iter().all(|answer| answer["retCode"] == 0), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer["bdy"]["seq"].is_u64()).count(), 1, "{answers:?}");
    assert_eq!(yard.node.acts(&demo(), None, 10).await.unwrap().0.len(), 1);
    assert_eq!(writer.hears(94008).await["bdy"]["blindType"], "HIDDEN");
    writer.hears_nothing().await;
}

/// One act is one batch, and acts don't wait for the end of a long window.
#[tokio::test]
async fn many_lines_are_hidden_in_one_write() {
    let yard = Yard::new().await;
    let (mut staff, mut writer) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "a").await);
    for number in 0..26 {
        writer.sends_and_hears("demo", &number.to_string()).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut reader = yard.reader("demo").await;
    let before = yard.node.metrics().batches.get();
    asks(&mut staff, 4008, json!({"userId": "a", "all": true})).await;
    for _ in 0..26 {
        reader.hears(94008).await;
    }
    let after = yard.node.metrics().batches.get();
    assert_eq!(after - before, 1, "a batch is one write to each");
    let text = yard.node.metrics().text();
    assert!(text.contains("madang_time_to_hide_seconds_count 1"), "{text}");
}
