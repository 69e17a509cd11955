//! The hot path: what one broadcast sends to everyone who is in it.
//!
//! Items that are due together make a batch. A batch is encoded once for each [`Group`] that has members, and the same
//! bytes are pushed into every member's [`Outbox`]: work per recipient is one refcount and one write, nothing is
//! allocated for it (`tests/fanout.rs`), no task is woken for it. Nothing here knows a wire; an [`Encoder`] does.
//!
//! Batches are spaced by a window: 0 while the broadcast is quiet, and growing with the time that flushing takes, so
//! that a flush never claims more than a fifth of the time, up to [`Config::longest_window`].

mod members;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::metrics::Metrics;
use crate::model::id::{ChannelId, Cid, Seq, UserId};
use crate::model::item::{Audience, Item};
use crate::ws::frames::Frames;
use crate::ws::outbox::Outbox;

use members::{Member, Members};

/// Members that one step of a flush serves before others may take their turn.
const STEP: usize = 256;

/// Most bytes of one batch, as far as they can be told before it is encoded: half of what an outbox holds, so that a
/// burst of lines never looks like a slow reader.
const LARGEST_BATCH: usize = 128 * 1024;

/// What an item has beside its text: profile, extras and names, as they usually are.
const ITEM_BYTES: usize = 1_024;

/// Pause before the rest of a burst that was more than one batch: 2.5 MB/s for each member, more than any chat needs and
/// less than what would fill the outbox of a member with a fair connection.
const BURST_PAUSE: Duration = Duration::from_millis(50);

/// Items that may wait for the next batch.
const MOST_PENDING: usize = 8_192;

/// A flush may claim one part in this many of the time.
const FLUSH_SHARE: u32 = 5;

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

/// A wire: which encoder spells items for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wire(pub &'static str);

/// How much of our own protocol a member asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Exactly the public wire.
    #[default]
    Plain,
}

/// What members of one group share: all of them get the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Whose encoder.
    pub wire: Wire,
    /// Which layer of that wire.
    pub layer: Layer,
    /// Whether they see what is shown to staff.
    pub staff: bool,
    /// Largest message they take, in bytes.
    pub frame_limit: usize,
}

/// What is encoded at once.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Whose broadcast it is.
    pub channel: &'a ChannelId,
    /// Which broadcast.
    pub cid: &'a Cid,
    /// In order, only what the group may see.
    pub items: &'a [&'a Item],
    /// Members of the broadcast now.
    pub members: u32,
}

/// Spells items for one wire.
pub trait Encoder: Send + Sync + 'static {
    /// The wire it spells.
    fn wire(&self) -> Wire;
    /// Whole messages, in one buffer, none larger than the group's limit.
    fn encode(&self, batch: &Batch<'_>, group: &Group) -> Frames;
}

/// Every wire's encoder, shared by all feeds.
pub type Encoders = Arc<[Arc<dyn Encoder>]>;

/// A member's place in a feed; it leaves by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    group: usize,
    member: usize,
}

/// What one broadcast sends.
pub struct Feed {
    channel: ChannelId,
    cid: Cid,
    encoders: Encoders,
    config: Config,
    metrics: Arc<Metrics>,
    pending: Mutex<Vec<Item>>,
    members: Mutex<Members>,
    count: AtomicU32,
    due: Notify,
    flushed: Notify,
    /// Held while a batch is handed out.
    flushing: AsyncMutex<()>,
}

impl Feed {
    /// A feed without members.
    pub fn new(channel: ChannelId, cid: Cid, encoders: Encoders, config: Config, metrics: Arc<Metrics>) -> Self {
        Self {
            channel,
            cid,
            encoders,
            config,
            metrics,
            pending: Mutex::default(),
            members: Mutex::default(),
            count: AtomicU32::new(0),
            due: Notify::new(),
            flushed: Notify::new(),
            flushing: AsyncMutex::new(()),
        }
    }

    /// Which broadcast it is of.
    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    /// Adds a member that gets every item behind `after`. What it has to hear before live items must be in its outbox
    /// already.
    pub fn join(&self, group: Group, outbox: Arc<Outbox>, user: Option<UserId>, after: Seq) -> Place {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.members.lock().add(group, Member { outbox, user, after })
    }

    /// Moves a member to another group, between two batches, so that it gets each item once. `None` when it has left.
    pub async fn regroup(&self, place: Place, group: Group, user: Option<UserId>) -> Option<Place> {
        let _between = self.flushing.lock().await;
        let mut members = self.members.lock();
        let member = members.remove(place)?;
        Some(members.add(group, Member { user, ..member }))
    }

