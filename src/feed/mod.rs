//! The hot path: what one broadcast sends to everyone who is in it.
//!
//! Items that are due together make a batch. A batch is encoded once for each [`Group`] that has members, and the same
//! bytes are pushed into every member's [`Outbox`]: work per recipient is one refcount and one write, nothing is
//! allocated for it (`tests/fanout.rs`), no task is woken for it. Nothing here knows a wire; an [`Encoder`] does.
//!
//! Batches are spaced by a window: 0 while the broadcast is quiet, and growing with the time that flushing takes, so
//! that a flush never claims more than a fifth of the time, up to [`Config::longest_window`].

mod batches;
mod group;
mod headcount;
mod members;
mod missed;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::metrics::Metrics;
use crate::model::aside::Aside;
use crate::model::id::{ChannelId, Cid, Epoch, Seq, UserId};
use crate::model::item::Item;
use crate::ws::frames::Frames;
use crate::ws::outbox::Outbox;

use batches::Batches;
use members::{Member, Members, Source};
use missed::Missed;

pub use group::{Batch, Encoder, Encoders, Group, Layer, Span, Wire};
pub use headcount::{Attendance, Headcount};
pub use members::KICKED;

/// Members that one step of a flush serves before others may take their turn.
const STEP: usize = 256;

/// Most bytes of one batch, as far as they can be told before it is encoded: half of what an outbox holds, so that a
/// burst of lines never looks like a slow reader.
const LARGEST_BATCH: usize = 128 * 1024;

/// Pause before the rest of a burst that was more than one batch: 2.5 MB/s for each member, more than any chat needs and
/// less than what would fill the outbox of a member with a fair connection.
const BURST_PAUSE: Duration = Duration::from_millis(50);

/// Shortest time between two tellings of how many are there.
const COUNT_PAUSE: Duration = Duration::from_secs(1);

/// Telling how many are there may claim one part in this many of the time.
const COUNT_SHARE: u32 = 20;

/// Items that may wait for the next batch.
const MOST_PENDING: usize = 8_192;

/// A flush may claim one part in this many of the time.
const FLUSH_SHARE: u32 = 5;

/// Shortest time between a flush and one for the sake of an act: acts don't wait for the window's end, but for each other.
const BETWEEN_ACTS: Duration = Duration::from_millis(20);

/// Flushes for the sake of acts may claim one part in this many of the time.
const ACTS_SHARE: u32 = 2;

/// Settings of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Longest time that an item waits for others to share its write.
    pub longest_window: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { longest_window: Duration::from_millis(250) }
    }
}

/// A member's place in a feed; it leaves by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    group: usize,
    member: usize,
}

/// Whose feed it is.
#[derive(Clone, Debug)]
pub struct About {
    /// The channel.
    pub channel: ChannelId,
    /// The broadcast.
    pub cid: Cid,
    /// Which life of the log its places belong to.
    pub epoch: Epoch,
}

/// What waits for the next batch.
#[derive(Default)]
struct Pending {
    items: Vec<Item>,
    /// Whether one of them can't wait for the window's end.
    urgent: bool,
    /// When lines were taken back, by the place of the act that did; oldest first.
    hidden: VecDeque<(Seq, Instant)>,
}

impl Pending {
    fn clear(&mut self) {
        self.items.clear();
        self.hidden.clear();
        self.urgent = false;
    }
}

/// What one broadcast sends.
pub struct Feed {
    about: About,
    encoders: Encoders,
    config: Config,
    metrics: Arc<Metrics>,
    pending: Mutex<Pending>,
    members: Mutex<Members>,
    headcount: Arc<Headcount>,
    missed: Missed,
    due: Notify,
    /// Something waits that can't wait for the window's end.
    urgent: Notify,
    flushed: Notify,
    /// Held while a batch is handed out; up to where everything has been.
    flushing: AsyncMutex<Seq>,
}

impl Feed {
    /// A feed without members.
    pub fn new(about: About, encoders: Encoders, config: Config, metrics: Arc<Metrics>) -> Self {
        Self {
            about,
            encoders,
            config,
            metrics,
            pending: Mutex::default(),
            members: Mutex::default(),
            headcount: Arc::default(),
            missed: Missed::default(),
            due: Notify::new(),
            urgent: Notify::new(),
            flushed: Notify::new(),
            flushing: AsyncMutex::default(),
        }
    }

