//! Questions to the streamer: listing and exporting them, saying how they stand, voting for them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::model::act::{Name, Wish};
use crate::model::id::{ChannelId, Cid, Seq};
use crate::model::question::{QuestionOrder, QuestionQuery, QuestionState, QuestionStatus, QuestionView};
use crate::model::refusal::Refusal;
use crate::node::{Access, Listed};
use crate::proto::questions::{cursor, read_cursor};
use crate::proto::request::questions::statuses;

use super::Site;
use super::acts::DoneJson;
use super::ask::{Answer, Asked, Body, IdempotencyKey, RequestEvent, broadcast_id, channel_id, limit};
use super::lines::{Why, carry_out};
use super::people::{PersonJson, speaker};
use super::problem::{Failure, Problem};

/// What begins a file of text that spreadsheets shall read as UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// More than a channel remembers.
const ALL: usize = usize::MAX;

fn bad(why: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, why)
}

/// How a question stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StateJson {
    /// The place of its line in the channel's log.
    seq: u64,
    /// Its number in its broadcast: rises from 1, may skip.
    question_no: u64,
    /// `unanswered`, `selected`, `answered` or `dismissed`
    status: &'static str,
    /// Rises with every change of the status.
    version: u64,
    votes: u64,
    /// The place of what has changed it last, a vote included.
    change_seq: u64,
}

impl From<&QuestionState> for StateJson {
    fn from(state: &QuestionState) -> Self {
        let QuestionState { seq: Seq(seq), number, status, version, votes, changed: Seq(change_seq) } = *state;
        Self { seq, question_no: number, status: status.word(), version, votes, change_seq }
    }
}

/// A question.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct QuestionJson {
    #[serde(flatten)]
    state: StateJson,
    cid: String,
    msg_id: String,
    msg_time: i64,
    uid: String,
    nickname: String,
    /// Empty when it is hidden.
    text: String,
    hidden: bool,
    /// When its status was changed last, and by whom.
    changed_at: Option<i64>,
    changed_by_uid: Option<String>,
    changed_by: Option<String>,
}

impl From<&Listed> for QuestionJson {
    fn from(Listed { line, question, .. }: &Listed) -> Self {
        let QuestionView { cid, state, author, time, change } = question;
        Self {
            state: state.into(),
            cid: cid.to_string(),
            msg_id: line.id().to_string(),
            msg_time: time.0,
            uid: author.to_string(),
            nickname: line.author().profile.nickname.clone(),
            text: line.text().to_owned(),
            hidden: line.status().withholds(),
            changed_at: change.as_ref().map(|change| change.at.0),
            changed_by_uid: change.as_ref().map(|change| change.by.to_string()),
            changed_by: change.as_ref().map(|change| change.nickname.clone()),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct QuestionsJson {
    questions: Vec<QuestionJson>,
    next_cursor: Option<String>,
}

/// Which questions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct QuestionsQuery {
    /// `open` (unanswered and selected; when it isn't said), `all`, `unanswered`, `selected`, `answered` or `dismissed`.
    status: Option<String>,
    /// `votes` (most first; when it isn't said) or `age` (oldest first).
    sort: Option<String>,
    /// The broadcast in which they were asked; the newest when it isn't said, `all` for every one that is remembered.
    cid: Option<String>,
    /// Entries in the page, 1 to 100; 50 when it isn't said.
    limit: Option<usize>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Questions of a broadcast. A channel remembers 10,000; those that wait for an answer stay listed when their broadcast is
/// over.
#[utoipa::path(get, path = "/channels/{channel}/questions", tag = "questions",
    params(("channel" = String, Path), QuestionsQuery), responses((status = 200, body = QuestionsJson), Failure))]
pub(super) async fn list_questions(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
    Asked(asked): Asked<QuestionsQuery>,
) -> Answer<Json<QuestionsJson>> {
    let (channel, most) = (channel_id(&channel)?, limit(asked.limit));
    let query = QuestionQuery {
        cid: cid(&site, &channel, asked.cid.as_deref()).await?,
        statuses: statuses(asked.status.as_deref().unwrap_or("open")).map_err(|why| bad(&why))?,
        order: order(asked.sort.as_deref().unwrap_or("votes"))?,
        after: asked.cursor.as_deref().map(read_cursor).transpose().map_err(|why| bad(&why))?,
    };
    let found = site.node.questions_for_site(&channel, &query, most).await?;
    let last = found.last().filter(|_| found.len() == most).map(|last| last.question.state);
    let next_cursor = last.map(|last| cursor(last.votes, last.seq.0));
    Ok(Json(QuestionsJson { questions: found.iter().map(QuestionJson::from).collect(), next_cursor }))
}

fn order(word: &str) -> Answer<QuestionOrder> {
    match word {
        "votes" => Ok(QuestionOrder::Votes),
        "age" => Ok(QuestionOrder::Age),
        _ => Err(bad("sort is votes or age")),
    }
}

/// The broadcast that is meant; `None` for every one.
async fn cid(site: &Site, channel: &ChannelId, named: Option<&str>) -> Answer<Option<Cid>> {
    match named {
        Some("all") => Ok(None),
        Some(named) => Ok(Some(broadcast_id(named)?)),
        None => Ok(Some(site.node.newest_broadcast(channel).await?)),
    }
}

/// One question.
#[utoipa::path(get, path = "/channels/{channel}/questions/{seq}", tag = "questions",
    params(("channel" = String, Path), ("seq" = u64, Path)), responses((status = 200, body = QuestionJson), Failure))]
