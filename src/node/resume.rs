//! Coming in with a place in the log: what was missed first, then what happens, and nothing lost between the two.
//!
//! What was missed goes out in stretches, one at a time as the connection takes them, so that whoever missed a lot needs no
//! more of the outgoing queue than anybody else. All is revealed as of the moment a stretch is made.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::channel::Channel;
use crate::clock;
use crate::feed::{Group, KICKED, Layer, Span};
use crate::model::id::{Epoch, Seq, UserId};
use crate::model::item::Item;
use crate::model::message::Lane;
use crate::ws::close::CloseCode;
use crate::ws::frames::Frames;
use crate::ws::outbox::Outbox;

use super::lag::{FORGOTTEN, Lag, Whom};
use super::live::State;
use super::stage::Stage;
use super::{Node, Seat};

/// Places in the log that one stretch covers at most, cut at multiples of it, so that those who missed the same share the
/// bytes.
const STRETCH: u64 = 32;

/// Largest stretch in bytes, as far as they can be told before it is encoded; one line is taken in any case. Whatever its
/// lines look like, it fits into an empty outgoing queue.
const LARGEST_STRETCH: usize = 32 * 1024;

/// Largest act in bytes, as far as they can be told: one that shows more lines again is a gap to those who come back.
const LARGEST_ACT: usize = 128 * 1024;

/// What a line has beside its text: profile, extras and names, as they usually are.
pub(super) const LINE_BYTES: usize = 1_024;

/// Sessions that are told a stretch at the same time. A turn of one takes tens of microseconds; whatever else the gateway
/// has to do waits for so many of them at most, and not for everybody who has come back.
pub(super) const AT_ONCE: usize = 16;

/// Lines for those who can't be given all that they missed.
const RECENT: usize = 50;

/// How far another machine may be ahead, in time, of the one that somebody comes back to.
const LONGEST_LAG: Duration = Duration::from_secs(1);

/// And in places: nobody has been told of one much farther away.
const FARTHEST_AHEAD: u64 = 8_192;

/// How often it is looked whether this one has come so far.
const LAG_PAUSE: Duration = Duration::from_millis(20);

/// Why what somebody missed can't be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Their place belongs to another life of the log.
    Epoch,
    /// Their place is one that the log hasn't reached.
    Ahead,
    /// What comes behind their place is no longer remembered, or was said in another broadcast.
    TooOld,
    /// Too many of this address want it at once.
    Busy,
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

/// A place in the queue of those who want to be told; it is kept for as long as this is.
pub type Turn = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send + Sync>>;

/// How far somebody is who is being told what they missed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trail {
    /// They have been told everything up to here.
    told: Seq,
    /// How far the log was when they came.
    arrived: Seq,
    /// Lines that have gone by up to there, in this reading of the channel.
    lines: u64,
    readings: u64,
}

impl Node {
    /// Waits for a turn to tell a session what it missed.
    pub fn turn(&self) -> Turn {
        let turns = self.turns.clone();
        // It is never closed, so there is always a turn.
        Box::pin(async move { turns.acquire_owned().await.ok() })
    }

    /// Waits until this machine has heard of a place that another one may have told of; a second at most.
    pub async fn hears_of(&self, seat: &Seat, (epoch, place): (Epoch, Seq)) {
        let deadline = clock::instant() + LONGEST_LAG;
        let ahead = || {
            let seq = seat.live.state.lock().channel.seq();
            (1..=FARTHEST_AHEAD).contains(&place.0.saturating_sub(seq.0))
        };
        while epoch == self.parts.log.epoch() && ahead() && clock::instant() < deadline {
            tokio::time::sleep(LAG_PAUSE).await;
        }
    }

    /// Where the seat's holder comes in, who has been told everything up to `resume`, or can't be told for a reason that is
    /// known already. What follows is heard by [`Seat::catch_up`].
    pub fn arrive(&self, seat: &mut Seat, resume: Option<Result<(Epoch, Seq), Lost>>) -> Arrival {
        let epoch = self.parts.log.epoch();
        let state = seat.live.state.lock();
        let (channel, seq) = (&state.channel, state.channel.seq());
        let place = resume.map(|resume| match resume? {
            (life, _) if life != epoch => Err(Lost::Epoch),
            (_, place) if place > seq => Err(Lost::Ahead),
            (_, place) if place < channel.remembers_from().max(channel.remembers_acts_from()) => Err(Lost::TooOld),
            (_, place) => Ok(place),
        });
        let after = match place {
            Some(Ok(place)) => place,
            Some(Err(_)) if state.is_newest(seat.stage.as_ref()) => {
                channel.place_before(RECENT).max(channel.remembers_acts_from().min(seq))
            }
            Some(Err(_)) | None => seq,
        };
        let (lines, readings) = (channel.lines_upto(after), state.readings);
        drop(state);
        seat.trail = Some(Box::new(Trail { told: after, arrived: seq, lines, readings }));
        Arrival { epoch, seq, after, recovered: place.map(|place| place.map(drop)) }
    }
}

