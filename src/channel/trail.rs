//! Where in the log staff did something: the audit trail. What they did stands there.

use std::collections::VecDeque;

use crate::model::id::Seq;

/// Places that are remembered, 8 bytes each.
const MOST: usize = 100_000;

/// Places of acts, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail(VecDeque<Seq>);

impl Trail {
    /// Whether staff did something at this place.
    pub fn contains(&self, place: Seq) -> bool {
        self.0.binary_search(&place).is_ok()
    }

    /// These places, oldest first.
    pub fn new(places: impl IntoIterator<Item = Seq>) -> Self {
        Self(places.into_iter().collect())
    }

    /// All places, oldest first.
    pub fn places(&self) -> impl DoubleEndedIterator<Item = Seq> {
        self.0.iter().copied()
    }

    /// Up to `limit` places before this one, newest first.
    pub fn before(&self, place: Option<Seq>, limit: usize) -> Vec<Seq> {
        let end = place.map_or(self.0.len(), |place| self.0.partition_point(|known| *known < place));
        self.0.range(..end).rev().take(limit).copied().collect()
    }

    /// One more, behind all others.
    pub fn push(&mut self, place: Seq) {
        self.0.push_back(place);
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    pub(super) fn forget_upto(&mut self, place: Seq) {
        let gone = self.0.partition_point(|known| *known <= place);
        self.0.drain(..gone);
    }
}
