//! Sessions: what somebody who joins, reads and writes can rely on. No sockets; time stands still.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use madang::auth::Grant;
use madang::endpoints::chat::session::Step;
use madang::eventlog::flaky::{Faults, Flaky};
use madang::eventlog::memory::Memory;
use madang::model::id::{ChannelId, Cid};
use madang::model::principal::{Role, Scope, Standing};
use madang::node::{Config, Rules};
use madang::policy::text::Limits;
use madang::ws::close::CloseCode;

use crate::support::frames::Frame;
use crate::support::yard::{NOON, Yard, line, open_yard, texts};

#[tokio::test]
async fn a_line_reaches_everybody_its_author_included() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let mut reader = yard.reader("demo").await;
    let answer = anna.sends_and_hears("demo", "hello").await;
    assert_eq!((&answer["retCode"], &answer["tid"], &answer["cid"]), (&json!(0), &json!("3"), &json!("demo")));
    let heard = [anna.hears_lines(1).await.remove(0), reader.hears_lines(1).await.remove(0)];
    for line in heard {
        assert_eq!((&line["msg"], &line["uid"], &line["mbrCnt"]), (&json!("hello"), &json!("anna"), &json!(2)));
        assert_eq!(line["msgTime"], answer["bdy"]["msgTime"]);
        assert_eq!((&line["ctime"], &line["utime"]), (&json!(NOON), &json!(NOON)));
        let profile: Value = serde_json::from_str(line["profile"].as_str().unwrap()).unwrap();
        assert_eq!((&profile["userIdHash"], &profile["nickname"]), (&json!("anna"), &json!("anna")));
        let extras: Value = serde_json::from_str(line["extras"].as_str().unwrap()).unwrap();
        assert_eq!((&extras["chatType"], &extras["emojis"]), (&json!("STREAMING"), &json!({})));
    }
}

#[tokio::test]
async fn connected_comes_before_the_first_line() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    for turn in 0..50 {
        anna.sends("demo", &turn.to_string()).await;
        let mut guest = yard.guest();
        guest.connect_quietly("demo").await;
        assert_eq!(guest.hears_anything().await["cmd"], 10100, "turn {turn}");
    }
}

#[tokio::test]
async fn who_joins_later_hears_only_what_comes_then_and_asks_for_the_rest() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    for text in ["one", "two", "three"] {
        anna.sends_and_hears("demo", text).await;
    }
    let mut late = yard.reader("demo").await;
    anna.sends_and_hears("demo", "four").await;
    assert_eq!(texts(&late.hears_lines(1).await), ["four"]);
    late.says(r#"{"cmd":5101,"cid":"demo","sid":1,"tid":2,"bdy":{"recentMessageCount":3}}"#).await;
    let recent = late.hears(15101).await;
    let contents: Vec<&str> =
        recent["bdy"]["messageList"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert_eq!(contents, ["two", "three", "four"]);
    assert_eq!((&recent["bdy"]["userCount"], &recent["tid"]), (&json!(2), &json!("2")));
    assert_eq!(recent["bdy"]["messageList"][0]["memberCount"], 1, "the count of the line's own moment");
    assert_eq!(recent["bdy"]["messageList"][2]["memberCount"], 2);
}

#[tokio::test]
async fn lines_that_are_due_together_travel_in_one_message() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let mut reader = yard.reader("demo").await;
    for turn in 0..10 {
        anna.sends("demo", &turn.to_string()).await;
    }
    let mut messages = 0;
    let mut lines = Vec::new();
    while lines.len() < 10 {
        let message = reader.hears(93101).await;
        lines.extend(message["bdy"].as_array().unwrap().iter().cloned());
        messages += 1;
    }
    assert_eq!(texts(&lines), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert!(messages < 10, "{messages} messages for 10 lines of one moment");
    let times: Vec<i64> = lines.iter().map(|line| line["msgTime"].as_i64().unwrap() - NOON).collect();
    assert_eq!(times, (0..10).collect::<Vec<i64>>(), "an author's lines are told apart by their times");
}

#[tokio::test]
async fn no_push_is_larger_than_the_plain_limit() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let mut reader = yard.reader("demo").await;
    let long = "가".repeat(500);
    for _ in 0..100 {
        anna.sends("demo", &long).await;
    }
    let mut lines = 0;
    let mut largest = 0;
    while lines < 100 {
        let Frame::Text(text) = reader.next().await else { panic!() };
        largest = largest.max(text.len());
        lines += serde_json::from_str::<Value>(&text).unwrap()["bdy"].as_array().unwrap().len();
    }
    assert!(largest <= 32_768, "{largest}");
    assert!(largest > 20_000, "full messages, not one line each: {largest}");
    reader.says(r#"{"cmd":5101,"cid":"demo","bdy":{"recentMessageCount":100}}"#).await;
    let Frame::Text(recent) = reader.next().await else { panic!() };
    assert!(recent.len() <= 61_440 && recent.len() > 55_000, "{}", recent.len());
}

#[tokio::test]
async fn a_question_is_an_ordinary_line_on_the_plain_wire() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let mut question = line("demo", "why?", false);
    question["bdy"]["msgTypeCode"] = json!(40);
    anna.says(&question.to_string()).await;
    assert_eq!(anna.hears_lines(1).await[0]["msgTypeCode"], 1);
}

