//! Which lines are withheld, and by what.

use serde::{Deserialize, Serialize};

use crate::channel::{By, Everything, Hidden};
use crate::model::id::{Seq, UserId};

use super::{people, places, steps};

/// Of whom everything is hidden: up to where, by which act, and but for what.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredUser {
    uid: String,
    upto: u64,
    act: u64,
    rank: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shown: Vec<u64>,
}

/// In the order of their names, so that one state is one snapshot.
pub(super) fn users(hidden: &Hidden) -> Vec<StoredUser> {
    let stored = |(uid, all): (&UserId, &Everything)| StoredUser {
        uid: uid.to_string(),
        upto: all.upto.0,
        act: all.by.act.0,
        rank: people::number(all.by.rank),
        shown: steps(all.shown.iter().copied()),
    };
    let mut users: Vec<_> = hidden.users().map(stored).collect();
    users.sort_by(|one, other| (&one.uid, one.act).cmp(&(&other.uid, other.act)));
    users
}

/// What hides the lines, one for as many as it does in a row.
pub(super) fn runs(hidden: &Hidden) -> Vec<(u64, u8, usize)> {
    let mut runs: Vec<(u64, u8, usize)> = Vec::new();
    for (_, by) in hidden.places() {
        let (act, rank) = (by.act.0, people::number(by.rank));
        match runs.last_mut() {
            Some((before, same, count)) if (*before, *same) == (act, rank) => *count += 1,
            _ => runs.push((act, rank, 1)),
        }
    }
    runs
}

pub(super) fn read_user(stored: StoredUser) -> Option<(UserId, Everything)> {
    let StoredUser { uid, upto, act, rank, shown } = stored;
    let (by, shown) = (By { act: Seq(act), rank: people::role(rank)? }, places(shown)?.into_iter().collect());
    Some((UserId::parse(&uid)?, Everything { upto: Seq(upto), by, shown }))
}
