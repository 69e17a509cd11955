//! One connection's bounded queue of outgoing frames.
//!
//! [`Outbox::push`] takes whole frames from any thread. While the queue is empty it writes to the socket at once, so a
//! reader that keeps up never has a queue; what the socket doesn't take waits here, shared by refcount, and is drained
//! by the connection's own reader task. A reader that lets the queue fill is closed with 1013: its waiting frames are
//! dropped, save the rest of one that is half on the wire. After a Close frame nothing follows (RFC 6455, 5.5.1).

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;

use super::close::CloseCode;
use super::frames::Frames;
use super::sock::Sock;

/// Bytes that may wait while more is taken of what is only offered. A reader that keeps up has no queue, and one that
/// doesn't is better served with what is worth telling once it reads on.
#[cfg(not(shuttle))]
const FARTHEST_BEHIND: usize = 32 * 1024;
#[cfg(shuttle)]
const FARTHEST_BEHIND: usize = 0;

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is written, or waits in the queue.
    Taken,
    /// Too much waits already.
    Refused,
}

/// Why frames were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushError {
    /// This push filled the queue: the connection is now being closed with 1013.
    Slow,
    /// The connection is closing or gone.
    Closed,
}

/// The outgoing side of one connection.
pub struct Outbox {
    sock: Box<dyn Sock>,
    queue: Mutex<Queue>,
    cap: usize,
    /// Bytes in all queues.
    all: Gauge,
}

struct Queue {
    waiting: VecDeque<Bytes>,
    bytes: usize,
    /// Whether the first waiting frames are partly on the wire, so that they must be finished.
    half_written: bool,
    /// Bytes that had waited and were written, since the start.
    written: u64,
    /// Whether something was offered that was not taken.
    behind: bool,
    state: State,
    /// The task that reads this connection, while it waits: it drains the queue.
    drainer: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// A Close frame is in the queue or out: nothing may follow.
    Sealed,
    /// Sealed, because the reader is too slow: whatever it still says, it is being cut off.
    GivenUp,
    /// The socket failed.
    Dead,
}

impl Outbox {
    /// An empty queue before `sock` that takes at most `cap` bytes and a Close, counted in `all` too.
    pub fn new(sock: Box<dyn Sock>, cap: usize, all: Gauge) -> Self {
        let queue = Queue {
            waiting: VecDeque::new(),
            bytes: 0,
            half_written: false,
            written: 0,
            behind: false,
            state: State::Open,
            drainer: None,
        };
        Self { sock, queue: Mutex::new(queue), cap, all }
    }

    /// Hands over whole frames: written now, or queued in order.
    pub fn push(&self, frames: &Frames) -> Result<(), PushError> {
        let mut queue = self.queue.lock();
        if queue.state != State::Open {
            return Err(PushError::Closed);
        }
        self.enqueue(&mut queue, frames.bytes(), self.cap)
    }

    /// Like [`push`](Self::push), for what can be had otherwise later: not taken, and so said, while more than 32 KiB wait.
    /// The connection's own task hears of it by [`fell_behind`](Self::fell_behind).
    pub fn offer(&self, frames: &Frames) -> Result<Offered, PushError> {
        let mut queue = self.queue.lock();
        if queue.state != State::Open {
            return Err(PushError::Closed);
        }
        if queue.bytes > FARTHEST_BEHIND {
            queue.behind = true;
            queue.wake();
            return Ok(Offered::Refused);
        }
        self.enqueue(&mut queue, frames.bytes(), self.cap).map(|()| Offered::Taken)
    }

