//! More processes under one report: one leads, others join it and play their share of the same script.
//!
//! They speak JSON, a line each, over TCP. Everybody reads the same script; a viewer belongs to the thread that its number
//! says, whichever process that is in. Nothing on this connection is secret from whoever may read it but the senders'
//! tokens, so it listens on this machine alone unless it is told otherwise.

mod lead;

use futures_util::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_util::codec::{Framed, LinesCodec};

use super::report::{Check, Close, Refused};
use super::tally::Part;

pub(super) use lead::{Peers, Waiting};

/// Longest line between processes, in bytes: tokens for a hundred thousand senders.
const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// What a process that joins is told to play.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The scenario file.
    pub(super) scenario: String,
    /// The seed, which may be another than the file's.
    pub(super) seed: u64,
    /// The chat socket.
    pub(super) url: String,
    /// What marks the lines of this run.
    pub(super) run: String,
    /// Which one of the processes this is; the one that leads is 0.
    pub(super) process: u32,
    /// How many there are.
    pub(super) processes: u32,
    /// Threads of each.
    pub(super) threads: u32,
    /// Tokens of the viewers that are this process's.
    pub(super) tokens: Vec<(u32, String)>,
}

/// What the one that leads says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    Plan(Box<Plan>),
    /// To be answered at once: how far away is it?
    Look,
    /// The run begins in so many microseconds.
    Start(u64),
    Settle,
    /// Who has the last word in each channel, and its number.
    Rest(Vec<(Option<u32>, u32)>),
    /// Whether members can be counted, and how many of each channel are other processes'.
    Judge {
        at_rest: bool,
        others: Vec<u32>,
    },
    Leave,
}

/// What the others say.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// Its version.
    Hello(String),
    /// The plan can be played.
    Ready,
    /// It can't.
    Failed(String),
    /// The answer to a look.
    Here,
    /// What happened, and what it cost since the last time.
    Second {
        parts: Vec<Part>,
        cpu: f64,
        memory: u64,
    },
    /// Lines that wait for an answer, and viewers that are joined, by channel.
    Standing {
        open: u64,
        joined: Vec<u32>,
    },
    /// All threads have looked.
    Judged,
    Done(Box<Done>),
}

/// What a process that joined has found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) parts: Vec<Part>,
    pub(super) checks: Vec<Check>,
    pub(super) closes: Vec<Close>,
    pub(super) refusals: Vec<Refused>,
    pub(super) troubles: Vec<String>,
    /// Numbers of our lines in the order in which they were told, by channel.
    pub(super) orders: Vec<Vec<u32>>,
    /// Processor seconds, and resident memory before and at its largest.
    pub(super) cpu: f64,
    pub(super) memory: (u64, u64),
}

/// A connection between two processes.
pub(super) struct Wire(Framed<TcpStream, LinesCodec>);

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Framed::new(stream, LinesCodec::new_with_max_length(LONGEST_LINE)))
    }

    pub(super) async fn say<T: Serialize>(&mut self, message: &T) -> Result<(), String> {
        let text = serde_json::to_string(message).map_err(|error| error.to_string())?;
        self.0.send(text).await.map_err(|error| error.to_string())
    }

    /// The next message. Cancel-safe.
    pub(super) async fn hear<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        let line = self.0.next().await.ok_or("the other process is gone")?.map_err(|error| error.to_string())?;
        serde_json::from_str(&line).map_err(|error| format!("what the other process says can't be read: {error}"))
    }
}
