//! Snapshots: what a channel comes back from, after a restart and after nobody has used it for a while.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use madang::eventlog::memory::Memory;
use madang::eventlog::tail::Tail;
use madang::eventlog::{EventLog, LogError, Page, Pending, Snapshot};
use madang::model::access::Credential;
use madang::model::event::{Body, Event};
use madang::model::id::{ChannelId, Cid, Epoch, Seq, UserId};
use madang::model::message::{Author, Draft, Line};
use madang::model::principal::{Profile, Role};
use madang::model::time::Millis;

use crate::support::yard::{NOON, Yard, open_yard, until};

/// What a log was asked for.
#[derive(Default)]
struct Asked {
    /// Events that it gave.
    read: AtomicU64,
    /// Snapshots that it was to keep.
    snapshots: AtomicU64,
    /// Whether it has no room for them.
    full: AtomicBool,
}

/// A log that counts what it is asked for.
struct Counting {
    inner: Memory,
    asked: Arc<Asked>,
}

impl EventLog for Counting {
    fn append(&self, channel: &ChannelId, event: Arc<Event>) -> Pending<Seq> {
        self.inner.append(channel, event)
    }

    fn read(&self, channel: &ChannelId, after: Seq, limit: usize) -> Pending<Page> {
        let (page, asked) = (self.inner.read(channel, after, limit), self.asked.clone());
        Box::pin(async move {
            let page = page.await?;
            asked.read.fetch_add(page.events.len() as u64, Ordering::Relaxed);
            Ok(page)
        })
    }

    fn follow(&self, channel: &ChannelId, after: Seq) -> Tail {
        self.inner.follow(channel, after)
    }

    fn snapshot(&self, channel: &ChannelId) -> Pending<Option<Snapshot>> {
        self.inner.snapshot(channel)
    }

    fn put_snapshot(&self, channel: &ChannelId, snapshot: Snapshot) -> Pending<()> {
        self.asked.snapshots.fetch_add(1, Ordering::Relaxed);
        match self.asked.full.load(Ordering::Relaxed) {
            true => Box::pin(ready(Err(LogError::Full))),
            false => self.inner.put_snapshot(channel, snapshot),
        }
    }

    fn erase(&self, channel: &ChannelId, places: &[Seq]) -> Pending<()> {
        self.inner.erase(channel, places)
    }

    fn channels(&self, after: Option<&ChannelId>, limit: usize) -> Pending<Vec<ChannelId>> {
        self.inner.channels(after, limit)
    }

    fn aged(&self, channel: &ChannelId, time: Millis) -> Pending<Option<Seq>> {
        self.inner.aged(channel, time)
    }

    fn drop_upto(&self, channel: &ChannelId, upto: Seq) -> Pending<()> {
        self.inner.drop_upto(channel, upto)
    }

    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }
}

async fn yard_over(log: &Memory) -> (Yard, Arc<Asked>) {
    let asked = Arc::new(Asked::default());
    let counting = Counting { inner: log.clone(), asked: asked.clone() };
    (Yard::over(Arc::new(counting), open_yard()).await, asked)
}

/// A line as another machine's node appends it, ten a second.
async fn append_lines(log: &Memory, channel: &ChannelId, turns: std::ops::Range<i64>) {
    for turn in turns {
        let line = Line {
            occasion: None,
            filtered: None,
            judged: Default::default(),
            cid: Cid::parse("demo").unwrap(),
            author: Author {
                uid: UserId::parse(&format!("u{}", turn % 50)).unwrap(),
                profile: Arc::new(Profile::default()),
                role: Role::Viewer,
            },
            draft: Draft { text: turn.to_string(), ..Draft::default() },
            members: 1,
            credential: Credential::default(),
            known: Default::default(),
        };
        let event = Event::new(Millis(NOON + turn * 100), Body::Line(Arc::new(line)));
        log.append(channel, Arc::new(event)).await.unwrap();
    }
}

async fn channel_of(yard: &Yard) -> ChannelId {
    yard.node.channel(&ChannelId::parse("demo").unwrap()).await.unwrap().id
}

