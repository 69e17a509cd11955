//! The client's end of a connection, for the command line and tests.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Why a connection could not be made or did not hold.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ClientError(String);

impl From<Error> for ClientError {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

/// What a server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A text message.
    Text(String),
    /// The server closed, with its code and reason; 1006 when it just went away.
    Closed(u16, String),
}

/// The client's end of a connection.
#[derive(Debug)]
pub struct ClientSocket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl ClientSocket {
    /// Connects to a `ws://` address.
    pub async fn connect(url: &str) -> Result<Self, ClientError> {
        Ok(Self(connect_async(url).await?.0))
    }

    /// Sends one text message.
    pub async fn send(&mut self, text: &str) -> Result<(), ClientError> {
        Ok(self.0.send(Message::text(text)).await?)
    }

    /// Sends one binary message.
    pub async fn send_binary(&mut self, bytes: Vec<u8>) -> Result<(), ClientError> {
        Ok(self.0.send(Message::binary(bytes)).await?)
    }

    /// The next text message, or how the connection ended. Pings are answered meanwhile. Cancel-safe.
    pub async fn receive(&mut self) -> Received {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Received::Text(text.to_string()),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Received::Closed(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Received::Closed(1006, error.to_string()),
                None => return Received::Closed(1006, String::new()),
            }
        }
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        // The server may be gone already.
        let _ = self.0.close(None).await;
    }
}
