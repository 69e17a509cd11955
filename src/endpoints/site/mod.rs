//! The site's own API, `/v1`: channels and their broadcasts. Every request carries the API key; errors are RFC 9457
//! problem documents.

mod problem;

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::model::broadcast::Broadcast;
use crate::model::id::{ChannelId, Cid};
use crate::node::{ChannelView, Node};

use problem::Problem;

/// Most channels in one page.
const LARGEST_PAGE: usize = 100;

/// Channels in a page when the request doesn't say.
const USUAL_PAGE: usize = 50;

/// Largest request body in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// Longest name or title in characters.
const LONGEST_TITLE: usize = 100;

/// What opens `/v1`: only a digest of it is kept.
#[derive(Clone, Debug)]
pub struct ApiKey([u8; 32]);

impl ApiKey {
    /// The key that these bytes are.
    pub fn new(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    fn opens(&self, presented: &str) -> bool {
        Self::new(presented.as_bytes()).0.ct_eq(&self.0).into()
    }
}

/// The site's API before a node.
pub struct Site {
    node: Arc<Node>,
    key: ApiKey,
}

impl Site {
    /// The endpoint before this node.
    pub fn new(node: Arc<Node>, key: ApiKey) -> Arc<Self> {
        Arc::new(Self { node, key })
    }

    /// Its paths.
    pub fn router(self: &Arc<Self>) -> Router {
        let paths = Router::new()
            .route("/channels", get(list_channels).post(open_channel))
            .route("/channels/{channel}", get(read_channel))
            .route("/channels/{channel}/close", post(close_channel))
            .route("/channels/{channel}/broadcasts", get(list_broadcasts).post(open_broadcast))
            .route("/channels/{channel}/broadcasts/{cid}", get(read_broadcast))
            .route("/channels/{channel}/broadcasts/{cid}/close", post(close_broadcast))
            .route("/metrics", get(metrics))
            .fallback(async || Problem::new(StatusCode::NOT_FOUND, "no such path"))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .layer(from_fn_with_state(self.clone(), authorize))
            .with_state(self.clone());
        Router::new().nest("/v1", paths)
    }
}

async fn authorize(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    match presented_key(request.headers()) {
        Some(key) if site.key.opens(key) => next.run(request).await,
        Some(_) => Problem::new(StatusCode::FORBIDDEN, "the API key is not the gateway's").into_response(),
        None => {
            let how = "send the API key as 'Authorization: Bearer KEY' or 'X-Api-Key: KEY'";
            Problem::new(StatusCode::UNAUTHORIZED, how).into_response()
        }
    }
}

fn presented_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    bearer.or_else(|| headers.get("x-api-key")?.to_str().ok()).map(str::trim)
}

