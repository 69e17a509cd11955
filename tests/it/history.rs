//! What was said, read back from the log: all that was accepted and nothing else, as it may be seen now.

use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::tempdir;

use madang::eventlog::EventLog;
use madang::eventlog::memory::Memory;
use madang::model::id::{ChannelId, Cid, Seq, UserId};
use madang::model::item::LineView;
use madang::model::principal::Role;
use madang::model::time::Millis;
use madang::node::HistoryQuery;

use crate::support::process::Gateway;
use crate::support::yard::{NOON, Yard, asks, event_of, joins, open_yard};

fn demo() -> ChannelId {
    ChannelId::parse("demo").unwrap()
}

async fn history(yard: &Yard, query: &HistoryQuery, limit: usize) -> (Vec<LineView>, Option<Seq>) {
    yard.node.history(&demo(), query, limit, |lines, next| (lines.to_vec(), next)).await.unwrap()
}

async fn texts(yard: &Yard, query: &HistoryQuery) -> Vec<String> {
    let (mut all, mut query) = (Vec::new(), query.clone());
    loop {
        let (lines, next) = history(yard, &query, 3).await;
        all.extend(lines.iter().map(|line| line.text().to_owned()));
        match (next, query.oldest_first) {
            (None, _) => return all,
            (Some(next), true) => query.after = next,
            (Some(next), false) => query.before = Some(next),
        }
    }
}

#[tokio::test]
async fn pages_hold_every_line_once_in_both_directions() {
    let yard = Yard::new().await;
    let (mut one, mut two) = (joins(&yard, "a", Role::Viewer).await, joins(&yard, "b", Role::Viewer).await);
    let mut said = Vec::new();
    for number in 0..10 {
        let guest = if number % 2 == 0 { &mut one } else { &mut two };
        assert_eq!(guest.sends_and_hears("demo", &format!("line {number}")).await["retCode"], 0);
        said.push(format!("line {number}"));
        yard.clock.advance(60_000 * 5);
    }
    let oldest = HistoryQuery { oldest_first: true, ..HistoryQuery::default() };
    assert_eq!(texts(&yard, &oldest).await, said);
    let mut newest = texts(&yard, &HistoryQuery::default()).await;
    newest.reverse();
    assert_eq!(newest, said);
    let theirs = HistoryQuery { uid: UserId::parse("b"), ..oldest.clone() };
    assert_eq!(texts(&yard, &theirs).await, ["line 1", "line 3", "line 5", "line 7", "line 9"]);
    let (from, to) = (Some(Millis(NOON + 600_000)), Some(Millis(NOON + 1_500_000)));
    for oldest_first in [true, false] {
        let mut found = texts(&yard, &HistoryQuery { from, to, oldest_first, ..HistoryQuery::default() }).await;
        found.sort();
        assert_eq!(found, ["line 2", "line 3", "line 4"]);
    }
    let elsewhere = HistoryQuery { cid: Cid::parse("other"), ..oldest };
    assert_eq!(texts(&yard, &elsewhere).await, [""; 0]);
}

#[tokio::test]
async fn a_line_that_was_refused_in_the_log_is_no_history_even_after_it_is_no_longer_remembered() {
    let log = Memory::new(Arc::default());
    let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
    let mut staff = joins(&yard, "m", Role::ChatManager).await;
    let mut bad = joins(&yard, "bad", Role::Viewer).await;
    assert_eq!(bad.sends_and_hears("demo", "good").await["retCode"], 0);
    assert_eq!(asks(&mut staff, 4006, json!({"userId": "bad"})).await["retCode"], 0);
    let channel = yard.node.channel(&demo()).await.unwrap().id;
    // It was on its way already, and so were more lines than a channel remembers.
    log.append(&channel, event_of("demo", "bad", "refused", 0)).await.unwrap();
    for number in 0..4_200 {
        log.append(&channel, event_of("demo", "b", &format!("flood {number}"), number)).await.unwrap();
    }
    let last = log.append(&channel, event_of("demo", "b", "last", 9_999)).await.unwrap();
    crate::support::yard::until(async || {
        history(&yard, &HistoryQuery::default(), 1).await.0.first().map(|line| line.seq()) == Some(last)
    })
    .await;
    let theirs = HistoryQuery { uid: UserId::parse("bad"), oldest_first: true, ..HistoryQuery::default() };
    assert_eq!(texts(&yard, &theirs).await, ["good"]);
    // All were sent in the same millisecond; each has a time of its own, and keeps it.
    let early = HistoryQuery { uid: UserId::parse("b"), oldest_first: true, ..HistoryQuery::default() };
    let (lines, _) = history(&yard, &early, 3).await;
    assert_eq!(lines.iter().map(|line| line.time().0 - NOON).collect::<Vec<_>>(), [0, 1, 2]);
    // A machine that starts now says the same.
    let later = Yard::over(Arc::new(log), open_yard()).await;
    assert_eq!(texts(&later, &theirs).await, ["good"]);
    assert_eq!(history(&later, &early, 3).await.0[2].time(), lines[2].time());
}

