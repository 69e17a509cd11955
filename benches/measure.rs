//! The figures of `docs/performance.md`: the real program on one core, this generator on the other.
//!
//!     cargo bench --bench measure -- all | idle | fanout VIEWERS LINES_PER_S | sends [LINES_PER_S]
//!
//! Open loop: lines are sent by the clock, whatever the answers do. What every viewer received is checked, not only
//! timed: sampled viewers read every line, once and in order, and all others must have received the same bytes.

#![expect(clippy::unwrap_used, reason = "a generator that is wrong must stop")]

mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until};

use madang::client::fetch_token;
use madang::clock::instant;

use wire::{Server, drain, frame, join, line, numbered, own_cpu, percentile, send_by_the_clock};

/// The broadcast that is measured.
const CID: &str = "bench";

/// One viewer in this many reads every line.
const SAMPLE: usize = 50;

/// Joins under way at once.
const JOINING: usize = 64;

/// How long a rate is kept up before and while it is measured.
const WARM_UP: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(10);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.is_empty() {
        println!("say what: all | idle | fanout VIEWERS LINES_PER_S | sends [LINES_PER_S]");
        return;
    }
    wire::on_core_1(&arguments);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let number = |index: usize, usual: u64| arguments.get(index).map_or(usual, |text| text.parse().unwrap());
    let (all, what) = (arguments[0] == "all", arguments[0].as_str());
    if all || what == "idle" {
        runtime.block_on(idle(number(1, 10_000) as usize));
    }
    if all {
        runtime.block_on(fanout(1_000, 20));
        runtime.block_on(fanout(5_000, 60));
    } else if what == "fanout" {
        runtime.block_on(fanout(number(1, 1_000) as usize, number(2, 20)));
    }
    if all {
        runtime.block_on(sends(20_000));
        // More than it can do: what comes of it is the limit.
        runtime.block_on(sends(32_000));
    } else if what == "sends" {
        runtime.block_on(sends(number(1, 20_000)));
    }
}

/// What all viewers of a run share.
#[derive(Default)]
struct Shared {
    /// Where `Instant` begins for this run.
    begun: Mutex<Option<Instant>>,
    latencies: Mutex<Vec<u32>>,
    lines: AtomicU64,
    broken: AtomicU64,
}

/// One viewer: what it has received.
struct Viewer {
    bytes: Arc<AtomicU64>,
}

/// Joins viewers, a few at a time.
async fn viewers(server: &Server, count: usize, shared: &Arc<Shared>) -> Vec<Viewer> {
    let gate = Arc::new(Semaphore::new(JOINING));
    let mut joining = Vec::new();
    for index in 0..count {
        let permit = gate.clone().acquire_owned().await.unwrap();
        let (address, shared) = (server.address.clone(), shared.clone());
        joining.push(tokio::spawn(async move {
            let (stream, behind, _) = join(&address, CID, None, Value::Null).await;
            drop(permit);
            let bytes = Arc::new(AtomicU64::new(behind.len() as u64));
            if index % SAMPLE == 0 {
                tokio::spawn(read_lines(stream, behind, bytes.clone(), shared));
            } else {
                tokio::spawn(count_bytes(stream, bytes.clone()));
            }
            Viewer { bytes }
        }));
    }
    let mut joined = Vec::new();
    for viewer in joining {
        joined.push(viewer.await.unwrap());
    }
    joined
}

