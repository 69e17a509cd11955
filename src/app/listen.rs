//! The ports: ours or inherited, and the loop that accepts on each.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use listenfd::ListenFd;
use ppp::v2;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::gate::{Gate, Place, Visitor};

/// Connections that may wait in the kernel while we are busy or restarting.
const BACKLOG: i32 = 4_096;

/// Bytes with which a PROXY header of version 2 begins; no HTTP request begins with them.
const PROXY_MARK: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of a PROXY header before its addresses.
const PROXY_HEAD: usize = 16;

/// Largest PROXY header, TLVs included.
const LARGEST_PROXY: usize = 2_048;

/// Largest request head in bytes.
const LARGEST_HEAD: usize = 16 * 1024;

/// Pause after an accept that failed, for instance because no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a connection that was accepted before we stopped may take to ask for something.
const FIRST_REQUEST: Duration = Duration::from_secs(2);

/// How long one HTTP connection may be used for one request after the other; the next one is a new connection's.
const LONGEST_HTTP: Duration = Duration::from_secs(120);

/// How long the peer may take to read the last answer.
const LAST_ANSWER: Duration = Duration::from_secs(30);

/// Bytes that the kernel may hold unsent for one connection before the socket counts as full: what waits beyond it waits
/// in our own queue, where it is counted.
const UNSENT_BYTES: u32 = 32 * 1024;

/// The listening sockets that we were started with (LISTEN_FDS).
pub(super) struct Inherited(ListenFd);

impl Inherited {
    pub(super) fn new() -> Self {
        Self(ListenFd::from_env())
    }

    /// The inherited socket of this number, else a new one at `address`.
    pub(super) fn listener(&mut self, number: usize, address: SocketAddr) -> io::Result<TcpListener> {
        let inherited = if number < self.0.len() { self.0.take_tcp_listener(number)? } else { None };
        let listener = match inherited {
            Some(listener) => listener,
            None => bind(address)?,
        };
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }
}

fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// One way in: what it leads to, and who guards it.
#[derive(Clone)]
pub(super) struct Door {
    /// What answers requests.
    pub(super) router: Router,
    /// Who may come in.
    pub(super) gate: Arc<Gate>,
    /// How long a request's head may take.
    pub(super) header_timeout: Duration,
}

/// Accepts until `stop`; connections that are in the middle of a request may finish it.
pub(super) async fn accept(listener: TcpListener, door: Door, stop: CancellationToken) {
    let requests = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            // One too many is dropped at once: it costs an accept and a close.
            Ok((stream, peer)) => {
                if let Some(place) = door.gate.admit() {
                    requests.spawn(enter(door.clone(), stream, peer.ip(), place, stop.clone()));
                }
            }
            Err(error) => {
                warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    requests.close();
    requests.wait().await;
}

/// Finds out where a connection comes from, and serves it.
async fn enter(door: Door, mut stream: TcpStream, peer: IpAddr, place: Place, stop: CancellationToken) {
    // A connection that refuses its options is about to fail by itself.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES);
    let mut address = peer;
    if door.gate.trusts(peer) {
        match timeout(door.header_timeout, proxied_address(&mut stream)).await {
            Ok(Ok(Some(client))) => address = client,
            Ok(Ok(None)) => {}
            // A proxy that breaks its own header, or says nothing at all.
            Ok(Err(_)) | Err(_) => return,
        }
    }
    if let Some(visitor) = door.gate.visitor(place, address) {
        serve(door, stream, visitor, stop).await;
    }
}

/// What a proxy we trust says of the connection in a PROXY header of version 2; `None` when it doesn't begin with one.
async fn proxied_address(stream: &mut TcpStream) -> io::Result<Option<IpAddr>> {
    let mut head = [0; PROXY_HEAD];
    loop {
        let peeked = stream.peek(&mut head[..PROXY_MARK.len()]).await?;
        if peeked == 0 || head[..peeked] != PROXY_MARK[..peeked] {
            return Ok(None);
        }
        if peeked == PROXY_MARK.len() {
            break;
        }
        // The rest of the mark is on its way.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stream.read_exact(&mut head).await?;
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if length > LARGEST_PROXY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut header = head.to_vec();
    header.resize(PROXY_HEAD + length, 0);
    stream.read_exact(&mut header[PROXY_HEAD..]).await?;
    let header = v2::Header::try_from(header.as_slice()).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(addresses)) => Some(addresses.source_address.into()),
        (v2::Command::Proxy, v2::Addresses::IPv6(addresses)) => Some(addresses.source_address.into()),
        // The proxy's own connection, a look whether we are well.
        _ => None,
    })
}

async fn serve(door: Door, stream: TcpStream, visitor: Arc<Visitor>, stop: CancellationToken) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(door.header_timeout).max_buf_size(LARGEST_HEAD);
    let asked = Arc::new(AtomicBool::new(false));
    let service = {
        let (asked, router) = (asked.clone(), TowerToHyperService::new(door.router));
        service_fn(move |mut request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(visitor.clone());
            router.call(request)
        })
    };
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let ended = tokio::select! {
        ended = &mut connection => ended,
        // An upgraded connection has ended here; what is left asks and never reads, or never stops asking.
        () = sleep(LONGEST_HTTP) => {
            connection.as_mut().graceful_shutdown();
            drop(timeout(LAST_ANSWER, connection).await);
            return;
        }
        () = stop.cancelled() => {
            // Whoever has only just connected is not refused: the request is on its way.
            if !asked.load(Ordering::Relaxed) && timeout(FIRST_REQUEST, &mut connection).await.is_ok() {
                return;
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // Broken requests and lost peers are daily bread, and hyper has answered them already.
    drop(ended);
}
