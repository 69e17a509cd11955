//! The server's end of one connection: whole messages in.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::Config;
use super::close::CloseCode;
use super::frames::Frames;
use super::io::SharedIo;
use super::outbox::Outbox;
use super::sock::Sock;

/// How long a closing peer may take to read what is queued and to answer the Close.
const LINGER: Duration = Duration::from_secs(5);

/// Largest read buffer kept by an idle connection.
const READ_BUFFER: usize = 1024;

/// The code of a Close that has none.
const NO_CODE: u16 = 1005;

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound {
    /// A whole message: text, or binary that is UTF-8 (Chzzk takes both, facts 1).
    Text(Utf8Bytes),
    /// A binary message that is not UTF-8.
    NotText,
    /// A ping or pong, answered already: the peer is alive.
    Alive,
    /// Nothing more comes.
    End(Ended),
}

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The peer closed, with this code; 1005 when it gave none (RFC 6455, 7.1.5).
    ByPeer(u16),
    /// The peer broke a rule, and was told so.
    Broken(CloseCode, &'static str),
    /// The peer did not read, and its queue was full.
    Slow,
    /// The peer is gone.
    Lost,
}

/// The server's end of one connection.
pub struct Connection {
    // Boxed: each future that a connection is handed to would have room for it.
    stream: Box<WebSocketStream<SharedIo>>,
    outbox: Arc<Outbox>,
}

impl Connection {
    /// The connection on `sock` after its handshake; `early` are bytes that were read with it, `queued` counts the bytes
    /// of all outgoing queues.
    pub async fn new(sock: Box<dyn Sock>, early: Bytes, config: Config, queued: Gauge) -> Self {
        let outbox = Arc::new(Outbox::new(sock, config.queue_bytes, queued));
        let settings = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(8 * 1024)
            .max_message_size(Some(config.message_bytes))
            .max_frame_size(Some(config.message_bytes));
        let io = SharedIo::new(outbox.clone(), early);
        let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(settings)).await;
        Self { stream: Box::new(stream), outbox }
    }

    /// Where everything for this connection goes.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// The next message. Also writes what is queued, so it must be waited for all the time. Cancel-safe.
    pub async fn next(&mut self) -> Inbound {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Inbound::Text(text),
            Some(Ok(Message::Binary(bytes))) => Utf8Bytes::try_from(bytes).map_or(Inbound::NotText, Inbound::Text),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Inbound::Alive,
            Some(Ok(Message::Close(close))) => {
                Inbound::End(Ended::ByPeer(close.map_or(NO_CODE, |close| close.code.into())))
            }
            Some(Ok(Message::Frame(_))) | None => Inbound::End(self.lost()),
            Some(Err(error)) => Inbound::End(self.broken(&error)),
        }
    }

    /// Writes what is queued for as long as it is waited for: to be waited for beside whatever keeps the connection's task
    /// from [`next`](Self::next).
    pub async fn drain(&self) -> ! {
        let never = poll_fn(|cx| {
            // A socket that fails is noticed by whoever reads it next.
            let _ = self.outbox.poll_drain(cx);
            Poll::Pending
        });
        never.await
    }

    /// Asks the peer for a sign of life.
    pub fn ping(&self) {
        // A connection that can't be pinged ends by its own reader.
        let _ = self.outbox.push(&Frames::ping());
    }

    /// Ends the connection: a Close if there was none, then what is queued, within five seconds.
    pub async fn finish(self, code: CloseCode, reason: &str) {
        self.outbox.close(code, reason);
        let last_words = async {
            poll_fn(|cx| self.outbox.poll_finished(cx)).await;
            self.outbox.sock().shut();
            poll_fn(|cx| self.poll_discard(cx)).await;
        };
        // A peer that does not take its last words in time is cut off.
        let _ = timeout(LINGER, last_words).await;
    }

    /// Reads to the peer's end of stream: unread bytes would make the kernel reset the connection before the peer has
    /// read our Close.
    fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<()> {
        let sock = self.outbox.sock();
        let mut discarded = [0; 4096];
        while let Ok(()) = ready!(sock.poll_read_ready(cx)) {
            match sock.try_read(&mut discarded) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                _ => {}
            }
        }
        Poll::Ready(())
    }

    fn lost(&self) -> Ended {
        if self.outbox.has_given_up() { Ended::Slow } else { Ended::Lost }
    }

    fn broken(&self, error: &Error) -> Ended {
        let (code, reason) = match error {
            // A peer that goes without a Close is gone; it has broken nothing that could be told it.
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return self.lost(),
            Error::Protocol(_) => (CloseCode::Protocol, "broken framing"),
            Error::Utf8(_) => (CloseCode::NotUtf8, "text that is not UTF-8"),
            Error::Capacity(_) => (CloseCode::TooLarge, "message too large"),
            _ => return self.lost(),
        };
        self.outbox.close(code, reason);
        Ended::Broken(code, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sock::Memory;
    use super::*;

    #[tokio::test]
    async fn half_a_message_is_no_sign_of_life() {
        let sock = Memory::default();
        let mut connection =
            Connection::new(Box::new(sock.clone()), Bytes::new(), Config::default(), Gauge::default()).await;
        let message = b"\x81\x85\0\0\0\0hello";
        for byte in &message[..message.len() - 1] {
            sock.feed(&[*byte]);
            assert!(timeout(Duration::from_millis(5), connection.next()).await.is_err(), "nothing has come in");
        }
        sock.feed(&message[message.len() - 1..]);
        assert_eq!(connection.next().await, Inbound::Text("hello".into()));
    }

    #[tokio::test]
    async fn what_is_queued_goes_out_while_the_task_does_something_else() {
        let sock = Memory::default();
        let connection =
            Connection::new(Box::new(sock.clone()), Bytes::new(), Config::default(), Gauge::default()).await;
        sock.set_room(0);
        connection.outbox().push(&Frames::text("late")).unwrap();
        let something_else = async {
            tokio::task::yield_now().await;
            sock.set_room(usize::MAX);
            sock.written().await;
        };
        tokio::select! {
            () = something_else => {}
            never = connection.drain() => never,
        }
        assert_eq!(&sock.take()[..], b"\x81\x04late");
    }

    #[tokio::test]
    async fn how_a_peer_ended_is_told() {
        let ended = async |bytes: &[u8]| {
            let sock = Memory::default();
            sock.feed(bytes);
            Connection::new(Box::new(sock), Bytes::new(), Config::default(), Gauge::default()).await.next().await
        };
        assert_eq!(ended(b"\x88\x82\0\0\0\0\x0f\xa1").await, Inbound::End(Ended::ByPeer(4_001)));
        assert_eq!(ended(b"\x88\x80\0\0\0\0").await, Inbound::End(Ended::ByPeer(1_005)));
        assert_eq!(ended(b"\x81\x01x").await, Inbound::End(Ended::Broken(CloseCode::Protocol, "broken framing")));
        assert_eq!(
            ended(b"\x81\xff\x01\0\0\0\0\0\0\0\0\0\0\0").await,
            Inbound::End(Ended::Broken(CloseCode::TooLarge, "message too large"))
        );
    }
}
