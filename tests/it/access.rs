//! Who may act: expiry, REFRESH, revocation and roles, judged at each act; and how fast.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use madang::auth::{Alg, Config as AuthConfig, Grant, JwksUrl};
use madang::endpoints::chat::session::Step;
use madang::eventlog::flaky::{Faults, Flaky};
use madang::eventlog::memory::Memory;
use madang::model::access::Revoked;
use madang::model::id::{Cid, UserId};
use madang::model::principal::{Role, Scope, Standing};
use madang::model::refusal::Refusal;
use madang::node::{Config, Rules};
use madang::policy::rate::Rate;
use madang::ws::close::CloseCode;

use crate::support::yard::{Guest, Yard, line, open_yard, texts};

async fn refresh(guest: &mut Guest, token: &str) -> Value {
    guest.says(&json!({"cmd": 200, "cid": "demo", "tid": 4, "bdy": {"accTkn": token}}).to_string()).await;
    guest.hears(10200).await
}

fn uid(text: &str) -> UserId {
    UserId::parse(text).unwrap()
}

#[tokio::test]
async fn a_session_goes_on_with_a_new_token() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    yard.clock.advance(2 * 3_600 * 1_000);
    let ended = anna.sends_and_hears("demo", "too late").await;
    assert_eq!(ended["retCode"], 401);
    assert!(ended["retMsg"].as_str().unwrap().contains("REFRESH"), "{ended}");
    let answer = refresh(&mut anna, &yard.token("anna", Role::Viewer)).await;
    assert_eq!((&answer["retCode"], &answer["bdy"]), (&json!(0), &json!({"auth": "SEND"})));
    assert_eq!(anna.sends_and_hears("demo", "back").await["retCode"], 0);
}

#[tokio::test]
async fn a_reader_becomes_a_writer_and_is_counted_once() {
    let yard = Yard::new().await;
    let mut reader = yard.reader("demo").await;
    assert_eq!(reader.sends_and_hears("demo", "x").await["retCode"], 403);
    assert_eq!(refresh(&mut reader, &yard.token("anna", Role::Viewer)).await["retCode"], 0);
    assert_eq!(reader.sends_and_hears("demo", "x").await["retCode"], 0);
    let heard = reader.hears(93101).await;
    assert_eq!((&heard["bdy"][0]["msg"], &heard["bdy"][0]["mbrCnt"]), (&json!("x"), &json!(1)));
    reader.hears_nothing().await;
    let cid = madang::model::id::Cid::parse("demo").unwrap();
    assert!(yard.node.author(&cid, &uid("anna")).await.unwrap().is_some(), "in the roster now");
}

#[tokio::test]
async fn a_token_that_is_refused_changes_nothing() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let elsewhere = yard.tokens.issue(&Grant::plain("anna", "anna", Role::Viewer, Scope::Only("other".to_owned()), 60));
    let short = yard.tokens.issue(&Grant::plain("anna", "anna", Role::Viewer, Scope::Everywhere, 1));
    yard.clock.advance(60_000);
    let cases = [
        (yard.token("bert", Role::Viewer), 403),
        ("nonsense".to_owned(), 401),
        (elsewhere, 401),
        (short, 401),
        (yard.tokens.issue_anonymous(60), 401),
    ];
    for (token, code) in cases {
        assert_eq!(refresh(&mut anna, &token).await["retCode"], code, "{token}");
        assert_eq!(anna.sends_and_hears("demo", "still here").await["retCode"], 0);
    }
    for bad in [r#"{"cmd":200,"cid":"demo","tid":4}"#, r#"{"cmd":200,"cid":"demo","tid":4,"bdy":{"accTkn":null}}"#] {
        assert_eq!(anna.says(bad).await, Step::On);
        assert_eq!(anna.hears(10200).await["retCode"], 105, "{bad}");
    }
    let mut stranger = yard.guest();
    assert_eq!(refresh(&mut stranger, &yard.token("anna", Role::Viewer)).await["retCode"], 409);
}

