//! The least that such a chat can cost on one core: one thread, one epoll; a line is encoded once, framed once, and written
//! once per member of its broadcast. There is no log, no policy, no token that means anything, and no line waits for
//! another. What the program costs is compared with it.
//!
//! Everybody is let in, and one who sends without a pause is read without a pause: it is for a generator, not for a network.

mod chat;
mod connection;
mod http;

use std::collections::HashMap;
use std::io::{self, Cursor, Read};
use std::mem;
use std::net::SocketAddr;
use std::rc::Rc;

use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::SockRef;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use chat::{Place, Request};
use connection::{Connection, Seat, framed};
use http::Answer;

/// Connections that may wait in the kernel, as many as the program lets wait.
const BACKLOG: i32 = 4_096;

/// Events taken from the kernel at once.
const EVENTS: usize = 1_024;

/// Bytes read at once; more than the largest frame and the largest request head.
const READ_BYTES: usize = 64 * 1024;

/// Largest message of a client in bytes.
const LARGEST_MESSAGE: u64 = 16 * 1024;

/// Largest content of a ping or another control frame in bytes, by RFC 6455.
const LARGEST_CONTROL: u64 = 125;

/// The number of the listening socket; connections are counted from 0.
const LISTENER: Token = Token(usize::MAX);

/// Why a connection ends: the code that its close frame has, or none for one that is gone or never was a WebSocket.
struct End(Option<u16>);

const GONE: End = End(None);
const NORMAL: End = End(Some(1000));
const WRONG: End = End(Some(1002));

/// Prints `relay listens on ADDRESS`, and serves until the process ends. Port 0 is any that is free.
pub(crate) fn run(listen: SocketAddr) -> io::Result<()> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut relay = Relay::new(listen)?;
    println!("relay listens on {}", relay.listener.local_addr()?);
    let mut events = Events::with_capacity(EVENTS);
    loop {
        relay.turn(&mut events)?;
    }
}

/// Everybody who is connected, and who is where.
struct Relay {
    poll: Poll,
    listener: TcpListener,
    connections: Slab<Connection>,
    /// Connections so far.
    accepted: u64,
    /// Who is in which broadcast. A broadcast is named by its `cid` as JSON, quotes included.
    rooms: HashMap<Rc<str>, Vec<usize>>,
    /// The last line's.
    last: Place,
    /// Connections that ended while their room was walked through.
    ended: Vec<usize>,
    /// What is being read, of whichever connection.
    buffer: Box<[u8]>,
}

