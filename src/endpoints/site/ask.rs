//! What requests are made of, and what is wrong with them.

use axum::Json;
use axum::body::HttpBody as _;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::model::act::LONGEST_REASON;
use crate::model::id::{ChannelId, Cid, EventId, UserId};
use crate::node::Access;

use super::problem::Problem;

/// Most entries in one page.
const LARGEST_PAGE: usize = 100;

/// Entries in a page when the request doesn't say.
const USUAL_PAGE: usize = 50;

/// Longest name or title in characters.
const LONGEST_TITLE: usize = 100;

/// Longest key of a request in bytes.
const LONGEST_REQUEST_KEY: usize = 128;

/// Where a request says that it is the same as an earlier one.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub(super) type Answer<T> = Result<T, Problem>;

/// A request's query.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, &error.body_text()))
    }
}

/// A request's body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Json::<T>::from_request(request, state).await;
        body.map(|Json(body)| Self(body)).map_err(|error| Problem::new(error.status(), &error.body_text()))
    }
}

/// A request's body, which may be left out.
pub(super) struct BodyIfAny<T>(pub(super) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for BodyIfAny<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        Body::from_request(request, state).await.map(|Body(body)| Self(body))
    }
}

/// The event that a request becomes: a request that says by its key that it is an earlier one becomes the same.
pub(super) struct RequestEvent(pub(super) EventId);

impl<S: Send + Sync> FromRequestParts<S> for RequestEvent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let access = parts.extensions.get::<Access>().map_or("", |access| access.id.as_str());
        let event =
            request_key(parts)?.map_or_else(EventId::fresh, |key| EventId::of_request(access, parts.uri.path(), key));
        Ok(Self(event))
    }
}

/// The key of a request that may be sent twice.
pub(super) fn request_key(parts: &Parts) -> Answer<Option<&str>> {
    let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= LONGEST_REQUEST_KEY => Ok(Some(key)),
        _ => Err(Problem::new(StatusCode::BAD_REQUEST, "Idempotency-Key has 1 to 128 printable ASCII characters")),
    }
}

/// Headers of a POST that may be sent twice.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it only describes the header that `idempotency` reads")]
pub(super) struct IdempotencyKey {
    /// Names this request, in 1 to 128 characters of your choice. Sent again with the same key within 24 hours, it is
    /// carried out once and answered as the first time; with another body it is refused.
    #[param(rename = "Idempotency-Key", required = false)]
    idempotency_key: Option<String>,
}

/// Which page of a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Entries in the page, 1 to 100; 50 when it isn't said.
    limit: Option<usize>,
    /// `nextCursor` of the page before.
    pub(super) cursor: Option<String>,
}

impl PageQuery {
    pub(super) fn limit(&self) -> usize {
        limit(self.limit)
    }

    /// The cursor of a list that is numbered.
    pub(super) fn number(&self) -> Answer<Option<u64>> {
        self.cursor.as_deref().map(number).transpose()
    }
}

pub(super) fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(USUAL_PAGE).clamp(1, LARGEST_PAGE)
}

pub(super) fn number(cursor: &str) -> Answer<u64> {
    cursor.parse().map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "cursor is not one that the API gave out"))
}

pub(super) fn user_id(text: &str) -> Answer<UserId> {
    let wanted = "a uid is 1 to 64 printable ASCII characters without blanks or quotes";
    UserId::parse(text).ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, wanted))
}

/// Why something is done.
pub(super) fn reason(text: &str) -> Answer<String> {
    let text = text.trim();
    let fits = text.chars().count() <= LONGEST_REASON && !text.chars().any(char::is_control);
    let wanted = "a reason has 200 characters at most, and no control characters";
    fits.then(|| text.to_owned()).ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, wanted))
}

pub(super) fn channel_id(text: &str) -> Answer<ChannelId> {
    ChannelId::parse(text)
        .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "a channel is named by 1 to 64 of A-Z a-z 0-9 _ -"))
}

pub(super) fn broadcast_id(text: &str) -> Answer<Cid> {
    Cid::parse(text).ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "a cid is 1 to 64 of A-Z a-z 0-9 _ -"))
}

pub(super) fn title<'a>(field: &str, text: &'a str) -> Answer<&'a str> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= LONGEST_TITLE && !text.chars().any(char::is_control);
    fits.then_some(text).ok_or_else(|| {
        let detail = format!("{field} has 1 to {LONGEST_TITLE} characters and no control characters");
        Problem::new(StatusCode::BAD_REQUEST, &detail)
    })
}
