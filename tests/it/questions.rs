//! Questions to the streamer: numbered, voted for, and dealt with by staff who can't undo each other unawares.

use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::tempdir;

use madang::eventlog::memory::Memory;
use madang::model::id::ChannelId;
use madang::model::principal::Role;
use madang::node::{Config, Rules};

use crate::support::process::Gateway;
use crate::support::reader::Reader;
use crate::support::yard::{Guest, Yard, asks, joins, line_of, open_yard};

/// A question's answer: its place.
async fn asked(guest: &mut Guest, text: &str) -> u64 {
    guest.says(&line_of("demo", text, 40).to_string()).await;
    let answer = guest.hears(13101).await;
    answer["bdy"]["seq"].as_u64().unwrap_or_else(|| panic!("{answer}"))
}

async fn ext(yard: &Yard, uid: Option<&str>, lane: &str) -> (Guest, Value) {
    let mut guest = yard.guest();
    let token = uid.map(|uid| yard.token(uid, Role::Viewer));
    let connected = guest.connect_ext("demo", token.as_deref(), json!({"ext": 1, "lane": lane})).await;
    (guest, connected)
}

fn one(message: &Value) -> &Value {
    assert_eq!(message["bdy"]["questions"].as_array().unwrap().len(), 1, "{message}");
    &message["bdy"]["questions"][0]
}

#[tokio::test]
async fn a_question_goes_through_its_life_before_everybody() {
    let yard = Yard::new().await;
    let (mut viewer, mut staff) = (joins(&yard, "v", Role::Viewer).await, joins(&yard, "m", Role::ChatManager).await);
    let (mut overlay, _) = ext(&yard, None, "questions").await;
    let mut plain = yard.reader("demo").await;
    let place = asked(&mut viewer, "왜요?").await;
    let told = overlay.hears(93101).await;
    let item = &told["bdy"][0];
    assert_eq!((&item["msgTypeCode"], &item["msgStatusType"]), (&json!(40), &json!("UNANSWERED")));
    assert_eq!((&item["questionNo"], &item["version"], &item["votes"]), (&json!(1), &json!(1), &json!(0)));
    let ordinary = plain.hears_lines(1).await.remove(0);
    assert_eq!((&ordinary["msgTypeCode"], &ordinary["msgStatusType"]), (&json!(1), &json!("NORMAL")));
    assert!(ordinary.get("questionNo").is_none() && ordinary.get("version").is_none());

    let mut mark = async |status: &str, version: u64| {
        asks(&mut staff, 3140, json!({"seq": place, "status": status, "version": version})).await
    };
    assert_eq!(mark("SELECTED", 1).await["retCode"], 0);
    let push = overlay.hears(93140).await;
    let question = one(&push);
    assert_eq!(
        (&question["status"], &question["version"], &question["seq"]),
        (&json!("SELECTED"), &json!(2), &json!(place))
    );
    assert_eq!(question["changedBy"]["userId"], "m");
    let stale = mark("DISMISSED", 1).await;
    assert_eq!(
        (&stale["retCode"], &stale["bdy"]["status"], &stale["bdy"]["version"]),
        (&json!(409), &json!("SELECTED"), &json!(2))
    );
    let so_already = mark("SELECTED", 2).await;
    assert_eq!((&so_already["retCode"], &so_already["bdy"]), (&json!(0), &json!({})));
    let answered = mark("ANSWERED", 2).await;
    let act = answered["bdy"]["seq"].as_u64().unwrap();
    assert_eq!(one(&overlay.hears(93140).await)["status"], "ANSWERED");
    assert_eq!(asks(&mut staff, 3140, json!({"undo": act})).await["retCode"], 0);
    let back = overlay.hears(93140).await;
    assert_eq!((&one(&back)["status"], &one(&back)["version"]), (&json!("SELECTED"), &json!(4)));
    assert_eq!(
        asks(&mut viewer, 3140, json!({"seq": place, "status": "ANSWERED", "version": 4})).await["retCode"],
        403
    );
    assert!(plain.heard_by_now().iter().all(|message| message["cmd"] != 93140), "plain clients have no word for it");
}

