//! One connection: its socket, what of it is half read, and what it has not taken yet.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::rc::Rc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use mio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode;

/// Bytes that may wait for one connection; one that would have more waiting ends.
const LARGEST_QUEUE: usize = 256 * 1024;

/// Frames given to the kernel at once when several wait.
const TOGETHER: usize = 64;

/// A connection takes some 150 bytes here, and no heap while nothing of it waits and it says nothing.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// Which one it is since the relay began; never used again.
    pub(super) number: u64,
    /// Whether it speaks WebSocket by now.
    pub(super) upgraded: bool,
    /// What was read of a frame or a request that isn't whole.
    pub(super) partial: Vec<u8>,
    /// Where it is a member.
    pub(super) seat: Option<Seat>,
    /// What its lines say of their author, made with the first one.
    pub(super) author: Option<Box<str>>,
    queue: VecDeque<Bytes>,
    queued: usize,
}

/// A member's place among the members of a broadcast.
pub(super) struct Seat {
    pub(super) cid: Rc<str>,
    pub(super) place: usize,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, number: u64) -> Self {
        let (partial, queue) = (Vec::new(), VecDeque::new());
        Self { stream, number, upgraded: false, partial, seat: None, author: None, queue, queued: 0 }
    }

    /// Writes as much as the socket takes, if nothing waits before it; the rest waits. An error ends the connection.
    pub(super) fn write(&mut self, bytes: &Bytes) -> io::Result<()> {
        let taken = match self.queue.is_empty() {
            true => unless_full(self.stream.write(bytes))?,
            false => 0,
        };
        if taken == bytes.len() {
            return Ok(());
        }
        let rest = bytes.slice(taken..);
        self.queued += rest.len();
        self.queue.push_back(rest);
        if self.queued > LARGEST_QUEUE { Err(io::ErrorKind::QuotaExceeded.into()) } else { Ok(()) }
    }

    /// Writes what waits, as far as the socket takes it.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        while !self.queue.is_empty() {
            let frames: Vec<IoSlice<'_>> = self.queue.iter().take(TOGETHER).map(|frame| IoSlice::new(frame)).collect();
            match unless_full(self.stream.write_vectored(&frames))? {
                0 => return Ok(()),
                taken => self.forget(taken),
            }
        }
        self.queue = VecDeque::new();
        Ok(())
    }

    /// Drops what was written from the front of the queue.
    fn forget(&mut self, mut bytes: usize) {
        self.queued -= bytes;
        while let Some(frame) = self.queue.front_mut() {
            if bytes < frame.len() {
                frame.advance(bytes);
                return;
            }
            bytes -= frame.len();
            self.queue.pop_front();
        }
    }
}

/// Bytes that were taken, 0 of a full socket.
fn unless_full(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

/// A whole frame, to be shared by everybody who gets it.
pub(super) fn framed(opcode: OpCode, payload: &[u8]) -> Bytes {
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    let length = payload.len() as u64;
    let mut frame = BytesMut::with_capacity(header.len(length) + payload.len());
    // It grows as it is written to, so formatting a header into it can't fail.
    let _ = header.format(length, &mut (&mut frame).writer());
    frame.extend_from_slice(payload);
    frame.freeze()
}
