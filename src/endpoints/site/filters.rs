//! What lines may not say, in a channel or in the whole site.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::act::{Deed, Wish};
use crate::model::filter::{Entry, Filter, FilterChange, Filtered, Finding, Measure, Repeats, Rule};
use crate::model::id::Seq;
use crate::node::{Access, Filtering, LONGEST_TRIAL_MINUTES, Trial};
use crate::proto::request::filters::FilterBody;
use crate::proto::word::rule_name;

use super::Site;
use super::acts::{ActsJson, DoneJson};
use super::ask::{Answer, Asked, Body, BodyIfAny, IdempotencyKey, PageQuery, RequestEvent, channel_id, reason};
use super::lines::{Why, carry_out};
use super::people::{PersonJson, person};
use super::problem::{Failure, Problem};

/// What shall be otherwise, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeFilter {
    filter: FilterBody,
    #[serde(default)]
    reason: String,
    by: Option<PersonJson>,
}

fn read(filter: FilterBody) -> Answer<FilterChange> {
    filter.read().map_err(|why| Problem::new(StatusCode::BAD_REQUEST, &why))
}

/// Changes what lines may not say in a channel. In force for every line that is sent from then on, staff's aside.
#[utoipa::path(post, path = "/channels/{channel}/filter", tag = "moderation",
    params(("channel" = String, Path), IdempotencyKey), request_body = ChangeFilter,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn change_filter(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    id: RequestEvent,
    Body(asked): Body<ChangeFilter>,
) -> Answer<Json<DoneJson>> {
    let ChangeFilter { filter, reason, by } = asked;
    carry_out(&site, (&channel, &access, id), Wish::Filter(read(filter)?), Why { reason, by }).await
}

/// Changes what lines may not say in any channel: nobody is exempt but the site.
#[utoipa::path(post, path = "/filter", tag = "moderation", params(IdempotencyKey), request_body = ChangeFilter,
    responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn change_site_filter(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    RequestEvent(id): RequestEvent,
    Body(asked): Body<ChangeFilter>,
) -> Answer<Json<DoneJson>> {
    let ChangeFilter { filter, reason: why, by } = asked;
    let (deed, named) = (Deed::Filter(Arc::new(read(filter)?)), (person(&site, by).await?, reason(&why)?));
    Ok(Json(site.node.rule_site(deed, named, &access, id).await?.into()))
}

/// Takes back the last change of what lines may not say in any channel.
#[utoipa::path(post, path = "/acts/{seq}/undo", tag = "moderation", params(("seq" = u64, Path), IdempotencyKey),
    request_body = Option<Why>, responses((status = 200, body = DoneJson), Failure))]
pub(super) async fn undo_site_act(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(seq): Path<u64>,
    RequestEvent(id): RequestEvent,
    BodyIfAny(Why { reason: why, by }): BodyIfAny<Why>,
) -> Answer<Json<DoneJson>> {
    let named = (person(&site, by).await?, reason(&why)?);
    Ok(Json(site.node.rule_site(Deed::Undo(Seq(seq)), named, &access, id).await?.into()))
}

/// What was changed for the whole site: who, what, when, why; newest first.
#[utoipa::path(get, path = "/acts", tag = "moderation", params(PageQuery),
    responses((status = 200, body = ActsJson), Failure))]
pub(super) async fn list_site_acts(
    State(site): State<Arc<Site>>,
    Asked(page): Asked<PageQuery>,
) -> Answer<Json<ActsJson>> {
    let before = page.number()?.map(Seq);
    Ok(Json(site.node.site_acts(before, page.limit()).await?.into()))
}

/// A word or a pattern.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
    measure: &'static str,
    number: u64,
    added_at: i64,
    added_by: String,
}