type Answer<T> = Result<T, Problem>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChannelJson {
    channel_id: String,
    name: String,
    open: bool,
    /// The broadcast that is on.
    broadcast: Option<BroadcastJson>,
    members: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BroadcastJson {
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
            members: view.members,
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

#[derive(Deserialize)]
struct PageQuery {
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PageJson {
    channels: Vec<ChannelJson>,
    next_cursor: Option<String>,
}

async fn list_channels(State(site): State<Arc<Site>>, Query(page): Query<PageQuery>) -> Answer<Json<PageJson>> {
    let limit = page.limit.unwrap_or(USUAL_PAGE).clamp(1, LARGEST_PAGE);
    let after = match page.cursor.as_deref() {
        None => None,
        Some(cursor) => Some(channel_id(cursor)?),
    };
    let views = site.node.channels(after.as_ref(), limit).await?;
    let next_cursor = (views.len() == limit).then(|| views.last().map(|view| view.id.to_string())).flatten();
    Ok(Json(PageJson { channels: views.iter().map(ChannelJson::from).collect(), next_cursor }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OpenChannel {
    channel_id: Option<String>,
    name: String,
}

async fn open_channel(
    State(site): State<Arc<Site>>,
    body: Result<Json<OpenChannel>, JsonRejection>,
) -> Answer<(StatusCode, Json<ChannelJson>)> {
    let Json(asked) = body?;
    let name = title("name", &asked.name)?;
    let id = match &asked.channel_id {
        Some(id) => channel_id(id)?,
        None => channel_id(&uuid::Uuid::new_v4().simple().to_string())?,
    };
    site.node.list_channel(&id, name).await?;
    let view = site.node.channel(&id).await?;
    Ok((StatusCode::CREATED, Json(ChannelJson::from(&view))))
}

async fn read_channel(State(site): State<Arc<Site>>, Path(channel): Path<String>) -> Answer<Json<ChannelJson>> {
    let view = site.node.channel(&channel_id(&channel)?).await?;
    Ok(Json(ChannelJson::from(&view)))
}

async fn close_channel(State(site): State<Arc<Site>>, Path(channel): Path<String>) -> Answer<Json<ChannelJson>> {
    let id = channel_id(&channel)?;
    site.node.unlist_channel(&id).await?;
    Ok(Json(ChannelJson::from(&site.node.channel(&id).await?)))
}

#[derive(Serialize)]
struct BroadcastsJson {
    broadcasts: Vec<BroadcastJson>,
}

async fn list_broadcasts(State(site): State<Arc<Site>>, Path(channel): Path<String>) -> Answer<Json<BroadcastsJson>> {
    let view = site.node.channel(&channel_id(&channel)?).await?;
    Ok(Json(BroadcastsJson { broadcasts: view.broadcasts.iter().rev().map(BroadcastJson::from).collect() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenBroadcast {
    title: String,
}

async fn open_broadcast(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
    body: Result<Json<OpenBroadcast>, JsonRejection>,
) -> Answer<(StatusCode, Json<BroadcastJson>)> {
    let Json(asked) = body?;
    let id = channel_id(&channel)?;
    let cid = site.node.open_broadcast(&id, title("title", &asked.title)?).await?;
    Ok((StatusCode::CREATED, Json(find_broadcast(&site, &id, &cid).await?)))
}

async fn read_broadcast(
    State(site): State<Arc<Site>>,
    Path((channel, cid)): Path<(String, String)>,
) -> Answer<Json<BroadcastJson>> {
    Ok(Json(find_broadcast(&site, &channel_id(&channel)?, &broadcast_id(&cid)?).await?))
}

async fn close_broadcast(
    State(site): State<Arc<Site>>,
    Path((channel, cid)): Path<(String, String)>,
) -> Answer<Json<BroadcastJson>> {
    let (id, cid) = (channel_id(&channel)?, broadcast_id(&cid)?);
    site.node.close_broadcast(&id, &cid).await?;
    Ok(Json(find_broadcast(&site, &id, &cid).await?))
}

async fn metrics(State(site): State<Arc<Site>>) -> String {
    site.node.metrics().text()
}

async fn find_broadcast(site: &Site, channel: &ChannelId, cid: &Cid) -> Answer<BroadcastJson> {
    let view = site.node.channel(channel).await?;
    let found = view.broadcasts.iter().find(|broadcast| broadcast.cid == *cid);
    found
        .map(BroadcastJson::from)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no such broadcast in this channel"))
}

fn channel_id(text: &str) -> Answer<ChannelId> {
    ChannelId::parse(text)
        .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "a channel is named by 1 to 64 of A-Z a-z 0-9 _ -"))
}

fn broadcast_id(text: &str) -> Answer<Cid> {
    Cid::parse(text).ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "a cid is 1 to 64 of A-Z a-z 0-9 _ -"))
}

fn title<'a>(field: &str, text: &'a str) -> Answer<&'a str> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= LONGEST_TITLE && !text.chars().any(char::is_control);
    fits.then_some(text).ok_or_else(|| {
        let detail = format!("{field} has 1 to {LONGEST_TITLE} characters and no control characters");
        Problem::new(StatusCode::BAD_REQUEST, &detail)
    })
}
