//! The other end of the chat wire, for the command line and for tests.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode, Uri};
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
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

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
    let path = format!("/nng_main/v1/chats/access-token?channelId={cid}&chatType=STREAMING");
    let request = Request::get(&path).body(Full::default()).ok()?;
    let (_, body) = exchange(&uri, request).await.ok()?;
    let answer: TokenAnswer = serde_json::from_slice(&body).ok()?;
    answer.content.map(|content| content.token)
}

/// What is found at an `http://` address.
///
/// # Errors
///
/// It can't be reached, or the answer is no 2xx, longer than 4 MiB, or later than 5 s.
pub async fn get(url: &str) -> Result<String, String> {
    let (uri, path) = parse(url)?;
    let request = Request::get(path).body(Full::default()).map_err(|error| format!("{url}: {error}"))?;
    let body = expect_success(url, exchange(&uri, request).await)?;
    String::from_utf8(body.to_vec()).map_err(|error| format!("{url}: {error}"))
}

/// Sends JSON to an `http://` address with an API key.
///
/// # Errors
///
/// As [`get`]'s.
pub async fn post(url: &str, key: &str, json: String) -> Result<(), String> {
    let (uri, path) = parse(url)?;
    let request = Request::post(path)
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(json))
        .map_err(|error| format!("{url}: {error}"))?;
    expect_success(url, exchange(&uri, request).await).map(drop)
}

fn parse(url: &str) -> Result<(Uri, String), String> {
    let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
    if uri.scheme_str() != Some("http") {
        return Err(format!("{url}: http://HOST:PORT/PATH"));
    }
    let path = uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    Ok((uri, path))
}

fn expect_success(url: &str, answer: Result<(StatusCode, Bytes), String>) -> Result<Bytes, String> {
    match answer {
        Ok((status, body)) if status.is_success() => Ok(body),
        Ok((status, body)) => {
            let words = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
            Err(format!("{url}: {status}: {words}"))
        }
        Err(why) => Err(format!("{url}: {why}")),
    }
}

/// One request on a connection of its own.
async fn exchange(uri: &Uri, mut request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), String> {
    let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else { return Err("no host".to_owned()) };
    let port = uri.port_u16().unwrap_or(80);
    let named = authority.as_str().parse().map_err(|_| "no host".to_owned())?;
    request.headers_mut().insert(HOST, named);
    let exchanging = async {
        let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
        // It ends with the answer; a failure shows in the request.
        tokio::spawn(async move { drop(connection.await) });
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body =
            Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    };
    timeout(PATIENCE, exchanging).await.unwrap_or_else(|_| Err("no answer in 5 s".to_owned()))
}