    /// Which broadcast it is of.
    pub fn cid(&self) -> &Cid {
        &self.about.cid
    }

    /// Who is there, counted.
    pub fn headcount(&self) -> &Arc<Headcount> {
        &self.headcount
    }

    /// Whether it has no members.
    fn is_empty(&self) -> bool {
        self.members.lock().is_empty()
    }

    /// Adds a member that gets every item behind `after`, and tells it how many are there. What it has to hear before live
    /// items must be in its outbox already.
    pub fn join(&self, group: Group, outbox: Arc<Outbox>, user: Option<UserId>, after: Seq) -> Place {
        let place = self.members.lock().add(group, Member { outbox: outbox.clone(), user, after });
        // Counted only now: whatever changes from here on is told to this member with the others.
        if let Some(encoder) = self.encoder(&group) {
            let span = Span { after, upto: after };
            let count = encoder.encode_count(&self.batch(span, &[], self.headcount.now()), &group);
            if !count.is_empty() {
                // An outbox that takes nothing more is closing.
                let _ = outbox.push(&count);
            }
        }
        place
    }

    /// Moves a member to another group, between two batches, so that it gets each item once. `None` when it has left.
    pub async fn regroup(&self, place: Place, group: Group, user: Option<UserId>) -> Option<Place> {
        let _between = self.flushing.lock().await;
        self.members.lock().regroup(place, group, user, |span, outbox| {
            // Nobody in its old group was told anything of it; the next push begins behind it. A member that takes
            // nothing is closing.
            let _ = outbox.push(&self.skip(group, None, span, 0, &[]));
        })
    }

    /// Removes a member.
    pub fn leave(&self, place: Place) {
        self.members.lock().remove(place);
    }

    /// A stretch of the log that somebody of `group` has missed, if it was made for another who had missed the same.
    /// `revision` tells what was revealed then.
    pub fn stretch(&self, group: Group, span: Span, revision: u64) -> Option<Frames> {
        self.missed.find(group, span, revision)
    }

    /// Makes that stretch, of all items in it; not under any lock that others wait for. One that holds something for `own`
    /// alone is for them alone.
    pub fn make_stretch(
        &self,
        group: Group,
        own: Option<&UserId>,
        span: Span,
        revision: u64,
        items: &[Item],
    ) -> Frames {
        let seen: Vec<&Item> = items.iter().filter(|item| group.sees(item, own)).collect();
        let frames = self.spell(&group, span, &seen, 0);
        if own.is_none() {
            self.missed.keep(group, span, revision, frames.clone());
        }
        frames
    }

    /// Says to `user` that the log goes up to the span's end, with nothing to see in it but `acts`, and `left` lines that are
    /// left out.
    pub fn skip(&self, group: Group, user: Option<&UserId>, span: Span, left: u64, acts: &[Item]) -> Frames {
        let seen: Vec<&Item> = acts.iter().filter(|item| group.sees(item, user)).collect();
        self.spell(&group, span, &seen, left)
    }

    fn spell(&self, group: &Group, span: Span, items: &[&Item], left: u64) -> Frames {
        let batch = Batch { left, ..self.batch(span, items, self.headcount.now()) };
        self.encoder(group).map_or_else(Frames::default, |encoder| encoder.encode(&batch, group))
    }

    /// Lets go of all that was encoded for those who come back.
    pub fn forget_stretches(&self) {
        self.missed.forget();
    }

    /// Lets go of it when nobody has come back for a while.
    pub fn tidy(&self) {
        self.missed.tidy();
    }

    /// Tells something beside the log, now: to everybody, or to one user's sessions. How many have it in their queue.
    pub fn tell_aside(&self, aside: &Aside, only: Option<&UserId>) -> usize {
        let members = self.members.lock();
        let mut told = 0;
        for index in 0..members.groups() {
            let Some((group, _)) = members.occupied(index) else { continue };
            let Some(encoder) = self.encoder(&group) else { continue };
            let frames = encoder.encode_aside(&self.about.cid, aside, &group);
            if !frames.is_empty() {
                told += members.tell_aside(index, only, &frames);
            }
        }
        told
    }

    /// Waits until the next batch has room: fewer than 8,192 items. Whoever pushes waits here before it takes more
    /// from the log, so that a log that is faster than the flushes backs up in its own bounded tail.
    pub async fn room(&self) {
        while self.pending.lock().items.len() >= MOST_PENDING {
            self.flushed.notified().await;
        }
    }

