//! What staff do in a channel, and what they have done.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::act::{Act, Deed, LONGEST_NOTICE_SECONDS, Lines, Name, Notice, PinContent, Wish};
use crate::model::id::Seq;
use crate::model::item::NoticeView;
use crate::model::message::{Extras, Receipt};
use crate::model::mode::ModeChange;
use crate::model::time::Millis;
use crate::node::{Access, Done};
use crate::proto::profile::role_code;
use crate::proto::request::acts::sweep;
use crate::proto::word::group_name;

use super::Site;
use super::ask::{Answer, Asked, Body, BodyIfAny, IdempotencyKey, PageQuery, RequestEvent, channel_id};
use super::filters::FilterChangeJson;
use super::lines::{Why, carry_out};
use super::own_lines::OwnLinesChangeJson;
use super::people::PersonJson;
use super::problem::{Failure, Problem};

/// What was done, and where it stands; all missing when it was so already.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DoneJson {
    /// The act's place in the channel's log: by it, it can be taken back.
    seq: Option<u64>,
    act_id: Option<String>,
    act_time: Option<i64>,
}

impl From<Option<Receipt>> for DoneJson {
    fn from(receipt: Option<Receipt>) -> Self {
        Self {
            seq: receipt.map(|receipt| receipt.seq.0),
            act_id: receipt.map(|receipt| receipt.id.to_string()),
            act_time: receipt.map(|receipt| receipt.time.0),
        }
    }
}

/// What is swept, and why.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Sweep {
    /// What was said in so many seconds, 1 to 600.
    seconds: u32,
    /// By users who said something here for the first time at most so many minutes ago, up to 1,440.
    newcomer_minutes: u32,
    #[serde(default)]
    reason: String,
    by: Option<PersonJson>,
}

/// Hides what newcomers have said lately. Staff are left out.
#[utoipa::path(post, path = "/channels/{channel}/sweep", tag = "moderation",
    params(("channel" = String, Path), IdempotencyKey), request_body = Sweep,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn sweep_channel(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    id: RequestEvent,
    Body(asked): Body<Sweep>,
) -> Answer<Json<DoneJson>> {
    let Sweep { seconds, newcomer_minutes, reason, by } = asked;
    let which = sweep(seconds, newcomer_minutes).map_err(|why| Problem::new(StatusCode::BAD_REQUEST, &why))?;
    carry_out(&site, (&channel, &access, id), Wish::Hide(which), Why { reason, by }).await
}

/// What is pinned: a text, or a line.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PinNotice {
    text: Option<String>,
    /// The place of a line that was sent before.
    seq: Option<u64>,
    /// For how long, 1 to 86,400; until it is taken down when it isn't said.
    seconds: Option<u32>,
    #[serde(default)]
    reason: String,
    by: Option<PersonJson>,
}

/// Pins a notice in the broadcast that is on; one that was there is replaced.
#[utoipa::path(post, path = "/channels/{channel}/notice", tag = "moderation",
    params(("channel" = String, Path), IdempotencyKey), request_body = PinNotice,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn pin_notice(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    id: RequestEvent,
    Body(asked): Body<PinNotice>,
) -> Answer<Json<DoneJson>> {
    let PinNotice { text, seq, seconds, reason, by } = asked;
    let notice = match (text, seq) {
        (Some(text), None) => Notice::Text(text, Extras::default()),
        (None, Some(seq)) => Notice::Line(Name::Place(Seq(seq))),
        _ => return Err(Problem::new(StatusCode::BAD_REQUEST, "say either text or seq")),
    };
    if seconds.is_some_and(|seconds| !(1..=LONGEST_NOTICE_SECONDS).contains(&seconds)) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "seconds is 1 to 86400"));
    }
    carry_out(&site, (&channel, &access, id), Wish::Pin(notice, seconds), Why { reason, by }).await
}

