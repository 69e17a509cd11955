//! The measurement behind ADR 0003: does dropping old events cost less with a file per day, or with chunked deletes?
//!
//!     cargo bench --bench retention
//!
//! A million events of 450 bytes in 200 channels over 10 days, as the log lays them out. The older half is dropped, once
//! by deletes of 500 rows (how long is the writer held by each?), once by unlinking files. Then the price of either: how
//! long the fold of one channel reads. Last the job as it was built: 400,000 events of one channel are dropped while 2,000 a
//! second are appended to another.

#![expect(clippy::unwrap_used, reason = "a measurement that is wrong must stop")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rusqlite::{Connection, params};

use madang::clock::instant;
use madang::eventlog::EventLog;
use madang::eventlog::sqlite::{Config, Sqlite};
use madang::metrics::Metrics;
use madang::model::event::{Body, Event};
use madang::model::id::{ChannelId, Cid};
use madang::model::time::Millis;

const EVENTS: u64 = 1_000_000;
const CHANNELS: u64 = 200;
const DAYS: u64 = 10;
const CHUNK: usize = 500;
const BATCH: u64 = 1_000;

const TABLE: &str =
    "CREATE TABLE event (channel INTEGER, seq INTEGER, id BLOB NOT NULL UNIQUE, at INTEGER, payload BLOB,
                     PRIMARY KEY (channel, seq)) WITHOUT ROWID";

