//! The real program in a process of its own, and raw sockets to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::frames::{Frame, split};

/// How long the program may take to start, answer or end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program that is tested.
pub(crate) fn madang() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_madang"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MADANG_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    madang().args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// A running gateway. Dropping it kills it.
pub(crate) struct Gateway {
    child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    /// Where `/v1`, metrics and health are: the same with `--dev`.
    pub(crate) admin: String,
    /// What it printed when it started.
    pub(crate) welcome: Vec<String>,
    pub(crate) data: PathBuf,
}

impl Gateway {
    /// `serve --dev` on any port.
    pub(crate) fn dev(data: &Path) -> Self {
        Self::start(data, &["--dev"], &[])
    }

    /// `serve` on any port.
    pub(crate) fn start(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = madang();
        command.args(["serve", "--data"]).arg(data).args(arguments);
        if environment.iter().all(|(name, _)| *name != "MADANG_LISTEN") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if !arguments.contains(&"--dev") {
            command.args(["--admin-listen", "127.0.0.1:0"]);
        }
        command.env("MADANG_DRAIN_SECONDS", "0").envs(environment.iter().copied());
        Self::spawn(command, data)
    }

    /// `serve` with so many KiB of memory at most: an allocation beyond them ends the process.
    pub(crate) fn capped(kib: u64, data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new("sh");
        // RLIMIT_DATA: heap and private mappings, so everything but the program's own code.
        let script = r#"ulimit -d "$1" && shift && exec "$0" serve --listen 127.0.0.1:0 "$@""#;
        command.args(["-c", script, env!("CARGO_BIN_EXE_madang"), &kib.to_string(), "--data"]).arg(data);
        if !arguments.contains(&"--dev") {
            command.args(["--admin-listen", "127.0.0.1:0"]);
        }
        command.args(arguments).envs(environment.iter().copied());
        Self::spawn(command, data)
    }

