//! Lines that were sent: taking them back.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::id::Seq;

use super::Site;
use super::ask::{Answer, IdempotencyKey, channel_id, user_id};
use super::problem::Failure;

#[derive(Serialize, ToSchema)]
pub(super) struct HiddenJson {
    /// The line's place in the channel's log.
    seq: u64,
}

/// Shows a line no more: whoever comes late or comes back gets it without its text.
#[utoipa::path(post, path = "/channels/{channel}/messages/{seq}/hide", tag = "messages",
    params(("channel" = String, Path), ("seq" = u64, Path), IdempotencyKey),
    responses((status = 200, body = HiddenJson), Failure))]
pub(super) async fn hide_message(
    State(site): State<Arc<Site>>,
    Path((channel, seq)): Path<(String, u64)>,
) -> Answer<Json<HiddenJson>> {
    site.node.hide(&channel_id(&channel)?, Seq(seq)).await?;
    Ok(Json(HiddenJson { seq }))
}

#[derive(Serialize, ToSchema)]
pub(super) struct ErasedJson {
    uid: String,
    /// Lines that were erased from the log.
    erased: u64,
}

/// Erases everything that somebody has said in a channel by now, from memory and from the disk. It may take seconds in a
/// channel of millions of lines; asked again after a failure, it goes on.
#[utoipa::path(post, path = "/channels/{channel}/users/{uid}/erase", tag = "messages",
    params(("channel" = String, Path), ("uid" = String, Path), IdempotencyKey),
    responses((status = 200, body = ErasedJson), Failure))]
pub(super) async fn erase_messages(
    State(site): State<Arc<Site>>,
    Path((channel, uid)): Path<(String, String)>,
) -> Answer<Json<ErasedJson>> {
    let uid = user_id(&uid)?;
    let erased = site.node.erase(&channel_id(&channel)?, &uid).await?;
    Ok(Json(ErasedJson { uid: uid.to_string(), erased }))
}