#[tokio::test]
async fn two_moderators_who_select_at_once_do_not_undo_each_other() {
    let yard = Yard::new().await;
    let mut viewer = joins(&yard, "v", Role::Viewer).await;
    let place = asked(&mut viewer, "who?").await;
    let (mut one, mut two) = (joins(&yard, "m1", Role::ChatManager).await, joins(&yard, "m2", Role::ChatManager).await);
    let wants = |status: &str| json!({"cmd": 3140, "cid": "demo", "tid": 1, "bdy": {"seq": place, "status": status, "version": 1}});
    one.says(&wants("SELECTED").to_string()).await;
    two.says(&wants("DISMISSED").to_string()).await;
    let (first, second) = (one.hears(13140).await, two.hears(13140).await);
    assert_eq!((&first["retCode"], &second["retCode"]), (&json!(0), &json!(409)));
    assert_eq!((&second["bdy"]["status"], &second["bdy"]["version"]), (&json!("SELECTED"), &json!(2)));
}

#[tokio::test]
async fn votes_are_counted_once_and_told_as_they_stand() {
    let yard = Yard::new().await;
    let mut asker = joins(&yard, "v", Role::Viewer).await;
    let place = asked(&mut asker, "best game?").await;
    let (mut overlay, _) = ext(&yard, None, "all").await;
    assert_eq!(overlay.hears(93140).await["bdy"]["open"], 1);
    let mut voter = joins(&yard, "a", Role::Viewer).await;
    let voted = asks(&mut voter, 3141, json!({"seq": place})).await;
    assert_eq!((&voted["retCode"], &voted["bdy"]["votes"]), (&json!(0), &json!(1)));
    assert_eq!(one(&overlay.hears(93140).await)["votes"], 1);
    assert_eq!(asks(&mut voter, 3141, json!({"seq": place})).await["bdy"]["votes"], 1, "twice is once");
    let mut elsewhere = joins(&yard, "a", Role::Viewer).await;
    assert_eq!(asks(&mut elsewhere, 3141, json!({"seq": place})).await["bdy"]["votes"], 1, "in another session, too");
    assert_eq!(asks(&mut voter, 3141, json!({"seq": place, "vote": false})).await["bdy"]["votes"], 0);
    assert_eq!(one(&overlay.hears(93140).await)["votes"], 0);
    assert_eq!(asks(&mut asker, 3141, json!({"seq": place})).await["retCode"], 403);
    for (body, code) in
        [(json!({"seq": 7_000}), 404), (json!({"userId": "v", "messageTime": 1}), 404), (json!({}), 105)]
    {
        assert_eq!(asks(&mut voter, 3141, body).await["retCode"], code);
    }
    let mut reader = yard.reader("demo").await;
    assert_eq!(asks(&mut reader, 3141, json!({"seq": place})).await["retCode"], 403);
    let mut staff = joins(&yard, "m", Role::ChatManager).await;
    asks(&mut staff, 3140, json!({"seq": place, "status": "DISMISSED", "version": 1})).await;
    assert_eq!(asks(&mut voter, 3141, json!({"seq": place})).await["retCode"], 409);
}

#[tokio::test]
async fn two_hundred_votes_at_once_are_a_few_pushes() {
    let yard = Yard::new().await;
    let mut asker = joins(&yard, "v", Role::Viewer).await;
    let place = asked(&mut asker, "?").await;
    let (mut overlay, _) = ext(&yard, None, "questions").await;
    assert_eq!(overlay.hears(93140).await["bdy"]["open"], 1);
    let mut voters = Vec::new();
    for number in 0..200 {
        voters.push(joins(&yard, &format!("u{number}"), Role::Viewer).await);
    }
    for voter in &mut voters {
        voter.says(&json!({"cmd": 3141, "cid": "demo", "tid": 1, "bdy": {"seq": place}}).to_string()).await;
    }
    let (mut pushes, mut votes) = (0, 0);
    while votes < 200 {
        let push = overlay.hears(93140).await;
        let now = one(&push)["votes"].as_u64().unwrap();
        assert!(now > votes, "counts rise");
        (pushes, votes) = (pushes + 1, now);
    }
    assert!(pushes < 200, "votes of one batch are told once");
}

