//! What was said in a channel, read back from its log.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::model::id::{ChannelId, Seq, UserId};
use crate::model::item::LineView;
use crate::model::message::Kind;
use crate::model::question::QuestionStatus;
use crate::model::time::Millis;
use crate::node::HistoryQuery;
use crate::proto::profile::role_code;
use crate::proto::special;

use super::Site;
use super::ask::{Answer, Asked, broadcast_id, channel_id, limit, number, user_id};
use super::problem::{Failure, Problem};
use super::questions::StateJson;

/// Kinds by their names here.
const KINDS: [(Kind, &str); 5] = [
    (Kind::Text, "text"),
    (Kind::Question, "question"),
    (Kind::Notice, "notice"),
    (Kind::Donation, "donation"),
    (Kind::Subscription, "subscription"),
];

/// A line as everybody may see it now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryLineJson {
    seq: u64,
    msg_id: String,
    msg_time: i64,
    cid: String,
    /// `anonymous` of a donor who isn't named.
    uid: String,
    nickname: String,
    role: &'static str,
    /// `text`, `question`, `notice`, `donation` or `subscription`
    kind: &'static str,
    /// Empty when it is hidden.
    text: String,
    hidden: bool,
    /// What goes with the text, as on the wire; of a donation or a subscription with what was paid.
    #[schema(value_type = Object)]
    extras: serde_json::Value,
    /// How a question stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<StateJson>,
}

impl HistoryLineJson {
    fn new(channel: &ChannelId, line: &LineView) -> Self {
        Self {
            seq: line.seq().0,
            msg_id: line.id().to_string(),
            msg_time: line.time().0,
            cid: line.cid().to_string(),
            uid: line.author().uid.to_string(),
            nickname: line.author().profile.nickname.clone(),
            role: role_code(line.author().role),
            kind: KINDS.iter().find(|(kind, _)| *kind == line.kind()).map_or("", |(_, name)| name),
            text: line.text().to_owned(),
            hidden: line.status().withholds(),
            extras: serde_json::from_str(&special::extras(line, channel)).unwrap_or_default(),
            question: line.question().map(|state| StateJson::from(&state)),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryJson {
    messages: Vec<HistoryLineJson>,
    /// There may be one beside a page that isn't full, even an empty one: 50,000 events were looked at.
    next_cursor: Option<String>,
}

/// Which lines: those that fit all that is given.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryAsked {
    /// Of this broadcast.
    cid: Option<String>,
    /// Of this user.
    uid: Option<String>,
    /// `text`, `question`, `notice`, `donation` or `subscription`.
    kind: Option<String>,
    /// `shown` or `hidden`; or how a question stands: `unanswered`, `selected`, `answered`, `dismissed`.
    status: Option<String>,
    /// Said at this time or later, in milliseconds.
    from: Option<i64>,
    /// Said before this time, in milliseconds.
    to: Option<i64>,
    /// At places behind this one.
    after: Option<u64>,
    /// At places before this one.
    before: Option<u64>,
    /// `newest` first (when it isn't said) or `oldest`.
    sort: Option<String>,
    /// Entries in the page, 1 to 100; 50 when it isn't said.
    limit: Option<usize>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Whose lines; nobody in particular has a name, too.
fn author_id(text: &str) -> Answer<UserId> {
    UserId::stored(text).map_or_else(|| user_id(text), Ok)
}

fn bad(why: &str) -> Problem {
    Problem::new(axum::http::StatusCode::BAD_REQUEST, why)
}

impl HistoryAsked {
    fn query(&self) -> Answer<HistoryQuery> {
        let oldest_first = match self.sort.as_deref() {
            None | Some("newest") => false,
            Some("oldest") => true,
            Some(_) => return Err(bad("sort is newest or oldest")),
        };
        let kind = |name: &str| KINDS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind);
        let kind = self.kind.as_deref().map(|name| kind(name).ok_or_else(|| bad("kind is none of those there are")));
        let (hidden, status) = match self.status.as_deref() {
            None => (None, None),
            Some("shown") => (Some(false), None),
            Some("hidden") => (Some(true), None),
            Some(word) => {
                let known = "status is shown, hidden, unanswered, selected, answered or dismissed";
                (None, Some(QuestionStatus::parse(word).ok_or_else(|| bad(known))?))
            }
        };
        let cursor = self.cursor.as_deref().map(number).transpose()?.map(Seq);
        let (after, before) = (Seq(self.after.unwrap_or_default()), self.before.map(Seq));
        Ok(HistoryQuery {
            cid: self.cid.as_deref().map(broadcast_id).transpose()?,
            uid: self.uid.as_deref().map(author_id).transpose()?,
            kind: kind.transpose()?,
            hidden,
            status,
            from: self.from.map(Millis),
            to: self.to.map(Millis),
            after: if oldest_first { cursor.unwrap_or(after) } else { after },
            before: if oldest_first { before } else { cursor.or(before) },
            oldest_first,
        })
    }
}

/// Lines of a channel, as far back as its log goes; hidden ones without their text, those for their authors alone not at all.
#[utoipa::path(get, path = "/channels/{channel}/messages", tag = "messages",
    params(("channel" = String, Path), HistoryAsked), responses((status = 200, body = HistoryJson), Failure))]
pub(super) async fn list_messages(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
    Asked(asked): Asked<HistoryAsked>,
) -> Answer<Json<HistoryJson>> {
    let channel = channel_id(&channel)?;
    let tell = |lines: &[LineView], next: Option<Seq>| HistoryJson {
        messages: lines.iter().map(|line| HistoryLineJson::new(&channel, line)).collect(),
        next_cursor: next.map(|place| place.to_string()),
    };
    Ok(Json(site.node.history(&channel, &asked.query()?, limit(asked.limit), tell).await?))
}
