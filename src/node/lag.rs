//! Readers that take less than is said: a ladder, by how much they are behind and for how long.
//!
//! A connection that takes no more leaves the feed (`feed::members`) and is brought up to the log like one that comes
//! back ([`resume`](super::resume)), each time it has taken what it was told before. A little is told in whole, merged
//! into fewer and larger messages. From much, ordinary lines are left out. Whoever is behind after that as well jumps to
//! the last lines. What staff did is told on every rung: who can't be told what was hidden is closed.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock;
use crate::feed::{Group, Span};
use crate::model::id::{Seq, UserId};
use crate::model::item::{Audience, Item, View};
use crate::model::message::Kind;

use super::Seat;
use super::live::State;
use super::resume::{LINE_BYTES, Next, Part, Trail};

/// Bytes that a reader may be behind and is told in whole: two batches of a burst, which any reader may need a moment for.
const MERGED: usize = 256 * 1024;

/// Most bytes of what is worth telling without the ordinary lines.
const ESSENTIALS: usize = 64 * 1024;

/// How long a reader may be slow before ordinary lines are left out whenever it is behind, and before it jumps.
const LEFT_OUT_AFTER: Duration = Duration::from_secs(5);
const JUMPS_AFTER: Duration = Duration::from_secs(30);

/// How long a reader has to keep up before it counts as one that does.
const STEADY: Duration = Duration::from_secs(10);

/// Last lines for those who jump. Who has missed no more is told them in any case.
const RECENT: usize = 20;

/// Most bytes of a jump: with less than the smallest outgoing queue takes.
const LARGEST_JUMP: usize = 128 * 1024;

/// Why a slow reader is closed that could be told of everything but what is hidden.
pub(super) const FORGOTTEN: &str = "too slow: what was hidden meanwhile can't be told any more";

/// How a slow reader fares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lag {
    since: Instant,
    /// When it last heard live what happened.
    live: Instant,
}

impl Lag {
    fn again(before: Option<Self>, now: Instant) -> Self {
        let since = before.filter(|lag| now < lag.live + STEADY).map_or(now, |lag| lag.since);
        Self { since, live: now }
    }

    /// Takes note that everything is heard live.
    pub(super) fn lands(&mut self) {
        self.live = clock::instant();
    }
}

impl Seat {
    /// Leaves the feed if its connection took no more, to be brought up by [`catch_up`](Self::catch_up). Whether it did.
    pub fn fall_behind(&mut self) -> bool {
        let (Some(stage), Some(place)) = (&self.stage, self.place) else { return false };
        let Some(told) = stage.feed.leave_behind(place) else { return false };
        self.place = None;
        self.lag = Some(Box::new(Lag::again(self.lag.as_deref().copied(), clock::instant())));
        let state = self.live.state.lock();
        self.trail = Some(Box::new(Trail::behind(&state, told)));
        true
    }
}

/// Who is told.
pub(super) struct Whom<'a> {
    pub(super) group: Group,
    pub(super) user: Option<&'a UserId>,
}

impl Trail {
    /// What a slow reader is told next, unless it is told in whole what it has not heard.
    pub(super) fn next_of_slow(&self, state: &State, whom: &Whom<'_>, lag: &Lag) -> Option<Next> {
        let (channel, seq, told) = (&state.channel, state.channel.seq(), self.told());
        let first = Seq(told.0 + 1);
        if told >= seq {
            return None;
        }
        if told < channel.remembers_acts_from() {
            return Some(Next::Close(FORGOTTEN));
        }
        let (age, counted) = (lag.since.elapsed(), self.counts_like(state) && told >= channel.remembers_from());
        let few = channel.place_before(RECENT) <= told;
        if (age < LEFT_OUT_AFTER || few) && counted && channel.fitting(first, seq, MERGED, LINE_BYTES).is_none() {
            return None;
        }
        if age < JUMPS_AFTER && counted {
            let items = whom.sees(channel.essentials_between(told, seq));
            if bytes(&items) <= ESSENTIALS {
                return Some(Next::Parts(parts(state, whom, (told, seq), &items)));
            }
        }
        Some(jump(state, whom, told))
    }
}

impl Whom<'_> {
    fn sees(&self, mut items: Vec<Item>) -> Vec<Item> {
        items.retain(|item| self.group.sees(item, self.user));
        items
    }
}

/// What is worth telling of a span, in parts of which each says how many lines are left out in it.
fn parts(state: &State, whom: &Whom<'_>, (told, seq): (Seq, Seq), items: &[Item]) -> Vec<Part> {
    // Nothing is left out for whoever sees no ordinary lines.
    let lines = |place: Seq| if whom.group.lane.shows(Kind::Text) { state.channel.lines_upto(place) } else { 0 };
    let is_counted = |item: &Item| item.line().is_some() && *item.audience() == Audience::All;
    let (mut parts, mut after) = (Vec::<Part>::new(), told);
    for group in items.chunk_by(|one, next| one.seq() == next.seq()) {
        let (place, kept) = (group[0].seq(), group.iter().filter(|item| is_counted(item)).count() as u64);
        let left = lines(place).saturating_sub(lines(after) + kept);
        let before = Seq(place.0 - 1);
        if left > 0 {
            // In a push of its own: of several messages, none but the last could say where they are left out.
            parts.push(Part { span: Span { after, upto: before }, left, items: Vec::new() });
        }
        match parts.last_mut() {
            Some(part) if left == 0 => {
                part.span.upto = place;
                part.items.extend_from_slice(group);
            }
            _ => {
                let after = if left > 0 { before } else { after };
                parts.push(Part { span: Span { after, upto: place }, left: 0, items: group.to_vec() });
            }
        }
        after = place;
    }
    if after < seq {
        parts.push(Part {
            span: Span { after, upto: seq },
            left: lines(seq).saturating_sub(lines(after)),
            items: Vec::new(),
        });
    }
    parts
}

/// The last lines, and before them what staff did: all of it, or at least what is seen for long.
fn jump(state: &State, whom: &Whom<'_>, told: Seq) -> Next {
    let (channel, seq) = (&state.channel, state.channel.seq());
    let from = channel.place_before(RECENT).max(told);
    let mut items = whom.sees(channel.acts_between(told, from));
    items.extend(whom.sees(channel.between(from, seq)));
    if bytes(&items) > LARGEST_JUMP {
        items.retain(|item| item.line().is_some() || lasts(item));
    }
    if bytes(&items) > LARGEST_JUMP {
        return Next::Close(FORGOTTEN);
    }
    // On our own layer `after` lies behind what was told last: a gap, and known as one.
    Next::Jump(Span { after: from, upto: seq }, items)
}

/// Whether without it something wrong would be seen until the next of its kind.
fn lasts(item: &Item) -> bool {
    item.hides() || matches!(item.view(), View::Notice(_) | View::Modes(_))
}

fn bytes(items: &[Item]) -> usize {
    items.iter().map(Item::bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_keeps_up_for_a_while_counts_as_one_that_does() {
        let begun = clock::instant();
        let mut lag = Lag::again(None, begun);
        tokio::time::advance(STEADY / 2).await;
        lag.lands();
        let again = Lag::again(Some(lag), clock::instant() + STEADY / 2);
        assert_eq!(again.since, begun, "slow since then");
        let anew = clock::instant() + STEADY;
        assert_eq!(Lag::again(Some(lag), anew).since, anew);
    }
}
