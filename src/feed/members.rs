//! Who is fed: members in flat arrays, one array for each group.

use std::collections::HashMap;
use std::ops::AddAssign;
use std::sync::Arc;

use slab::Slab;

use crate::model::id::{Seq, UserId};
use crate::ws::close::CloseCode;
use crate::ws::frames::Frames;
use crate::ws::outbox::{Offered, Outbox, PushError};

use super::{Group, Layer, Span};

/// Why a kicked member's connection is closed: 1000 tells clients that coming back doesn't help.
pub const KICKED: &str = "kicked";

/// A member's place in its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    group: usize,
    member: usize,
}

/// One socket that is fed.
pub(super) struct Member {
    pub(super) outbox: Arc<Outbox>,
    pub(super) user: Option<UserId>,
    /// It has everything up to here.
    pub(super) after: Seq,
    /// Its connection took no more: it has everything up to here, and gets nothing until its session comes for the rest.
    pub(super) behind: Option<Seq>,
}

/// The members of a shard. Groups are few and never removed, so their indices hold.
#[derive(Default)]
pub(super) struct Members {
    groups: Vec<Fed>,
    /// Up to where everything has been sent to whom it was for.
    reached: Seq,
    /// Where each user is who is known by name: what is for one alone is searched for among none.
    of: HashMap<UserId, Vec<Place>>,
}

/// Members of one group.
struct Fed {
    group: Group,
    members: Slab<Member>,
    /// What they have been sent covers everything up to here. Who joined later has more, and only who is behind has less.
    told: Seq,
}

/// What was done for a group.
#[derive(Default)]
pub(super) struct Served {
    pub(super) deliveries: u64,
    pub(super) bytes: u64,
    pub(super) slow: u64,
    /// Members that have fallen behind.
    pub(super) behind: u64,
}

impl AddAssign for Served {
    fn add_assign(&mut self, other: Self) {
        self.deliveries += other.deliveries;
        self.bytes += other.bytes;
        self.slow += other.slow;
        self.behind += other.behind;
    }
}

/// Where each member's bytes come from.
pub(super) trait Source {
    /// What this member gets; empty when there is nothing for it.
    fn frames(&mut self, member: &Member) -> &Frames;
}

impl Source for Frames {
    fn frames(&mut self, _: &Member) -> &Frames {
        self
    }
}

