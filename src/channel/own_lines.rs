//! What the channel says by itself.

use crate::model::id::Seq;
use crate::model::own_lines::{OwnLines, OwnLinesChange};

use super::Channel;
use super::acts::Changed;

/// What a channel says by itself, and what it said before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saying {
    /// As staff have set it.
    pub lines: OwnLines,
    /// What was before, and the act that changed it.
    pub before: Option<(Seq, OwnLines)>,
}

impl Channel {
    /// What it says by itself.
    pub fn own_lines(&self) -> &OwnLines {
        &self.saying.lines
    }

    pub(super) fn set_own_lines(&mut self, act: Seq, change: &OwnLinesChange) -> Changed {
        let before = self.saying.lines.clone();
        let lines = before.clone().with(change);
        if lines == before {
            return Changed::default();
        }
        self.saying = Saying { lines, before: Some((act, before)) };
        Changed { something: true, ..Changed::default() }
    }

    /// Whether what it says is due to this act.
    pub(super) fn says_by(&self, act: Seq) -> bool {
        self.saying.before.as_ref().is_some_and(|(by, _)| *by == act)
    }

    /// Takes back what an act has changed in what it says. Whether it had.
    pub(super) fn say_as_before(&mut self, act: Seq) -> bool {
        let Some((_, lines)) = self.saying.before.take_if(|(by, _)| *by == act) else { return false };
        self.saying.lines = lines;
        true
    }
}
