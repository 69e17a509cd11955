//! The hot path: what one broadcast sends to everyone who is in it.
//!
//! Items that are due together make a batch. A batch is encoded once for each [`Group`] that has members, and the same
//! bytes are pushed into every member's [`Outbox`]: work per recipient is one refcount and one write, nothing is
//! allocated for it (`tests/fanout.rs`), no task is woken for it. Nothing here knows a wire; an [`Encoder`] does.
//!
//! Members are served in shards ([`shard`]), on as many cores as there are. Each shard takes its own batches, spaced by
//! a window ([`pace`]): 0 while the broadcast is quiet, and growing with the time that it takes to write to everybody.

mod batches;
mod group;
mod headcount;
mod members;
mod missed;
mod pace;
mod queue;
mod shard;
mod spelled;

use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::metrics::Metrics;
use crate::model::aside::Aside;
use crate::model::id::{ChannelId, Cid, Epoch, Seq, UserId};
use crate::model::item::Item;
use crate::ws::frames::Frames;
use crate::ws::outbox::Outbox;

use members::Member;
use missed::Missed;
use pace::{Effort, Pace};
use queue::Queue;
use shard::Shard;
use spelled::Spelled;

pub use group::{Batch, Encoder, Encoders, Group, Layer, Span, Wire};
pub use headcount::{Attendance, Headcount};
pub use members::KICKED;

/// Shortest time between two tellings of how many are there.
const COUNT_PAUSE: Duration = Duration::from_secs(1);

/// Telling how many are there may claim one part in this many of the time.
const COUNT_SHARE: u32 = 20;

/// Items that may wait for the next batch.
const MOST_WAITING: usize = 8_192;

/// Settings of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Longest pause between two sweeps over everybody, in which items wait for others to share their write.
    pub longest_window: Duration,
    /// Shards that are served at the same time.
    pub cores: NonZero<usize>,
}

impl Default for Config {
    fn default() -> Self {
        let cores = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        Self { longest_window: Duration::from_millis(250), cores }
    }
}

/// A member's place in a feed; it leaves by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    shard: usize,
    place: members::Place,
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

/// A shard, and how many members have a place in it.
struct Room {
    shard: Arc<Shard>,
    members: usize,
}

/// What one broadcast sends.
///
/// Locks: rooms → a shard's members → queue, spelled; never two shards' members.
pub struct Feed {
    about: About,
    encoders: Encoders,
    config: Config,
    metrics: Arc<Metrics>,
    /// At least one. They stay: their tasks and places in the queue do.
    rooms: Mutex<Vec<Room>>,
    queue: Mutex<Queue>,
    spelled: Mutex<Spelled>,
    headcount: Arc<Headcount>,
    missed: Missed,
    /// As many shards as have one of these are being served.
    turns: Semaphore,
    opened: Notify,
    flushed: Notify,
}

impl Feed {
    /// A feed without members.
    pub fn new(about: About, encoders: Encoders, config: Config, metrics: Arc<Metrics>) -> Self {
        let feed = Self {
            about,
            encoders,
            config,
            metrics,
            rooms: Mutex::default(),
            queue: Mutex::default(),
            spelled: Mutex::default(),
            headcount: Arc::default(),
            missed: Missed::default(),
            turns: Semaphore::new(config.cores.get()),
            opened: Notify::new(),
            flushed: Notify::new(),
        };
        feed.open_room(&mut feed.rooms.lock());
        feed
    }

    /// Which broadcast it is of.
    pub fn cid(&self) -> &Cid {
        &self.about.cid
    }

    /// Who is there, counted.
    pub fn headcount(&self) -> &Arc<Headcount> {
        &self.headcount
    }

    /// Adds a member that gets every item behind `after`, and tells it how many are there. What it has to hear before live
    /// items must be in its outbox already.
    pub fn join(&self, group: Group, outbox: Arc<Outbox>, user: Option<UserId>, after: Seq) -> Place {
        let (index, shard) = self.room();
        let place = shard.members.lock().add(group, Member { outbox: outbox.clone(), user, after, behind: None });
        // Counted only now: whatever changes from here on is told to this member with the others.
        if let Some(encoder) = self.encoder(&group) {
            let span = Span { after, upto: after };
            let count = encoder.encode_count(&self.batch(span, &[], self.headcount.now()), &group);
            if !count.is_empty() {
                // An outbox that takes nothing more is closing.
                let _ = outbox.push(&count);
            }
        }
        Place { shard: index, place }
    }

    /// A place in the first shard that has room, or in a new one.
    fn room(&self) -> (usize, Arc<Shard>) {
        let mut rooms = self.rooms.lock();
        let free = rooms.iter().position(|room| room.members < shard::LARGEST);
        let index = free.unwrap_or_else(|| self.open_room(&mut rooms));
        rooms[index].members += 1;
        (index, rooms[index].shard.clone())
    }

    fn open_room(&self, rooms: &mut Vec<Room>) -> usize {
        let index = self.queue.lock().open();
        rooms.push(Room { shard: Arc::new(Shard::new(index)), members: 0 });
        self.opened.notify_one();
        index
    }

    fn shard(&self, index: usize) -> Arc<Shard> {
        self.rooms.lock()[index].shard.clone()
    }

    fn shards(&self) -> Vec<Arc<Shard>> {
        self.rooms.lock().iter().map(|room| room.shard.clone()).collect()
    }