impl Members {
    pub(super) fn add(&mut self, group: Group, member: Member) -> Place {
        let index = match self.groups.iter().position(|fed| fed.group == group) {
            Some(index) => index,
            None => {
                self.groups.push(Fed { group, members: Slab::new(), told: Seq::default() });
                self.groups.len() - 1
            }
        };
        let fed = &mut self.groups[index];
        if fed.members.is_empty() {
            fed.told = member.after;
        }
        let user = member.user.clone();
        let place = Place { group: index, member: fed.members.insert(member) };
        if let Some(user) = user {
            self.of.entry(user).or_default().push(place);
        }
        place
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<Member> {
        let members = &mut self.groups.get_mut(place.group)?.members;
        let member = members.try_remove(place.member);
        if members.is_empty() {
            members.shrink_to_fit();
        }
        if let Some(user) = member.as_ref().and_then(|member| member.user.as_ref())
            && let Some(places) = self.of.get_mut(user)
        {
            places.retain(|theirs| *theirs != place);
            if places.is_empty() {
                self.of.remove(user);
            }
        }
        member
    }

    /// Everybody who is this user.
    fn of(&self, user: &UserId) -> impl Iterator<Item = (Place, &Member)> {
        let places = self.of.get(user).into_iter().flatten();
        places.filter_map(|place| Some((*place, self.groups.get(place.group)?.members.get(place.member)?)))
    }

    /// Closes every connection of a user that was there before `kick`, behind what they have been told.
    pub(super) fn close(&self, user: &UserId, kick: Seq) {
        let theirs = self.of(user).filter(|(_, member)| member.after < kick);
        theirs.for_each(|(_, member)| member.outbox.close(CloseCode::Normal, KICKED));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.iter().all(|fed| fed.members.is_empty())
    }

    /// Moves a member to another group. What that group has been told of and its old one has not is said by `catch_up`:
    /// what it might not see then is not sent afterwards.
    pub(super) fn regroup(
        &mut self,
        place: Place,
        group: Group,
        user: Option<UserId>,
        catch_up: impl FnOnce(Span, &Outbox),
    ) -> Option<Place> {
        let known = self.told(place.group);
        let member = self.remove(place)?;
        let known = known.max(member.after);
        let behind = member.behind;
        let moved = self.add(group, Member { user, after: known, ..member });
        let fed = &self.groups[moved.group];
        if group.layer == Layer::Ext && fed.told > known && behind.is_none() {
            catch_up(Span { after: known, upto: fed.told }, &fed.members[moved.member].outbox);
        }
        Some(moved)
    }

    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The group at this index and up to where its members have been told, when it has members.
    pub(super) fn occupied(&self, index: usize) -> Option<(Group, Seq)> {
        self.groups.get(index).filter(|fed| !fed.members.is_empty()).map(|fed| (fed.group, fed.told))
    }

    fn told(&self, index: usize) -> Seq {
        self.groups.get(index).map_or(Seq::default(), |fed| fed.told)
    }

    /// Takes note of what all members of a group have been sent.
    pub(super) fn tell(&mut self, index: usize, upto: Seq) {
        if let Some(fed) = self.groups.get_mut(index) {
            fed.told = fed.told.max(upto);
        }
    }

    /// Pushes something that is told beside the log to the members of a group, or to one user's sessions among them. How many
    /// have it in their queue.
    pub(super) fn tell_aside(&self, index: usize, only: Option<&UserId>, frames: &Frames) -> usize {
        let queued = |member: &Member| member.outbox.push(frames).is_ok();
        match only {
            Some(user) => self.of(user).filter(|(place, member)| place.group == index && queued(member)).count(),
            None => {
                let members = self.groups.get(index).map(|fed| &fed.members).into_iter().flatten();
                members.filter(|(_, member)| queued(member)).count()
            }
        }
    }

    /// Offers what `source` has to each member of a group.
    pub(super) fn serve(&mut self, index: usize, source: &mut impl Source) -> Served {
        let mut served = Served::default();
        let Some(Fed { members, told, .. }) = self.groups.get_mut(index) else { return served };
        for (_, member) in members.iter_mut().filter(|(_, member)| member.behind.is_none()) {
            let frames = source.frames(member);
            if frames.is_empty() {
                continue;
            }
            match member.outbox.offer(frames) {
                Ok(Offered::Taken) => {
                    served.deliveries += 1;
                    served.bytes += frames.len() as u64;
                }
                Ok(Offered::Refused) => {
                    member.behind = Some(member.after.max(*told));
                    served.behind += 1;
                }
                Err(PushError::Slow) => served.slow += 1,
                // It is leaving; its own task takes it out.
                Err(PushError::Closed) => {}
            }
        }
        served
    }

    /// Takes out a member that has fallen behind, and says up to where it has everything.
    pub(super) fn remove_behind(&mut self, place: Place) -> Option<Seq> {
        let behind = self.groups.get(place.group)?.members.get(place.member)?.behind?;
        self.remove(place);
        Some(behind)
    }

    /// Up to where everything has been sent to whom it was for.
    pub(super) fn reached(&self) -> Seq {
        self.reached
    }

    /// Takes note that everything up to here has been sent.
    pub(super) fn reach(&mut self, upto: Seq) {
        self.reached = upto;
    }

    /// Whether anybody is this user.
    pub(super) fn knows(&self, user: &UserId) -> bool {
        self.of.contains_key(user)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::message::Lane;
    use crate::ws::sock;

    use super::super::Wire;
    use super::*;

    #[test]
    fn who_has_come_back_behind_a_kick_stays() {
        let group = Group { wire: Wire("t"), layer: Layer::Plain, lane: Lane::All, staff: false, frame_limit: 1 };
        let (mut members, user) = (Members::default(), UserId::parse("bad").unwrap());
        let came = |after: u64| {
            let outbox = Arc::new(Outbox::new(Box::new(sock::Memory::default()), 1_024, Default::default()));
            let user = Some(user.clone());
            members.add(group, Member { outbox: outbox.clone(), user, after: Seq(after), behind: None });
            outbox
        };
        let outboxes = [4, 5].map(came);
        members.close(&user, Seq(5));
        assert_eq!(outboxes.map(|outbox| outbox.is_closed()), [true, false]);
    }
}
