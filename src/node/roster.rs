//! Who is in a broadcast: users, how many sockets each has, and what they want to be told.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::feed::Headcount;
use crate::model::access::Credential;
use crate::model::aside::Member;
use crate::model::id::UserId;
use crate::model::message::Author;
use crate::model::refusal::Refusal;
use crate::model::time::Millis;

/// Users from whom somebody takes no whispers, at most.
const MOST_BLOCKED: usize = 1_000;

/// The members of one broadcast that are known by name. Anonymous readers are only counted, by the feed.
#[derive(Debug)]
pub(super) struct Roster {
    present: Mutex<BTreeMap<UserId, Present>>,
    headcount: Arc<Headcount>,
}

#[derive(Debug)]
struct Present {
    sockets: u32,
    /// Of these sockets, those at which nobody looks.
    away: u32,
    author: Author,
    credential: Credential,
    joined: Millis,
    /// Whether they take no whispers at all.
    deaf: bool,
    blocked: HashSet<UserId>,
}

impl Present {
    fn member(&self) -> Member {
        Member { author: self.author.clone(), joined: self.joined, away: self.away >= self.sockets }
    }
}

impl Roster {
    /// Nobody yet; how many there are is told to `headcount`.
    pub(super) fn new(headcount: Arc<Headcount>) -> Self {
        Self { present: Mutex::default(), headcount }
    }

    /// One more socket of a user. Whether it is their first.
    pub(super) fn enter(&self, author: &Author, credential: Credential, now: Millis) -> bool {
        let mut present = self.present.lock();
        let fresh = || Present {
            sockets: 0,
            away: 0,
            author: author.clone(),
            credential: credential.clone(),
            joined: now,
            deaf: false,
            blocked: HashSet::new(),
        };
        let entry = present.entry(author.uid.clone()).or_insert_with(fresh);
        entry.sockets += 1;
        (entry.author, entry.credential) = (author.clone(), credential);
        let first = entry.sockets == 1;
        if first {
            self.headcount.users_are(present.len());
        }
        first
    }

    /// One socket less, at which nobody looked if it was `away`. Whether it was their last.
    pub(super) fn leave(&self, uid: &UserId, away: bool) -> bool {
        let mut present = self.present.lock();
        let Entry::Occupied(mut entry) = present.entry(uid.clone()) else { return false };
        entry.get_mut().sockets -= 1;
        entry.get_mut().away -= u32::from(away);
        let last = entry.get().sockets == 0;
        if last {
            entry.remove();
            self.headcount.users_are(present.len());
        }
        last
    }

    /// At one socket of a user somebody looks again, or nobody any more.
    pub(super) fn look(&self, uid: &UserId, away: bool) {
        if let Some(present) = self.present.lock().get_mut(uid) {
            if away { present.away += 1 } else { present.away -= 1 }
        }
    }

    pub(super) fn find(&self, uid: &UserId) -> Option<Author> {
        self.present.lock().get(uid).map(|present| present.author.clone())
    }

    /// Who this is, and the token by which they are here.
    pub(super) fn member(&self, uid: &UserId) -> Option<Member> {
        self.present.lock().get(uid).map(Present::member)
    }

    /// Up to `limit` members behind this one, by their names' order; with the tokens by which they are here.
    pub(super) fn page(&self, after: Option<&UserId>, limit: usize) -> Vec<(Member, Credential)> {
        let present = self.present.lock();
        let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = present.range::<UserId, _>((behind, Bound::Unbounded)).take(limit);
        page.map(|(_, present)| (present.member(), present.credential.clone())).collect()
    }

    /// Takes whispers from now on, or no more.
    pub(super) fn hear_whispers(&self, uid: &UserId, hear: bool) {
        if let Some(present) = self.present.lock().get_mut(uid) {
            present.deaf = !hear;
        }
    }

