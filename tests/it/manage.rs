//! What staff do over Chzzk's own paths, through the real program.

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::support::process::Gateway;

/// A gateway with channels that are on air, and what staff call.
struct Desk {
    gateway: Gateway,
    _data: TempDir,
}

impl Desk {
    fn new() -> Self {
        let data = tempdir().unwrap();
        Self { gateway: Gateway::start(data.path(), &[], &[]), _data: data }
    }

    /// A broadcast in this channel.
    fn on_air(&self, channel: &str) -> String {
        self.gateway.site("POST", "/v1/channels", &json!({"channelId": channel, "name": "n"}).to_string());
        let path = format!("/v1/channels/{channel}/broadcasts");
        self.gateway.site("POST", &path, r#"{"title":"t"}"#).1["cid"].as_str().unwrap().to_owned()
    }

    /// A login of this user, who has this role everywhere.
    fn login(&self, uid: &str, role: &str) -> String {
        let user = json!({"user": {"uid": uid, "nickname": uid, "role": role}});
        self.gateway.site("POST", "/v1/tokens", &user.to_string()).1["token"].as_str().unwrap().to_owned()
    }

    fn asks(&self, login: Option<&str>, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let bearer = login.map(|login| format!("Bearer {login}"));
        let bearer = bearer.as_ref().map(|bearer| ("Authorization", bearer.as_str()));
        let headers: Vec<_> = bearer.into_iter().chain([("Content-Type", "application/json")]).collect();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = self.gateway.http(method, path, &headers, &body);
        (status, serde_json::from_str(&answer).unwrap())
    }
}

#[test]
fn panic_stays_out_of_what_is_set() {
    let desk = Desk::new();
    desk.on_air("c");
    let staff = desk.login("king", "streamer");
    let path = "/manage/v1/channels/c/live-setting";
    let (status, set) = desk.asks(Some(&staff), "PUT", path, &json!({"chatSlowModeSec": 5}));
    assert_eq!((status, &set["content"]["chatSlowModeSec"]), (200, &json!(5)), "{set}");
    assert_eq!(desk.gateway.site("POST", "/v1/channels/c/panic", r#"{"seconds":600}"#).0, 200);
    let (_, read) = desk.asks(None, "GET", path, &Value::Null);
    let (_, written) = desk.asks(Some(&staff), "PUT", path, &read["content"]);
    for answer in [&read, &written] {
        let content = &answer["content"];
        assert_eq!((&content["chatSlowModeSec"], &content["chatAvailableGroup"]), (&json!(5), &json!("ALL")));
    }
    let now = &desk.gateway.json("/polling/v2/channels/c/live-status")["content"];
    assert_eq!((&now["chatSlowModeSec"], &now["chatAvailableGroup"]), (&json!(30), &json!("FOLLOWER")), "it holds");
    assert_eq!(desk.gateway.site("POST", "/v1/channels/c/panic/end", "").0, 200);
    let now = &desk.gateway.json("/polling/v2/channels/c/live-status")["content"];
    assert_eq!((&now["chatSlowModeSec"], &now["chatAvailableGroup"]), (&json!(5), &json!("ALL")), "and is over");
}
