//! Who may not send in a channel, until when, and why. About 300 bytes each, and as many for what it lies over.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use crate::model::id::{AddressHash, Seq, UserId};
use crate::model::principal::Role;
use crate::model::time::Millis;

/// Users who may be restricted at the same time; beyond them nobody more can be, until one is let go.
const MOST: usize = 20_000;

/// How long it is remembered that a restriction is over: penalties of one user are counted as long.
const REMEMBERED_MS: i64 = 24 * 3_600 * 1_000;

/// That somebody may not send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    /// The place of the act.
    pub act: Seq,
    /// When that was done.
    pub at: Millis,
    /// When it ends by itself; never when there is nothing.
    pub until: Option<Millis>,
    /// Whether it is a penalty of seconds rather than a block of days.
    pub penalty: bool,
    /// How many penalties this user has had lately, with this one.
    pub times: u32,
    /// What the user was called.
    pub nickname: String,
    /// What its author might do: nobody below that takes it back.
    pub rank: Role,
    /// Who did it.
    pub by: UserId,
    /// And what they were called.
    pub by_nickname: String,
    /// Why.
    pub reason: String,
    /// Where a guest comes from: whoever else comes from there as a guest is restricted with them.
    pub address: Option<AddressHash>,
    /// What held when it came; that comes back when this one is taken back. One deep: its own is nothing.
    pub before: Option<Box<Restriction>>,
}

impl Restriction {
    /// Whether it holds at this time.
    pub fn holds(&self, at: Millis) -> bool {
        self.until.is_none_or(|until| at < until)
    }

    /// What of it binds somebody with this role at this time, while it holds. Whoever restricts may not have known who they
    /// are: nobody of staff is bound by whom they are not below, but by the site.
    fn binding(&self, role: Role, at: Millis) -> Option<&Self> {
        let binds = |held: &&Self| !role.is_staff() || held.rank > role || held.rank == Role::SiteManager;
        Some(self).filter(binds).or_else(|| self.before.as_deref().filter(|before| before.holds(at)).filter(binds))
    }

    /// What somebody has to be at this time to let the user go: nobody gets around what those above have done by doing
    /// something themselves.
    pub fn rank_at(&self, at: Millis) -> Role {
        self.before.as_ref().filter(|before| before.holds(at)).map_or(self.rank, |before| before.rank.max(self.rank))
    }
}

/// Restricted users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    users: HashMap<UserId, Restriction>,
    /// Guests among them, by where they come from.
    guests: HashMap<AddressHash, BTreeSet<UserId>>,
}

impl Restrictions {
    /// The state of these users.
    pub fn new(users: impl IntoIterator<Item = (UserId, Restriction)>) -> Self {
        let mut restrictions = Self::default();
        users.into_iter().for_each(|(user, restriction)| restrictions.insert(user, restriction));
        restrictions
    }

    fn insert(&mut self, user: UserId, restriction: Restriction) {
        self.remove(&user);
        if let Some(address) = restriction.address {
            self.guests.entry(address).or_default().insert(user.clone());
        }
        self.users.insert(user, restriction);
    }

    fn remove(&mut self, user: &UserId) -> Option<Restriction> {
        let restriction = self.users.remove(user)?;
        if let Some(Entry::Occupied(mut guests)) = restriction.address.map(|address| self.guests.entry(address)) {
            guests.get_mut().remove(user);
            if guests.get().is_empty() {
                guests.remove();
            }
        }
        Some(restriction)
    }

    /// Everybody who is remembered, in no order.
    pub fn all(&self) -> impl Iterator<Item = (&UserId, &Restriction)> {
        self.users.iter()
    }

    /// What holds for this user at this time.
    pub fn of(&self, user: &UserId, at: Millis) -> Option<&Restriction> {
        self.users.get(user).filter(|restriction| restriction.holds(at))
    }

    /// What binds this user at this time, who has this role and, as a guest, comes from here.
    pub(super) fn binding(
        &self,
        user: &UserId,
        address: Option<AddressHash>,
        role: Role,
        at: Millis,
    ) -> Option<&Restriction> {
        let guests = address.and_then(|address| self.guests.get(&address));
        let mut users = std::iter::once(user).chain(guests.into_iter().flatten());
        users.find_map(|user| self.of(user, at)?.binding(role, at))
    }

