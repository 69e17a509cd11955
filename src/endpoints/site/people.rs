//! In whose name: tokens for people, and lines of theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::access::OLDEST_TOKEN_MS;
use crate::model::id::Cid;
use crate::model::message::{Author, Draft, Kind, Receipt};
use crate::model::mode::Known;
use crate::model::principal::{Profile, Role, Scope, Subscription, Title, ViewerBadge};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::node::{Access, Grant, SiteLine};

use super::Site;
use super::ask::{Answer, Body, IdempotencyKey, RequestEvent, channel_id, user_id};
use super::problem::{Failure, Problem};

/// How long a token holds when the request doesn't say, in seconds.
const USUAL_TOKEN_SECONDS: i64 = 12 * 3_600;

/// Longest time that a token holds, in seconds.
const LONGEST_TOKEN_SECONDS: i64 = OLDEST_TOKEN_MS / 1_000;

/// What a user may do, by the names that the chat wire uses.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RoleJson {
    #[default]
    CommonUser,
    StreamingChatManager,
    StreamingChannelManager,
    Streamer,
    Manager,
}

impl From<RoleJson> for Role {
    fn from(role: RoleJson) -> Self {
        match role {
            RoleJson::CommonUser => Self::Viewer,
            RoleJson::StreamingChatManager => Self::ChatManager,
            RoleJson::StreamingChannelManager => Self::ChannelManager,
            RoleJson::Streamer => Self::Streamer,
            RoleJson::Manager => Self::SiteManager,
        }
    }
}

/// How a user is shown: 2 KiB in all.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct ProfileJson {
    /// Address of a picture.
    image: String,
    /// A code of the nickname colour table.
    color: String,
    /// Whether the site vouches for the account.
    verified: bool,
    /// Address of the role badge's picture.
    badge: Option<String>,
    title: Option<TitleJson>,
    subscription: Option<SubscriptionJson>,
    /// At most 10.
    badges: Vec<BadgeJson>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TitleJson {
    name: String,
    color: String,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SubscriptionJson {
    months: u32,
    /// 1 or 2.
    tier: u8,
    #[serde(default)]
    name: String,
    #[serde(default)]
    badge: String,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BadgeJson {
    id: String,
    /// Whether it belongs to the whole site.
    #[serde(default)]
    site: bool,
    image: String,
}

impl ProfileJson {
    fn named(self, nickname: String) -> Profile {
        Profile {
            nickname,
            image_url: self.image,
            color_code: self.color,
            verified: self.verified,
            badge_url: self.badge,
            title: self.title.map(|title| Title { name: title.name, color: title.color }),
            subscription: self.subscription.map(|paid| Subscription {
                months: paid.months,
                tier: paid.tier,
                tier_name: paid.name,
                badge_url: paid.badge,
            }),
            viewer_badges: self
                .badges
                .into_iter()
                .map(|badge| ViewerBadge { id: badge.id, site_wide: badge.site, image_url: badge.image })
                .collect(),
        }
    }
}

/// Somebody.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PersonJson {
    uid: String,
    /// 1 to 30 characters.
    nickname: String,
    #[serde(default)]
    role: RoleJson,
    #[serde(default)]
    profile: ProfileJson,
    /// Since when they follow the channel, in seconds since 1970.
    following_since: Option<i64>,
    /// Whether the site knows their name.
    #[serde(default)]
    real_name: bool,
}

impl PersonJson {
    fn grant(self, scope: Scope, ttl_seconds: i64) -> Answer<Grant> {
        let uid = user_id(&self.uid)?;
        let profile = self.profile.named(self.nickname);
        let followed = self.following_since.map(Millis::from_seconds);
        let known = Known { followed, real_name: self.real_name, address: None };
        Ok(Grant { uid, profile, role: self.role.into(), scope, roles: Vec::new(), known, guest: false, ttl_seconds })
    }
}

/// Whose token, and for what.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MakeToken {
    user: PersonJson,
    /// The only channel or broadcast in which it holds.
    channel_id: Option<String>,
    /// Higher roles in single channels or broadcasts: at most 100.
    #[serde(default)]
    roles: BTreeMap<String, RoleJson>,
    /// How long it holds, 1 to 34,560,000 (400 days); 43,200 when it isn't said.
    ttl_seconds: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenJson {
    /// What the chat's CONNECT takes as `accTkn`.
    token: String,
    /// By what it can be revoked.
    token_id: String,
    issued_at: i64,
    expires_at: i64,
}

/// Makes a chat access token.
#[utoipa::path(post, path = "/tokens", tag = "tokens", params(IdempotencyKey), request_body = MakeToken,
    responses((status = 201, body = TokenJson), Failure))]
