//! Who is here, and what they say to one another alone.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::tempdir;

use madang::auth::Config as AuthConfig;
use madang::bus::Bus;
use madang::bus::local::Local;
use madang::eventlog::EventLog;
use madang::eventlog::memory::Memory;
use madang::model::access::Revoked;
use madang::model::act::Wish;
use madang::model::id::{ChannelId, Cid, Seq, UserId};
use madang::model::principal::{Role, Scope};
use madang::node::{Config, Grant, Rules};

use crate::support::process::{Gateway, Raw};
use crate::support::yard::{Guest, Yard, asks, joins, open_yard};

/// Somebody with our own layer.
async fn ext(yard: &Yard, uid: &str, role: Role) -> Guest {
    let mut guest = yard.guest();
    let connected = guest.connect_ext("demo", Some(&yard.token(uid, role)), json!({"ext": 1})).await;
    assert_eq!(connected["retCode"], 0);
    guest
}

async fn whispers(guest: &mut Guest, to: &str, text: &str) -> Value {
    asks(guest, 3301, json!({"userId": to, "msg": text})).await
}

fn names(answer: &Value) -> Vec<&str> {
    answer["bdy"]["members"].as_array().unwrap().iter().map(|member| member["userId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_whisper_reaches_all_sessions_of_one_member_and_nobody_else_and_no_log() {
    let log = Memory::new(Arc::default());
    let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
    let (mut here, mut there) = (ext(&yard, "b", Role::Viewer).await, ext(&yard, "b", Role::Viewer).await);
    let mut other = ext(&yard, "c", Role::ChatManager).await;
    let mut sender = joins(&yard, "a", Role::Viewer).await;
    let channel = yard.node.channel(&ChannelId::parse("demo").unwrap()).await.unwrap().id;
    let before = log.read(&channel, Seq(0), 1_000).await.unwrap().events.len();
    let told = whispers(&mut sender, "b", "만나요").await;
    assert_eq!(told["retCode"], 0, "{told}");
    for guest in [&mut here, &mut there] {
        let heard = guest.hears(93301).await;
        let body = &heard["bdy"];
        assert_eq!(
            (&body["msg"], &body["userId"], &body["whisperId"]),
            (&json!("만나요"), &json!("a"), &told["bdy"]["whisperId"])
        );
        assert!(heard.get("upto").is_none() && body["profile"].is_string());
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(other.heard_by_now().iter().all(|message| message["cmd"] != 93301));
    assert_eq!(log.read(&channel, Seq(0), 1_000).await.unwrap().events.len(), before, "nothing of it is kept");
    let recent = asks(&mut other, 5101, json!({})).await;
    assert_eq!(recent["bdy"]["messageList"], json!([]));
}

#[tokio::test]
async fn who_can_not_or_will_not_hear_is_said_to_the_sender() {
    let yard = Yard::new().await;
    let mut sender = joins(&yard, "a", Role::Viewer).await;
    let code = |answer: Value| answer["retCode"].as_u64().unwrap();
    assert_eq!(code(whispers(&mut sender, "a", "me").await), 403);
    assert_eq!(code(whispers(&mut sender, "nobody", "x").await), 404);
    let _plain = joins(&yard, "plain", Role::Viewer).await;
    assert_eq!(code(whispers(&mut sender, "plain", "x").await), 404, "the plain wire has no word for it");
    let mut other = ext(&yard, "b", Role::Viewer).await;
    assert_eq!(code(whispers(&mut sender, "b", " ").await), 422);
    assert_eq!(code(whispers(&mut sender, "b", &"가".repeat(501)).await), 413);
    assert_eq!(code(asks(&mut sender, 3301, json!({})).await), 105);
    assert_eq!(code(asks(&mut other, 3301, json!({"userId": "a", "block": true})).await), 0);
    assert_eq!(code(whispers(&mut sender, "b", "x").await), 403);
    assert_eq!(code(asks(&mut other, 3301, json!({"userId": "a", "block": false})).await), 0);
    assert_eq!(code(whispers(&mut sender, "b", "x").await), 0);
    assert_eq!(code(asks(&mut other, 3301, json!({"on": false})).await), 0);
    assert_eq!(code(whispers(&mut sender, "b", "x").await), 403);
    assert_eq!(code(asks(&mut other, 3301, json!({"on": true})).await), 0);
    let mut reader = yard.reader("demo").await;
    assert_eq!(code(whispers(&mut reader, "b", "x").await), 403, "a reader has no name to speak in");
    let channel = ChannelId::parse("demo").unwrap();
    yard.moderates(&channel, Wish::Block(UserId::parse("a").unwrap(), None)).await.unwrap();
    assert_eq!(code(whispers(&mut sender, "b", "x").await), 403, "who may not send may not whisper");
}

#[tokio::test]
async fn twenty_whispers_a_minute_and_none_with_what_may_not_be_said() {
    let rules = Rules { sends: None, ..Rules::default() };
    let yard = Yard::over(Arc::new(Memory::new(Arc::default())), Config { rules, ..open_yard() }).await;
    let mut staff = joins(&yard, "m", Role::ChatManager).await;
    let words = json!([{"word": "나쁜말", "measure": "refuse"}, {"word": "못된말", "measure": "mask"}, {"word": "몰래말", "measure": "shadow"}]);
    assert_eq!(asks(&mut staff, 4040, json!({"filter": {"words": words}})).await["retCode"], 0);
    let mut other = ext(&yard, "b", Role::Viewer).await;
    let mut sender = joins(&yard, "a", Role::Viewer).await;
    for (text, code) in [("나쁜말", 422), ("몰래말", 422), ("못된말", 0)] {
        assert_eq!(whispers(&mut sender, "b", text).await["retCode"], code, "{text}");
    }
    assert_eq!(other.hears(93301).await["bdy"]["msg"], "***");
    for _ in 0..17 {
        assert_eq!(whispers(&mut sender, "b", "x").await["retCode"], 0);
    }
    let refused = whispers(&mut sender, "b", "x").await;
    assert_eq!((&refused["retCode"], &refused["retryAfterMs"]), (&json!(429), &json!(3_000)));
}

#[tokio::test]
async fn a_whisper_finds_a_member_on_another_machine() {
    let (log, bus): (Memory, Arc<dyn Bus>) = (Memory::new(Arc::default()), Arc::new(Local::default()));
    let machine = async || Yard::on(bus.clone(), Arc::new(log.clone()), open_yard(), AuthConfig::default()).await;
    let (one, two) = (machine().await, machine().await);
    let mut there = ext(&two, "b", Role::Viewer).await;
    let mut sender = joins(&one, "a", Role::Viewer).await;
    assert_eq!(whispers(&mut sender, "b", "over there").await["retCode"], 0);
    assert_eq!(there.hears(93301).await["bdy"]["msg"], "over there");
    asks(&mut there, 3301, json!({"on": false})).await;
    assert_eq!(whispers(&mut sender, "b", "x").await["retCode"], 403);
    drop(there);
    assert_eq!(whispers(&mut sender, "b", "x").await["retCode"], 404);
}

#[tokio::test]
async fn members_are_listed_with_role_colour_time_and_whether_they_are_away() {
    let yard = Yard::new().await;
    let mut first = joins(&yard, "a", Role::Viewer).await;
    yard.clock.advance(5_000);
    let mut manager = joins(&yard, "m", Role::ChatManager).await;
    let _nobody = yard.reader("demo").await;
    let (_tab, mut second) = (joins(&yard, "b", Role::Viewer).await, joins(&yard, "b", Role::Viewer).await);
    let listed = asks(&mut first, 5201, json!({"away": true})).await;
    assert_eq!(names(&listed), ["a", "b", "m"]);
    let members = &listed["bdy"]["members"];
    assert_eq!((&members[0]["away"], &members[1]["away"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&members[2]["userRoleCode"], &members[2]["colorCode"]),
        (&json!("streaming_chat_manager"), &json!("CC000"))
    );
    assert_eq!(members[2]["joinTime"].as_i64().unwrap() - members[0]["joinTime"].as_i64().unwrap(), 5_000);
    assert_eq!(
        (&listed["bdy"]["mbrCnt"], &listed["bdy"]["userCnt"], &listed["bdy"]["nextCursor"]),
        (&json!(5), &json!(3), &Value::Null)
    );
    // One of two tabs is looked at.
    let listed = asks(&mut second, 5201, json!({"away": true})).await;
    assert_eq!(listed["bdy"]["members"][1]["away"], false);
    drop(first);
    let channel = ChannelId::parse("demo").unwrap();
    yard.moderates(&channel, Wish::Appoint(UserId::parse("b").unwrap(), Role::ChatManager)).await.unwrap();
    let page = asks(&mut manager, 5201, json!({"size": 1})).await;
    assert_eq!((names(&page), &page["bdy"]["nextCursor"]), (vec!["b"], &json!("b")));
    assert_eq!(page["bdy"]["members"][0]["userRoleCode"], "streaming_chat_manager", "as given here");
    let rest = asks(&mut manager, 5201, json!({"cursor": "b"})).await;
    assert_eq!((names(&rest), &rest["bdy"]["nextCursor"]), (vec!["m"], &Value::Null));
    let site = yard.node.members_for_site(&channel, None, 100).await.unwrap();
    assert_eq!((site.members.len(), site.users, site.more), (2, 2, false));
}

#[tokio::test]
async fn where_there_are_many_only_staff_are_told_who_is_here() {
    let rules = Rules { members_listed: 2, sends: None, ..Rules::default() };
    let yard = Yard::over(Arc::new(Memory::new(Arc::default())), Config { rules, ..open_yard() }).await;
    let mut viewer = joins(&yard, "a", Role::Viewer).await;
    let mut staff = joins(&yard, "m", Role::ChatManager).await;
    assert_eq!(asks(&mut viewer, 5201, json!({})).await["retCode"], 0);
    let mut reader = yard.reader("demo").await;
    assert_eq!(asks(&mut reader, 5201, json!({})).await["retCode"], 403, "nobody knows who asks");
    let _third = joins(&yard, "c", Role::Viewer).await;
    assert_eq!(asks(&mut viewer, 5201, json!({})).await["retCode"], 403);
    assert_eq!(names(&asks(&mut staff, 5201, json!({})).await), ["a", "c", "m"]);
}

#[tokio::test]
async fn a_long_list_of_members_comes_in_pages_within_their_bytes() {
    let mut yard = Yard::new().await;
    yard.chat.recent_bytes = 4_000;
    let mut staff = joins(&yard, "m", Role::ChatManager).await;
    let mut crowd = Vec::new();
    for number in 0..150 {
        crowd.push(joins(&yard, &format!("u{number:04}"), Role::Viewer).await);
    }
    let (mut all, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let mut body = json!({"size": 100});
        if cursor.is_string() {
            body["cursor"] = cursor;
        }
        // As fast as lists may be asked for.
        yard.clock.advance(1_000);
        let page = asks(&mut staff, 5201, body).await;
        assert!(page.to_string().len() <= 4_000, "{}", page.to_string().len());
        all.extend(names(&page).iter().map(|name| (*name).to_owned()));
        cursor = page["bdy"]["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(all.len(), 151);
    assert!(all.is_sorted());
}

#[tokio::test]
async fn who_comes_and_goes_is_told_once_for_each_user_where_that_is_switched_on() {
    let yard = Yard::over(Arc::new(Memory::new(Arc::default())), Config { members_told: 4, ..open_yard() }).await;
    let mut watcher = ext(&yard, "w", Role::Viewer).await;
    let mut plain = yard.reader("demo").await;
    let one = joins(&yard, "a", Role::Viewer).await;
    let joined = watcher.hears(94001).await;
    assert_eq!((&joined["bdy"]["userId"], &joined["bdy"]["userRoleCode"]), (&json!("a"), &json!("common_user")));
    let second = joins(&yard, "a", Role::Viewer).await;
    drop(second);
    drop(one);
    assert_eq!(watcher.hears(94002).await["bdy"], json!({"userId": "a"}));
    let heard = watcher.heard_by_now();
    assert!(heard.iter().all(|message| ![94001, 94002].contains(&message["cmd"].as_u64().unwrap())), "{heard:?}");
    let _many: Vec<Guest> = vec![
        joins(&yard, "b", Role::Viewer).await,
        joins(&yard, "c", Role::Viewer).await,
        joins(&yard, "d", Role::Viewer).await,
    ];
    let told = |message: &&Value| message["cmd"] == 94001;
    assert_eq!(watcher.heard_by_now().iter().filter(told).count(), 2, "beyond that there are too many");
    assert!(plain.heard_by_now().iter().all(|message| !told(&message)), "plain clients have no word for it");
    let off = Yard::new().await;
    let mut watcher = ext(&off, "w", Role::Viewer).await;
    let _one = joins(&off, "a", Role::Viewer).await;
    assert!(watcher.heard_by_now().iter().all(|message| !told(&message)), "it is off by default");
}

#[test]
fn the_sites_backend_is_told_who_is_here() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let token = gateway.guest_token("demo");
    let mut guest = Raw::connect(&gateway.address, &[]);
    guest.text(&json!({"cmd": 100, "cid": "demo", "bdy": {"accTkn": token, "auth": "SEND"}}).to_string());
    assert_eq!(guest.hears(10100)["retCode"], 0);
    let (status, here) = gateway.site("GET", "/v1/channels/demo/members", "");
    assert_eq!(
        (status, &here["users"], &here["sockets"], &here["nextCursor"]),
        (200, &json!(1), &json!(1), &Value::Null)
    );
    let member = &here["members"][0];
    assert_eq!((&member["role"], &member["away"]), (&json!("common_user"), &json!(false)));
    assert!(!member["nickname"].as_str().unwrap().is_empty() && member["joinedAt"].is_i64());
    assert_eq!(gateway.site("GET", "/v1/channels/demo/members?cursor=%20", "").0, 400);
    assert_eq!(gateway.site("GET", "/v1/channels/demo/members?limit=x", "").0, 400);
}

#[tokio::test]
async fn nineteen_thousand_members_are_listed_page_by_page_and_to_staff_alone() {
    const MANY: usize = 19_000;
    let yard = Yard::new().await;
    let mut viewer = joins(&yard, "a-viewer", Role::Viewer).await;
    let mut staff = joins(&yard, "m", Role::ChatManager).await;
    let cid = Cid::parse("demo").unwrap();
    let mut crowd = Vec::with_capacity(MANY);
    for number in 2..MANY {
        let token = yard.token(&format!("u{number:05}"), Role::Viewer);
        let standing = yard.node.check_token(&token).await.unwrap();
        crowd.push(yard.node.enter(&cid, standing, None).await.unwrap());
    }
    assert_eq!(asks(&mut viewer, 5201, json!({})).await["retCode"], 403, "there are too many for everybody to know");
    let (mut all, mut cursor, mut pages) = (Vec::with_capacity(MANY), Value::Null, 0);
    loop {
        yard.clock.advance(500);
        let mut body = json!({"size": 100});
        if cursor.is_string() {
            body["cursor"] = cursor;
        }
        let page = asks(&mut staff, 5201, body).await;
        assert_eq!((&page["retCode"], &page["bdy"]["userCnt"]), (&json!(0), &json!(MANY)));
        assert!(page.to_string().len() <= 61_440);
        all.extend(names(&page).iter().map(|name| (*name).to_owned()));
        (cursor, pages) = (page["bdy"]["nextCursor"].clone(), pages + 1);
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!((all.len(), pages), (MANY, MANY / 100 + 1));
    assert!(all.is_sorted() && all.windows(2).all(|pair| pair[0] != pair[1]));
}

#[tokio::test]
async fn whoever_has_lost_their_token_hears_no_whispers_and_is_here_as_nobody() {
    let yard = Yard::new().await;
    let (mut thief, mut sender) = (ext(&yard, "b", Role::Viewer).await, joins(&yard, "a", Role::Viewer).await);
    yard.node.revoke(&Revoked::User(UserId::parse("b").unwrap())).await.unwrap();
    assert_eq!(whispers(&mut sender, "b", "secret").await["retCode"], 404);
    yard.clock.advance(60_000);
    let mut owner = ext(&yard, "b", Role::Viewer).await;
    // The connection looks around at times.
    thief.session.look_around();
    thief.session.keep_group();
    thief.heard_by_now();
    assert_eq!(whispers(&mut sender, "b", "for the owner").await["retCode"], 0);
    assert_eq!(owner.hears(93301).await["bdy"]["msg"], "for the owner");
    let heard = thief.heard_by_now();
    assert!(heard.iter().all(|message| message["cmd"] != 93301), "{heard:?}");
    drop(owner);
    assert_eq!(names(&asks(&mut sender, 5201, json!({})).await), ["a"], "the thief is nobody, and only reads");
    sender.sends("demo", "hello").await;
    assert_eq!(thief.hears_lines(1).await[0]["msg"], "hello");
    let body = json!({"accTkn": yard.token("b", Role::Viewer)});
    assert_eq!(asks(&mut thief, 200, body).await["retCode"], 0, "whoever has a new one is somebody again");
    assert_eq!(whispers(&mut sender, "b", "welcome back").await["retCode"], 0);
    assert_eq!(thief.hears(93301).await["bdy"]["msg"], "welcome back");
    drop(thief);
    assert_eq!(names(&asks(&mut sender, 5201, json!({})).await), ["a"]);
}

#[tokio::test]
async fn one_revoked_token_leaves_the_users_other_sessions_their_whispers() {
    let yard = Yard::new().await;
    let mut sender = joins(&yard, "a", Role::Viewer).await;
    let mut first = ext(&yard, "b", Role::Viewer).await;
    let other = Grant::plain("b", "b", Role::Viewer, Scope::Everywhere, 3_600);
    let (token, principal) = yard.node.token_for(&other).await.unwrap();
    let mut second = yard.guest();
    second.connect_ext("demo", Some(&token), json!({"ext": 1})).await;
    yard.node.revoke(&Revoked::Token(principal.token_id)).await.unwrap();
    assert_eq!(whispers(&mut sender, "b", "one").await["retCode"], 0);
    assert_eq!(first.hears(93301).await["bdy"]["msg"], "one");
    second.session.look_around();
    second.session.keep_group();
    second.heard_by_now();
    assert_eq!(whispers(&mut sender, "b", "two").await["retCode"], 0);
    assert_eq!(first.hears(93301).await["bdy"]["msg"], "two");
    assert!(second.heard_by_now().iter().all(|message| message["cmd"] != 93301));
    drop(second);
    assert_eq!(whispers(&mut sender, "b", "three").await["retCode"], 0);
}