async fn count_bytes(stream: TcpStream, bytes: Arc<AtomicU64>) {
    // Shared by whoever reads now: a buffer of its own for each viewer would be most of this process's memory.
    loop {
        stream.readable().await.unwrap();
        let read = BUFFER.with_borrow_mut(|buffer| stream.try_read(buffer));
        match read {
            Ok(0) => return,
            Ok(read) => {
                bytes.fetch_add(read as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
}

thread_local! {
    static BUFFER: std::cell::RefCell<Vec<u8>> = std::cell::RefCell::new(vec![0; 256 * 1024]);
}

/// Reads every line: once, in order, and how long it took.
async fn read_lines(mut stream: TcpStream, mut heard: Vec<u8>, bytes: Arc<AtomicU64>, shared: Arc<Shared>) {
    let mut next = None;
    loop {
        while let Some((payload, used)) = frame(&heard) {
            let message: Value = serde_json::from_slice(payload).unwrap_or_default();
            for line in message["bdy"].as_array().into_iter().flatten() {
                let (number, sent) = numbered(line);
                if next.is_some_and(|next| next != number) {
                    shared.broken.fetch_add(1, Ordering::Relaxed);
                }
                next = Some(number + 1);
                shared.lines.fetch_add(1, Ordering::Relaxed);
                if let Some(begun) = *shared.begun.lock() {
                    let now = begun.elapsed().as_micros() as u64;
                    shared.latencies.lock().push(now.saturating_sub(sent) as u32);
                }
            }
            heard.drain(..used);
        }
        let read = stream.read_buf(&mut heard).await.unwrap();
        if read == 0 {
            return;
        }
        bytes.fetch_add(read as u64, Ordering::Relaxed);
    }
}

/// Memory per idle viewer, and what a join costs.
async fn idle(count: usize) {
    let server = Server::start();
    let shared = Arc::new(Shared::default());
    // The first joins open the channel and warm the allocator; they are not counted.
    let first = viewers(&server, 100, &shared).await;
    sleep(Duration::from_secs(1)).await;
    let (memory, cpu, begun) = (server.resident(), server.cpu(), instant());
    let rest = viewers(&server, count, &shared).await;
    let (took, join_cpu) = (begun.elapsed().as_secs_f64(), server.cpu() - cpu);
    sleep(Duration::from_secs(5)).await;
    let (grown, quiet) = (server.resident() - memory, server.cpu());
    sleep(Duration::from_secs(10)).await;
    println!(
        "idle     {count} viewers: {:.2} KiB each, join {:.1} us CPU, {:.0} joins/s (generator is the other half), \
         {:.2} us CPU per idle viewer and second",
        grown as f64 / count as f64,
        join_cpu * 1e6 / count as f64,
        count as f64 / took,
        (server.cpu() - quiet) * 1e6 / 10.0 / count as f64,
    );
    drop((first, rest));
}

/// CPU per delivery, and how late lines come.
async fn fanout(count: usize, rate: u64) {
    let server = Server::start();
    let shared = Arc::new(Shared::default());
    let viewers = viewers(&server, count, &shared).await;
    let token = fetch_token(&server.url(), CID).await.unwrap();
    let (stream, ..) = join(&server.address, CID, Some(&token), Value::Null).await;
    let (reader, mut writer) = stream.into_split();
    tokio::spawn(drain(reader));
    let begun = instant();
    let sent = Arc::new(AtomicU64::new(0));
    let total = rate * (WARM_UP + MEASURED).as_secs();
    let counted = sent.clone();
    let sending =
        tokio::spawn(async move { send_by_the_clock(&mut writer, CID, 0, (rate, total), begun, counted).await });
    sleep(WARM_UP).await;
    *shared.begun.lock() = Some(begun);
    let (cpu, own, before, from) = (server.cpu(), own_cpu(), sent.load(Ordering::Relaxed), instant());
    sleep(MEASURED).await;
    let seconds = from.elapsed().as_secs_f64();
    let (cpu, own) = (server.cpu() - cpu, own_cpu() - own);
    let lines = sent.load(Ordering::Relaxed) - before;
    sending.await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let received: Vec<u64> = viewers.iter().map(|viewer| viewer.bytes.load(Ordering::Relaxed)).collect();
    let unequal = received.iter().filter(|bytes| **bytes != received[0]).count();
    let sampled = count.div_ceil(SAMPLE) as u64;
    let (seen, broken) = (shared.lines.load(Ordering::Relaxed), shared.broken.load(Ordering::Relaxed));
    assert_eq!((seen, broken, unequal), (total * sampled, 0, 0), "every viewer has every line, once, in order");
    let mut latencies = std::mem::take(&mut *shared.latencies.lock());
    latencies.sort_unstable();
    let deliveries = lines as f64 * count as f64;
    println!(
        "fanout   {count} viewers x {rate} lines/s: {:.2} us CPU per delivery, {:.0} deliveries/s, p50 {:.1} ms, \
         p99 {:.1} ms, {:.0} bytes a line, server {:.0} %, generator {:.0} %",
        cpu * 1e6 / deliveries,
        deliveries / seconds,
        percentile(&latencies, 0.5),
        percentile(&latencies, 0.99),
        received[0] as f64 / total as f64,
        cpu * 100.0 / seconds,
        own * 100.0 / seconds,
    );
}

/// Durable, acknowledged sends: a stated rate from many senders, each in a channel of its own.
async fn sends(rate: u64) {
    const SENDERS: u64 = 50;
    let server = Server::start();
    let shared = Arc::new(Shared::default());
    let begun = instant() + Duration::from_secs(3);
    let mut tasks = Vec::new();
    for sender in 0..SENDERS {
        let cid = format!("s{sender}");
        let token = fetch_token(&server.url(), &cid).await.unwrap();
        let (stream, ..) = join(&server.address, &cid, Some(&token), Value::Null).await;
        let (reader, writer) = stream.into_split();
        let times = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(read_acks(reader, times.clone(), shared.clone()));
        tasks.push(tokio::spawn(send_lines(writer, cid, begun, rate, SENDERS, sender, times)));
    }
    sleep_until(begun + WARM_UP).await;
    shared.latencies.lock().clear();
    let (cpu, own, from) = (server.cpu(), own_cpu(), instant());
    let acked = shared.lines.load(Ordering::Relaxed);
    sleep(MEASURED).await;
    let acked = shared.lines.load(Ordering::Relaxed) - acked;
    let seconds = from.elapsed().as_secs_f64();
    let (cpu, own) = (server.cpu() - cpu, own_cpu() - own);
    let mut latencies = std::mem::take(&mut *shared.latencies.lock());
    latencies.sort_unstable();
    let mut writers = Vec::new();
    for task in tasks {
        writers.push(task.await.unwrap());
    }
    sleep(Duration::from_secs(2)).await;
    let (total, broken) = (shared.lines.load(Ordering::Relaxed), shared.broken.load(Ordering::Relaxed));
    println!(
        "sends    {rate}/s offered by {SENDERS} senders: {:.0}/s acknowledged, p50 {:.1} ms, p99 {:.1} ms, \
         {:.1} us CPU each, refused {broken} of {}, server {:.0} %, generator {:.0} %",
        acked as f64 / seconds,
        percentile(&latencies, 0.5),
        percentile(&latencies, 0.99),
        cpu * 1e6 / acked as f64,
        total + broken,
        cpu * 100.0 / seconds,
        own * 100.0 / seconds,
    );
}

/// A sender's share of the rate: every millisecond what is due by then, in one write.
async fn send_lines(
    mut writer: OwnedWriteHalf,
    cid: String,
    begun: Instant,
    rate: u64,
    senders: u64,
    sender: u64,
    times: Arc<Mutex<Vec<Instant>>>,
) -> OwnedWriteHalf {
    let total = rate * (WARM_UP + MEASURED).as_secs() / senders;
    let mut number = 0;
    let mut tick = begun + Duration::from_micros(sender * 1_000 / senders);
    while number < total {
        sleep_until(tick).await;
        let due = ((tick - begun).as_micros() as u64 * rate / senders / 1_000_000).min(total);
        let mut burst = Vec::new();
        while number < due {
            // The time it was due, not the time it was written: a late generator doesn't flatter the server.
            times.lock().push(tick);
            burst.extend(line(&cid, number, 0));
            number += 1;
        }
        writer.write_all(&burst).await.unwrap();
        tick += Duration::from_millis(1);
    }
    // Given back: dropping it would hang up before the last answers.
    writer
}

async fn read_acks(mut reader: tokio::net::tcp::OwnedReadHalf, times: Arc<Mutex<Vec<Instant>>>, shared: Arc<Shared>) {
    let mut heard = Vec::new();
    loop {
        let mut used = 0;
        while let Some((payload, length)) = frame(&heard[used..]) {
            // Answers begin with their body; only they carry a result code.
            if let Some(code) = field(payload, b"\"retCode\":") {
                let number: usize = field(payload, b"\"tid\":\"").unwrap() as usize;
                if code == 0 {
                    let late = times.lock()[number].elapsed().as_micros() as u32;
                    shared.latencies.lock().push(late);
                    shared.lines.fetch_add(1, Ordering::Relaxed);
                } else {
                    shared.broken.fetch_add(1, Ordering::Relaxed);
                }
            }
            used += length;
        }
        heard.drain(..used);
        if reader.read_buf(&mut heard).await.unwrap() == 0 {
            return;
        }
    }
}

/// The number behind a key, found without parsing the rest.
fn field(payload: &[u8], key: &[u8]) -> Option<u64> {
    let at = payload.windows(key.len()).position(|window| window == key)? + key.len();
    let digits = payload[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&payload[at..at + digits]).ok()?.parse().ok()
}