#[tokio::test]
async fn who_becomes_staff_while_lines_come_hears_each_once() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let mut bert = yard.writer("demo", "bert").await;
    for turn in 0..50 {
        anna.sends("demo", &turn.to_string()).await;
        if turn % 10 == 5 {
            let role = if turn % 20 == 5 { Role::ChatManager } else { Role::Viewer };
            let token = yard.token("bert", role);
            bert.says(&json!({"cmd": 200, "cid": "demo", "tid": 4, "bdy": {"accTkn": token}}).to_string()).await;
        }
    }
    let expected: Vec<String> = (0..50).map(|turn| turn.to_string()).collect();
    assert_eq!(texts(&bert.hears_lines(50).await), expected);
    bert.hears_nothing().await;
}

#[tokio::test]
async fn revoked_by_user_every_older_token_only_reads() {
    let yard = Yard::new().await;
    let old = yard.token("anna", Role::Streamer);
    let mut anna = yard.writer("demo", "anna").await;
    let mut bert = yard.writer("demo", "bert").await;
    yard.clock.advance(5_000);
    yard.node.revoke(&Revoked::User(uid("anna"))).await.unwrap();
    yard.clock.advance(25_000);
    let grant = Grant::plain("anna", "anna", Role::Viewer, Scope::Everywhere, 3_600);
    let ahead = yard.tokens.issue_as(&grant, "madang");
    assert_eq!(refresh(&mut anna, &ahead).await["retCode"], 401, "the site's clock may be half a minute ahead of ours");
    let refused = anna.sends_and_hears("demo", "x").await;
    assert_eq!((&refused["retCode"], &refused["bdy"]), (&json!(401), &json!({})));
    assert_eq!(bert.sends_and_hears("demo", "y").await["retCode"], 0);
    assert_eq!(anna.hears_lines(1).await[0]["msg"], "y", "who is revoked still reads");
    let mut again = yard.guest();
    assert_eq!(again.connect("demo", Some(&old)).await["bdy"]["auth"], "READ", "joins, to read");
    assert_eq!(refresh(&mut anna, &old).await["retCode"], 401);
    yard.clock.advance(6_000);
    let later = yard.tokens.issue_as(&grant, "madang");
    assert_eq!(refresh(&mut anna, &later).await["retCode"], 0, "a later token holds");
    assert_eq!(anna.sends_and_hears("demo", "x").await["retCode"], 0);
}

#[tokio::test]
async fn a_token_of_the_gateways_own_holds_right_after_a_revocation() {
    let yard = Yard::new().await;
    let login = yard.tokens.issue_as(&Grant::plain("anna", "a", Role::Viewer, Scope::Everywhere, 3_600), "madang");
    let Ok(Standing::Valid(login)) = yard.node.check_token(&login).await else { panic!() };
    yard.node.revoke(&Revoked::User(uid("anna"))).await.unwrap();
    yard.clock.advance(1_000);
    let grant = Grant::plain("anna", "anna", Role::Viewer, Scope::Everywhere, 3_600);
    let (token, _) = yard.node.token_for(&grant).await.unwrap();
    let mut anna = yard.guest();
    assert_eq!(anna.connect("demo", Some(&token)).await["bdy"]["auth"], "SEND");
    assert_eq!(anna.sends_and_hears("demo", "x").await["retCode"], 0);
    let narrowed = yard.node.chat_token(Some(&login), &Cid::parse("demo").unwrap(), None).unwrap();
    let mut old = yard.guest();
    assert_eq!(old.connect("demo", Some(&narrowed)).await["bdy"]["auth"], "READ", "as old as its login");
}

#[tokio::test(start_paused = true)]
async fn no_token_is_made_that_is_void_already() {
    let yard = Yard::new().await;
    let grant = Grant::plain("anna", "anna", Role::Viewer, Scope::Everywhere, 3_600);
    yard.node.revoke(&Revoked::User(uid("anna"))).await.unwrap();
    assert!(matches!(yard.node.token_for(&grant).await, Err(Refusal::Busy { .. })), "the clock stands still");
    let later = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        yard.clock.advance(1_000);
    };
    assert!(tokio::join!(yard.node.token_for(&grant), later).0.is_ok());
}