    /// What is remembered of this user, whether it still holds or not.
    pub fn last(&self, user: &UserId) -> Option<&Restriction> {
        self.users.get(user)
    }

    /// Whether one more finds room.
    pub(super) fn has_room(&self, user: &UserId, at: Millis) -> bool {
        self.users.contains_key(user)
            || self.users.len() < MOST
            || self.users.values().filter(|restriction| is_remembered(restriction, at)).count() < MOST
    }

    /// Restricts a user. A penalty takes nothing of a restriction that lasts longer.
    pub(super) fn add(&mut self, user: &UserId, mut new: Restriction) {
        let at = new.at;
        if self.users.len() >= MOST {
            let over = self.users.iter().filter(|(_, restriction)| !is_remembered(restriction, at));
            let over: Vec<UserId> = over.map(|(user, _)| user.clone()).collect();
            over.iter().for_each(|user| drop(self.remove(user)));
        }
        let before = self.users.get(user).filter(|before| is_remembered(before, at));
        if let Some(before) = before {
            new.times += before.times;
            if before.holds(at) {
                new = match new.penalty && outlasts(before, &new) {
                    true => Restriction { times: new.times, ..before.clone() },
                    false => over(new, before),
                };
            }
        }
        self.insert(user.clone(), new);
    }

    /// Lets a user go. Whether anything held.
    pub(super) fn lift(&mut self, user: &UserId, at: Millis) -> bool {
        self.remove(user).is_some_and(|restriction| restriction.holds(at))
    }

    /// Takes back that this act restricts somebody: what it lies over comes back, if its time isn't up. Who that was.
    pub(super) fn undo(&mut self, act: Seq, at: Millis) -> Option<UserId> {
        let user = self.by(act, at)?.clone();
        let before = self.remove(&user)?.before.filter(|before| before.holds(at));
        before.into_iter().for_each(|before| self.insert(user.clone(), *before));
        Some(user)
    }

    /// Whom this act restricts.
    pub(super) fn by(&self, act: Seq, at: Millis) -> Option<&UserId> {
        let found = self.users.iter().find(|(_, restriction)| restriction.act == act && restriction.holds(at));
        found.map(|(user, _)| user)
    }

    /// How many restrictions hold that are `meant`, and the `take` behind the first `skip` of them, newest first.
    pub fn page(
        &self,
        at: Millis,
        meant: impl Fn(&Restriction) -> bool,
        (skip, take): (usize, usize),
    ) -> (usize, Vec<(UserId, Restriction)>) {
        // There may be thousands, and the channel waits: nothing is copied but the page.
        let found = self.users.iter().filter(|(_, restriction)| restriction.holds(at) && meant(restriction));
        let mut found: Vec<_> = found.collect();
        let (all, end) = (found.len(), skip.saturating_add(take));
        let newest_first = |(_, restriction): &(&UserId, &Restriction)| Reverse(restriction.act);
        if end < all {
            found.select_nth_unstable_by_key(end, newest_first);
            found.truncate(end);
        }
        found.sort_unstable_by_key(newest_first);
        let page = found.into_iter().skip(skip).map(|(user, restriction)| (user.clone(), restriction.clone()));
        (all, page.collect())
    }
}

/// A restriction that lies over another one. What that one lies over itself is forgotten, but not what it takes to let the
/// user go, nor where they come from.
fn over(new: Restriction, before: &Restriction) -> Restriction {
    let under = Restriction { rank: before.rank_at(new.at), before: None, ..before.clone() };
    Restriction { address: new.address.or(before.address), before: Some(Box::new(under)), ..new }
}

fn outlasts(before: &Restriction, new: &Restriction) -> bool {
    match (before.until, new.until) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(before), Some(new)) => before > new,
    }
}

fn is_remembered(restriction: &Restriction, at: Millis) -> bool {
    restriction.until.is_none_or(|until| at < until + REMEMBERED_MS)
}
