//! What is done to users: sent out, restricted, given roles.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::tempdir;
use tokio::time::timeout;

use madang::auth::Grant;
use madang::eventlog::memory::Memory;
use madang::model::access::Revoked;
use madang::model::id::UserId;
use madang::model::mode::Known;
use madang::model::principal::{Role, Scope};
use madang::model::time::Millis;

use crate::support::frames::Frame;
use crate::support::process::{Gateway, Raw};
use crate::support::reader::Reader;
use crate::support::yard::{Guest, NOON, Yard, asks, joins, open_yard};

/// How long something may take that must happen.
const SOON: Duration = Duration::from_secs(10);

/// Numbers of what comes, until nothing does.
async fn heard(guest: &mut Guest) -> Vec<u64> {
    tokio::time::sleep(Duration::from_millis(100)).await;
    guest.heard_by_now().iter().map(|message| message["cmd"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_penalty_is_told_as_the_real_wire_tells_it() {
    let yard = Yard::new().await;
    let (mut staff, mut bad) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "bad").await);
    let (mut other, mut reader) = (joins(&yard, "mod2", Role::ChannelManager).await, yard.reader("demo").await);
    for text in ["one", "two"] {
        bad.sends_and_hears("demo", text).await;
    }
    heard(&mut reader).await;
    heard(&mut other).await;
    let done = asks(&mut staff, 4015, json!({"userId": "bad", "seconds": 30, "reason": "spam"})).await;
    assert_eq!(done["retCode"], 0, "{done}");
    let event = reader.hears(93006).await;
    let expected = json!({
        "type": "TEMPORARY_RESTRICT", "duration": 30, "times": 1, "userIdHash": "bad",
        "createdTime": "2026-10-01T00:00:00.000",
    });
    assert_eq!(event["bdy"], expected);
    assert_eq!(heard(&mut reader).await, [94015, 94008, 94008], "and no word that is for staff");
    assert_eq!(heard(&mut other).await, [93006, 94015, 94008, 94008, 93102]);

    let refused = bad.sends_and_hears("demo", "three").await;
    assert_eq!((&refused["retCode"], &refused["retryAfterMs"]), (&json!(403), &json!(30_000)), "{refused}");
    let mut again = yard.writer("demo", "bad").await;
    assert_eq!(again.sends_and_hears("demo", "by another connection").await["retCode"], 403);
    yard.clock.advance(30_000);
    assert_eq!(bad.sends_and_hears("demo", "later").await["retCode"], 0);
}

#[tokio::test]
async fn a_block_holds_across_restarts() {
    let log = Memory::new(Arc::default());
    {
        let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
        let (mut staff, mut bad) = (joins(&yard, "mod", Role::Streamer).await, yard.writer("demo", "bad").await);
        assert_eq!(asks(&mut staff, 4006, json!({"userId": "bad", "days": 7})).await["retCode"], 0);
        let told = bad.hears(94006).await["bdy"].take();
        assert_eq!((&told["targetUserId"], &told["blocked"]), (&json!("bad"), &json!(true)));
        assert!(staff.hears(93102).await["bdy"][0]["extras"].as_str().unwrap().contains("blocked bad until"));
    }
    let yard = Yard::over(Arc::new(log), open_yard()).await;
    let (mut staff, mut bad) = (joins(&yard, "mod", Role::Streamer).await, yard.writer("demo", "bad").await);
    assert_eq!(bad.sends_and_hears("demo", "x").await["retCode"], 403);
    assert_eq!(asks(&mut staff, 4006, json!({"userId": "bad", "blocked": false})).await["retCode"], 0);
    assert_eq!(bad.hears(94006).await["bdy"]["blocked"], false);
    assert_eq!(bad.sends_and_hears("demo", "x").await["retCode"], 0);
}

#[tokio::test]
async fn whoever_is_kicked_is_told_so_and_disconnected_on_every_connection() {
    let yard = Yard::new().await;
    let mut staff = joins(&yard, "mod", Role::ChatManager).await;
    let (mut one, mut two) = (yard.writer("demo", "bad").await, yard.writer("demo", "bad").await);
    let mut other = yard.writer("demo", "good").await;
    assert_eq!(asks(&mut staff, 4005, json!({"userId": "bad"})).await["retCode"], 0);
    for guest in [&mut one, &mut two] {
        assert_eq!(guest.hears(94005).await["bdy"]["quitUserIdList"], json!(["bad"]));
        assert_eq!(guest.next().await, Frame::Close(1000, "kicked".to_owned()));
    }
    // A client that doesn't go has nothing more to say.
    one.sends("demo", "still here").await;
    other.sends_and_hears("demo", "hello").await;
    let lines = other.hears_lines(1).await;
    assert_eq!(lines[0]["msg"], "hello");
    assert_eq!(
        yard.writer("demo", "bad").await.sends_and_hears("demo", "back").await["retCode"],
        0,
        "it may come back"
    );
}

/// Somebody who comes back with so many lines behind this place to hear, and takes so many bytes for now.
async fn comes_back(yard: &Yard, uid: &str, seq: u64, room: usize) -> (Guest, Reader) {
    let epoch = yard.node.epoch().to_string();
    let resume = json!({"ext": 1, "resume": {"epoch": epoch, "seq": seq}});
    let mut guest = yard.guest();
    guest.sock.set_room(room);
    let mut reader = Reader { epoch, upto: seq, ..Reader::default() };
    assert!(reader.connected(&guest.connect_ext("demo", Some(&yard.token(uid, Role::Viewer)), resume).await));
    (guest, reader)
}

/// A broadcast in which somebody has said a lot; the place of the first line.
async fn talked_about(yard: &Yard) -> u64 {
    let mut writer = yard.writer("demo", "a").await;
    let first = writer.sends_and_hears("demo", "first").await["bdy"]["seq"].as_u64().unwrap();
    for _ in 0..100 {
        writer.sends_and_hears("demo", "more than one stretch").await;
    }
    first
}

#[tokio::test]
async fn whoever_is_kicked_while_they_catch_up_is_told_so_and_disconnected() {
    let yard = Yard::new().await;
    let (first, mut staff) = (talked_about(&yard).await, joins(&yard, "mod", Role::ChatManager).await);
    let (mut bad, _) = comes_back(&yard, "bad", first, 1_000).await;
    let (mut good, _) = comes_back(&yard, "good", first, 1_000).await;
    assert!(bad.session.is_behind() && good.session.is_behind());
    assert_eq!(asks(&mut staff, 4005, json!({"userId": "bad"})).await["retCode"], 0);
    for guest in [&mut bad, &mut good] {
        guest.sock.set_room(usize::MAX);
        guest.catches_up().await;
        assert!(!guest.session.is_behind());
    }
    assert_eq!(bad.hears(94005).await["bdy"]["quitUserIdList"], json!(["bad"]));
    assert_eq!(bad.next().await, Frame::Close(1000, "kicked".to_owned()));
    assert!(!heard(&mut good).await.contains(&94005) && !good.outbox.is_closed());
}

#[tokio::test]
async fn who_comes_back_hears_what_was_done_to_them_alone() {
    let yard = Yard::new().await;
    let (first, mut staff) = (talked_about(&yard).await, joins(&yard, "mod", Role::ChatManager).await);
    for (cmd, body) in [(4005, json!({"userId": "bad"})), (4006, json!({"userId": "bad", "days": 7}))] {
        assert_eq!(asks(&mut staff, cmd, body).await["retCode"], 0);
    }
    // Others had the same stretch before, and have it again.
    for (uid, expected) in
        [("good", vec![]), ("bad", vec![94005, 94006]), ("other", vec![]), ("bad", vec![94005, 94006])]
    {
        let (mut guest, mut reader) = comes_back(&yard, uid, first, usize::MAX).await;
        assert!(!guest.session.is_behind() && !guest.outbox.is_closed(), "it may come back");
        let messages = guest.heard_by_now();
        messages.iter().for_each(|message| reader.hear(message));
        let own: Vec<u64> = messages.iter().filter_map(|message| message["cmd"].as_u64()).collect();
        assert_eq!(own.into_iter().filter(|cmd| [94005, 94006].contains(cmd)).collect::<Vec<_>>(), expected, "{uid}");
        assert_eq!((reader.lines.len(), reader.repeats, &reader.gaps), (100, 0, &vec![]));
    }
}

#[tokio::test]
async fn a_role_counts_at_once_in_open_sessions_too() {
    let yard = Yard::new().await;
    let (mut king, mut helper) = (joins(&yard, "king", Role::Streamer).await, yard.writer("demo", "helper").await);
    let mut bad = yard.writer("demo", "bad").await;
    let line = bad.sends_and_hears("demo", "bad").await["bdy"]["seq"].as_u64().unwrap();
    assert_eq!(asks(&mut helper, 4008, json!({"seq": line})).await["retCode"], 403);
    let give = |code: &str| json!({"userId": "helper", "userRoleCode": code});
    assert_eq!(asks(&mut helper, 4020, give("streaming_chat_manager")).await["retCode"], 403);
    assert_eq!(asks(&mut king, 4020, give("streamer")).await["retCode"], 105);
    assert_eq!(asks(&mut king, 4020, give("streaming_chat_manager")).await["retCode"], 0);
    assert_eq!(asks(&mut helper, 4008, json!({"seq": line})).await["retCode"], 0);
    helper.session.keep_group();
    assert!(helper.session.is_staff());
    heard(&mut helper).await;
    asks(&mut king, 4015, json!({"userId": "bad"})).await;
    assert!(heard(&mut helper).await.contains(&93102), "staff sees what is for staff");
    yard.clock.advance(1_000);
    asks(&mut king, 4020, give("common_user")).await;
    assert_eq!(asks(&mut helper, 4008, json!({"seq": line, "blindType": "CANCEL"})).await["retCode"], 403);
    helper.session.has_something_to_do().await;
    helper.session.keep_group();
    heard(&mut helper).await;
    asks(&mut king, 4015, json!({"userId": "bad", "seconds": 0})).await;
    assert!(!helper.session.is_staff() && !heard(&mut helper).await.contains(&93102));
    // Nor does a token that was made by then.
    let mut again = joins(&yard, "helper", Role::ChatManager).await;
    assert_eq!(asks(&mut again, 4008, json!({"seq": line})).await["retCode"], 403);
    yard.clock.advance(1_000);
    let mut again = joins(&yard, "helper", Role::ChatManager).await;
    assert_eq!(asks(&mut again, 4008, json!({"seq": line})).await["retCode"], 0, "a later one does");
}

/// What is for staff is said, and whether this guest hears it.
async fn hears_what_is_for_staff(guest: &mut Guest, king: &mut Guest) -> bool {
    heard(guest).await;
    assert_eq!(asks(king, 4015, json!({"userId": "bad"})).await["retCode"], 0);
    heard(guest).await.contains(&93102)
}

#[tokio::test]
async fn whoever_is_no_longer_staff_by_their_token_hears_nothing_more_that_is_for_staff() {
    let yard = Yard::new().await;
    let mut king = yard.guest();
    let long = Grant::plain("king", "king", Role::Streamer, Scope::Everywhere, 36_000);
    king.connect("demo", Some(&yard.tokens.issue(&long))).await;
    let (mut ends, mut ext) = (joins(&yard, "ends", Role::ChatManager).await, yard.guest());
    ext.connect_ext("demo", Some(&yard.token("ext", Role::ChatManager)), json!({"ext": 1})).await;
    assert!(hears_what_is_for_staff(&mut ends, &mut king).await && hears_what_is_for_staff(&mut ext, &mut king).await);
    // As soon as that is known, not at the next look around.
    let ext_was = Revoked::User(UserId::parse("ext").unwrap());
    yard.node.revoke(&ext_was).await.unwrap();
    timeout(SOON, ext.session.has_something_to_do()).await.unwrap();
    ext.session.keep_group();
    assert!(!ext.session.is_staff() && !hears_what_is_for_staff(&mut ext, &mut king).await);
    yard.clock.advance(3_700_000);
    ends.session.look_around();
    ends.session.keep_group();
    assert!(!ends.session.is_staff() && !hears_what_is_for_staff(&mut ends, &mut king).await);
    assert!(king.session.is_staff());
}

#[tokio::test]
async fn who_lands_as_staff_can_be_staff_no_longer() {
    let yard = Yard::new().await;
    let (mut king, mut writer) = (joins(&yard, "king", Role::Streamer).await, yard.writer("demo", "a").await);
    let first = writer.sends_and_hears("demo", "x").await["bdy"]["seq"].as_u64().unwrap();
    for _ in 0..100 {
        writer.sends_and_hears("demo", "more than one stretch").await;
    }
    let resume = json!({"ext": 1, "resume": {"epoch": yard.node.epoch().to_string(), "seq": first}});
    let mut helper = yard.guest();
    helper.sock.set_room(1_000);
    helper.connect_ext("demo", Some(&yard.token("helper", Role::Viewer)), resume).await;
    assert!(helper.session.is_behind());
    // It becomes staff on the way, and is so when it lands.
    let give = |code: &str| json!({"userId": "helper", "userRoleCode": code});
    assert_eq!(asks(&mut king, 4020, give("streaming_chat_manager")).await["retCode"], 0);
    helper.sock.set_room(usize::MAX);
    helper.catches_up().await;
    assert!(!helper.session.is_behind() && hears_what_is_for_staff(&mut helper, &mut king).await);
    assert_eq!(asks(&mut king, 4020, give("common_user")).await["retCode"], 0);
    timeout(SOON, helper.session.has_something_to_do()).await.unwrap();
    helper.session.keep_group();
    assert!(!hears_what_is_for_staff(&mut helper, &mut king).await);
}

#[tokio::test]
async fn how_the_chat_is_run_is_told_and_holds() {
    let yard = Yard::new().await;
    let (mut staff, mut writer) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "a").await);
    let mut reader = yard.reader("demo").await;
    assert_eq!(asks(&mut writer, 4030, json!({"chatSlowModeSec": 5})).await["retCode"], 403);
    assert_eq!(asks(&mut staff, 4030, json!({"chatSlowModeSec": 4})).await["retCode"], 105);
    assert_eq!(asks(&mut staff, 4030, json!({"chatSlowModeSec": 5})).await["retCode"], 0);
    let told = json!({
        "type": "CHANGE_CHAT_MODE", "minFollowerMinute": 0, "chatEmojiMode": false, "chatSlowModeSec": 5,
        "allowSubscriberInFollowerMode": true, "chatAvailableGroup": "ALL", "chatDonationRankingExposure": false,
        "chatAvailableCondition": "NONE",
    });
    assert_eq!(reader.hears(93006).await["bdy"], told);
    let system = staff.hears(93102).await["bdy"][0]["extras"].as_str().unwrap().to_owned();
    assert!(system.contains(r#""styleType":5"#), "{system}");
    assert_eq!(writer.sends_and_hears("demo", "one").await["retCode"], 0);
    yard.clock.advance(2_000);
    let refused = writer.sends_and_hears("demo", "two").await;
    assert_eq!((&refused["retCode"], &refused["retryAfterMs"]), (&json!(429), &json!(3_000)), "{refused}");

    let panic = asks(&mut staff, 4030, json!({"panic": true, "seconds": 60})).await;
    assert_eq!(reader.hears(93006).await["bdy"]["chatAvailableGroup"], "FOLLOWER");
    yard.clock.advance(10_000);
    assert_eq!(writer.sends_and_hears("demo", "three").await["retCode"], 403);
    let known = Known { followed: Some(Millis(NOON - 3_600_000)), ..Known::default() };
    let grant = Grant { known, ..Grant::plain("fan", "fan", Role::Viewer, Scope::Everywhere, 3_600) };
    let mut fan = yard.guest();
    fan.connect("demo", Some(&yard.tokens.issue(&grant))).await;
    assert_eq!(fan.sends_and_hears("demo", "I was here before").await["retCode"], 0);
    yard.clock.advance(50_000);
    assert_eq!(reader.hears(93006).await["bdy"]["chatSlowModeSec"], 5, "it ends by itself");
    assert_eq!(asks(&mut staff, 4030, json!({"undo": panic["bdy"]["seq"]})).await["retCode"], 409);
    assert_eq!(writer.sends_and_hears("demo", "four").await["retCode"], 0);
}

#[test]
fn the_sites_backend_moderates() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let mut writer = Raw::join(&gateway, "demo");
    let mut places = Vec::new();
    for text in ["first", "second"] {
        writer.text(&crate::support::yard::line("demo", text, false).to_string());
        places.push(writer.hears(13101)["bdy"]["seq"].as_u64().unwrap());
    }
    let uid = writer.hears(93101)["bdy"][0]["uid"].as_str().unwrap().to_owned();
    let post = |path: &str, body: &str| gateway.site("POST", &format!("/v1/channels/demo/{path}"), body);
    let (status, done) = post(
        "notice",
        r#"{"text":"be kind","seconds":60,"by":{"uid":"mod","nickname":"지기","role":"streaming_chat_manager"}}"#,
    );
    assert_eq!(status, 200, "{done}");
    assert_eq!(writer.hears(94010)["bdy"]["content"], "be kind");
    assert_eq!(gateway.site("GET", "/v1/channels/demo/notice", "").1["notice"]["pinnedBy"], "mod");
    let (_, hidden) = post(&format!("messages/{}/hide", places[0]), r#"{"reason":"rude"}"#);
    assert_eq!(writer.hears(94008)["bdy"]["blindType"], "HIDDEN");
    let (_, looked) = gateway.site("GET", &format!("/v1/channels/demo/messages/{}", places[0]), "");
    assert_eq!((&looked["text"], &looked["hiddenBy"]["reason"]), (&json!("first"), &json!("rude")), "{looked}");
    let (status, undone) = post(&format!("acts/{}/undo", hidden["seq"]), "");
    assert_eq!(status, 200, "{undone}");
    assert_eq!(post(&format!("acts/{}/undo", hidden["seq"]), "").0, 409);
    assert_eq!(post(&format!("messages/{}/hide", places[1] + 100), "").0, 404);
    assert_eq!(post("sweep", r#"{"seconds":60,"newcomerMinutes":5}"#).0, 200);
    assert_eq!(post("sweep", r#"{"seconds":0,"newcomerMinutes":5}"#).0, 400);
    assert_eq!(post("notice/unpin", "").0, 200);
    assert_eq!(post("notice", r#"{}"#).0, 400);

    let user = |what: &str| format!("users/{uid}/{what}");
    assert_eq!(post(&user("penalize"), r#"{"seconds":60,"reason":"spam"}"#).0, 200);
    let (_, listed) = gateway.site("GET", "/v1/channels/demo/restrictions", "");
    let one = &listed["restrictions"][0];
    assert_eq!((&one["uid"], &one["kind"], &one["reason"]), (&json!(uid), &json!("penalty"), &json!("spam")));
    writer.text(&crate::support::yard::line("demo", "third", false).to_string());
    assert_eq!(writer.hears(13101)["retCode"], 403);
    assert_eq!(post(&user("lift"), "").0, 200);
    assert_eq!(post("modes", r#"{"slowSeconds":3,"group":"FOLLOWER","followMinutes":5}"#).0, 200);
    assert_eq!(post("modes", r#"{"group":"NOBODY"}"#).0, 400);
    assert_eq!(post("panic", r#"{"seconds":60,"emojiOnly":true}"#).0, 200);
    let (_, run) = gateway.site("GET", "/v1/channels/demo/modes", "");
    assert_eq!((&run["modes"]["group"], &run["now"]["emojiOnly"]), (&json!("FOLLOWER"), &json!(true)), "{run}");
    assert_eq!(post("panic/end", "").0, 200);
    assert_eq!(post("modes", r#"{"slowSeconds":0,"group":"ALL"}"#).0, 200);
    assert_eq!(post(&user("block"), r#"{"days":3651}"#).0, 400);
    assert_eq!(post(&user("role"), r#"{"role":"streaming_chat_manager"}"#).0, 200);
    let (_, roles) = gateway.site("GET", "/v1/channels/demo/roles", "");
    assert_eq!(roles["roles"][0]["role"], "streaming_chat_manager", "{roles}");
    writer.text(&json!({"cmd": 4010, "cid": "demo", "tid": 5, "bdy": {"message": "from the new manager"}}).to_string());
    assert_eq!(writer.hears(14010)["retCode"], 0);
    assert_eq!(post(&user("kick"), "").0, 200);
    let (_, trail) = gateway.site("GET", "/v1/channels/demo/acts?limit=2", "");
    assert_eq!((&trail["acts"][0]["act"], &trail["acts"][0]["targetUid"]), (&json!("kick"), &json!(uid)), "{trail}");
    let (_, older) =
        gateway.site("GET", &format!("/v1/channels/demo/acts?cursor={}", trail["nextCursor"].as_str().unwrap()), "");
    let words: Vec<_> = older["acts"].as_array().unwrap().iter().map(|act| act["act"].as_str().unwrap()).collect();
    assert_eq!(
        words,
        ["appoint", "run", "calm", "panic", "run", "lift", "penalize", "unpin", "hide", "undo", "hide", "pin"],
        "{older}"
    );
    assert_eq!(older["acts"][11]["nickname"], "지기");
}
