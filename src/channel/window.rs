//! The broadcast's last lines, and what staff did to them: for those who come late, and for those who come back.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::act::Deed;
use crate::model::event::{Body, Event};
use crate::model::id::{Seq, UserId};
use crate::model::message::Lane;

use super::Kept;

/// Lines that are kept: over a minute of 60 a second.
const MOST: usize = 4_096;

/// Most bytes that they take, by their texts and what goes with each.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What a line takes beside its texts: names of fixed length, receipts, pointers.
const LINE_BYTES: usize = 512;

/// Acts that are kept.
const MOST_ACTS: usize = 2_048;

/// Most bytes of what the site's backend tells that is kept among them.
const MOST_TOLD: usize = 4 * 1024 * 1024;

/// Most places of lines that these acts name, 8 bytes each.
const MOST_NAMED: usize = 65_536;

/// What an act takes once it is encoded, beside the lines that it names.
const ACT_BYTES: usize = 4 * 1_024;

/// What it takes for each of them, by its place.
const NAMED_BYTES: usize = 12;

/// Something that members are told of beside lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAct {
    /// Place in the log.
    pub seq: Seq,
    /// What happened.
    pub event: Arc<Event>,
    /// Lines that stand otherwise since then, oldest first.
    pub lines: Arc<[Seq]>,
    /// Whether another notice is pinned since then, or none.
    pub notice: bool,
    /// Whether the chat is run otherwise since then.
    pub modes: bool,
    /// The question that stands otherwise since then.
    pub question: Option<Seq>,
}

impl KeptAct {
    /// Whether it says how this line stands.
    pub fn tells_of(&self, place: Seq) -> bool {
        self.lines.binary_search(&place).is_ok()
    }

    /// Bytes that telling of it takes, as far as can be told before it is encoded; without what lines say that it shows
    /// again.
    pub(super) fn bytes(&self) -> usize {
        ACT_BYTES + self.lines.len() * NAMED_BYTES + self.told()
    }

    /// Bytes of what the site's backend tells by it.
    fn told(&self) -> usize {
        match &self.event.body {
            Body::Announced(announcement) => announcement.news.bytes(),
            _ => 0,
        }
    }

    /// Whether it says that this user has come, or has gone.
    fn is_visit_of(&self, uid: &UserId) -> bool {
        matches!(&self.event.body, Body::Announced(announcement) if announcement.is_visit_of(uid))
    }

    /// Whether lines may be shown again by it: what they say is told then.
    pub(super) fn may_show(&self) -> bool {
        matches!(&self.event.body, Body::Act(act) if matches!(act.deed, Deed::Show(_) | Deed::Undo(_)))
    }

    /// Whether nobody sees anything of it.
    pub fn is_silent(&self) -> bool {
        let target = match &self.event.body {
            Body::Act(act) => act.deed.target().is_some(),
            Body::Announced(_) => true,
            _ => false,
        };
        self.lines.is_empty() && !self.notice && !self.modes && self.question.is_none() && !target
    }
}

/// A line, or something else that members are told of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry<'a> {
    Line(&'a Kept),
    Act(&'a KeptAct),
}

impl Entry<'_> {
    pub(super) fn seq(&self) -> Seq {
        match self {
            Self::Line(kept) => kept.seq,
            Self::Act(act) => act.seq,
        }
    }
}

/// The last lines and acts, oldest first.
#[derive(Debug, Default)]
pub(super) struct Window {
    lines: VecDeque<Kept>,
    since: Seq,
    bytes: usize,
    /// Lines that have left it, since it is in this memory.
    rolled: u64,
    acts: VecDeque<KeptAct>,
    acts_since: Seq,
    /// Places of lines that the acts name.
    named: usize,
    /// Bytes of what the site's backend tells.
    told: usize,
    /// Lines among them that are for their authors alone.
    shadowed: VecDeque<Seq>,
}

/// What it shows makes it; what it has forgotten doesn't.
impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        (&self.lines, self.since, self.bytes, &self.acts, self.acts_since)
            == (&other.lines, other.since, other.bytes, &other.acts, other.acts_since)
    }
}

impl Eq for Window {}

impl Window {
    /// A window on what comes behind a place.
    pub(super) fn since(place: Seq) -> Self {
        Self::since_both(place, place)
    }

    /// A window on lines that come behind one place, and acts that come behind another.
    pub(super) fn since_both(since: Seq, acts_since: Seq) -> Self {
        Self { since, acts_since, ..Self::default() }
    }