pub(super) async fn read_question(
    State(site): State<Arc<Site>>,
    Path((channel, seq)): Path<(String, u64)>,
) -> Answer<Json<QuestionJson>> {
    let after = Some((0, Seq(seq.saturating_sub(1))));
    let query = QuestionQuery { statuses: QuestionStatus::ALL.to_vec(), after, ..QuestionQuery::default() };
    let found = site.node.questions_for_site(&channel_id(&channel)?, &query, 1).await?;
    let found = found.first().filter(|found| found.line.seq() == Seq(seq)).ok_or(Refusal::NoSuchLine)?;
    Ok(Json(found.into()))
}

/// The status that a question shall have, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    /// `unanswered`, `selected`, `answered` or `dismissed`
    status: String,
    /// The version that you saw: when somebody has changed the question since, it is refused with how it stands (409).
    version: u64,
    #[serde(default)]
    reason: String,
    by: Option<PersonJson>,
}

/// Says how a question stands. It can be taken back like every act of staff.
#[utoipa::path(post, path = "/channels/{channel}/questions/{seq}/status", tag = "questions",
    params(("channel" = String, Path), ("seq" = u64, Path), IdempotencyKey), request_body = Mark,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn mark_question(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path((channel, seq)): Path<(String, u64)>,
    id: RequestEvent,
    Body(asked): Body<Mark>,
) -> Answer<Json<DoneJson>> {
    let Mark { status, version, reason, by } = asked;
    let status = QuestionStatus::parse(&status.to_ascii_lowercase())
        .ok_or_else(|| bad("status is unanswered, selected, answered or dismissed"))?;
    let wish = Wish::Mark(Name::Place(Seq(seq)), status, version);
    carry_out(&site, (&channel, &access, id), wish, Why { reason, by }).await
}

/// Whose vote, and whether it is given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CastVote {
    user: PersonJson,
    /// False takes it back.
    #[serde(default = "given")]
    vote: bool,
}

fn given() -> bool {
    true
}

/// Votes for a question in somebody's name, or takes their vote back. A second vote of the same user is none.
#[utoipa::path(post, path = "/channels/{channel}/questions/{seq}/votes", tag = "questions",
    params(("channel" = String, Path), ("seq" = u64, Path), IdempotencyKey), request_body = CastVote,
    responses((status = 200, body = StateJson), Failure))]
