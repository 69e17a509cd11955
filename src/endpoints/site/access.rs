//! Who may act: API keys, and tokens that were revoked.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::access::{LONGEST_TOKEN_ID, Permission, Revoked};
use crate::model::id::Seq;
use crate::model::time::Millis;
use crate::node::{Access, Revocation};

use super::Site;
use super::ask::{Answer, Asked, Body, IdempotencyKey, PageQuery, title, user_id};
use super::problem::{Failure, Problem};

/// What a new key shall be called, and what it may do.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MakeKey {
    name: String,
    /// `channels:read`, `channels:write`, `messages:write`, `messages:hide`, `messages:erase`, `moderation:read`,
    /// `moderation:write`, `tokens:write`, `revocations:read`, `revocations:write`,
    /// `keys:write`, `diagnostics:read`
    scopes: Vec<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyJson {
    key_id: String,
    name: String,
    scopes: Vec<&'static str>,
    created_at: i64,
    /// The key itself: told once, in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct KeysJson {
    keys: Vec<KeyJson>,
}

fn words(permissions: &[Permission]) -> Vec<&'static str> {
    permissions.iter().map(|permission| permission.word()).collect()
}

/// Makes an API key. It is told in this answer and never again; it can only do what the key that makes it can.
#[utoipa::path(post, path = "/keys", tag = "keys", request_body = MakeKey,
    responses((status = 201, body = KeyJson), Failure))]
pub(super) async fn make_key(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Body(asked): Body<MakeKey>,
) -> Answer<(StatusCode, Json<KeyJson>)> {
    let mut permissions = Vec::new();
    for word in &asked.scopes {
        let unknown = || Problem::new(StatusCode::BAD_REQUEST, &format!("there is no scope {word:?}"));
        let permission = Permission::parse(word).ok_or_else(unknown)?;
        if !access.permissions.contains(&permission) {
            return Err(Problem::new(StatusCode::FORBIDDEN, &format!("your own key lacks the scope {word}")));
        }
        permissions.push(permission);
    }
    permissions.sort();
    permissions.dedup();
    if permissions.is_empty() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "scopes names nothing that the key may do"));
    }
    let (key, text) = site.node.make_key(title("name", &asked.name)?, permissions).await?;
    let json = KeyJson {
        scopes: words(&key.permissions),
        key_id: key.id,
        name: key.name,
        created_at: site.node.clock().now().0,
        key: Some(text),
    };
    Ok((StatusCode::CREATED, Json(json)))
}

/// The API keys that hold, oldest first; the keys themselves are not known.
#[utoipa::path(get, path = "/keys", tag = "keys", responses((status = 200, body = KeysJson), Failure))]
pub(super) async fn list_keys(State(site): State<Arc<Site>>) -> Json<KeysJson> {
    let keys = site.node.keys().into_iter().map(|(key, Millis(created_at))| KeyJson {
        key_id: key.id.clone(),
        name: key.name.clone(),
        scopes: words(&key.permissions),
        created_at,
        key: None,
    });
    Json(KeysJson { keys: keys.collect() })
}

/// Revokes an API key, at once and for good.
#[utoipa::path(delete, path = "/keys/{key}", tag = "keys", params(("key" = String, Path)),
    responses((status = 204), Failure))]
pub(super) async fn revoke_key(State(site): State<Arc<Site>>, Path(key): Path<String>) -> Answer<StatusCode> {
    site.node.revoke_key(&key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose tokens hold no more: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MakeRevocation {
    /// Every token of this user that was made until now; of those that the site signs, with the leeway for its clock.
    uid: Option<String>,
    /// One token, by its `jti`.
    token_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RevocationJson {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<String>,
    /// When. Of a user, tokens that the gateway made until then are void.
    revoked_at: i64,
    /// Of a user, tokens that the site signed until then are void: with the leeway for clocks that differ.
    until: i64,
}

impl From<Revocation> for RevocationJson {
    fn from(revocation: Revocation) -> Self {
        let (uid, token_id) = match revocation.revoked {
            Revoked::User(uid) => (Some(uid.to_string()), None),
            Revoked::Token(id) => (None, Some(id)),
        };
        Self { seq: revocation.seq.0, uid, token_id, revoked_at: revocation.at.0, until: revocation.until.0 }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RevocationsJson {
    revocations: Vec<RevocationJson>,
    next_cursor: Option<String>,
}

/// Revokes tokens: sessions that act by them can only read from now on. Later tokens of the same user hold.
#[utoipa::path(post, path = "/revocations", tag = "tokens", params(IdempotencyKey), request_body = MakeRevocation,
    responses((status = 201, body = RevocationJson), Failure))]
pub(super) async fn revoke(
    State(site): State<Arc<Site>>,
    Body(asked): Body<MakeRevocation>,
) -> Answer<(StatusCode, Json<RevocationJson>)> {
    let revoked = match (asked.uid, asked.token_id) {
        (Some(uid), None) => Revoked::User(user_id(&uid)?),
        (None, Some(id)) if (1..=LONGEST_TOKEN_ID).contains(&id.len()) => Revoked::Token(id),
        (None, Some(_)) => return Err(Problem::new(StatusCode::BAD_REQUEST, "tokenId has 1 to 64 bytes")),
        _ => return Err(Problem::new(StatusCode::BAD_REQUEST, "say either uid or tokenId")),
    };
    let revocation = site.node.revoke(&revoked).await?;
    Ok((StatusCode::CREATED, Json(revocation.into())))
}

/// What was revoked in the last 400 days, newest first; no token is good for longer.
#[utoipa::path(get, path = "/revocations", tag = "tokens", params(PageQuery),
    responses((status = 200, body = RevocationsJson), Failure))]
pub(super) async fn list_revocations(
    State(site): State<Arc<Site>>,
    Asked(page): Asked<PageQuery>,
) -> Answer<Json<RevocationsJson>> {
    let limit = page.limit();
    let found = site.node.revocations(page.number()?.map(Seq), limit);
    let next_cursor = (found.len() == limit).then(|| found.last().map(|last| last.seq.to_string())).flatten();
    Ok(Json(RevocationsJson { revocations: found.into_iter().map(RevocationJson::from).collect(), next_cursor }))
}
