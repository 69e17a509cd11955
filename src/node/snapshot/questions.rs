//! The ledger of questions.

use serde::{Deserialize, Serialize};

use crate::channel::FrozenQuestion;
use crate::model::id::{Seq, UserId};
use crate::model::question::{QuestionChange, QuestionStatus};
use crate::model::time::Millis;

use super::acts::{StoredLine, read_line, stored_line};

#[derive(Serialize, Deserialize)]
pub(super) struct StoredQuestion {
    line: StoredLine,
    number: u64,
    status: String,
    version: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    voters: Vec<u64>,
    #[serde(default, skip_serializing_if = "super::is_zero")]
    forgotten: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change: Option<StoredChange>,
    changed: u64,
}

/// The place of the act, when it was done, by whom, what they were called, and how the question stood before.
type StoredChange = (u64, i64, String, String, String);

pub(super) fn stored(question: &FrozenQuestion) -> StoredQuestion {
    let change = |change: &QuestionChange| {
        let QuestionChange { act, at, by, nickname, before } = change;
        (act.0, at.0, by.to_string(), nickname.clone(), before.word().to_owned())
    };
    StoredQuestion {
        line: stored_line(question.line),
        number: question.number,
        status: question.status.word().to_owned(),
        version: question.version,
        voters: question.voters.clone(),
        forgotten: question.forgotten,
        change: question.change.as_ref().map(change),
        changed: question.changed.0,
    }
}

pub(super) fn read(stored: StoredQuestion) -> Option<FrozenQuestion> {
    let change = |(act, at, by, nickname, before): StoredChange| {
        let (by, before) = (UserId::parse(&by)?, QuestionStatus::parse(&before)?);
        Some(QuestionChange { act: Seq(act), at: Millis(at), by, nickname, before })
    };
    Some(FrozenQuestion {
        line: read_line(stored.line),
        number: stored.number,
        status: QuestionStatus::parse(&stored.status)?,
        version: stored.version,
        voters: stored.voters,
        forgotten: stored.forgotten,
        change: match stored.change {
            Some(stored) => Some(change(stored)?),
            None => None,
        },
        changed: Seq(stored.changed),
    })
}
