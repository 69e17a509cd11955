//! What the log doesn't say of lines.

use serde::{Deserialize, Serialize};

use crate::channel::Verdicts;
use crate::model::id::Seq;
use crate::model::time::Millis;

use super::{places, steps};

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
}

pub(super) fn stored(verdicts: &Verdicts) -> StoredVerdicts {
    let none = verdicts.all().filter(|(_, time)| time.is_none()).map(|(place, _)| place);
    let times = verdicts.all().filter_map(|(place, time)| Some((place.0, time?.0)));
    StoredVerdicts { floor: verdicts.floor().0, none: steps(none), times: times.collect() }
}

/// Before version 4 nobody took note of it.
pub(super) fn read(stored: Option<StoredVerdicts>, newest: Seq) -> Option<Verdicts> {
    let Some(StoredVerdicts { floor, none, times }) = stored else { return Some(Verdicts::new([], newest)) };
    let none = places(none)?.into_iter().map(|place| (place, None));
    let times = times.into_iter().map(|(place, time)| (Seq(place), Some(Millis(time))));
    Some(Verdicts::new(none.chain(times), Seq(floor)))
}
