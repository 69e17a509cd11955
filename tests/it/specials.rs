//! What the site's backend tells: donations of each type, subscriptions, gifts, lines of the system, events.

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::support::process::{Gateway, Raw};

/// A gateway with channel `c` on air, and the broadcast's `cid`.
fn on_air(data: &TempDir) -> (Gateway, String) {
    let gateway = Gateway::start(data.path(), &[], &[("MADANG_CHAT__EMOJI_URL_PREFIXES", r#"["https://e/"]"#)]);
    gateway.site("POST", "/v1/channels", r#"{"channelId":"c","name":"Mina"}"#);
    let (_, broadcast) = gateway.site("POST", "/v1/channels/c/broadcasts", r#"{"title":"on"}"#);
    (gateway, broadcast["cid"].as_str().unwrap().to_owned())
}

fn joins(gateway: &Gateway, cid: &str, body: Value) -> Raw {
    let mut raw = Raw::connect(&gateway.address, &[]);
    raw.text(&json!({"cmd": 100, "cid": cid, "bdy": body}).to_string());
    assert_eq!(raw.hears(10100)["retCode"], 0);
    raw
}

fn posts(gateway: &Gateway, path: &str, body: &Value) -> (u16, Value) {
    gateway.site("POST", &format!("/v1/channels/c/{path}"), &body.to_string())
}

/// The only item of a SPECIAL, and its extras.
fn special(message: &Value) -> (Value, Value) {
    assert_eq!(message["bdy"].as_array().unwrap().len(), 1, "one item in a message: {message}");
    let item = message["bdy"][0].clone();
    let extras = serde_json::from_str(item["extras"].as_str().unwrap()).unwrap();
    (item, extras)
}

fn mission(status: &str) -> Value {
    json!({"missionId": "m1", "group": "alone", "seconds": 3600, "createdAt": 1_790_780_400_000_i64, "total": 20000,
           "status": status})
}

#[test]
fn donations_of_each_type_are_told_in_the_order_of_the_chat() {
    let data = tempdir().unwrap();
    let (gateway, cid) = on_air(&data);
    let mut plain = joins(&gateway, &cid, json!({"auth": "READ"}));
    let mut ext = joins(&gateway, &cid, json!({"auth": "READ", "ext": 1}));
    let rank = json!({"uid": "r", "nickname": "best", "amount": 9000, "rank": 1});
    let mut participation = mission("pending");
    participation["relatedMissionId"] = "m0".into();
    let donations = [
        json!({"amount": 1000, "text": "힘내요 {:d:}", "emojis": {"d": "https://e/d.png"}, "ranks": [rank]}),
        json!({"amount": 2000, "type": "VIDEO", "text": "a title", "user": {"uid": "u", "nickname": "Jisu"}, "ownRank": rank}),
        json!({"amount": 20000, "type": "mission", "text": "win three games", "mission": mission("PENDING")}),
        json!({"amount": 500, "type": "mission_participation", "text": "win", "mission": participation}),
        json!({"amount": 300, "type": "party", "party": {"partyId": "p", "name": "party", "number": 7}}),
    ];
    let mut seqs = Vec::new();
    for donation in &donations {
        posts(&gateway, "messages", &json!({"text": "between"}));
        let (status, told) = posts(&gateway, "donations", donation);
        assert_eq!(status, 201, "{told}");
        seqs.push(told["seq"].as_u64().unwrap());
    }
    assert!(seqs.is_sorted());
    let told: Vec<(Value, Value)> = (0..5).map(|_| special(&plain.hears(93102))).collect();
    let types: Vec<&Value> = told.iter().map(|(_, extras)| &extras["donationType"]).collect();
    assert_eq!(types, ["CHAT", "VIDEO", "MISSION", "MISSION_PARTICIPATION", "PARTY"]);
    for ((item, extras), donation) in told.iter().zip(&donations) {
        assert_eq!((&item["msgTypeCode"], &extras["payAmount"]), (&json!(10), &donation["amount"]));
        assert_eq!((&extras["payType"], &extras["chatType"]), (&json!("CURRENCY"), &json!("STREAMING")));
        assert!(item.get("seq").is_none() && extras["weeklyRankList"].is_array());
        let anonymous = donation.get("user").is_none();
        assert_eq!((extras["isAnonymous"] == true, item["profile"].is_null()), (anonymous, anonymous), "{item}");
        assert_eq!(item["uid"], if anonymous { "anonymous" } else { "u" });
    }
    assert_eq!(told[0].1["emojis"], json!({"d": "https://e/d.png"}));
    assert_eq!(told[0].1["weeklyRankList"][0]["nickName"], "best");
    assert_eq!((&told[1].1["nickname"], &told[1].1["donationUserWeeklyRank"]["ranking"]), (&json!("Jisu"), &json!(1)));
    assert_eq!(
        (&told[2].1["missionText"], &told[2].1["missionCreatedTime"]),
        (&json!("win three games"), &json!("2026-10-01T00:00:00.000"))
    );
    assert_eq!((&told[3].1["relatedMissionDonationId"], &told[4].1["partyNo"]), (&json!("m0"), &json!(7)));
    let over_ext = special(&ext.hears(93102));
    assert_eq!(over_ext.0["seq"], seqs[0]);
    let kinds = |raw: &mut Raw| {
        raw.text(&json!({"cmd": 5101, "cid": cid, "bdy": {}}).to_string());
        let recent = raw.hears(15101);
        let lines = recent["bdy"]["messageList"].as_array().unwrap().iter();
        lines.map(|line| line["messageTypeCode"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&mut ext), [1, 10, 1, 10, 1, 10, 1, 10, 1, 10]);
    assert_eq!(kinds(&mut plain), [1, 1, 10, 1, 1, 1], "those without a name have no profile that a bot could read");
}

#[test]
fn subscriptions_gifts_system_lines_and_events_are_told() {
    let data = tempdir().unwrap();
    let (gateway, cid) = on_air(&data);
    let mut viewer = joins(&gateway, &cid, json!({"auth": "READ"}));
    let user = json!({"uid": "u", "nickname": "Jisu"});
    let subscribed = json!({"user": user, "months": 6, "tier": 1, "tierName": "gold", "text": "6 months!"});
    assert_eq!(posts(&gateway, "subscriptions", &subscribed).0, 201);
    let (item, extras) = special(&viewer.hears(93102));
    assert_eq!((&item["msgTypeCode"], &item["msg"], &extras["month"]), (&json!(11), &json!("6 months!"), &json!(6)));
    assert_eq!(
        (&extras["tierNo"], &extras["tierName"], &extras["nickname"]),
        (&json!(1), &json!("gold"), &json!("Jisu"))
    );

    let receivers = json!([{"uid": "a", "nickname": "A"}, {"uid": "b", "nickname": "B", "verified": true}]);
    let gift =
        json!({"user": user, "tier": 2, "tierName": "gold", "random": true, "quantity": 3, "receivers": receivers});
    assert_eq!(posts(&gateway, "gifts", &gift).0, 201);
    let event = viewer.hears(93006)["bdy"].take();
    assert_eq!(
        (&event["type"], &event["quantity"], &event["selectionType"]),
        (&json!("SUBSCRIPTION_GIFT"), &json!(3), &json!("RANDOM"))
    );
    let (item, extras) = special(&viewer.hears(93102));
    assert_eq!(
        (&item["msgTypeCode"], &extras["giftType"], &item["uid"]),
        (&json!(12), &json!("SUBSCRIPTION_GIFT"), &json!("u"))
    );
    for uid in ["a", "b"] {
        assert_eq!(viewer.hears(93006)["bdy"]["receiverUserIdHash"], uid);
        assert_eq!(special(&viewer.hears(93102)).1["receiverUserIdHash"], uid);
    }

    let line = json!({"title": "welcome", "description": "be kind"});
    assert_eq!(posts(&gateway, "system-lines", &line).0, 201);
    let (item, extras) = special(&viewer.hears(93102));
    assert_eq!(
        (&item["uid"], &item["profile"], &item["msgTypeCode"]),
        (&json!("SYSTEM_MESSAGE"), &json!("{}"), &json!(30))
    );
    assert!(
        extras["visibleRoles"].as_array().unwrap().contains(&json!("COMMON_USER")) && extras.get("params").is_none()
    );
    // The next line of the system that everybody hears is a later one.
    assert_eq!(
        posts(&gateway, "system-lines", &json!({"title": "staff", "description": "only", "staff": true})).0,
        201
    );
    let party = json!({"type": "PARTY_DONATION_FINISH", "confirmNeeded": true});
    assert_eq!(posts(&gateway, "events", &party).0, 201);
    let people =
        json!({"title": "later", "description": "for all", "by": user, "target": {"uid": "a", "nickname": "A"}});
    assert_eq!(posts(&gateway, "system-lines", &people).0, 201);
    assert_eq!(viewer.hears(93006)["bdy"], party);
    let (item, extras) = special(&viewer.hears(93102));
    assert_eq!((&item["msg"], &extras["params"]["targetNickname"]), (&json!("later"), &json!("A")));
}

#[test]
fn who_comes_back_hears_what_was_told_meanwhile() {
    let data = tempdir().unwrap();
    let (gateway, cid) = on_air(&data);
    let mut raw = Raw::connect(&gateway.address, &[]);
    raw.text(&json!({"cmd": 100, "cid": cid, "bdy": {"auth": "READ", "ext": 1}}).to_string());
    let connected = raw.hears(10100);
    let (epoch, seq) = (&connected["bdy"]["epoch"], &connected["bdy"]["seq"]);
    posts(&gateway, "donations", &json!({"amount": 1000, "text": "hi"}));
    posts(&gateway, "gifts", &json!({"tier": 1, "tierName": "gold", "receivers": [{"uid": "a", "nickname": "A"}]}));
    posts(&gateway, "events", &json!({"type": "X_Y"}));
    let resume = json!({"auth": "READ", "ext": 1, "resume": {"epoch": epoch, "seq": seq}});
    // Killed and started again: it is in the log.
    gateway.kill();
    let gateway = Gateway::start(data.path(), &[], &[]);
    let mut back = Raw::connect(&gateway.address, &[]);
    back.text(&json!({"cmd": 100, "cid": cid, "bdy": resume}).to_string());
    assert_eq!(back.hears(10100)["bdy"]["recovered"], true);
    assert_eq!(special(&back.hears(93102)).1["payAmount"], 1000);
    assert_eq!(back.hears(93006)["bdy"]["type"], "SUBSCRIPTION_GIFT");
    assert_eq!(special(&back.hears(93102)).1["giftType"], "SUBSCRIPTION_GIFT");
    assert_eq!(back.hears(93006)["bdy"]["type"], "SUBSCRIPTION_GIFT_RECEIVER");
    assert_eq!(special(&back.hears(93102)).1["giftType"], "SUBSCRIPTION_GIFT_RECEIVER");
    assert_eq!(back.hears(93006)["bdy"]["type"], "X_Y");
}

#[test]
fn a_donation_is_told_once_for_its_key_and_never_in_place_of_another() {
    let data = tempdir().unwrap();
    let (mut gateway, cid) = on_air(&data);
    let mut viewer = joins(&gateway, &cid, json!({"auth": "READ"}));
    let key = std::fs::read_to_string(data.path().join("api-key")).unwrap();
    let sends = |gateway: &Gateway, path: &str, body: Value| {
        let headers = [("X-Api-Key", key.trim()), ("Content-Type", "application/json"), ("Idempotency-Key", "d1")];
        let (status, answer) =
            gateway.admin_http("POST", &format!("/v1/channels/c/{path}"), &headers, &body.to_string());
        (status, serde_json::from_str::<Value>(&answer).unwrap())
    };
    let donation = || json!({"amount": 1000, "text": "once"});
    let first = sends(&gateway, "donations", donation());
    assert_eq!((first.0, sends(&gateway, "donations", donation())), (201, first.clone()));
    assert_eq!(sends(&gateway, "donations", json!({"amount": 2000, "text": "once"})).0, 422);
    assert_eq!(sends(&gateway, "events", json!({"type": "A"})).0, 201, "a key counts for its path");
    assert_eq!(special(&viewer.hears(93102)).1["payAmount"], 1000);
    // What was remembered of requests is gone with the process; the log isn't.
    gateway.kill();
    gateway = Gateway::start(data.path(), &[], &[]);
    assert_eq!(sends(&gateway, "donations", donation()), first);
    let (status, problem) = sends(&gateway, "events", json!({"type": "B"}));
    assert_eq!(status, 422, "{problem}");
    gateway.kill();
    gateway = Gateway::start(data.path(), &[], &[]);
    let (status, problem) = sends(&gateway, "donations", json!({"amount": 2000, "text": "once"}));
    assert_eq!(status, 422, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("another body"));
}

#[test]
fn amounts_and_the_rest_are_refused_in_words() {
    let data = tempdir().unwrap();
    let (gateway, _) = on_air(&data);
    let receiver = json!({"uid": "a", "nickname": "A"});
    for (path, body, why) in [
        ("donations", json!({"amount": -1}), "amount"),
        ("donations", json!({"amount": 0}), "1 to 1000000000 won"),
        ("donations", json!({"amount": 1_000_000_001}), "1 to 1000000000 won"),
        ("donations", json!({"amount": "1000"}), "amount"),
        ("donations", json!({"amount": 1.5}), "amount"),
        ("donations", json!({"amount": 1e300}), "amount"),
        ("donations", json!({"text": "x"}), "amount"),
        ("donations", json!({"amount": 1, "type": "cheese"}), "type is chat"),
        ("donations", json!({"amount": 1, "type": "mission"}), "mission is missing"),
        ("donations", json!({"amount": 1, "type": "party"}), "party is missing"),
        ("donations", json!({"amount": 1, "mission": mission("pending")}), "of those types"),
        ("donations", json!({"amount": 1, "type": "mission", "mission": mission("done")}), "mission.status"),
        (
            "donations",
            json!({"amount": 1, "type": "mission_participation", "mission": mission("pending")}),
            "relatedMissionId",
        ),
        ("donations", json!({"amount": 1, "donationId": "a b"}), "donationId"),
        ("donations", json!({"amount": 1, "text": "가".repeat(501)}), "too long"),
        ("donations", json!({"amount": 1, "user": {"uid": "anonymous", "nickname": "x"}}), "uid"),
        ("subscriptions", json!({"user": receiver, "months": 0, "tier": 1, "tierName": "g"}), "months"),
        ("subscriptions", json!({"user": receiver, "months": 1, "tier": 3, "tierName": "g"}), "tier is 1 or 2"),
        ("gifts", json!({"tier": 1, "tierName": "g"}), "quantity"),
        ("gifts", json!({"tier": 1, "tierName": "g", "quantity": 1, "receivers": [receiver, receiver]}), "quantity"),
        ("gifts", json!({"tier": 1, "tierName": "g", "receivers": vec![receiver.clone(); 21]}), "at most 20"),
        ("system-lines", json!({"title": "t", "description": "d", "by": receiver}), "both"),
        ("system-lines", json!({"title": "t", "description": "d", "style": 2}), "style"),
        ("system-lines", json!({"title": "", "description": "d"}), "title"),
        ("events", json!({"type": "CHANGE_CHAT_MODE"}), "gateway's own"),
        ("events", json!({"type": "DONATION_MISSION_IN_PROGRESS"}), "is missing"),
        ("events", json!([1]), "JSON object"),
    ] {
        let (status, problem) = posts(&gateway, path, &body);
        assert!((400..=422).contains(&status), "{path} {body}: {status} {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{path} {body}: {problem}");
    }
}

#[test]
fn what_may_not_be_said_is_withheld_from_a_donation_that_is_told_all_the_same() {
    let data = tempdir().unwrap();
    let (gateway, cid) = on_air(&data);
    let mut viewer = joins(&gateway, &cid, json!({"auth": "READ"}));
    let words =
        json!({"filter": {"words": [{"word": "나쁜말", "measure": "refuse"}, {"word": "못된말", "measure": "mask"}]}});
    assert_eq!(posts(&gateway, "filter", &words).0, 200);
    assert_eq!(posts(&gateway, "donations", &json!({"amount": 1000, "text": "나쁜말"})).0, 201);
    let (item, extras) = special(&viewer.hears(93102));
    assert_eq!(
        (&item["msg"], &item["msgStatusType"], &extras["payAmount"]),
        (&json!(""), &json!("CBOTBLIND"), &json!(1000))
    );
    let task = json!({"amount": 1000, "text": "못된말 해줘", "type": "mission", "mission": mission("pending")});
    assert_eq!(posts(&gateway, "donations", &task).0, 201);
    let (item, extras) = special(&viewer.hears(93102));
    assert_eq!((&item["msg"], &extras["missionText"]), (&json!("*** 해줘"), &json!("*** 해줘")));
}

#[test]
fn a_donation_is_hidden_like_any_line_and_told_whatever_holds_for_its_donor() {
    let data = tempdir().unwrap();
    let (gateway, cid) = on_air(&data);
    let mut viewer = joins(&gateway, &cid, json!({"auth": "READ"}));
    assert_eq!(posts(&gateway, "users/u/block", &json!({})).0, 200);
    assert_eq!(posts(&gateway, "panic", &json!({})).0, 200);
    let donation = json!({"amount": 1000, "text": "hello", "user": {"uid": "u", "nickname": "U"}});
    let (status, told) = posts(&gateway, "donations", &donation);
    assert_eq!(status, 201, "{told}");
    assert_eq!(special(&viewer.hears(93102)).0["msg"], "hello");
    assert_eq!(posts(&gateway, &format!("messages/{}/hide", told["seq"]), &json!({})).0, 200);
    assert_eq!(viewer.hears(94008)["bdy"]["userId"], "u");
    viewer.text(&json!({"cmd": 5101, "cid": cid, "bdy": {}}).to_string());
    let line = viewer.hears(15101)["bdy"]["messageList"][0].take();
    assert_eq!((&line["content"], &line["messageStatusType"]), (&json!(""), &json!("HIDDEN")));
}
