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

#[test]
fn the_channel_of_the_path_is_where_it_is_done() {
    let desk = Desk::new();
    let (old, other) = (desk.on_air("c"), desk.on_air("d"));
    let newest = desk.on_air("c");
    let staff = desk.login("king", "streamer");
    let penalize = |channel: &str, cid: Value| {
        let path = format!("/manage/v1/channels/{channel}/temporary-restrict-users");
        desk.asks(Some(&staff), "POST", &path, &json!({"targetId": "bad", "chatChannelId": cid}))
    };
    assert_eq!(penalize("c", json!(other)).0, 404, "it is another channel's");
    assert_eq!(penalize("c", json!("N2none")).0, 404);
    assert_eq!(penalize("c", json!("no cid")).0, 400);
    assert_eq!(penalize("c", json!(old)).0, 410, "it is over");
    for channel in ["c", "d"] {
        let (_, listed) = desk.gateway.site("GET", &format!("/v1/channels/{channel}/restrictions"), "");
        assert_eq!(listed["restrictions"], json!([]), "of {channel}");
    }
    assert_eq!([penalize("c", json!(newest)).0, penalize("d", Value::Null).0], [200, 200]);
}

#[test]
fn nothing_is_opened_for_whoever_is_not_logged_in() {
    let data = tempdir().unwrap();
    let desk = Desk { gateway: Gateway::dev(data.path()), _data: data };
    let before = desk.gateway.metric("madang_channels");
    for path in ["N2a/temporary-restrict-users", "N2b/restrict-users", "N2c/streaming-roles"] {
        let body = json!({"userRoleType": "streaming_chat_manager", "targetId": "bad", "chatChannelId": "N2b"});
        assert_eq!(desk.asks(None, "POST", &format!("/manage/v1/channels/{path}"), &body).0, 401, "{path}");
    }
    let setting = json!({"chatSlowModeSec": 5});
    assert_eq!(desk.asks(None, "PUT", "/manage/v1/channels/N2d/live-setting", &setting).0, 401);
    assert_eq!(desk.gateway.metric("madang_channels"), before);
}

#[test]
fn the_list_of_restricted_users_is_for_staff_and_paced_like_an_act() {
    let desk = Desk::new();
    desk.on_air("c");
    let (staff, viewer) = (desk.login("king", "streamer"), desk.login("somebody", "common_user"));
    let users = "/manage/v1/channels/c/restrict-users";
    for uid in ["bad", "worse", "worst"] {
        assert_eq!(desk.asks(Some(&staff), "POST", users, &json!({"targetId": uid, "memo": "spam"})).0, 200);
    }
    let lists = |login: Option<&str>, query: &str| desk.asks(login, "GET", &format!("{users}?{query}"), &Value::Null);
    let (status, page) = lists(Some(&staff), "page=0&size=1&userNickname=wors");
    let content = &page["content"];
    assert_eq!((status, &content["totalCount"], &content["totalPages"]), (200, &json!(2), &json!(2)), "{page}");
    assert_eq!((&content["data"][0]["userIdHash"], &content["data"][1]), (&json!("worst"), &Value::Null));
    assert_eq!([lists(None, "").0, lists(Some(&viewer), "").0], [401, 403]);
    let paced = (0..300).map(|_| lists(Some(&staff), "").0).find(|status| *status != 200);
    assert_eq!(paced, Some(429));
}

#[test]
fn what_is_known_of_a_user_is_for_staff() {
    let desk = Desk::new();
    desk.on_air("c");
    let (staff, viewer) = (desk.login("king", "streamer"), desk.login("somebody", "common_user"));
    let line = json!({"text": "hi", "user": {"uid": "bad", "nickname": "bad"}});
    assert_eq!(desk.gateway.site("POST", "/v1/channels/c/messages", &line.to_string()).0, 201);
    let counts = |login: Option<&str>| {
        let path = "/manage/v1/channels/c/users/bad/chat-activity-count";
        let (status, answer) = desk.asks(login, "GET", path, &Value::Null);
        let content = &answer["content"];
        (
            status,
            ["chatMessageCount", "restrict", "restrictCount", "temporaryRestrict", "temporaryRestrictCount"]
                .map(|name| content[name].clone()),
        )
    };
    assert_eq!(counts(Some(&staff)), (200, [json!(1), json!(false), json!(0), json!(false), json!(0)]));
    for path in ["temporary-restrict-users", "restrict-users"] {
        let body = json!({"targetId": "bad"});
        assert_eq!(desk.asks(Some(&staff), "POST", &format!("/manage/v1/channels/c/{path}"), &body).0, 200);
    }
    assert_eq!(counts(Some(&staff)).1[1..3], [json!(true), json!(1)]);
    assert_eq!([counts(None).0, counts(Some(&viewer)).0], [401, 403]);
}

#[test]
fn a_channel_has_its_staff_and_its_rules_before_its_first_broadcast() {
    let desk = Desk::new();
    desk.gateway.site("POST", "/v1/channels", r#"{"channelId":"c","name":"n"}"#);
    let does =
        |what: &str, body: Value| desk.gateway.site("POST", &format!("/v1/channels/c/{what}"), &body.to_string());
    assert_eq!(does("filter", json!({"filter": {"words": [{"word": "나쁜말"}]}})).0, 200);
    assert_eq!(does("users/mod/role", json!({"role": "streaming_chat_manager"})).0, 200);
    assert_eq!(does("users/bad/block", json!({"days": 7})).0, 200);
    assert_eq!(does("modes", json!({"slowSeconds": 30})).0, 200);
    assert_eq!(does("notice", json!({"text": "hello"})).0, 409, "there is nothing to pin it in");
    assert_eq!(does("broadcasts", json!({"title": "t"})).0, 201);
    let says = |uid: &str, text: &str| does("messages", json!({"text": text, "user": {"uid": uid, "nickname": uid}}));
    assert_eq!([says("u", "나쁜말").0, says("u", "hi").0, says("u", "again").0], [422, 201, 429]);
    assert_eq!([says("bad", "hi").0, says("mod", "나쁜말").0, says("mod", "again").0], [403, 201, 201]);
}
