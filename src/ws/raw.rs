//! A client's end without an object of the library for each connection: the handshake as bytes, frames as bytes.
//!
//! For whoever holds tens of thousands of connections and reads of most of them no more than the heads of frames. The
//! library still writes and reads every head, masks every frame and knows the handshake's key.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

/// Longest head of an HTTP answer that is read, in bytes.
pub const LONGEST_ANSWER: usize = 16 * 1024;

/// Most lines in the head of an HTTP answer.
const ANSWER_LINES: usize = 64;

/// What comes back of an upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not all of it is there.
    Partial,
    /// The connection is a WebSocket; frames begin behind so many bytes.
    Upgraded(usize),
    /// It is none, and why.
    Refused(String),
}

/// The handshake of a client, the same for each of its connections.
#[derive(Clone, Debug)]
pub struct Handshake {
    request: Vec<u8>,
    accept: String,
}

impl Handshake {
    /// For a path of a host, `host` as the `Host` line has it.
    pub fn new(host: &str, path: &str) -> Self {
        let key = generate_key();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        );
        Self { request: request.into_bytes(), accept: derive_accept_key(key.as_bytes()) }
    }

    /// What to write on a new connection.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Reads what has come back so far.
    pub fn read(&self, bytes: &[u8]) -> Answer {
        let mut lines = [httparse::EMPTY_HEADER; ANSWER_LINES];
        let mut answer = httparse::Response::new(&mut lines);
        let end = match answer.parse(bytes) {
            Ok(httparse::Status::Complete(end)) => end,
            Ok(httparse::Status::Partial) if bytes.len() <= LONGEST_ANSWER => return Answer::Partial,
            Ok(httparse::Status::Partial) => return Answer::Refused("an endless answer to the upgrade".to_owned()),
            Err(error) => return Answer::Refused(format!("no HTTP answer to the upgrade: {error}")),
        };
        let code = answer.code.unwrap_or_default();
        if code != 101 {
            return Answer::Refused(format!("{code} {} instead of an upgrade", answer.reason.unwrap_or_default()));
        }
        let accepted = answer
            .headers
            .iter()
            .any(|line| line.name.eq_ignore_ascii_case("Sec-WebSocket-Accept") && line.value == self.accept.as_bytes());
        if accepted { Answer::Upgraded(end) } else { Answer::Refused("a wrong Sec-WebSocket-Accept".to_owned()) }
    }
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message or its first piece.
    Data,
    /// The next piece of a message.
    More,
    /// To be answered by a pong.
    Ping,
    /// An answer to a ping.
    Pong,
    /// The end.
    Close,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What follows.
    pub kind: Kind,
    /// Whether a message ends with this frame.
    pub last: bool,
    /// Bytes of the head.
    pub bytes: usize,
    /// Bytes behind it.
    pub payload: u64,
}

/// Reads the head of a frame of a server; `None` when not all of it is there.
///
/// # Errors
///
/// Says what is wrong with bytes that can't be a server's frame.
pub fn head(bytes: &[u8]) -> Result<Option<Head>, String> {
    let mut cursor = Cursor::new(bytes);
    let Some((header, payload)) = FrameHeader::parse(&mut cursor).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    if header.rsv1 || header.rsv2 || header.rsv3 {
        return Err("a frame with reserved bits".to_owned());
    }
    if header.mask.is_some() {
        return Err("a masked frame of a server".to_owned());
    }
    let kind = match header.opcode {
        OpCode::Data(Data::Text | Data::Binary) => Kind::Data,
        OpCode::Data(Data::Continue) => Kind::More,
        OpCode::Control(Control::Ping) => Kind::Ping,
        OpCode::Control(Control::Pong) => Kind::Pong,
        OpCode::Control(Control::Close) => Kind::Close,
        other => return Err(format!("a frame of the kind {other:?}")),
    };
    if !matches!(kind, Kind::Data | Kind::More) && (payload > 125 || !header.is_final) {
        return Err("a control frame that is too long or in pieces".to_owned());
    }
    let bytes = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
    Ok(Some(Head { kind, last: header.is_final, bytes, payload }))
}

/// The code and the reason in the payload of a Close; 1005 when it has none.
pub fn closing(payload: &[u8]) -> (u16, String) {
    match payload {
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason).into_owned()),
        _ => (1005, String::new()),
    }
}

/// Adds one text message of a client.
pub fn text(text: &str, out: &mut Vec<u8>) {
    masked(Frame::message(text.as_bytes().to_vec(), OpCode::Data(Data::Text), true), out);
}

/// Adds the answer to a ping.
pub fn pong(payload: &[u8], out: &mut Vec<u8>) {
    masked(Frame::pong(payload.to_vec()), out);
}

/// Adds a farewell.
pub fn close(code: u16, out: &mut Vec<u8>) {
    masked(Frame::close(Some(CloseFrame { code: code.into(), reason: "".into() })), out);
}

fn masked(mut frame: Frame, out: &mut Vec<u8>) {
    frame.header_mut().mask = Some(rand::random());
    // A `Vec` takes whatever is written to it.
    let _ = frame.format(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::close::CloseCode;
    use crate::ws::frames::Frames;

    #[test]
    fn a_handshake_is_known_by_its_key() {
        let handshake = Handshake::new("127.0.0.1:8080", "/chat");
        let request = String::from_utf8(handshake.request().to_vec()).unwrap();
        assert!(request.starts_with("GET /chat HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n") && request.ends_with("\r\n\r\n"));
        let right = format!("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {}\r\n\r\n", handshake.accept);
        assert_eq!(handshake.read(&right.as_bytes()[..40]), Answer::Partial);
        assert_eq!(handshake.read(format!("{right}\u{1}").as_bytes()), Answer::Upgraded(right.len()));
        let wrong = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: bm8=\r\n\r\n";
        assert!(matches!(handshake.read(wrong), Answer::Refused(_)));
        let other = b"HTTP/1.1 404 Not Found\r\n\r\n";
        assert_eq!(handshake.read(other), Answer::Refused("404 Not Found instead of an upgrade".to_owned()));
        assert!(matches!(handshake.read(b"SSH-2.0-x\r\n"), Answer::Refused(_)));
    }

    #[test]
    fn heads_are_read_as_far_as_they_are_there() {
        let long = Frames::text(&"x".repeat(70_000));
        let bytes = long.bytes();
        assert_eq!(head(&bytes[..9]).unwrap(), None);
        assert_eq!(head(bytes).unwrap(), Some(Head { kind: Kind::Data, last: true, bytes: 10, payload: 70_000 }));
        let end = Frames::close(CloseCode::TryLater, "slow");
        let found = head(end.bytes()).unwrap().unwrap();
        assert_eq!((found.kind, closing(&end.bytes()[found.bytes..])), (Kind::Close, (1013, "slow".to_owned())));
    }

    #[test]
    fn what_no_server_sends_is_named() {
        assert!(head(b"\xc1\x00").is_err(), "reserved bits");
        assert!(head(b"\x81\x80aaaa").is_err(), "masked");
        assert!(head(b"\x09\x00").is_err(), "a ping in pieces");
        assert!(head(b"\x83\x00").is_err(), "an unknown kind");
    }

    #[test]
    fn a_frame_of_ours_is_masked() {
        let mut out = Vec::new();
        text("hello", &mut out);
        assert_eq!((out[0], out[1], out.len()), (0x81, 0x85, 2 + 4 + 5));
        let clear: Vec<u8> = out[6..].iter().zip(out[2..6].iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        assert_eq!(clear, b"hello");
    }
}
