//! How the gateway does: why somebody was disconnected, metrics, health.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::node::{EndedBy, Farewell, FarewellQuery};

use super::Site;
use super::ask::{Answer, Asked, broadcast_id, limit, number, user_id};
use super::problem::{Failure, Problem};

/// What the Prometheus text format is called.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Which closes are asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClosesQuery {
    /// The `uuid` that CONNECT's answer told, or X-Connection-Id of the upgrade.
    connection_id: Option<String>,
    uid: Option<String>,
    cid: Option<String>,
    /// Entries in the page, 1 to 100; 50 when it isn't said.
    limit: Option<usize>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CloseJson {
    connection_id: String,
    opened_at: i64,
    closed_at: i64,
    /// 1005: the client gave none. 1006: the connection was lost.
    code: u16,
    reason: &'static str,
    /// `gateway`, `client`, or `nobody` when the connection was lost.
    by: &'static str,
    cid: Option<String>,
    uid: Option<String>,
    /// A keyed hash, equal for equal addresses.
    address: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClosesJson {
    closes: Vec<CloseJson>,
    next_cursor: Option<String>,
}

impl From<Farewell> for CloseJson {
    fn from(farewell: Farewell) -> Self {
        Self {
            connection_id: farewell.connection.to_string(),
            opened_at: farewell.opened.0,
            closed_at: farewell.ended.0,
            code: farewell.code,
            reason: farewell.reason,
            by: match farewell.by {
                EndedBy::Gateway => "gateway",
                EndedBy::Client => "client",
                EndedBy::Nobody => "nobody",
            },
            cid: farewell.cid.map(|cid| cid.to_string()),
            uid: farewell.uid.map(|uid| uid.to_string()),
            address: farewell.address.map(|address| address.to_string()),
        }
    }
}

/// Why somebody was disconnected: the last 10,000 connections that ended since the start, newest first.
#[utoipa::path(get, path = "/closes", tag = "diagnostics", params(ClosesQuery),
    responses((status = 200, body = ClosesJson), Failure))]
pub(super) async fn list_closes(
    State(site): State<Arc<Site>>,
    Asked(asked): Asked<ClosesQuery>,
) -> Answer<Json<ClosesJson>> {
    let connection = asked.connection_id.as_deref().map(Uuid::parse_str).transpose();
    let query = FarewellQuery {
        connection: connection.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "connectionId is not a UUID"))?,
        uid: asked.uid.as_deref().map(user_id).transpose()?,
        cid: asked.cid.as_deref().map(broadcast_id).transpose()?,
        before: asked.cursor.as_deref().map(number).transpose()?,
    };
    let limit = limit(asked.limit);
    let found = site.node.farewells(&query, limit);
    let next_cursor = (found.len() == limit).then(|| found.last().map(|(number, _)| number.to_string())).flatten();
    Ok(Json(ClosesJson { closes: found.into_iter().map(|(_, farewell)| farewell.into()).collect(), next_cursor }))
}

pub(super) async fn metrics(State(site): State<Arc<Site>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPEN_METRICS)], site.node.metrics().text())
}

/// The process answers.
pub(super) async fn livez() -> &'static str {
    "alive\n"
}

/// New connections are welcome.
pub(super) async fn readyz(State(site): State<Arc<Site>>) -> (StatusCode, &'static str) {
    match site.node.is_ready() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "leaving\n"),
    }
}
