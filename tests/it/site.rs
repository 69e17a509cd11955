//! The site's API and the Chzzk-shaped paths, through the real program.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::process::{Gateway, run};

#[test]
fn a_channel_is_opened_listed_read_and_closed() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    let (status, made) = gateway.site("POST", "/v1/channels", r#"{"channelId":"c0ffee","name":"Café 마당"}"#);
    assert_eq!((status, &made["channelId"], &made["broadcast"]), (201, &json!("c0ffee"), &Value::Null));
    let (status, first) = gateway.site("POST", "/v1/channels/c0ffee/broadcasts", r#"{"title":"one"}"#);
    assert_eq!((status, &first["status"]), (201, &json!("open")));
    assert_eq!(first["cid"].as_str().unwrap().len(), 6);
    let (_, second) = gateway.site("POST", "/v1/channels/c0ffee/broadcasts", r#"{"title":"two"}"#);
    let (_, list) = gateway.site("GET", "/v1/channels/c0ffee/broadcasts", "");
    let statuses: Vec<&Value> = list["broadcasts"].as_array().unwrap().iter().map(|b| &b["status"]).collect();
    assert_eq!(statuses, ["open", "closed"], "newest first; a second one closes the first");
    let cid = second["cid"].as_str().unwrap();
    let (status, read) = gateway.site("GET", &format!("/v1/channels/c0ffee/broadcasts/{cid}"), "");
    assert_eq!((status, &read), (200, &second));

    let live = gateway.json("/polling/v2/channels/c0ffee/live-status")["content"].clone();
    assert_eq!(
        (&live["status"], &live["chatChannelId"], &live["liveTitle"]),
        (&json!("OPEN"), &json!(cid), &json!("two"))
    );

    let (_, closed) = gateway.site("POST", &format!("/v1/channels/c0ffee/broadcasts/{cid}/close"), "");
    assert_eq!(closed["status"], "closed");
    let live = gateway.json("/polling/v3.1/channels/c0ffee/live-status")["content"].clone();
    assert_eq!((&live["status"], &live["chatChannelId"]), (&json!("CLOSE"), &Value::Null));

    gateway.site("POST", "/v1/channels/c0ffee/broadcasts", r#"{"title":"three"}"#);
    let (_, gone) = gateway.site("POST", "/v1/channels/c0ffee/close", "");
    assert_eq!((&gone["open"], &gone["broadcast"]), (&json!(false), &Value::Null));
    let (status, problem) = gateway.site("POST", "/v1/channels/c0ffee/broadcasts", r#"{"title":"four"}"#);
    assert_eq!((status, &problem["status"]), (404, &json!(404)));
    assert_eq!(gateway.site("GET", "/v1/channels", "").1["channels"], json!([]));
}

#[test]
fn channels_are_listed_page_by_page_and_survive_a_restart() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    for turn in 0..5 {
        gateway.site("POST", "/v1/channels", &json!({"channelId": format!("c{turn}"), "name": "n"}).to_string());
    }
    let (_, broadcast) = gateway.site("POST", "/v1/channels/c3/broadcasts", r#"{"title":"on"}"#);
    gateway.kill();
    let gateway = Gateway::start(data.path(), &[], &[]);
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = gateway.site("GET", &format!("/v1/channels?limit=2{cursor}"), "");
        ids.extend(page["channels"].as_array().unwrap().iter().map(|c| c["channelId"].as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(ids, ["c0", "c1", "c2", "c3", "c4"]);
    assert_eq!(gateway.site("GET", "/v1/channels/c3", "").1["broadcast"], broadcast);
}

#[test]
fn errors_are_problem_documents() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    let (status, body) = gateway.admin_http("GET", "/v1/channels", &[], "");
    assert_eq!(status, 401);
    assert!(body.contains("Authorization: Bearer"), "{body}");
    let (status, _) =
        gateway.admin_http("GET", "/v1/channels", &[("X-Api-Key", "0123456789abcdef0123456789abcdef")], "");
    assert_eq!(status, 403);
    let cases = [
        ("POST", "/v1/channels", "nonsense", 400),
        ("POST", "/v1/channels", r#"{"name":7}"#, 422),
        ("POST", "/v1/channels", r#"{"name":"x","colour":"red"}"#, 422),
        ("POST", "/v1/channels", r#"{"name":" "}"#, 400),
        ("POST", "/v1/channels", r#"{"name":"x","channelId":"a b"}"#, 400),
        ("GET", "/v1/channels/none", "", 404),
        ("GET", "/v1/channels/none/broadcasts/N2none", "", 404),
        ("POST", "/v1/channels/none/broadcasts", r#"{"title":"x"}"#, 404),
        ("GET", "/v1/nowhere", "", 404),
        ("DELETE", "/v1/channels", "", 405),
        ("GET", "/v1/channels?limit=many", "", 400),
    ];
    for (method, path, body, expected) in cases {
        let (status, problem) = gateway.site(method, path, body);
        assert_eq!((status, &problem["status"]), (expected, &json!(expected)), "{method} {path} {body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().len() > 5);
    }
    let (status, _) = gateway.site("POST", "/v1/channels", &format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000)));
    assert_eq!(status, 413);
}

#[test]
fn chzzk_paths_answer_in_the_wrapper_whatever_happens() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    for version in ["v2", "v3", "v3.1"] {
        let answer = gateway.json(&format!("/polling/{version}/channels/none/live-status"));
        assert_eq!((&answer["code"], &answer["content"]), (&json!(404), &Value::Null));
    }
    gateway.site("POST", "/v1/channels", r#"{"channelId":"c","name":"n"}"#);
    gateway.site("POST", "/v1/channels/c/broadcasts", r#"{"title":"t"}"#);
    for version in ["v2", "v3", "v3.1", "v3.2", "v3.3"] {
        let detail = gateway.json(&format!("/service/{version}/channels/c/live-detail"))["content"].clone();
        assert_eq!((&detail["status"], &detail["channel"]["channelName"]), (&json!("OPEN"), &json!("n")));
    }
    let routing = gateway.json("/routing/getRouting?serviceId=game");
    assert_eq!(routing["result"]["sessionServerList"], json!([gateway.address]));
    let anonymous = gateway.json("/nng_main/v1/user/getUserStatus")["content"].clone();
    assert_eq!((&anonymous["loggedIn"], &anonymous["userIdHash"]), (&json!(false), &Value::Null));
    let (status, body) = gateway.http("GET", "/nng_main/v1/chats/access-token?channelId=c", &[], "{\"a\":1}");
    assert_eq!(status, 200, "a GET with a body: {body}");
    let answer = gateway.json("/nng_main/v1/chats/access-token");
    assert_eq!(answer["code"], 400);
}

#[test]
fn a_channel_that_opened_itself_keeps_its_name_across_a_restart() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let channel = gateway.json("/polling/v2/channels/demo/live-status")["content"]["channelId"].clone();
    gateway.kill();
    let gateway = Gateway::dev(data.path());
    let path = format!("/polling/v2/channels/{}/live-status", channel.as_str().unwrap());
    assert_eq!(gateway.json(&path)["content"]["chatChannelId"], "demo");
}

#[test]
fn the_sites_login_becomes_a_chat_access_token() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[]);
    let folder = data.path().to_str().unwrap();
    let minted =
        run(&["token", "--uid", "u1", "--nickname", "Mina", "--role", "streamer", "--data", folder, "--channel", "c"]);
    let login = String::from_utf8(minted.stdout).unwrap();
    let cookie = format!("NID_AUT=x; NID_SES={}", login.trim());
    let (_, body) = gateway.http("GET", "/nng_main/v1/user/getUserStatus", &[("Cookie", &cookie)], "");
    let user: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&user["content"]["userIdHash"], &user["content"]["nickname"]), (&json!("u1"), &json!("Mina")));
    let broadcast_of = |channel: &str| {
        gateway.site("POST", "/v1/channels", &json!({"channelId": channel, "name": "n"}).to_string());
        let path = format!("/v1/channels/{channel}/broadcasts");
        gateway.site("POST", &path, r#"{"title":"t"}"#).1["cid"].as_str().unwrap().to_owned()
    };
    let access_token = |cid: &str| {
        let path = format!("/nng_main/v1/chats/access-token?channelId={cid}");
        let (_, body) = gateway.http("GET", &path, &[("Cookie", &cookie)], "");
        serde_json::from_str::<Value>(&body).unwrap()
    };
    let token = access_token(&broadcast_of("c"));
    assert_eq!(token["content"]["accessToken"].as_str().unwrap().split('.').count(), 3);
    let elsewhere = access_token(&broadcast_of("d"));
    assert_eq!((&elsewhere["code"], &elsewhere["content"]), (&json!(401), &Value::Null), "a login of one channel");
    assert_eq!(access_token("N2none")["code"], 401);
    let bearer = [("Authorization", "Bearer nonsense")];
    let (_, body) = gateway.http("GET", "/nng_main/v1/user/getUserStatus", &bearer, "");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["code"], 401);
    let (_, body) =
        gateway.http("GET", "/nng_main/v1/user/getUserStatus", &[("Cookie", "NID_SES=from-another-site")], "");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["content"]["loggedIn"], false);
}