#[tokio::test]
async fn a_restart_reads_what_the_snapshot_does_not_have_and_no_more() {
    let log = Memory::new(Arc::default());
    let (yard, _) = yard_over(&log).await;
    let channel = channel_of(&yard).await;
    append_lines(&log, &channel, 0..12_000).await;
    until(async || yard.node.metrics().lines.get() == 12_000).await;
    append_lines(&log, &channel, 12_000..12_500).await;
    let kept = log.snapshot(&channel).await.unwrap().unwrap();
    assert!(kept.seq > Seq(5_000), "{:?}", kept.seq);
    assert!(kept.bytes.len() < 100_000, "{} bytes for 12,000 lines", kept.bytes.len());

    let (later, asked) = yard_over(&log).await;
    let mut after = later.reader("demo").await;
    let read = asked.read.load(Ordering::Relaxed);
    assert!(read < 5_000 + 4_096 + 1_000, "{read} events read");
    let ask = json!({"cmd": 5101, "cid": "demo", "bdy": {"recentMessageCount": 50}}).to_string();
    until(async || yard.node.metrics().lines.get() == 12_500).await;
    let mut before = yard.reader("demo").await;
    before.says(&ask).await;
    after.says(&ask).await;
    let (before, after) = (before.hears(15101).await, after.hears(15101).await);
    assert_eq!(before["bdy"]["messageList"], after["bdy"]["messageList"]);
    assert_eq!(after["bdy"]["messageList"].as_array().unwrap().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_too_busy_for_a_snapshot_is_not_asked_all_the_time() {
    let log = Memory::new(Arc::default());
    let (yard, asked) = yard_over(&log).await;
    asked.full.store(true, Ordering::Relaxed);
    let channel = channel_of(&yard).await;
    for turn in 0..200 {
        append_lines(&log, &channel, turn * 100..turn * 100 + 100).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    until(async || yard.node.metrics().lines.get() == 20_000).await;
    assert_eq!(asked.snapshots.load(Ordering::Relaxed), 1, "150 batches came after it failed");
    asked.full.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(6)).await;
    append_lines(&log, &channel, 20_000..20_001).await;
    until(async || log.snapshot(&channel).await.unwrap().is_some_and(|snapshot| snapshot.seq == Seq(20_002))).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_channel_leaves_memory_and_comes_back_unnoticed() {
    let log = Memory::new(Arc::default());
    let (yard, _) = yard_over(&log).await;
    let mut anna = yard.writer("demo", "anna").await;
    for text in ["one", "two", "three"] {
        assert_eq!(anna.sends_and_hears("demo", text).await["retCode"], 0);
    }
    let channel = channel_of(&yard).await;
    let channels = || yard.node.metrics().channels.get();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(channels(), 1, "somebody is there");
    drop(anna);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(channels(), 1, "somebody was there a moment ago");
    let events = log.read(&channel, Seq(0), 100).await.unwrap().events.len() as u64;
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!((channels(), yard.node.metrics().evictions.get()), (0, 1));
    assert!(log.snapshot(&channel).await.unwrap().is_some_and(|snapshot| snapshot.seq.0 == events));

    let mut bert = yard.writer("demo", "bert").await;
    bert.says(&json!({"cmd": 5101, "cid": "demo", "bdy": {"recentMessageCount": 50}}).to_string()).await;
    let list = bert.hears(15101).await["bdy"]["messageList"].clone();
    assert_eq!(
        list.as_array().unwrap().iter().map(|line| line["content"].clone()).collect::<Vec<_>>(),
        ["one", "two", "three"]
    );
    let mut retried = json!({"ver": "3", "cmd": 3101, "svcid": "game", "cid": "demo", "tid": 3});
    retried["bdy"] = json!({"msg": "again", "msgTypeCode": 1, "msgTime": 7});
    bert.says(&retried.to_string()).await;
    assert_eq!(bert.hears(13101).await["retCode"], 0);
    assert_eq!(channels(), 1);
}

#[tokio::test]
async fn channels_that_are_used_while_they_are_let_go_lose_nothing() {
    let log = Memory::new(Arc::default());
    let config = madang::node::Config { idle: Duration::from_millis(1), ..open_yard() };
    let yard = Yard::over(Arc::new(log.clone()), config).await;
    for turn in 0..300 {
        let mut anna = yard.writer("demo", "anna").await;
        assert_eq!(anna.sends_and_hears("demo", &turn.to_string()).await["retCode"], 0);
        assert_eq!(anna.hears_lines(1).await[0]["msg"], turn.to_string());
        drop(anna);
        tokio::time::sleep(Duration::from_millis(turn % 5)).await;
    }
    assert!(yard.node.metrics().evictions.get() > 20, "{}", yard.node.metrics().evictions.get());
    let channel = channel_of(&yard).await;
    assert_eq!(log.read(&channel, Seq(0), 1_000).await.unwrap().events.len(), 301);
    let mut bert = yard.reader("demo").await;
    bert.says(&json!({"cmd": 5101, "cid": "demo", "bdy": {"recentMessageCount": 50}}).to_string()).await;
    let list = bert.hears(15101).await["bdy"]["messageList"].clone();
    assert_eq!(list.as_array().unwrap().last().unwrap()["content"], "299");
}