    /// Moves a member to another group, between two batches, so that it gets each item once. `None` when it has left.
    pub fn regroup(&self, place: Place, group: Group, user: Option<UserId>) -> Option<Place> {
        let shard = self.shard(place.shard);
        let moved = shard.members.lock().regroup(place.place, group, user, |span, outbox| {
            // Nobody in its old group was told anything of it; the next push begins behind it. A member that takes
            // nothing is closing.
            let _ = outbox.push(&self.skip(group, None, span, 0, &[]));
        })?;
        Some(Place { place: moved, ..place })
    }

    /// Removes a member.
    pub fn leave(&self, place: Place) {
        if self.shard(place.shard).members.lock().remove(place.place).is_some() {
            self.vacate(place);
        }
    }

    /// Removes a member if it has fallen behind, and says up to where it has everything: its connection took no more.
    pub fn leave_behind(&self, place: Place) -> Option<Seq> {
        let behind = self.shard(place.shard).members.lock().remove_behind(place.place)?;
        self.vacate(place);
        Some(behind)
    }

    fn vacate(&self, place: Place) {
        self.rooms.lock()[place.shard].members -= 1;
    }

    /// Where it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
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
        let mut spelled: Vec<(Group, Frames)> = Vec::new();
        let mut told = 0;
        for shard in self.shards() {
            let members = shard.members.lock();
            if only.is_some_and(|user| !members.knows(user)) {
                continue;
            }
            for index in 0..members.groups() {
                let Some((group, _)) = members.occupied(index) else { continue };
                let Some(encoder) = self.encoder(&group) else { continue };
                let known = spelled.iter().position(|(known, _)| *known == group).unwrap_or_else(|| {
                    spelled.push((group, encoder.encode_aside(&self.about.cid, aside, &group)));
                    spelled.len() - 1
                });
                let frames = &spelled[known].1;
                if !frames.is_empty() {
                    told += members.tell_aside(index, only, frames);
                }
            }
        }
        told
    }

    /// Waits until the next batch has room: fewer than 8,192 items. Whoever pushes waits here before it takes more
    /// from the log, so that a log that is faster than the flushes backs up in its own bounded tail.
    pub async fn room_for_more(&self) {
        while self.queue.lock().waiting() >= MOST_WAITING {
            self.flushed.notified().await;
        }
    }

    /// Hands over items, in order; they go out with the next batch.
    pub fn push(&self, items: impl IntoIterator<Item = Item>) {
        let pushed = self.queue.lock().push(items);
        if pushed.some {
            self.rooms.lock().iter().for_each(|room| room.shard.call(pushed.urgent));
        }
    }

    /// Looks again at every item that waits: it goes out as `amended`, or not at all. Later stretches are made anew.
    pub fn amend(&self, amended: impl Fn(Item) -> Option<Item>) {
        self.queue.lock().amend(amended);
    }

    /// Returns when every batch that was on its way has been handed out.
    pub fn settle(&self) {
        self.shards().iter().for_each(|shard| drop(shard.members.lock()));
    }

    /// What went by up to a place will never be known here: what waits is dropped, and members who can be told of a gap
    /// are.
    pub fn lose(&self, upto: Seq) {
        self.queue.lock().clear();
        // A batch that is on its way goes before: it holds its shard's members.
        self.shards().iter().for_each(|shard| shard.lose(self, upto));
    }

    /// Sends batches as they come due, and how many are there at most once a second, until it is `over`. One task runs
    /// this for each feed; it starts others for all shards but the first.
    pub async fn run(self: Arc<Self>, over: CancellationToken) {
        let first = self.shard(0);
        let all = async { tokio::join!(first.run(&self), self.tell_counts(), self.start_shards(&over)) };
        over.run_until_cancelled(all).await;
    }

    async fn start_shards(self: &Arc<Self>, over: &CancellationToken) {
        let mut started = 1;
        loop {
            for shard in self.shards().drain(started..) {
                let (feed, over) = (self.clone(), over.clone());
                tokio::spawn(async move { over.run_until_cancelled(shard.run(&feed)).await });
                started += 1;
            }
            self.opened.notified().await;
        }
    }

    async fn tell_counts(&self) {
        let mut next = clock::instant();
        loop {
            self.headcount.changed().await;
            sleep_until(next).await;
            let begun = clock::instant();
            for shard in self.shards() {
                shard.tell_count(self);
                tokio::task::yield_now().await;
            }
            next = begun + COUNT_PAUSE.max((clock::instant() - begun) * COUNT_SHARE);
        }
    }

    /// Sends a batch of what waits to everybody, now. Whether there is more.
    pub fn flush(&self) -> bool {
        let mut rest = false;
        for shard in self.shards() {
            rest |= shard.flush(self);
        }
        rest
    }

    /// Takes note that a shard has been told what it had taken.
    fn flushed(&self, shard: usize, effort: Effort) {
        let mut queue = self.queue.lock();
        let hidden = |applied: Instant| self.metrics.hide_seconds.observe(applied.elapsed().as_secs_f64());
        queue.told(shard, effort, hidden);
        let empty = queue.waiting() == 0;
        drop(queue);
        if empty {
            self.spelled.lock().forget();
        }
        self.flushed.notify_one();
    }

    /// When a shard whose flush began then sends next.
    fn pace(&self, begun: Instant, rest: bool) -> Pace {
        let sweep = self.queue.lock().sweep().on(self.config.cores);
        Pace::behind(begun, sweep, self.config.longest_window, rest)
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