/// Takes the pinned notice down.
#[utoipa::path(post, path = "/channels/{channel}/notice/unpin", tag = "moderation",
    params(("channel" = String, Path), IdempotencyKey), request_body = Option<Why>,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn unpin_notice(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    id: RequestEvent,
    BodyIfAny(why): BodyIfAny<Why>,
) -> Answer<Json<DoneJson>> {
    carry_out(&site, (&channel, &access, id), Wish::Unpin, why).await
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NoticeJson {
    cid: String,
    msg_time: i64,
    uid: String,
    nickname: String,
    text: String,
    pinned_by: String,
    expires_at: Option<i64>,
}

impl From<NoticeView> for NoticeJson {
    fn from(notice: NoticeView) -> Self {
        Self {
            cid: notice.cid.to_string(),
            msg_time: notice.time.0,
            uid: notice.author.uid.to_string(),
            nickname: notice.author.profile.nickname.clone(),
            text: notice.text,
            pinned_by: notice.by.uid.to_string(),
            expires_at: notice.until.map(|until| until.0),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct PinnedJson {
    /// Null when nothing is pinned.
    notice: Option<NoticeJson>,
}

/// What is pinned in the newest broadcast.
#[utoipa::path(get, path = "/channels/{channel}/notice", tag = "moderation", params(("channel" = String, Path)),
    responses((status = 200, body = PinnedJson), Failure))]
pub(super) async fn read_notice(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
) -> Answer<Json<PinnedJson>> {
    let notice = site.node.notice(&channel_id(&channel)?).await?;
    Ok(Json(PinnedJson { notice: notice.map(NoticeJson::from) }))
}

/// Something that staff did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActJson {
    seq: u64,
    act_time: i64,
    /// `hide`, `show`, `pin`, `unpin`, `kick`, `penalize`, `block`, `lift`, `appoint`, `run`, `panic`, `calm`, `filter`, `mark`, `undo`
    act: &'static str,
    /// Who.
    uid: String,
    nickname: String,
    role: &'static str,
    /// The API key with which the site's backend asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    reason: String,
    #[serde(flatten)]
    about: AboutJson,
}

/// What an act was about.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AboutJson {
    /// The place of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    line_seq: Option<u64>,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sweep: Option<SweptJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    /// What is otherwise in how the chat is run.
    #[serde(skip_serializing_if = "Option::is_none")]
    modes: Option<ModesChangeJson>,
    /// What is otherwise in what lines may not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<FilterChangeJson>,
    /// What the channel says otherwise by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    own_lines: Option<OwnLinesChangeJson>,
    /// The role that the user has since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    given_role: Option<&'static str>,
    /// How the question stands since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    question_status: Option<&'static str>,
    /// The place of the act that was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    undone_seq: Option<u64>,
}

/// What was changed in how the chat is run.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ModesChangeJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    follow_minutes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribers_too: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emoji_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    real_name: Option<bool>,
}

