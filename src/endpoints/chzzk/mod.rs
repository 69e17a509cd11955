//! Chzzk-shaped HTTP around the chat: what published clients call before and while they are connected, and to moderate.
//!
//! HTTP 200 with the wrapper `{code, message, content}` whatever happens, since clients read the wrapper and not the
//! status; bodies of GET requests are ignored, because one client sends them (facts, 4.1).

mod guests;
mod live;
mod login;
mod manage;
mod moderate;
mod words;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::routing::{delete, get, patch, post, put};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::id::{AddressHash, ChannelId, Cid, UserId};
use crate::model::palette::{COLORS, Color};
use crate::model::refusal::Refusal;
use crate::node::{Node, Restriction, StationError};
use crate::proto::profile::ProfileJson;

/// The Chzzk-shaped paths before a node.
pub struct Chzzk {
    node: Arc<Node>,
}

impl Chzzk {
    /// The endpoint before this node.
    pub fn new(node: Arc<Node>) -> Arc<Self> {
        Arc::new(Self { node })
    }

    /// Its paths.
    pub fn router(self: &Arc<Self>) -> Router {
        let mut router = Router::new()
            .route("/nng_main/v1/chats/access-token", get(access_token))
            .route("/nng_main/v1/user/getUserStatus", get(user_status))
            .route(
                "/guests",
                get(guests::asked).post(guests::welcome).layer(DefaultBodyLimit::max(guests::LARGEST_WISH)),
            )
            .route("/guests/challenge", get(guests::challenge))
            .route("/nng_main/v1/chats/{cid}/users/{uid}/profile-card", get(profile_card))
            .route("/nng_main/v1/chats/notices", post(moderate::pin).delete(moderate::unpin))
            .route("/nng_main/v1/chats/blind-message", post(moderate::blind))
            .route("/manage/v1/channels/{channel}/temporary-restrict-users", post(manage::penalize))
            .route("/manage/v1/channels/{channel}/restrict-users", get(manage::list).post(manage::restrict))
            .route(
                "/manage/v1/channels/{channel}/restrict-users/{user}",
                patch(manage::change_restriction).delete(manage::release),
            )
            .route("/manage/v1/channels/{channel}/restrict-users/{user}/validate", get(manage::may_restrict))
            .route("/manage/v1/channels/{channel}/users/{user}/chat-activity-count", get(manage::activity))
            .route("/manage/v1/channels/{channel}/live-setting", get(manage::setting).put(manage::change_setting))
            .route("/manage/v1/channels/{channel}/streaming-roles", post(manage::appoint))
            .route("/manage/v1/channels/{channel}/streaming-roles/{user}", delete(manage::dismiss))
            .route(
                "/manage/v1/channels/{channel}/chats/prohibit-words",
                get(words::list).post(words::add).delete(words::clear),
            )
            .route(
                "/manage/v1/channels/{channel}/chats/prohibit-words/{number}",
                put(words::edit).delete(words::remove),
            )
            .route("/routing/getRouting", get(routing));
        for version in ["v1", "v2"] {
            router = router.route(&format!("/service/{version}/nickname/color/codes"), get(color_codes));
        }
        for version in ["v2", "v3", "v3.1"] {
            router = router.route(&format!("/polling/{version}/channels/{{channel}}/live-status"), get(live_status));
        }
        for version in ["v2", "v3", "v3.1", "v3.2", "v3.3"] {
            router = router.route(&format!("/service/{version}/channels/{{channel}}/live-detail"), get(live_detail));
        }
        router.with_state(self.clone())
    }
}

#[derive(Serialize)]
struct Wrapped {
    code: u16,
    message: Option<String>,
    content: Option<Value>,
}

type Answer = Json<Wrapped>;

fn content(content: Value) -> Answer {
    Json(Wrapped { code: 200, message: None, content: Some(content) })
}

fn failure(code: u16, message: &str) -> Answer {
    Json(Wrapped { code, message: Some(message.to_owned()), content: None })
}

fn station_failure(error: &StationError) -> Answer {
    match error {
        StationError::NoChannel | StationError::NoBroadcast => failure(404, "no such channel"),
        StationError::Refused(refusal) => refused(refusal),
        // Those of the site's own API; nothing on these paths ends in one.
        StationError::NoKey
        | StationError::TooMany(_)
        | StationError::DoneBefore
        | StationError::OtherContent
        | StationError::Overtaken => failure(500, &error.to_string()),
    }
}

fn refused(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::UnknownChannel => failure(404, "no such chat channel"),
        Refusal::NoSuchLine => failure(404, &refusal.to_string()),
        Refusal::ChannelReadOnly => failure(423, &refusal.to_string()),
        Refusal::DiskFull => failure(507, &refusal.to_string()),
        Refusal::TextTooLong { .. } | Refusal::ItemTooLarge(_) => failure(413, &refusal.to_string()),
        Refusal::NotStaff
        | Refusal::NotStreamer
        | Refusal::Oneself
        | Refusal::NotInGroup { .. }
        | Refusal::EmojiOnly
        | Refusal::RealNameOnly
        | Refusal::Outranked
        | Refusal::NoGuests
        | Refusal::ProofNeeded(_)
        | Refusal::Restricted { .. } => failure(403, &refusal.to_string()),
        Refusal::BadRequest(_) => failure(400, &refusal.to_string()),
        Refusal::TooMany(_) | Refusal::NothingToUndo | Refusal::NicknameTaken(_) => failure(409, &refusal.to_string()),
        Refusal::TokenExpired | Refusal::TokenRevoked | Refusal::TokenRefused(_) => failure(401, &refusal.to_string()),
        Refusal::BroadcastEnded => failure(410, &refusal.to_string()),
        Refusal::EmptyText | Refusal::Filtered(_) => failure(422, &refusal.to_string()),
        Refusal::TooFast { .. } | Refusal::SlowMode { .. } | Refusal::NamesFull => failure(429, &refusal.to_string()),
        Refusal::Busy { .. } | Refusal::Draining => failure(503, &refusal.to_string()),
        other => failure(500, &other.to_string()),
    }
}

