//! Whose tokens hold no more.
//!
//! A revocation matters for as long as a token made before it may still be good, which is [`OLDEST_TOKEN_MS`] at most;
//! then it is forgotten. About 150 bytes each.

use std::collections::{BTreeMap, HashMap};

use crate::model::access::{Credential, OLDEST_TOKEN_MS, Revoked};
use crate::model::id::{Seq, UserId};
use crate::model::time::Millis;

/// Revocations that still matter, by the times of the log's own events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    users: HashMap<UserId, Since>,
    tokens: HashMap<String, Seq>,
    /// By place, oldest first: what to forget next.
    order: BTreeMap<Seq, Revocation>,
}

/// What a user's newest revocation holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Since {
    seq: Seq,
    at: Millis,
    until: Millis,
}

/// A revocation as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Its place.
    pub seq: Seq,
    /// Whose tokens.
    pub revoked: Revoked,
    /// When. Of a user, tokens that a gateway made until then are void.
    pub at: Millis,
    /// Of a user, tokens that the site made until then are void: a little later, because clocks differ.
    pub until: Millis,
}

impl Revocations {
    /// Takes note of a revocation, and forgets those that matter no more.
    ///
    /// One by a clock that went back takes nothing back of those before it.
    pub fn add(&mut self, mut new: Revocation) {
        let before = match &new.revoked {
            Revoked::User(uid) => {
                let before = self.users.get(uid).copied();
                if let Some(before) = before {
                    (new.at, new.until) = (new.at.max(before.at), new.until.max(before.until));
                }
                self.users.insert(uid.clone(), Since { seq: new.seq, at: new.at, until: new.until });
                before.map(|before| before.seq)
            }
            Revoked::Token(id) => self.tokens.insert(id.clone(), new.seq),
        };
        before.map(|before| self.order.remove(&before));
        let oldest = new.until - OLDEST_TOKEN_MS;
        self.order.insert(new.seq, new);
        while let Some(first) = self.order.first_entry()
            && first.get().until < oldest
        {
            match first.remove().revoked {
                Revoked::User(uid) => drop(self.users.remove(&uid)),
                Revoked::Token(id) => drop(self.tokens.remove(&id)),
            }
        }
    }

    /// Whether a token of this account is revoked. Tokens count whole seconds: one that was made in the second of the
    /// revocation is taken for older.
    pub fn hold(&self, uid: &UserId, credential: &Credential) -> bool {
        let by_user = self.users.get(uid).is_some_and(|since| {
            let last = if credential.own { since.at } else { since.until };
            credential.issued.seconds() <= last.seconds()
        });
        by_user || (!credential.token_id.is_empty() && self.tokens.contains_key(&credential.token_id))
    }

    /// Up to `limit` revocations that stand before a place, newest first.
    pub fn page(&self, before: Option<Seq>, limit: usize) -> Vec<Revocation> {
        let older = self.order.range(..before.unwrap_or(Seq(u64::MAX))).rev().take(limit);
        older.map(|(_, revocation)| revocation.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: &str) -> UserId {
        UserId::parse(uid).unwrap()
    }

    fn made(issued: i64, id: &str) -> Credential {
        Credential { token_id: id.to_owned(), issued: Millis(issued), own: false }
    }

    fn revocation(seq: u64, revoked: Revoked, until: i64) -> Revocation {
        Revocation { seq: Seq(seq), revoked, at: Millis(until - 5_000), until: Millis(until) }
    }

    #[test]
    fn tokens_made_before_are_void_and_later_ones_hold() {
        let mut revocations = Revocations::default();
        revocations.add(revocation(1, Revoked::User(user("a")), 10_400));
        assert!(revocations.hold(&user("a"), &made(9_000, "")));
        assert!(revocations.hold(&user("a"), &made(10_999, "")), "of the same second");
        assert!(!revocations.hold(&user("a"), &made(11_000, "")));
        assert!(!revocations.hold(&user("b"), &made(9_000, "")));
        let own = |issued| Credential { own: true, ..made(issued, "") };
        assert!(revocations.hold(&user("a"), &own(5_999)) && !revocations.hold(&user("a"), &own(6_000)));
    }

    #[test]
    fn a_revocation_by_a_clock_that_went_back_takes_nothing_back() {
        let mut revocations = Revocations::default();
        revocations.add(revocation(1, Revoked::User(user("a")), 330_000));
        revocations.add(revocation(2, Revoked::User(user("a")), 40_000));
        assert!(revocations.hold(&user("a"), &made(300_000, "")));
        assert_eq!(revocations.page(None, 9)[0].until, Millis(330_000));
    }

    #[test]
    fn one_token_is_revoked_by_its_id() {
        let mut revocations = Revocations::default();
        revocations.add(revocation(1, Revoked::Token("t1".to_owned()), 1));
        assert!(revocations.hold(&user("a"), &made(99_000, "t1")));
        assert!(!revocations.hold(&user("a"), &made(0, "t2")) && !revocations.hold(&user("a"), &made(0, "")));
    }

    #[test]
    fn what_no_token_can_outlive_is_forgotten() {
        let mut revocations = Revocations::default();
        revocations.add(revocation(1, Revoked::User(user("a")), 0));
        revocations.add(revocation(2, Revoked::User(user("b")), 1));
        revocations.add(revocation(3, Revoked::User(user("a")), 2));
        revocations.add(revocation(4, Revoked::Token("t".to_owned()), OLDEST_TOKEN_MS + 2));
        let kept: Vec<_> = revocations.page(None, 10).iter().map(|revocation| revocation.seq.0).collect();
        assert_eq!(kept, [4, 3], "b's is forgotten, a's second one is not");
        assert_eq!(revocations.page(Some(Seq(4)), 10).len(), 1);
        assert!(revocations.hold(&user("a"), &made(0, "")) && !revocations.hold(&user("b"), &made(0, "")));
    }
}