    /// Takes no whispers of somebody from now on, or takes them again.
    pub(super) fn block(&self, uid: &UserId, other: &UserId, block: bool) -> Result<(), Refusal> {
        let mut present = self.present.lock();
        let Some(present) = present.get_mut(uid) else { return Ok(()) };
        if !block {
            present.blocked.remove(other);
        } else if present.blocked.len() >= MOST_BLOCKED && !present.blocked.contains(other) {
            return Err(Refusal::TooMany("blocked members"));
        } else {
            present.blocked.insert(other.clone());
        }
        Ok(())
    }

    /// Whether a member takes whispers of somebody; `None` when they aren't here.
    pub(super) fn takes_whispers(&self, uid: &UserId, from: &UserId) -> Option<bool> {
        let present = self.present.lock();
        present.get(uid).map(|present| !present.deaf && !present.blocked.contains(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::principal::Role;

    fn user(uid: &str) -> (UserId, Author) {
        let uid = UserId::parse(uid).unwrap();
        (uid.clone(), Author { uid, profile: Default::default(), role: Role::Viewer })
    }

    #[test]
    fn a_user_leaves_with_the_last_socket() {
        let headcount = Arc::new(Headcount::default());
        let roster = Roster::new(headcount.clone());
        let users = || headcount.now().users;
        let (uid, author) = user("a");
        assert!(roster.enter(&author, Credential::default(), Millis(1)));
        assert!(!roster.enter(&author, Credential::default(), Millis(2)));
        assert!(!roster.leave(&uid, false));
        assert_eq!((roster.find(&uid), users()), (Some(author), 1));
        assert_eq!(roster.member(&uid).unwrap().joined, Millis(1));
        assert!(roster.leave(&uid, false) && !roster.leave(&uid, false));
        assert_eq!((roster.find(&uid), users()), (None, 0));
    }

    #[test]
    fn whoever_is_away_at_all_their_sockets_is_away() {
        let roster = Roster::new(Arc::default());
        let (uid, author) = user("a");
        roster.enter(&author, Credential::default(), Millis(1));
        roster.enter(&author, Credential::default(), Millis(1));
        roster.look(&uid, true);
        assert!(!roster.member(&uid).unwrap().away);
        roster.leave(&uid, false);
        assert!(roster.member(&uid).unwrap().away);
        roster.look(&uid, false);
        assert!(!roster.member(&uid).unwrap().away);
    }

    #[test]
    fn members_come_in_pages() {
        let roster = Roster::new(Arc::default());
        for uid in ["c", "a", "d", "b"] {
            roster.enter(&user(uid).1, Credential::default(), Millis(1));
        }
        let page = |after: Option<&str>| {
            let after = after.map(|uid| user(uid).0);
            let page = roster.page(after.as_ref(), 3).into_iter();
            page.map(|(member, _)| member.author.uid.to_string()).collect::<Vec<_>>()
        };
        assert_eq!((page(None), page(Some("c"))), (vec!["a".into(), "b".into(), "c".into()], vec!["d".into()]));
    }

    #[test]
    fn nobody_blocks_without_bound() {
        let roster = Roster::new(Arc::default());
        let (uid, author) = user("a");
        roster.enter(&author, Credential::default(), Millis(1));
        for number in 0..MOST_BLOCKED {
            assert_eq!(roster.block(&uid, &user(&format!("u{number}")).0, true), Ok(()));
        }
        assert!(roster.block(&uid, &user("more").0, true).is_err());
        assert_eq!(roster.block(&uid, &user("u0").0, true), Ok(()), "that one is blocked already");
        assert_eq!(roster.takes_whispers(&uid, &user("u0").0), Some(false));
        assert_eq!(roster.block(&uid, &user("u0").0, false), Ok(()));
        assert_eq!(roster.takes_whispers(&uid, &user("u0").0), Some(true));
        roster.hear_whispers(&uid, false);
        assert_eq!(
            (roster.takes_whispers(&uid, &user("x").0), roster.takes_whispers(&user("x").0, &uid)),
            (Some(false), None)
        );
    }
}
