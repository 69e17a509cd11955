//! Questions as our own layer tells of them: QUESTION_STATUS (93140), and the answer to QUESTIONS (15140).

use serde::Serialize;

use crate::model::id::{ChannelId, Cid, Seq};
use crate::model::item::Listed;
use crate::model::question::{QuestionChange, QuestionState, QuestionView};

use super::cmd::Cmd;
use super::profile::{extras_string, json, profile_string};
use super::push::event_of;
use super::reply::{Address, success};
use super::word::question_status;

/// A question as it stands, and in lists what it asks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuestionJson<'a> {
    channel_id: &'a str,
    #[serde(flatten)]
    state: StateJson,
    user_id: &'a str,
    message_time: i64,
    change_time: Option<i64>,
    changed_by: Option<PersonJson<'a>>,
    /// Whether who asks has voted for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    voted: Option<bool>,
    #[serde(flatten)]
    line: Option<LineJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StateJson {
    seq: u64,
    question_no: u64,
    status: &'static str,
    version: u64,
    votes: u64,
    change_seq: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PersonJson<'a> {
    user_id: &'a str,
    nickname: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LineJson<'a> {
    msg_id: String,
    profile: String,
    content: &'a str,
    extras: String,
    /// Whether its text is withheld.
    hidden: bool,
}

impl From<&QuestionState> for StateJson {
    fn from(state: &QuestionState) -> Self {
        let QuestionState { seq: Seq(seq), number, status, version, votes, changed: Seq(change_seq) } = *state;
        Self { seq, question_no: number, status: question_status(status), version, votes, change_seq }
    }
}

impl<'a> From<&'a QuestionView> for QuestionJson<'a> {
    fn from(question: &'a QuestionView) -> Self {
        let person =
            |change: &'a QuestionChange| PersonJson { user_id: change.by.as_str(), nickname: &change.nickname };
        Self {
            channel_id: question.cid.as_str(),
            state: StateJson::from(&question.state),
            user_id: question.author.as_str(),
            message_time: question.time.0,
            change_time: question.change.as_ref().map(|change| change.at.0),
            changed_by: question.change.as_ref().map(person),
            voted: None,
            line: None,
        }
    }
}

fn listed<'a>(channel: &ChannelId, Listed { line, question, voted }: &'a Listed) -> QuestionJson<'a> {
    let line = LineJson {
        msg_id: line.id().to_string(),
        profile: profile_string(line.author()),
        content: line.text(),
        extras: extras_string(&line.extras(), channel),
        hidden: line.status().withholds(),
    };
    QuestionJson { voted: *voted, line: Some(line), ..QuestionJson::from(question) }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Questions<'a> {
    questions: Vec<QuestionJson<'a>>,
    /// How many wait for an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<usize>,
    /// What to ask for next; null when there are no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Option<String>>,
}

/// Questions of a broadcast, in the order in which they were asked for.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// Whose broadcast it is.
    pub channel: &'a ChannelId,
    /// Each with its line.
    pub questions: &'a [Listed],
    /// How many of the broadcast wait for an answer.
    pub open: usize,
    /// Whether there may be more behind them.
    pub more: bool,
}

/// What a question stands like now: the body of QUESTION_STATUS's push (93140).
pub(super) fn changed(question: &QuestionView) -> String {
    json(&Questions { questions: vec![question.into()], open: None, next_cursor: None })
}

/// How a question stands, as the answer to whoever wanted to change it, or to vote for it.
pub(super) fn state(state: &QuestionState) -> StateJson {
    state.into()
}

/// The answer to QUESTION_VOTE (13141): the vote is counted, or no longer.
pub fn voted(to: &Address, question: &QuestionView, up: bool) -> String {
    success(Cmd::QUESTION_VOTE, to, QuestionJson { voted: Some(up), ..QuestionJson::from(question) })
}

/// The answer to QUESTIONS (15140), at most `limit` bytes: what doesn't fit comes with the next page.
pub fn listing(to: &Address, listing: &Listing<'_>, limit: usize) -> String {
    fitting(listing, limit, |questions, cut| {
        let last = questions.last().filter(|_| cut || listing.more);
        let next_cursor = Some(last.map(|last| cursor(last.state.votes, last.state.seq)));
        success(Cmd::QUESTIONS, to, Questions { questions, open: Some(listing.open), next_cursor })
    })
}

/// What a session of our own layer is told when it comes, at most `limit` bytes: questions that wait for an answer
/// (93140). It covers no part of the log.
pub fn open(cid: &Cid, listing: &Listing<'_>, limit: usize) -> String {
    fitting(listing, limit, |questions, _| {
        let body = json(&Questions { questions, open: Some(listing.open), next_cursor: None });
        event_of(Cmd::QUESTION_CHANGED, cid, &body, "")
    })
}

/// The message of as many questions as it has room for, from the first one on.
fn fitting<'a>(listing: &Listing<'a>, limit: usize, message: impl Fn(Vec<QuestionJson<'a>>, bool) -> String) -> String {
    let mut count = listing.questions.len();
    loop {
        let shown = listing.questions[..count].iter().map(|question| listed(listing.channel, question));
        let text = message(shown.collect(), count < listing.questions.len());
        if text.len() <= limit || count <= 1 {
            return text;
        }
        // As many as the excess amounts to at the average size of one, at least one.
        let excess = (text.len() - limit) * count / text.len();
        count -= excess.clamp(1, count - 1);
    }
}

/// Where a list goes on.
pub fn cursor(votes: u64, seq: u64) -> String {
    format!("{votes}-{seq}")
}

/// What [`cursor`] has written.
pub fn read_cursor(text: &str) -> Result<(u64, Seq), String> {
    let parts = text.split_once('-').and_then(|(votes, seq)| Some((votes.parse().ok()?, Seq(seq.parse().ok()?))));
    parts.ok_or_else(|| "cursor is not one that was given out".to_owned())
}
