//! Who is in a broadcast: users, how many sockets each has, and what they want to be told.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, hash_map};
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
use crate::policy::names;

/// Users from whom somebody takes no whispers, at most.
const MOST_BLOCKED: usize = 1_000;

/// The members of one broadcast that are known by name. Anonymous readers are only counted, by the feed.
#[derive(Debug)]
pub(super) struct Roster {
    users: Mutex<Users>,
    headcount: Arc<Headcount>,
    /// Whether anybody asks who is called what.
    names: bool,
}

#[derive(Debug, Default)]
struct Users {
    all: BTreeMap<UserId, Present>,
    /// How many are called so, by their names' looks.
    called: HashMap<String, u32>,
}

#[derive(Debug)]
struct Present {
    /// The tokens of their sockets, in the order in which those came.
    credentials: Vec<Credential>,
    /// Of these sockets, those at which nobody looks.
    away: u32,
    author: Author,
    joined: Millis,
    /// What of their name is seen at a glance; empty where nobody asks.
    looks: Vec<String>,
    /// Whether they take no whispers at all.
    deaf: bool,
    blocked: HashSet<UserId>,
}

impl Present {
    /// The token by which they came last.
    fn newest(&self) -> &Credential {
        self.credentials.last().expect("whoever is here has come by a token")
    }

    fn member(&self) -> Member {
        Member { author: self.author.clone(), joined: self.joined, away: self.away as usize >= self.credentials.len() }
    }
}

impl Roster {
    /// Nobody yet; how many there are is told to `headcount`. With `names` it can be asked who is called what.
    pub(super) fn new(headcount: Arc<Headcount>, names: bool) -> Self {
        Self { users: Mutex::default(), headcount, names }
    }

    /// One more socket of a user; with their first, `come` is told before anybody else comes or goes. Whether it is that.
    pub(super) fn enter(
        &self,
        author: &Author,
        credential: Credential,
        now: Millis,
        come: impl FnOnce(&dyn Fn() -> Member),
    ) -> bool {
        let users = &mut *self.users.lock();
        let fresh = || Present {
            credentials: Vec::with_capacity(1),
            away: 0,
            author: author.clone(),
            joined: now,
            looks: Vec::new(),
            deaf: false,
            blocked: HashSet::new(),
        };
        let entry = users.all.entry(author.uid.clone()).or_insert_with(fresh);
        entry.credentials.push(credential);
        let first = entry.credentials.len() == 1;
        // They may have another name by now.
        if self.names && (first || entry.author.profile.nickname != author.profile.nickname) {
            let looks = names::looks(&author.profile.nickname);
            let before = std::mem::replace(&mut entry.looks, looks.clone());
            uncall(&mut users.called, &before);
            looks.into_iter().for_each(|look| *users.called.entry(look).or_default() += 1);
        }
        entry.author = author.clone();
        if first {
            come(&|| entry.member());
            self.headcount.users_are(users.all.len());
        }
        first
    }

    /// One socket less, at which nobody looked if it was `away`; with the last, `go` is told before anybody else comes or
    /// goes. Whether it was that.
    pub(super) fn leave(&self, uid: &UserId, credential: &Credential, away: bool, go: impl FnOnce()) -> bool {
        let users = &mut *self.users.lock();
        let Entry::Occupied(mut entry) = users.all.entry(uid.clone()) else { return false };
        let present = entry.get_mut();
        let theirs = present.credentials.iter().position(|other| other == credential);
        present.credentials.remove(theirs.unwrap_or_default());
        present.away -= u32::from(away);
        let last = present.credentials.is_empty();
        if last {
            uncall(&mut users.called, &entry.remove().looks);
            go();
            self.headcount.users_are(users.all.len());
        }
        last
    }

    /// Whether a user is here.
    pub(super) fn has(&self, uid: &UserId) -> bool {
        self.users.lock().all.contains_key(uid)
    }

    /// At one socket of a user somebody looks again, or nobody any more.
    pub(super) fn look(&self, uid: &UserId, away: bool) {
        if let Some(present) = self.users.lock().all.get_mut(uid) {
            if away { present.away += 1 } else { present.away -= 1 }
        }
    }

    /// Whether somebody else here has a look in common.
    pub(super) fn is_called(&self, looks: &[String], uid: &UserId) -> bool {
        let users = self.users.lock();
        let own = users.all.get(uid).map_or(&[][..], |present| &present.looks);
        let called = |look: &String| users.called.get(look).copied().unwrap_or_default();
        looks.iter().any(|look| called(look) > u32::from(own.contains(look)))
    }

    pub(super) fn find(&self, uid: &UserId) -> Option<Author> {
        self.users.lock().all.get(uid).map(|present| present.author.clone())
    }

    /// The tokens by which a user is here.
    pub(super) fn credentials(&self, uid: &UserId) -> Vec<Credential> {
        self.users.lock().all.get(uid).map(|present| present.credentials.clone()).unwrap_or_default()
    }

