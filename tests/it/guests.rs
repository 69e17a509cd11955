//! Guests: what they are called, what colour they have, and what they show first.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::tempdir;

use madang::eventlog::EventLog;
use madang::eventlog::memory::Memory;
use madang::model::act::Wish;
use madang::model::filter::{FilterChange, Measure};
use madang::model::id::{AddressHash, ChannelId, Cid};
use madang::model::principal::Role;
use madang::model::refusal::Refusal;
use madang::node::{Asked, Config as NodeConfig, GuestConfig, GuestWish, Welcomed};

use crate::support::process::Gateway;
use crate::support::yard::{Yard, open_yard};

fn with_guests() -> NodeConfig {
    NodeConfig { guests: true, ..open_yard() }
}

async fn yard() -> Yard {
    Yard::over(Arc::new(Memory::new(Arc::default())), with_guests()).await
}

async fn called_in(yard: &Yard, cid: &Cid, nickname: &str) -> Result<Welcomed, Refusal> {
    let wish = GuestWish { nickname: Some(nickname), ..GuestWish::default() };
    yard.node.welcome(cid, wish).await
}

async fn called(yard: &Yard, nickname: &str) -> Result<Welcomed, Refusal> {
    called_in(yard, &Cid::parse("demo").unwrap(), nickname).await
}

#[tokio::test]
async fn a_guest_is_called_as_they_like_and_nobody_else_is() {
    let yard = yard().await;
    let first = called(&yard, " 졸린  고양이 ").await.unwrap();
    assert_eq!(first.nickname, "졸린 고양이");
    for same in ["졸린 고양이", "졸린고양이", "졸린-고양이!", "졸린 고양이\u{301}"] {
        let taken = called(&yard, same).await.unwrap_err();
        let Refusal::NicknameTaken(Some(other)) = taken else { panic!("{taken:?}") };
        assert!(other.ends_with('2'), "{other}");
    }
    assert_eq!(called(&yard, "졸린 고양이2").await.unwrap().nickname, "졸린 고양이2");
    let taken = called(&yard, "졸린 고양이").await.unwrap_err();
    assert_eq!(taken, Refusal::NicknameTaken(Some("졸린 고양이3".to_owned())));
    let mut guest = yard.guest();
    assert_eq!(guest.connect("demo", Some(&first.token)).await["bdy"]["auth"], "SEND");
    guest.sends("demo", "야옹").await;
    let line = guest.hears(93101).await["bdy"][0].take();
    let profile: Value = serde_json::from_str(line["profile"].as_str().unwrap()).unwrap();
    assert_eq!(profile["nickname"], "졸린 고양이");
    assert_eq!(profile["streamingProperty"]["nicknameColor"]["colorCode"], first.color.code);
    let mut elsewhere = yard.guest();
    assert_ne!(elsewhere.connect("other", Some(&first.token)).await["retCode"], 0, "a name holds in one channel");
}

#[tokio::test]
async fn nobody_is_called_like_the_streamer_or_like_somebody_who_is_here() {
    let yard = yard().await;
    let channel = ChannelId::parse("c1").unwrap();
    yard.node.list_channel(&channel, "스트리머Kim").await.unwrap();
    let cid = yard.node.open_broadcast(&channel, "").await.unwrap();
    let is_taken = async |name: &str| matches!(called_in(&yard, &cid, name).await, Err(Refusal::NicknameTaken(_)));
    for alike in ["스트리머Kim", "스트리머 KIM", "스트리머kIM", "스트리머K1m", "ｽﾄﾘ", "ㅅ트리머Kim"]
    {
        assert_eq!(is_taken(alike).await, alike.starts_with('스'), "{alike}");
    }
    let mut here = yard.guest();
    here.connect(cid.as_str(), Some(&yard.token("Manager", Role::ChatManager))).await;
    assert!(is_taken("rnanager").await && is_taken("MANAGER").await);
    drop(here);
    assert!(!is_taken("manager").await, "they have left");
    let mut here = yard.guest();
    let next = yard.node.open_broadcast(&channel, "").await.unwrap();
    here.connect(next.as_str(), Some(&yard.token("Other", Role::ChatManager))).await;
    assert!(is_taken("other").await, "whichever of the channel's broadcasts is named");
}