    /// The memory that the process has now, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// One of its metrics, without labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.admin_http("GET", "/metrics", &[], "");
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")))
            .unwrap_or_else(|| panic!("{name} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// `serve --dev` on a socket that somebody else listens on, passed as systemd does.
    pub(crate) fn inheriting(listener: &TcpListener, data: &Path) -> Self {
        Self::spawn(Self::inheritor(listener, data, &["--dev"]), data)
    }

    /// The same, without waiting for it to start.
    pub(crate) fn inherited(listener: &TcpListener, data: &Path, arguments: &[&str]) -> Child {
        let mut command = Self::inheritor(listener, data, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn inheritor(listener: &TcpListener, data: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        let script = r#"LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" serve "$@" 3<&0 </dev/null"#;
        command.args(["-c", script, env!("CARGO_BIN_EXE_madang"), "--data"]).arg(data).args(arguments);
        command.stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap())));
        command
    }

    /// A gateway whose traces are kept: they are there when it has ended.
    pub(crate) fn traced(mut command: Command, data: &Path) -> (Self, std::thread::JoinHandle<String>) {
        let mut gateway = Self::spawn_with(command.stderr(Stdio::piped()), data);
        let mut stderr = gateway.child.stderr.take().unwrap();
        let traces = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        (gateway, traces)
    }

    fn spawn(mut command: Command, data: &Path) -> Self {
        Self::spawn_with(command.stderr(Stdio::inherit()), data)
    }

    fn spawn_with(command: &mut Command, data: &Path) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut welcome = vec![lines.next().expect("it says where it listens").unwrap()];
        let address = welcome[0].rsplit(' ').next().unwrap().to_owned();
        while !welcome.last().unwrap().starts_with("  data") {
            welcome.push(lines.next().unwrap().unwrap());
        }
        // What it prints afterwards must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        let admin =
            welcome.iter().find_map(|line| line.split_once("http://")?.1.split_once("/v1/")).unwrap().0.to_owned();
        Self { child, address, admin, welcome, data: data.to_owned() }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/chat", self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn terminate(self) -> ExitStatus {
        self.signal("-TERM");
        self.ended()
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap().success());
    }

    /// How it ends by itself.
    pub(crate) fn ended(mut self) -> ExitStatus {
        for _ in 0..PATIENCE.as_millis() / 10 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end")
    }

    /// An HTTP request, and the status and body of its answer.
    pub(crate) fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let (head, body) = exchange(&self.address, method, path, headers, body);
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }

    /// The same of the port of the site's own programs.
    pub(crate) fn admin_http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let (head, body) = exchange(&self.admin, method, path, headers, body);
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }

    /// A GET of something in JSON.
    pub(crate) fn json(&self, path: &str) -> Value {
        let (status, body) = self.http("GET", path, &[], "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// A request to `/v1` with the key of the data directory.
    pub(crate) fn site(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let key = std::fs::read_to_string(self.data.join("api-key")).unwrap();
        let headers = [("Authorization", &*format!("Bearer {key}")), ("Content-Type", "application/json")];
        let (status, answer) = self.admin_http(method, path, &headers, body);
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    /// A guest's token.
    pub(crate) fn guest_token(&self, cid: &str) -> String {
        let answer = self.json(&format!("/nng_main/v1/chats/access-token?channelId={cid}&chatType=STREAMING"));
        answer["content"]["accessToken"].as_str().unwrap().to_owned()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP request to anywhere, and the head and body of its answer.
pub(crate) fn exchange(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// A WebSocket handshake at its usual path.
pub(crate) const HANDSHAKE: &[u8] = b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A WebSocket client that writes whatever it is told to.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
    heard: Vec<Frame>,
}

impl Raw {
    /// Connects, with `early` in the same packet as the handshake.
    pub(crate) fn connect(address: &str, early: &[u8]) -> Self {
        Self::begin(TcpStream::connect(address).unwrap(), address, "/chat", early)
    }

    /// Connects on a connection of one's own, at any path.
    pub(crate) fn begin(mut stream: TcpStream, address: &str, path: &str, early: &[u8]) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), early].concat()).unwrap();
        Self::upgraded(stream)
    }

    /// A connection that has asked for the upgrade and not heard the answer.
    pub(crate) fn upgraded(mut stream: TcpStream) -> Self {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.to_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
        Self::over(stream)
    }

    /// A connection that was upgraded already.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new(), heard: Vec::new() }
    }

    /// Joins a broadcast to write.
    pub(crate) fn join(gateway: &Gateway, cid: &str) -> Self {
        let token = gateway.guest_token(cid);
        let mut raw = Self::connect(&gateway.address, &[]);
        let connect = serde_json::json!({"cmd": 100, "cid": cid, "bdy": {"auth": "SEND", "accTkn": token}});
        raw.text(&connect.to_string());
        assert_eq!(raw.hears(10100)["retCode"], 0);
        raw
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.write(&masked(0x81, text.as_bytes()));
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame; `None` when the connection has ended.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            if !self.heard.is_empty() {
                return Some(self.heard.remove(0));
            }
            let mut buffer = [0; 65_536];
            match self.stream.read(&mut buffer).expect("something is heard in time") {
                0 => return None,
                read => self.unread.extend_from_slice(&buffer[..read]),
            }
            self.heard.extend(split(&mut self.unread));
        }
    }

    /// The next message with this number.
    pub(crate) fn hears(&mut self, cmd: u64) -> Value {
        loop {
            match self.next() {
                Some(Frame::Text(text)) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["cmd"] == cmd {
                        return message;
                    }
                }
                Some(Frame::Ping | Frame::Pong(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The close that ends the connection.
    pub(crate) fn hears_close(&mut self) -> (u16, String) {
        loop {
            match self.next() {
                Some(Frame::Close(code, reason)) => return (code, reason),
                Some(_) => {}
                None => panic!("it ended without a close"),
            }
        }
    }
}

/// A connection from this address that takes only a few kilobytes before it is read.
pub(crate) fn connect_from(source: Ipv4Addr, address: &str) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(4_096)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&address.parse::<SocketAddr>().unwrap().into())?;
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Waits for something that must come.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_200 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what}");
}

/// A client's frame: masked, with a key of zeros.
pub(crate) fn masked(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![head];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        medium @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((medium as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}