#[tokio::test]
async fn hidden_lines_say_nothing_and_shadowed_ones_are_not_there() {
    let yard = Yard::new().await;
    let mut staff = joins(&yard, "m", Role::ChatManager).await;
    let mut viewer = joins(&yard, "v", Role::Viewer).await;
    let filter = json!({"filter": {"words": [{"word": "몰래", "measure": "shadow"}]}});
    assert_eq!(asks(&mut staff, 4040, filter).await["retCode"], 0);
    let mut places = Vec::new();
    for text in ["one", "몰래", "two"] {
        places.push(viewer.sends_and_hears("demo", text).await["bdy"]["seq"].as_u64().unwrap());
    }
    assert_eq!(asks(&mut staff, 4008, json!({"seq": places[0]})).await["retCode"], 0);
    let all = HistoryQuery { oldest_first: true, ..HistoryQuery::default() };
    assert_eq!(texts(&yard, &all).await, ["", "two"]);
    assert_eq!(texts(&yard, &HistoryQuery { hidden: Some(false), ..all.clone() }).await, ["two"]);
    let (hidden, _) = history(&yard, &HistoryQuery { hidden: Some(true), ..all }, 9).await;
    assert_eq!(hidden.iter().map(|line| line.seq()).collect::<Vec<_>>(), [Seq(places[0])]);
}

#[test]
fn the_sites_backend_reads_what_was_said() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    gateway.site("POST", "/v1/channels", r#"{"channelId":"c","name":"Mina"}"#);
    let cid = gateway.site("POST", "/v1/channels/c/broadcasts", r#"{"title":"on"}"#).1["cid"].take();
    let user = json!({"uid": "u", "nickname": "U"});
    for (path, body) in [
        ("messages", json!({"text": "as the site"})),
        ("messages", json!({"text": "as U", "user": user})),
        ("messages", json!({"text": "why?", "kind": "question", "user": user})),
        ("donations", json!({"amount": 1000, "text": "hi"})),
    ] {
        assert_eq!(gateway.site("POST", &format!("/v1/channels/c/{path}"), &body.to_string()).0, 201);
    }
    let get = |query: &str| gateway.site("GET", &format!("/v1/channels/c/messages?{query}"), "");
    let (status, all) = get("");
    let lines = all["messages"].as_array().unwrap();
    assert_eq!((status, lines.len(), &all["nextCursor"]), (200, 4, &Value::Null));
    let newest = &lines[0];
    assert_eq!(
        (&newest["kind"], &newest["uid"], &newest["extras"]["payAmount"]),
        (&json!("donation"), &json!("anonymous"), &json!(1000))
    );
    assert_eq!((&newest["cid"], &newest["hidden"]), (&cid, &json!(false)));
    let kinds = |query: &str| -> Vec<String> {
        let (status, found) = get(query);
        assert_eq!(status, 200, "{found}");
        found["messages"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds("sort=oldest&uid=u"), ["as U", "why?"]);
    assert_eq!(kinds("kind=question&status=unanswered"), ["why?"]);
    assert_eq!(kinds("status=answered"), [""; 0]);
    assert_eq!(kinds(&format!("after={}&sort=oldest", lines[3]["seq"])), ["as U", "why?", "hi"]);
    assert_eq!(kinds("limit=1"), ["hi"]);
    let (_, first) = get("limit=1&sort=oldest");
    assert_eq!(
        kinds(&format!("limit=2&sort=oldest&cursor={}", first["nextCursor"].as_str().unwrap())),
        ["as U", "why?"]
    );
    for bad in ["kind=song", "status=gone", "sort=up", "cursor=x", "uid=%20", "cid=%20", "from=x", "limit=x"] {
        assert_eq!(get(bad).0, 400, "{bad}");
    }
    assert_eq!(gateway.site("GET", "/v1/channels/nowhere/messages", "").0, 404);
}
