//! Who is in a broadcast: users, and how many sockets each has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use parking_lot::Mutex;

use crate::model::id::UserId;
use crate::model::message::Author;

/// The members of one broadcast that are known by name. Anonymous readers are only counted, by the feed.
#[derive(Debug, Default)]
pub(super) struct Roster(Mutex<HashMap<UserId, Present>>);

#[derive(Debug)]
struct Present {
    sockets: u32,
    author: Author,
}

impl Roster {
    pub(super) fn enter(&self, author: &Author) {
        let mut present = self.0.lock();
        let entry = present.entry(author.uid.clone()).or_insert_with(|| Present { sockets: 0, author: author.clone() });
        entry.sockets += 1;
        entry.author = author.clone();
    }

    pub(super) fn leave(&self, uid: &UserId) {
        if let Entry::Occupied(mut entry) = self.0.lock().entry(uid.clone()) {
            entry.get_mut().sockets -= 1;
            if entry.get().sockets == 0 {
                entry.remove();
            }
        }
    }

    pub(super) fn find(&self, uid: &UserId) -> Option<Author> {
        self.0.lock().get(uid).map(|present| present.author.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::principal::Role;

    #[test]
    fn a_user_leaves_with_the_last_socket() {
        let roster = Roster::default();
        let uid = UserId::parse("a").unwrap();
        let author = Author { uid: uid.clone(), profile: Default::default(), role: Role::Viewer };
        roster.enter(&author);
        roster.enter(&author);
        roster.leave(&uid);
        assert_eq!(roster.find(&uid), Some(author));
        roster.leave(&uid);
        roster.leave(&uid);
        assert_eq!(roster.find(&uid), None);
    }
}
