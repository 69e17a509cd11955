//! How a channel's chat is run.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::act::Wish;
use crate::model::mode::{ModeChange, Modes};
use crate::node::{Access, Running};
use crate::proto::request::acts::{ModeWords, panic_seconds};
use crate::proto::word::group_name;

use super::Site;
use super::acts::DoneJson;
use super::ask::{Answer, Body, BodyIfAny, IdempotencyKey, RequestEvent, channel_id};
use super::lines::{Why, carry_out};
use super::people::PersonJson;
use super::problem::{Failure, Problem};

/// What shall be otherwise; what isn't named stays as it is.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangeModes {
    /// 0, 3, 5, 10, 30, 60, 120 or 300: seconds between two lines of one viewer.
    slow_seconds: Option<u32>,
    /// `ALL`, `FOLLOWER`, `SUBSCRIBER` or `MANAGER`: who may send.
    group: Option<String>,
    /// For how many minutes followers must have followed, up to 259,200.
    follow_minutes: Option<u32>,
    /// Whether subscribers may send where followers may.
    subscribers_too: Option<bool>,
    /// Whether lines hold nothing but emojis.
    emoji_only: Option<bool>,
    /// Whether only those may send whose name the site knows.
    real_name: Option<bool>,
    /// In panic only: for how long, 1 to 86,400; 600 when it isn't said.
    seconds: Option<u32>,
    #[serde(default)]
    reason: String,
    by: Option<PersonJson>,
}

impl ChangeModes {
    fn read(&self) -> Answer<ModeChange> {
        let words = ModeWords {
            slow_seconds: self.slow_seconds,
            group: self.group.as_deref(),
            follow_minutes: self.follow_minutes,
            subscribers_too: self.subscribers_too,
            emoji_only: self.emoji_only,
            real_name: self.real_name,
        };
        words.read().map_err(|why| Problem::new(StatusCode::BAD_REQUEST, &why))
    }
}

/// Changes how the chat is run.
#[utoipa::path(post, path = "/channels/{channel}/modes", tag = "moderation",
    params(("channel" = String, Path), IdempotencyKey), request_body = ChangeModes,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn change_modes(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    id: RequestEvent,
    Body(asked): Body<ChangeModes>,
) -> Answer<Json<DoneJson>> {
    if asked.seconds.is_some() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "only panic ends by itself"));
    }
    let change = asked.read()?;
    carry_out(&site, (&channel, &access, id), Wish::Run(change), Why { reason: asked.reason, by: asked.by }).await
}

/// Panic: for a while slow mode is 30 s, and only who has followed for 10 minutes may send, but for what the request names.
/// It ends by itself.
#[utoipa::path(post, path = "/channels/{channel}/panic", tag = "moderation",
    params(("channel" = String, Path), IdempotencyKey), request_body = Option<ChangeModes>,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn panic(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    id: RequestEvent,
    BodyIfAny(asked): BodyIfAny<ChangeModes>,
) -> Answer<Json<DoneJson>> {
    let seconds = panic_seconds(asked.seconds).map_err(|why| Problem::new(StatusCode::BAD_REQUEST, &why))?;
    let wish = Wish::Panic(asked.read()?, seconds);
    carry_out(&site, (&channel, &access, id), wish, Why { reason: asked.reason, by: asked.by }).await
}

/// Ends panic.
#[utoipa::path(post, path = "/channels/{channel}/panic/end", tag = "moderation",
    params(("channel" = String, Path), IdempotencyKey), request_body = Option<Why>,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn end_panic(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    id: RequestEvent,
    BodyIfAny(why): BodyIfAny<Why>,
) -> Answer<Json<DoneJson>> {
    carry_out(&site, (&channel, &access, id), Wish::Calm, why).await
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ModesJson {
    slow_seconds: u32,
    group: &'static str,
    follow_minutes: u32,
    subscribers_too: bool,
    emoji_only: bool,
    real_name: bool,
}

impl From<Modes> for ModesJson {
    fn from(modes: Modes) -> Self {
        Self {
            slow_seconds: modes.slow_seconds,
            group: group_name(modes.group),
            follow_minutes: modes.follow_minutes,
            subscribers_too: modes.subscribers_too,
            emoji_only: modes.emoji_only,
            real_name: modes.real_name,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunningJson {
    /// As staff have set it.
    modes: ModesJson,
    /// What holds now.
    now: ModesJson,
    /// When panic ends; null when there is none.
    panic_until: Option<i64>,
}

/// How the chat is run.
#[utoipa::path(get, path = "/channels/{channel}/modes", tag = "moderation", params(("channel" = String, Path)),
    responses((status = 200, body = RunningJson), Failure))]
pub(super) async fn read_modes(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
) -> Answer<Json<RunningJson>> {
    let running: Running = site.node.running(&channel_id(&channel)?).await?;
    let now = site.node.clock().now();
    let panic_until = running.panic.filter(|panic| now < panic.until).map(|panic| panic.until.0);
    Ok(Json(RunningJson { modes: running.modes.into(), now: running.at(now).into(), panic_until }))
}