fn main() {
    if std::env::args().all(|argument| argument != "--bench") {
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    chunked(&folder.path().join("one.db"));
    files(folder.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(job(&folder.path().join("job.db")));
}

/// What those who append notice of the job, and for how long its chunks hold the writer.
async fn job(file: &Path) {
    let metrics = Arc::new(Metrics::default());
    let log = Sqlite::open(file, Config::default(), metrics.clone()).unwrap();
    let (old, young) = (ChannelId::parse("old").unwrap(), ChannelId::parse("young").unwrap());
    let event = || {
        let title = "x".repeat(400);
        Arc::new(Event::new(Millis(1), Body::Opened { cid: Cid::parse("c").unwrap(), title }))
    };
    for _ in 0..400 {
        let appends = join_all((0..BATCH).map(|_| log.append(&old, event())));
        assert!(appends.await.into_iter().all(|appended| appended.is_ok()));
    }
    let append = async |dropping: &mut Option<tokio::task::JoinHandle<Duration>>| {
        let (mut times, begun) = (Vec::new(), instant());
        while dropping.as_ref().map_or(begun.elapsed() < Duration::from_secs(10), |job| !job.is_finished()) {
            let one = instant();
            // Ten at once, two hundred times a second.
            join_all((0..10).map(|_| log.append(&young, event()))).await;
            times.push(one.elapsed());
            tokio::time::sleep_until(one + Duration::from_millis(5)).await;
        }
        times.sort_unstable();
        times
    };
    let alone = append(&mut None).await;
    let upto = log.aged(&old, Millis(2)).await.unwrap().unwrap();
    let dropping = log.drop_upto(&old, upto);
    let mut job = Some(tokio::spawn(async move {
        let begun = instant();
        dropping.await.unwrap();
        begun.elapsed()
    }));
    let meanwhile = append(&mut job).await;
    let took = job.unwrap().await.unwrap();
    println!("the job    {} events dropped in {:.1} s", upto.0, took.as_secs_f64());
    for (when, times) in [("alone", &alone), ("meanwhile", &meanwhile)] {
        println!(
            "the job    appends {when}: p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
            millis(times, 0.5),
            millis(times, 0.99),
            millis(times, 1.0)
        );
    }
    let text = metrics.text();
    text.lines().filter(|line| line.starts_with("madang_log_drop_seconds_bucket")).for_each(|line| println!("{line}"));
}

fn open(file: &Path) -> Connection {
    let connection = Connection::open(file).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection
}

/// Fills a file with the events from `first` up to `last`, as the writer would: in batches, every channel in turn.
fn fill(connection: &mut Connection, first: u64, last: u64) -> Duration {
    let begun = instant();
    let payload = [b'x'; 450];
    let mut next = first;
    while next < last {
        let transaction = connection.transaction().unwrap();
        {
            let mut insert = transaction.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5)").unwrap();
            for event in next..(next + BATCH).min(last) {
                let id = u128::from(event).to_be_bytes();
                let (channel, seq) = (event % CHANNELS, event / CHANNELS + 1);
                insert.execute(params![channel as i64, seq as i64, id, event as i64, payload]).unwrap();
            }
        }
        transaction.commit().unwrap();
        next += BATCH;
    }
    begun.elapsed()
}

fn chunked(file: &Path) {
    let mut connection = open(file);
    connection.execute_batch(TABLE).unwrap();
    let filled = fill(&mut connection, 0, EVENTS);
    println!("one file   appended in batches of {BATCH}: {:.0}/s", EVENTS as f64 / filled.as_secs_f64());
    println!("one file   fold of one channel before: {:.1} ms", fold(&connection, "event").as_secs_f64() * 1e3);
    let (mut holds, mut deleted) = (Vec::new(), 0);
    for channel in 0..CHANNELS {
        loop {
            let begun = instant();
            let gone = connection
                .prepare_cached(
                    "DELETE FROM event WHERE channel = ?1 AND seq IN
                     (SELECT seq FROM event WHERE channel = ?1 AND at < ?2 ORDER BY seq LIMIT ?3)",
                )
                .unwrap()
                .execute(params![channel as i64, (EVENTS / 2) as i64, CHUNK as i64])
                .unwrap();
            if gone == 0 {
                break;
            }
            deleted += gone;
            holds.push(begun.elapsed());
        }
    }
    holds.sort_unstable();
    let total: Duration = holds.iter().sum();
    println!(
        "one file   {deleted} deleted in chunks of {CHUNK}: {:.1} s in all, {:.0} events/s; the writer is held p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
        total.as_secs_f64(),
        deleted as f64 / total.as_secs_f64(),
        millis(&holds, 0.5),
        millis(&holds, 0.99),
        millis(&holds, 1.0),
    );
    println!("one file   fold of one channel after: {:.1} ms", fold(&connection, "event").as_secs_f64() * 1e3);
}

fn files(folder: &Path) {
    let mut filled = Duration::ZERO;
    for day in 0..DAYS {
        let mut connection = open(&folder.join(format!("day{day}.db")));
        connection.execute_batch(TABLE).unwrap();
        filled += fill(&mut connection, EVENTS / DAYS * day, EVENTS / DAYS * (day + 1));
    }
    println!("day files  appended in batches of {BATCH}: {:.0}/s", EVENTS as f64 / filled.as_secs_f64());
    let reader = open(&folder.join("reader.db"));
    let attached: Vec<String> = (0..DAYS).map(|day| format!("day{day}")).collect();
    let begun = instant();
    for name in &attached {
        let file = folder.join(format!("{name}.db"));
        reader.execute("ATTACH ?1 AS ?2", params![file.to_str().unwrap(), name]).unwrap();
    }
    println!("day files  {DAYS} attached: {:.1} ms (SQLite takes 10)", begun.elapsed().as_secs_f64() * 1e3);
    let view =
        attached.iter().map(|name| format!("SELECT * FROM {name}.event")).collect::<Vec<_>>().join(" UNION ALL ");
    println!("day files  fold of one channel: {:.1} ms", fold(&reader, &format!("({view})")).as_secs_f64() * 1e3);
    drop(reader);
    let begun = instant();
    for day in 0..DAYS / 2 {
        std::fs::remove_file(folder.join(format!("day{day}.db"))).unwrap();
    }
    println!("day files  {} unlinked: {:.1} ms", DAYS / 2, begun.elapsed().as_secs_f64() * 1e3);
}

/// Reads one channel whole, page by page, as a node does.
fn fold(connection: &Connection, from: &str) -> Duration {
    let begun = instant();
    let sql = format!("SELECT seq, payload FROM {from} WHERE channel = 7 AND seq > ?1 ORDER BY seq LIMIT 1000");
    let (mut after, mut bytes) = (0_i64, 0);
    loop {
        let mut select = connection.prepare_cached(&sql).unwrap();
        let mut rows = select.query(params![after]).unwrap();
        let mut read = 0;
        while let Some(row) = rows.next().unwrap() {
            after = row.get(0).unwrap();
            bytes += row.get_ref(1).unwrap().as_blob().unwrap().len();
            read += 1;
        }
        if read < 1_000 {
            assert!(bytes > 0);
            return begun.elapsed();
        }
    }
}

fn millis(sorted: &[Duration], share: f64) -> f64 {
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len() - 1);
    sorted[index].as_secs_f64() * 1e3
}
