//! Every bad input has a documented answer (`proto-docs/bad-input.md`), and the conversation goes on.

use serde_json::{Value, json};

use madang::endpoints::chat::session::Step;

use crate::support::yard::{Guest, Yard, line, texts};

/// Says something bad and gives the answer; the session goes on and works.
async fn answer(guest: &mut Guest, message: &str) -> Value {
    assert_eq!(guest.says(message).await, Step::On, "{message}");
    let answer = guest.hears_anything().await;
    guest.says(r#"{"cmd":0}"#).await;
    assert_eq!(guest.hears_anything().await, json!({"ver": "2", "cmd": 10000}));
    answer
}

fn unreadable() -> Value {
    json!({"retCode": 105, "retMsg": "Incorrect parameter"})
}

#[tokio::test]
async fn what_has_no_command_number_is_answered_without_one() {
    let yard = Yard::new().await;
    let mut guest = yard.guest();
    for bad in [
        "",
        "nonsense",
        "{}",
        "[]",
        "null",
        "{\"cmd\":",
        r#"{"cmd":"100"}"#,
        r#"{"cmd":null}"#,
        r#"{"cmd":-1}"#,
        r#"{"cmd":1.5}"#,
        r#"{"cmd":{}}"#,
        r#"{"cmd":99999999999999999999}"#,
        r#"[{"cmd":100}]"#,
        "\u{feff}{\"cmd\":0}",
    ] {
        assert_eq!(answer(&mut guest, bad).await, unreadable(), "{bad}");
    }
    assert_eq!(guest.session.receive_unreadable(), Step::On);
    assert_eq!(guest.hears_anything().await, unreadable());
}

#[tokio::test]
async fn unknown_requests_are_refused_under_their_own_number() {
    let yard = Yard::new().await;
    let mut guest = yard.guest();
    for cmd in [1_u64, 104, 3103, 9002, 9999] {
        let refused = answer(&mut guest, &json!({"cmd": cmd, "cid": "demo", "tid": "t"}).to_string()).await;
        assert_eq!((&refused["cmd"], &refused["retCode"]), (&json!(cmd + 10_000), &json!(105)));
        assert_eq!((&refused["bdy"], &refused["tid"]), (&json!({}), &json!("t")));
    }
    for cmd in [10_000_u64, 13_101, 93_101, 9_007_199_254_740_993, u64::MAX] {
        guest.says(&json!({"cmd": cmd}).to_string()).await;
    }
    guest.hears_nothing().await;
}

#[tokio::test]
async fn a_connect_that_cannot_be_read_may_be_tried_again() {
    let yard = Yard::new().await;
    let mut guest = yard.guest();
    for bad in [
        r#"{"cmd":100,"cid":"demo"}"#,
        r#"{"cmd":100,"cid":"demo","bdy":null}"#,
        r#"{"cmd":100,"cid":"demo","bdy":[]}"#,
        r#"{"cmd":100,"cid":"demo","bdy":{"auth":1}}"#,
        r#"{"cmd":100,"cid":"demo","bdy":{"auth":"WRITE"}}"#,
        r#"{"cmd":100,"cid":"demo","bdy":{"auth":"SEND","accTkn":7}}"#,
    ] {
        let refused = answer(&mut guest, bad).await;
        assert_eq!((&refused["cmd"], &refused["retCode"], &refused["bdy"]), (&json!(10100), &json!(105), &json!({})));
    }
    assert_eq!(guest.connect("demo", None).await["retCode"], 0);
    let again = answer(&mut guest, r#"{"cmd":100,"cid":"demo","bdy":{"auth":"READ"}}"#).await;
    assert_eq!(again["retCode"], 409, "CONNECT twice");
}

#[tokio::test]
async fn cids_that_cannot_be_one_are_unknown_channels() {
    let yard = Yard::new().await;
    for cid in [json!(""), json!(7), json!(null), json!("a b"), json!("x".repeat(65)), json!("한글"), json!({})] {
        let mut guest = yard.guest();
        let step = guest.says(&json!({"cmd": 100, "cid": cid, "bdy": {"auth": "READ"}}).to_string()).await;
        assert!(matches!(step, Step::End(_, "Bye")), "{cid}");
        assert_eq!(guest.hears(10100).await["retCode"], 105);
    }
}

#[tokio::test]
async fn nothing_but_connect_before_connect() {
    let yard = Yard::new().await;
    let mut guest = yard.guest();
    let sent = answer(&mut guest, &line("demo", "x", false).to_string()).await;
    assert_eq!((&sent["cmd"], &sent["retCode"], &sent["bdy"]), (&json!(13101), &json!(409), &json!({})));
    let recent = answer(&mut guest, r#"{"cmd":5101,"cid":"demo"}"#).await;
    assert_eq!((&recent["cmd"], &recent["retCode"]), (&json!(15101), &json!(409)));
    assert_eq!(recent["bdy"]["messageList"], json!([]), "clients read into it unguarded");
}

#[tokio::test]
async fn another_channels_cid_is_refused() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let mut other = yard.reader("other").await;
    let refused = answer(&mut anna, &line("other", "x", false).to_string()).await;
    assert_eq!((&refused["retCode"], &refused["cid"]), (&json!(105), &json!("other")));
    let mut without = line("demo", "x", false);
    without.as_object_mut().unwrap().remove("cid");
    assert_eq!(answer(&mut anna, &without.to_string()).await["retCode"], 105);
    other.hears_nothing().await;
}

#[tokio::test]
async fn bad_lines_are_refused_with_their_reason() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let cases = [
        (r#"{"msgTypeCode":1}"#, 105),
        (r#"{"msg":1}"#, 105),
        (r#"{"msg":null}"#, 105),
        (r#"{"msg":"x","msgTypeCode":"1"}"#, 105),
        (r#"{"msg":"x","msgTypeCode":10}"#, 105),
        (r#"{"msg":"x","msgTime":"now"}"#, 105),
        (r#"{"msg":"x","extras":"not json"}"#, 105),
        (r#"{"msg":"x","extras":{}}"#, 105),
        (r#"{"msg":"x","extras":"[]"}"#, 105),
        (r#"{"msg":"\ud800"}"#, 105),
        (r#"{"msg":"\udc00\ud800"}"#, 105),
        (r#"{"msg":""}"#, 422),
        (r#"{"msg":" \u200b\u200d\ufeff\u3164 "}"#, 422),
    ];
    for (body, code) in cases {
        let message = format!(r#"{{"cmd":3101,"cid":"demo","tid":3,"bdy":{body}}}"#);
        let refused = answer(&mut anna, &message).await;
        assert_eq!((&refused["cmd"], &refused["retCode"]), (&json!(13101), &json!(code)), "{body}");
        assert_eq!((&refused["bdy"], &refused["tid"]), (&json!({}), &json!("3")));
        assert!(refused["retMsg"].as_str().unwrap().len() > 10, "{refused}");
    }
    for (text, code) in [("x".repeat(501), 413), ("가".repeat(667), 413), ("👩‍👩‍👧".repeat(112), 413)] {
        assert_eq!(answer(&mut anna, &line("demo", &text, false).to_string()).await["retCode"], code);
    }
    let extras = json!({"osType": "x".repeat(4_090)}).to_string();
    let large = json!({"cmd": 3101, "cid": "demo", "bdy": {"msg": "x", "extras": extras}}).to_string();
    assert_eq!(answer(&mut anna, &large).await["retCode"], 413);
    anna.hears_nothing().await;
}

#[tokio::test]
async fn a_line_nested_ten_thousand_deep_is_only_a_line() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    anna.says(&format!(r#"{{"cmd":3101,"cid":"demo","x":{deep},"bdy":{{"msg":"x"}}}}"#)).await;
    assert_eq!(anna.hears(13101).await["retCode"], 0);
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let nested = format!(r#"{{"cmd":3101,"cid":"demo","bdy":{{"msg":"x","extras":{}}}}}"#, json!(deep));
    anna.says(&nested).await;
    assert_eq!(anna.hears(13101).await["retCode"], 105);
    let emojis = format!(r#"{{"emojis":{}1{}}}"#, "{\"a\":".repeat(600), "}".repeat(600));
    anna.says(&json!({"cmd": 3101, "cid": "demo", "bdy": {"msg": "x", "extras": emojis}}).to_string()).await;
    assert_eq!(anna.hears(13101).await["retCode"], 105);
}

#[tokio::test]
async fn what_breaks_other_clients_is_not_passed_on() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    let mut message = line("demo", "x", false);
    message["bdy"]["extras"] = json!(
        json!({
            "chatType": "STREAMING", "osType": "TOASTER", "extraToken": "secret", "payAmount": 1000,
            "params": {"registerChatProfileJson": "{}"}, "streamingChannelId": "elsewhere", "emojis": null,
        })
        .to_string()
    );
    anna.says(&message.to_string()).await;
    let extras: Value = serde_json::from_str(anna.hears_lines(1).await[0]["extras"].as_str().unwrap()).unwrap();
    let channel = yard.node.channel(&madang::model::id::ChannelId::parse("demo").unwrap()).await.unwrap().id;
    assert_eq!(
        extras,
        json!({"chatType": "STREAMING", "osType": "PC", "streamingChannelId": channel.as_str(), "emojis": {}})
    );
}

#[tokio::test]
async fn a_hundred_sends_at_once_are_answered_one_by_one() {
    let yard = Yard::new().await;
    let mut anna = yard.writer("demo", "anna").await;
    for turn in 0..100 {
        let mut message = line("demo", &turn.to_string(), false);
        message["tid"] = json!(turn);
        anna.says(&message.to_string()).await;
    }
    let (mut answers, mut lines) = (Vec::new(), Vec::new());
    while answers.len() < 100 || lines.len() < 100 {
        let message = anna.hears_anything().await;
        match message["cmd"].as_u64() {
            Some(13101) => {
                assert_eq!(message["retCode"], 0);
                answers.push(message["tid"].as_str().unwrap().parse::<usize>().unwrap());
            }
            Some(93101) => lines.extend(message["bdy"].as_array().unwrap().iter().cloned()),
            other => panic!("{other:?}"),
        }
    }
    assert!(answers.is_sorted());
    let expected: Vec<String> = (0..100).map(|turn| turn.to_string()).collect();
    assert_eq!(texts(&lines), expected);
}

#[tokio::test]
async fn sends_beyond_those_that_may_wait_are_told_when_to_come_back() {
    let mut yard = Yard::new().await;
    yard.chat.sends_in_flight = 0;
    let mut anna = yard.writer("demo", "anna").await;
    let refused = anna.sends_and_hears("demo", "x").await;
    assert_eq!((&refused["retCode"], &refused["retryAfterMs"]), (&json!(503), &json!(100)));
}
