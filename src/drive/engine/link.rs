//! One viewer's connection: as little as can be kept of it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::drive::check::ledger::Cursor;
use crate::drive::script::Pace;

/// Most that waits to be written on a connection, in bytes; what comes on top is not sent.
pub(super) const LONGEST_OUT: usize = 64 * 1024;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stand {
    /// There is none.
    #[default]
    Out,
    /// TCP's handshake.
    Connecting,
    /// HTTP's upgrade.
    Upgrading,
    /// CONNECT waits for its answer.
    Joining,
    /// It hears what is said.
    Joined,
    /// It has said goodbye.
    Leaving,
}

/// One viewer. There are tens of thousands of these in a process: what only some need is boxed.
#[derive(Debug, Default)]
pub(super) struct Viewer {
    stream: Option<TcpStream>,
    pub(super) stand: Stand,
    pub(super) pace: Pace,
    /// Whether it has read more slowly than it could since it joined.
    pub(super) dawdled: bool,
    pub(super) writes: bool,
    /// Whether the server has taken it in on the extended layer.
    pub(super) ext: bool,
    /// Whether it doesn't verify, and waits for the last lines: it looks into messages until they are there.
    pub(super) waits: bool,
    pub(super) channel: u32,
    /// When its stand began; of a join, when it was due. Milliseconds of the run.
    pub(super) since: u32,
    /// When its connection was begun. Milliseconds of the run.
    pub(super) begun: u32,
    /// When anything was heard last, or said to be heard of. Milliseconds of the run.
    pub(super) heard: u32,
    /// Bytes of a payload that are passed over.
    pub(super) skip: u64,
    /// What was read and isn't whole yet.
    pub(super) tail: Vec<u8>,
    /// What waits to be written.
    out: Vec<u8>,
    /// What those remember who verify.
    pub(super) memory: Option<Box<Memory>>,
}

/// What a viewer remembers who verifies.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) cursor: Cursor,
    /// Since when its connection is joined, in microseconds of the run: what was due before isn't late.
    pub(super) since: u64,
    /// The largest place it has heard of, on the extended layer.
    pub(super) upto: Option<u64>,
    /// Members, as the last line has them.
    pub(super) members: Option<u64>,
    /// Members, as the server said last besides (ext).
    pub(super) counted: Option<u64>,
    /// How often nobody had listened to its channel by then.
    pub(super) deaf: usize,
    /// Sends without an answer: number and when they were due.
    pub(super) waiting: Vec<(u32, u64)>,
    /// Acts without an answer: number of the request, and what is done to which line, if to any.
    pub(super) acting: Vec<(u64, Option<(u64, bool)>)>,
    /// Acts that were known when it last said hello: what they hid may not be told to it.
    pub(super) acts: u64,
    /// Acts that were known when the last lines were asked for.
    pub(super) asked: Option<u64>,
    /// Pieces of a message.
    pub(super) pieces: Vec<u8>,
    /// Numbers of requests that are no lines.
    pub(super) requests: u64,
}

/// Begins to connect.
pub(super) fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => {}
        // EINPROGRESS: it goes on by itself.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(115) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

impl Viewer {
    /// Takes a new connection, which was due at `since`.
    pub(super) fn begin(&mut self, stream: TcpStream, channel: u32, since: u32, now: u32) {
        let Self { mut memory, pace, channel: before, .. } = std::mem::take(self);
        if before != channel {
            memory = None;
        }
        let stand = Stand::Connecting;
        let stream = Some(stream);
        *self = Self { stream, stand, pace, channel, since, begun: now, heard: now, memory, ..Self::default() };
    }

    /// Its connection.
    pub(super) fn stream(&mut self) -> Option<&mut TcpStream> {
        self.stream.as_mut()
    }

    /// Whether the connection came to be, once it is writable.
    pub(super) fn connected(&self) -> io::Result<bool> {
        let Some(stream) = &self.stream else { return Ok(false) };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads what is there; `WouldBlock` when nothing is, 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Some(stream) => stream.read(buffer),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Writes now what can be, and the rest when there is room. Whether there was room for it at all.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let Some(stream) = &mut self.stream else { return Ok(false) };
        if !self.out.is_empty() {
            let fits = self.out.len() + bytes.len() <= LONGEST_OUT;
            if fits {
                self.out.extend_from_slice(bytes);
            }
            return Ok(fits);
        }
        let written = match stream.write(bytes) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        // Nothing is allocated for those, nearly all, whose socket takes it.
        self.out.extend_from_slice(&bytes[written..]);
        Ok(true)
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some(stream) = self.stream.as_mut().filter(|_| !self.out.is_empty()) else { return Ok(()) };
        match stream.write(&self.out) {
            Ok(written) => drop(self.out.drain(..written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if self.out.is_empty() {
            self.out = Vec::new();
        }
        Ok(())
    }

    /// The kernel takes so many bytes for it: few, and a slow reader's wait at the server.
    pub(super) fn take_at_most(&self, bytes: usize) {
        if let Some(stream) = &self.stream {
            // A hint: a system that doesn't take it makes a faster reader.
            let _ = SockRef::from(stream).set_recv_buffer_size(bytes);
        }
    }

    /// The connection is gone; abruptly: without a word to the other end.
    pub(super) fn drop_connection(&mut self, abruptly: bool) -> Option<TcpStream> {
        if abruptly && let Some(stream) = &self.stream {
            // Without it the kernel says goodbye in order, which is not what happens in a tunnel.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        self.stand = Stand::Out;
        (self.tail, self.out, self.skip) = (Vec::new(), Vec::new(), 0);
        self.dawdled = false;
        self.stream.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without a thread, a task or a library's object a viewer is this: the aim is 2 KB with all that the process has.
    #[test]
    fn a_viewer_is_small() {
        assert!(size_of::<Viewer>() <= 112, "{}", size_of::<Viewer>());
        assert!(size_of::<Memory>() <= 256, "{}", size_of::<Memory>());
    }
}
