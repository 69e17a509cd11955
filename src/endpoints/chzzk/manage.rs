//! What staff do to users over Chzzk's own HTTP (facts, 4.1, rows 9 and 10), by their login.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::model::act::{Asked, USUAL_PENALTY_SECONDS, Wish};
use crate::model::id::{ChannelId, Cid, UserId};
use crate::model::mode::ModeChange;
use crate::model::principal::{Principal, Role};
use crate::node::Restriction;
use crate::proto::request::acts::{ModeWords, asked, condition, days, given_role};

use super::live::{self, korean_date};
use super::moderate::{acts, channel_id, logged_in, with_status};
use super::{Chzzk, Wrapped, content, failure, refused, station_failure};

/// Days of a block when the request doesn't say.
const USUAL_DAYS: u32 = 7;

/// Entries in a page of restricted users when the request doesn't say, and at most.
const PAGE: usize = 50;

/// Whom, and for how long. One client says null for 'for good' and another leaves the days out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserBody {
    target_id: Option<String>,
    chat_channel_id: Option<String>,
    memo: Option<String>,
    #[serde(default, deserialize_with = "given")]
    restrict_days: Option<Option<u32>>,
    user_role_type: Option<String>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

type Read = Result<Json<UserBody>, JsonRejection>;

/// Where something is done: to which user of which channel, as the path says.
type Target = Path<(String, String)>;

/// Restricts a user for half a minute.
pub(super) async fn penalize(
    State(chzzk): State<Arc<Chzzk>>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Read,
) -> Response {
    let wish = |body: &UserBody| Ok(Wish::Penalize(target(body)?, USUAL_PENALTY_SECONDS));
    with_body(&chzzk, &channel, &headers, body, wish, partial).await
}

/// Whether a user may be restricted: one client asks before it does.
pub(super) async fn may_restrict(State(chzzk): State<Arc<Chzzk>>, headers: HeaderMap) -> Response {
    with_status(match logged_in(&chzzk, &headers).await {
        Ok(_) => Json(Wrapped { code: 200, message: Some("SUCCESS".to_owned()), content: None }),
        Err(answer) => answer,
    })
}

/// Restricts a user for days, or for good.
pub(super) async fn restrict(
    State(chzzk): State<Arc<Chzzk>>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Read,
) -> Response {
    let wish = |body: &UserBody| Ok(Wish::Block(target(body)?, block_days(body)?));
    with_body(&chzzk, &channel, &headers, body, wish, restricted).await
}

/// Restricts a user otherwise than before.
pub(super) async fn change_restriction(
    State(chzzk): State<Arc<Chzzk>>,
    Path((channel, user)): Target,
    headers: HeaderMap,
    body: Read,
) -> Response {
    let body = body.map(|Json(body)| Json(UserBody { target_id: Some(user), ..body }));
    let wish = |body: &UserBody| Ok(Wish::Block(target(body)?, block_days(body)?));
    with_body(&chzzk, &channel, &headers, body, wish, restricted).await
}

/// Lets a user send again.
pub(super) async fn release(
    State(chzzk): State<Arc<Chzzk>>,
    Path((channel, user)): Target,
    headers: HeaderMap,
) -> Response {
    with_body(&chzzk, &channel, &headers, only(user), |body| Ok(Wish::Lift(target(body)?)), nothing).await
}

/// Gives a role.
pub(super) async fn appoint(
    State(chzzk): State<Arc<Chzzk>>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Read,
) -> Response {
    let wish = |body: &UserBody| {
        let role = given_role(body.user_role_type.as_deref().unwrap_or_default())?;
        Ok(Wish::Appoint(target(body)?, role))
    };
    with_body(&chzzk, &channel, &headers, body, wish, partial).await
}

/// Takes a role.
pub(super) async fn dismiss(
    State(chzzk): State<Arc<Chzzk>>,
    Path((channel, user)): Target,
    headers: HeaderMap,
) -> Response {
    let wish = |body: &UserBody| Ok(Wish::Appoint(target(body)?, Role::Viewer));
    with_body(&chzzk, &channel, &headers, only(user), wish, nothing).await
}

/// What of the settings is about the chat; the rest is the site's own, and passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SettingBody {
    chat_available_group: Option<String>,
    chat_available_condition: Option<String>,
    min_follower_minute: Option<u32>,
    allow_subscriber_in_follower_mode: Option<bool>,
    chat_slow_mode_sec: Option<u32>,
    chat_emoji_mode: Option<bool>,
}

