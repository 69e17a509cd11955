//! The port: ours or inherited, and the loop that accepts on it.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

/// Connections that may wait in the kernel while we are busy or restarting.
const BACKLOG: i32 = 4_096;

/// How long a request's headers may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest request head in bytes.
const LARGEST_HEAD: usize = 16 * 1024;

/// Pause after an accept that failed, for instance because no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a connection that was accepted before we stopped may take to ask for something.
const FIRST_REQUEST: Duration = Duration::from_secs(2);

/// Bytes that the kernel may hold unsent for one connection before the socket counts as full: what waits beyond it waits
/// in our own queue, where it is counted.
const UNSENT_BYTES: u32 = 64 * 1024;

/// The listening socket: the one we were started with (LISTEN_FDS), else a new one at `address`.
pub(super) fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let inherited = ListenFd::from_env().take_tcp_listener(0)?;
    let listener = match inherited {
        Some(listener) => listener,
        None => bind(address)?,
    };
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until `stop`; connections that are in the middle of a request may finish it.
pub(super) async fn accept(listener: TcpListener, router: Router, stop: CancellationToken) {
    let requests = TaskTracker::new();
    let server = server();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                requests.spawn(serve(server.clone(), stream, router.clone(), stop.clone()));
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

fn server() -> http1::Builder {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(LARGEST_HEAD);
    server
}

async fn serve(server: http1::Builder, stream: TcpStream, router: Router, stop: CancellationToken) {
    // A connection that refuses its options is about to fail by itself.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES);
    let asked = Arc::new(AtomicBool::new(false));
    let service = {
        let (asked, router) = (asked.clone(), TowerToHyperService::new(router));
        service_fn(move |request| {
            asked.store(true, Ordering::Relaxed);
            router.call(request)
        })
    };
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let ended = tokio::select! {
        ended = &mut connection => ended,
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
