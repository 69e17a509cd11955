//! What it costs when many come back at once: the real program on one core, this generator on the other.
//!
//!     cargo bench --bench resume -- CLIENTS STAYING LINES
//!
//! STAYING viewers are there all the time, at 20 lines/s. CLIENTS have been away while LINES were said (1,200 are a minute
//! at that rate; they are said faster here) and come back all at once with the place where they were. Told are the time until
//! each and all of them have everything, and the latency of those who stayed, before and meanwhile.

#![expect(clippy::unwrap_used, reason = "a generator that is wrong must stop")]

mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use madang::client::fetch_token;
use madang::clock::instant;

use wire::{Server, drain, frame, join, numbered, own_cpu, percentile, send_by_the_clock};

const CID: &str = "bench";
const RATE: u64 = 20;

fn main() {
    let Some(number) = wire::numbers() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(storm(number(0, 10_000), number(1, 1_000), number(2, 1_200)));
}

/// Latencies of those who stayed, in microseconds.
type Latencies = Arc<Mutex<Vec<u32>>>;

async fn storm(clients: u64, staying: u64, lines: u64) {
    let server = Server::start();
    let latencies = Latencies::default();
    let begun = instant();
    for _ in 0..staying {
        let (stream, behind, _) = join(&server.address, CID, None, json!({"ext": 1})).await;
        tokio::spawn(stays(stream, behind, begun, latencies.clone()));
    }
    let token = fetch_token(&server.url(), CID).await.unwrap();
    let (stream, _, connected) = join(&server.address, CID, Some(&token), json!({"ext": 1})).await;
    let (reader, mut writer) = stream.into_split();
    tokio::spawn(drain(reader));
    let (epoch, place) = (connected["bdy"]["epoch"].clone(), connected["bdy"]["seq"].as_u64().unwrap());
    let sent = Arc::new(AtomicU64::new(0));
    send_by_the_clock(&mut writer, CID, 0, (200, lines), begun, sent.clone()).await;
    sleep(Duration::from_secs(2)).await;
    latencies.lock().clear();
    let talking = tokio::spawn(async move {
        send_by_the_clock(&mut writer, CID, lines, (RATE, RATE * 600), begun, sent).await;
    });
    sleep(Duration::from_secs(10)).await;
    let before = std::mem::take(&mut *latencies.lock());

    let (cpu, own, memory, from) = (server.cpu(), own_cpu(), server.resident(), instant());
    let upto = place + lines;
    let resume = json!({"ext": 1, "resume": {"epoch": epoch, "seq": place}});
    let bytes = Arc::new(AtomicU64::new(0));
    // As many as a kernel's queue of new connections takes; the gateway lets 5,000 a second join.
    let opening = Arc::new(Semaphore::new(512));
    let mut returning = Vec::new();
    for _ in 0..clients {
        let permit = opening.clone().acquire_owned().await.unwrap();
        let (address, resume, bytes) = (server.address.clone(), resume.clone(), bytes.clone());
        returning.push(tokio::spawn(async move {
            let (stream, behind, connected) = join(&address, CID, None, resume).await;
            drop(permit);
            assert_eq!(connected["bdy"]["recovered"], true, "{connected}");
            comes_back(&stream, behind, upto, &bytes).await;
            (from.elapsed().as_micros() as u32, stream)
        }));
    }
    let mut took = Vec::new();
    let mut there = Vec::new();
    for client in returning {
        let (time, stream) = client.await.unwrap();
        took.push(time);
        there.push(stream);
    }
    let seconds = from.elapsed().as_secs_f64();
    let (cpu, own, most) = (server.cpu() - cpu, own_cpu() - own, server.resident());
    let meanwhile = std::mem::take(&mut *latencies.lock());
    talking.abort();
    took.sort_unstable();
    println!(
        "resume   {clients} clients that missed {lines} lines each, {staying} who stayed: all have everything after {seconds:.1} s, \
         half of them after {:.1} s; {:.1} MB each; server {:.0} %, generator {:.0} %, {:.0} us CPU a client, \
         memory {} -> {} MiB",
        percentile(&took, 0.5) / 1e3,
        bytes.load(Ordering::Relaxed) as f64 / clients as f64 / 1e6,
        cpu * 100.0 / seconds,
        own * 100.0 / seconds,
        cpu * 1e6 / clients as f64,
        memory / 1_024,
        most / 1_024,
    );
    for (when, mut times) in [("before", before), ("meanwhile", meanwhile)] {
        times.sort_unstable();
        println!(
            "stayed   {when}: {} lines heard, p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms",
            times.len(),
            percentile(&times, 0.5),
            percentile(&times, 0.99),
            percentile(&times, 1.0)
        );
    }
    drop(there);
}

/// Somebody who is there all the time: every line once, and how long it took.
async fn stays(stream: TcpStream, mut heard: Vec<u8>, begun: Instant, latencies: Latencies) {
    let mut next = None;
    loop {
        while let Some((payload, used)) = frame(&heard) {
            let message: Value = serde_json::from_slice(payload).unwrap_or_default();
            for line in message["bdy"].as_array().into_iter().flatten() {
                let (number, sent) = numbered(line);
                assert!(next.is_none_or(|next| next == number), "every line, once");
                next = Some(number + 1);
                latencies.lock().push((begun.elapsed().as_micros() as u64).saturating_sub(sent) as u32);
            }
            heard.drain(..used);
        }
        stream.readable().await.unwrap();
        match stream.try_read_buf(&mut heard) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads until a push says that it covers all up to `upto`.
async fn comes_back(stream: &TcpStream, mut tail: Vec<u8>, upto: u64, bytes: &AtomicU64) {
    while newest(&tail).is_none_or(|newest| newest < upto) {
        stream.readable().await.unwrap();
        let kept = tail.len().saturating_sub(64);
        tail.drain(..kept);
        match stream.try_read_buf(&mut tail) {
            Ok(0) => panic!("the gateway ended it"),
            Ok(read) => drop(bytes.fetch_add(read as u64, Ordering::Relaxed)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
        tail.reserve(128 * 1024);
    }
}

/// The last place that these bytes tell of.
fn newest(bytes: &[u8]) -> Option<u64> {
    let key = b"\"upto\":";
    let at = bytes.windows(key.len()).rposition(|window| window == key)? + key.len();
    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    // Cut in the middle: the next bytes will tell.
    (at + digits < bytes.len()).then(|| std::str::from_utf8(&bytes[at..at + digits]).unwrap().parse().unwrap())
}