    pub(super) fn push(&mut self, kept: Kept) {
        self.bytes += bytes(&kept);
        if kept.line.is_shadowed() {
            self.shadowed.push_back(kept.seq);
        }
        self.lines.push_back(kept);
        while self.lines.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= bytes(&oldest);
            self.since = oldest.seq;
            self.rolled += 1;
            self.forget_shadowed(oldest.seq);
        }
    }

    pub(super) fn push_act(&mut self, act: KeptAct) {
        self.named += act.lines.len();
        self.told += act.told();
        self.acts.push_back(act);
        while self.acts.len() > MOST_ACTS || self.named > MOST_NAMED || self.told > MOST_TOLD {
            let Some(oldest) = self.acts.pop_front() else { return };
            self.named -= oldest.lines.len();
            self.told -= oldest.told();
            self.acts_since = oldest.seq;
        }
    }

    /// Lets go of all up to a place.
    pub(super) fn forget_upto(&mut self, place: Seq) {
        let gone = self.upto(place);
        let bytes: usize = self.lines.drain(..gone).map(|kept| bytes(&kept)).sum();
        self.bytes -= bytes;
        self.since = self.since.max(place);
        self.rolled += gone as u64;
        self.forget_shadowed(place);
        let gone = self.acts_upto(place);
        for act in self.acts.drain(..gone) {
            self.named -= act.lines.len();
            self.told -= act.told();
            self.acts_since = act.seq;
        }
    }

    /// Lets go of what one author said, and of what the channel said of them: nobody is owed it.
    pub(super) fn forget_author(&mut self, uid: &UserId) {
        self.lines.retain(|kept| kept.line.author.uid != *uid);
        self.acts.retain(|act| !act.is_visit_of(uid));
        self.told = self.acts.iter().map(KeptAct::told).sum();
        let lines = &self.lines;
        self.shadowed.retain(|place| lines.binary_search_by_key(place, |kept| kept.seq).is_ok());
        self.bytes = self.lines.iter().map(bytes).sum();
    }

    /// Every line of the broadcast behind this place is in it.
    pub(super) fn begins(&self) -> Seq {
        self.since
    }

    /// Every act of the broadcast behind this place is in it.
    pub(super) fn acts_begin(&self) -> Seq {
        self.acts_since
    }

    /// The last `count` lines.
    pub(super) fn last(&self, count: usize) -> impl DoubleEndedIterator<Item = &Kept> {
        self.lines.range(self.lines.len().saturating_sub(count)..)
    }

    /// All acts.
    pub(super) fn acts(&self) -> impl Iterator<Item = &KeptAct> {
        self.acts.iter()
    }

    /// The place before the last `count` lines.
    pub(super) fn before(&self, count: usize) -> Seq {
        let left_out = self.lines.len().saturating_sub(count);
        left_out.checked_sub(1).and_then(|index| self.lines.get(index)).map_or(self.since, |kept| kept.seq)
    }

    /// The lines behind `after`, up to and with `upto`.
    pub(super) fn lines_between(&self, after: Seq, upto: Seq) -> impl Iterator<Item = &Kept> {
        let (first, end) = (self.upto(after), self.upto(upto));
        self.lines.range(first..end.max(first))
    }

    /// The acts behind `after`, up to and with `upto`.
    pub(super) fn acts_between(&self, after: Seq, upto: Seq) -> impl Iterator<Item = &KeptAct> {
        let (first, end) = (self.acts_upto(after), self.acts_upto(upto));
        self.acts.range(first..end.max(first))
    }

    /// Both, in order.
    pub(super) fn between(&self, after: Seq, upto: Seq) -> Vec<Entry<'_>> {
        let lines = self.lines_between(after, upto).map(Entry::Line);
        let mut entries: Vec<_> = lines.chain(self.acts_between(after, upto).map(Entry::Act)).collect();
        entries.sort_by_key(Entry::seq);
        entries
    }

    /// The next place behind this one with something that this lane may show to this user, or to everybody.
    pub(super) fn next(&self, place: Seq, lane: Lane, user: Option<&UserId>) -> Option<Seq> {
        let end = Seq(u64::MAX);
        let shows = |kept: &&Kept| {
            let is_for_them = !kept.line.is_shadowed() || user == Some(&kept.line.author.uid);
            lane.shows(kept.line.draft.kind) && is_for_them
        };
        let line = self.lines_between(place, end).find(shows).map(|kept| kept.seq);
        let act = self.acts_between(place, end).next().map(|act| act.seq);
        line.into_iter().chain(act).min()
    }

    /// Whether a line behind `after` and up to `upto` is for this user alone.
    pub(super) fn is_for(&self, user: &UserId, after: Seq, upto: Seq) -> bool {
        let from = self.shadowed.partition_point(|place| *place <= after);
        let mut places = self.shadowed.range(from..).take_while(|place| **place <= upto);
        places.any(|place| self.at(*place).is_some_and(|kept| kept.line.author.uid == *user))
    }

    /// How many lines for everybody this memory has had up to a place: their difference says how many have been between
    /// two.
    pub(super) fn count(&self, upto: Seq) -> u64 {
        let shadowed = self.shadowed.partition_point(|place| *place <= upto);
        self.rolled + (self.upto(upto) - shadowed) as u64
    }

    /// Lets go of what is known of lines up to a place that were for their authors alone: they count among no others.
    fn forget_shadowed(&mut self, upto: Seq) {
        while self.shadowed.pop_front_if(|place| *place <= upto).is_some() {
            self.rolled -= 1;
        }
    }

    /// The line at this place.
    pub(super) fn at(&self, place: Seq) -> Option<&Kept> {
        self.lines.binary_search_by_key(&place, |kept| kept.seq).ok().and_then(|index| self.lines.get(index))
    }

    fn upto(&self, place: Seq) -> usize {
        self.lines.partition_point(|kept| kept.seq <= place)
    }

    fn acts_upto(&self, place: Seq) -> usize {
        self.acts.partition_point(|act| act.seq <= place)
    }
}

/// What a line takes.
pub(super) fn bytes(kept: &Kept) -> usize {
    LINE_BYTES + said(kept) + kept.line.author.profile.bytes()
}

/// What it takes beside its author: text, emojis, and what it is said with.
pub(super) fn said(kept: &Kept) -> usize {
    let draft = &kept.line.draft;
    let emojis = draft.extras.emojis.iter().map(|(name, url)| name.len() + url.len()).sum::<usize>();
    let occasion = kept.line.occasion.as_ref().map_or(0, |occasion| occasion.bytes());
    draft.text.len() + emojis + occasion
}
