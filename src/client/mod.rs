//! The other end of the chat wire, for the command line and for tests.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::proto::cmd::Cmd;
use crate::proto::heard::{self, Heard};
use crate::ws::client::{ClientSocket, Received};

/// How long the server may take to answer CONNECT or an HTTP request.
const PATIENCE: Duration = Duration::from_secs(5);

/// Largest HTTP answer that is read, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Why a client is not in a channel.
#[derive(Debug, Error)]
pub enum JoinError {
    /// The server can't be reached.
    #[error("can't reach {url}: {why}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why not.
        why: String,
    },
    /// The server refused.
    #[error("refused ({code}): {words}")]
    Refused {
        /// Its result code.
        code: u16,
        /// Its words.
        words: String,
    },
}

/// What a client hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A message, as it came and as far as it is read.
    Message(String, Heard),
    /// The end, with the server's code and reason.
    Closed(u16, String),
}

/// A client in one channel.
#[derive(Debug)]
pub struct ChatClient {
    socket: ClientSocket,
    cid: String,
    writes: bool,
    tid: u64,
}

impl ChatClient {
    /// Joins `cid` at a `ws://` address: to write with a token, to read without.
    pub async fn join(url: &str, cid: &str, token: Option<&str>) -> Result<Self, JoinError> {
        let unreachable = |why: String| JoinError::Unreachable { url: url.to_owned(), why };
        let joining = async {
            let mut socket = ClientSocket::connect(url).await.map_err(|error| unreachable(error.to_string()))?;
            socket.send(&heard::connect(cid, 1, token)).await.map_err(|error| unreachable(error.to_string()))?;
            loop {
                match socket.receive().await {
                    Received::Text(text) => {
                        let heard = heard::read(&text).map_err(unreachable)?;
                        match heard.cmd {
                            Some(cmd) if cmd == Cmd::CONNECT.reply() && heard.code == 0 => {
                                return Ok(Self { socket, cid: cid.to_owned(), writes: heard.writes, tid: 1 });
                            }
                            Some(cmd) if cmd == Cmd::CONNECT.reply() => {
                                return Err(JoinError::Refused { code: heard.code, words: heard.words });
                            }
                            _ => {}
                        }
                    }
                    Received::Closed(code, reason) => {
                        return Err(unreachable(format!("closed with {code} {reason}")));
                    }
                }
            }
        };
        timeout(PATIENCE, joining).await.unwrap_or_else(|_| Err(unreachable("no answer in 5 s".to_owned())))
    }

    /// Whether this client may send.
    pub fn writes(&self) -> bool {
        self.writes
    }

    /// Sends a line; gives the `tid` that its answer will carry.
    pub async fn send(&mut self, text: &str, now_ms: i64) -> Result<String, JoinError> {
        self.tid += 1;
        let message = heard::chat(&self.cid, self.tid, text, now_ms);
        self.write(&message).await?;
        Ok(self.tid.to_string())
    }

    /// Asks for the last `count` lines.
    pub async fn ask_recent(&mut self, count: usize) -> Result<(), JoinError> {
        self.tid += 1;
        let message = heard::recent_chat(&self.cid, self.tid, count);
        self.write(&message).await
    }

    /// Sends a text as it stands.
    pub async fn write(&mut self, text: &str) -> Result<(), JoinError> {
        self.socket
            .send(text)
            .await
            .map_err(|error| JoinError::Unreachable { url: self.cid.clone(), why: error.to_string() })
    }

    /// The next message. The server's pings are answered meanwhile. Cancel-safe.
    pub async fn next(&mut self) -> Event {
        match self.socket.receive().await {
            Received::Text(text) => {
                let heard = heard::read(&text).unwrap_or_default();
                Event::Message(text, heard)
            }
            Received::Closed(code, reason) => Event::Closed(code, reason),
        }
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    content: Option<TokenContent>,
}

#[derive(Deserialize)]
struct TokenContent {
    #[serde(rename = "accessToken")]
    token: String,
}

/// Asks the gateway behind a `ws://` address for an access token, as published clients do.
pub async fn fetch_token(url: &str, cid: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?;
    let authority = uri.authority()?.as_str();
    let port = uri.port_u16().unwrap_or(80);
    let path = format!("/nng_main/v1/chats/access-token?channelId={cid}&chatType=STREAMING");
    let fetching = async {
        let stream = TcpStream::connect((host, port)).await.ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        // It ends with the answer; a failure shows in the request.
        tokio::spawn(async move { drop(connection.await) });
        let request = Request::get(&path).header(HOST, authority).body(Empty::<Bytes>::new()).ok()?;
        let answer = sender.send_request(request).await.ok()?;
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await.ok()?.to_bytes();
        let answer: TokenAnswer = serde_json::from_slice(&body).ok()?;
        answer.content.map(|content| content.token)
    };
    timeout(PATIENCE, fetching).await.ok().flatten()
}
