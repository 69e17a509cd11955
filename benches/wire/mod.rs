//! The program, pinned to one core, and a client of its wire without a library: what the measurements share.

#![allow(dead_code, reason = "each measurement uses its part")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep_until};

/// Text of a line, so that it has about 900 bytes on the wire.
const TEXT_BYTES: usize = 300;

/// Says to this program that it has been started again where it belongs.
const PINNED: &str = "MEASURE_PINNED";

/// The numbers that were asked for, by their place, or what is usual; on core 1. None when it is `cargo test` that runs this,
/// which is to say nothing.
pub(crate) fn numbers() -> Option<impl Fn(usize, u64) -> u64> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if std::env::args().all(|argument| argument != "--bench") && !is_on_core_1() {
        return None;
    }
    on_core_1(&arguments);
    Some(move |index: usize, usual| arguments.get(index).map_or(usual, |text| text.parse().unwrap()))
}

/// Whether this is the generator where it belongs.
pub(crate) fn is_on_core_1() -> bool {
    std::env::var_os(PINNED).is_some()
}

/// Starts this program again on core 1, unless it is there, with as many open files as it may have.
pub(crate) fn on_core_1(arguments: &[String]) {
    if !is_on_core_1() {
        let this = std::env::current_exe().unwrap();
        let status = Command::new("taskset").args(["-c", "1"]).arg(this).args(arguments).env(PINNED, "1").status();
        std::process::exit(status.expect("taskset (util-linux) is there").code().unwrap_or(1));
    }
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
}

/// A server, pinned to core 0: the program, or what it is compared with.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    data: tempfile::TempDir,
}

impl Server {
    /// The program.
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut command = on_core_0(env!("CARGO_BIN_EXE_madang"));
        command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
        Self::listening(&mut command, data)
    }

    /// Another program, which says last on its first line where it listens.
    pub(crate) fn start_other(program: impl AsRef<OsStr>, arguments: &[&str]) -> Self {
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self::listening(on_core_0(program).args(arguments), data)
    }

    fn listening(command: &mut Command, data: tempfile::TempDir) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.next().unwrap().unwrap().rsplit(' ').next().unwrap().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, data }
    }

    /// Its process: taskset has become it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/chat", self.address)
    }

    /// The site API's key.
    pub(crate) fn key(&self) -> String {
        std::fs::read_to_string(self.data.path().join("api-key")).unwrap().trim().to_owned()
    }

    /// Processor time so far, in seconds; counted by the kernel in hundredths.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

fn on_core_0(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This process's own processor time: a generator that is full measures itself.
pub(crate) fn own_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Opens a connection and joins it, without a library: the handshake, then CONNECT, with what `ext` adds to it. Gives the
/// stream, what came behind CONNECTED, and that.
pub(crate) async fn join(address: &str, cid: &str, token: Option<&str>, ext: Value) -> (TcpStream, Vec<u8>, Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let head = format!(
        "GET /chat HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
        assert!(stream.read_buf(&mut heard).await.unwrap() > 0);
    }
    let end = heard.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    heard.drain(..end);
    let auth = if token.is_some() { "SEND" } else { "READ" };
    let mut body = json!({"auth": auth, "accTkn": token});
    body.as_object_mut().unwrap().extend(ext.as_object().cloned().unwrap_or_default());
    let connect = json!({"ver": "3", "cmd": 100, "svcid": "game", "cid": cid, "tid": 1, "bdy": body});
    stream.write_all(&masked(connect.to_string().as_bytes())).await.unwrap();
    loop {
        if let Some((payload, used)) = frame(&heard) {
            let message: Value = serde_json::from_slice(payload).unwrap();
            assert_eq!((&message["cmd"], &message["retCode"]), (&json!(10_100), &json!(0)), "{message}");
            heard.drain(..used);
            return (stream, heard, message);
        }
        assert!(stream.read_buf(&mut heard).await.unwrap() > 0);
    }
}

pub(crate) fn masked(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    let mut frame = vec![0x81];
    if length < 126 {
        frame.push(0x80 | length as u8);
    } else {
        frame.push(0x80 | 126);
        frame.extend(length.to_be_bytes());
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The payload of the first whole frame, and the bytes it takes in all.
pub(crate) fn frame(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (&[_, short], rest) = bytes.split_first_chunk::<2>()?;
    let (length, start) = match short & 0x7f {
        126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*rest.first_chunk()?), 10),
        short => (u64::from(short), 2),
    };
    let end = start + usize::try_from(length).unwrap();
    bytes.get(start..end).map(|payload| (payload, end))
}

pub(crate) fn line(cid: &str, number: u64, sent: u64) -> Vec<u8> {
    let mut text = format!("{number} {sent} ");
    text.extend(std::iter::repeat_n('x', TEXT_BYTES.saturating_sub(text.len())));
    let body = json!({"msg": text, "msgTypeCode": 1, "msgTime": sent, "extras": "{\"osType\":\"PC\"}"});
    masked(
        json!({"cmd": 3101, "svcid": "game", "cid": cid, "tid": number, "retry": false, "bdy": body})
            .to_string()
            .as_bytes(),
    )
}

/// The number and the time that a line says of itself.
pub(crate) fn numbered(line: &Value) -> (u64, u64) {
    let mut words = line["msg"].as_str().unwrap().split(' ').map(|word| word.parse().unwrap());
    (words.next().unwrap(), words.next().unwrap())
}

pub(crate) fn percentile(sorted: &[u32], share: f64) -> f64 {
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
}

/// Sends lines at a rate, whatever comes of them; their numbers begin at `first`, their times at `begun`.
pub(crate) async fn send_by_the_clock(
    writer: &mut OwnedWriteHalf,
    cid: &str,
    first: u64,
    (rate, total): (u64, u64),
    begun: Instant,
    sent: Arc<AtomicU64>,
) {
    let from = begun.elapsed();
    for turn in 0..total {
        sleep_until(begun + from + Duration::from_micros(turn * 1_000_000 / rate)).await;
        writer.write_all(&line(cid, first + turn, begun.elapsed().as_micros() as u64)).await.unwrap();
        sent.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) async fn drain(mut reader: OwnedReadHalf) {
    let mut buffer = vec![0; 64 * 1024];
    while reader.read(&mut buffer).await.unwrap() > 0 {}
}
