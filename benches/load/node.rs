//! The same viewers in Node, on core 1; their lines come from here.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::drive::{Load, MEASURED, WARM_UP};
use super::figures::Figures;
use super::wire::{self, Server};

/// Where `viewers.mjs` and its library are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/viewers");

/// The broadcast.
const CID: &str = "bench";

/// How long it counts, in seconds, and how long lines come meanwhile: each is counted with all that it costs.
const SECONDS: u64 = WARM_UP + MEASURED;
const SPOKEN: f64 = SECONDS as f64 - 0.5;

/// What `viewers.mjs` prints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counted {
    viewers: u64,
    joined: u64,
    cpu_seconds: f64,
    rss_before: u64,
    rss_joined: u64,
    lines: u64,
    out_of_order: u64,
    lost: u64,
}

/// Says at once if it is missing, not after minutes.
pub(super) fn look() {
    versions();
}

/// Versions of Node and of the library.
pub(super) fn versions() -> (String, String) {
    let output = Command::new("node").arg("--version").output().expect("Node is there");
    let package = std::fs::read_to_string(format!("{FOLDER}/node_modules/ws/package.json"));
    let package: Value = serde_json::from_str(&package.expect("npm ci was run in benches/viewers")).unwrap();
    let node = String::from_utf8(output.stdout).unwrap().trim().trim_start_matches('v').to_owned();
    (node, package["version"].as_str().unwrap().to_owned())
}

/// Lets Node play the viewers, and sends them lines by the clock.
pub(super) fn play(server: &Server, load: Load) -> Figures {
    let mut child = Command::new("taskset")
        .args(["-c", "1", "node", "viewers.mjs", &server.url(), CID])
        .args([load.viewers.to_string(), SECONDS.to_string()])
        .current_dir(FOLDER)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = String::new();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    errors.read_line(&mut words).unwrap();
    assert_eq!(words.trim(), "joined", "viewers.mjs has all of them in");
    let before = server.cpu();
    send(server, load.rate);
    let spent = server.cpu() - before;
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    let counted: Counted = serde_json::from_str(&text).unwrap();
    assert_eq!((counted.joined, counted.lost, counted.out_of_order), (counted.viewers, 0, 0), "{text}");
    figures(&counted, spent)
}

fn send(server: &Server, rate: f64) {
    let total = (SPOKEN * rate) as u64;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (stream, ..) = wire::join(&server.address, CID, Some("guest"), Value::Null).await;
        let (reader, mut writer) = stream.into_split();
        let draining = tokio::spawn(wire::drain(reader));
        let pace = (rate as u64, total);
        wire::send_by_the_clock(&mut writer, CID, 0, pace, madang::clock::instant(), Arc::default()).await;
        // Whoever leaves at once takes unread lines with it, and is cut off.
        tokio::time::sleep(Duration::from_millis(200)).await;
        draining.abort();
    });
}

fn figures(counted: &Counted, spent: f64) -> Figures {
    let lines = counted.lines as f64;
    let came = counted.rss_joined.saturating_sub(counted.rss_before) as f64;
    Figures {
        server_cpu: Some(spent * 1e6 / lines),
        server_busy: None,
        server_memory: None,
        own_cpu: Some(counted.cpu_seconds * 1e6 / lines),
        own_memory: came / counted.viewers as f64,
        own_busy: counted.cpu_seconds / SPOKEN,
        deliveries: lines / SPOKEN,
        p50: None,
        p99: None,
        limits: Vec::new(),
    }
}
