//! From an HTTP request to a [`Connection`].

use std::future::Future;

use hyper::header::HeaderMap;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use super::Config;
use super::connection::Connection;

/// Why a request can't become a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// The request is not a valid WebSocket handshake.
    #[error("this path speaks WebSocket: {0}")]
    NotWebSocket(String),
    /// The connection can't be upgraded, for instance HTTP/2.
    #[error("this connection can't be upgraded: use HTTP/1.1")]
    NotUpgradable,
}

/// A request that was accepted and waits for its 101 to be written.
#[derive(Debug)]
pub struct Upgrading(OnUpgrade);

/// Checks the handshake and makes the answer to it: 101, or the reason why not.
pub fn accept<B>(request: &mut Request<B>) -> Result<(HeaderMap, Upgrading), UpgradeError> {
    let answer: Response<()> =
        create_response_with_body(request, || ()).map_err(|error| UpgradeError::NotWebSocket(error.to_string()))?;
    let upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or(UpgradeError::NotUpgradable)?;
    Ok((answer.into_parts().0.headers, Upgrading(upgrade)))
}

impl Upgrading {
    /// Waits for the 101 to be out, then runs `serve` in a task of its own, so that nothing of HTTP stays in memory.
    pub async fn serve<F, R>(self, config: Config, queued: Gauge, serve: F)
    where
        F: FnOnce(Connection) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        // The peer may leave between its request and our answer; there is nobody left to tell.
        let Ok(upgraded) = self.0.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else { return };
        let stream = parts.io.into_inner();
        let early = bytes::Bytes::copy_from_slice(&parts.read_buf);
        drop(parts.read_buf);
        tokio::spawn(async move {
            serve(Connection::new(Box::new(stream), early, config, queued).await).await;
        });
    }
}
