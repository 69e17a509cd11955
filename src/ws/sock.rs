//! What an [`Outbox`](super::outbox::Outbox) writes to: a TCP socket, or a buffer in tests.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// A non-blocking byte stream that can be written through a shared reference.
pub trait Sock: Send + Sync + 'static {
    /// Writes what the kernel takes now; `WouldBlock` when it takes nothing.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Reads what is there now; `WouldBlock` when nothing is, 0 at the end.
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Waits until a write may succeed.
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Waits until a read may succeed.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Tells the other end that nothing follows.
    fn shut(&self);
}

impl Sock for TcpStream {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        TcpStream::try_write(self, bytes)
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        TcpStream::try_read(self, buffer)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        TcpStream::poll_write_ready(self, cx)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        TcpStream::poll_read_ready(self, cx)
    }

    fn shut(&self) {
        // The peer may be gone already, which is as good.
        let _ = socket2::SockRef::from(self).shutdown(std::net::Shutdown::Write);
    }
}

/// A socket whose other end is this process: tests read what was written, and decide how much is taken.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<MemoryState>);

#[derive(Debug, Default)]
struct MemoryState {
    buffers: Mutex<Buffers>,
    written: Notify,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

#[derive(Debug)]
struct Buffers {
    out: Vec<u8>,
    incoming: Vec<u8>,
    /// Bytes the socket still takes; tests lower it to play a stuck reader.
    room: usize,
    shut: bool,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { out: Vec::new(), incoming: Vec::new(), room: usize::MAX, shut: false }
    }
}

impl Memory {
    /// Sets how many more bytes the socket takes.
    pub fn set_room(&self, bytes: usize) {
        self.0.buffers.lock().room = bytes;
        self.0.writer.wake();
    }

    /// Takes out what was written so far.
    pub fn take(&self) -> Bytes {
        std::mem::take(&mut self.0.buffers.lock().out).into()
    }

    /// Makes `bytes` readable.
    pub fn feed(&self, bytes: &[u8]) {
        self.0.buffers.lock().incoming.extend_from_slice(bytes);
        self.0.reader.wake();
    }

    /// Whether the writing side was shut.
    pub fn is_shut(&self) -> bool {
        self.0.buffers.lock().shut
    }

    /// Waits until something was written since the last wait.
    pub async fn written(&self) {
        self.0.written.notified().await;
    }
}

impl Sock for Memory {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffers = self.0.buffers.lock();
        let taken = bytes.len().min(buffers.room);
        if taken == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffers.room = buffers.room.saturating_sub(if buffers.room == usize::MAX { 0 } else { taken });
        buffers.out.extend_from_slice(&bytes[..taken]);
        self.0.written.notify_one();
        Ok(taken)
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffers = self.0.buffers.lock();
        if buffers.incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = buffer.len().min(buffers.incoming.len());
        (&buffers.incoming[..taken]).copy_to_slice(&mut buffer[..taken]);
        buffers.incoming.drain(..taken);
        Ok(taken)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready_if(&self.0.writer, cx, || self.0.buffers.lock().room > 0)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready_if(&self.0.reader, cx, || !self.0.buffers.lock().incoming.is_empty())
    }

    fn shut(&self) {
        self.0.buffers.lock().shut = true;
    }
}

/// Registers for a change as a socket does: whoever need not wait is not woken by it afterwards.
fn ready_if(waiting: &AtomicWaker, cx: &Context<'_>, holds: impl Fn() -> bool) -> Poll<io::Result<()>> {
    waiting.register(cx.waker());
    if !holds() {
        return Poll::Pending;
    }
    waiting.take();
    Poll::Ready(Ok(()))
}
