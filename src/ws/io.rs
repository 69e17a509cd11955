//! The byte stream that the WebSocket library believes to own: reads come from the socket, writes go to the [`Outbox`].
//!
//! The queue is drained inside `poll_read`, because the connection's task always waits there: no second task, no
//! wake-up per delivery. `poll_write` takes a whole slice or nothing, so that the library's frames and those pushed from
//! other threads can't fall into one another.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, OpCode};

use super::outbox::Outbox;

pub(super) struct SharedIo {
    outbox: Arc<Outbox>,
    /// What the HTTP parser had read beyond the upgrade request.
    early: Bytes,
}

impl SharedIo {
    pub(super) fn new(outbox: Arc<Outbox>, early: Bytes) -> Self {
        Self { outbox, early }
    }
}

impl AsyncRead for SharedIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(Err(error)) = self.outbox.poll_drain(cx) {
            return Poll::Ready(Err(error));
        }
        if self.outbox.has_given_up() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if !self.early.is_empty() {
            let taken = buffer.remaining().min(self.early.len());
            buffer.put_slice(&self.early[..taken]);
            self.early.advance(taken);
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.outbox.sock().poll_read_ready(cx))?;
            match self.outbox.sock().try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for SharedIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, frames: &[u8]) -> Poll<io::Result<usize>> {
        match self.outbox.take_library_frames(frames, holds_close(frames)) {
            Some(taken) => Poll::Ready(taken.map(|()| frames.len())),
            None => match ready!(self.outbox.poll_drain(cx)) {
                // Room again: the library tries once more as soon as it is polled.
                Ok(()) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.sock().shut();
        Poll::Ready(Ok(()))
    }
}

/// Whether a Close frame is among these whole frames.
fn holds_close(frames: &[u8]) -> bool {
    let mut cursor = Cursor::new(frames);
    while let Ok(Some((header, length))) = FrameHeader::parse(&mut cursor) {
        if header.opcode == OpCode::Control(Control::Close) {
            return true;
        }
        cursor.set_position(cursor.position().saturating_add(length));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::holds_close;

    #[test]
    fn a_close_is_found_behind_other_frames() {
        assert!(!holds_close(b"\x81\x02hi\x8a\x00"));
        assert!(holds_close(b"\x81\x02hi\x88\x02\x03\xe8"));
        assert!(!holds_close(b"\x81\x02\x88\x00"));
        assert!(!holds_close(b""));
    }
}
