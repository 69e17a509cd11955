//! What is told of acts to those who come back, and the notice that is pinned.

use serde::{Deserialize, Serialize};

use crate::channel::{FrozenAct, FrozenLine, FrozenNotice};
use crate::model::id::Seq;
use crate::model::time::Millis;

use super::people;

#[derive(Serialize, Deserialize)]
pub(super) struct StoredAct {
    seq: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lines: Vec<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    notice: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    modes: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    question: Option<u64>,
}

/// A line's place, the time that it has, and what its author was, where the event doesn't say so.
pub(super) type StoredLine = (u64, i64, Option<u8>);

/// The place of the act that pinned it, of the one since which it is up, and of the line that it repeats, with its time.
pub(super) type StoredNotice = (u64, u64, Option<StoredLine>);

pub(super) fn stored_act(act: &FrozenAct) -> StoredAct {
    StoredAct {
        seq: act.seq.0,
        lines: act.lines.iter().map(|place| place.0).collect(),
        notice: act.notice,
        modes: act.modes,
        question: act.question.map(|place| place.0),
    }
}

pub(super) fn read_act(stored: StoredAct) -> FrozenAct {
    let StoredAct { seq, lines, notice, modes, question } = stored;
    let lines = lines.into_iter().map(Seq).collect();
    FrozenAct { seq: Seq(seq), lines, notice, modes, question: question.map(Seq) }
}

pub(super) fn stored_notice(notice: &FrozenNotice) -> StoredNotice {
    (notice.act.0, notice.up.0, notice.line.map(stored_line))
}

pub(super) fn read_notice((act, up, line): StoredNotice) -> FrozenNotice {
    FrozenNotice { act: Seq(act), up: Seq(up), line: line.map(read_line) }
}

pub(super) fn stored_line((Seq(place), Millis(time), role): FrozenLine) -> StoredLine {
    (place, time, role.map(people::number))
}

pub(super) fn read_line((place, time, role): StoredLine) -> FrozenLine {
    (Seq(place), Millis(time), role.and_then(people::role))
}
