//! Who is fed: members in flat arrays, one array for each group.

use std::sync::Arc;

use slab::Slab;

use crate::model::id::{Seq, UserId};
use crate::ws::outbox::{Outbox, PushError};

use super::{Batches, Group, Place};

/// One socket that is fed.
pub(super) struct Member {
    pub(super) outbox: Arc<Outbox>,
    pub(super) user: Option<UserId>,
    /// It has everything up to here.
    pub(super) after: Seq,
}

/// All members. Groups are few and never removed, so their indices hold.
#[derive(Default)]
pub(super) struct Members {
    groups: Vec<(Group, Slab<Member>)>,
}

/// What one step of a flush did.
#[derive(Default)]
pub(super) struct Step {
    pub(super) deliveries: u64,
    pub(super) slow: u64,
    /// Nobody is left behind this step.
    pub(super) done: bool,
}

impl Members {
    pub(super) fn add(&mut self, group: Group, member: Member) -> Place {
        let index = match self.groups.iter().position(|(known, _)| *known == group) {
            Some(index) => index,
            None => {
                self.groups.push((group, Slab::new()));
                self.groups.len() - 1
            }
        };
        Place { group: index, member: self.groups[index].1.insert(member) }
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<Member> {
        let (_, members) = self.groups.get_mut(place.group)?;
        let member = members.try_remove(place.member);
        if members.is_empty() {
            members.shrink_to_fit();
        }
        member
    }

    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The group at this index, when it has members.
    pub(super) fn occupied(&self, index: usize) -> Option<Group> {
        self.groups.get(index).filter(|(_, members)| !members.is_empty()).map(|(group, _)| *group)
    }

    /// Pushes the batch to the members at `from` up to `from + count` of a group.
    pub(super) fn step(&self, index: usize, from: usize, count: usize, batches: &mut Batches<'_>) -> Step {
        let Some((_, members)) = self.groups.get(index) else { return Step { done: true, ..Step::default() } };
        let mut step = Step { done: from + count >= members.capacity(), ..Step::default() };
        for member in (from..from + count).filter_map(|key| members.get(key)) {
            let frames = batches.frames(member);
            if frames.is_empty() {
                continue;
            }
            match member.outbox.push(frames) {
                Ok(()) => step.deliveries += 1,
                Err(PushError::Slow) => step.slow += 1,
                // It is leaving; its own task takes it out.
                Err(PushError::Closed) => {}
            }
        }
        step
    }
}