    /// Hands over items, in order; they go out with the next batch.
    pub fn push(&self, items: impl IntoIterator<Item = Item>) {
        let mut pending = self.pending.lock();
        let before = pending.items.len();
        pending.items.extend(items);
        let new = &pending.items[before..];
        let (some, acts) = (!new.is_empty(), new.iter().any(Item::is_act));
        let hiding = new.last().filter(|last| new.iter().any(Item::hides) && last.covers() == last.seq());
        if let Some(place) = hiding.map(Item::seq) {
            pending.hidden.push_back((place, clock::instant()));
        }
        pending.urgent |= acts;
        drop(pending);
        if some {
            self.due.notify_one();
        }
        if acts {
            self.urgent.notify_one();
        }
    }

    /// Looks again at every item that waits: it goes out as `amended`, or not at all. Later stretches are made anew.
    pub fn amend(&self, amended: impl Fn(Item) -> Option<Item>) {
        let mut pending = self.pending.lock();
        pending.items = std::mem::take(&mut pending.items).into_iter().filter_map(amended).collect();
    }

    /// Waits until no batch is on its way; none is sent for as long as the answer is held.
    pub async fn between_batches(&self) -> impl Drop + '_ {
        self.flushing.lock().await
    }

    /// What went by up to a place will never be known here: what waits is dropped, and members who can be told of a gap
    /// are. Between two batches.
    pub fn lose(&self, upto: Seq) {
        self.pending.lock().clear();
        let mut members = self.members.lock();
        for index in 0..members.groups() {
            let Some((group, _)) = members.occupied(index) else { continue };
            if group.layer == Layer::Ext {
                let mut gap = self.skip(group, None, Span { after: upto, upto }, 0, &[]);
                let step = members.step(index, 0, usize::MAX, &mut gap);
                self.metrics.slow_closed.inc_by(step.slow);
            }
            members.tell(index, upto);
        }
    }

    /// Sends batches as they come due, and how many are there at most once a second, for ever. One task runs this for
    /// each feed.
    pub async fn run(&self) {
        let mut next = clock::instant();
        let (mut count_next, mut count_due, mut acts_next) = (next, None, next);
        loop {
            tokio::select! {
                // What happens once a second at most goes first: what happens all the time would never let it.
                biased;
                () = sleep_until(count_due.unwrap_or(count_next)), if count_due.is_some() => {
                    let begun = clock::instant();
                    self.tell_count().await;
                    let took = clock::instant() - begun;
                    (count_next, count_due) = (begun + COUNT_PAUSE.max(took * COUNT_SHARE), None);
                    next = next.max(self.next_flush(begun));
                }
                () = self.headcount.changed(), if count_due.is_none() => count_due = Some(count_next),
                () = self.due.notified() => {
                    // A deadline that is past already costs a turn of the timer; a quiet broadcast shouldn't pay for it.
                    if next > clock::instant() {
                        self.window_ends(next, acts_next).await;
                    }
                    let begun = clock::instant();
                    let rest = self.flush().await;
                    next = self.next_flush(begun);
                    acts_next = begun + BETWEEN_ACTS.max((clock::instant() - begun) * ACTS_SHARE);
                    if rest {
                        (next, acts_next) = (next.max(begun + BURST_PAUSE), acts_next.max(begun + BURST_PAUSE));
                        self.due.notify_one();
                    }
                }
            }
        }
    }

    /// Waits for the window's end, or for an act and the earliest time for one.
    async fn window_ends(&self, end: Instant, acts: Instant) {
        let urgent = async {
            // A call may be left over from what has gone out meanwhile.
            while !self.pending.lock().urgent {
                self.urgent.notified().await;
            }
        };
        tokio::select! {
            () = sleep_until(end) => {}
            () = urgent => sleep_until(end.min(acts)).await,
        }
    }

    /// Sends a batch of what is pending, now. Whether there is more.
    pub async fn flush(&self) -> bool {
        let mut flushed = self.flushing.lock().await;
        let (items, rest) = self.take_batch();
        self.flushed.notify_one();
        let Some(last) = items.last() else { return rest };
        let begun = clock::instant();
        let there = self.headcount.now();
        let groups = self.members.lock().groups();
        for index in 0..groups {
            self.flush_group(index, &items, there).await;
        }
        for (user, kick) in items.iter().filter_map(|item| Some((item.kicks()?, item.seq()))) {
            self.members.lock().close(user, kick);
        }
        *flushed = last.covers();
        self.note_hidden(*flushed);
        self.metrics.batches.inc();
        self.metrics.flush_seconds.observe(begun.elapsed().as_secs_f64());
        rest
    }

    /// Takes note of how long it took until every member had been told what was taken back.
    fn note_hidden(&self, upto: Seq) {
        let mut pending = self.pending.lock();
        while let Some((_, applied)) = pending.hidden.pop_front_if(|(place, _)| *place <= upto) {
            self.metrics.hide_seconds.observe(applied.elapsed().as_secs_f64());
        }
    }

    /// Says how many are there, to those who hear of it, and with it how far the log is.
    async fn tell_count(&self) {
        let flushed = self.flushing.lock().await;
        let groups = self.members.lock().groups();
        for index in 0..groups {
            let Some((group, told)) = self.members.lock().occupied(index) else { continue };
            let Some(encoder) = self.encoder(&group) else { continue };
            let span = Span { after: told, upto: told.max(*flushed) };
            let mut frames = encoder.encode_count(&self.batch(span, &[], self.headcount.now()), &group);
            if !frames.is_empty() {
                self.hand_out(index, &mut frames).await;
                self.members.lock().tell(index, span.upto);
            }
        }
    }

    /// As many pending items as make a batch, at least one, and whether more are left.
    fn take_batch(&self) -> (Vec<Item>, bool) {
        let mut pending = self.pending.lock();
        // Looked at under the lock: whoever has joined did so before anything was pushed that they are to get.
        if self.is_empty() {
            pending.clear();
            return (Vec::new(), false);
        }
        forget_needless_votes(&mut pending.items);
        let mut bytes = 0;
        let fitting = pending
            .items
            .iter()
            .take_while(|item| {
                bytes += item.bytes();
                bytes <= LARGEST_BATCH
            })
            .count()
            .max(1)
            .min(pending.items.len());
        let rest = pending.items.split_off(fitting);
        let left = !rest.is_empty();
        pending.urgent = rest.iter().any(Item::is_act);
        (std::mem::replace(&mut pending.items, rest), left)
    }

    fn next_flush(&self, begun: Instant) -> Instant {
        let took = clock::instant() - begun;
        begun + (took * FLUSH_SHARE).min(self.config.longest_window)
    }

    async fn flush_group(&self, index: usize, items: &[Item], there: Attendance) {
        let Some((group, told)) = self.members.lock().occupied(index) else { return };
        let Some(encoder) = self.encoder(&group) else { return };
        let mut batches = Batches::new(self, encoder, (group, told), items, there);
        self.hand_out(index, &mut batches).await;
        self.members.lock().tell(index, batches.told());
    }

    /// Pushes what `source` has to every member of a group, a step at a time.
    async fn hand_out(&self, index: usize, source: &mut impl Source) {
        let mut from = 0;
        loop {
            let step = self.members.lock().step(index, from, STEP, source);
            self.metrics.deliveries.inc_by(step.deliveries);
            self.metrics.slow_closed.inc_by(step.slow);
            if step.done {
                return;
            }
            from += STEP;
            tokio::task::yield_now().await;
        }
    }

    fn encoder(&self, group: &Group) -> Option<&dyn Encoder> {
        self.encoders.iter().map(|encoder| &**encoder).find(|encoder| encoder.wire() == group.wire)
    }

    fn batch<'a>(&'a self, span: Span, items: &'a [&'a Item], there: Attendance) -> Batch<'a> {
        let About { channel, cid, epoch } = &self.about;
        let Attendance { sockets: members, users } = there;
        Batch { channel, cid, epoch: *epoch, span, items, left: 0, members, users }
    }
}

/// Drops what was said of the votes for a question where more is said of it later: thousands vote at the same moment.
fn forget_needless_votes(items: &mut Vec<Item>) {
    if !items.iter().any(|item| item.votes().is_some()) {
        return;
    }
    let mut later = HashSet::new();
    let needed: Vec<bool> = items
        .iter()
        .rev()
        .map(|item| {
            let needed = item.votes().is_none_or(|question| !later.contains(&question));
            later.extend(item.question());
            needed
        })
        .collect();
    let mut needed = needed.into_iter().rev();
    items.retain(|_| needed.next().unwrap_or(true));
}