#[tokio::test]
async fn only_a_declared_retry_is_merged_with_the_first() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let mut reader = yard.reader("demo").await;
    let first = anna.sends_and_hears("demo", "hi").await;
    anna.says(&line("demo", "hi", true).to_string()).await;
    assert_eq!(anna.hears(13101).await["bdy"], first["bdy"], "the ack names the first");
    let again = anna.sends_and_hears("demo", "hi").await;
    assert_ne!(again["bdy"]["msgId"], first["bdy"]["msgId"]);
    assert_eq!(reader.hears_lines(2).await.len(), 2);
    reader.hears_nothing().await;
}

#[tokio::test]
async fn readers_need_no_token_and_cannot_send() {
    let yard = Yard::new().await;
    let mut reader = yard.guest();
    reader.says(r#"{"cmd":100,"cid":"demo","bdy":{"auth":"READ","accTkn":"nonsense"}}"#).await;
    let connected = reader.hears(10100).await;
    assert_eq!((&connected["retCode"], &connected["bdy"]["auth"]), (&json!(0), &json!("READ")));
    assert_eq!(connected["bdy"]["sid"].as_str().unwrap().len(), 64);
    assert_eq!(connected["bdy"]["accTkn"], Value::Null);
    let refused = reader.sends_and_hears("demo", "x").await;
    assert_eq!((&refused["retCode"], &refused["bdy"]), (&json!(403), &json!({})));
}

#[tokio::test]
async fn a_forged_token_is_refused_and_an_expired_one_reads() {
    let yard = Yard::new().await;
    let mut forger = yard.guest();
    let token = yard.token("anna", Role::Viewer);
    let forged = format!("{}x", &token[..token.len() - 1]);
    let step =
        forger.says(&json!({"cmd": 100, "cid": "demo", "bdy": {"auth": "SEND", "accTkn": forged}}).to_string()).await;
    assert_eq!(step, Step::End(CloseCode::Normal, "refused"));
    assert_eq!(forger.hears(10100).await["retCode"], 401);

    yard.clock.advance(3_600_000 + 31_000);
    let mut late = yard.guest();
    assert_eq!(late.connect("demo", Some(&token)).await["bdy"]["auth"], "READ");
    let mut nobody = yard.guest();
    assert_eq!(nobody.connect("demo", Some(&yard.tokens.issue_anonymous(60))).await["bdy"]["auth"], "READ");
}

#[tokio::test]
async fn a_token_that_ends_during_the_session_ends_its_sends() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    assert_eq!(anna.sends_and_hears("demo", "in time").await["retCode"], 0);
    yard.clock.advance(3_700_000);
    assert_eq!(anna.sends_and_hears("demo", "too late").await["retCode"], 401);
}

#[tokio::test]
async fn a_token_for_one_channel_holds_in_no_other() {
    let yard = Yard::new().await;
    let scope = Scope::Only("here".to_owned());
    let token = yard.tokens.issue(&Grant::plain("anna", "anna", Role::Viewer, scope, 60));
    let mut anna = yard.guest();
    assert_eq!(anna.connect("here", Some(&token)).await["bdy"]["auth"], "SEND");
    let mut elsewhere = yard.guest();
    assert_eq!(elsewhere.connect("there", Some(&token)).await["retCode"], 401);
}

