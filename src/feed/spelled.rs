//! The bytes of the newest batch, for all shards that take the same: most of them do while a broadcast is quiet.

use crate::model::id::Seq;
use crate::ws::frames::Frames;

use super::group::Group;
use super::queue::Stretch;

/// What one batch was spelled as.
#[derive(Default)]
pub(super) struct Spelled {
    of: Stretch,
    /// For members of a group who have everything up to a place.
    made: Vec<((Group, Seq), Frames)>,
}

impl Spelled {
    /// The bytes of these items for these members, if they were spelled before.
    pub(super) fn find(&self, of: Stretch, whom: (Group, Seq)) -> Option<Frames> {
        let known = self.made.iter().find(|(known, _)| self.of == of && *known == whom);
        known.map(|(_, frames)| frames.clone())
    }

    /// Keeps them for the next shard.
    pub(super) fn keep(&mut self, of: Stretch, whom: (Group, Seq), frames: Frames) {
        if self.of != of {
            *self = Self { of, made: Vec::new() };
        }
        self.made.push((whom, frames));
    }

    /// Lets go of it.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}
