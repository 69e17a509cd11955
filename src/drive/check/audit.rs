//! What is said of lines once all of them are told.

use std::collections::HashMap;

/// How our own lines fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Sent in all.
    pub sent: u64,
    /// Acknowledged, of those.
    pub acked: u64,
    /// Acknowledged, and never told: their numbers.
    pub lost: Vec<u32>,
    /// Refused, and told.
    pub told_though_refused: Vec<u32>,
    /// Acts on lines that were acknowledged.
    pub acts: u64,
    /// Those of them that nobody heard of.
    pub untold_acts: u64,
    /// Neither acknowledged nor refused, on a connection that held.
    pub unanswered: Vec<u32>,
}

/// Lines that one process heard in another order than the other: of those that both have, how many stand before one that they
/// should follow.
pub fn disagreements(one: &[u32], other: &[u32]) -> u64 {
    let places: HashMap<u32, usize> = one.iter().enumerate().map(|(place, number)| (*number, place)).collect();
    let mut last = None;
    let mut wrong = 0;
    for place in other.iter().filter_map(|number| places.get(number).copied()) {
        wrong += u64::from(last.is_some_and(|last| place < last));
        last = last.max(Some(place));
    }
    wrong
}
