//! A chat server with one fault, for whoever has to find it: just enough of the wire for a load generator, on a port of its
//! own in this process.

mod chat;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinHandle;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use chat::{Chat, Next};

/// What is wrong with the server. Each happens once, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// One member isn't told a line.
    Drops,
    /// One member is told a line twice.
    Repeats,
    /// One member is told two lines in the wrong order.
    Swaps,
    /// One send becomes two lines.
    Doubles,
    /// A line is acknowledged and told to nobody.
    Swallows,
    /// A line is told and not answered.
    Mute,
    /// A line is refused as the real service refuses, without a body, and not told: no fault, but an answer that is easily
    /// overlooked.
    RefusesBarely,
    /// A line is refused and told.
    TellsRefused,
    /// An answer comes that nobody asked for.
    AnswersUnasked,
    /// A line is acknowledged with another time than it is told with.
    AnswersOtherwise,
    /// What is hidden is acknowledged, and nobody is told.
    HidesSilently,
    /// RECENT_CHAT is never answered.
    IgnoresRecent,
    /// RECENT_CHAT has the text of whatever is hidden, always.
    RecentShows,
    /// One member is told a hidden line again, with its text, behind the act that hid it.
    RetellsHidden,
    /// Newcomers are told the last lines with their text, hidden or not, always.
    GreetsWithHidden,
    /// There is one member more than there are, always.
    Miscounts,
    /// Pushes of the extended layer jump over places that nobody covers.
    Jumps,
    /// A push of the extended layer says that lines are left out.
    LeavesOut,
    /// Whoever comes back is said to have recovered and is told nothing of what it missed, always.
    ForgetsMissed,
    /// Whoever comes back is told that what it missed is gone, always.
    HasForgotten,
    /// Whoever comes back is told its last line again, always.
    RepeatsMissed,
    /// A push on the plain wire has more than 40,000 bytes.
    Fat,
    /// A frame of 10 MB.
    Huge,
    /// Bytes that are no frame.
    Garbage,
    /// A message that is no JSON.
    NoJson,
    /// Whoever has said a line is closed with 1011.
    HangsUp,
    /// Nothing more is read of whoever has said a line, always.
    StopsReading,
    /// Connections are closed at once.
    Slams,
    /// Connections are taken, and nothing comes.
    Silent,
    /// The upgrade is answered, CONNECT isn't.
    Upgrades,
    /// The upgrade is answered by 403.
    Forbids,
    /// CONNECT is refused with 401.
    Unauthorized,
    /// Nobody is given a token.
    NoTokens,
}

/// Messages that wait for a connection, at most: more than any run of these tests has.
const QUEUE: usize = 10_000;

/// What a connection is to write.
enum Out {
    Text(String),
    Bytes(Vec<u8>),
    Close(u16),
}

/// Whom to tell.
type Tell = Sender<Out>;

/// A running server. Dropping it ends it.
pub(crate) struct Faulty {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Faulty {
    /// A server with a fault from its first connection on.
    pub(crate) async fn start(fault: Fault) -> Self {
        Self::sound_first(fault, 0).await
    }

    /// A server whose door is in order for so many connections; what is wrong behind it is wrong for all.
    pub(crate) async fn sound_first(fault: Fault, sound: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let chat = Arc::new(Chat::new(fault));
        let task = tokio::spawn(async move {
            let mut number = 0;
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let door = if number < sound { Fault::None } else { fault };
                tokio::spawn(serve(stream, number, door, chat.clone()));
                number += 1;
            }
        });
        Self { address, task }
    }

    /// Its chat socket.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/chat", self.address)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, number: u64, door: Fault, chat: Arc<Chat>) {
    match door {
        Fault::Slams => return,
        Fault::Silent => return wait_for_the_end(stream).await,
        _ => {}
    }
    // Enough to tell a question for a token from an upgrade, which the socket has to read itself.
    let mut line = [0; 9];
    while stream.peek(&mut line).await.unwrap_or(0) < line.len() {
        if stream.peek(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    if &line == b"GET /nng_" && door == Fault::NoTokens {
        return answer(stream, "404 Not Found", "{}").await;
    }
    if &line == b"GET /nng_" {
        let json = r#"{"code":200,"message":null,"content":{"accessToken":"anybody","extraToken":"","temporaryRestrict":null}}"#;
        return answer(stream, "200 OK", json).await;
    }
    match door {
        Fault::Forbids => answer(stream, "403 Forbidden", "").await,
        _ => session(stream, number, door, &chat).await,
    }
}

async fn wait_for_the_end(mut stream: TcpStream) {
    let mut buffer = [0; 1_024];
    while stream.read(&mut buffer).await.unwrap_or(0) > 0 {}
}

async fn answer(mut stream: TcpStream, status: &str, body: &str) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        request.push(byte);
    }
    let many = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {many}\r\nConnection: close\r\n\r\n");
    // Whoever has asked may be gone.
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}

async fn session(stream: TcpStream, number: u64, door: Fault, chat: &Chat) {
    let Ok(mut socket) = accept_async(stream).await else { return };
    if door == Fault::Upgrades {
        while let Some(Ok(_)) = socket.next().await {}
        return;
    }
    let (tell, mut told) = channel(QUEUE);
    let mut hears = true;
    loop {
        let went = tokio::select! {
            out = told.recv() => match out {
                Some(Out::Text(text)) => socket.send(Message::text(text)).await.is_ok(),
                Some(Out::Bytes(bytes)) => socket.get_mut().write_all(&bytes).await.is_ok(),
                Some(Out::Close(code)) => {
                    let _ = socket.close(Some(CloseFrame { code: code.into(), reason: "a fault".into() })).await;
                    true
                }
                None => false,
            },
            heard = socket.next(), if hears => match heard {
                Some(Ok(Message::Text(text))) => {
                    hears = chat.take(number, door, &text, &tell) == Next::Hear;
                    true
                }
                Some(Ok(_)) => true,
                _ => false,
            },
        };
        if !went {
            break;
        }
    }
    chat.leave(number);
}
