//! What a channel says by itself: to whoever joins, and of whoever comes and goes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::time::sleep;

use madang::eventlog::EventLog;
use madang::eventlog::memory::Memory;
use madang::model::act::Wish;
use madang::model::filter::{FilterChange, Measure};
use madang::model::id::{ChannelId, Cid, Seq, UserId};
use madang::model::mode::ModeChange;
use madang::model::own_lines::OwnLinesChange;
use madang::model::principal::Role;
use madang::model::refusal::Refusal;
use madang::node::{Config, GuestWish, StationError};

use crate::support::process::Gateway;
use crate::support::yard::{Guest, Yard, joins, open_yard};

/// Longer than somebody may be away without having left.
const AWAY: Duration = Duration::from_secs(11);

/// Long enough for what is told at once.
const SOON: Duration = Duration::from_millis(400);

fn demo() -> ChannelId {
    ChannelId::parse("demo").unwrap()
}

fn text(text: &str) -> Option<Option<String>> {
    Some(Some(text.to_owned()))
}

fn visits(kept: bool) -> OwnLinesChange {
    let (joined, left) = (text("{nickname}님이 들어왔어요"), text("{nickname}님이 나갔어요"));
    OwnLinesChange { welcome: None, joined, left, kept: Some(kept) }
}

/// A yard whose channel `demo` says this by itself.
async fn yard_that_says(change: OwnLinesChange) -> Yard {
    let yard = Yard::new().await;
    yard.reader("demo").await;
    yard.moderates(&demo(), Wish::Say(change)).await.unwrap().unwrap();
    yard
}

/// What the channel has said by itself in these messages.
fn own_lines(messages: &[Value]) -> Vec<String> {
    let own = |message: &&Value| message["cmd"] == 93102 && message["bdy"][0]["uid"] == "SYSTEM_MESSAGE";
    messages.iter().filter(own).map(|message| message["bdy"][0]["msg"].as_str().unwrap().to_owned()).collect()
}

