//! The fan-out: nothing is allocated per recipient, a batch is encoded once per group, and everybody gets exactly what
//! came after they joined.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio_util::sync::CancellationToken;

use madang::feed::{About, Batch, Config, Encoder, Feed, Group, Layer, Wire};
use madang::metrics::Metrics;
use madang::model::aside::Aside;
use madang::model::id::{ChannelId, Cid, Epoch, EventId, Seq, UserId};
use madang::model::item::{Audience, Item, LineView, View};
use madang::model::message::{Author, Draft, Lane, Line, Status};
use madang::model::principal::{Profile, Role};
use madang::model::time::Millis;
use madang::ws::frames::{Builder, Frames};
use madang::ws::outbox::Outbox;
use madang::ws::sock::{Memory, Sock};

const WIRE: Wire = Wire("test");

/// A socket that takes everything and keeps nothing.
struct Sink;

impl Sock for Sink {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn try_read(&self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn shut(&self) {}
}

/// Spells an item as its text, and counts how often it is asked.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Encoder for Counting {
    fn wire(&self) -> Wire {
        WIRE
    }

    fn encode(&self, batch: &Batch<'_>, _: &Group) -> Frames {
        self.0.fetch_add(1, Ordering::Relaxed);
        let mut builder = Builder::default();
        batch.items.iter().for_each(|item| builder.text(item.line().unwrap().text()));
        builder.finish()
    }

    fn encode_aside(&self, _: &Cid, _: &Aside, _: &Group) -> Frames {
        Frames::default()
    }

    fn encode_count(&self, _: &Batch<'_>, _: &Group) -> Frames {
        Frames::default()
    }
}

fn feed(encoder: &Arc<Counting>) -> Feed {
    let encoder: Arc<dyn Encoder> = encoder.clone();
    let (channel, cid) = (ChannelId::parse("c").unwrap(), Cid::parse("c").unwrap());
    let about = About { channel, cid, epoch: Epoch::fresh() };
    Feed::new(about, vec![encoder].into(), Config::default(), Arc::new(Metrics::default()))
}

fn group(staff: bool) -> Group {
    Group { wire: WIRE, layer: Layer::Plain, lane: Lane::All, staff, frame_limit: 32_768 }
}

fn user(uid: &str) -> UserId {
    UserId::parse(uid).unwrap()
}

fn item(seq: u64, audience: Audience) -> Item {
    let author = Author { uid: user("author"), profile: Arc::new(Profile::default()), role: Role::Viewer };
    let draft = Draft { text: format!("{seq}"), ..Draft::default() };
    let line = Line {
        occasion: None,
        filtered: None,
        judged: Default::default(),
        cid: Cid::parse("c").unwrap(),
        author,
        draft,
        members: 1,
        credential: Default::default(),
        known: Default::default(),
    };
    let view = LineView::revealed(Seq(seq), EventId::fresh(), Millis(0), Status::Normal, Arc::new(line));
    Item::revealed(Seq(seq), true, audience, View::Line(view))
}

fn sink() -> Arc<Outbox> {
    Arc::new(Outbox::new(Box::new(Sink), 1 << 20, Default::default()))
}

/// The texts that a member was sent, one message each.
fn heard(sock: &Memory) -> Vec<String> {
    let (mut bytes, mut texts) = (sock.take().to_vec(), Vec::new());
    while !bytes.is_empty() {
        let length = usize::from(bytes[1]);
        texts.push(String::from_utf8(bytes[2..2 + length].to_vec()).unwrap());
        bytes.drain(..2 + length);
    }
    texts
}

fn allocations(members: usize) -> u64 {
    let feed = feed(&Arc::default());
    for _ in 0..members {
        feed.join(group(false), sink(), Some(user("member")), Seq(0));
    }
    feed.push([item(1, Audience::All)]);
    feed.flush();
    let items = [item(2, Audience::All)];
    allocation_counter::measure(|| {
        feed.push(items);
        feed.flush();
    })
    .count_total
}

