//! What staff ask for over Chzzk's own HTTP (facts, 4.1, rows 7 and 8), by their login.
//!
//! Success has `content` null: one published client reads anything else as a mistake.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use crate::model::act::{Asked, Name, Notice, Which, Wish};
use crate::model::id::{Cid, UserId};
use crate::model::message::Receipt;
use crate::model::refusal::Refusal;
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
pub(super) async fn pin(State(chzzk): State<Arc<Chzzk>>, headers: HeaderMap, body: Read) -> Answer {
    act(&chzzk, &headers, body, |line| Some(Wish::Pin(Notice::Line(line.name()?), None))).await
}

/// Takes down what is pinned.
pub(super) async fn unpin(State(chzzk): State<Arc<Chzzk>>, headers: HeaderMap, body: Read) -> Answer {
    act(&chzzk, &headers, body, |_| Some(Wish::Unpin)).await
}

/// Hides a line.
pub(super) async fn blind(State(chzzk): State<Arc<Chzzk>>, headers: HeaderMap, body: Read) -> Answer {
    act(&chzzk, &headers, body, |line| Some(Wish::Hide(Which::Line(line.name()?)))).await
}

impl LineBody {
    fn name(&self) -> Option<Name> {
        Some(Name::Said(UserId::parse(self.message_user_id_hash.as_deref()?)?, Millis(self.message_time?)))
    }
}

async fn act(chzzk: &Chzzk, headers: &HeaderMap, body: Read, wish: impl FnOnce(&LineBody) -> Option<Wish>) -> Answer {
    let Ok(Json(line)) = body else { return failure(400, "the body is not what this path takes") };
    let Some((cid, wish)) = Cid::parse(&line.cid).zip(wish(&line)) else {
        return failure(400, "channelId, messageTime or messageUserIdHash is missing, or can't be one");
    };
    let principal = match login::of(&chzzk.node, headers).await {
        Ok(Some(principal)) => principal,
        Ok(None) => return failure(401, "log in first"),
        Err(refusal) => return login_failure(&refusal),
    };
    done(chzzk.node.act_as(principal, &cid, Asked { reason: String::new(), wish }).await)
}

fn done(outcome: Result<Option<Receipt>, Refusal>) -> Answer {
    match outcome {
        Ok(_) => content(Value::Null),
        Err(refusal) => refused(&refusal),
    }
}
