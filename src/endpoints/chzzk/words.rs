//! Prohibited words over Chzzk's own HTTP (facts, 4.1, row 10), by the login of staff.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::act::{Asked, Wish};
use crate::model::filter::{Entry, FilterChange, Measure};
use crate::node::Filtering;

use super::live::korean_date;
use super::moderate::{acts, channel_id, logged_in, with_status};
use super::{Answer, Chzzk, content, failure, station_failure};

/// What becomes of a line with a word that is added here: these paths have no word for anything else.
const MEASURE: Measure = Measure::Refuse;

/// A word.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WordBody {
    prohibit_word: String,
}

type Read = Result<Json<WordBody>, JsonRejection>;

/// Which word of which channel.
type Numbered = Result<Path<(String, u64)>, PathRejection>;

/// The words, the oldest first. One published client reads `prohibitWords`, the other `prohibitWordList`.
pub(super) async fn list(State(chzzk): State<Arc<Chzzk>>, Path(channel): Path<String>, headers: HeaderMap) -> Response {
    with_status(listed(&chzzk, &channel, &headers).await)
}

async fn listed(chzzk: &Chzzk, channel: &str, headers: &HeaderMap) -> Answer {
    let filtering = match rules(chzzk, channel, headers).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let mut words: Vec<(&String, &Entry)> = filtering.rules.filter().words.iter().collect();
    words.sort_unstable_by_key(|(_, entry)| entry.number);
    let json = |(word, entry): (&String, &Entry)| {
        json!({
            "prohibitWordNo": entry.number,
            "prohibitWord": word,
            "nickname": entry.by,
            "createdDate": korean_date(entry.at),
        })
    };
    let words: Vec<Value> = words.into_iter().map(json).collect();
    content(json!({"prohibitWords": words, "prohibitWordList": words}))
}

/// What the rules of a channel are, for its staff.
async fn rules(chzzk: &Chzzk, channel: &str, headers: &HeaderMap) -> Result<Filtering, Answer> {
    let channel = channel_id(channel)?;
    let principal = logged_in(chzzk, headers).await?;
    chzzk.node.rules_for(&channel, principal).await.map_err(|error| station_failure(&error))
}

/// Adds a word.
pub(super) async fn add(
    State(chzzk): State<Arc<Chzzk>>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Read,
) -> Response {
    let change = |_: &Words, word: Option<String>| Some(of_words(vec![(word?, Some(MEASURE))]));
    with_status(changed(&chzzk, &channel, &headers, Some(body), change).await)
}

/// Puts another word in a word's place.
pub(super) async fn edit(State(chzzk): State<Arc<Chzzk>>, path: Numbered, headers: HeaderMap, body: Read) -> Response {
    let Ok(Path((channel, number))) = path else { return with_status(no_such_word()) };
    let change = move |now: &Words, word: Option<String>| {
        let (before, entry) = numbered(now, number)?;
        Some(of_words(vec![(before.clone(), None), (word?, Some(entry.measure))]))
    };
    with_status(changed(&chzzk, &channel, &headers, Some(body), change).await)
}

/// Takes a word away.
pub(super) async fn remove(State(chzzk): State<Arc<Chzzk>>, path: Numbered, headers: HeaderMap) -> Response {
    let Ok(Path((channel, number))) = path else { return with_status(no_such_word()) };
    let change = move |now: &Words, _: Option<String>| Some(of_words(vec![(numbered(now, number)?.0.clone(), None)]));
    with_status(changed(&chzzk, &channel, &headers, None, change).await)
}

/// Takes every word away.
pub(super) async fn clear(
    State(chzzk): State<Arc<Chzzk>>,
    Path(channel): Path<String>,
    headers: HeaderMap,
) -> Response {
    let change = |_: &Words, _: Option<String>| Some(FilterChange { no_words: true, ..FilterChange::default() });
    with_status(changed(&chzzk, &channel, &headers, None, change).await)
}

type Words = BTreeMap<String, Entry>;

fn of_words(words: Vec<(String, Option<Measure>)>) -> FilterChange {
    FilterChange { words, ..FilterChange::default() }
}

fn numbered(words: &Words, number: u64) -> Option<(&String, &Entry)> {
    words.iter().find(|(_, entry)| entry.number == number)
}

fn no_such_word() -> Answer {
    failure(404, "no such word")
}

async fn changed(
    chzzk: &Chzzk,
    channel: &str,
    headers: &HeaderMap,
    body: Option<Read>,
    change: impl FnOnce(&Words, Option<String>) -> Option<FilterChange>,
) -> Answer {
    change_words(chzzk, channel, headers, body, change).await.unwrap_or_else(|answer| answer)
}

async fn change_words(
    chzzk: &Chzzk,
    channel: &str,
    headers: &HeaderMap,
    body: Option<Read>,
    change: impl FnOnce(&Words, Option<String>) -> Option<FilterChange>,
) -> Result<Answer, Answer> {
    let body = body.transpose().map_err(|_| failure(400, "the body is not what this path takes"))?;
    let id = channel_id(channel)?;
    let principal = logged_in(chzzk, headers).await?;
    let view = chzzk.node.channel(&id).await.map_err(|error| station_failure(&error))?;
    let newest = view.broadcasts.last().ok_or_else(|| failure(404, "this channel has had no broadcast"))?;
    // Whether they are staff is looked at with the act, and counts as one.
    let now = chzzk.node.rules_of(&id).await.map_err(|error| station_failure(&error))?;
    let Some(change) = change(&now.rules.filter().words, body.map(|Json(body)| body.prohibit_word)) else {
        // Which words there are is for staff to know.
        rules(chzzk, channel, headers).await?;
        return Err(no_such_word());
    };
    let asked = Asked { reason: String::new(), wish: Wish::Filter(change) };
    Ok(acts(chzzk, principal, &newest.cid, asked).await)
}
