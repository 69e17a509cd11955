//! `/v1` as a site's backend uses it, through the real program.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;

use jsonwebtoken::dangerous::insecure_decode;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::process::{Gateway, Raw, exchange};
use crate::support::yard::line;

/// A gateway with channel `c` on air, and the broadcast's `cid`.
fn on_air(gateway: &Gateway) -> String {
    gateway.site("POST", "/v1/channels", r#"{"channelId":"c","name":"Mina"}"#);
    let (status, broadcast) = gateway.site("POST", "/v1/channels/c/broadcasts", r#"{"title":"on"}"#);
    assert_eq!(status, 201, "{broadcast}");
    broadcast["cid"].as_str().unwrap().to_owned()
}

/// A request with any key and more headers.
fn with_key(gateway: &Gateway, key: &str, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> (u16, Value) {
    let headers = [&[("X-Api-Key", key), ("Content-Type", "application/json")], more].concat();
    let (status, answer) = gateway.admin_http(method, path, &headers, body);
    (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
}

fn reader(gateway: &Gateway, cid: &str) -> Raw {
    let mut raw = Raw::connect(&gateway.address, &[]);
    raw.text(&json!({"cmd": 100, "cid": cid, "bdy": {"auth": "READ"}}).to_string());
    assert_eq!(raw.hears(10100)["retCode"], 0);
    raw
}

#[test]
fn a_key_does_what_its_scopes_say_until_it_is_revoked() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    let (status, made) = gateway.site("POST", "/v1/keys", r#"{"name":"bot","scopes":["channels:read","keys:write"]}"#);
    assert_eq!((status, &made["name"], &made["scopes"]), (201, &json!("bot"), &json!(["channels:read", "keys:write"])));
    let (id, key) = (made["keyId"].as_str().unwrap(), made["key"].as_str().unwrap().to_owned());
    let ask =
        |gateway: &Gateway, method: &str, path: &str, body: &str| with_key(gateway, &key, method, path, &[], body);
    assert_eq!(ask(&gateway, "GET", "/v1/channels", "").0, 200);
    for (method, path, body, scope) in [
        ("POST", "/v1/channels", r#"{"name":"x"}"#, "channels:write"),
        ("POST", "/v1/channels/c/messages", r#"{"text":"x"}"#, "messages:write"),
        ("POST", "/v1/tokens", "{}", "tokens:write"),
        ("GET", "/v1/revocations", "", "revocations:read"),
        ("POST", "/v1/revocations", "{}", "revocations:write"),
        ("GET", "/v1/closes", "", "diagnostics:read"),
    ] {
        let (status, problem) = ask(&gateway, method, path, body);
        assert_eq!(status, 403, "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(scope), "{problem}");
    }
    let (status, problem) = ask(&gateway, "POST", "/v1/keys", r#"{"name":"more","scopes":["tokens:write"]}"#);
    assert_eq!(status, 403, "no key makes one that can more: {problem}");
    assert_eq!(ask(&gateway, "POST", "/v1/keys", r#"{"name":"less","scopes":["channels:read"]}"#).0, 201);
    for bad in
        [r#"{"name":"x","scopes":[]}"#, r#"{"name":"x","scopes":["all"]}"#, r#"{"name":"","scopes":["channels:read"]}"#]
    {
        assert_eq!(gateway.site("POST", "/v1/keys", bad).0, 400, "{bad}");
    }
    gateway.kill();

    let gateway = Gateway::start(data.path(), &[], &[]);
    assert_eq!(ask(&gateway, "GET", "/v1/channels", "").0, 200, "it holds after a restart");
    let (_, list) = gateway.site("GET", "/v1/keys", "");
    assert_eq!(list["keys"].as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains(&key) && list["keys"][0]["key"].is_null(), "a key is told once");
    let stored = std::fs::read(data.path().join("events.db-wal")).unwrap();
    let secret = key.rsplit('_').next().unwrap();
    assert!(!stored.windows(secret.len()).any(|window| window == secret.as_bytes()), "only its digest is stored");
    assert_eq!(gateway.site("DELETE", &format!("/v1/keys/{id}"), "").0, 204);
    assert_eq!(ask(&gateway, "GET", "/v1/channels", "").0, 403);
    assert_eq!(gateway.site("DELETE", &format!("/v1/keys/{id}"), "").0, 404);
    for wrong in ["", "madang", "madang_", "madang__", "madang_root_", &format!("madang_{id}_"), &key[..key.len() - 1]]
    {
        assert_eq!(with_key(&gateway, wrong, "GET", "/v1/channels", &[], "").0, 403, "{wrong:?}");
    }
}

#[test]
fn the_backend_speaks_as_the_site_and_as_anyone() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[("MADANG_SITE__NAME", "Seoul Live")]);
    let cid = on_air(&gateway);
    let mut reader = reader(&gateway, &cid);
    let send = |body: Value| gateway.site("POST", "/v1/channels/c/messages", &body.to_string());
    let (status, sent) = send(json!({"text": "welcome"}));
    assert_eq!((status, &sent["cid"]), (201, &json!(cid)));
    let heard = reader.hears(93101)["bdy"][0].clone();
    let profile: Value = serde_json::from_str(heard["profile"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&heard["msg"], &heard["uid"], &profile["nickname"]),
        (&json!("welcome"), &json!("site"), &json!("Seoul Live"))
    );
    assert_eq!(heard["msgTime"], sent["msgTime"]);
    let user = json!({"uid": "u7", "nickname": "Jun", "role": "streamer", "profile": {"verified": true}});
    assert_eq!(send(json!({"text": "hi", "kind": "question", "user": user})).0, 201);
    let heard = reader.hears(93101)["bdy"][0].clone();
    let profile: Value = serde_json::from_str(heard["profile"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&heard["uid"], &profile["userRoleCode"], &profile["verifiedMark"]),
        (&json!("u7"), &json!("streamer"), &json!(true))
    );
    for (body, expected) in [
        (json!({"text": " "}), 422),
        (json!({"text": "x".repeat(501)}), 422),
        (json!({"text": "x", "user": {"uid": "a b", "nickname": "n"}}), 400),
        (json!({"text": "x", "user": {"uid": "u", "nickname": ""}}), 422),
        (json!({"text": "x", "user": {"uid": "u", "nickname": "n", "role": "god"}}), 422),
        (json!({"text": "x", "kind": "donation"}), 422),
        (json!({"message": "x"}), 422),
    ] {
        let (status, problem) = send(body.clone());
        assert_eq!((status, &problem["status"]), (expected, &json!(expected)), "{body}: {problem}");
    }
    gateway.site("POST", &format!("/v1/channels/c/broadcasts/{cid}/close"), "");
    assert_eq!(send(json!({"text": "too late"})).0, 409);
    assert_eq!(gateway.site("POST", "/v1/channels/none/messages", r#"{"text":"x"}"#).0, 404);
}

#[test]
fn a_line_of_the_backend_says_what_the_site_knows_of_its_author() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    on_air(&gateway);
    let post = |path: &str, body: Value| gateway.site("POST", &format!("/v1/channels/c/{path}"), &body.to_string());
    assert_eq!(post("modes", json!({"group": "FOLLOWER", "followMinutes": 10, "realName": true})).0, 200);
    let says = |uid: &str, known: Value| {
        let mut user = json!({"uid": uid, "nickname": uid});
        user.as_object_mut().unwrap().extend(known.as_object().unwrap().clone());
        post("messages", json!({"text": "hi", "user": user})).0
    };
    assert_eq!(says("stranger", json!({"realName": true})), 403);
    assert_eq!(says("nobody", json!({"followingSince": 1_600_000_000})), 403);
    assert_eq!(says("fan", json!({"followingSince": 1_600_000_000, "realName": true})), 201);
}

#[test]
fn a_token_of_the_backend_joins_and_is_revoked() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    let cid = on_air(&gateway);
    let body =
        json!({"user": {"uid": "u1", "nickname": "Mina"}, "roles": {"c": "streaming_chat_manager"}, "ttlSeconds": 60});
    let (status, made) = gateway.site("POST", "/v1/tokens", &body.to_string());
    assert_eq!(status, 201, "{made}");
    let claims = insecure_decode::<Value>(made["token"].as_str().unwrap()).unwrap().claims;
    assert_eq!(made["issuedAt"], claims["iat"].as_i64().unwrap() * 1_000);
    assert_eq!(made["expiresAt"], claims["exp"].as_i64().unwrap() * 1_000);
    assert_eq!(made["expiresAt"].as_i64().unwrap() - made["issuedAt"].as_i64().unwrap(), 60_000);
    let mut raw = Raw::connect(&gateway.address, &[]);
    raw.text(&json!({"cmd": 100, "cid": cid, "bdy": {"auth": "SEND", "accTkn": made["token"]}}).to_string());
    assert_eq!(raw.hears(10100)["bdy"]["auth"], "SEND");
    raw.text(&line(&cid, "hello", false).to_string());
    assert_eq!(raw.hears(13101)["retCode"], 0);
    let (status, revoked) = gateway.site("POST", "/v1/revocations", &json!({"tokenId": made["tokenId"]}).to_string());
    assert_eq!((status, &revoked["tokenId"]), (201, &made["tokenId"]));
    raw.text(&line(&cid, "gone", false).to_string());
    assert_eq!(raw.hears(13101)["retCode"], 401);
    assert_eq!(gateway.site("POST", "/v1/revocations", r#"{"uid":"u1"}"#).0, 201);
    let (_, first) = gateway.site("GET", "/v1/revocations?limit=1", "");
    assert_eq!(first["revocations"][0]["uid"], "u1", "newest first");
    let (_, rest) =
        gateway.site("GET", &format!("/v1/revocations?cursor={}", first["nextCursor"].as_str().unwrap()), "");
    assert_eq!(rest["revocations"][0], revoked);
    for bad in ["{}", r#"{"uid":"u","tokenId":"t"}"#, r#"{"uid":"a b"}"#, r#"{"tokenId":""}"#] {
        assert_eq!(gateway.site("POST", "/v1/revocations", bad).0, 400, "{bad}");
    }
    for ttl in [0, 34_560_001] {
        let body = json!({"user": {"uid": "u", "nickname": "n"}, "ttlSeconds": ttl});
        assert_eq!(gateway.site("POST", "/v1/tokens", &body.to_string()).0, 400);
    }
}

#[test]
fn a_request_that_comes_twice_is_carried_out_once() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    let cid = on_air(&gateway);
    let key = std::fs::read_to_string(data.path().join("api-key")).unwrap();
    let send = |gateway: &Gateway, request: &str, body: &str| {
        with_key(gateway, &key, "POST", "/v1/channels/c/messages", &[("Idempotency-Key", request)], body)
    };
    let first = send(&gateway, "r1", r#"{"text":"once"}"#);
    assert_eq!(first.0, 201);
    assert_eq!(send(&gateway, "r1", r#"{"text":"once"}"#), first);
    assert_eq!(send(&gateway, "r1", r#"{"text":"something else"}"#).0, 422);
    assert_eq!(send(&gateway, "", r#"{"text":"x"}"#).0, 400);
    assert_eq!(send(&gateway, &"k".repeat(129), r#"{"text":"x"}"#).0, 400);
    let same: Vec<_> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..8).map(|_| scope.spawn(|| send(&gateway, "r2", r#"{"text":"at once"}"#))).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    assert!(same.iter().all(|answer| answer == &same[0] && answer.0 == 201), "{same:?}");
    let broadcast = |request: &str| {
        let path = "/v1/channels/c/broadcasts";
        with_key(&gateway, &key, "POST", path, &[("Idempotency-Key", request)], r#"{"title":"two"}"#)
    };
    assert_eq!(broadcast("b1"), broadcast("b1"), "one broadcast, one cid");
    assert_eq!(gateway.site("GET", "/v1/channels/c/broadcasts", "").1["broadcasts"].as_array().unwrap().len(), 2);
    let third = send(&gateway, "r3", r#"{"text":"before the restart"}"#);
    gateway.kill();

    let gateway = Gateway::start(data.path(), &[], &[]);
    assert_eq!(send(&gateway, "r3", r#"{"text":"before the restart"}"#), third, "a line is known again by its event");
    let (_, list) = gateway.site("GET", "/v1/channels/c/broadcasts", "");
    let now = list["broadcasts"][0]["cid"].as_str().unwrap();
    assert_ne!(now, cid);
    let mut reader = reader(&gateway, now);
    reader.text(&json!({"cmd": 5101, "cid": now, "bdy": {"recentMessageCount": 50}}).to_string());
    let lines = reader.hears(15101)["bdy"]["messageList"].clone();
    let texts: Vec<&str> = lines.as_array().unwrap().iter().map(|line| line["content"].as_str().unwrap()).collect();
    assert_eq!(texts, ["before the restart"]);
}

#[test]
fn who_hangs_up_before_the_answer_and_asks_again_hears_how_it_ended() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    gateway.site("POST", "/v1/channels", r#"{"channelId":"c","name":"n"}"#);
    let key = std::fs::read_to_string(data.path().join("api-key")).unwrap();
    let body = r#"{"title":"once"}"#;
    for request in 0..20 {
        let mut hasty = TcpStream::connect(&gateway.admin).unwrap();
        let head = format!(
            "POST /v1/channels/c/broadcasts HTTP/1.1\r\nHost: x\r\nX-Api-Key: {key}\r\nIdempotency-Key: r{request}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        hasty.write_all(head.as_bytes()).unwrap();
        drop(hasty);
        let request = format!("r{request}");
        let more = [("Idempotency-Key", request.as_str())];
        assert_eq!(with_key(&gateway, &key, "POST", "/v1/channels/c/broadcasts", &more, body).0, 201);
    }
    let (_, list) = gateway.site("GET", "/v1/channels/c/broadcasts", "");
    assert_eq!(list["broadcasts"].as_array().unwrap().len(), 20);
}

#[test]
fn the_api_describes_itself() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    let (head, body) = exchange(&gateway.admin, "GET", "/v1/openapi.json", &[], "");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/json"), "{head}");
    let document: Value = serde_json::from_str(&body).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            described.insert(format!("{} {path}", method.to_uppercase()));
            assert!(
                operation["summary"].as_str().is_some_and(|text| text.len() > 5),
                "{method} {path} says what it does"
            );
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.contains_key("default") && answers.len() == 2, "{method} {path}: success and failure");
        }
    }
    let expected = [
        "DELETE /v1/keys/{key}",
        "GET /v1/acts",
        "GET /v1/channels",
        "GET /v1/channels/{channel}",
        "GET /v1/channels/{channel}/acts",
        "GET /v1/channels/{channel}/broadcasts",
        "GET /v1/channels/{channel}/broadcasts/{cid}",
        "GET /v1/channels/{channel}/filter",
        "GET /v1/channels/{channel}/filter/words",
        "GET /v1/channels/{channel}/members",
        "GET /v1/channels/{channel}/messages",
        "GET /v1/channels/{channel}/messages/{seq}",
        "GET /v1/channels/{channel}/modes",
        "GET /v1/channels/{channel}/notice",
        "GET /v1/channels/{channel}/own-lines",
        "GET /v1/channels/{channel}/questions",
        "GET /v1/channels/{channel}/questions/export",
        "GET /v1/channels/{channel}/questions/{seq}",
        "GET /v1/channels/{channel}/restrictions",
        "GET /v1/channels/{channel}/roles",
        "GET /v1/closes",
        "GET /v1/filter",
        "GET /v1/filter/words",
        "GET /v1/keys",
        "GET /v1/revocations",
        "POST /v1/acts/{seq}/undo",
        "POST /v1/channels",
        "POST /v1/channels/{channel}/acts/{seq}/undo",
        "POST /v1/channels/{channel}/broadcasts",
        "POST /v1/channels/{channel}/broadcasts/{cid}/close",
        "POST /v1/channels/{channel}/close",
        "POST /v1/channels/{channel}/donations",
        "POST /v1/channels/{channel}/events",
        "POST /v1/channels/{channel}/filter",
        "POST /v1/channels/{channel}/filter/try",
        "POST /v1/channels/{channel}/gifts",
        "POST /v1/channels/{channel}/messages",
        "POST /v1/channels/{channel}/messages/{seq}/hide",
        "POST /v1/channels/{channel}/messages/{seq}/show",
        "POST /v1/channels/{channel}/modes",
        "POST /v1/channels/{channel}/notice",
        "POST /v1/channels/{channel}/notice/unpin",
        "POST /v1/channels/{channel}/own-lines",
        "POST /v1/channels/{channel}/panic",
        "POST /v1/channels/{channel}/panic/end",
        "POST /v1/channels/{channel}/questions/{seq}/status",
        "POST /v1/channels/{channel}/questions/{seq}/votes",
        "POST /v1/channels/{channel}/subscriptions",
        "POST /v1/channels/{channel}/sweep",
        "POST /v1/channels/{channel}/system-lines",
        "POST /v1/channels/{channel}/users/{uid}/block",
        "POST /v1/channels/{channel}/users/{uid}/erase",
        "POST /v1/channels/{channel}/users/{uid}/hide",
        "POST /v1/channels/{channel}/users/{uid}/kick",
        "POST /v1/channels/{channel}/users/{uid}/lift",
        "POST /v1/channels/{channel}/users/{uid}/penalize",
        "POST /v1/channels/{channel}/users/{uid}/role",
        "POST /v1/channels/{channel}/users/{uid}/show",
        "POST /v1/filter",
        "POST /v1/guest-tickets",
        "POST /v1/keys",
        "POST /v1/revocations",
        "POST /v1/tokens",
    ];
    assert_eq!(described.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    let text = document.to_string();
    let references = text.split("\"#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap());
    for name in references {
        assert!(document["components"]["schemas"].get(name).is_some(), "{name} is referred to and not there");
    }
    assert_eq!(document["components"]["securitySchemes"]["apiKey"]["scheme"], "bearer");
}
