//! The stored form of what a channel says by itself.

use serde::{Deserialize, Serialize};

use crate::channel::Saying;
use crate::model::id::Seq;
use crate::model::own_lines::OwnLines;

#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct StoredLines {
    #[serde(skip_serializing_if = "Option::is_none")]
    welcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    kept: bool,
}

/// What it says, and what it said before.
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StoredSaying {
    lines: StoredLines,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<(u64, StoredLines)>,
}

/// Whether it has never said anything.
pub(super) fn is_usual(saying: &StoredSaying) -> bool {
    *saying == StoredSaying::default()
}

pub(super) fn stored(saying: &Saying) -> StoredSaying {
    let before = saying.before.as_ref().map(|(act, lines)| (act.0, stored_lines(lines)));
    StoredSaying { lines: stored_lines(&saying.lines), before }
}

pub(super) fn read(stored: StoredSaying) -> Saying {
    let before = stored.before.map(|(act, lines)| (Seq(act), read_lines(lines)));
    Saying { lines: read_lines(stored.lines), before }
}

fn stored_lines(lines: &OwnLines) -> StoredLines {
    let OwnLines { welcome, joined, left, kept } = lines.clone();
    StoredLines { welcome, joined, left, kept }
}

fn read_lines(stored: StoredLines) -> OwnLines {
    let StoredLines { welcome, joined, left, kept } = stored;
    OwnLines { welcome, joined, left, kept }
}
