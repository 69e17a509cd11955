//! One batch's bytes for one group: encoded once, and once more only for those who joined in its middle or whom it
//! holds something for alone.

use crate::model::id::{Seq, UserId};
use crate::model::item::{Audience, Item};
use crate::ws::frames::Frames;

use super::group::{Encoder, Group, Layer, Span};
use super::members::{Member, Source};
use super::queue::Stretch;
use super::{Attendance, Feed};

/// How far a group may be behind that sees nothing of what goes by, before it is told how far the log is: who comes back
/// later still finds its place in what the channel remembers.
const FARTHEST_BEHIND: u64 = 1_000;

/// A batch before one group.
pub(super) struct Batches<'a> {
    feed: &'a Feed,
    encoder: &'a dyn Encoder,
    group: Group,
    items: &'a [Item],
    stretch: Stretch,
    span: Span,
    there: Attendance,
    /// Whether any item is for one user: most batches have none, and then nobody's name is looked at.
    private: bool,
    made: Vec<Made>,
}

struct Made {
    /// First item that is included.
    start: usize,
    /// For whom it holds items of their own; `None` for everybody.
    user: Option<UserId>,
    frames: Frames,
}

impl<'a> Batches<'a> {
    /// `items` before members of `group`, who have everything up to `told`.
    pub(super) fn new(
        feed: &'a Feed,
        encoder: &'a dyn Encoder,
        (group, told): (Group, Seq),
        (items, stretch): (&'a [Item], Stretch),
        there: Attendance,
    ) -> Self {
        let upto = items.last().map_or(told, Item::covers);
        let private = items.iter().any(|item| matches!(item.audience(), Audience::User(_)));
        let span = Span { after: told, upto };
        Self { feed, encoder, group, items, stretch, span, there, private, made: Vec::new() }
    }

    /// Up to where every member has been told by now that isn't behind.
    pub(super) fn told(&self) -> Seq {
        // Who joined behind the batch has been told of it before.
        let told = |made: &Made| !made.frames.is_empty() || made.start == self.items.len();
        if self.made.iter().all(told) { self.span.upto } else { self.span.after }
    }

    fn holds_something_for(&self, user: &UserId) -> bool {
        self.items.iter().any(|item| matches!(item.audience(), Audience::User(only) if only == user))
    }

    /// From an item on, for everybody or for one user. What most members get may have been spelled for another shard.
    fn encode(&self, start: usize, user: Option<&UserId>) -> Frames {
        // Who joined in the middle has everything up to the item before.
        let after = if start == 0 { self.span.after } else { self.items[start - 1].seq() };
        if start > 0 || user.is_some() {
            return self.spell(start, after, user);
        }
        let whom = (self.group, after);
        let known = self.feed.spelled.lock().find(self.stretch, whom);
        known.unwrap_or_else(|| {
            let frames = self.spell(start, after, user);
            self.feed.spelled.lock().keep(self.stretch, whom, frames.clone());
            frames
        })
    }

    fn spell(&self, start: usize, after: Seq, user: Option<&UserId>) -> Frames {
        let items = &self.items[start..];
        let seen: Vec<&Item> = items.iter().filter(|item| self.group.sees(item, user)).collect();
        let span = Span { after, ..self.span };
        if seen.is_empty() && !self.is_worth_telling(span, start, items) {
            return Frames::default();
        }
        self.encoder.encode(&self.feed.batch(span, &seen, self.there), &self.group)
    }

    /// Whether members have to know how far the log is although they see nothing of it.
    fn is_worth_telling(&self, span: Span, start: usize, items: &[Item]) -> bool {
        // Others of the group are told the end of this batch, and the next one begins there.
        let alone = start > 0 && !items.is_empty();
        self.group.layer == Layer::Ext && (alone || span.upto.0.saturating_sub(span.after.0) >= FARTHEST_BEHIND)
    }
}

impl Source for Batches<'_> {
    fn frames(&mut self, member: &Member) -> &Frames {
        let start = self.items.partition_point(|item| item.seq() <= member.after);
        let user = member.user.as_ref().filter(|user| self.private && self.holds_something_for(user));
        let known = self.made.iter().position(|made| made.start == start && made.user.as_ref() == user);
        let index = known.unwrap_or_else(|| {
            let frames = self.encode(start, user);
            self.made.push(Made { start, user: user.cloned(), frames });
            self.made.len() - 1
        });
        &self.made[index].frames
    }
}
