//! Coming in with a place in the log: what was missed first, then what happens, and nothing lost between the two.
//!
//! What was missed goes out in stretches, one at a time as the connection takes them, so that whoever missed a lot needs no
//! more of the outgoing queue than anybody else. All is revealed as of the moment a stretch is made.

use std::sync::Arc;

use crate::feed::{Group, Span};
use crate::model::id::{Epoch, Seq};
use crate::model::item::Audience;
use crate::ws::frames::Frames;
use crate::ws::outbox::Outbox;

use super::live::State;
use super::stage::Stage;
use super::{Node, Seat};

/// Places in the log that one stretch covers. A power of two: cut at multiples of it, or of what it is halved to, so that
/// those who missed the same share the bytes.
const STRETCH: u64 = 64;

/// Largest stretch in bytes: it has to fit into an empty outgoing queue.
const LARGEST_STRETCH: usize = 128 * 1024;

/// Lines for those who can't be given all that they missed.
const RECENT: usize = 50;

/// Why what somebody missed can't be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Their place belongs to another life of the log.
    Epoch,
    /// Their place is one that the log hasn't reached.
    Ahead,
    /// What comes behind their place is no longer remembered, or was said in another broadcast.
    TooOld,
}

/// Where somebody comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Which life of the log the places belong to.
    pub epoch: Epoch,
    /// How far the log is.
    pub seq: Seq,
    /// Everything behind this place will be heard.
    pub after: Seq,
    /// Whether that is everything since the place that was asked for; `None` when none was.
    pub recovered: Option<Result<(), Lost>>,
}

/// How far somebody is who is being told what they missed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trail {
    /// They have been told everything up to here.
    told: Seq,
    /// And up to here there was nothing more for them.
    seen: Seq,
    /// Lines that have gone by up to there, in this reading of the channel.
    lines: u64,
    readings: u64,
    /// Places of the next stretch.
    stretch: u64,
}

impl Node {
    /// Where the seat's holder comes in, who has been told everything up to `resume`. What follows is heard by
    /// [`Seat::catch_up`].
    pub fn arrive(&self, seat: &mut Seat, resume: Option<(Epoch, Seq)>) -> Arrival {
        let epoch = self.parts.log.epoch();
        let state = seat.live.state.lock();
        let (channel, seq) = (&state.channel, state.channel.seq());
        let recovered = resume.map(|(life, place)| match place {
            _ if life != epoch => Err(Lost::Epoch),
            _ if place > seq => Err(Lost::Ahead),
            _ if place < channel.remembers_from() || seat.stage.is_none() => Err(Lost::TooOld),
            _ => Ok(()),
        });
        let after = match (resume, recovered) {
            (Some((_, place)), Some(Ok(()))) => place,
            (_, Some(Err(_))) if seat.stage.is_some() => channel.place_before(RECENT),
            _ => seq,
        };
        let trail = Trail {
            told: after,
            seen: after,
            lines: channel.lines_upto(after),
            readings: state.readings,
            stretch: STRETCH,
        };
        drop(state);
        seat.trail = Some(trail);
        Arrival { epoch, seq, after, recovered }
    }
}

impl Seat {
    /// Takes one step towards hearing what happens as it happens: a stretch of what was missed goes into `outbox`, which
    /// must be empty, or there is none left. Whether everything is heard live from now on.
    pub fn catch_up(&mut self, group: Group, outbox: &Arc<Outbox>) -> bool {
        let (audience, user) = (self.audience(), self.user().cloned());
        let (Some(stage), Some(trail)) = (&self.stage, &mut self.trail) else { return true };
        let state = self.live.state.lock();
        let Some(frames) = trail.step(&state, stage, group, &audience) else {
            // Under the channel's lock, so that nothing is applied between the place we note and the joining.
            self.place = Some(stage.feed.join(group, outbox.clone(), user, state.channel.seq()));
            self.trail = None;
            return true;
        };
        drop(state);
        // An outbox that takes nothing more is closing, and its connection with it.
        let _ = outbox.push(&frames);
        false
    }
}

impl Trail {
    /// What is next to be told; `None` when that is all.
    fn step(&mut self, state: &State, stage: &Arc<Stage>, group: Group, audience: &Audience) -> Option<Frames> {
        let (channel, feed, seq) = (&state.channel, &stage.feed, state.channel.seq());
        if state.stage.as_ref().is_none_or(|newest| !Arc::ptr_eq(newest, stage)) {
            // Another broadcast has begun, and what was missed of this one is forgotten: a gap.
            let lost = self.told < seq;
            self.told = seq;
            return lost.then(|| feed.skip(group, Span { after: seq, upto: seq }, 0));
        }
        let begins = channel.remembers_from();
        if self.seen < begins {
            let left = (self.readings == state.readings).then(|| channel.lines_upto(begins).saturating_sub(self.lines));
            // Where nobody has counted, it is a gap.
            let after = if left.is_some() { self.told } else { begins };
            self.advance(state, begins);
            self.told = begins;
            return Some(feed.skip(group, Span { after, upto: begins }, left.unwrap_or_default()));
        }
        while self.seen < seq {
            let upto = Seq((self.seen.0 / self.stretch + 1) * self.stretch).min(seq);
            let span = Span { after: self.told, upto };
            let items = || channel.between(self.seen, upto, audience);
            let frames = feed.stretch(group, span, state.revision, items);
            if frames.len() > LARGEST_STRETCH && self.stretch > 1 {
                self.stretch /= 2;
                continue;
            }
            self.advance(state, upto);
            if !frames.is_empty() {
                self.told = upto;
                return Some(frames);
            }
        }
        let span = Span { after: std::mem::replace(&mut self.told, seq), upto: seq };
        (span.after < seq).then(|| feed.skip(group, span, 0))
    }

    fn advance(&mut self, state: &State, upto: Seq) {
        (self.seen, self.stretch) = (upto, STRETCH);
        (self.lines, self.readings) = (state.channel.lines_upto(upto), state.readings);
    }
}
