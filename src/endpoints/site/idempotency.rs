//! Requests that may be sent twice and are carried out once.
//!
//! Whoever doesn't hear an answer sends the request again, with the same Idempotency-Key; it is answered as the first
//! time. What is remembered lives in memory; a line that was sent is known again by its event after a restart too.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dashmap::DashMap;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex as AsyncMutex;

use crate::model::time::Millis;
use crate::node::Access;

use super::ask::request_key;
use super::problem::Problem;
use super::{LARGEST_BODY, Site};

/// How long an answer is remembered.
const REMEMBERED_MS: i64 = 24 * 3_600 * 1_000;

/// Requests that are remembered at most; the oldest go first.
const MOST_REMEMBERED: usize = 10_000;

/// Largest answer that is remembered, in bytes. Larger ones are only read, never the fruit of an act.
const LARGEST_ANSWER: usize = 16 * 1024;

/// The path whose answers hold a secret.
const KEYS: &str = "/keys";

/// Whose request, to what, under which key.
type Key = (String, String, String);

/// Requests that were carried out.
#[derive(Default)]
pub(super) struct Requests {
    known: DashMap<Key, Arc<AsyncMutex<Option<Carried>>>>,
    /// Oldest first.
    order: Mutex<VecDeque<(Millis, Key)>>,
}

#[derive(Clone)]
struct Carried {
    body: [u8; 32],
    status: StatusCode,
    content_type: Option<HeaderValue>,
    answer: Bytes,
}

impl Requests {
    /// The place of this request, held by whoever carries it out.
    fn place(&self, key: &Key, now: Millis) -> Arc<AsyncMutex<Option<Carried>>> {
        let mut order = self.order.lock();
        while order.front().is_some_and(|(at, _)| *at < now - REMEMBERED_MS) || order.len() >= MOST_REMEMBERED {
            if let Some((_, oldest)) = order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        let known = self.known.entry(key.clone());
        let known = known.or_insert_with(|| {
            order.push_back((now, key.clone()));
            Arc::default()
        });
        known.value().clone()
    }
}

/// Carries out a POST that names itself once, however often it comes.
pub(super) async fn once(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    // A key is told once: nobody keeps an answer that holds one.
    if request.method() != Method::POST || request.uri().path().ends_with(KEYS) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let key = match request_key(&parts) {
        Ok(None) => return next.run(Request::from_parts(parts, body)).await,
        Ok(Some(key)) => key.to_owned(),
        Err(problem) => return problem.into_response(),
    };
    let access = parts.extensions.get::<Access>().map(|access| access.id.clone()).unwrap_or_default();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large, or broke off").into_response();
    };
    let place = site.requests.place(&(access, parts.uri.path().to_owned(), key), site.node.clock().now());
    // In a task of its own: whoever hangs up now will ask again, and has to hear how it ended.
    let carrying = tokio::spawn(carry_out(place, parts, body, next));
    carrying.await.unwrap_or_else(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "whether the request took effect is not known").into_response()
    })
}

async fn carry_out(place: Arc<AsyncMutex<Option<Carried>>>, parts: Parts, body: Bytes, next: Next) -> Response {
    let digest: [u8; 32] = Sha256::digest(&body).into();
    // A second one that comes while the first is under way waits for its answer.
    let mut carried = place.lock().await;
    match &*carried {
        Some(first) if first.body == digest => return first.again(),
        Some(_) => {
            let how = "this Idempotency-Key was used for another body: use a new one";
            return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, how).into_response();
        }
        None => {}
    }
    let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (head, body) = answer.into_parts();
    let Ok(answer) = to_bytes(body, LARGEST_ANSWER).await else {
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer is too large").into_response();
    };
    // What failed on our side, was too early, or didn't fit how things stood then, may be tried again.
    let passing = [StatusCode::TOO_MANY_REQUESTS, StatusCode::CONFLICT].contains(&head.status);
    if !head.status.is_server_error() && !passing {
        let content_type = head.headers.get(CONTENT_TYPE).cloned();
        *carried = Some(Carried { body: digest, status: head.status, content_type, answer: answer.clone() });
    }
    Response::from_parts(head, Body::from(answer))
}

impl Carried {
    fn again(&self) -> Response {
        let mut response = (self.status, self.answer.clone()).into_response();
        if let Some(content_type) = &self.content_type {
            response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
        }
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_or_too_much_is_forgotten() {
        let requests = Requests::default();
        let key = |turn: usize| ("k".to_owned(), "/p".to_owned(), turn.to_string());
        for turn in 0..MOST_REMEMBERED + 5 {
            requests.place(&key(turn), Millis(0));
        }
        assert_eq!(requests.known.len(), MOST_REMEMBERED);
        requests.place(&key(0), Millis(REMEMBERED_MS + 1));
        assert_eq!(requests.known.len(), 1);
    }
}