#[test]
fn nothing_is_allocated_per_recipient() {
    let [few, one_shard, many] = [10, 250, 10_000].map(allocations);
    assert!(few > 0, "the counter counts");
    assert_eq!(few, one_shard, "10 members and 250");
    assert!(many <= few + 2 * 10_000 / 250, "{many}: two for each shard, none for a member");
}

#[tokio::test]
async fn a_batch_is_encoded_once_for_each_group_that_has_members() {
    let encoder = Arc::new(Counting::default());
    let feed = feed(&encoder);
    let encoded = || encoder.0.swap(0, Ordering::Relaxed);
    let places: Vec<_> = (0..1_000).map(|_| feed.join(group(false), sink(), None, Seq(0))).collect();
    feed.push((1..=10).map(|seq| item(seq, Audience::All)));
    feed.flush();
    assert_eq!(encoded(), 1);
    let staff = feed.join(group(true), sink(), None, Seq(10));
    feed.push([item(11, Audience::All)]);
    feed.flush();
    assert_eq!(encoded(), 2, "once more for the staff");
    feed.leave(staff);
    feed.push([item(12, Audience::All)]);
    feed.flush();
    assert_eq!(encoded(), 1, "not for a group that is empty");
    places.into_iter().for_each(|place| feed.leave(place));
    feed.push([item(13, Audience::All)]);
    feed.flush();
    assert_eq!(encoded(), 0);
}

#[tokio::test]
async fn everybody_gets_exactly_what_came_after_they_joined() {
    let feed = feed(&Arc::default());
    let socks: Vec<Memory> = (0..5).map(|_| Memory::default()).collect();
    for (after, sock) in socks.iter().enumerate() {
        let outbox = Arc::new(Outbox::new(Box::new(sock.clone()), 1 << 20, Default::default()));
        feed.join(group(false), outbox, None, Seq(after as u64));
        feed.push([item(after as u64 + 1, Audience::All)]);
    }
    feed.flush();
    for (after, sock) in socks.iter().enumerate() {
        let expected: Vec<String> = (after + 1..=5).map(|seq| seq.to_string()).collect();
        assert_eq!(heard(sock), expected, "joined after {after}");
    }
}

#[tokio::test]
async fn an_audience_is_kept() {
    let feed = feed(&Arc::default());
    let member = |staff, uid: &str| {
        let sock = Memory::default();
        let outbox = Arc::new(Outbox::new(Box::new(sock.clone()), 1 << 20, Default::default()));
        feed.join(group(staff), outbox, Some(user(uid)), Seq(0));
        sock
    };
    let (viewer, moderator, anna) = (member(false, "v"), member(true, "m"), member(false, "anna"));
    feed.push([
        item(1, Audience::All),
        item(2, Audience::Staff),
        item(3, Audience::User(user("anna"))),
        item(4, Audience::All),
    ]);
    feed.flush();
    assert_eq!(heard(&viewer), ["1", "4"]);
    assert_eq!(heard(&moderator), ["1", "2", "4"]);
    assert_eq!(heard(&anna), ["1", "3", "4"], "in the order of the log");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_broadcast_waits_for_nothing() {
    let feed = Arc::new(feed(&Arc::default()));
    let sock = Memory::default();
    feed.join(group(false), Arc::new(Outbox::new(Box::new(sock.clone()), 1 << 20, Default::default())), None, Seq(0));
    let running = tokio::spawn({
        let feed = feed.clone();
        feed.run(CancellationToken::new())
    });
    let begun = madang::clock::instant();
    for seq in 1..=3 {
        feed.push([item(seq, Audience::All)]);
        sock.written().await;
        assert_eq!(heard(&sock), [seq.to_string()]);
    }
    assert_eq!(begun.elapsed(), std::time::Duration::ZERO, "on a paused clock");
    running.abort();
}
