//! What channels cost that nobody looks at now: how soon one is ready after a restart, how fast a log is folded, how large
//! a snapshot is, and what idle channels take in memory.
//!
//!     cargo bench --bench channels
//!
//! One channel of a million lines, 20 a second by its log's own times, 300 bytes of text each; then 10,000 channels of
//! 20 lines. The log is the embedded one, in a folder of the target directory.

#![expect(clippy::unwrap_used, reason = "a measurement that is wrong must stop")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use madang::auth::{Config as AuthConfig, KeyDigest, Secret, Tokens};
use madang::clock::{System, instant};
use madang::endpoints::chat::ChatEncoder;
use madang::eventlog::sqlite::{Config as LogConfig, Sqlite};
use madang::eventlog::{EventLog, Snapshot};
use madang::feed::Encoder;
use madang::metrics::Metrics;
use madang::model::access::Credential;
use madang::model::event::{Body, Event};
use madang::model::id::{ChannelId, Cid, Seq, UserId};
use madang::model::message::{Author, Draft, Line};
use madang::model::principal::{Profile, Role};
use madang::model::time::Millis;
use madang::node::{Config, Node, Parts};

const LINES: u64 = 1_000_000;
const CHANNELS: u64 = 10_000;
const BATCH: u64 = 1_000;

fn main() {
    if std::env::args().all(|argument| argument != "--bench") {
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(one_large_channel(&folder.path().join("large.db")));
    runtime.block_on(many_idle_channels(&folder.path().join("many.db")));
}

async fn start(file: &Path, idle: Duration) -> (Arc<Node>, Arc<Sqlite>) {
    let metrics = Arc::new(Metrics::default());
    let log = Arc::new(Sqlite::open(file, LogConfig::default(), metrics.clone()).unwrap());
    let encoders: Vec<Arc<dyn Encoder>> = vec![Arc::new(ChatEncoder)];
    let secret = Secret::new("a secret for measurements, long enough").unwrap();
    let parts = Parts {
        bus: Arc::new(madang::bus::local::Local::default()),
        log: log.clone(),
        clock: Arc::new(System),
        tokens: Arc::new(Tokens::new(&secret, AuthConfig::default(), Arc::new(System), metrics.clone())),
        root_key: KeyDigest::of(b"root"),
        encoders: encoders.into(),
        metrics,
        config: Config { open_unknown: true, idle, ..Config::default() },
    };
    (Node::start(parts).await.unwrap(), log)
}

/// Ends a node and its log, as a restart does.
async fn stop(node: Arc<Node>, log: Arc<Sqlite>) {
    node.drain().await;
    drop(node);
    let mut log = Some(log);
    while let Some(held) = log.take() {
        match Arc::try_unwrap(held) {
            Ok(last) => drop(last),
            // A task that follows the log is still ending.
            Err(held) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                log = Some(held);
            }
        }
    }
}

fn line(cid: &Cid, turn: u64) -> Arc<Event> {
    let uid = UserId::parse(&format!("user{}", turn % 5_000)).unwrap();
    let line = Line {
        occasion: None,
        filtered: None,
        judged: Default::default(),
        cid: cid.clone(),
        author: Author { uid, profile: Arc::new(Profile::default()), role: Role::Viewer },
        draft: Draft { text: format!("{turn:0>300}"), tid: "3".to_owned(), ..Draft::default() },
        members: 1,
        credential: Credential::default(),
        known: Default::default(),
    };
    let at = Millis(1_790_780_400_000 + i64::try_from(turn).unwrap() * 50);
    Arc::new(Event::new(at, Body::Line(Arc::new(line))))
}

async fn ready(node: &Node, cid: &str) -> (ChannelId, Duration) {
    let begun = instant();
    let channel = node.channel(&ChannelId::parse(cid).unwrap()).await.unwrap().id;
    (channel, begun.elapsed())
}

async fn one_large_channel(file: &Path) {
    let idle = Duration::from_secs(3_600);
    let (node, log) = start(file, idle).await;
    let (channel, _) = ready(&node, "demo").await;
    let cid = Cid::parse("demo").unwrap();
    for first in (0..LINES).step_by(BATCH as usize) {
        let appends = (first..first + BATCH).map(|turn| log.append(&channel, line(&cid, turn)));
        assert!(join_all(appends).await.into_iter().all(|appended| appended.is_ok()));
        // The channel follows; what it has not read is not in its snapshots.
        while node.metrics().lines.get() < first {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    stop(node, log).await;

    let (node, log) = start(file, idle).await;
    let snapshot = log.snapshot(&channel).await.unwrap().unwrap();
    let (_, took) = ready(&node, "demo").await;
    println!(
        "restart  {LINES} lines: ready in {:.1} ms, {} of them behind the snapshot of {} KiB",
        took.as_secs_f64() * 1e3,
        LINES + 1 - snapshot.seq.0,
        snapshot.bytes.len() / 1_024
    );
    log.put_snapshot(&channel, Snapshot { seq: Seq(LINES + 1), version: 99, bytes: "unreadable".into() })
        .await
        .unwrap();
    stop(node, log).await;

    let (node, log) = start(file, idle).await;
    let (_, took) = ready(&node, "demo").await;
    println!(
        "fold     from the first event: {:.1} s, {:.0} events/s",
        took.as_secs_f64(),
        LINES as f64 / took.as_secs_f64()
    );
    stop(node, log).await;
}

async fn many_idle_channels(file: &Path) {
    let (node, log) = start(file, Duration::from_secs(20)).await;
    let before = resident();
    for round in 1..=3 {
        for number in 0..CHANNELS {
            let cid = Cid::parse(&format!("c{round}-{number}")).unwrap();
            let (channel, _) = ready(&node, cid.as_str()).await;
            join_all((0..20).map(|turn| log.append(&channel, line(&cid, turn)))).await;
        }
        let each = (resident() - before) / CHANNELS as f64;
        println!("memory   {CHANNELS} channels of 20 lines, round {round}: {each:.1} KiB each");
        let begun = instant();
        while node.metrics().evictions.get() < CHANNELS * round {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        println!("idle     all of them have left {:.0} s later, with a snapshot each", begun.elapsed().as_secs_f64());
    }
    stop(node, log).await;
}

/// KiB of this process.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