impl From<&Entry> for EntryJson {
    fn from(entry: &Entry) -> Self {
        Self {
            word: None,
            pattern: None,
            measure: entry.measure.word(),
            number: entry.number,
            added_at: entry.at.0,
            added_by: entry.by.clone(),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct RepeatsJson {
    most: u32,
    measure: &'static str,
}

impl From<Repeats> for RepeatsJson {
    fn from(repeats: Repeats) -> Self {
        Self { most: repeats.most, measure: repeats.measure.word() }
    }
}

/// What lines may not say; words have a list of their own.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FilterJson {
    /// How many there are.
    words: usize,
    patterns: Vec<EntryJson>,
    /// `mask`, `blind`, `shadow`, `refuse`; null: nothing becomes of them.
    links: Option<&'static str>,
    hosts: Vec<String>,
    repeats: Option<RepeatsJson>,
    marks: Option<&'static str>,
    directions: Option<&'static str>,
    /// The place of the last change.
    seq: u64,
}

impl From<Filtering> for FilterJson {
    fn from(filtering: Filtering) -> Self {
        let filter: &Filter = filtering.rules.filter();
        let pattern = |(text, entry): (&String, &Entry)| EntryJson { pattern: Some(text.clone()), ..entry.into() };
        Self {
            words: filter.words.len(),
            patterns: filter.patterns.iter().map(pattern).collect(),
            links: filter.links.map(Measure::word),
            hosts: filter.hosts.iter().cloned().collect(),
            repeats: filter.repeats.map(RepeatsJson::from),
            marks: filter.marks.map(Measure::word),
            directions: filter.directions.map(Measure::word),
            seq: filtering.since.0,
        }
    }
}

/// What lines may not say in a channel.
#[utoipa::path(get, path = "/channels/{channel}/filter", tag = "moderation", params(("channel" = String, Path)),
    responses((status = 200, body = FilterJson), Failure))]
pub(super) async fn read_filter(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
) -> Answer<Json<FilterJson>> {
    Ok(Json(site.node.rules_of(&channel_id(&channel)?).await?.into()))
}

/// What lines may not say in any channel.
#[utoipa::path(get, path = "/filter", tag = "moderation", responses((status = 200, body = FilterJson), Failure))]
pub(super) async fn read_site_filter(State(site): State<Arc<Site>>) -> Json<FilterJson> {
    Json(site.node.rules_of_site().into())
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WordsJson {
    words: Vec<EntryJson>,
    next_cursor: Option<String>,
}

/// In the order in which they were added.
fn words(filtering: &Filtering, page: &PageQuery) -> Answer<Json<WordsJson>> {
    let after = page.number()?;
    let words = filtering.rules.filter().words.iter();
    let mut words: Vec<_> = words.filter(|(_, entry)| after.is_none_or(|after| entry.number > after)).collect();
    words.sort_unstable_by_key(|(_, entry)| entry.number);
    let more = words.len() > page.limit();
    words.truncate(page.limit());
    let next_cursor = words.last().filter(|_| more).map(|(_, last)| last.number.to_string());
    let json = |(text, entry): (&String, &Entry)| EntryJson { word: Some(text.clone()), ..entry.into() };
    Ok(Json(WordsJson { words: words.into_iter().map(json).collect(), next_cursor }))
}

/// Words that lines may not say in a channel, the oldest first.
#[utoipa::path(get, path = "/channels/{channel}/filter/words", tag = "moderation",
    params(("channel" = String, Path), PageQuery), responses((status = 200, body = WordsJson), Failure))]
pub(super) async fn list_words(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
    Asked(page): Asked<PageQuery>,
) -> Answer<Json<WordsJson>> {
    words(&site.node.rules_of(&channel_id(&channel)?).await?, &page)
}

/// Words that lines may not say in any channel, the oldest first.
#[utoipa::path(get, path = "/filter/words", tag = "moderation", params(PageQuery),
    responses((status = 200, body = WordsJson), Failure))]
pub(super) async fn list_site_words(
    State(site): State<Arc<Site>>,
    Asked(page): Asked<PageQuery>,
) -> Answer<Json<WordsJson>> {
    words(&site.node.rules_of_site(), &page)
}

/// What is tried, on which minutes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TryFilter {
    /// What would be added; without it, the rules that hold now are tried.
    filter: Option<FilterBody>,
    /// The last so many minutes, 1 to 60.
    minutes: u32,
}

/// What rules would have found in a line, or have found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FoundJson {
    measure: &'static str,
    /// `word`, `pattern`, `link`, `repeats`, `marks` or `directions`
    rule: &'static str,
    /// The word, the pattern, or the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
    /// What others see, or would have seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    masked: Option<String>,
}

