//! Time-to-hide: the real program on one core, this generator on the other.
//!
//!     cargo bench --bench acts -- VIEWERS LINES_PER_S ACTS_PER_S
//!
//! VIEWERS hear LINES_PER_S, and a moderator's tool hides the newest line ACTS_PER_S times a second through the site API.
//! Open loop: a line is hidden by the clock, whatever the answers do, and the time counts from when that was due to when a
//! viewer has the 94008 in hand. One viewer in 50 must have heard every act, once; the run fails on one that is missing or
//! doubled.

#![expect(clippy::unwrap_used, reason = "a generator that is wrong must stop")]

mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};

use madang::client::fetch_token;
use madang::clock::instant;

use wire::{Server, drain, frame, join, own_cpu, percentile, send_by_the_clock};

const CID: &str = "bench";

/// One viewer in this many reads every act.
const SAMPLE: u64 = 50;

/// How long lines are said before the first act, and for how long lines are hidden.
const WARM_UP: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(20);

/// What 94008 begins to be known by.
const BLIND: &[u8] = b"\"cmd\":94008";

fn main() {
    let Some(number) = wire::numbers() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(hiding(number(0, 1_000), number(1, 20), number(2, 5)));
}

/// What the moderator's tool and the sampled viewers know.
#[derive(Default)]
struct Shared {
    /// The newest line: its place and its time on the wire.
    newest: Mutex<(u64, i64)>,
    /// When lines were due to be hidden, by their time on the wire.
    due: Mutex<HashMap<i64, Instant>>,
    /// In microseconds.
    latencies: Mutex<Vec<u32>>,
    /// From when an act was due to its answer, in microseconds.
    answers: Mutex<Vec<u32>>,
    bytes: AtomicU64,
}

async fn hiding(viewers: u64, rate: u64, acts: u64) {
    let server = Server::start();
    let shared = Arc::new(Shared::default());
    for viewer in 0..viewers {
        let (stream, behind, _) = join(&server.address, CID, None, Value::Null).await;
        match viewer % SAMPLE {
            0 => drop(tokio::spawn(hears_acts(stream, behind, shared.clone()))),
            _ => drop(tokio::spawn(counts_bytes(stream, shared.clone()))),
        }
    }
    let (stream, behind, _) = join(&server.address, CID, None, json!({"ext": 1})).await;
    tokio::spawn(knows_lines(stream, behind, shared.clone()));
    let token = fetch_token(&server.url(), CID).await.unwrap();
    let (stream, ..) = join(&server.address, CID, Some(&token), Value::Null).await;
    let (reader, mut writer) = stream.into_split();
    tokio::spawn(drain(reader));
    let (begun, total) = (instant(), rate * (WARM_UP + MEASURED).as_secs());
    let talking =
        tokio::spawn(async move { send_by_the_clock(&mut writer, CID, 0, (rate, total), begun, Arc::default()).await });

    let from = begun + WARM_UP;
    sleep_until(from).await;
    let (cpu, own, bytes) = (server.cpu(), own_cpu(), shared.bytes.load(Ordering::Relaxed));
    let mut hiding = Vec::new();
    for turn in 0..acts * MEASURED.as_secs() {
        // Not in step with the lines.
        let due = from + Duration::from_micros(turn * 1_000_000 / acts + turn * 7_919 % 50_000);
        sleep_until(due).await;
        let (seq, time) = *shared.newest.lock();
        let is_new = shared.due.lock().insert(time, due).is_none();
        assert!(is_new && seq > 0, "there is a new line for each act: more lines than acts, please");
        hiding.push(tokio::spawn(hide(server.address.clone(), server.key(), seq, due, shared.clone())));
    }
    let seconds = from.elapsed().as_secs_f64();
    let (cpu, own) = (server.cpu() - cpu, own_cpu() - own);
    let bytes = shared.bytes.load(Ordering::Relaxed) - bytes;
    let done = hiding.len() as u64;
    for act in hiding {
        act.await.unwrap();
    }
    talking.await.unwrap();
    sleep(Duration::from_secs(2)).await;

    let sorted = |times: &Mutex<Vec<u32>>| {
        let mut times = std::mem::take(&mut *times.lock());
        times.sort_unstable();
        times
    };
    let (heard, answered) = (sorted(&shared.latencies), sorted(&shared.answers));
    assert_eq!(heard.len() as u64, done * viewers.div_ceil(SAMPLE), "every sampled viewer heard every act, once");
    println!(
        "acts     {viewers} viewers, {rate} lines/s, {acts} hidden/s: from due to heard p50 {:.1} ms, p99 {:.1} ms, most \
         {:.1} ms; to the answer p50 {:.1} ms, p99 {:.1} ms; {:.1} MB/s, server {:.0} %, generator {:.0} %",
        percentile(&heard, 0.5),
        percentile(&heard, 0.99),
        percentile(&heard, 1.0),
        percentile(&answered, 0.5),
        percentile(&answered, 0.99),
        bytes as f64 / seconds / 1e6,
        cpu * 100.0 / seconds,
        own * 100.0 / seconds,
    );
    let metrics = http(&server.address, "GET /metrics", "", "").await;
    println!(
        "         madang_time_to_hide_seconds: p50 below {:.1} ms, p99 below {:.1} ms, of {} acts",
        bucket(&metrics, 0.5) * 1e3,
        bucket(&metrics, 0.99) * 1e3,
        count(&metrics)
    );
}