#[tokio::test]
async fn whoever_comes_is_told_which_questions_wait() {
    let yard = Yard::new().await;
    let mut asker = joins(&yard, "v", Role::Viewer).await;
    let (mut nobody, _) = ext(&yard, None, "all").await;
    assert!(nobody.heard_by_now().iter().all(|message| message["cmd"] != 93140), "there are none");
    let [first, second, third] =
        [asked(&mut asker, "1").await, asked(&mut asker, "2").await, asked(&mut asker, "3").await];
    let mut voter = joins(&yard, "a", Role::Viewer).await;
    asks(&mut voter, 3141, json!({"seq": third})).await;
    let mut staff = joins(&yard, "m", Role::ChatManager).await;
    asks(&mut staff, 3140, json!({"seq": first, "status": "ANSWERED", "version": 1})).await;
    let (mut comer, _) = ext(&yard, None, "questions").await;
    let open = comer.hears(93140).await;
    assert_eq!(open["bdy"]["open"], 2);
    let told = open["bdy"]["questions"].as_array().unwrap();
    assert_eq!(told.iter().map(|question| question["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [third, second]);
    assert_eq!((&told[0]["content"], &told[0]["votes"], &told[0]["hidden"]), (&json!("3"), &json!(1), &json!(false)));
    let (mut quiet, _) = ext(&yard, None, "quiet").await;
    assert!(quiet.heard_by_now().iter().all(|message| message["cmd"] != 93140));
}

#[tokio::test]
async fn lists_come_in_pages_and_within_their_bytes() {
    let mut yard = Yard::new().await;
    yard.chat.recent_bytes = 8_000;
    let mut places = Vec::new();
    for number in 0..12 {
        let mut asker = joins(&yard, &format!("v{number}"), Role::Viewer).await;
        places.push(asked(&mut asker, &format!("{number} {}", "가".repeat(300))).await);
    }
    let mut reader = joins(&yard, "r", Role::Viewer).await;
    let (mut listed, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let mut body = json!({"sort": "AGE", "status": "ALL", "size": 100});
        if cursor.is_string() {
            body["cursor"] = cursor;
        }
        let answer = asks(&mut reader, 5140, body).await;
        assert!(answer.to_string().len() <= 8_000 && answer["bdy"]["open"] == 12, "{answer}");
        let page = answer["bdy"]["questions"].as_array().unwrap().clone();
        listed.extend(page.iter().map(|question| question["seq"].as_u64().unwrap()));
        cursor = answer["bdy"]["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(listed, places);
    let mut refused = async |body: Value| asks(&mut reader, 5140, body).await["retCode"].as_u64().unwrap();
    assert_eq!(refused(json!({"status": "GONE"})).await, 105);
    assert_eq!(refused(json!({"cursor": "x"})).await, 105);
}

#[tokio::test]
async fn what_changed_meanwhile_is_told_to_whoever_comes_back() {
    let yard = Yard::new().await;
    let mut asker = joins(&yard, "v", Role::Viewer).await;
    let place = asked(&mut asker, "?").await;
    let mut reader = Reader::default();
    let mut guest = yard.guest();
    let connected = guest.connect_ext("demo", None, reader.ext()).await;
    reader.connected(&connected);
    guest.heard_by_now().iter().for_each(|message| reader.hear(message));
    assert_eq!((reader.questions[&place].version, &*reader.questions[&place].status), (1, "UNANSWERED"));
    drop(guest);
    let mut staff = joins(&yard, "m", Role::ChatManager).await;
    let open = asked(&mut asker, "and?").await;
    let mut voter = joins(&yard, "a", Role::Viewer).await;
    for question in [place, open] {
        assert_eq!(asks(&mut voter, 3141, json!({"seq": question})).await["bdy"]["votes"], 1);
    }
    asks(&mut staff, 3140, json!({"seq": place, "status": "SELECTED", "version": 1})).await;
    asks(&mut staff, 3140, json!({"seq": place, "status": "ANSWERED", "version": 2})).await;
    let mut guest = yard.guest();
    let connected = guest.connect_ext("demo", None, reader.ext()).await;
    assert!(reader.connected(&connected));
    guest.heard_by_now().iter().for_each(|message| reader.hear(message));
    assert_eq!((reader.questions[&place].version, &*reader.questions[&place].status), (3, "ANSWERED"));
    assert_eq!((reader.questions[&place].votes, reader.questions[&open].votes), (1, 1));
    let recent = asks(&mut guest, 5101, json!({})).await;
    let line = &recent["bdy"]["messageList"][0];
    assert_eq!(
        (&line["messageStatusType"], &line["version"], &line["questionNo"]),
        (&json!("ANSWERED"), &json!(3), &json!(1))
    );
}

#[tokio::test]
async fn a_hidden_question_says_nothing_and_is_listed_for_staff() {
    let yard = Yard::new().await;
    let mut asker = joins(&yard, "v", Role::Viewer).await;
    let place = asked(&mut asker, "spam").await;
    let mut staff = joins(&yard, "m", Role::ChatManager).await;
    asks(&mut staff, 4008, json!({"seq": place})).await;
    let mut viewer = joins(&yard, "a", Role::Viewer).await;
    let listed = asks(&mut viewer, 5140, json!({"status": "ALL"})).await;
    assert_eq!(listed["bdy"]["questions"], json!([]));
    assert_eq!(asks(&mut viewer, 3141, json!({"seq": place})).await["retCode"], 404);
    let for_staff = asks(&mut staff, 5140, json!({"status": "ALL"})).await;
    let question = one(&for_staff);
    assert_eq!((&question["content"], &question["hidden"]), (&json!(""), &json!(true)));
}

#[tokio::test]
async fn a_viewer_asks_six_times_a_minute() {
    let rules = Rules { sends: None, ..Rules::default() };
    let yard = Yard::over(Arc::new(Memory::new(Arc::default())), Config { rules, ..open_yard() }).await;
    let mut asker = joins(&yard, "v", Role::Viewer).await;
    for number in 0..6 {
        asked(&mut asker, &number.to_string()).await;
    }
    asker.says(&line_of("demo", "more", 40).to_string()).await;
    let refused = asker.hears(13101).await;
    assert_eq!((&refused["retCode"], &refused["retryAfterMs"]), (&json!(429), &json!(10_000)));
    assert_eq!(asker.sends_and_hears("demo", "an ordinary line").await["retCode"], 0);
    yard.clock.advance(10_000);
    asked(&mut asker, "later").await;
}

#[tokio::test]
async fn erasing_somebody_takes_their_questions_and_their_votes() {
    let yard = Yard::new().await;
    let (mut gone, mut other) = (joins(&yard, "gone", Role::Viewer).await, joins(&yard, "v", Role::Viewer).await);
    asked(&mut gone, "mine").await;
    let place = asked(&mut other, "theirs").await;
    assert_eq!(asks(&mut gone, 3141, json!({"seq": place})).await["bdy"]["votes"], 1);
    let channel = ChannelId::parse("demo").unwrap();
    assert_eq!(yard.node.erase(&channel, &madang::model::id::UserId::parse("gone").unwrap()).await, Ok(1));
    let listed = asks(&mut other, 5140, json!({})).await;
    let question = one(&listed);
    assert_eq!((&question["seq"], &question["votes"], &question["questionNo"]), (&json!(place), &json!(0), &json!(2)));
}

/// A gateway with channel `c` on air and one question of `user`.
fn with_question(gateway: &Gateway, text: &str) -> u64 {
    gateway.site("POST", "/v1/channels", r#"{"channelId":"c","name":"Mina"}"#);
    gateway.site("POST", "/v1/channels/c/broadcasts", r#"{"title":"on"}"#);
    let body = json!({"text": text, "kind": "question", "user": {"uid": "u", "nickname": "=cmd"}});
    gateway.site("POST", "/v1/channels/c/messages", &body.to_string()).1["seq"].as_u64().unwrap()
}

#[test]
fn the_sites_backend_lists_marks_votes_and_exports() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    let place = with_question(&gateway, "왜, \"정말\"요?\n=1+1");
    let path = format!("/v1/channels/c/questions/{place}");
    let (status, voted) = gateway.site("POST", &format!("{path}/votes"), r#"{"user":{"uid":"a","nickname":"A"}}"#);
    assert_eq!((status, &voted["votes"]), (200, &json!(1)), "{voted}");
    let (_, back) =
        gateway.site("POST", &format!("{path}/votes"), r#"{"user":{"uid":"a","nickname":"A"},"vote":false}"#);
    assert_eq!(back["votes"], 0);
    let (status, done) =
        gateway.site("POST", &format!("{path}/status"), r#"{"status":"selected","version":1,"reason":"next"}"#);
    assert_eq!(status, 200, "{done}");
    let (status, stale) = gateway.site("POST", &format!("{path}/status"), r#"{"status":"dismissed","version":1}"#);
    assert_eq!(
        (status, &stale["question"]["status"], &stale["question"]["version"]),
        (409, &json!("selected"), &json!(2))
    );
    let (status, bad) = gateway.site("POST", &format!("{path}/status"), r#"{"status":"gone","version":2}"#);
    assert_eq!(status, 400, "{bad}");
    assert_eq!(gateway.site("GET", "/v1/channels/c/questions/999", "").0, 404);
    let (_, found) = gateway.site("GET", &path, "");
    assert_eq!(
        (&found["status"], &found["questionNo"], &found["changedBy"].is_string()),
        (&json!("selected"), &json!(1), &true)
    );
    let (_, listed) = gateway.site("GET", "/v1/channels/c/questions?status=selected&sort=age", "");
    assert_eq!((listed["questions"].as_array().unwrap().len(), &listed["nextCursor"]), (1, &Value::Null));
    let (_, acts) = gateway.site("GET", "/v1/channels/c/acts", "");
    assert_eq!((&acts["acts"][0]["act"], &acts["acts"][0]["questionStatus"]), (&json!("mark"), &json!("selected")));
    let (_, json) = gateway.site("GET", "/v1/channels/c/questions/export?format=json", "");
    assert_eq!(json["questions"][0]["text"], "왜, \"정말\"요?\n=1+1");
    let key = std::fs::read_to_string(data.path().join("api-key")).unwrap();
    let (status, csv) = gateway.admin_http("GET", "/v1/channels/c/questions/export", &[("X-Api-Key", key.trim())], "");
    assert_eq!(status, 200);
    assert!(csv.starts_with('\u{feff}'), "spreadsheets read it as UTF-8: {csv}");
    assert!(csv.contains("1,selected,0,\"왜, \"\"정말\"\"요?\n=1+1\",'=cmd,u,"), "{csv}");
}

#[test]
fn what_waits_for_an_answer_is_there_after_a_restart_and_in_the_next_broadcast() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    let place = with_question(&gateway, "still there?");
    let (_, view) = gateway.site("GET", "/v1/channels/c", "");
    gateway.site("POST", "/v1/channels/c/broadcasts", r#"{"title":"next"}"#);
    drop(gateway);
    let gateway = Gateway::start(data.path(), &[], &[]);
    assert_eq!(gateway.site("GET", "/v1/channels/c/questions", "").1["questions"], json!([]), "{view}");
    let (_, all) = gateway.site("GET", "/v1/channels/c/questions?cid=all", "");
    assert_eq!((&all["questions"][0]["seq"], &all["questions"][0]["text"]), (&json!(place), &json!("still there?")));
    let path = format!("/v1/channels/c/questions/{place}/status");
    assert_eq!(gateway.site("POST", &path, r#"{"status":"answered","version":1}"#).0, 200);
}