/// How far a step has brought somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caught {
    /// There is more to tell.
    NotYet,
    /// Everything is heard live from now on.
    Up,
    /// The connection was closed, and why.
    Closed(CloseCode, &'static str),
}

/// A span of which something is left out.
pub(super) struct Part {
    pub(super) span: Span,
    /// So many lines.
    pub(super) left: u64,
    /// And this is told.
    pub(super) items: Vec<Item>,
}

/// What is next to be told.
pub(super) enum Next {
    /// Nothing: all is heard live from now on.
    Live,
    /// That the log goes so far, with nothing to see in between but what staff did, and lines that are left out.
    Skip(Span, u64, Vec<Item>),
    /// A stretch with something to see, which was made for somebody else already or is to be made of these items.
    Stretch(Span, Result<Frames, Vec<Item>>),
    /// One that holds something for nobody else.
    Own(Span, Vec<Item>),
    /// To a slow reader: what is worth telling.
    Parts(Vec<Part>),
    /// To a slow reader: the last lines, and what staff did before. What lies between is lost.
    Jump(Span, Vec<Item>),
    /// That is the end, and why.
    Close(&'static str),
}

impl Seat {
    /// Takes one step towards hearing what happens as it happens: a stretch of what was missed goes into `outbox`, which
    /// must be empty, or there is none left.
    pub fn catch_up(&mut self, group: Group, outbox: &Arc<Outbox>) -> Caught {
        let (Some(stage), Some(mut trail)) = (self.stage.clone(), self.trail.as_deref().copied()) else {
            return Caught::Up;
        };
        let (user, feed) = (self.user().cloned(), &stage.feed);
        let mut state = self.live.state.lock();
        let (revision, seq, told) = (state.revision, state.channel.seq(), trail.told);
        let next = trail.next(&state, &stage, (group, user.as_ref()), self.lag.as_deref());
        // Whoever was sent out before may come back.
        let kicks = |user| state.channel.kicks(user, told.max(trail.arrived), trail.told);
        let kicked = state.is_newest(Some(&stage)) && user.as_ref().is_some_and(kicks);
        let own = user.as_ref().filter(|_| matches!(next, Next::Own(..)));
        let skip = |span, left, items: &[Item]| feed.skip(group, user.as_ref(), span, left, items);
        let frames = match next {
            Next::Live => Vec::new(),
            Next::Skip(span, left, acts) => vec![skip(span, left, &acts)],
            Next::Parts(parts) => {
                feed.metrics().left_out.inc_by(parts.iter().map(|part| part.left).sum());
                parts.iter().map(|part| skip(part.span, part.left, &part.items)).collect()
            }
            Next::Jump(span, items) => {
                feed.metrics().jumps.inc();
                vec![skip(span, 0, &items)]
            }
            Next::Close(reason) => {
                feed.metrics().slow_closed.inc();
                outbox.close(CloseCode::TryLater, reason);
                self.trail = None;
                return Caught::Closed(CloseCode::TryLater, reason);
            }
            Next::Stretch(_, Ok(made)) => vec![made],
            Next::Stretch(span, Err(items)) | Next::Own(span, items) => {
                // Not while all others of the channel wait.
                drop(state);
                let frames = feed.make_stretch(group, own, span, revision, &items);
                state = self.live.state.lock();
                if state.revision != revision {
                    // Something in it may be shown otherwise now.
                    return Caught::NotYet;
                }
                vec![frames]
            }
        };
        if let Some(kept) = self.trail.as_deref_mut() {
            *kept = trail;
        }
        // Under the channel's lock, so that nothing is applied between the end of what is told and the joining.
        let lands = trail.told == seq && state.channel.seq() == seq;
        if !lands || kicked {
            // Whoever hides something waits for those who are telling what they saw before.
            let _telling = self.live.tells();
            drop(state);
            frames.iter().for_each(|frames| hand_over(outbox, frames));
            if kicked {
                outbox.close(CloseCode::Normal, KICKED);
                self.trail = None;
                return Caught::Closed(CloseCode::Normal, KICKED);
            }
            return Caught::NotYet;
        }
        frames.iter().for_each(|frames| hand_over(outbox, frames));
        self.place = Some(feed.join(group, outbox.clone(), user, seq));
        self.trail = None;
        if let Some(lag) = &mut self.lag {
            lag.lands();
        }
        Caught::Up
    }
}

fn hand_over(outbox: &Outbox, frames: &Frames) {
    if frames.is_empty() {
        return;
    }
    // An outbox that takes nothing more is closing, and its connection with it.
    let _ = outbox.push(frames);
}

impl Trail {
    /// What is next to be told, and takes note that it was.
    fn next(
        &mut self,
        state: &State,
        stage: &Arc<Stage>,
        (group, user): (Group, Option<&UserId>),
        lag: Option<&Lag>,
    ) -> Next {
        let (channel, seq) = (&state.channel, state.channel.seq());
        let whom = Whom { group, user };
        if !state.is_newest(Some(stage)) {
            if lag.is_some() && group.layer == Layer::Plain && self.told < seq {
                // It has no word for a gap, and something may be hidden in it.
                self.told = seq;
                return Next::Close(FORGOTTEN);
            }
            // Another broadcast has begun, and what was missed of this one is forgotten: a gap, and nothing after it.
            let lost = self.told < seq;
            self.told = seq;
            return if lost { Next::Skip(Span { after: seq, upto: seq }, 0, Vec::new()) } else { Next::Live };
        }
        if let Some(next) = lag.and_then(|lag| self.next_of_slow(state, &whom, lag)) {
            self.advance(state, seq);
            return next;
        }
        let (begins, acts_begin) = (channel.remembers_from(), channel.remembers_acts_from());
        if self.told < acts_begin && self.told >= begins {
            // What was hidden meanwhile is forgotten, and some of it may be on the screen.
            self.advance(state, acts_begin);
            return Next::Skip(Span { after: acts_begin, upto: acts_begin }, 0, Vec::new());
        }
        if self.told < begins {
            // Where nobody has counted, or has forgotten what was hidden, or it is too much, it is a gap.
            let counted = self.readings == state.readings
                && self.told >= acts_begin
                && channel.acts_bytes(self.told, begins) <= LARGEST_STRETCH;
            let left = counted.then(|| channel.lines_upto(begins).saturating_sub(self.lines));
            let (after, acts) = match left {
                Some(_) => (self.told, channel.acts_between(self.told, begins)),
                None => (begins, Vec::new()),
            };
            self.advance(state, begins);
            return Next::Skip(Span { after, upto: begins }, left.unwrap_or_default(), acts);
        }
        let Some(upto) = stretch_end(channel, self.told, group.lane, user) else {
            let span = Span { after: self.told, upto: seq };
            self.advance(state, seq);
            return if span.after < seq { Next::Skip(span, 0, Vec::new()) } else { Next::Live };
        };
        if channel.acts_bytes(self.told, upto) > LARGEST_ACT {
            self.advance(state, upto);
            return Next::Skip(Span { after: upto, upto }, 0, Vec::new());
        }
        let span = Span { after: self.told, upto };
        if user.is_some_and(|user| channel.tells_alone(user, span.after, upto)) {
            self.advance(state, upto);
            return Next::Own(span, channel.between(span.after, upto));
        }
        let made = stage.feed.stretch(group, span, state.revision);
        let stretch = made.ok_or_else(|| channel.between(span.after, upto));
        self.advance(state, upto);
        Next::Stretch(span, stretch)
    }