#[tokio::test]
async fn what_is_no_name_is_refused_and_says_why() {
    let yard = yard().await;
    for wish in
        ["", "\u{301}\u{302}\u{303}", "\u{3164}", "a\u{202e}b", "guest-1", &"가".repeat(21), &"a".repeat(100_000)]
    {
        let refused = called(&yard, wish).await.unwrap_err();
        assert!(matches!(refused, Refusal::BadRequest(_)), "{refused:?}");
    }
    let wish = Wish::Filter(FilterChange {
        words: vec![("나쁜말".to_owned(), Some(Measure::Mask))],
        ..FilterChange::default()
    });
    called(&yard, "첫째").await.unwrap();
    yard.moderates(&ChannelId::parse("demo").unwrap(), wish).await.unwrap();
    let refused = called(&yard, "나 쁜 말").await.unwrap_err();
    assert!(
        matches!(refused, Refusal::Filtered(_)),
        "what a channel's lines may not say, its guests' names may not: {refused:?}"
    );
}

#[tokio::test]
async fn who_has_a_key_comes_back_as_the_same() {
    let yard = yard().await;
    let wish = |nickname, secret| GuestWish { nickname, secret: Some(secret), ..GuestWish::default() };
    let demo = Cid::parse("demo").unwrap();
    let (mine, other) = ("a-key-that-nobody-knows", "another-key-that-nobody-knows");
    let first = yard.node.welcome(&demo, wish(Some("야옹"), mine)).await.unwrap();
    let again = yard.node.welcome(&demo, wish(Some("야옹"), mine)).await.unwrap();
    assert_eq!((&again.uid, again.color), (&first.uid, first.color));
    assert!(matches!(yard.node.welcome(&demo, wish(Some("야옹"), other)).await, Err(Refusal::NicknameTaken(_))));
    let given = yard.node.welcome(&demo, wish(None, other)).await.unwrap();
    assert_eq!(given.nickname, yard.node.welcome(&demo, wish(None, other)).await.unwrap().nickname);
    assert!(given.nickname.starts_with("guest-") && given.uid != first.uid);
    let renamed = yard.node.welcome(&demo, wish(Some("멍멍"), mine)).await.unwrap();
    assert_eq!(renamed.uid, first.uid);
    assert!(called(&yard, "야옹").await.is_err(), "as long as a token says it, nobody else is called so");
    yard.node.welcome(&demo, wish(Some("짹짹"), mine)).await.unwrap();
    assert_eq!(yard.node.welcome(&demo, wish(Some("음메"), mine)).await, Err(Refusal::NamesFull));
    let elsewhere = yard.node.welcome(&Cid::parse("other").unwrap(), wish(None, mine)).await.unwrap();
    assert_ne!(elsewhere.uid, first.uid, "nobody is followed from channel to channel");
    for bad in ["short", "with a blank in it", &"x".repeat(65), "키키키키키키키키키키"] {
        assert!(matches!(yard.node.welcome(&demo, wish(None, bad)).await, Err(Refusal::BadRequest(_))), "{bad}");
    }
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_has_the_name() {
    let yard = yard().await;
    let asked = (0..50).map(|_| called(&yard, "하나"));
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(Refusal::NicknameTaken(Some(_))))), "{answers:?}");
}

#[tokio::test]
async fn a_name_outlives_a_restart_and_ends_with_its_token() {
    let log = Memory::new(Arc::default());
    let yard = Yard::over(Arc::new(log.clone()), with_guests()).await;
    let first = called(&yard, "하나").await.unwrap();
    let next = Yard::over(Arc::new(log.clone()), with_guests()).await;
    assert!(matches!(called(&next, "하나").await, Err(Refusal::NicknameTaken(_))));
    next.clock.advance(first.until.0 - madang::clock::Clock::now(&*next.clock).0 + 25_000);
    assert!(called(&next, "하나").await.is_err(), "clocks may differ, and so the token counts still");
    let late = next.guest().connect("demo", Some(&first.token)).await;
    assert_eq!(late["bdy"]["auth"], "SEND");
    next.clock.advance(60_000);
    assert_eq!(next.guest().connect("demo", Some(&first.token)).await["bdy"]["auth"], "READ");
    assert!(called(&next, "하나").await.is_ok());
    next.node.erase(&ChannelId::parse("demo").unwrap(), &first.uid).await.unwrap();
    let page = log.read(&ChannelId::parse("demo").unwrap(), Default::default(), 100).await.unwrap();
    let told = format!("{:?}", page.events.iter().filter(|logged| logged.event.at < first.until).collect::<Vec<_>>());
    assert!(!told.contains("하나"), "an erased guest's name is gone from the log: {told}");
}

