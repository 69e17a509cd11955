//! Errors of `/v1` as RFC 9457 problem documents.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::model::refusal::Refusal;
use crate::node::StationError;

use super::questions::StateJson;

/// What went wrong, for people and programs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Nothing more is said of the kind of problem than its status.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    /// How the question stands that somebody else has changed meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<Box<StateJson>>,
    #[serde(skip)]
    retry_after_seconds: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: &str) -> Self {
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.to_owned(),
            question: None,
            retry_after_seconds: None,
        }
    }
}

impl From<StationError> for Problem {
    fn from(error: StationError) -> Self {
        let status = match &error {
            StationError::NoChannel | StationError::NoBroadcast | StationError::NoKey => StatusCode::NOT_FOUND,
            StationError::OtherContent => StatusCode::UNPROCESSABLE_ENTITY,
            StationError::TooMany(_) | StationError::DoneBefore | StationError::Overtaken => StatusCode::CONFLICT,
            StationError::Refused(refusal) => status_of(refusal),
        };
        let mut problem = Self::new(status, &error.to_string());
        if let StationError::Refused(refusal) = &error {
            if let Refusal::StaleQuestion(state) = refusal {
                problem.question = Some(Box::new(state.into()));
            }
            problem.retry_after_seconds = refusal.retry_after_ms().map(|millis| millis.div_ceil(1_000));
        }
        problem
    }
}

/// The status that says why a request is refused. Each has one: none that means 'maybe'.
fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::BadRequest(_) => StatusCode::BAD_REQUEST,
        Refusal::NoSuchLine | Refusal::NobodyThere => StatusCode::NOT_FOUND,
        Refusal::NotStaff
        | Refusal::NotStreamer
        | Refusal::Oneself
        | Refusal::Outranked
        | Refusal::NotInGroup { .. }
        | Refusal::EmojiOnly
        | Refusal::RealNameOnly
        | Refusal::KindNotAllowed
        | Refusal::WhispersOff
        | Refusal::MembersHidden
        | Refusal::NoGuests
        | Refusal::ProofNeeded(_)
        | Refusal::ReadOnly
        | Refusal::TokenExpired
        | Refusal::TokenRevoked
        | Refusal::OtherAccount
        | Refusal::Restricted { .. } => StatusCode::FORBIDDEN,
        Refusal::NothingToUndo
        | Refusal::TooMany(_)
        | Refusal::StaleQuestion(_)
        | Refusal::QuestionClosed(_)
        | Refusal::NicknameTaken(_)
        | Refusal::ChannelReadOnly
        | Refusal::BroadcastEnded => StatusCode::CONFLICT,
        Refusal::TooFast { .. }
        | Refusal::SlowMode { .. }
        | Refusal::TooManyOpen(_)
        | Refusal::TooManyConnections(_)
        | Refusal::NamesFull
        | Refusal::VotesFull => StatusCode::TOO_MANY_REQUESTS,
        Refusal::EmptyText
        | Refusal::Filtered(_)
        | Refusal::TextTooLong { .. }
        | Refusal::ExtrasTooLarge(_)
        | Refusal::ItemTooLarge(_)
        | Refusal::TokenRefused(_)
        | Refusal::UnknownChannel => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        Refusal::Busy { .. } | Refusal::Draining => StatusCode::SERVICE_UNAVAILABLE,
        // The last four are of the socket: nothing here ends in one.
        Refusal::Fault
        | Refusal::UnknownCommand
        | Refusal::OtherChannel
        | Refusal::NotJoined
        | Refusal::AlreadyJoined => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        StationError::Refused(refusal).into()
    }
}

/// Every answer that isn't a success, for the OpenAPI document.
#[derive(IntoResponses)]
#[response(status = "default", description = "What went wrong", content_type = "application/problem+json")]
#[expect(dead_code, reason = "it only describes the problems that handlers answer")]
pub(super) struct Failure(#[to_schema] Problem);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after_seconds;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
