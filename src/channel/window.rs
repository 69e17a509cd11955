//! The broadcast's last lines.

use std::collections::VecDeque;

use crate::model::id::Seq;

use super::Kept;

/// Lines that are kept: with about a kilobyte each, 200 KB for a busy channel.
const MOST: usize = 200;

/// The last lines, oldest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    lines: VecDeque<Kept>,
    since: Seq,
}

impl Window {
    /// A window on what comes behind a place.
    pub(super) fn since(place: Seq) -> Self {
        Self { since: place, ..Self::default() }
    }

    pub(super) fn push(&mut self, kept: Kept) {
        self.lines.push_back(kept);
        while self.lines.len() > MOST {
            self.since = self.lines.pop_front().map_or(self.since, |oldest| oldest.seq);
        }
    }

    /// Every line of the broadcast behind this place is in it.
    pub(super) fn begins(&self) -> Seq {
        self.since
    }

    /// The last `count` lines.
    pub(super) fn last(&self, count: usize) -> impl DoubleEndedIterator<Item = &Kept> {
        self.lines.range(self.lines.len().saturating_sub(count)..)
    }

    /// The line at this place.
    pub(super) fn at(&self, place: Seq) -> Option<&Kept> {
        self.lines.binary_search_by_key(&place, |kept| kept.seq).ok().and_then(|index| self.lines.get(index))
    }
}