    /// Waits until something was offered in vain since the last time. Only for the connection's own task, beside whatever
    /// reads it: they share the place of the one who is woken.
    pub async fn fell_behind(&self) {
        poll_fn(|cx| {
            let mut queue = self.queue.lock();
            // Registered here, too: the wake-up for what was queued a moment ago has taken the place, and whoever reads may
            // have been looked at before this, or find nothing that waits.
            queue.register(cx);
            if std::mem::take(&mut queue.behind) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Sends a Close frame behind what is queued; nothing is taken afterwards. Does nothing when already closing.
    pub fn close(&self, code: CloseCode, reason: &str) {
        let mut queue = self.queue.lock();
        if queue.state == State::Open {
            queue.state = State::Sealed;
            // It always fits, so that what was taken before it isn't dropped. A socket that fails now is noticed by its
            // reader.
            let _ = self.enqueue(&mut queue, Frames::close(code, reason).bytes(), usize::MAX);
        }
    }

    /// Whether nothing more can be pushed.
    pub fn is_closed(&self) -> bool {
        self.queue.lock().state != State::Open
    }

    /// Whether the reader was too slow, so that its connection ends whatever it sends.
    pub(super) fn has_given_up(&self) -> bool {
        self.queue.lock().state == State::GivenUp
    }

    /// Bytes that wait for the socket.
    pub fn queued_bytes(&self) -> usize {
        self.queue.lock().bytes
    }

    /// Bytes that had to wait and were written since the start: while some wait and this doesn't grow, nothing is read.
    pub fn written_bytes(&self) -> u64 {
        self.queue.lock().written
    }

    /// Waits until nothing waits for the socket, or it failed. Only for the connection's own task.
    pub async fn drained(&self) {
        poll_fn(|cx| self.poll_finished(cx)).await;
    }

    /// Closes a reader that is too slow for its queue: what waits is dropped, the Close is next.
    fn give_up(&self, queue: &mut Queue) {
        queue.state = State::GivenUp;
        let unfinished = if queue.half_written { queue.waiting.pop_front() } else { None };
        queue.waiting.clear();
        queue.waiting.extend(unfinished);
        let close = Frames::close(CloseCode::TryLater, "too slow: the outgoing queue is full");
        queue.waiting.push_back(close.bytes().clone());
        let left = queue.waiting.iter().map(Bytes::len).sum();
        self.count(queue, left);
        queue.wake();
    }

    fn enqueue(&self, queue: &mut Queue, frames: &Bytes, most: usize) -> Result<(), PushError> {
        let mut written = 0;
        if queue.waiting.is_empty() {
            match self.sock.try_write(frames) {
                Ok(all) if all == frames.len() => return Ok(()),
                Ok(some) => written = some,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    queue.state = State::Dead;
                    queue.wake();
                    return Err(PushError::Closed);
                }
            }
            queue.half_written = written > 0;
        }
        let rest = frames.slice(written..);
        if queue.bytes + rest.len() > most {
            if queue.half_written && queue.waiting.is_empty() {
                // The started frame has to be finished: it is what `give_up` keeps.
                queue.waiting.push_back(rest);
            }
            self.give_up(queue);
            return Err(PushError::Slow);
        }
        let grown = queue.bytes + rest.len();
        self.count(queue, grown);
        queue.waiting.push_back(rest);
        queue.wake();
        Ok(())
    }

    /// Takes bytes of the WebSocket library: whole frames only, all or nothing. `None` when there is no room now.
    pub(super) fn take_library_frames(&self, frames: &[u8], closes: bool) -> Option<io::Result<()>> {
        let mut queue = self.queue.lock();
        match queue.state {
            State::Dead => return Some(Err(io::ErrorKind::BrokenPipe.into())),
            // The library answers a Close that we sent first; ours is out already, so its own is swallowed.
            State::Sealed | State::GivenUp => return Some(Ok(())),
            State::Open if queue.bytes + frames.len() > self.cap => return None,
            State::Open => {}
        }
        if closes {
            queue.state = State::Sealed;
        }
        let taken = self.enqueue(&mut queue, &Bytes::copy_from_slice(frames), self.cap);
        Some(taken.map_err(|_| io::ErrorKind::BrokenPipe.into()))
    }

    /// Writes what waits until the queue is empty or the socket is full. Only the connection's own task may call it:
    /// it alone is woken for room in the socket, and from now on for more that waits.
    pub(super) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.queue.lock().is_drained(cx) {
                return Poll::Ready(Ok(()));
            }
            ready!(self.sock.poll_write_ready(cx))?;
            self.write_waiting()?;
        }
    }

    /// Waits until everything is written or the socket failed.
    pub(super) fn poll_finished(&self, cx: &mut Context<'_>) -> Poll<()> {
        let drained = ready!(self.poll_drain(cx));
        drop(drained);
        Poll::Ready(())
    }

    fn write_waiting(&self) -> io::Result<()> {
        let mut queue = self.queue.lock();
        while let Some(first) = queue.waiting.front() {
            match self.sock.try_write(first) {
                Ok(written) => {
                    let left = queue.bytes - written;
                    self.count(&mut queue, left);
                    queue.written(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    queue.state = State::Dead;
                    queue.waiting.clear();
                    self.count(&mut queue, 0);
                    return Err(error);
                }
            }
        }
        queue.waiting.shrink_to_fit();
        Ok(())
    }

    /// Takes note of how much waits now.
    fn count(&self, queue: &mut Queue, bytes: usize) {
        let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.all.inc_by(signed(bytes) - signed(queue.bytes));
        queue.bytes = bytes;
    }

    pub(super) fn sock(&self) -> &dyn Sock {
        &*self.sock
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.all.dec_by(i64::try_from(self.queue.get_mut().bytes).unwrap_or(i64::MAX));
    }
}

impl Queue {
    /// Whether nothing waits; the task is woken as soon as something does.
    fn is_drained(&mut self, cx: &Context<'_>) -> bool {
        self.register(cx);
        self.waiting.is_empty()
    }