    /// The way of one who has heard everything up to here and then took no more.
    pub(super) fn behind(state: &State, told: Seq) -> Self {
        let (lines, readings) = (state.channel.lines_upto(told), state.readings);
        Self { told, arrived: told, lines, readings }
    }

    /// Up to where everything has been told.
    pub(super) fn told(&self) -> Seq {
        self.told
    }

    /// Whether the channel still counts lines as it did.
    pub(super) fn counts_like(&self, state: &State) -> bool {
        self.readings == state.readings
    }

    fn advance(&mut self, state: &State, upto: Seq) {
        self.told = upto;
        (self.lines, self.readings) = (state.channel.lines_upto(upto), state.readings);
    }
}

/// Where the next stretch behind a place ends that has something for this lane and this user; `None` when nothing comes any
/// more.
fn stretch_end(channel: &Channel, told: Seq, lane: Lane, user: Option<&UserId>) -> Option<Seq> {
    let first = channel.next_entry(told, lane, user)?;
    let block = Seq((first.0 / STRETCH + 1) * STRETCH - 1);
    let fits = channel.fitting(first, block, LARGEST_STRETCH, LINE_BYTES);
    // A stretch that isn't cut short covers what is no line, too.
    Some(fits.unwrap_or(block).min(channel.seq()))
}