#[tokio::test]
async fn a_revoked_thief_gives_the_accounts_sessions_back() {
    let yard = Yard::new().await;
    let stolen = yard.token("anna", Role::Viewer);
    let mut thieves = Vec::new();
    for _ in 0..50 {
        let mut thief = yard.guest();
        assert_eq!(thief.connect("demo", Some(&stolen)).await["bdy"]["auth"], "SEND");
        thieves.push(thief);
    }
    yard.node.revoke(&Revoked::User(uid("anna"))).await.unwrap();
    let mut late = yard.guest();
    assert_eq!(late.connect("demo", Some(&stolen)).await["bdy"]["auth"], "READ", "it needs no seat");
    yard.clock.advance(1_000);
    thieves.iter_mut().for_each(|thief| thief.session.look_around());
    let mut anna = yard.guest();
    assert_eq!(anna.connect("demo", Some(&yard.token("anna", Role::Viewer))).await["bdy"]["auth"], "SEND");
}

#[tokio::test]
async fn a_revocation_reaches_every_channel_though_the_log_is_busy() {
    let faults = Faults { full: 0.5, ..Faults::default() };
    let yard = Yard::over(Arc::new(Flaky::new(Memory::new(Arc::default()), faults, 7)), open_yard()).await;
    let mut guests = Vec::new();
    while guests.len() < 40 {
        let mut guest = yard.guest();
        if guest.connect(&format!("c{}", guests.len()), None).await["retCode"] == 0 {
            guests.push(guest);
        }
    }
    let before = yard.node.metrics().channels.get();
    yard.node.revoke(&Revoked::User(uid("anna"))).await.unwrap();
    assert_eq!(before, 40);
}

#[tokio::test]
async fn new_tokens_have_a_pace() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let codes = |answers: Vec<Value>| answers.into_iter().map(|answer| answer["retCode"].clone()).collect::<Vec<_>>();
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(refresh(&mut anna, "nonsense").await);
    }
    assert!(answers[5]["retryAfterMs"].as_u64().is_some_and(|wait| (1..=1_000).contains(&wait)));
    assert_eq!(codes(answers), [401, 401, 401, 401, 401, 429].map(Value::from));
    yard.clock.advance(1_000);
    assert_eq!(refresh(&mut anna, &yard.token("anna", Role::Viewer)).await["retCode"], 0);
}

#[tokio::test]
async fn revoked_by_its_id_one_token_only_reads_and_so_after_a_restart() {
    let log = Arc::new(Memory::new(Arc::default()));
    let yard = Yard::over(log.clone(), open_yard()).await;
    let grant = Grant::plain("anna", "anna", Role::Viewer, Scope::Everywhere, 3_600);
    let (token, principal) = yard.node.token_for(&grant).await.unwrap();
    yard.node.revoke(&Revoked::Token(principal.token_id)).await.unwrap();
    for yard in [yard, Yard::over(log, open_yard()).await] {
        let mut revoked = yard.guest();
        assert_eq!(revoked.connect("demo", Some(&token)).await["bdy"]["auth"], "READ");
        let other = yard.node.token_for(&grant).await.unwrap().0;
        let mut anna = yard.guest();
        assert_eq!(anna.connect("demo", Some(&other)).await["bdy"]["auth"], "SEND");
        assert_eq!(anna.sends_and_hears("demo", "x").await["retCode"], 0);
        assert_eq!(yard.node.revocations(None, 10).len(), 1);
    }
}

