//! What is done to users: sending them out, restricting them, giving them roles.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::act::{USUAL_PENALTY_SECONDS, Wish};
use crate::model::id::Seq;
use crate::node::{Access, Restricted};
use crate::proto::profile::role_code;
use crate::proto::request::acts::{days, seconds};

use super::Site;
use super::acts::DoneJson;
use super::ask::{Answer, Asked, Body, BodyIfAny, IdempotencyKey, PageQuery, RequestEvent, channel_id, user_id};
use super::lines::{Why, carry_out};
use super::people::{PersonJson, RoleJson};
use super::problem::{Failure, Problem};

fn bad(why: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, why)
}

/// Closes all sessions of a user; they may come back.
#[utoipa::path(post, path = "/channels/{channel}/users/{uid}/kick", tag = "moderation",
    params(("channel" = String, Path), ("uid" = String, Path), IdempotencyKey), request_body = Option<Why>,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn kick_user(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path((channel, uid)): Path<(String, String)>,
    id: RequestEvent,
    BodyIfAny(why): BodyIfAny<Why>,
) -> Answer<Json<DoneJson>> {
    carry_out(&site, (&channel, &access, id), Wish::Kick(user_id(&uid)?), why).await
}

/// For how long, and why.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Penalize {
    /// 1 to 86,400; 30 when it isn't said.
    seconds: Option<u32>,
    #[serde(default)]
    reason: String,
    by: Option<PersonJson>,
}

/// Lets a user send nothing for some seconds, and hides what they have said.
#[utoipa::path(post, path = "/channels/{channel}/users/{uid}/penalize", tag = "moderation",
    params(("channel" = String, Path), ("uid" = String, Path), IdempotencyKey), request_body = Option<Penalize>,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn penalize_user(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path((channel, uid)): Path<(String, String)>,
    id: RequestEvent,
    BodyIfAny(asked): BodyIfAny<Penalize>,
) -> Answer<Json<DoneJson>> {
    let given = seconds(asked.seconds.unwrap_or(USUAL_PENALTY_SECONDS)).map_err(|why| bad(&why))?;
    let why = Why { reason: asked.reason, by: asked.by };
    carry_out(&site, (&channel, &access, id), Wish::Penalize(user_id(&uid)?, given), why).await
}

/// For how long, and why.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Block {
    /// 1 to 3,650; for good when it isn't said.
    days: Option<u32>,
    #[serde(default)]
    reason: String,
    by: Option<PersonJson>,
}

/// Lets a user send nothing for some days, or for good; whatever held before is replaced.
#[utoipa::path(post, path = "/channels/{channel}/users/{uid}/block", tag = "moderation",
    params(("channel" = String, Path), ("uid" = String, Path), IdempotencyKey), request_body = Option<Block>,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn block_user(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path((channel, uid)): Path<(String, String)>,
    id: RequestEvent,
    BodyIfAny(asked): BodyIfAny<Block>,
) -> Answer<Json<DoneJson>> {
    let given = asked.days.map(days).transpose().map_err(|why| bad(&why))?;
    let why = Why { reason: asked.reason, by: asked.by };
    carry_out(&site, (&channel, &access, id), Wish::Block(user_id(&uid)?, given), why).await
}

/// Lets a user send again.
#[utoipa::path(post, path = "/channels/{channel}/users/{uid}/lift", tag = "moderation",
    params(("channel" = String, Path), ("uid" = String, Path), IdempotencyKey), request_body = Option<Why>,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn lift_user(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path((channel, uid)): Path<(String, String)>,
    id: RequestEvent,
    BodyIfAny(why): BodyIfAny<Why>,
) -> Answer<Json<DoneJson>> {
    carry_out(&site, (&channel, &access, id), Wish::Lift(user_id(&uid)?), why).await
}

/// Which role, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Appoint {
    /// `streaming_chat_manager` or `streaming_channel_manager`; `common_user` takes what was given.
    role: RoleJson,
    #[serde(default)]
    reason: String,
    by: Option<PersonJson>,
}

/// Gives a user a role in the channel, or takes it: older tokens of theirs count for no more, in open sessions too.
#[utoipa::path(post, path = "/channels/{channel}/users/{uid}/role", tag = "moderation",
    params(("channel" = String, Path), ("uid" = String, Path), IdempotencyKey), request_body = Appoint,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn appoint_user(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path((channel, uid)): Path<(String, String)>,
    id: RequestEvent,
    Body(asked): Body<Appoint>,
) -> Answer<Json<DoneJson>> {
    let why = Why { reason: asked.reason, by: asked.by };
    carry_out(&site, (&channel, &access, id), Wish::Appoint(user_id(&uid)?, asked.role.into()), why).await
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestrictionJson {
    uid: String,
    nickname: String,
    /// The place of the act.
    seq: u64,
    restricted_at: i64,
    /// Null: for good.
    expires_at: Option<i64>,
    /// `penalty` or `block`
    kind: &'static str,
    /// Penalties of this user within a day of one another.
    times: u32,
    by_uid: String,
    by_nickname: String,
    reason: String,
}

impl From<Restricted> for RestrictionJson {
    fn from((uid, restriction): Restricted) -> Self {
        Self {
            uid: uid.to_string(),
            nickname: restriction.nickname,
            seq: restriction.act.0,
            restricted_at: restriction.at.0,
            expires_at: restriction.until.map(|until| until.0),
            kind: if restriction.penalty { "penalty" } else { "block" },
            times: restriction.times,
            by_uid: restriction.by.to_string(),
            by_nickname: restriction.by_nickname,
            reason: restriction.reason,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestrictionsJson {
    restrictions: Vec<RestrictionJson>,
    next_cursor: Option<String>,
}

/// Who may not send in a channel now, the newest first.
#[utoipa::path(get, path = "/channels/{channel}/restrictions", tag = "moderation",
    params(("channel" = String, Path), PageQuery), responses((status = 200, body = RestrictionsJson), Failure))]
pub(super) async fn list_restrictions(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
    Asked(page): Asked<PageQuery>,
) -> Answer<Json<RestrictionsJson>> {
    let (limit, before) = (page.limit(), page.number()?.map(Seq));
    let found = site.node.restrictions(&channel_id(&channel)?, before, limit).await?;
    let next_cursor = (found.len() == limit).then(|| found.last().map(|(_, last)| last.act.to_string())).flatten();
    Ok(Json(RestrictionsJson { restrictions: found.into_iter().map(RestrictionJson::from).collect(), next_cursor }))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct GrantJson {
    uid: String,
    role: &'static str,
    /// The place of the act.
    seq: u64,
    given_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct GrantsJson {
    roles: Vec<GrantJson>,
}

/// Roles that were given in a channel, and those that were taken (`common_user`).
#[utoipa::path(get, path = "/channels/{channel}/roles", tag = "moderation", params(("channel" = String, Path)),
    responses((status = 200, body = GrantsJson), Failure))]
pub(super) async fn list_roles(State(site): State<Arc<Site>>, Path(channel): Path<String>) -> Answer<Json<GrantsJson>> {
    let grants = site.node.grants(&channel_id(&channel)?).await?.into_iter();
    let roles = grants.map(|(uid, grant)| GrantJson {
        uid: uid.to_string(),
        role: role_code(grant.role),
        seq: grant.act.0,
        given_at: grant.at.0,
    });
    Ok(Json(GrantsJson { roles: roles.collect() }))
}
