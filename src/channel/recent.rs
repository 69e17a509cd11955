//! The broadcast's last lines.

use std::collections::VecDeque;

use super::Kept;

/// Lines that are kept: with about a kilobyte each, 200 KB for a busy channel.
const MOST: usize = 200;

/// The last lines, oldest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recent(VecDeque<Kept>);

impl Recent {
    pub(super) fn push(&mut self, kept: Kept) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(kept);
    }

    pub(super) fn last(&self, count: usize) -> impl DoubleEndedIterator<Item = &Kept> {
        self.0.iter().skip(self.0.len().saturating_sub(count))
    }
}