impl From<&ModeChange> for ModesChangeJson {
    fn from(change: &ModeChange) -> Self {
        Self {
            slow_seconds: change.slow_seconds,
            group: change.group.map(group_name),
            follow_minutes: change.follow_minutes,
            subscribers_too: change.subscribers_too,
            emoji_only: change.emoji_only,
            real_name: change.real_name,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SweptJson {
    seconds: u32,
    newcomer_minutes: u32,
}

impl From<(Seq, Millis, &Act)> for ActJson {
    fn from((Seq(seq), Millis(act_time), act): (Seq, Millis, &Act)) -> Self {
        Self {
            seq,
            act_time,
            act: act.deed.word(),
            uid: act.by.uid.to_string(),
            nickname: act.by.profile.nickname.clone(),
            role: role_code(act.by.role),
            key_id: Some(act.key.clone()).filter(|key| !key.is_empty()),
            reason: act.reason.clone(),
            about: about(&act.deed),
        }
    }
}

fn about(deed: &Deed) -> AboutJson {
    let blank = AboutJson::default();
    match deed {
        Deed::Hide(lines) | Deed::Show(lines) => match lines {
            Lines::One(place) => AboutJson { line_seq: Some(place.0), ..blank },
            Lines::Of(user) => AboutJson { target_uid: Some(user.to_string()), ..blank },
            Lines::Sweep { seconds, newcomer_minutes } => {
                let swept = SweptJson { seconds: *seconds, newcomer_minutes: *newcomer_minutes };
                AboutJson { sweep: Some(swept), ..blank }
            }
        },
        Deed::Pin(pin) => {
            let blank = AboutJson { expires_at: pin.until.map(|until| until.0), ..blank };
            match &pin.content {
                PinContent::Line(place) => AboutJson { line_seq: Some(place.0), ..blank },
                PinContent::Text(text, _) => AboutJson { text: Some(text.clone()), ..blank },
            }
        }
        Deed::Unpin | Deed::Calm => blank,
        Deed::Run(change) => AboutJson { modes: Some(ModesChangeJson::from(change)), ..blank },
        Deed::Say(change) => AboutJson { own_lines: Some(OwnLinesChangeJson::from(&**change)), ..blank },
        Deed::Filter(change) => AboutJson { filter: Some(FilterChangeJson::from(&**change)), ..blank },
        Deed::Panic(change, until) => {
            AboutJson { modes: Some(ModesChangeJson::from(change)), expires_at: Some(until.0), ..blank }
        }
        Deed::Kick(user) | Deed::Lift(user) => AboutJson { target_uid: Some(user.uid.to_string()), ..blank },
        Deed::Penalize(user, until) => {
            AboutJson { target_uid: Some(user.uid.to_string()), expires_at: Some(until.0), ..blank }
        }
        Deed::Block(user, until) => {
            let expires_at = until.map(|until| until.0);
            AboutJson { target_uid: Some(user.uid.to_string()), expires_at, ..blank }
        }
        Deed::Appoint(user, role) => {
            AboutJson { target_uid: Some(user.uid.to_string()), given_role: Some(role_code(*role)), ..blank }
        }
        Deed::Mark(place, status, _) => {
            AboutJson { line_seq: Some(place.0), question_status: Some(status.word()), ..blank }
        }
        Deed::Undo(place) => AboutJson { undone_seq: Some(place.0), ..blank },
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActsJson {
    acts: Vec<ActJson>,
    next_cursor: Option<String>,
}

/// The audit trail: who did what, when and why, newest first. The last 100,000 acts, as far back as the log goes.
#[utoipa::path(get, path = "/channels/{channel}/acts", tag = "moderation",
    params(("channel" = String, Path), PageQuery), responses((status = 200, body = ActsJson), Failure))]
pub(super) async fn list_acts(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
    Asked(page): Asked<PageQuery>,
) -> Answer<Json<ActsJson>> {
    let before = page.number()?.map(Seq);
    let (acts, next) = site.node.acts(&channel_id(&channel)?, before, page.limit()).await?;
    Ok(Json((acts, next).into()))
}

impl From<(Vec<Done>, Option<Seq>)> for ActsJson {
    fn from((acts, next): (Vec<Done>, Option<Seq>)) -> Self {
        let acts = acts.iter().map(|(seq, at, act)| ActJson::from((*seq, *at, &**act))).collect();
        Self { acts, next_cursor: next.map(|place| place.to_string()) }
    }
}

/// Takes back what was done at this place, as far as it still holds.
#[utoipa::path(post, path = "/channels/{channel}/acts/{seq}/undo", tag = "moderation",
    params(("channel" = String, Path), ("seq" = u64, Path), IdempotencyKey), request_body = Option<Why>,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn undo_act(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path((channel, seq)): Path<(String, u64)>,
    id: RequestEvent,
    BodyIfAny(why): BodyIfAny<Why>,
) -> Answer<Json<DoneJson>> {
    carry_out(&site, (&channel, &access, id), Wish::Undo(Seq(seq)), why).await
}
