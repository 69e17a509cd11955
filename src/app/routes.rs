//! Which path leads where, and what every request passes on its way.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN, RETRY_AFTER};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::json;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tower_http::timeout::TimeoutLayer;

use crate::endpoints::chat::{Chat, forwarded};
use crate::endpoints::chzzk::Chzzk;
use crate::endpoints::site::Site;
use crate::gate::{Gate, Visitor};

/// How long one HTTP request may take in all.
const LONGEST_REQUEST: Duration = Duration::from_secs(30);

/// What the gateway's paths lead to.
pub(super) struct Routes<'a> {
    pub(super) chat: &'a Arc<Chat>,
    pub(super) chzzk: &'a Arc<Chzzk>,
    pub(super) site: &'a Arc<Site>,
    pub(super) gate: &'a Arc<Gate>,
}

impl Routes<'_> {
    /// What the public port leads to, and what the one of the site's own programs does.
    pub(super) fn routers(&self, prefix: &str, together: bool) -> (Router, Router) {
        let gate = self.gate.clone();
        let pace = from_fn(move |request: Request, next: Next| paced(gate.clone(), request, next));
        let own = self.gate.clone();
        let forged = from_fn(move |request: Request, next: Next| of_allowed_pages(own.clone(), request, next));
        let admin = self.site.router().merge(self.site.health());
        let mut public = self.chat.router().merge(self.chzzk.router().layer(pace).layer(forged).layer(self.cors()));
        if !prefix.is_empty() {
            public = Router::new().nest(prefix, public);
        }
        if together {
            public = public.merge(admin.clone());
        }
        let where_to = format!("no such path: the chat socket is {prefix}/chat\n");
        (
            finish(public, where_to),
            finish(admin, "no such path: the API is /v1, health /livez and /readyz\n".to_owned()),
        )
    }

    /// Lets pages of allowed origins read what they ask for, with the cookies of their user.
    fn cors(&self) -> CorsLayer {
        let gate = self.gate.clone();
        let allowed = AllowOrigin::predicate(move |origin, request| {
            let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
            origin.to_str().is_ok_and(|origin| gate.allows(Some(origin), host))
        });
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_credentials(true)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers(AllowHeaders::mirror_request())
            .max_age(Duration::from_secs(3_600))
    }
}

/// Whatever changes something and is asked for by a page comes from an allowed one: a browser brings the login's cookie along
/// whoever's page it is.
async fn of_allowed_pages(gate: Arc<Gate>, request: Request, next: Next) -> Response {
    if may_change(&gate, &request) {
        return next.run(request).await;
    }
    let why = "pages of this origin may not do this: see allowed_origins in the gateway's settings";
    (StatusCode::FORBIDDEN, Json(json!({"code": 403, "message": why, "content": null}))).into_response()
}

fn may_change(gate: &Gate, request: &Request) -> bool {
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    request.method().is_safe() || gate.allows(header(ORIGIN), header(HOST))
}

/// Answers as many requests of an address as it may make: looking at a login costs more than anything else here.
async fn paced(gate: Arc<Gate>, mut request: Request, next: Next) -> Response {
    let hops = forwarded(request.headers());
    let taken = request
        .extensions()
        .get::<Arc<Visitor>>()
        .map_or(Ok(None), |visitor| gate.admit_request(visitor, hops.iter().map(AsRef::as_ref)));
    match taken {
        Ok(address) => {
            if let Some(address) = address {
                request.extensions_mut().insert(address);
            }
            next.run(request).await
        }
        Err(wait_ms) => {
            let why = "too many requests of this address";
            let wrapped = Json(json!({"code": 429, "message": why, "content": null}));
            // 200, as all that is said on these paths: clients read the wrapper.
            ([(RETRY_AFTER, wait_ms.div_ceil(1_000).to_string())], wrapped).into_response()
        }
    }
}

/// What every router has: an answer for other paths, and an end for requests that take too long.
fn finish(router: Router, elsewhere: String) -> Router {
    let too_slow = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, LONGEST_REQUEST);
    router.fallback(async move || (StatusCode::NOT_FOUND, elsewhere)).layer(too_slow)
}