impl FoundJson {
    fn new(measure: Measure, rule: &Rule, masked: Option<String>) -> Self {
        let (rule, found) = rule_name(rule);
        Self { measure: measure.word(), rule, found: found.map(str::to_owned), masked }
    }
}

impl From<&Filtered> for FoundJson {
    fn from(filtered: &Filtered) -> Self {
        Self::new(filtered.measure, &filtered.rule, None)
    }
}

impl From<Finding> for FoundJson {
    fn from(finding: Finding) -> Self {
        Self::new(finding.measure, &finding.rule, finding.masked)
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TriedLineJson {
    seq: u64,
    sent_at: i64,
    uid: String,
    nickname: String,
    /// As everybody sees it, or its author alone.
    text: String,
    #[serde(flatten)]
    found: FoundJson,
}

#[derive(Serialize, ToSchema)]
struct CountsJson {
    mask: u64,
    blind: u64,
    shadow: u64,
    refuse: u64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrialJson {
    /// Lines of the log that were looked at, those of staff aside; what was refused at the last moment is among them.
    lines: u64,
    /// Whether those are all of these minutes; at most 200,000 are looked at, from the oldest.
    whole: bool,
    /// How many would have been dealt with.
    found: CountsJson,
    /// Those of the last hundred whose text isn't hidden, newest first.
    shown: Vec<TriedLineJson>,
}

impl From<Trial> for TrialJson {
    fn from(trial: Trial) -> Self {
        let count = |wanted| trial.found.iter().find(|(measure, _)| *measure == wanted).map_or(0, |(_, count)| *count);
        let shown = trial.shown.iter().map(|(line, finding)| TriedLineJson {
            seq: line.seq().0,
            sent_at: line.time().0,
            uid: line.author().uid.to_string(),
            nickname: line.author().profile.nickname.clone(),
            text: line.text().to_owned(),
            found: finding.clone().into(),
        });
        Self {
            lines: trial.lines,
            whole: trial.whole,
            found: CountsJson {
                mask: count(Measure::Mask),
                blind: count(Measure::Blind),
                shadow: count(Measure::Shadow),
                refuse: count(Measure::Refuse),
            },
            shown: shown.collect(),
        }
    }
}

/// A dry run: what rules would have done to the last minutes of a channel. Nothing changes. One at a time in the whole
/// gateway; others get 503.
#[utoipa::path(post, path = "/channels/{channel}/filter/try", tag = "moderation",
    params(("channel" = String, Path)), request_body = TryFilter,
    responses((status = 200, body = TrialJson), Failure))]
pub(super) async fn try_filter(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
    Body(asked): Body<TryFilter>,
) -> Answer<Json<TrialJson>> {
    if !(1..=LONGEST_TRIAL_MINUTES).contains(&asked.minutes) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, &format!("minutes is 1 to {LONGEST_TRIAL_MINUTES}")));
    }
    let change = asked.filter.map(read).transpose()?;
    Ok(Json(site.node.try_rules(&channel_id(&channel)?, change, asked.minutes).await?.into()))
}

/// What was changed in what lines may not say.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FilterChangeJson {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    no_words: bool,
    /// With measures, `off` of what is gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    words: Vec<(String, &'static str)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    patterns: Vec<(String, &'static str)>,
    /// Whether each is allowed since then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<(String, bool)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<(u32, &'static str)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marks: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directions: Option<&'static str>,
}

impl From<&FilterChange> for FilterChangeJson {
    fn from(change: &FilterChange) -> Self {
        let word = |measure: Option<Measure>| measure.map_or("off", Measure::word);
        let list = |entries: &[(String, Option<Measure>)]| {
            entries.iter().map(|(text, measure)| (text.clone(), word(*measure))).collect()
        };
        let repeats = |given: Option<Repeats>| given.map_or((0, "off"), |given| (given.most, given.measure.word()));
        Self {
            no_words: change.no_words,
            words: list(&change.words),
            patterns: list(&change.patterns),
            hosts: change.hosts.clone(),
            links: change.links.map(word),
            repeats: change.repeats.map(repeats),
            marks: change.marks.map(word),
            directions: change.directions.map(word),
        }
    }
}