/// How the chat is run.
pub(super) async fn setting(State(chzzk): State<Arc<Chzzk>>, Path(channel): Path<String>) -> Response {
    let Some(channel) = ChannelId::parse(&channel) else { return with_status(failure(404, "no such channel")) };
    with_status(match chzzk.node.channel(&channel).await {
        Ok(view) => content(live::setting(&view)),
        Err(error) => station_failure(&error),
    })
}

/// Changes how the chat is run.
pub(super) async fn change_setting(
    State(chzzk): State<Arc<Chzzk>>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Result<Json<SettingBody>, JsonRejection>,
) -> Response {
    let Ok(Json(body)) = body else { return with_status(failure(400, "the body is not what this path takes")) };
    let asked = match wanted(&body).and_then(|change| asked(Wish::Run(change), String::new())) {
        Ok(asked) => asked,
        Err(why) => return with_status(failure(400, &why)),
    };
    let done = match place(&chzzk, &headers, (&channel, None)).await {
        Ok((principal, cid)) => acts(&chzzk, principal, &cid, asked).await,
        Err(answer) => answer,
    };
    if done.code != 200 {
        return with_status(done);
    }
    setting(State(chzzk), Path(channel)).await
}

fn wanted(body: &SettingBody) -> Result<ModeChange, String> {
    let words = ModeWords {
        slow_seconds: body.chat_slow_mode_sec,
        group: body.chat_available_group.as_deref(),
        follow_minutes: body.min_follower_minute,
        subscribers_too: body.allow_subscriber_in_follower_mode,
        emoji_only: body.chat_emoji_mode,
        real_name: body.chat_available_condition.as_deref().map(condition).transpose()?,
    };
    words.read()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListQuery {
    page: Option<usize>,
    size: Option<usize>,
    #[serde(default)]
    user_nickname: String,
}

/// Who may not send, a page at a time, for staff.
pub(super) async fn list(
    State(chzzk): State<Arc<Chzzk>>,
    Path(channel): Path<String>,
    Query(query): Query<ListQuery>,
    headers: HeaderMap,
) -> Response {
    let Some(channel) = ChannelId::parse(&channel) else { return with_status(failure(404, "no such channel")) };
    let principal = match logged_in(&chzzk, &headers).await {
        Ok(principal) => principal,
        Err(answer) => return with_status(answer),
    };
    let (page, size) = (query.page.unwrap_or(0), query.size.unwrap_or(PAGE).clamp(1, PAGE));
    let place = (page.saturating_mul(size), size);
    with_status(match chzzk.node.restrictions_for(&channel, principal, &query.user_nickname, place).await {
        Ok((all, found)) => {
            let data: Vec<Value> = found.iter().map(|(uid, restriction)| entry(uid, restriction)).collect();
            let pages = all.div_ceil(size);
            content(json!({"page": page, "size": size, "totalCount": all, "totalPages": pages, "data": data}))
        }
        Err(error) => station_failure(&error),
    })
}

/// What is remembered of a user: lines of this broadcast, and restrictions, as far back as they go.
pub(super) async fn activity(
    State(chzzk): State<Arc<Chzzk>>,
    Path((channel, user)): Target,
    headers: HeaderMap,
) -> Response {
    with_status(counted(&chzzk, &channel, &user, &headers).await.unwrap_or_else(|answer| answer))
}

async fn counted(
    chzzk: &Chzzk,
    channel: &str,
    user: &str,
    headers: &HeaderMap,
) -> Result<super::Answer, super::Answer> {
    let channel = channel_id(channel)?;
    let user = UserId::parse(user).ok_or_else(|| failure(404, "no such user"))?;
    let principal = logged_in(chzzk, headers).await?;
    let found = chzzk.node.activity_for(&channel, principal, &user).await;
    let (lines, restriction, now) = found.map_err(|error| station_failure(&error))?;
    let of = |penalty| restriction.iter().filter(move |last| last.penalty == penalty);
    Ok(content(json!({
        "chatMessageCount": lines,
        "restrict": of(false).any(|last| last.holds(now)),
        "restrictCount": of(false).count(),
        "temporaryRestrict": of(true).any(|last| last.holds(now)),
        "temporaryRestrictCount": restriction.as_ref().map_or(0, |last| last.times),
    })))
}

/// What a client is told of the user with whom something was done.
type Told = fn(&UserId, Option<&Restriction>, &str) -> Value;

async fn with_body(
    chzzk: &Chzzk,
    channel: &str,
    headers: &HeaderMap,
    body: Read,
    wish: impl FnOnce(&UserBody) -> Result<Wish, String>,
    told: Told,
) -> Response {
    let Ok(Json(body)) = body else { return with_status(failure(400, "the body is not what this path takes")) };
    let reason = body.memo.clone().unwrap_or_default();
    let read = wish(&body).and_then(|wish| asked(wish, reason)).and_then(|asked| Ok((asked, target(&body)?)));
    let (asked, user) = match read {
        Ok(read) => read,
        Err(why) => return with_status(failure(400, &why)),
    };
    with_status(carry_out(chzzk, (channel, body.chat_channel_id.as_deref()), headers, asked, (&user, told)).await)
}

async fn carry_out(
    chzzk: &Chzzk,
    named: (&str, Option<&str>),
    headers: &HeaderMap,
    asked: Asked,
    (user, told): (&UserId, Told),
) -> super::Answer {
    let (principal, cid) = match place(chzzk, headers, named).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let before = chzzk.node.author(&cid, user).await.ok().flatten();
    let done = acts(chzzk, principal, &cid, asked).await;
    if done.code != 200 {
        return done;
    }
    match chzzk.node.restriction(&cid, user).await {
        Ok(restriction) => {
            let nickname = before.as_ref().map_or(user.as_str(), |author| &author.profile.nickname);
            content(told(user, restriction.as_ref(), nickname))
        }
        Err(refusal) => refused(&refusal),
    }
}

/// Who asks, and for which broadcast of the channel that the path names: the one in the body, or the newest. Nothing is
/// loaded for whoever isn't logged in.
async fn place(
    chzzk: &Chzzk,
    headers: &HeaderMap,
    (channel, cid): (&str, Option<&str>),
) -> Result<(Principal, Cid), super::Answer> {
    let channel = channel_id(channel)?;
    let unreadable = || failure(400, "chatChannelId can't be one");
    let named = cid.map(|cid| Cid::parse(cid).ok_or_else(unreadable)).transpose()?;
    let principal = logged_in(chzzk, headers).await?;
    let view = chzzk.node.channel(&channel).await.map_err(|error| station_failure(&error))?;
    let found = match &named {
        Some(cid) => view.broadcasts.iter().find(|broadcast| broadcast.cid == *cid),
        None => view.broadcasts.last(),
    };
    let none = if named.is_some() { "this channel has no such broadcast" } else { "this channel has had no broadcast" };
    Ok((principal, found.ok_or_else(|| failure(404, none))?.cid.clone()))
}

fn only(user: String) -> Read {
    let (chat_channel_id, memo, restrict_days, user_role_type) = (None, None, None, None);
    Ok(Json(UserBody { target_id: Some(user), chat_channel_id, memo, restrict_days, user_role_type }))
}

fn target(body: &UserBody) -> Result<UserId, String> {
    let named = body.target_id.as_deref().and_then(UserId::parse);
    named.ok_or_else(|| "targetId is missing, or can't be a user".to_owned())
}

fn block_days(body: &UserBody) -> Result<Option<u32>, String> {
    body.restrict_days.unwrap_or(Some(USUAL_DAYS)).map(days).transpose()
}

fn nothing(_: &UserId, _: Option<&Restriction>, _: &str) -> Value {
    Value::Null
}

fn partial(user: &UserId, _: Option<&Restriction>, nickname: &str) -> Value {
    json!({"userIdHash": user.as_str(), "nickname": nickname, "profileImageUrl": null, "verifiedMark": false})
}

fn restricted(user: &UserId, restriction: Option<&Restriction>, nickname: &str) -> Value {
    restriction.map_or_else(|| partial(user, None, nickname), |restriction| entry(user, restriction))
}

/// As one client's types ask for it: a name for the number, dates of one form, a memo that is never null.
fn entry(user: &UserId, restriction: &Restriction) -> Value {
    json!({
        "userIdHash": user.as_str(),
        "nickname": restriction.nickname,
        "profileImageUrl": null,
        "verifiedMark": false,
        "seq": restriction.act.0,
        "executeNickname": restriction.by_nickname,
        "createdDate": korean_date(restriction.at),
        "releaseDate": restriction.until.map(korean_date),
        "memo": restriction.reason,
    })
}