pub(super) async fn make_token(
    State(site): State<Arc<Site>>,
    Body(asked): Body<MakeToken>,
) -> Answer<(StatusCode, Json<TokenJson>)> {
    let ttl = asked.ttl_seconds.unwrap_or(USUAL_TOKEN_SECONDS);
    if !(1..=LONGEST_TOKEN_SECONDS).contains(&ttl) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "ttlSeconds is 1 to 34560000"));
    }
    let scope = match &asked.channel_id {
        None => Scope::Everywhere,
        Some(place) => Scope::Only(channel_id(place)?.to_string()),
    };
    let roles = asked.roles.into_iter().map(|(place, role)| (place, role.into())).collect();
    let grant = Grant { roles, ..asked.user.grant(scope, ttl)? };
    let (token, principal) = site.node.token_for(&grant).await.map_err(about_the_user)?;
    let json = TokenJson {
        token,
        token_id: principal.token_id,
        issued_at: principal.issued.0,
        expires_at: principal.issued.0 + ttl * 1_000,
    };
    Ok((StatusCode::CREATED, Json(json)))
}

fn about_the_user(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::TokenRefused(why) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, &format!("user: {why}")),
        other => other.into(),
    }
}

/// In whose name something is done: the site's own, if the request names nobody.
pub(super) async fn person(site: &Site, named: Option<PersonJson>) -> Answer<Author> {
    Ok(speaker(site, named).await?.0)
}

/// In whose name something is said, and what is known of them beside their profile.
pub(super) async fn speaker(site: &Site, named: Option<PersonJson>) -> Answer<(Author, Known)> {
    let Some(person) = named else { return Ok((site.author.clone(), Known::default())) };
    // By way of a token, so that the backend can name nobody whom the gateway would not let in.
    let grant = person.grant(Scope::Everywhere, 60)?;
    let principal = site.node.token_for(&grant).await.map_err(about_the_user)?.1;
    Ok((Author::from(&principal), principal.known))
}

/// What a line is.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum KindJson {
    #[default]
    Text,
    Question,
    Notice,
}

/// What is said, and in whose name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendMessage {
    text: String,
    #[serde(default)]
    kind: KindJson,
    /// Without it, the site itself speaks: `site`, under the name of the settings (`site.name`).
    user: Option<PersonJson>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageJson {
    msg_id: String,
    msg_time: i64,
    seq: u64,
    cid: String,
}

impl MessageJson {
    pub(super) fn new(cid: &Cid, receipt: Receipt) -> Self {
        let Receipt { id, time, seq } = receipt;
        Self { msg_id: id.to_string(), msg_time: time.0, seq: seq.0, cid: cid.to_string() }
    }
}

/// Sends a line into the broadcast that is on; the answer comes when it is durable and on its way to everybody.
#[utoipa::path(post, path = "/channels/{channel}/messages", tag = "messages",
    params(("channel" = String, Path), IdempotencyKey), request_body = SendMessage,
    responses((status = 201, body = MessageJson), Failure))]
pub(super) async fn send_message(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    RequestEvent(id): RequestEvent,
    Body(asked): Body<SendMessage>,
) -> Answer<(StatusCode, Json<MessageJson>)> {
    let channel = channel_id(&channel)?;
    let (author, known) = speaker(&site, asked.user).await?;
    let kind = match asked.kind {
        KindJson::Text => Kind::Text,
        KindJson::Question => Kind::Question,
        KindJson::Notice => Kind::Notice,
    };
    let draft = Draft { kind, text: asked.text, ..Draft::default() };
    let (cid, receipt) =
        site.node.say(&channel, SiteLine { author, known, draft, occasion: None, id }, &access).await?;
    Ok((StatusCode::CREATED, Json(MessageJson::new(&cid, receipt))))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TicketJson {
    /// What a guest sends as `proof`, once.
    ticket: String,
    expires_at: i64,
}

/// Makes a ticket for one guest, where `auth.guest_proof` asks for tickets. It is good for ten minutes.
#[utoipa::path(post, path = "/guest-tickets", tag = "tokens", params(IdempotencyKey),
    responses((status = 201, body = TicketJson), Failure))]
pub(super) async fn make_ticket(State(site): State<Arc<Site>>) -> (StatusCode, Json<TicketJson>) {
    let (ticket, until) = site.node.ticket();
    (StatusCode::CREATED, Json(TicketJson { ticket, expires_at: until.0 }))
}