    /// Removes a member.
    pub fn leave(&self, place: Place) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.members.lock().remove(place);
    }

    /// How many members there are: sockets, not users.
    pub fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until the next batch has room: fewer than 8,192 items. Whoever pushes waits here before it takes more
    /// from the log, so that a log that is faster than the flushes backs up in its own bounded tail.
    pub async fn room(&self) {
        while self.pending.lock().len() >= MOST_PENDING {
            self.flushed.notified().await;
        }
    }

    /// Hands over items, in order; they go out with the next batch.
    pub fn push(&self, items: impl IntoIterator<Item = Item>) {
        let mut pending = self.pending.lock();
        let before = pending.len();
        pending.extend(items);
        if pending.len() > before {
            drop(pending);
            self.due.notify_one();
        }
    }

    /// Sends batches as they come due, for ever. One task runs this for each feed.
    pub async fn run(&self) {
        let mut next = clock::instant();
        loop {
            self.due.notified().await;
            // A deadline that is past already costs a turn of the timer; a quiet broadcast shouldn't pay for it.
            if next > clock::instant() {
                sleep_until(next).await;
            }
            let begun = clock::instant();
            let rest = self.flush().await;
            next = self.next_flush(begun);
            if rest {
                next = next.max(begun + BURST_PAUSE);
                self.due.notify_one();
            }
        }
    }

    /// Sends a batch of what is pending, now. Whether there is more.
    pub async fn flush(&self) -> bool {
        let _handing_out = self.flushing.lock().await;
        let (items, rest) = self.take_batch();
        self.flushed.notify_one();
        if items.is_empty() {
            return rest;
        }
        let begun = clock::instant();
        let members = self.count();
        let groups = self.members.lock().groups();
        for index in 0..groups {
            self.flush_group(index, &items, members).await;
        }
        self.metrics.batches.inc();
        self.metrics.flush_seconds.observe(begun.elapsed().as_secs_f64());
        rest
    }

    /// As many pending items as make a batch, at least one, and whether more are left.
    fn take_batch(&self) -> (Vec<Item>, bool) {
        let mut pending = self.pending.lock();
        // Looked at under the lock: whoever has joined did so before anything was pushed that they are to get.
        if self.count() == 0 {
            pending.clear();
            return (Vec::new(), false);
        }
        let mut bytes = 0;
        let fitting = pending
            .iter()
            .take_while(|item| {
                bytes += item.text().len() + ITEM_BYTES;
                bytes <= LARGEST_BATCH
            })
            .count()
            .max(1)
            .min(pending.len());
        let rest = pending.split_off(fitting);
        let left = !rest.is_empty();
        (std::mem::replace(&mut *pending, rest), left)
    }

    fn next_flush(&self, begun: Instant) -> Instant {
        let took = clock::instant() - begun;
        begun + (took * FLUSH_SHARE).min(self.config.longest_window)
    }

    async fn flush_group(&self, index: usize, items: &[Item], members: u32) {
        let Some(group) = self.members.lock().occupied(index) else { return };
        let Some(encoder) = self.encoders.iter().find(|encoder| encoder.wire() == group.wire) else { return };
        let private = items.iter().any(|item| matches!(item.audience(), Audience::User(_)));
        let mut batches = Batches { feed: self, encoder: &**encoder, group, items, members, private, made: Vec::new() };
        let mut from = 0;
        loop {
            let step = self.members.lock().step(index, from, STEP, &mut batches);
            self.metrics.deliveries.inc_by(step.deliveries);
            self.metrics.slow_closed.inc_by(step.slow);
            if step.done {
                return;
            }
            from += STEP;
            tokio::task::yield_now().await;
        }
    }
}

/// One batch's bytes for one group: encoded once, and once more only for those who joined in its middle or whom it
/// holds something for alone.
struct Batches<'a> {
    feed: &'a Feed,
    encoder: &'a dyn Encoder,
    group: Group,
    items: &'a [Item],
    members: u32,
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

impl Batches<'_> {
    /// What this member gets; empty when there is nothing for it.
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

    fn holds_something_for(&self, user: &UserId) -> bool {
        self.items.iter().any(|item| matches!(item.audience(), Audience::User(only) if only == user))
    }

    fn encode(&self, start: usize, user: Option<&UserId>) -> Frames {
        let seen: Vec<&Item> = self.items[start..]
            .iter()
            .filter(|item| match item.audience() {
                Audience::All => true,
                Audience::Staff => self.group.staff,
                Audience::User(only) => user == Some(only),
            })
            .collect();
        if seen.is_empty() {
            return Frames::default();
        }
        let Feed { channel, cid, .. } = self.feed;
        self.encoder.encode(&Batch { channel, cid, items: &seen, members: self.members }, &self.group)
    }
}
