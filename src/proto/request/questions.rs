//! Bodies of requests about questions.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::act::{Asked, Name, Wish};
use crate::model::id::{Cid, Seq};
use crate::model::question::{QuestionOrder, QuestionQuery, QuestionStatus};

use super::super::questions::read_cursor;
use super::super::word::question_status_of;
use super::acts::{LineBody, asked};
use super::decode;

/// Most questions in one answer.
pub const MOST_LISTED: usize = 100;

/// Questions in an answer when the request doesn't say.
const USUAL_LISTED: usize = 50;

#[derive(Deserialize)]
struct MarkBody {
    #[serde(flatten)]
    line: LineBody,
    status: Option<String>,
    version: Option<u64>,
    undo: Option<u64>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct VoteBody {
    #[serde(flatten)]
    line: LineBody,
    vote: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListBody {
    status: Option<String>,
    sort: Option<String>,
    size: Option<i64>,
    cursor: Option<String>,
    chat_channel_id: Option<String>,
}

/// Which questions a session asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionList {
    /// Which, and in which order.
    pub query: QuestionQuery,
    /// How many at most, 1 to [`MOST_LISTED`].
    pub size: usize,
}

/// Reads the body of QUESTION_STATUS (3140): a question's name, the status it shall have, and the version that was seen.
pub fn mark(body: Option<&RawValue>) -> Result<Asked, String> {
    let MarkBody { line, status, version, undo, reason } = decode(body)?;
    if let Some(place) = undo {
        return asked(Wish::Undo(Seq(place)), reason);
    }
    let status = status.ok_or("status is missing: UNANSWERED, SELECTED, ANSWERED or DISMISSED")?;
    let version = version.ok_or("version is missing: the one that you saw")?;
    asked(Wish::Mark(line.name()?, question_status_of(&status)?, version), reason)
}

/// Reads the body of QUESTION_VOTE (3141): a question's name, and whether the vote is given or taken back.
pub fn vote(body: Option<&RawValue>) -> Result<(Name, bool), String> {
    let VoteBody { line, vote } = decode(body)?;
    Ok((line.name()?, vote.unwrap_or(true)))
}

/// Reads the body of QUESTIONS (5140); a missing body asks for those of this broadcast that wait for an answer, most votes
/// first.
pub fn list(body: Option<&RawValue>, here: &Cid) -> Result<QuestionList, String> {
    let body = body.map_or(Ok(None), |body| decode::<ListBody>(Some(body)).map(Some))?;
    let ListBody { status, sort, size, cursor, chat_channel_id } =
        body.unwrap_or(ListBody { status: None, sort: None, size: None, cursor: None, chat_channel_id: None });
    let cid = chat_channel_id.map_or(Ok(here.clone()), |cid| Cid::parse(&cid).ok_or("chatChannelId can't be one"))?;
    let order = match sort.as_deref() {
        None | Some("VOTES") => QuestionOrder::Votes,
        Some("AGE") => QuestionOrder::Age,
        Some(other) => return Err(format!("sort is VOTES or AGE, not {other:?}")),
    };
    let size = size.map_or(USUAL_LISTED, |size| usize::try_from(size).unwrap_or(1)).clamp(1, MOST_LISTED);
    let after = cursor.as_deref().map(read_cursor).transpose()?;
    let statuses = statuses(status.as_deref().unwrap_or("OPEN"))?;
    Ok(QuestionList { query: QuestionQuery { cid: Some(cid), statuses, order, after }, size })
}

/// The statuses that a word means: one of them, `OPEN` or `ALL`, in any case.
pub fn statuses(word: &str) -> Result<Vec<QuestionStatus>, String> {
    let all = QuestionStatus::ALL.into_iter();
    match word.to_ascii_uppercase().as_str() {
        "OPEN" => Ok(all.filter(|status| status.is_open()).collect()),
        "ALL" => Ok(all.collect()),
        one => Ok(vec![question_status_of(one)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn lists(json: &str) -> Result<QuestionList, String> {
        list(Some(&raw(json)), &Cid::parse("here").unwrap())
    }

    #[test]
    fn a_status_is_changed_from_a_version() {
        let marks = |json: &str| mark(Some(&raw(json))).map(|asked| asked.wish);
        let selected = Wish::Mark(Name::Place(Seq(7)), QuestionStatus::Selected, 2);
        assert_eq!(marks(r#"{"seq":7,"status":"SELECTED","version":2}"#), Ok(selected));
        assert_eq!(marks(r#"{"undo":9}"#), Ok(Wish::Undo(Seq(9))));
        assert!(marks(r#"{"seq":7,"status":"SELECTED"}"#).unwrap_err().contains("version is missing"));
        assert!(marks(r#"{"seq":7,"version":1}"#).unwrap_err().contains("status is missing"));
        assert!(marks(r#"{"seq":7,"status":"GONE","version":1}"#).unwrap_err().contains("UNANSWERED, SELECTED"));
        assert!(marks(r#"{"status":"SELECTED","version":1}"#).is_err());
        for bad in [r#"{"seq":7,"status":"SELECTED","version":-1}"#, r#"{"seq":7,"status":1,"version":1}"#, "[]"] {
            assert!(marks(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn votes_are_given_and_taken_back() {
        let votes = |json: &str| vote(Some(&raw(json)));
        assert_eq!(votes(r#"{"seq":7}"#), Ok((Name::Place(Seq(7)), true)));
        assert_eq!(votes(r#"{"seq":7,"vote":false}"#), Ok((Name::Place(Seq(7)), false)));
        assert!(votes(r#"{"vote":true}"#).is_err() && votes(r#"{"seq":7,"vote":3}"#).is_err());
    }

    #[test]
    fn lists_are_asked_for_in_words() {
        let usual = list(None, &Cid::parse("here").unwrap()).unwrap();
        assert_eq!(usual, lists("{}").unwrap());
        assert_eq!((usual.query, usual.size), (QuestionQuery::open(&Cid::parse("here").unwrap()), USUAL_LISTED));
        let asked = lists(r#"{"status":"DISMISSED","sort":"AGE","size":1000,"cursor":"3-70","chatChannelId":"there"}"#);
        let asked = asked.unwrap();
        assert_eq!(asked.query.cid, Cid::parse("there"));
        assert_eq!((asked.query.statuses, asked.query.order), (vec![QuestionStatus::Dismissed], QuestionOrder::Age));
        assert_eq!((asked.query.after, asked.size), (Some((3, Seq(70))), MOST_LISTED));
        assert_eq!(lists(r#"{"status":"all","size":-4}"#).unwrap().size, 1);
        for bad in [
            r#"{"status":"X"}"#,
            r#"{"sort":"X"}"#,
            r#"{"cursor":"70"}"#,
            r#"{"cursor":"a-b"}"#,
            r#"{"chatChannelId":"a b"}"#,
            r#"{"size":"9"}"#,
            "[]",
        ] {
            assert!(lists(bad).is_err(), "{bad}");
        }
    }
}