#[tokio::test]
async fn an_unknown_channel_is_refused_as_the_real_one_does() {
    let yard = Yard::over(Arc::new(Memory::new(Arc::default())), Config::default()).await;
    let mut guest = yard.guest();
    let step = guest.says(r#"{"cmd":100,"cid":"N2none","tid":1,"bdy":{"auth":"READ"}}"#).await;
    assert_eq!(step, Step::End(CloseCode::Normal, "Bye"));
    let refused = guest.hears(10100).await;
    assert_eq!((&refused["retCode"], &refused["retMsg"]), (&json!(105), &json!("Incorrect parameter")));
    assert_eq!((&refused["bdy"], &refused["tid"]), (&json!({}), &json!("1")));
}

#[tokio::test]
async fn a_new_broadcast_silences_the_one_before() {
    let yard = Yard::over(Arc::new(Memory::new(Arc::default())), Config::default()).await;
    let channel = ChannelId::parse("c0ffee").unwrap();
    yard.node.list_channel(&channel, "cafe").await.unwrap();
    let first = yard.node.open_broadcast(&channel, "first").await.unwrap();
    let mut anna = yard.writer(first.as_str(), "anna").await;
    assert_eq!(anna.sends_and_hears(first.as_str(), "on air").await["retCode"], 0);
    anna.hears_lines(1).await;

    let second = yard.node.open_broadcast(&channel, "second").await.unwrap();
    assert_eq!(anna.sends_and_hears(first.as_str(), "too late").await["retCode"], 410);
    let mut bert = yard.writer(second.as_str(), "bert").await;
    assert_eq!(bert.sends_and_hears(second.as_str(), "anew").await["retCode"], 0);
    assert_eq!(bert.hears_lines(1).await[0]["mbrCnt"], 1, "those of the first aren't counted");
    anna.hears_nothing().await;
    let mut visitor = yard.reader(first.as_str()).await;
    visitor.says(&json!({"cmd": 5101, "cid": first.as_str()}).to_string()).await;
    assert_eq!(visitor.hears(15101).await["bdy"]["messageList"], json!([]));
    let view = yard.node.channel(&channel).await.unwrap();
    assert_eq!(view.on_air().map(|broadcast| broadcast.cid.clone()), Some(second));
}

#[tokio::test]
async fn acks_survive_a_log_that_loses_and_doubles_them() {
    let faults = Faults { full: 0.05, failed: 0.1, lost_acks: 0.2, doubled: 0.2, delay: Duration::from_millis(2) };
    for seed in 0..5 {
        let log = Flaky::new(Memory::new(Arc::default()), faults, seed);
        let yard = Yard::over(Arc::new(log), open_yard()).await;
        let mut anna = yard.guest();
        while anna.connect("demo", Some(&yard.token("anna", Role::Viewer))).await["retCode"] != 0 {
            anna = yard.guest();
        }
        let mut reader = yard.reader("demo").await;
        let mut accepted = Vec::new();
        for turn in 0..100 {
            let text = format!("line {turn}");
            let answer = anna.sends_and_hears("demo", &text).await;
            match answer["retCode"].as_u64() {
                Some(0) => accepted.push(text),
                Some(503) => assert!(answer["retryAfterMs"].is_u64(), "a full queue says when to come back"),
                other => panic!("{other:?}"),
            }
        }
        assert!(accepted.len() > 80, "{} of 100", accepted.len());
        let lines = reader.hears_lines(accepted.len()).await;
        assert_eq!(texts(&lines), accepted, "seed {seed}: once, in order, nothing else");
        reader.hears_nothing().await;
    }
}

#[tokio::test]
async fn emojis_reach_readers_only_from_the_sites_own_pictures() {
    let limits = Limits { emoji_prefixes: vec!["https://site/".to_owned()], ..Limits::default() };
    let yard = Yard::over(
        Arc::new(Memory::new(Arc::default())),
        Config { rules: Rules { limits, ..Rules::default() }, ..open_yard() },
    )
    .await;
    let mut anna = yard.writer("demo", "anna").await;
    let mut message = line("demo", "{:a:}{:b:}", false);
    message["bdy"]["extras"] = json!(r#"{"emojis":{"a":"https://site/a.png","b":"https://evil/b.png"}}"#);
    anna.says(&message.to_string()).await;
    let extras = anna.hears_lines(1).await[0]["extras"].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&extras).unwrap()["emojis"], json!({"a": "https://site/a.png"}));
}