#[tokio::test]
async fn an_erased_guest_has_to_become_one_anew() {
    let yard = yard().await;
    let first = called(&yard, "하나").await.unwrap();
    let mut guest = yard.guest();
    assert_eq!(guest.connect("demo", Some(&first.token)).await["bdy"]["auth"], "SEND");
    yard.node.erase(&ChannelId::parse("demo").unwrap(), &first.uid).await.unwrap();
    assert_eq!(guest.sends_and_hears("demo", "x").await["retCode"], 401, "nobody speaks under that name any more");
    assert_eq!(yard.guest().connect("demo", Some(&first.token)).await["bdy"]["auth"], "READ");
    drop(guest);
    let other = called(&yard, "하나").await.unwrap();
    assert_ne!(other.uid, first.uid, "it is anybody's");
}

#[tokio::test]
async fn ten_thousand_guests_have_ten_thousand_names() {
    let yard = yard().await;
    let (demo, mut names, mut colors) = (Cid::parse("demo").unwrap(), HashSet::new(), HashSet::new());
    for _ in 0..10_000 {
        let guest = yard.node.welcome(&demo, GuestWish::default()).await.unwrap();
        colors.insert(guest.color.code);
        assert!(names.insert(guest.nickname));
    }
    assert_eq!(colors.len(), 20);
}

#[tokio::test]
async fn guests_of_one_address_come_sixty_a_minute() {
    let yard = yard().await;
    let demo = Cid::parse("demo").unwrap();
    let from = |address: u8| GuestWish { address: Some(AddressHash([address; 16])), ..GuestWish::default() };
    for _ in 0..60 {
        yard.node.welcome(&demo, from(1)).await.unwrap();
    }
    assert!(matches!(yard.node.welcome(&demo, from(1)).await, Err(Refusal::TooFast { .. })));
    let reads = yard.node.chat_token(None, &demo, from(1).address).unwrap();
    assert_eq!(yard.guest().connect("demo", Some(&reads)).await["bdy"]["auth"], "READ", "and whoever reads comes in");
    assert!(yard.node.welcome(&demo, from(2)).await.is_ok());
    yard.clock.advance(1_000);
    assert!(yard.node.welcome(&demo, from(1)).await.is_ok());
}

#[tokio::test]
async fn a_proof_is_asked_for_where_the_site_asks_and_a_taken_name_costs_none() {
    let guest = GuestConfig { asked: Asked::Ticket, ..GuestConfig::default() };
    let yard = Yard::over(Arc::new(Memory::new(Arc::default())), NodeConfig { guest, ..with_guests() }).await;
    let demo = Cid::parse("demo").unwrap();
    let (ticket, _) = yard.node.ticket();
    let ask = |nickname, proof| yard.node.welcome(&demo, GuestWish { nickname, proof, ..GuestWish::default() });
    assert!(matches!(ask(None, None).await, Err(Refusal::ProofNeeded(_))));
    assert!(ask(Some("하나"), Some(&ticket)).await.is_ok());
    assert!(matches!(ask(None, Some(&ticket)).await, Err(Refusal::ProofNeeded(_))), "it is good once");
    let (second, until) = yard.node.ticket();
    assert!(matches!(ask(Some("하나"), Some(&second)).await, Err(Refusal::NicknameTaken(_))));
    assert!(matches!(ask(Some("\u{301}"), Some(&second)).await, Err(Refusal::BadRequest(_))));
    assert!(ask(Some("둘"), Some(&second)).await.is_ok(), "and wasn't spent on what couldn't be had");
    let (third, _) = yard.node.ticket();
    yard.clock.advance(until.0 - madang::clock::Clock::now(&*yard.clock).0 + 1_000);
    assert!(matches!(ask(None, Some(&third)).await, Err(Refusal::ProofNeeded(_))));
    let token = yard.node.chat_token(None, &demo, None).unwrap();
    assert_eq!(yard.guest().connect("demo", Some(&token)).await["bdy"]["auth"], "READ");
}