    fn register(&mut self, cx: &Context<'_>) {
        if self.drainer.as_ref().is_none_or(|drainer| !drainer.will_wake(cx.waker())) {
            self.drainer = Some(cx.waker().clone());
        }
    }

    fn wake(&mut self) {
        if let Some(drainer) = self.drainer.take() {
            drainer.wake();
        }
    }

    fn written(&mut self, bytes: usize) {
        self.written += bytes as u64;
        let Some(first) = self.waiting.front_mut() else { return };
        first.advance(bytes);
        self.half_written = true;
        if first.is_empty() {
            self.waiting.pop_front();
            self.half_written = false;
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("queued_bytes", &self.queued_bytes()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::super::sock::Memory;
    use super::*;

    fn drain(outbox: &Outbox) {
        let _ = outbox.poll_drain(&mut Context::from_waker(Waker::noop()));
    }

    #[test]
    fn a_reader_that_keeps_up_has_no_queue() {
        let sock = Memory::default();
        let outbox = Outbox::new(Box::new(sock.clone()), 100, Gauge::default());
        outbox.push(&Frames::text("a")).unwrap();
        outbox.push(&Frames::text("b")).unwrap();
        assert_eq!(outbox.queued_bytes(), 0);
        assert_eq!(&sock.take()[..], b"\x81\x01a\x81\x01b");
    }

    #[test]
    fn what_the_socket_does_not_take_waits_in_order() {
        let sock = Memory::default();
        sock.set_room(4);
        let all = Gauge::default();
        let outbox = Outbox::new(Box::new(sock.clone()), 100, all.clone());
        for text in ["aa", "bb", "cc"] {
            outbox.push(&Frames::text(text)).unwrap();
        }
        assert_eq!((outbox.queued_bytes(), all.get()), (8, 8));
        sock.set_room(3);
        drain(&outbox);
        sock.set_room(usize::MAX);
        drain(&outbox);
        assert_eq!(&sock.take()[..], b"\x81\x02aa\x81\x02bb\x81\x02cc");
        assert_eq!((outbox.queued_bytes(), all.get()), (0, 0));
    }

    #[test]
    fn a_full_queue_ends_with_the_started_frame_and_a_close() {
        let sock = Memory::default();
        sock.set_room(3);
        let all = Gauge::default();
        let outbox = Outbox::new(Box::new(sock.clone()), 20, all.clone());
        outbox.push(&Frames::text("started")).unwrap();
        outbox.push(&Frames::text("dropped")).unwrap();
        assert_eq!(outbox.push(&Frames::text("too much")), Err(PushError::Slow));
        assert_eq!(outbox.push(&Frames::text("x")), Err(PushError::Closed));
        assert_eq!(usize::try_from(all.get()), Ok(outbox.queued_bytes()));
        sock.set_room(usize::MAX);
        drain(&outbox);
        let written = sock.take();
        assert_eq!(&written[..9], b"\x81\x07started");
        assert_eq!(&written[9..13], &[0x88, written[10], 0x03, 0xf5]);
        assert_eq!(written.len(), 11 + written[10] as usize);
        outbox.close(CloseCode::Away, "");
        drop(outbox);
        assert_eq!(all.get(), 0, "nothing waits for a connection that is gone");
    }

    #[tokio::test]
    async fn an_offer_in_vain_is_told_to_the_reader() {
        let sock = Memory::default();
        let outbox = Outbox::new(Box::new(sock.clone()), 1 << 20, Gauge::default());
        let behind = || outbox.fell_behind().now_or_never().is_some();
        sock.set_room(0);
        let much = Frames::text(&"x".repeat(FARTHEST_BEHIND));
        assert_eq!(outbox.offer(&much), Ok(Offered::Taken), "nothing waits yet");
        assert!(!behind());
        assert_eq!(outbox.offer(&Frames::text("more")), Ok(Offered::Refused));
        assert_eq!([behind(), behind()], [true, false], "once");
        assert_eq!(outbox.push(&Frames::text("a reply")), Ok(()), "what can't be had later is taken");
        sock.set_room(usize::MAX);
        drain(&outbox);
        assert_eq!(outbox.offer(&Frames::text("more")), Ok(Offered::Taken));
    }

    #[test]
    fn nothing_follows_a_close() {
        let sock = Memory::default();
        let outbox = Outbox::new(Box::new(sock.clone()), 100, Gauge::default());
        outbox.close(CloseCode::Normal, "Bye");
        outbox.close(CloseCode::Away, "again");
        assert_eq!(outbox.push(&Frames::text("late")), Err(PushError::Closed));
        assert!(matches!(outbox.take_library_frames(b"\x8a\x00", false), Some(Ok(()))));
        assert_eq!(&sock.take()[..], b"\x88\x05\x03\xe8Bye");
    }
}