/// What is wrong with a login; that nobody can tell now is not the login's fault.
fn login_failure(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::Busy { .. } => failure(503, &refusal.to_string()),
        other => failure(401, &other.to_string()),
    }
}

async fn live_status(State(chzzk): State<Arc<Chzzk>>, Path(channel): Path<String>) -> Answer {
    let Some(channel) = ChannelId::parse(&channel) else { return failure(404, "no such channel") };
    match chzzk.node.channel(&channel).await {
        Ok(view) => content(live::status(&view)),
        Err(error) => station_failure(&error),
    }
}

async fn live_detail(State(chzzk): State<Arc<Chzzk>>, Path(channel): Path<String>) -> Answer {
    let Some(channel) = ChannelId::parse(&channel) else { return failure(404, "no such channel") };
    match chzzk.node.channel(&channel).await {
        Ok(view) => content(live::detail(&view)),
        Err(error) => station_failure(&error),
    }
}

#[derive(Deserialize)]
struct TokenQuery {
    #[serde(rename = "channelId")]
    cid: Option<String>,
}

/// Turns the site's own login into a chat access token for one broadcast.
async fn access_token(
    State(chzzk): State<Arc<Chzzk>>,
    Query(query): Query<TokenQuery>,
    address: Option<Extension<AddressHash>>,
    headers: HeaderMap,
) -> Answer {
    let Some(cid) = query.cid.as_deref().and_then(Cid::parse) else {
        return failure(400, "channelId is missing or can't be one");
    };
    let login = match login::of(&chzzk.node, &headers).await {
        Ok(login) => login,
        Err(refusal) => return login_failure(&refusal),
    };
    let address = address.map(|Extension(address)| address);
    let token = match chzzk.node.chat_token(login.as_ref(), &cid, address) {
        Ok(token) => token,
        Err(too_fast @ Refusal::TooFast { .. }) => return refused(&too_fast),
        Err(refusal) => return login_failure(&refusal),
    };
    let restriction = match &login {
        Some(principal) => chzzk.node.restriction(&cid, &principal.uid).await.ok().flatten(),
        None => None,
    };
    let penalty = restriction.filter(|restriction| restriction.penalty);
    let seconds = |penalty: &Restriction| penalty.until.map(|until| (until.0 - penalty.at.0) / 1_000);
    // `temporaryRestrict` is an object and `createdTime` a number or null, or chzzkpy fails (facts, 4.3).
    content(json!({
        "accessToken": token,
        "temporaryRestrict": {
            "temporaryRestrict": penalty.as_ref().is_some_and(|penalty| penalty.holds(chzzk.node.clock().now())),
            "times": penalty.as_ref().map_or(0, |penalty| penalty.times),
            "duration": penalty.as_ref().and_then(seconds),
            "createdTime": penalty.as_ref().map(|penalty| penalty.at.0),
        },
        "realNameAuth": false,
        "extraToken": "",
        "chatTime": null,
        "remainingChatTimeMs": null,
    }))
}

/// The table of nickname colours, in the form that published overlays read: for codes of this scope they look the colour up.
async fn color_codes() -> Answer {
    let color = |color: &Color| {
        json!({
            "code": color.code,
            "availableScope": "CHEATKEY",
            "lightRgbValue": color.light,
            "darkRgbValue": color.dark,
        })
    };
    content(json!({"codeList": COLORS.iter().map(color).collect::<Vec<_>>()}))
}

async fn user_status(State(chzzk): State<Arc<Chzzk>>, headers: HeaderMap) -> Answer {
    let principal = match login::of(&chzzk.node, &headers).await {
        Ok(principal) => principal,
        Err(refusal) => return login_failure(&refusal),
    };
    let profile = principal.as_ref().map(|principal| &principal.profile);
    // A date and a string where null would be natural: one client's types have no room for it (facts, 4.4).
    content(json!({
        "hasProfile": principal.is_some(),
        "userIdHash": principal.as_ref().map(|principal| principal.uid.as_str()),
        "nickname": profile.map(|profile| profile.nickname.as_str()),
        "profileImageUrl": profile.map_or("", |profile| profile.image_url.as_str()),
        "penalties": [],
        "officialNotiAgree": false,
        "officialNotiAgreeUpdatedDate": "2024-01-01T00:00:00.000+09",
        "verifiedMark": profile.is_some_and(|profile| profile.verified),
        "loggedIn": principal.is_some(),
    }))
}

async fn profile_card(State(chzzk): State<Arc<Chzzk>>, Path((cid, uid)): Path<(String, String)>) -> Answer {
    let (Some(cid), Some(uid)) = (Cid::parse(&cid), UserId::parse(&uid)) else {
        return failure(404, "no such user in this chat channel");
    };
    match chzzk.node.author(&cid, &uid).await {
        Ok(Some(author)) => match serde_json::to_value(ProfileJson::new(&author)) {
            Ok(profile) => content(profile),
            Err(_) => refused(&Refusal::Fault),
        },
        Ok(None) => failure(404, "no such user in this chat channel"),
        Err(refusal) => refused(&refusal),
    }
}

/// Where to connect: here. The only answer of this wire with `result` in place of `content` (facts, 4.5).
async fn routing(headers: HeaderMap) -> Json<Value> {
    let here = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    Json(json!({
        "code": 200,
        "message": "SUCCESS",
        "result": {"sessionServerList": [here], "proxyServerList": [], "expireTime": 86_400},
    }))
}
