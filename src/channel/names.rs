//! Which nicknames guests hold here.

use std::collections::{BTreeSet, HashMap};

use crate::model::guest::Naming;
use crate::model::id::UserId;
use crate::model::refusal::Refusal;
use crate::model::time::Millis;

use super::{Channel, Verdict};

/// Names that are held at once in a channel, at most: about 300 bytes each.
const MOST_HELD: usize = 20_000;

/// Names by their looks, each with its holder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    held: HashMap<String, (UserId, Millis)>,
    of: HashMap<UserId, String>,
    /// By the time until when they are held.
    ends: BTreeSet<(Millis, String)>,
}

impl Names {
    /// Those that were held once: looks, holder, until when.
    pub fn new(held: impl IntoIterator<Item = (String, UserId, Millis)>) -> Self {
        let mut names = Self::default();
        for (looks, uid, until) in held {
            names.hold(looks, uid, until);
        }
        names
    }

    /// All of them, in no order.
    pub fn all(&self) -> impl Iterator<Item = (&str, &UserId, Millis)> {
        self.held.iter().map(|(looks, (uid, until))| (&**looks, uid, *until))
    }

    /// Whether somebody else is called so.
    fn is_taken(&self, looks: &str, uid: &UserId, at: Millis) -> bool {
        self.held.get(looks).is_some_and(|(holder, until)| holder != uid && *until >= at)
    }

    fn hold(&mut self, looks: String, uid: UserId, until: Millis) {
        self.ends.insert((until, looks.clone()));
        self.of.insert(uid.clone(), looks.clone());
        self.held.insert(looks, (uid, until));
    }

    fn forget_looks(&mut self, looks: &str) {
        if let Some((uid, until)) = self.held.remove(looks) {
            self.of.remove(&uid);
            self.ends.remove(&(until, looks.to_owned()));
        }
    }

    fn forget_ended(&mut self, at: Millis) {
        while self.ends.first().is_some_and(|(until, _)| *until < at) {
            if let Some((_, looks)) = self.ends.pop_first() {
                self.forget_looks(&looks);
            }
        }
    }

    /// The name of somebody whose lines are erased is nobody's.
    pub(super) fn forget(&mut self, uid: &UserId) {
        if let Some(looks) = self.of.get(uid).cloned() {
            self.forget_looks(&looks);
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
        let over = self.names.ends.iter().take_while(|(until, _)| *until < now).take(1).count();
        let more = !self.names.of.contains_key(&naming.uid);
        if more && self.names.held.len() - over >= MOST_HELD { Err(Refusal::NamesFull) } else { Ok(()) }
    }

    /// Whether another guest holds a name of these looks.
    pub fn is_name_taken(&self, looks: &str, uid: &UserId, now: Millis) -> bool {
        self.names.is_taken(looks, uid, now)
    }

    /// Whether this guest holds a name of these looks.
    pub fn holds_name(&self, looks: &str, uid: &UserId) -> bool {
        self.names.of.get(uid).is_some_and(|held| held == looks)
    }

    /// Who is first in the log is called so; whoever changes their name lets go of the other.
    pub(super) fn apply_naming(&mut self, at: Millis, naming: &Naming) -> Verdict {
        let Naming { uid, looks, until, .. } = naming;
        self.names.forget_ended(at);
        if self.names.is_taken(looks, uid, at) {
            return Verdict::Rejected(Refusal::NicknameTaken(None));
        }
        self.names.forget(uid);
        self.names.hold(looks.clone(), uid.clone(), *until);
        Verdict::Nothing
    }
}
