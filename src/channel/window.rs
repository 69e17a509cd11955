//! The broadcast's last lines: for those who come late, and for those who come back.

use std::collections::VecDeque;

use crate::model::id::{Seq, UserId};

use super::Kept;

/// Lines that are kept: over a minute of 60 a second.
const MOST: usize = 4_096;

/// Most bytes that they take, by their texts and what goes with each.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What a line takes beside its texts: names of fixed length, receipts, pointers.
const LINE_BYTES: usize = 512;

/// The last lines, oldest first.
#[derive(Debug, Default)]
pub(super) struct Window {
    lines: VecDeque<Kept>,
    since: Seq,
    bytes: usize,
    /// Lines that have left it, since it is in this memory.
    rolled: u64,
}

/// What it shows makes it; what it has forgotten doesn't.
impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        (&self.lines, self.since, self.bytes) == (&other.lines, other.since, other.bytes)
    }
}

impl Eq for Window {}

impl Window {
    /// A window on what comes behind a place.
    pub(super) fn since(place: Seq) -> Self {
        Self { since: place, ..Self::default() }
    }

    pub(super) fn push(&mut self, kept: Kept) {
        self.bytes += bytes(&kept);
        self.lines.push_back(kept);
        while self.lines.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= bytes(&oldest);
            self.since = oldest.seq;
            self.rolled += 1;
        }
    }

    /// Lets go of all up to a place.
    pub(super) fn forget_upto(&mut self, place: Seq) {
        let gone = self.upto(place);
        let bytes: usize = self.lines.drain(..gone).map(|kept| bytes(&kept)).sum();
        self.bytes -= bytes;
        self.since = self.since.max(place);
        self.rolled += gone as u64;
    }

    /// Lets go of what one author said: nobody is owed it.
    pub(super) fn forget_author(&mut self, uid: &UserId) {
        self.lines.retain(|kept| kept.line.author.uid != *uid);
        self.bytes = self.lines.iter().map(bytes).sum();
    }

    /// Every line of the broadcast behind this place is in it.
    pub(super) fn begins(&self) -> Seq {
        self.since
    }

    /// The last `count` lines.
    pub(super) fn last(&self, count: usize) -> impl DoubleEndedIterator<Item = &Kept> {
        self.lines.range(self.lines.len().saturating_sub(count)..)
    }

    /// The place before the last `count` lines.
    pub(super) fn before(&self, count: usize) -> Seq {
        let left_out = self.lines.len().saturating_sub(count);
        left_out.checked_sub(1).and_then(|index| self.lines.get(index)).map_or(self.since, |kept| kept.seq)
    }

    /// The lines behind `after`, up to and with `upto`.
    pub(super) fn between(&self, after: Seq, upto: Seq) -> impl Iterator<Item = &Kept> {
        let (first, end) = (self.upto(after), self.upto(upto));
        self.lines.range(first..end.max(first))
    }

    /// How many lines this memory has had up to a place: their difference says how many have been between two.
    pub(super) fn count(&self, upto: Seq) -> u64 {
        self.rolled + self.upto(upto) as u64
    }

    /// The line at this place.
    pub(super) fn at(&self, place: Seq) -> Option<&Kept> {
        self.lines.binary_search_by_key(&place, |kept| kept.seq).ok().and_then(|index| self.lines.get(index))
    }

    fn upto(&self, place: Seq) -> usize {
        self.lines.partition_point(|kept| kept.seq <= place)
    }
}

fn bytes(kept: &Kept) -> usize {
    let (draft, profile) = (&kept.line.draft, &kept.line.author.profile);
    let emojis = draft.extras.emojis.iter().map(|(name, url)| name.len() + url.len()).sum::<usize>();
    LINE_BYTES + draft.text.len() + emojis + profile.bytes()
}