fn asks(gateway: &Gateway, body: &Value) -> Value {
    let headers = [("Content-Type", "application/json")];
    let (status, answer) = gateway.http("POST", "/guests", &headers, &body.to_string());
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn guests_ask_over_http() {
    let data = tempdir().unwrap();
    let settings =
        [("MADANG_AUTH__GUEST_TITLE", "손님"), ("MADANG_AUTH__GUEST_BADGE_URL", "https://site.example/guest.png")];
    let gateway = Gateway::start(data.path(), &["--dev"], &settings);
    let told = gateway.json("/guests")["content"].take();
    assert_eq!(told, json!({"guests": true, "proof": "none", "nicknameMaxLength": 20}));
    let welcomed = asks(&gateway, &json!({"channelId": "demo", "nickname": "야옹"}));
    assert_eq!(welcomed["code"], 200, "{welcomed}");
    let colors = gateway.json("/service/v2/nickname/color/codes")["content"]["codeList"].take();
    let own = |color: &&Value| color["code"] == welcomed["content"]["colorCode"];
    let color = colors.as_array().unwrap().iter().find(own).unwrap();
    assert_eq!(color["darkRgbValue"], welcomed["content"]["darkRgbValue"]);
    let taken = asks(&gateway, &json!({"channelId": "demo", "nickname": "야 옹"}));
    assert_eq!((&taken["code"], &taken["content"]["suggestion"]), (&json!(409), &json!("야 옹2")));
    for (body, code) in [
        (json!({"channelId": "demo", "nickname": "\u{301}"}), 400),
        (json!({"channelId": " "}), 400),
        (json!({"nickname": "x"}), 400),
        (json!({"channelId": "demo", "nickname": 5}), 400),
        (json!({"channelId": "demo", "role": "streamer"}), 400),
        (json!([]), 400),
    ] {
        assert_eq!(asks(&gateway, &body)["code"], code, "{body}");
    }
    let headers = [("Content-Type", "application/json")];
    assert_eq!(gateway.http("POST", "/guests", &headers, &" ".repeat(9_000)).0, 413);
    let foreign = [("Content-Type", "application/json"), ("Origin", "https://elsewhere.example")];
    assert_eq!(gateway.http("POST", "/guests", &foreign, r#"{"channelId":"demo"}"#).0, 403);
    let mut raw = crate::support::process::Raw::connect(&gateway.address, &[]);
    let token = &welcomed["content"]["accessToken"];
    raw.text(&json!({"cmd": 100, "cid": "demo", "bdy": {"accTkn": token, "auth": "SEND"}}).to_string());
    assert_eq!(raw.hears(10100)["retCode"], 0);
    raw.text(&crate::support::yard::line("demo", "hi", false).to_string());
    let line = raw.hears(93101)["bdy"][0].take();
    let profile: Value = serde_json::from_str(line["profile"].as_str().unwrap()).unwrap();
    assert_eq!((&profile["nickname"], &profile["title"]["name"]), (&json!("야옹"), &json!("손님")));
    assert_eq!(profile["badge"]["imageUrl"], "https://site.example/guest.png");
}

#[test]
fn a_site_asks_guests_for_work_or_tickets() {
    let data = tempdir().unwrap();
    let settings = [("MADANG_AUTH__GUEST_PROOF", "work"), ("MADANG_AUTH__GUEST_WORK", "2000")];
    let gateway = Gateway::start(data.path(), &["--dev"], &settings);
    assert_eq!(gateway.json("/guests")["content"]["proof"], "work");
    let challenge = gateway.json("/guests/challenge");
    assert_eq!((&challenge["algorithm"], &challenge["maxnumber"]), (&json!("SHA-256"), &json!(2000)));
    let refused = asks(&gateway, &json!({"channelId": "demo"}));
    assert_eq!(refused["code"], 403, "{refused}");
    let salt = challenge["salt"].as_str().unwrap();
    let hash = |number: &u64| {
        let digest = Sha256::digest(format!("{salt}{number}"));
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>() == challenge["challenge"]
    };
    let number = (0..=2_000_u64).find(hash).unwrap();
    let done = json!({"algorithm": "SHA-256", "challenge": challenge["challenge"], "number": number, "salt": salt,
        "signature": challenge["signature"]});
    let wish = json!({"channelId": "demo", "proof": STANDARD.encode(done.to_string())});
    assert_eq!(asks(&gateway, &wish)["code"], 200);
    assert_eq!(asks(&gateway, &wish)["code"], 403, "it is good once");
    drop(gateway);
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &["--dev"], &[("MADANG_AUTH__GUEST_PROOF", "ticket")]);
    assert_eq!(gateway.http("GET", "/guests/challenge", &[], "").0, 404);
    let (status, ticket) = gateway.site("POST", "/v1/guest-tickets", "");
    assert_eq!(status, 201, "{ticket}");
    let wish = json!({"channelId": "demo", "proof": ticket["ticket"]});
    assert_eq!(asks(&gateway, &wish)["code"], 200);
    assert_eq!(asks(&gateway, &wish)["code"], 403);
    drop(gateway);
    let wrong =
        crate::support::process::madang().arg("check").env("MADANG_AUTH__GUEST_PROOF", "captcha").output().unwrap();
    assert!(!wrong.status.success());
}