impl Relay {
    fn new(listen: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(listen)?;
        SockRef::from(&listener).listen(BACKLOG)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            connections: Slab::new(),
            accepted: 0,
            rooms: HashMap::new(),
            last: Place::default(),
            ended: Vec::new(),
            buffer: vec![0; READ_BYTES].into(),
        })
    }

    /// Waits for something to happen, and does what follows from it.
    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        match self.poll.poll(events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in events.iter() {
            match event.token() {
                LISTENER => self.accept(),
                Token(id) => self.serve(id, event),
            }
            while let Some(id) = self.ended.pop() {
                self.remove(id);
            }
        }
        Ok(())
    }

    /// Lets in everybody who waits. Who finds no file descriptor left waits for the next one to come.
    fn accept(&mut self) {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(_) => return,
            };
            // One that refuses its options is about to fail by itself.
            let _ = stream.set_nodelay(true);
            let entry = self.connections.vacant_entry();
            // For both, once: an edge comes again only after a write was refused, so idle ones cost nothing more.
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.poll.registry().register(&mut stream, Token(entry.key()), interest).is_ok() {
                self.accepted += 1;
                entry.insert(Connection::new(stream, self.accepted));
            }
        }
    }

    /// Writes what waits and reads what came.
    fn serve(&mut self, id: usize, event: &Event) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if event.is_writable() && connection.drain().is_err() {
            self.ended.push(id);
            return;
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            let mut buffer = mem::take(&mut self.buffer);
            if let Err(End(code)) = self.read(id, &mut buffer, event.is_read_closed()) {
                self.end(id, code);
            }
            self.buffer = buffer;
        }
    }

    /// Reads what is there. A read that leaves room has left nothing, except the end of one that is `closed`.
    fn read(&mut self, id: usize, buffer: &mut [u8], closed: bool) -> Result<(), End> {
        loop {
            let connection = &mut self.connections[id];
            let kept = connection.partial.len();
            buffer[..kept].copy_from_slice(&connection.partial);
            let filled = match connection.stream.read(&mut buffer[kept..]) {
                Ok(0) => return Err(GONE),
                Ok(bytes) => kept + bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(GONE),
            };
            let used = self.understand(id, &mut buffer[..filled])?;
            self.connections[id].partial = buffer[used..filled].to_vec();
            if filled < buffer.len() && !closed {
                return Ok(());
            }
        }
    }

    /// Acts on everything whole in `bytes`; gives how many they were.
    fn understand(&mut self, id: usize, bytes: &mut [u8]) -> Result<usize, End> {
        let mut used = 0;
        loop {
            let rest = &mut bytes[used..];
            let taken = if self.connections[id].upgraded { self.frame(id, rest)? } else { self.request(id, rest)? };
            used += taken;
            if taken == 0 {
                return Ok(used);
            }
        }
    }

    /// Answers an HTTP request; gives its bytes, 0 for one that isn't whole.
    fn request(&mut self, id: usize, bytes: &[u8]) -> Result<usize, End> {
        let connection = &mut self.connections[id];
        match http::answer(bytes) {
            Answer::Later => Ok(0),
            Answer::Say(used, text) => connection.write(&text.into()).map(|()| used).map_err(|_| GONE),
            Answer::Upgrade(used, text) => {
                connection.upgraded = true;
                connection.write(&text.into()).map(|()| used).map_err(|_| GONE)
            }
            Answer::Refuse(text) => {
                // Whoever doesn't take it is told nothing.
                let _ = connection.write(&text.into());
                Err(GONE)
            }
        }
    }

    /// Acts on a frame; gives its bytes, 0 for one that isn't whole.
    fn frame(&mut self, id: usize, bytes: &mut [u8]) -> Result<usize, End> {
        let mut cursor = Cursor::new(&*bytes);
        let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(|_| WRONG)? else { return Ok(0) };
        let start = cursor.position() as usize;
        let mask = check(&header, length).ok_or(WRONG)?;
        let end = start + length as usize;
        let Some(payload) = bytes.get_mut(start..end) else { return Ok(0) };
        payload.iter_mut().enumerate().for_each(|(index, byte)| *byte ^= mask[index & 3]);
        match header.opcode {
            OpCode::Data(_) => self.message(id, payload)?,
            OpCode::Control(Control::Ping) => self.write(id, OpCode::Control(Control::Pong), payload)?,
            OpCode::Control(Control::Close) => return Err(NORMAL),
            OpCode::Control(_) => {}
        }
        Ok(end)
    }

    /// Does what a message asks for. What nobody here understands is passed over.
    fn message(&mut self, id: usize, payload: &[u8]) -> Result<(), End> {
        let request: Request<'_> = serde_json::from_slice(payload).map_err(|_| WRONG)?;
        match request.cmd {
            chat::PING => self.tell(id, chat::PONG),
            chat::CONNECT => self.join(id, &request),
            chat::SEND_CHAT => self.relay(id, &request),
            _ => Ok(()),
        }
    }

    /// Makes a connection a member, once; whoever asks to send may.
    fn join(&mut self, id: usize, request: &Request<'_>) -> Result<(), End> {
        let name = request.cid().ok_or(WRONG)?;
        let connection = &mut self.connections[id];
        if connection.seat.is_some() {
            return Err(WRONG);
        }
        let cid = self.rooms.get_key_value(name).map_or_else(|| Rc::from(name), |(cid, _)| Rc::clone(cid));
        let members = self.rooms.entry(Rc::clone(&cid)).or_default();
        connection.seat = Some(Seat { cid, place: members.len() });
        members.push(id);
        let number = connection.number;
        self.tell(id, &chat::connected(request, number))
    }

    /// Sends a line to everybody in its room, then tells its author.
    fn relay(&mut self, id: usize, request: &Request<'_>) -> Result<(), End> {
        let msg = request.msg().ok_or(WRONG)?;
        let connection = &mut self.connections[id];
        let Some(Seat { cid, .. }) = &connection.seat else { return Err(WRONG) };
        let Some(members) = self.rooms.get(cid) else { return Err(WRONG) };
        let number = connection.number;
        let author = connection.author.get_or_insert_with(|| chat::author(number));
        self.last = self.last.next();
        let text = chat::push(cid, members.len(), author, msg, self.last);
        let push = framed(OpCode::Data(Data::Text), text.as_bytes());
        for &member in members {
            if self.connections[member].write(&push).is_err() {
                self.ended.push(member);
            }
        }
        self.tell(id, &chat::sent(request, self.last))
    }

    /// Sends one message to one connection.
    fn tell(&mut self, id: usize, text: &str) -> Result<(), End> {
        self.write(id, OpCode::Data(Data::Text), text.as_bytes())
    }

    /// Sends one frame to one connection.
    fn write(&mut self, id: usize, opcode: OpCode, payload: &[u8]) -> Result<(), End> {
        self.connections[id].write(&framed(opcode, payload)).map_err(|_| GONE)
    }

    /// Ends a connection, with a close frame if it can have one.
    fn end(&mut self, id: usize, code: Option<u16>) {
        if let Some(code) = code {
            // As good as told: the connection is over either way.
            let _ = self.write(id, OpCode::Control(Control::Close), &code.to_be_bytes());
        }
        self.ended.push(id);
    }

    /// Forgets a connection; the last of its room takes its place there.
    fn remove(&mut self, id: usize) {
        let Some(Connection { seat: Some(Seat { cid, place }), .. }) = self.connections.try_remove(id) else { return };
        let Some(members) = self.rooms.get_mut(&cid) else { return };
        members.swap_remove(place);
        if let Some(&moved) = members.get(place)
            && let Some(seat) = &mut self.connections[moved].seat
        {
            seat.place = place;
        }
        if members.is_empty() {
            self.rooms.remove(&cid);
        }
    }
}

/// The mask of a frame that a client may send: a whole message of a bounded length, without extensions.
fn check(header: &FrameHeader, length: u64) -> Option<[u8; 4]> {
    let largest = if matches!(header.opcode, OpCode::Control(_)) { LARGEST_CONTROL } else { LARGEST_MESSAGE };
    let whole = header.is_final && header.opcode != OpCode::Data(Data::Continue);
    let plain = !(header.rsv1 || header.rsv2 || header.rsv3);
    header.mask.filter(|_| whole && plain && length <= largest)
}
