//! The site's own API, `/v1`, for its backend: every request carries an API key, errors are RFC 9457 problem documents, and
//! `/v1/openapi.json` describes it all. Beside it, without a key: metrics and health.

mod access;
mod acts;
mod ask;
mod channels;
mod diagnostics;
mod filters;
mod history;
mod idempotency;
mod lines;
mod members;
mod modes;
mod own_lines;
mod people;
mod problem;
mod questions;
mod special;
mod users;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::model::access::Permission;
use crate::model::message::Author;
use crate::node::{Access, Node};

use idempotency::Requests;
use problem::Problem;

/// Largest request body in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// The site's API before a node.
pub struct Site {
    node: Arc<Node>,
    /// Who speaks when the site itself does.
    author: Author,
    requests: Requests,
}

impl Site {
    /// The endpoint before this node; `author` speaks when the site itself does.
    pub fn new(node: Arc<Node>, author: Author) -> Arc<Self> {
        Arc::new(Self { node, author, requests: Requests::default() })
    }

    /// Its paths.
    pub fn router(self: &Arc<Self>) -> Router {
        let (paths, document) = paths().split_for_parts();
        let document = Arc::new(described(document));
        let paths = paths
            .fallback(async || Problem::new(StatusCode::NOT_FOUND, "no such path"))
            .method_not_allowed_fallback(async || {
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes other methods: see /v1/openapi.json")
            })
            .layer(from_fn_with_state(self.clone(), idempotency::once))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .layer(from_fn_with_state(self.clone(), authorize))
            .route("/openapi.json", get(async move || Json((*document).clone())))
            .with_state(self.clone());
        Router::new().nest("/v1", paths)
    }

    /// Metrics and health, which need no key.
    pub fn health(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/metrics", get(diagnostics::metrics))
            .route("/livez", get(diagnostics::livez))
            .route("/readyz", get(diagnostics::readyz))
            .with_state(self.clone())
    }
}

type Paths = OpenApiRouter<Arc<Site>>;

/// Every path, under what a key must be allowed to do.
fn paths() -> Paths {
    let reading = Paths::new()
        .routes(routes!(channels::list_channels))
        .routes(routes!(channels::read_channel))
        .routes(routes!(channels::list_broadcasts))
        .routes(routes!(channels::read_broadcast));
    let writing = Paths::new()
        .routes(routes!(channels::open_channel))
        .routes(routes!(channels::close_channel))
        .routes(routes!(channels::open_broadcast))
        .routes(routes!(channels::close_broadcast));
    let keys = Paths::new().routes(routes!(access::make_key, access::list_keys)).routes(routes!(access::revoke_key));
    let hiding = Paths::new()
        .routes(routes!(lines::hide_message))
        .routes(routes!(lines::show_message))
        .routes(routes!(lines::hide_user))
        .routes(routes!(lines::show_user));
    let looking = Paths::new()
        .routes(routes!(lines::read_message))
        .routes(routes!(members::list_members))
        .routes(routes!(acts::read_notice))
        .routes(routes!(acts::list_acts))
        .routes(routes!(users::list_restrictions))
        .routes(routes!(users::list_roles))
        .routes(routes!(modes::read_modes))
        .routes(routes!(own_lines::read_own_lines))
        .routes(routes!(filters::read_filter))
        .routes(routes!(filters::list_words))
        .routes(routes!(filters::read_site_filter))
        .routes(routes!(filters::list_site_words))
        .routes(routes!(filters::list_site_acts))
        .routes(routes!(filters::try_filter));
    let reading_messages = Paths::new()
        .routes(routes!(history::list_messages))
        .routes(routes!(questions::list_questions))
        .routes(routes!(questions::export_questions))
        .routes(routes!(questions::read_question));
    let sending = Paths::new().routes(routes!(people::send_message)).routes(routes!(questions::vote_for_question));
    let telling = Paths::new()
        .routes(routes!(special::donate))
        .routes(routes!(special::subscribe))
        .routes(routes!(special::give))
        .routes(routes!(special::say_as_system))
        .routes(routes!(special::push_event));
    let moderating = Paths::new()
        .routes(routes!(acts::sweep_channel))
        .routes(routes!(acts::pin_notice))
        .routes(routes!(acts::unpin_notice))
        .routes(routes!(acts::undo_act))
        .routes(routes!(users::kick_user))
        .routes(routes!(users::penalize_user))
        .routes(routes!(users::block_user))
        .routes(routes!(users::lift_user))
        .routes(routes!(users::appoint_user))
        .routes(routes!(modes::change_modes))
        .routes(routes!(modes::panic))
        .routes(routes!(modes::end_panic))
        .routes(routes!(own_lines::change_own_lines))
        .routes(routes!(filters::change_filter))
        .routes(routes!(filters::change_site_filter))
        .routes(routes!(filters::undo_site_act))
        .routes(routes!(questions::mark_question));
    let tokens = Paths::new().routes(routes!(people::make_token)).routes(routes!(people::make_ticket));
    let one = |route| Paths::new().routes(route);
    [
        (Permission::ReadChannels, reading),
        (Permission::WriteChannels, writing),
        (Permission::ReadMessages, reading_messages),
        (Permission::WriteMessages, sending),
        (Permission::WriteSpecials, telling),
        (Permission::HideMessages, hiding),
        (Permission::ReadModeration, looking),
        (Permission::WriteModeration, moderating),
        (Permission::EraseMessages, one(routes!(lines::erase_messages))),
        (Permission::WriteTokens, tokens),
        (Permission::ReadRevocations, one(routes!(access::list_revocations))),
        (Permission::WriteRevocations, one(routes!(access::revoke))),
        (Permission::WriteKeys, keys),
        (Permission::ReadDiagnostics, one(routes!(diagnostics::list_closes))),
    ]
    .into_iter()
    .fold(Paths::new(), |all, (permission, paths)| all.merge(allowed(permission, paths)))
}

/// The same paths, for keys that have this permission.
fn allowed(permission: Permission, paths: Paths) -> Paths {
    paths.route_layer(from_fn_with_state(permission, require))
}

async fn require(State(permission): State<Permission>, request: Request, next: Next) -> Response {
    let access = request.extensions().get::<Access>();
    if access.is_some_and(|access| access.permissions.contains(&permission)) {
        return next.run(request).await;
    }
    let lacking = format!("the API key lacks the scope {}", permission.word());
    Problem::new(StatusCode::FORBIDDEN, &lacking).into_response()
}

/// The OpenAPI document: the paths, and what goes for all of them.
fn described(paths: OpenApi) -> OpenApi {
    let how = "For the backend of a site that uses madang. Times are milliseconds since the Unix epoch, UTC. Lists come \
               in pages: ask for the next with `nextCursor` as `cursor`.";
    let info = InfoBuilder::new().title("madang").version(env!("CARGO_PKG_VERSION")).description(Some(how)).build();
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let components =
        ComponentsBuilder::from(paths.components.clone().unwrap_or_default()).security_scheme("apiKey", bearer).build();
    let mut under_v1 = OpenApi::default().nest("/v1", paths);
    under_v1.components = Some(components);
    OpenApiBuilder::from(under_v1)
        .info(info)
        .security(Some([SecurityRequirement::new("apiKey", Vec::<String>::new())]))
        .build()
}

async fn authorize(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    match presented_key(request.headers()).map(|key| site.node.access(key)) {
        Some(Some(access)) => {
            request.extensions_mut().insert(access);
            next.run(request).await
        }
        Some(None) => Problem::new(StatusCode::FORBIDDEN, "this API key opens nothing here").into_response(),
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
