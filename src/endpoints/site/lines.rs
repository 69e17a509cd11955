//! Lines that were sent: taking them back, showing them again, looking at them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::act::{Asked, Name, Which, Wish};
use crate::model::id::Seq;
use crate::node::Access;

use super::Site;
use super::acts::{ActJson, DoneJson};
use super::ask::{Answer, BodyIfAny, IdempotencyKey, RequestEvent, channel_id, reason, user_id};
use super::filters::FoundJson;
use super::people::{PersonJson, person};
use super::problem::Failure;

/// Why something is done, and in whose name; both may be left out, and so may the whole body.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    /// Up to 200 characters.
    #[serde(default)]
    pub(super) reason: String,
    /// One of staff; without it, the site itself acts.
    pub(super) by: Option<PersonJson>,
}

/// Does what a wish says, in the name that the request gives.
pub(super) async fn carry_out(
    site: &Site,
    (channel, access, id): (&str, &Access, RequestEvent),
    wish: Wish,
    Why { reason: why, by }: Why,
) -> Answer<Json<DoneJson>> {
    let asked = Asked { reason: reason(&why)?, wish };
    let by = person(site, by).await?;
    let receipt = site.node.act_as_site(&channel_id(channel)?, asked, by, access, id.0).await?;
    Ok(Json(DoneJson::from(receipt)))
}

/// Shows a line no more: members are told, and whoever comes late or comes back gets it without its text.
#[utoipa::path(post, path = "/channels/{channel}/messages/{seq}/hide", tag = "messages",
    params(("channel" = String, Path), ("seq" = u64, Path), IdempotencyKey), request_body = Option<Why>,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn hide_message(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path((channel, seq)): Path<(String, u64)>,
    id: RequestEvent,
    BodyIfAny(why): BodyIfAny<Why>,
) -> Answer<Json<DoneJson>> {
    let wish = Wish::Hide(Which::Line(Name::Place(Seq(seq))));
    carry_out(&site, (&channel, &access, id), wish, why).await
}

/// Shows a line again that was hidden.
#[utoipa::path(post, path = "/channels/{channel}/messages/{seq}/show", tag = "messages",
    params(("channel" = String, Path), ("seq" = u64, Path), IdempotencyKey), request_body = Option<Why>,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn show_message(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path((channel, seq)): Path<(String, u64)>,
    id: RequestEvent,
    BodyIfAny(why): BodyIfAny<Why>,
) -> Answer<Json<DoneJson>> {
    let wish = Wish::Show(Which::Line(Name::Place(Seq(seq))));
    carry_out(&site, (&channel, &access, id), wish, why).await
}

/// Shows nothing any more that a user has said in the channel by now.
#[utoipa::path(post, path = "/channels/{channel}/users/{uid}/hide", tag = "messages",
    params(("channel" = String, Path), ("uid" = String, Path), IdempotencyKey), request_body = Option<Why>,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn hide_user(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path((channel, uid)): Path<(String, String)>,
    id: RequestEvent,
    BodyIfAny(why): BodyIfAny<Why>,
) -> Answer<Json<DoneJson>> {
    let wish = Wish::Hide(Which::Of(user_id(&uid)?));
    carry_out(&site, (&channel, &access, id), wish, why).await
}

/// Shows again what a user has said and was hidden.
#[utoipa::path(post, path = "/channels/{channel}/users/{uid}/show", tag = "messages",
    params(("channel" = String, Path), ("uid" = String, Path), IdempotencyKey), request_body = Option<Why>,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn show_user(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path((channel, uid)): Path<(String, String)>,
    id: RequestEvent,
    BodyIfAny(why): BodyIfAny<Why>,
) -> Answer<Json<DoneJson>> {
    let wish = Wish::Show(Which::Of(user_id(&uid)?));
    carry_out(&site, (&channel, &access, id), wish, why).await
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineJson {
    seq: u64,
    msg_id: String,
    msg_time: i64,
    cid: String,
    uid: String,
    nickname: String,
    text: String,
    hidden: bool,
    /// What the rules have made of it.
    filtered: Option<FoundJson>,
    /// What hides it, as far as that is still in the log.
    hidden_by: Option<ActJson>,
}

/// One of the newest broadcast's last 4,096 lines, with its text even if that is hidden.
#[utoipa::path(get, path = "/channels/{channel}/messages/{seq}", tag = "messages",
    params(("channel" = String, Path), ("seq" = u64, Path)), responses((status = 200, body = LineJson), Failure))]
pub(super) async fn read_message(
    State(site): State<Arc<Site>>,
    Path((channel, seq)): Path<(String, u64)>,
) -> Answer<Json<LineJson>> {
    let found = site.node.withheld_from_site(&channel_id(&channel)?, &Name::Place(Seq(seq))).await?;
    let line = &found.line;
    Ok(Json(LineJson {
        seq,
        msg_id: line.id().to_string(),
        msg_time: line.time().0,
        cid: line.cid().to_string(),
        uid: line.author().uid.to_string(),
        nickname: line.author().profile.nickname.clone(),
        text: line.text().to_owned(),
        hidden: found.hidden,
        filtered: line.filtered().map(FoundJson::from),
        hidden_by: found.act().map(ActJson::from),
    }))
}

#[derive(Serialize, ToSchema)]
pub(super) struct ErasedJson {
    uid: String,
    /// Lines that were erased from the log.
    erased: u64,
}

/// Erases everything that somebody has said in a channel by now, from memory and from the disk. It may take seconds in a
/// channel of millions of lines; asked again after a failure, it goes on.
#[utoipa::path(post, path = "/channels/{channel}/users/{uid}/erase", tag = "messages",
    params(("channel" = String, Path), ("uid" = String, Path), IdempotencyKey),
    responses((status = 200, body = ErasedJson), Failure))]
pub(super) async fn erase_messages(
    State(site): State<Arc<Site>>,
    Path((channel, uid)): Path<(String, String)>,
) -> Answer<Json<ErasedJson>> {
    let uid = user_id(&uid)?;
    let erased = site.node.erase(&channel_id(&channel)?, &uid).await?;
    Ok(Json(ErasedJson { uid: uid.to_string(), erased }))
}
