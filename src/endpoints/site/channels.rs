//! Channels and their broadcasts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::broadcast::Broadcast;
use crate::model::id::{ChannelId, Cid};
use crate::node::ChannelView;

use super::Site;
use super::ask::{Answer, Asked, Body, IdempotencyKey, PageQuery, broadcast_id, channel_id, title};
use super::problem::{Failure, Problem};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChannelJson {
    channel_id: String,
    name: String,
    open: bool,
    /// The broadcast that is on.
    broadcast: Option<BroadcastJson>,
    /// Connections.
    members: u32,
    /// Users who are known by name, however many connections each has.
    users: u32,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BroadcastJson {
    cid: String,
    title: String,
    status: &'static str,
    opened_at: i64,
    closed_at: Option<i64>,
}

impl From<&ChannelView> for ChannelJson {
    fn from(view: &ChannelView) -> Self {
        Self {
            channel_id: view.id.to_string(),
            name: view.name.clone(),
            open: view.listed,
            broadcast: view.on_air().map(BroadcastJson::from),
            members: view.there.sockets,
            users: view.there.users,
        }
    }
}

impl From<&Broadcast> for BroadcastJson {
    fn from(broadcast: &Broadcast) -> Self {
        Self {
            cid: broadcast.cid.to_string(),
            title: broadcast.title.clone(),
            status: if broadcast.closed.is_some() { "closed" } else { "open" },
            opened_at: broadcast.opened.0,
            closed_at: broadcast.closed.map(|instant| instant.0),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageJson {
    channels: Vec<ChannelJson>,
    next_cursor: Option<String>,
}

/// The channels that are served, page by page.
#[utoipa::path(get, path = "/channels", tag = "channels", params(PageQuery), responses((status = 200, body = PageJson), Failure))]
pub(super) async fn list_channels(
    State(site): State<Arc<Site>>,
    Asked(page): Asked<PageQuery>,
) -> Answer<Json<PageJson>> {
    let limit = page.limit();
    let after = match page.cursor.as_deref() {
        None => None,
        Some(cursor) => Some(channel_id(cursor)?),
    };
    let views = site.node.channels(after.as_ref(), limit).await?;
    let next_cursor = (views.len() == limit).then(|| views.last().map(|view| view.id.to_string())).flatten();
    Ok(Json(PageJson { channels: views.iter().map(ChannelJson::from).collect(), next_cursor }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OpenChannel {
    channel_id: Option<String>,
    name: String,
}

/// Serves a channel under this name; one that is served already is renamed.
#[utoipa::path(post, path = "/channels", tag = "channels", params(IdempotencyKey), request_body = OpenChannel, responses((status = 201, body = ChannelJson), Failure))]
pub(super) async fn open_channel(
    State(site): State<Arc<Site>>,
    Body(asked): Body<OpenChannel>,
) -> Answer<(StatusCode, Json<ChannelJson>)> {
    let name = title("name", &asked.name)?;
    let id = match &asked.channel_id {
        Some(id) => channel_id(id)?,
        None => channel_id(&uuid::Uuid::new_v4().simple().to_string())?,
    };
    site.node.list_channel(&id, name).await?;
    let view = site.node.channel(&id).await?;
    Ok((StatusCode::CREATED, Json(ChannelJson::from(&view))))
}

/// One channel; one that was closed can still be looked at.
#[utoipa::path(get, path = "/channels/{channel}", tag = "channels", params(("channel" = String, Path)), responses((status = 200, body = ChannelJson), Failure))]
pub(super) async fn read_channel(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
) -> Answer<Json<ChannelJson>> {
    let view = site.node.channel(&channel_id(&channel)?).await?;
    Ok(Json(ChannelJson::from(&view)))
}

/// Ends the broadcast that is on and serves the channel no more.
#[utoipa::path(post, path = "/channels/{channel}/close", tag = "channels", params(("channel" = String, Path), IdempotencyKey), responses((status = 200, body = ChannelJson), Failure))]
pub(super) async fn close_channel(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
) -> Answer<Json<ChannelJson>> {
    let id = channel_id(&channel)?;
    site.node.unlist_channel(&id).await?;
    Ok(Json(ChannelJson::from(&site.node.channel(&id).await?)))
}

#[derive(Serialize, ToSchema)]
pub(super) struct BroadcastsJson {
    broadcasts: Vec<BroadcastJson>,
}

/// The last hundred broadcasts of a channel, newest first.
#[utoipa::path(get, path = "/channels/{channel}/broadcasts", tag = "broadcasts", params(("channel" = String, Path)), responses((status = 200, body = BroadcastsJson), Failure))]
pub(super) async fn list_broadcasts(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
) -> Answer<Json<BroadcastsJson>> {
    let view = site.node.channel(&channel_id(&channel)?).await?;
    Ok(Json(BroadcastsJson { broadcasts: view.broadcasts.iter().rev().map(BroadcastJson::from).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenBroadcast {
    title: String,
}

/// Begins a broadcast with a chat of its own, ending the one that is on.
#[utoipa::path(post, path = "/channels/{channel}/broadcasts", tag = "broadcasts", params(("channel" = String, Path), IdempotencyKey), request_body = OpenBroadcast, responses((status = 201, body = BroadcastJson), Failure))]
pub(super) async fn open_broadcast(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
    Body(asked): Body<OpenBroadcast>,
) -> Answer<(StatusCode, Json<BroadcastJson>)> {
    let id = channel_id(&channel)?;
    let cid = site.node.open_broadcast(&id, title("title", &asked.title)?).await?;
    Ok((StatusCode::CREATED, Json(find_broadcast(&site, &id, &cid).await?)))
}

/// One broadcast.
#[utoipa::path(get, path = "/channels/{channel}/broadcasts/{cid}", tag = "broadcasts", params(("channel" = String, Path), ("cid" = String, Path)), responses((status = 200, body = BroadcastJson), Failure))]
pub(super) async fn read_broadcast(
    State(site): State<Arc<Site>>,
    Path((channel, cid)): Path<(String, String)>,
) -> Answer<Json<BroadcastJson>> {
    Ok(Json(find_broadcast(&site, &channel_id(&channel)?, &broadcast_id(&cid)?).await?))
}

/// Ends a broadcast; one that is over stays so.
#[utoipa::path(post, path = "/channels/{channel}/broadcasts/{cid}/close", tag = "broadcasts", params(("channel" = String, Path), ("cid" = String, Path), IdempotencyKey), responses((status = 200, body = BroadcastJson), Failure))]
pub(super) async fn close_broadcast(
    State(site): State<Arc<Site>>,
    Path((channel, cid)): Path<(String, String)>,
) -> Answer<Json<BroadcastJson>> {
    let (id, cid) = (channel_id(&channel)?, broadcast_id(&cid)?);
    site.node.close_broadcast(&id, &cid).await?;
    Ok(Json(find_broadcast(&site, &id, &cid).await?))
}

async fn find_broadcast(site: &Site, channel: &ChannelId, cid: &Cid) -> Answer<BroadcastJson> {
    let view = site.node.channel(channel).await?;
    let found = view.broadcasts.iter().find(|broadcast| broadcast.cid == *cid);
    found
        .map(BroadcastJson::from)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no such broadcast in this channel"))
}