#[tokio::test]
async fn once_a_revocation_is_done_nothing_more_is_heard_of_the_user_on_any_machine() {
    let log = Arc::new(Memory::new(Arc::default()));
    let (here, there) = (Yard::over(log.clone(), open_yard()).await, Yard::over(log, open_yard()).await);
    let mut reader = here.reader("demo").await;
    let mut anna = there.writer("demo", "anna").await;
    for turn in 0..200 {
        anna.sends("demo", &turn.to_string()).await;
        if turn == 100 {
            here.node.revoke(&Revoked::User(uid("anna"))).await.unwrap();
            // Whatever was before it in the log is heard by now or soon; what is sent later, never.
            anna.sends("demo", "after").await;
        }
    }
    let mut heard = Vec::new();
    loop {
        let answer = anna.hears_anything().await;
        if answer["cmd"] == 13101 {
            heard.push(answer["retCode"].as_u64().unwrap());
        }
        if heard.len() == 201 {
            break;
        }
    }
    let accepted = heard.iter().filter(|code| **code == 0).count();
    assert!(
        heard[..accepted].iter().all(|code| *code == 0),
        "accepted until the revocation, then never again: {heard:?}"
    );
    assert_eq!(accepted, 101);
    let lines = reader.hears_lines(accepted).await;
    assert!(!texts(&lines).contains(&"after"));
    reader.hears_nothing().await;
}

#[tokio::test]
async fn a_role_of_one_channel_holds_in_that_channel() {
    let yard = Yard::new().await;
    let grant = Grant::plain("mod", "mod", Role::Viewer, Scope::Everywhere, 3_600);
    let roles = vec![("demo".to_owned(), Role::ChatManager)];
    let token = yard.node.token_for(&Grant { roles, ..grant }).await.unwrap().0;
    for (cid, role) in [("demo", "streaming_chat_manager"), ("other", "common_user")] {
        let mut guest = yard.guest();
        guest.connect(cid, Some(&token)).await;
        guest.sends(cid, "x").await;
        let lines = guest.hears_lines(1).await;
        let profile: Value = serde_json::from_str(lines[0]["profile"].as_str().unwrap()).unwrap();
        assert_eq!(profile["userRoleCode"], role);
    }
}

fn usual() -> Config {
    Config { rules: Rules::default(), ..open_yard() }
}

#[tokio::test]
async fn a_viewer_sends_ten_at_once_then_five_a_second_in_all_sessions_together() {
    let yard = Yard::over(Arc::new(Memory::new(Arc::default())), usual()).await;
    let (mut first, mut second) = (yard.writer("demo", "anna").await, yard.writer("demo", "anna").await);
    for turn in 0..10 {
        let guest = if turn % 2 == 0 { &mut first } else { &mut second };
        assert_eq!(guest.sends_and_hears("demo", "x").await["retCode"], 0, "{turn}");
    }
    let refused = second.sends_and_hears("demo", "x").await;
    assert_eq!((&refused["retCode"], &refused["retryAfterMs"]), (&json!(429), &json!(200)));
    assert_eq!(yard.writer("demo", "bert").await.sends_and_hears("demo", "x").await["retCode"], 0);
    yard.clock.advance(200);
    assert_eq!(second.sends_and_hears("demo", "x").await["retCode"], 0, "after the time it was told");
    assert_eq!(first.sends_and_hears("demo", "x").await["retCode"], 429);
}

#[tokio::test]
async fn staff_sends_as_much_as_its_session_may() {
    let rules = Rules { session_sends: Rate { per_second: 20, burst: 20 }, ..Rules::default() };
    let yard = Yard::over(Arc::new(Memory::new(Arc::default())), Config { rules, ..open_yard() }).await;
    for role in [Role::ChatManager, Role::Streamer, Role::SiteManager] {
        let mut staff = yard.guest();
        staff.connect("demo", Some(&yard.token("staff", role))).await;
        for _ in 0..20 {
            assert_eq!(staff.sends_and_hears("demo", "x").await["retCode"], 0);
        }
        assert_eq!(staff.sends_and_hears("demo", "x").await["retCode"], 429);
    }
}

