//! What the log doesn't say of lines.

use serde::{Deserialize, Serialize};

use crate::channel::Verdicts;
use crate::model::id::{Seq, UserId};
use crate::model::time::Millis;

use super::{people, places, steps};

#[derive(Serialize, Deserialize)]
pub(super) struct StoredVerdicts {
    /// Nothing is known up to here.
    floor: u64,
    /// Events that are no lines, each by what it is more than the one before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    none: Vec<u64>,
    /// Lines that have another time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    times: Vec<(u64, i64)>,
    /// Lines whose authors had another role here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<(u64, u8)>,
    /// Users who are erased up to a place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    wiped: Vec<(String, u64)>,
}

pub(super) fn stored(verdicts: &Verdicts) -> StoredVerdicts {
    let none = verdicts.all().filter(|(_, time)| time.is_none()).map(|(place, _)| place);
    let times = verdicts.all().filter_map(|(place, time)| Some((place.0, time?.0))).collect();
    let roles = verdicts.roles().map(|(place, role)| (place.0, people::number(role))).collect();
    let mut wiped: Vec<_> = verdicts.wiped().map(|(user, place)| (user.to_string(), place.0)).collect();
    wiped.sort();
    StoredVerdicts { floor: verdicts.floor().0, none: steps(none), times, roles, wiped }
}

/// Before version 4 nobody took note of it.
pub(super) fn read(stored: Option<StoredVerdicts>, newest: Seq) -> Option<Verdicts> {
    let Some(StoredVerdicts { floor, none, times, roles, wiped }) = stored else {
        return Some(Verdicts::new([], [], newest, []));
    };
    let none = places(none)?.into_iter().map(|place| (place, None));
    let times = times.into_iter().map(|(place, time)| (Seq(place), Some(Millis(time))));
    let role = |(place, number)| Some((Seq(place), people::role(number)?));
    let roles = roles.into_iter().map(role).collect::<Option<Vec<_>>>()?;
    let wiped =
        wiped.into_iter().map(|(user, place)| Some((UserId::parse(&user)?, Seq(place)))).collect::<Option<Vec<_>>>()?;
    Some(Verdicts::new(none.chain(times), roles, Seq(floor), wiped))
}