/// Hides a line through the site API.
async fn hide(address: String, key: String, seq: u64, due: Instant, shared: Arc<Shared>) {
    let request = format!("POST /v1/channels/{CID}/messages/{seq}/hide");
    let answer = http(&address, &request, &format!("X-Api-Key: {key}\r\n"), r#"{"reason":"measured"}"#).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"actId\":\""), "{answer}");
    shared.answers.lock().push(due.elapsed().as_micros() as u32);
}

/// Asks once, over a connection of its own; gives the answer with its head.
async fn http(address: &str, request: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: {address}\r\n{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Reads every act: when it came.
async fn hears_acts(stream: TcpStream, behind: Vec<u8>, shared: Arc<Shared>) {
    let known = shared.clone();
    hears(stream, behind, shared, move |payload| {
        if payload.windows(BLIND.len()).any(|window| window == BLIND) {
            let act: Value = serde_json::from_slice(payload).unwrap();
            let time = act["bdy"]["messageTime"].as_i64().unwrap();
            let due = known.due.lock()[&time];
            known.latencies.lock().push(due.elapsed().as_micros() as u32);
        }
    })
    .await;
}

/// Reads every line: which is the newest.
async fn knows_lines(stream: TcpStream, behind: Vec<u8>, shared: Arc<Shared>) {
    let known = shared.clone();
    hears(stream, behind, shared, move |payload| {
        let message: Value = serde_json::from_slice(payload).unwrap();
        if let Some(line) = message["bdy"].as_array().and_then(|lines| lines.last()) {
            *known.newest.lock() = (line["seq"].as_u64().unwrap(), line["msgTime"].as_i64().unwrap());
        }
    })
    .await;
}

async fn hears(mut stream: TcpStream, mut heard: Vec<u8>, shared: Arc<Shared>, mut read: impl FnMut(&[u8])) {
    loop {
        let mut used = 0;
        while let Some((payload, length)) = frame(&heard[used..]) {
            read(payload);
            used += length;
        }
        heard.drain(..used);
        let more = stream.read_buf(&mut heard).await.unwrap();
        if more == 0 {
            return;
        }
        shared.bytes.fetch_add(more as u64, Ordering::Relaxed);
    }
}

thread_local! {
    static BUFFER: std::cell::RefCell<Vec<u8>> = std::cell::RefCell::new(vec![0; 256 * 1024]);
}

async fn counts_bytes(stream: TcpStream, shared: Arc<Shared>) {
    loop {
        stream.readable().await.unwrap();
        match BUFFER.with_borrow_mut(|buffer| stream.try_read(buffer)) {
            Ok(0) => return,
            Ok(read) => drop(shared.bytes.fetch_add(read as u64, Ordering::Relaxed)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// The end of the bucket in which so large a share of the acts ends, in seconds.
fn bucket(metrics: &str, share: f64) -> f64 {
    let wanted = count(metrics) as f64 * share;
    let buckets = metrics.lines().filter_map(|line| line.strip_prefix("madang_time_to_hide_seconds_bucket{le=\""));
    let mut ends = buckets.filter_map(|line| line.split_once("\"} "));
    let within = ends.find(|(_, acts)| acts.parse::<f64>().unwrap() >= wanted).unwrap();
    within.0.parse().unwrap_or(f64::INFINITY)
}

fn count(metrics: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix("madang_time_to_hide_seconds_count "));
    line.unwrap().parse().unwrap()
}
