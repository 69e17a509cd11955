//! What a channel says by itself.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::model::act::Wish;
use crate::model::own_lines::{LONGEST_OWN_LINE, OwnLines, OwnLinesChange};
use crate::node::Access;

use super::Site;
use super::acts::DoneJson;
use super::ask::{Answer, Body, IdempotencyKey, RequestEvent, channel_id};
use super::lines::{Why, carry_out};
use super::people::PersonJson;
use super::problem::{Failure, Problem};

/// What a channel says by itself; null is nothing.
#[derive(Serialize, ToSchema)]
pub(super) struct OwnLinesJson {
    /// To whoever joins, alone.
    welcome: Option<String>,
    /// To everybody, of a user who comes.
    joined: Option<String>,
    /// To everybody, of a user who has gone.
    left: Option<String>,
    /// Whether the last two are kept in the log.
    kept: bool,
}

/// What shall be said otherwise; what isn't named stays as it is, null is nothing.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeOwnLines {
    /// To whoever joins, alone: 1 to 300 characters.
    #[serde(default, deserialize_with = "named")]
    welcome: Option<Option<String>>,
    /// To everybody, of a user who comes; `{nickname}` stands for their name.
    #[serde(default, deserialize_with = "named")]
    joined: Option<Option<String>>,
    /// To everybody, of a user who has gone.
    #[serde(default, deserialize_with = "named")]
    left: Option<Option<String>>,
    /// Whether the last two are kept in the log, and told again to those who come back.
    kept: Option<bool>,
    #[serde(default)]
    reason: String,
    by: Option<PersonJson>,
}

/// A field that is there, be it null.
fn named<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(field).map(Some)
}

fn checked(change: OwnLinesChange) -> Answer<OwnLinesChange> {
    let fits = |text: &str| {
        let length = text.chars().count();
        (1..=LONGEST_OWN_LINE).contains(&length) && !text.trim().is_empty() && !text.chars().any(char::is_control)
    };
    if change.texts().all(fits) {
        return Ok(change);
    }
    let why = format!("a text has 1 to {LONGEST_OWN_LINE} characters, shows something, and has no control characters");
    Err(Problem::new(StatusCode::BAD_REQUEST, &why))
}

/// Changes what a channel says by itself: to whoever joins, and of whoever comes and goes.
#[utoipa::path(post, path = "/channels/{channel}/own-lines", tag = "moderation",
    params(("channel" = String, Path), IdempotencyKey), request_body = ChangeOwnLines,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn change_own_lines(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    id: RequestEvent,
    Body(asked): Body<ChangeOwnLines>,
) -> Answer<Json<DoneJson>> {
    let ChangeOwnLines { welcome, joined, left, kept, reason, by } = asked;
    let change = checked(OwnLinesChange { welcome, joined, left, kept })?;
    carry_out(&site, (&channel, &access, id), Wish::Say(change), Why { reason, by }).await
}

/// What a channel says by itself.
#[utoipa::path(get, path = "/channels/{channel}/own-lines", tag = "moderation", params(("channel" = String, Path)),
    responses((status = 200, body = OwnLinesJson), Failure))]
pub(super) async fn read_own_lines(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
) -> Answer<Json<OwnLinesJson>> {
    let OwnLines { welcome, joined, left, kept } = site.node.own_lines(&channel_id(&channel)?).await?;
    Ok(Json(OwnLinesJson { welcome, joined, left, kept }))
}

/// The same of a change, for the audit trail.
#[derive(Serialize, ToSchema)]
pub(super) struct OwnLinesChangeJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    welcome: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<bool>,
}

impl From<&OwnLinesChange> for OwnLinesChangeJson {
    fn from(change: &OwnLinesChange) -> Self {
        let OwnLinesChange { welcome, joined, left, kept } = change.clone();
        Self { welcome, joined, left, kept }
    }
}
