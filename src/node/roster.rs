//! Who is in a broadcast: users, and how many sockets each has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::feed::Headcount;
use crate::model::id::UserId;
use crate::model::message::Author;

/// The members of one broadcast that are known by name. Anonymous readers are only counted, by the feed.
#[derive(Debug)]
pub(super) struct Roster {
    present: Mutex<HashMap<UserId, Present>>,
    headcount: Arc<Headcount>,
}

#[derive(Debug)]
struct Present {
    sockets: u32,
    author: Author,
}

impl Roster {
    /// Nobody yet; how many there are is told to `headcount`.
    pub(super) fn new(headcount: Arc<Headcount>) -> Self {
        Self { present: Mutex::default(), headcount }
    }

    pub(super) fn enter(&self, author: &Author) {
        let mut present = self.present.lock();
        let entry = present.entry(author.uid.clone()).or_insert_with(|| Present { sockets: 0, author: author.clone() });
        entry.sockets += 1;
        entry.author = author.clone();
        if entry.sockets == 1 {
            self.headcount.users_are(present.len());
        }
    }

    pub(super) fn leave(&self, uid: &UserId) {
        let mut present = self.present.lock();
        if let Entry::Occupied(mut entry) = present.entry(uid.clone()) {
            entry.get_mut().sockets -= 1;
            if entry.get().sockets == 0 {
                entry.remove();
                self.headcount.users_are(present.len());
            }
        }
    }

    pub(super) fn find(&self, uid: &UserId) -> Option<Author> {
        self.present.lock().get(uid).map(|present| present.author.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::principal::Role;

    #[test]
    fn a_user_leaves_with_the_last_socket() {
        let headcount = Arc::new(Headcount::default());
        let roster = Roster::new(headcount.clone());
        let users = || headcount.now().users;
        let uid = UserId::parse("a").unwrap();
        let author = Author { uid: uid.clone(), profile: Default::default(), role: Role::Viewer };
        roster.enter(&author);
        roster.enter(&author);
        roster.leave(&uid);
        assert_eq!((roster.find(&uid), users()), (Some(author), 1));
        roster.leave(&uid);
        roster.leave(&uid);
        assert_eq!((roster.find(&uid), users()), (None, 0));
    }
}