#[tokio::test]
async fn recent_lines_are_not_for_asking_all_the_time() {
    let yard = Yard::over(Arc::new(Memory::new(Arc::default())), usual()).await;
    let mut reader = yard.reader("demo").await;
    for turn in 0..11 {
        reader.says(r#"{"cmd":5101,"cid":"demo","tid":2,"bdy":{"recentMessageCount":50}}"#).await;
        let answer = reader.hears(15101).await;
        assert_eq!(answer["retCode"], if turn < 10 { 0 } else { 429 });
        assert_eq!(answer["bdy"]["messageList"], json!([]), "clients read into it unguarded");
    }
}

#[tokio::test]
async fn limits_change_while_sessions_are_on() {
    let yard = Yard::over(Arc::new(Memory::new(Arc::default())), usual()).await;
    let mut anna = yard.writer("demo", "anna").await;
    let mut rules = Rules::default();
    rules.limits.graphemes = 3;
    yard.node.configure(rules);
    assert_eq!(anna.sends_and_hears("demo", "four").await["retCode"], 413);
}

#[tokio::test]
async fn one_session_too_many_of_a_user_is_told_so_and_sent_away() {
    let yard = Yard::new().await;
    let mut sessions = Vec::new();
    for _ in 0..50 {
        sessions.push(yard.writer("demo", "anna").await);
    }
    let mut over = yard.guest();
    let connect = json!({"cmd": 100, "cid": "demo", "tid": 1, "bdy": {"auth": "SEND", "accTkn": yard.token("anna", Role::Viewer)}});
    let step = over.says(&connect.to_string()).await;
    assert_eq!(step, Step::End(CloseCode::TryLater, "too many connections"));
    assert_eq!(over.hears(10100).await["retCode"], 429);
    sessions.pop();
    drop(over);
    yard.writer("demo", "anna").await;
    yard.writer("demo", "bert").await;
}

#[tokio::test]
async fn while_the_sites_keys_cannot_be_had_a_writer_is_told_to_come_back() {
    let jwks = JwksUrl::parse("http://127.0.0.1:9/keys").unwrap();
    let config = AuthConfig { jwks: Some(jwks), algorithms: vec![Alg::EdDsa], ..AuthConfig::default() };
    let yard = Yard::with(Arc::new(Memory::new(Arc::default())), open_yard(), config).await;
    // {"alg":"EdDSA","kid":"k"}.{}.a signature: whose it is, nobody can tell.
    let connect = |token: &str| {
        json!({"cmd": 100, "cid": "demo", "tid": 1, "bdy": {"auth": "SEND", "accTkn": token}}).to_string()
    };
    let mut writer = yard.guest();
    let step = writer.says(&connect("eyJhbGciOiJFZERTQSIsImtpZCI6ImsifQ.e30.c2ln")).await;
    assert_eq!(step, Step::End(CloseCode::TryLater, "try again later"));
    assert_eq!(writer.hears(10100).await["retCode"], 503);
    let mut own = yard.guest();
    assert_eq!(own.says(&connect(&yard.token("anna", Role::Viewer))).await, Step::On, "the gateway's own go on");
}

#[tokio::test]
async fn two_connects_at_once_are_one_join() {
    let yard = Yard::new().await;
    let mut guest = yard.guest();
    let connect = json!({"cmd": 100, "cid": "demo", "tid": 1, "bdy": {"auth": "READ"}}).to_string();
    guest.says(&connect).await;
    guest.says(&connect).await;
    assert_eq!(guest.hears(10100).await["retCode"], 0);
    assert_eq!(guest.hears(10100).await["retCode"], 409);
    let mut anna = yard.writer("demo", "anna").await;
    anna.says(&line("demo", "x", false).to_string()).await;
    assert_eq!(guest.hears_lines(1).await[0]["mbrCnt"], 2);
    guest.hears_nothing().await;
}

#[tokio::test]
async fn a_clock_that_is_five_minutes_off_refuses_future_tokens_and_keeps_time_rising() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let early = anna.sends_and_hears("demo", "x").await["bdy"]["msgTime"].as_i64().unwrap();
    let token = yard.token("bert", Role::Viewer);
    yard.clock.advance(-300_000);
    let mut bert = yard.guest();
    let refused = bert.connect("demo", Some(&token)).await;
    assert_eq!(refused["retCode"], 401);
    assert!(refused["retMsg"].as_str().unwrap().contains("clock"), "{refused}");
    let later = anna.sends_and_hears("demo", "y").await["bdy"]["msgTime"].as_i64().unwrap();
    assert!(later > early, "an author's times rise whatever the clock does");
}
