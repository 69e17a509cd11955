//! What staff ask for over Chzzk's own HTTP (facts, 4.1, rows 7 and 8), by their login.
//!
//! Success has `content` null: one published client reads anything else as a mistake.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use crate::model::act::{Asked, Name, Notice, Which, Wish};
use crate::model::id::{ChannelId, Cid, UserId};
use crate::model::principal::Principal;
use crate::model::time::Millis;

use super::{Answer, Chzzk, content, failure, login, login_failure, refused};

/// A line by who wrote it and when; what else is sent along is not looked at: what it says is known here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineBody {
    #[serde(rename = "channelId")]
    cid: String,
    message_time: Option<i64>,
    message_user_id_hash: Option<String>,
}

type Read = Result<Json<LineBody>, JsonRejection>;

/// Pins a line.
pub(super) async fn pin(State(chzzk): State<Arc<Chzzk>>, headers: HeaderMap, body: Read) -> Response {
    of_a_line(&chzzk, &headers, body, |line| Some(Wish::Pin(Notice::Line(line.name()?), None))).await
}

/// Takes down what is pinned.
pub(super) async fn unpin(State(chzzk): State<Arc<Chzzk>>, headers: HeaderMap, body: Read) -> Response {
    of_a_line(&chzzk, &headers, body, |_| Some(Wish::Unpin)).await
}

/// Hides a line.
pub(super) async fn blind(State(chzzk): State<Arc<Chzzk>>, headers: HeaderMap, body: Read) -> Response {
    of_a_line(&chzzk, &headers, body, |line| Some(Wish::Hide(Which::Line(line.name()?)))).await
}

impl LineBody {
    fn name(&self) -> Option<Name> {
        Some(Name::Said(UserId::stored(self.message_user_id_hash.as_deref()?)?, Millis(self.message_time?)))
    }
}

async fn of_a_line(
    chzzk: &Chzzk,
    headers: &HeaderMap,
    body: Read,
    wish: impl FnOnce(&LineBody) -> Option<Wish>,
) -> Response {
    let Ok(Json(line)) = body else { return with_status(failure(400, "the body is not what this path takes")) };
    let Some((cid, wish)) = Cid::parse(&line.cid).zip(wish(&line)) else {
        let why = "channelId, messageTime or messageUserIdHash is missing, or can't be one";
        return with_status(failure(400, why));
    };
    with_status(match logged_in(chzzk, headers).await {
        Ok(principal) => acts(chzzk, principal, &cid, Asked { reason: String::new(), wish }).await,
        Err(answer) => answer,
    })
}

/// The channel that a path names.
pub(super) fn channel_id(channel: &str) -> Result<ChannelId, Answer> {
    ChannelId::parse(channel).ok_or_else(|| failure(404, "no such channel"))
}

/// Who is logged in.
pub(super) async fn logged_in(chzzk: &Chzzk, headers: &HeaderMap) -> Result<Principal, Answer> {
    match login::of(&chzzk.node, headers).await {
        Ok(Some(principal)) => Ok(principal),
        Ok(None) => Err(failure(401, "log in first")),
        Err(refusal) => Err(login_failure(&refusal)),
    }
}

/// Does what somebody asks for who is logged in.
pub(super) async fn acts(chzzk: &Chzzk, principal: Principal, cid: &Cid, asked: Asked) -> Answer {
    match chzzk.node.act_as(principal, cid, asked).await {
        Ok(_) => content(Value::Null),
        Err(refusal) => refused(&refusal),
    }
}

/// With the code as the status, too: what staff ask for and is refused must not look done, and clients only look there.
pub(super) fn with_status(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, answer).into_response()
}