async fn said_to(guest: &mut Guest) -> Vec<String> {
    sleep(SOON).await;
    own_lines(&guest.heard_by_now())
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_is_welcomed_and_nobody_else_hears_it() {
    let yard = yard_that_says(OwnLinesChange { welcome: text("어서 오세요"), ..OwnLinesChange::default() }).await;
    let mut first = yard.reader("demo").await;
    let welcome = first.hears_anything().await;
    let item = &welcome["bdy"][0];
    assert_eq!(
        (&welcome["cmd"], &item["msg"], &item["msgTypeCode"]),
        (&json!(93102), &json!("어서 오세요"), &json!(30))
    );
    let extras: Value = serde_json::from_str(item["extras"].as_str().unwrap()).unwrap();
    assert_eq!((&extras["description"], extras["visibleRoles"].as_array().unwrap().len()), (&json!("어서 오세요"), 5));
    let mut manager = joins(&yard, "m", Role::ChatManager).await;
    assert_eq!(said_to(&mut manager).await, ["어서 오세요"]);
    assert!(said_to(&mut first).await.is_empty());
    let mut ext = yard.guest();
    let connected = ext.connect_ext("demo", None, json!({"ext": 1})).await;
    let heard = ext.heard_by_now();
    assert_eq!(own_lines(&heard), ["어서 오세요"]);
    assert!(heard.iter().all(|message| message["after"].is_null() || message["cmd"] != 93102), "it covers nothing");
    let mut quiet = yard.guest();
    quiet.connect_ext("demo", None, json!({"ext": 1, "lane": "questions"})).await;
    assert!(said_to(&mut quiet).await.is_empty());
    let place = json!({"epoch": connected["bdy"]["epoch"], "seq": connected["bdy"]["seq"]});
    let mut back = yard.guest();
    let again = back.connect_ext("demo", None, json!({"ext": 1, "resume": place})).await;
    assert_eq!(again["bdy"]["recovered"], true);
    assert!(said_to(&mut back).await.is_empty(), "who comes back was welcomed before");
    yard.node.close_broadcast(&demo(), &Cid::parse("demo").unwrap()).await.unwrap();
    assert!(said_to(&mut yard.reader("demo").await).await.is_empty(), "where nothing is said any more");
}

#[tokio::test(start_paused = true)]
async fn users_come_and_go_and_their_pages_may_be_loaded_anew() {
    let yard = yard_that_says(visits(false)).await;
    let (mut plain, mut ext) = (yard.reader("demo").await, yard.guest());
    ext.connect_ext("demo", None, json!({"ext": 1})).await;
    let one = joins(&yard, "mina", Role::Viewer).await;
    let two = joins(&yard, "mina", Role::Viewer).await;
    assert_eq!(said_to(&mut plain).await, ["mina님이 들어왔어요"]);
    let heard = ext.heard_by_now();
    assert_eq!(own_lines(&heard), ["mina님이 들어왔어요"]);
    let item = heard.iter().find(|message| message["cmd"] == 93102).unwrap();
    assert!(item["after"].is_null() && item["bdy"][0]["seq"].is_null() && item["bdy"][0]["msgId"].is_null());
    drop(one);
    sleep(AWAY).await;
    assert!(said_to(&mut plain).await.is_empty(), "another page of theirs is still here");
    drop(two);
    let three = joins(&yard, "mina", Role::Viewer).await;
    sleep(AWAY).await;
    assert!(said_to(&mut plain).await.is_empty(), "a page was loaded anew");
    drop(three);
    assert!(said_to(&mut plain).await.is_empty(), "they may come back");
    sleep(AWAY).await;
    assert_eq!(said_to(&mut plain).await, ["mina님이 나갔어요"]);
    yard.reader("demo").await;
    assert!(said_to(&mut plain).await.is_empty(), "of those who only read nothing is told");
    let change = OwnLinesChange { joined: Some(None), left: Some(None), ..OwnLinesChange::default() };
    yard.moderates(&demo(), Wish::Say(change)).await.unwrap();
    drop(joins(&yard, "other", Role::Viewer).await);
    sleep(AWAY).await;
    assert!(said_to(&mut plain).await.is_empty(), "it is switched off");
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_before_their_coming_is_told_has_not_left() {
    let yard = yard_that_says(visits(false)).await;
    let mut plain = yard.reader("demo").await;
    for uid in ["a", "b", "c"] {
        drop(joins(&yard, uid, Role::Viewer).await);
    }
    sleep(AWAY).await;
    let said = said_to(&mut plain).await;
    for uid in ["a", "b", "c"] {
        let of = |line: &&String| line.starts_with(uid);
        assert_ne!(said.iter().filter(of).count(), 1, "both or neither: {said:?}");
    }
    let here = joins(&yard, "d", Role::Viewer).await;
    assert_eq!(said_to(&mut plain).await, ["d님이 들어왔어요"]);
    drop(here);
    sleep(AWAY).await;
    assert_eq!(said_to(&mut plain).await, ["d님이 나갔어요"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_told_again_to_who_comes_back_and_goes_with_an_erased_user() {
    let log = Memory::new(Arc::default());
    let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
    yard.reader("demo").await;
    yard.moderates(&demo(), Wish::Say(visits(true))).await.unwrap();
    let mut away = yard.guest();
    let connected = away.connect_ext("demo", None, json!({"ext": 1})).await;
    let place = json!({"epoch": connected["bdy"]["epoch"], "seq": connected["bdy"]["seq"]});
    drop(away);
    for uid in ["mina", "bad"] {
        let here = joins(&yard, uid, Role::Viewer).await;
        sleep(SOON).await;
        drop(here);
    }
    sleep(AWAY).await;
    let back = async |yard: &Yard| {
        let mut guest = yard.guest();
        let again = guest.connect_ext("demo", None, json!({"ext": 1, "resume": place.clone()})).await;
        assert_eq!(again["bdy"]["recovered"], true);
        guest.heard_by_now()
    };
    let heard = back(&yard).await;
    let told = ["mina님이 들어왔어요", "bad님이 들어왔어요", "mina님이 나갔어요", "bad님이 나갔어요"];
    assert_eq!(own_lines(&heard), told);
    assert!(heard.iter().filter(|message| message["cmd"] == 93102).all(|message| message["after"].is_u64()));
    let next = Yard::over(Arc::new(log.clone()), open_yard()).await;
    assert_eq!(own_lines(&back(&next).await), told, "after a restart, too");
    yard.node.erase(&demo(), &UserId::parse("bad").unwrap()).await.unwrap();
    assert_eq!(own_lines(&back(&yard).await), ["mina님이 들어왔어요", "mina님이 나갔어요"]);
    let page = log.read(&demo(), Seq(0), 1_000).await.unwrap();
    assert!(!format!("{:?}", page.events).contains("bad님이"), "it is gone from the log");
    let late = Yard::over(Arc::new(log.clone()), open_yard()).await;
    assert_eq!(own_lines(&back(&late).await), ["mina님이 들어왔어요", "mina님이 나갔어요"]);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_who_come_at_once_are_ten_lines_and_many_are_none() {
    let yard = yard_that_says(visits(false)).await;
    let mut watcher = yard.reader("demo").await;
    let mut crowd = Vec::new();
    for number in 0..150 {
        crowd.push(joins(&yard, &format!("u{number}"), Role::Viewer).await);
    }
    assert_eq!(said_to(&mut watcher).await.len(), 10);
    yard.clock.advance(3_000);
    let _later = joins(&yard, "later", Role::Viewer).await;
    assert_eq!(said_to(&mut watcher).await, ["later님이 들어왔어요"]);
    let few = Yard::over(Arc::new(Memory::new(Arc::default())), Config { visits_told: 3, ..open_yard() }).await;
    let mut watcher = few.reader("demo").await;
    few.moderates(&demo(), Wish::Say(visits(false))).await.unwrap();
    let _crowd = (few.reader("demo").await, joins(&few, "a", Role::Viewer).await);
    sleep(SOON).await;
    let _more = joins(&few, "b", Role::Viewer).await;
    assert_eq!(said_to(&mut watcher).await, ["a님이 들어왔어요"], "four connections are too many");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_of_those_who_may_not_speak() {
    let yard = yard_that_says(visits(false)).await;
    let mut watcher = yard.reader("demo").await;
    let bad = UserId::parse("bad").unwrap();
    yard.moderates(&demo(), Wish::Block(bad.clone(), None)).await.unwrap();
    let one = joins(&yard, "bad", Role::Viewer).await;
    assert!(said_to(&mut watcher).await.is_empty(), "blocked");
    drop(one);
    sleep(AWAY).await;
    assert!(said_to(&mut watcher).await.is_empty(), "blocked");
    yard.moderates(&demo(), Wish::Lift(bad)).await.unwrap();
    yard.moderates(&demo(), Wish::Panic(ModeChange::default(), 60)).await.unwrap();
    let calm = joins(&yard, "calm", Role::Viewer).await;
    assert!(said_to(&mut watcher).await.is_empty(), "panic");
    drop(calm);
    sleep(AWAY).await;
    assert!(said_to(&mut watcher).await.is_empty(), "panic");
    yard.moderates(&demo(), Wish::Calm).await.unwrap();
    let _back = joins(&yard, "bad", Role::Viewer).await;
    assert_eq!(said_to(&mut watcher).await, ["bad님이 들어왔어요"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_erased_a_moment_after_leaving_is_not_spoken_of() {
    let log = Memory::new(Arc::default());
    let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
    let mut watcher = yard.reader("demo").await;
    let left = OwnLinesChange { joined: Some(None), ..visits(true) };
    yard.moderates(&demo(), Wish::Say(left)).await.unwrap();
    drop(joins(&yard, "mina", Role::Viewer).await);
    sleep(SOON).await;
    yard.node.erase(&demo(), &UserId::parse("mina").unwrap()).await.unwrap();
    sleep(AWAY).await;
    assert!(said_to(&mut watcher).await.is_empty());
    let page = log.read(&demo(), Seq(0), 1_000).await.unwrap();
    assert!(!format!("{:?}", page.events).contains("mina님이"));
}

#[tokio::test(start_paused = true)]
async fn of_a_guest_who_is_erased_nothing_is_said_when_they_leave() {
    let log = Memory::new(Arc::default());
    let yard = Yard::over(Arc::new(log.clone()), Config { guests: true, ..open_yard() }).await;
    let mut watcher = yard.reader("demo").await;
    yard.moderates(&demo(), Wish::Say(visits(true))).await.unwrap();
    let cid = Cid::parse("demo").unwrap();
    for lapses in [true, false] {
        let wish = GuestWish { nickname: Some("지울이름"), ..GuestWish::default() };
        let welcomed = yard.node.welcome(&cid, wish).await.unwrap();
        let mut guest = yard.guest();
        guest.connect("demo", Some(&welcomed.token)).await;
        assert_eq!(said_to(&mut watcher).await, ["지울이름님이 들어왔어요"]);
        yard.node.erase(&demo(), &welcomed.uid).await.unwrap();
        if lapses {
            guest.session.look_around();
            guest.session.keep_group();
            sleep(AWAY).await;
        }
        drop(guest);
        sleep(AWAY).await;
        assert!(said_to(&mut watcher).await.is_empty());
        let page = log.read(&demo(), Seq(0), 1_000).await.unwrap();
        assert!(!format!("{:?}", page.events).contains("지울이름"));
        yard.clock.advance(60_000);
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_here_before_a_restart_has_not_come() {
    let log = Memory::new(Arc::default());
    let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
    yard.reader("demo").await;
    yard.moderates(&demo(), Wish::Say(visits(true))).await.unwrap();
    let next = Yard::over(Arc::new(log.clone()), open_yard()).await;
    let mut watcher = next.reader("demo").await;
    let _here = joins(&next, "mina", Role::Viewer).await;
    sleep(SOON).await;
    assert!(said_to(&mut watcher).await.is_empty());
    sleep(Duration::from_secs(30)).await;
    let _new = joins(&next, "other", Role::Viewer).await;
    assert_eq!(said_to(&mut watcher).await, ["other님이 들어왔어요"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_here_has_not_left_however_their_connections_cross() {
    let told = Config { members_told: 100, ..open_yard() };
    let yard = Arc::new(Yard::over(Arc::new(Memory::new(Arc::default())), told).await);
    let mut watcher = yard.guest();
    watcher.connect_ext("demo", None, json!({"ext": 1})).await;
    let cid = Cid::parse("demo").unwrap();
    let enters = async |yard: &Yard, uid: &str| {
        let standing = yard.node.check_token(&yard.token(uid, Role::Viewer)).await.unwrap();
        yard.node.enter(&cid, standing, None).await.unwrap()
    };
    for _ in 0..300 {
        let old = enters(&yard, "mina").await;
        let (leaving, coming) = (tokio::task::spawn_blocking(move || drop(old)), enters(&yard, "mina"));
        let here = coming.await;
        leaving.await.unwrap();
        let mut is_here = false;
        for message in watcher.heard_by_now() {
            match message["cmd"].as_u64() {
                Some(94_001) => is_here = true,
                Some(94_002) => is_here = false,
                _ => continue,
            }
        }
        // Whether they were ever away depends; the last word says how it is.
        let listed = yard.node.members_for_site(&demo(), None, 10).await.unwrap().users;
        assert_eq!((is_here, listed), (true, 1));
        drop(here);
        assert_eq!(watcher.hears(94_002).await["bdy"]["userId"], "mina");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_channel_says_is_an_act_with_a_trail_and_an_undo() {
    let yard = yard_that_says(OwnLinesChange { welcome: text("하나"), ..OwnLinesChange::default() }).await;
    let second = OwnLinesChange { welcome: text("둘"), ..OwnLinesChange::default() };
    let done = yard.moderates(&demo(), Wish::Say(second.clone())).await.unwrap().unwrap();
    assert_eq!(yard.moderates(&demo(), Wish::Say(second)).await.unwrap(), None, "so it was already");
    assert_eq!(said_to(&mut yard.reader("demo").await).await, ["둘"]);
    yard.moderates(&demo(), Wish::Undo(done.seq)).await.unwrap().unwrap();
    assert_eq!(said_to(&mut yard.reader("demo").await).await, ["하나"]);
    let refused = yard.moderates(&demo(), Wish::Undo(done.seq)).await;
    assert!(matches!(refused, Err(StationError::Refused(Refusal::NothingToUndo))), "{refused:?}");
    let words = vec![("나쁜말".to_owned(), Some(Measure::Mask))];
    let access = yard.node.access("root").unwrap();
    let by = |role| madang::model::message::Author { uid: UserId::parse("x").unwrap(), profile: Arc::default(), role };
    let change = madang::model::act::Deed::Filter(Arc::new(FilterChange { words, ..FilterChange::default() }));
    let why = (by(Role::SiteManager), String::new());
    yard.node.rule_site(change, why, &access, madang::model::id::EventId::fresh()).await.unwrap();
    let asked = |text: &str| madang::model::act::Asked {
        reason: String::new(),
        wish: Wish::Say(OwnLinesChange { joined: Some(Some(text.to_owned())), ..OwnLinesChange::default() }),
    };
    for (role, text, refusal) in [
        (Role::Streamer, "나 쁜 말", Some("filtered")),
        (Role::Viewer, "x", Some("staff")),
        (Role::Streamer, "x", None),
    ] {
        let id = madang::model::id::EventId::fresh();
        let done = yard.node.act_as_site(&demo(), asked(text), by(role), &access, id).await;
        match refusal {
            Some("filtered") => assert!(matches!(done, Err(StationError::Refused(Refusal::Filtered(_)))), "{done:?}"),
            Some(_) => assert!(matches!(done, Err(StationError::Refused(Refusal::NotStaff))), "{done:?}"),
            None => assert!(done.unwrap().is_some()),
        }
    }
}

#[test]
fn the_sites_backend_says_what_a_channel_says() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    gateway.guest_token("demo");
    let mut guest = crate::support::process::Raw::connect(&gateway.address, &[]);
    guest.text(&json!({"cmd": 100, "cid": "demo", "bdy": {"auth": "READ"}}).to_string());
    assert_eq!(guest.hears(10100)["retCode"], 0);
    let path = "/v1/channels/demo/own-lines";
    let nothing = json!({"welcome": null, "joined": null, "left": null, "kept": false});
    assert_eq!(gateway.site("GET", path, ""), (200, nothing));
    let wish = json!({"welcome": "어서 오세요", "left": "{nickname} left", "kept": true, "reason": "kind"});
    let (status, done) = gateway.site("POST", path, &wish.to_string());
    assert_eq!(status, 200, "{done}");
    assert_eq!(gateway.site("POST", path, r#"{"left":null}"#).0, 200);
    let (_, lines) = gateway.site("GET", path, "");
    assert_eq!(lines, json!({"welcome": "어서 오세요", "joined": null, "left": null, "kept": true}));
    let (_, acts) = gateway.site("GET", "/v1/channels/demo/acts", "");
    assert_eq!((&acts["acts"][0]["act"], &acts["acts"][0]["ownLines"]), (&json!("own_lines"), &json!({"left": null})));
    assert_eq!(acts["acts"][1]["ownLines"]["welcome"], "어서 오세요");
    for bad in [
        json!({"welcome": ""}),
        json!({"welcome": "  "}),
        json!({"joined": "a\nb"}),
        json!({"left": "x".repeat(301)}),
        json!({"kept": "yes"}),
        json!({"hello": "x"}),
        json!({"welcome": 5}),
        json!([]),
    ] {
        let (status, answer) = gateway.site("POST", path, &bad.to_string());
        assert!([400, 422].contains(&status), "{bad}: {answer}");
    }
    assert_eq!(gateway.site("POST", "/v1/channels/%20/own-lines", r#"{"kept":true}"#).0, 400);
    let mut late = crate::support::process::Raw::connect(&gateway.address, &[]);
    late.text(&json!({"cmd": 100, "cid": "demo", "bdy": {"auth": "READ"}}).to_string());
    assert_eq!(late.hears(93102)["bdy"][0]["msg"], "어서 오세요");
}
