//! What the operating system asks of the gateway.

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tracing::warn;

use super::Exit;

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGHUP: read the settings again.
    Reload,
    /// SIGTERM or SIGINT: leave.
    Leave,
}

/// The signals that are listened to.
pub(super) struct Signals {
    hangup: Stream,
    terminate: Stream,
    interrupt: Stream,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Exit> {
        let listen = |kind| signal(kind).map_err(|error| Exit::io(&format!("signals can't be heard: {error}")));
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.terminate.recv() => Signal::Leave,
            _ = self.interrupt.recv() => Signal::Leave,
        }
    }

    /// The next signal to leave, whatever comes before it.
    pub(super) async fn leave(&mut self) {
        while self.next().await == Signal::Reload {}
    }

    /// Ends the process at the next signal to leave, after a last thing is done.
    pub(super) async fn leave_at_once(mut self, last: impl FnOnce()) {
        self.leave().await;
        last();
        warn!("a second signal: leaving at once");
        std::process::exit(1);
    }
}
