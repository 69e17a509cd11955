//! Which nicknames guests hold here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::model::guest::Naming;
use crate::model::id::{AddressHash, UserId};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;

use super::{Channel, Verdict};

/// Names that are held at once in a channel, at most: about 500 bytes each.
const MOST_HELD: usize = 20_000;

/// Names that one guest holds at once, at most: as long as a token says a name, nobody else has it.
const MOST_OF_ONE: usize = 3;

/// Names that guests of one address hold at once, at most: nobody takes all there are.
const MOST_OF_ADDRESS: usize = 200;

/// A name that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldName {
    /// By whom.
    pub uid: UserId,
    /// What of it is seen at a glance.
    pub looks: Vec<String>,
    /// Where they come from, as far as anybody knows.
    pub address: Option<AddressHash>,
    /// Until when.
    pub until: Millis,
}

impl HeldName {
    fn with_each_look_once(mut self) -> Self {
        let mut seen = HashSet::new();
        self.looks.retain(|look| seen.insert(look.clone()));
        self
    }

    /// What it is found by: when it ends, and a look that nobody else's has.
    fn key(&self) -> Key {
        (self.until, self.looks.first().cloned().unwrap_or_default())
    }
}

type Key = (Millis, String);

/// Names with their holders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    held: BTreeMap<Key, HeldName>,
    by_look: HashMap<String, Key>,
    of: HashMap<UserId, BTreeSet<Key>>,
    of_address: HashMap<AddressHash, BTreeSet<Key>>,
}

impl Names {
    /// Those that were held once.
    pub fn new(held: impl IntoIterator<Item = HeldName>) -> Self {
        let mut names = Self::default();
        held.into_iter().for_each(|name| names.hold(name));
        names
    }

    /// All of them, the first to end first.
    pub fn all(&self) -> impl Iterator<Item = &HeldName> {
        self.held.values()
    }

    /// Whether somebody is called anything here.
    pub(super) fn are_held_by(&self, uid: &UserId) -> bool {
        self.of.contains_key(uid)
    }

    fn holder(&self, look: &str) -> Option<&HeldName> {
        self.by_look.get(look).and_then(|key| self.held.get(key))
    }

    /// Whether somebody else is called so.
    fn is_taken(&self, looks: &[String], uid: &UserId, at: Millis) -> bool {
        let others = |look: &String| self.holder(look).is_some_and(|name| name.uid != *uid && name.until >= at);
        looks.iter().any(others)
    }

    /// Names of this guest that have a look in common with these.
    fn own(&self, looks: &[String], uid: &UserId) -> impl Iterator<Item = &HeldName> {
        looks.iter().filter_map(|look| self.holder(look)).filter(move |name| name.uid == *uid)
    }

    /// Whether one guest may have another name. What others are called doesn't matter: a machine that has found their names
    /// erased comes to the same.
    fn has_room(&self, looks: &[String], uid: &UserId, now: Millis) -> bool {
        self.own(looks, uid).next().is_some() || counting(self.of.get(uid), now) < MOST_OF_ONE
    }

    /// Whether there is room for another name at all. Looked at before it becomes an event, and not by the judge.
    fn have_room(&self, naming: &Naming, now: Millis) -> bool {
        let again = self.own(&naming.looks, &naming.uid).next().is_some();
        let there = self.held.len() < MOST_HELD || self.held.keys().next().is_some_and(|(until, _)| *until < now);
        let of_address = naming.address.as_ref().and_then(|address| self.of_address.get(address));
        again || there && counting(of_address, now) < MOST_OF_ADDRESS
    }

    fn hold(&mut self, name: HeldName) {
        // What looks the same is the holder's own, or over.
        for look in &name.looks {
            if let Some(key) = self.by_look.get(look).cloned() {
                self.let_go(&key);
            }
        }
        let key = name.key();
        self.by_look.extend(name.looks.iter().map(|look| (look.clone(), key.clone())));
        self.of.entry(name.uid.clone()).or_default().insert(key.clone());
        if let Some(address) = name.address {
            self.of_address.entry(address).or_default().insert(key.clone());
        }
        self.held.insert(key, name);
    }

    fn let_go(&mut self, key: &Key) {
        let Some(name) = self.held.remove(key) else { return };
        name.looks.iter().for_each(|look| drop(self.by_look.remove(look)));
        leave(&mut self.of, &name.uid, key);
        if let Some(address) = &name.address {
            leave(&mut self.of_address, address, key);
        }
    }

    fn forget_ended(&mut self, at: Millis) {
        while let Some(key) = self.held.keys().next().filter(|(until, _)| *until < at).cloned() {
            self.let_go(&key);
        }
    }

    /// The names of somebody who is erased, or whose tokens say nothing any more, are nobody's.
    pub(super) fn forget(&mut self, uid: &UserId) {
        for key in self.of.get(uid).cloned().unwrap_or_default() {
            self.let_go(&key);
        }
    }
}

/// How many of these are held at this time.
fn counting(keys: Option<&BTreeSet<Key>>, now: Millis) -> usize {
    keys.map_or(0, |keys| keys.range((now, String::new())..).count())
}

fn leave<K: std::hash::Hash + Eq>(keys: &mut HashMap<K, BTreeSet<Key>>, of: &K, key: &Key) {
    if let Some(theirs) = keys.get_mut(of) {
        theirs.remove(key);
        if theirs.is_empty() {
            keys.remove(of);
        }
    }
}

impl Channel {
    /// Whether a guest can be called so now: a quick look before it becomes an event.
    pub fn admit_name(&self, naming: &Naming, now: Millis) -> Result<(), Refusal> {
        if self.unreadable.is_some() {
            return Err(Refusal::ChannelReadOnly);
        }
        if self.is_name_taken(&naming.looks, &naming.uid, now) {
            return Err(Refusal::NicknameTaken(None));
        }
        let room = self.names.has_room(&naming.looks, &naming.uid, now) && self.names.have_room(naming, now);
        if room { Ok(()) } else { Err(Refusal::NamesFull) }
    }

    /// Whether another guest holds a name of these looks.
    pub fn is_name_taken(&self, looks: &[String], uid: &UserId, now: Millis) -> bool {
        self.names.is_taken(looks, uid, now)
    }

    /// Whether this guest holds a name of these looks.
    pub fn holds_name(&self, looks: &[String], uid: &UserId) -> bool {
        looks.iter().all(|look| self.names.holder(look).is_some_and(|name| name.uid == *uid))
    }

    /// Whether somebody is a guest who has chosen a name.
    pub fn has_named(&self, uid: &UserId) -> bool {
        self.names.are_held_by(uid)
    }

    /// Who is first in the log is called so, until no token says it any more.
    pub(super) fn apply_naming(&mut self, at: Millis, naming: &Naming) -> Verdict {
        let Naming { uid, looks, until, address, .. } = naming;
        self.names.forget_ended(at);
        if self.names.is_taken(looks, uid, at) {
            return Verdict::Rejected(Refusal::NicknameTaken(None));
        }
        if !self.names.has_room(looks, uid, at) {
            return Verdict::Rejected(Refusal::NamesFull);
        }
        let name = HeldName { uid: uid.clone(), looks: looks.clone(), address: *address, until: *until };
        // What they are called already goes on with it, and counts where it was taken first: tokens say all of it.
        let name = self.names.own(looks, uid).fold(name, |name, before| HeldName {
            looks: [&before.looks[..], &name.looks].concat(),
            address: before.address.or(name.address),
            until: before.until.max(name.until),
            ..name
        });
        self.names.hold(name.with_each_look_once());
        Verdict::Nothing
    }
}