    /// Up to `limit` members behind this one, by their names' order; with the tokens by which they are here.
    pub(super) fn page(&self, after: Option<&UserId>, limit: usize) -> Vec<(Member, Credential)> {
        let users = self.users.lock();
        let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = users.all.range::<UserId, _>((behind, Bound::Unbounded)).take(limit);
        page.map(|(_, present)| (present.member(), present.newest().clone())).collect()
    }

    /// Takes whispers from now on, or no more.
    pub(super) fn hear_whispers(&self, uid: &UserId, hear: bool) {
        if let Some(present) = self.users.lock().all.get_mut(uid) {
            present.deaf = !hear;
        }
    }

    /// Takes no whispers of somebody from now on, or takes them again.
    pub(super) fn block(&self, uid: &UserId, other: &UserId, block: bool) -> Result<(), Refusal> {
        let mut users = self.users.lock();
        let Some(present) = users.all.get_mut(uid) else { return Ok(()) };
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
        let users = self.users.lock();
        users.all.get(uid).map(|present| !present.deaf && !present.blocked.contains(from))
    }
}

/// One less is called so.
fn uncall(called: &mut HashMap<String, u32>, looks: &[String]) {
    for look in looks {
        if let hash_map::Entry::Occupied(mut entry) = called.entry(look.clone()) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::principal::{Profile, Role};

    fn user(uid: &str) -> (UserId, Author) {
        let uid = UserId::parse(uid).unwrap();
        (uid.clone(), Author { uid, profile: Default::default(), role: Role::Viewer })
    }

    #[test]
    fn a_user_leaves_with_the_last_socket() {
        let headcount = Arc::new(Headcount::default());
        let roster = Roster::new(headcount.clone(), false);
        let users = || headcount.now().users;
        let (uid, author) = user("a");
        assert!(roster.enter(&author, Credential::default(), Millis(1), |_| ()));
        assert!(!roster.enter(&author, Credential::default(), Millis(2), |_| ()));
        assert!(!roster.leave(&uid, &Credential::default(), false, || ()));
        assert_eq!((roster.find(&uid), users()), (Some(author), 1));
        assert_eq!(roster.page(None, 1)[0].0.joined, Millis(1));
        assert!(
            roster.leave(&uid, &Credential::default(), false, || ())
                && !roster.leave(&uid, &Credential::default(), false, || ())
        );
        assert_eq!((roster.find(&uid), users()), (None, 0));
    }

    #[test]
    fn whoever_is_away_at_all_their_sockets_is_away() {
        let roster = Roster::new(Arc::default(), false);
        let (uid, author) = user("a");
        roster.enter(&author, Credential::default(), Millis(1), |_| ());
        roster.enter(&author, Credential::default(), Millis(1), |_| ());
        roster.look(&uid, true);
        assert!(!roster.page(None, 1)[0].0.away);
        roster.leave(&uid, &Credential::default(), false, || ());
        assert!(roster.page(None, 1)[0].0.away);
        roster.look(&uid, false);
        assert!(!roster.page(None, 1)[0].0.away);
    }

    #[test]
    fn a_name_is_theirs_as_long_as_they_are_here() {
        let roster = Roster::new(Arc::default(), true);
        let called = |nickname: &str, uid: &str| {
            let (_, author) = user(uid);
            Author { profile: Arc::new(Profile { nickname: nickname.to_owned(), ..Profile::default() }), ..author }
        };
        let is_called = |name: &str, uid: &str| roster.is_called(&names::looks(name), &user(uid).0);
        roster.enter(&called("Kim", "a"), Credential::default(), Millis(1), |_| ());
        roster.enter(&called("Kim", "a"), Credential::default(), Millis(1), |_| ());
        roster.enter(&called("kim", "b"), Credential::default(), Millis(1), |_| ());
        assert!(is_called("K1M", "c") && is_called("KIM", "a"));
        roster.leave(&user("b").0, &Credential::default(), false, || ());
        assert!(is_called("kim", "b") && !is_called("kim", "a"), "that is their own");
        roster.enter(&called("Lee", "a"), Credential::default(), Millis(1), |_| ());
        assert!(!is_called("kim", "b") && is_called("lee", "b"));
        for _ in 0..3 {
            roster.leave(&user("a").0, &Credential::default(), false, || ());
        }
        assert!(!is_called("lee", "b") && roster.users.lock().called.is_empty());
    }

    #[test]
    fn members_come_in_pages() {
        let roster = Roster::new(Arc::default(), false);
        for uid in ["c", "a", "d", "b"] {
            roster.enter(&user(uid).1, Credential::default(), Millis(1), |_| ());
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
        let roster = Roster::new(Arc::default(), false);
        let (uid, author) = user("a");
        roster.enter(&author, Credential::default(), Millis(1), |_| ());
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
