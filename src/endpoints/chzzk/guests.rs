//! Guests: our own paths, answered as Chzzk's are.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::json;

use crate::model::id::{AddressHash, Cid};
use crate::model::refusal::Refusal;
use crate::node::{Asked, GuestWish, LONGEST_NICKNAME, Welcomed};

use super::{Answer, Chzzk, Wrapped, content, failure, refused};

/// Largest body that asks for a guest's token, in bytes.
pub(super) const LARGEST_WISH: usize = 8 * 1024;

/// What guests are asked for here.
pub(super) async fn asked(State(chzzk): State<Arc<Chzzk>>) -> Answer {
    let asked = chzzk.node.asked_of_guests();
    content(json!({
        "guests": asked.is_some(),
        "proof": asked.map(Asked::word),
        "nicknameMaxLength": LONGEST_NICKNAME,
    }))
}

/// A piece of work: bare, as ALTCHA's widgets read it.
pub(super) async fn challenge(State(chzzk): State<Arc<Chzzk>>) -> Response {
    match chzzk.node.asked_of_guests() {
        Some(Asked::Work) => ([(CACHE_CONTROL, "no-store")], Json(chzzk.node.challenge())).into_response(),
        _ => (StatusCode::NOT_FOUND, failure(404, "guests are asked for no work here")).into_response(),
    }
}

/// Who would like to be a guest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WishBody {
    channel_id: String,
    nickname: Option<String>,
    guest_key: Option<String>,
    proof: Option<String>,
}

/// Makes somebody a guest of a channel.
pub(super) async fn welcome(
    State(chzzk): State<Arc<Chzzk>>,
    address: Option<Extension<AddressHash>>,
    body: Bytes,
) -> Answer {
    let wish: WishBody = match serde_json::from_slice(&body) {
        Ok(wish) => wish,
        Err(error) => {
            return failure(400, &format!("the body is channelId, nickname, guestKey, proof as JSON: {error}"));
        }
    };
    let Some(cid) = Cid::parse(&wish.channel_id) else { return failure(400, "channelId can't be one") };
    let asked = GuestWish {
        nickname: wish.nickname.as_deref(),
        secret: wish.guest_key.as_deref(),
        proof: wish.proof.as_deref(),
        address: address.map(|Extension(address)| address),
    };
    match chzzk.node.welcome(&cid, asked).await {
        Ok(guest) => content(welcomed(&guest)),
        Err(refusal @ Refusal::NicknameTaken(_)) => taken(&refusal),
        Err(refusal) => refused(&refusal),
    }
}

fn welcomed(guest: &Welcomed) -> serde_json::Value {
    json!({
        "accessToken": guest.token,
        "userIdHash": guest.uid.as_str(),
        "nickname": guest.nickname,
        "colorCode": guest.color.code,
        "lightRgbValue": guest.color.light,
        "darkRgbValue": guest.color.dark,
        "expiresAt": guest.until.0,
    })
}

fn taken(refusal: &Refusal) -> Answer {
    let suggestion = match refusal {
        Refusal::NicknameTaken(suggestion) => suggestion.as_deref(),
        _ => None,
    };
    Json(Wrapped { code: 409, message: Some(refusal.to_string()), content: Some(json!({"suggestion": suggestion})) })
}