#[tokio::test]
async fn two_machines_on_one_log_are_one_chat() {
    let log = Memory::new(Arc::default());
    let here = Yard::over(Arc::new(log.clone()), open_yard()).await;
    let there = Yard::over(Arc::new(log), open_yard()).await;
    let mut anna = here.writer("demo", "anna").await;
    let mut bert = there.writer("demo", "bert").await;
    for turn in 0..20 {
        anna.sends("demo", &format!("anna {turn}")).await;
        bert.sends("demo", &format!("bert {turn}")).await;
    }
    let heard = [anna.hears_lines(40).await, bert.hears_lines(40).await];
    assert_eq!(texts(&heard[0]), texts(&heard[1]), "one order");
    let times = |lines: &[Value]| lines.iter().map(|line| line["msgTime"].clone()).collect::<Vec<_>>();
    assert_eq!(times(&heard[0]), times(&heard[1]), "one verdict");
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_takes_too_long_is_told_to_come_back() {
    let faults = Faults { delay: Duration::from_secs(100), ..Faults::default() };
    let log = Flaky::new(Memory::new(Arc::default()), faults, 1);
    let yard = Yard::over(Arc::new(log), open_yard()).await;
    let begun = madang::clock::instant();
    let mut guest = yard.guest();
    let step = guest.says(r#"{"cmd":100,"cid":"demo","tid":1,"bdy":{"auth":"READ"}}"#).await;
    assert_eq!(step, Step::End(CloseCode::TryLater, "try again later"));
    assert_eq!(begun.elapsed(), Duration::from_secs(4), "before the site's own client gives up");
    let refused = guest.hears(10100).await;
    assert_eq!((&refused["retCode"], &refused["retryAfterMs"]), (&json!(503), &json!(1000)));
}

#[tokio::test(start_paused = true)]
async fn a_fold_that_takes_long_goes_on_when_nobody_waits_for_it() {
    let log = Memory::new(Arc::default());
    let quick = Yard::over(Arc::new(log.clone()), Config::default()).await;
    let channel = ChannelId::parse("c0ffee").unwrap();
    quick.node.list_channel(&channel, "cafe").await.unwrap();
    let cid = quick.node.open_broadcast(&channel, "on air").await.unwrap();
    let faults = Faults { delay: Duration::from_secs(100), ..Faults::default() };
    let slow = Yard::over(Arc::new(Flaky::new(log, faults, 1)), Config::default()).await;
    assert_eq!(slow.guest().connect(cid.as_str(), None).await["retCode"], 503);
    tokio::time::sleep(Duration::from_secs(100)).await;
    let begun = madang::clock::instant();
    assert_eq!(slow.guest().connect(cid.as_str(), None).await["retCode"], 0);
    assert_eq!(begun.elapsed(), Duration::ZERO, "it was done when they came back");
}

#[tokio::test]
async fn who_leaves_is_not_counted() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let others = [yard.reader("demo").await, yard.writer("demo", "bert").await];
    let cid = Cid::parse("demo").unwrap();
    assert_eq!(yard.node.enter(&cid, Standing::Anonymous, None).await.unwrap().members(), 4, "the newcomer is one");
    drop(others);
    anna.sends_and_hears("demo", "alone?").await;
    assert_eq!(anna.hears_lines(1).await[0]["mbrCnt"], 1);
}

#[tokio::test]
async fn a_draining_node_answers_what_is_under_way_and_refuses_the_rest() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    anna.sends("demo", "before").await;
    yard.node.drain().await;
    assert_eq!(anna.hears(13101).await["retCode"], 0);
    let refused = anna.sends_and_hears("demo", "after").await;
    assert_eq!((&refused["retCode"], &refused["retryAfterMs"]), (&json!(503), &json!(1000)));
}

impl crate::support::yard::Guest {
    /// CONNECT without waiting for its answer.
    async fn connect_quietly(&mut self, cid: &str) {
        self.says(&json!({"cmd": 100, "cid": cid, "bdy": {"auth": "READ"}}).to_string()).await;
    }
}