pub(super) async fn vote_for_question(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path((channel, seq)): Path<(String, u64)>,
    RequestEvent(id): RequestEvent,
    Body(asked): Body<CastVote>,
) -> Answer<Json<StateJson>> {
    let voter = speaker(&site, Some(asked.user)).await?;
    let channel = channel_id(&channel)?;
    let question = site.node.vote_as_site(&channel, voter, (Seq(seq), asked.vote), &access, id).await?;
    Ok(Json(StateJson::from(&question.state)))
}

/// What is exported, and as what.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportQuery {
    /// `csv` or `json`; `csv` when it isn't said.
    format: Option<String>,
    /// As in the list; `all` when it isn't said.
    status: Option<String>,
    /// As in the list.
    cid: Option<String>,
}

/// All questions of a broadcast in one file, oldest first.
#[utoipa::path(get, path = "/channels/{channel}/questions/export", tag = "questions",
    params(("channel" = String, Path), ExportQuery),
    responses((status = 200, content((QuestionsJson = "application/json"), (String = "text/csv"))), Failure))]
pub(super) async fn export_questions(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
    Asked(asked): Asked<ExportQuery>,
) -> Answer<Response> {
    let channel = channel_id(&channel)?;
    let query = QuestionQuery {
        cid: cid(&site, &channel, asked.cid.as_deref()).await?,
        statuses: statuses(asked.status.as_deref().unwrap_or("all")).map_err(|why| bad(&why))?,
        ..QuestionQuery::default()
    };
    let found = site.node.questions_for_site(&channel, &query, ALL).await?;
    let questions = found.iter().map(QuestionJson::from).collect();
    match asked.format.as_deref().unwrap_or("csv") {
        "csv" => Ok(table(questions).map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, &error))?),
        "json" => Ok(Json(QuestionsJson { questions, next_cursor: None }).into_response()),
        _ => Err(bad("format is csv or json")),
    }
}

const COLUMNS: [&str; 13] = [
    "questionNo",
    "status",
    "votes",
    "text",
    "nickname",
    "uid",
    "msgTime",
    "seq",
    "cid",
    "hidden",
    "version",
    "changedAt",
    "changedBy",
];

fn table(questions: Vec<QuestionJson>) -> Result<Response, String> {
    let mut rows = csv::Writer::from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
    rows.write_record(COLUMNS).map_err(|error| error.to_string())?;
    for question in questions {
        let QuestionJson { state, cid, msg_time, uid, nickname, text, hidden, changed_at, changed_by, .. } = question;
        let row = [
            state.question_no.to_string(),
            state.status.to_owned(),
            state.votes.to_string(),
            harmless(text),
            harmless(nickname),
            harmless(uid),
            msg_time.to_string(),
            state.seq.to_string(),
            harmless(cid),
            hidden.to_string(),
            state.version.to_string(),
            changed_at.map(|at| at.to_string()).unwrap_or_default(),
            harmless(changed_by.unwrap_or_default()),
        ];
        rows.write_record(row).map_err(|error| error.to_string())?;
    }
    let file = rows.into_inner().map_err(|error| error.to_string())?;
    let headers =
        [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CONTENT_DISPOSITION, "attachment; filename=\"questions.csv\"")];
    Ok((headers, file).into_response())
}

/// A text that no spreadsheet takes for a formula.
fn harmless(text: String) -> String {
    let formula = |text: &str| text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\n']);
    // Some separate cells by semicolons, and pass over blanks.
    let harmful = formula(&text) || text.split(';').any(|part| formula(part.trim_start()));
    if harmful { format!("'{}", text.replace(';', ",")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", " =1", "＝1"] {
            assert_eq!(harmless(formula.to_owned()), format!("'{formula}"));
        }
        assert_eq!(harmless("a;=1+1".to_owned()), "'a,=1+1");
        assert_eq!(harmless("왜 = 인가요?".to_owned()), "왜 = 인가요?");
    }
}
