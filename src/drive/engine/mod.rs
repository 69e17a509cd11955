//! Plays a script over real connections: a few threads, each with its share of the viewers and a poll of its own.
//!
//! A viewer belongs to the thread that its number says, so nothing about it is shared. Each thread reads the whole script
//! and does its own steps of it. What is verified between viewers is in the channel's ledger, behind a lock that whoever hears
//! the same as somebody before doesn't take.

mod hear;
mod known;
mod link;
mod steps;
mod worker;
mod workers;

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::clock;
use crate::ws::raw::Handshake;

use super::check::Findings;
use super::check::ledger::Ledger;
use super::crowd::Crowd;
use super::scenario::Scenario;
use super::script::Step;
use super::tally::Part;

pub use workers::{Process, Workers};

/// How long a join may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Kinds of ends and of refusals that are told apart; more are counted together.
const KINDS: usize = 200;

/// Longest words of a server that are kept, in bytes.
const WORDS: usize = 200;

/// Words for those.
const OTHERS: &str = "others";

/// Texts that were heard too late and may have been shown again; more aren't judged.
const SUSPECTS: usize = 10_000;

/// Donations that wait to be told to the site.
pub const DONATIONS: usize = 1_024;

/// Where steps come from.
pub type Steps = Box<dyn Iterator<Item = Step> + Send>;

/// What all threads do at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The script is played.
    Play = 0,
    /// Nothing more is done; what is under way comes to its end.
    Settle = 1,
    /// The last word is said in each channel.
    Rest = 2,
    /// What everybody has at the end is looked at.
    Judge = 3,
    /// Everybody leaves.
    Leave = 4,
}

/// A donation that the site shall tell.
#[derive(Clone, Debug)]
pub struct Donation {
    /// In which channel.
    pub channel: u32,
    /// Won.
    pub amount: u32,
    /// Without a name.
    pub anonymous: bool,
}

/// What a run begins with.
#[derive(Debug)]
pub struct Setting {
    /// What is played.
    pub scenario: Arc<Scenario>,
    /// By whom.
    pub crowd: Arc<Crowd>,
    /// What marks the lines of this run.
    pub run: String,
    /// The server.
    pub address: SocketAddr,
    /// How a connection becomes a WebSocket.
    pub handshake: Handshake,
    /// Local addresses that connections come from.
    pub sources: Vec<IpAddr>,
    /// Tokens of those who have one.
    pub tokens: HashMap<u32, Arc<str>>,
    /// Where donations go.
    pub donations: tokio::sync::mpsc::Sender<Donation>,
}

/// A text that was heard after the act that hid it. It is a fault unless an act shows it again, which may be heard later.
#[derive(Debug)]
pub struct Suspect {
    /// In which channel.
    pub channel: u32,
    /// Which line.
    pub key: u64,
    /// When, in microseconds of the run.
    pub heard: u64,
    /// By whom, and what, in words.
    pub words: String,
}

/// What all threads of a run share.
#[derive(Debug)]
pub struct Shared {
    /// What it began with.
    pub setting: Setting,
    /// What each channel has told.
    pub ledgers: Vec<Ledger>,
    /// What was found.
    pub findings: Findings,
    /// Texts that were heard too late, as far as was known then.
    pub suspects: Mutex<Vec<Suspect>>,
    /// Who has the last word in each channel, and the number of it.
    pub last_words: Mutex<Vec<(Option<u32>, u32)>>,
    /// Joins and questions for the last lines that wait for their answer.
    pub under_way: AtomicI64,
    /// Viewers that are joined, by channel.
    pub joined: Vec<AtomicU32>,
    /// Viewers of other processes that are joined, by channel, once that is known.
    pub others: Vec<AtomicU32>,
    /// Whether nobody has come or gone for long enough, and nobody else is in: members can be counted.
    pub at_rest: AtomicBool,
    /// When it began.
    pub begun: Instant,
    /// Seconds that are over, of each thread.
    pub parts: Mutex<Vec<Part>>,
    /// Ends of connections: code, reason, whether they were asked for.
    pub closes: Mutex<HashMap<(u16, String, bool), u64>>,
    /// Refusals: of what, code, words.
    pub refusals: Mutex<HashMap<(String, i64, String), u64>>,
    /// What went wrong in this process itself, each kind once.
    pub troubles: Mutex<Vec<String>>,
    /// Threads of this process.
    pub threads: AtomicU32,
    /// Those that have looked at what their viewers have at the end.
    pub judged: AtomicU32,
    /// Donations that the site told.
    pub told: AtomicU64,
    /// Those that it did not.
    pub untold: AtomicU64,
    /// When lines were heard last, in microseconds of the run.
    pub heard_last: AtomicU64,
    phase: AtomicU8,
}

impl Shared {
    /// A run that begins at `begun`.
    pub fn new(setting: Setting, begun: Instant) -> Self {
        let channels = setting.crowd.cids().len();
        Self {
            ledgers: (0..channels).map(|_| Ledger::default()).collect(),
            findings: Findings::default(),
            suspects: Mutex::default(),
            last_words: Mutex::new(vec![(None, 0); channels]),
            joined: (0..channels).map(|_| AtomicU32::new(0)).collect(),
            others: (0..channels).map(|_| AtomicU32::new(0)).collect(),
            at_rest: AtomicBool::new(false),
            begun,
            parts: Mutex::default(),
            closes: Mutex::default(),
            refusals: Mutex::default(),
            troubles: Mutex::default(),
            threads: AtomicU32::new(0),
            under_way: AtomicI64::new(0),
            judged: AtomicU32::new(0),
            told: AtomicU64::new(0),
            untold: AtomicU64::new(0),
            heard_last: AtomicU64::new(0),
            phase: AtomicU8::new(Phase::Play as u8),
            setting,
        }
    }

    /// Microseconds of the run; 0 before it has begun.
    pub fn now(&self) -> u64 {
        u64::try_from(clock::instant().saturating_duration_since(self.begun).as_micros()).unwrap_or(u64::MAX)
    }

    /// What waits for its answer or to be told.
    pub fn open(&self) -> u64 {
        let lines: u64 = self.ledgers.iter().map(Ledger::open).sum();
        lines + u64::try_from(self.under_way.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// What all do now.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Play,
            1 => Phase::Settle,
            2 => Phase::Rest,
            3 => Phase::Judge,
            _ => Phase::Leave,
        }
    }

    /// The next phase begins, unless it is there already.
    pub fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// Whether all threads have looked at what their viewers have at the end.
    pub fn all_judged(&self) -> bool {
        self.judged.load(Ordering::Acquire) >= self.threads.load(Ordering::Acquire)
    }

    /// A connection ended.
    pub fn closed(&self, code: u16, reason: &str, expected: bool) {
        self.closed_times(code, reason, expected, 1);
    }

    /// So many did, alike.
    pub fn closed_times(&self, code: u16, reason: &str, expected: bool, times: u64) {
        let (key, others) = ((code, reason.to_owned(), expected), (code, OTHERS.to_owned(), expected));
        count(&mut self.closes.lock(), key, others, times);
    }

    /// A text was heard too late, as far as is known now.
    pub fn suspect(&self, suspect: Suspect) {
        let mut suspects = self.suspects.lock();
        if suspects.len() < SUSPECTS {
            suspects.push(suspect);
        }
    }

    /// The server refused something.
    pub fn refused(&self, what: &str, code: i64, words: &str) {
        self.refused_times(what, code, words, 1);
    }

    /// It did so that often.
    pub fn refused_times(&self, what: &str, code: i64, words: &str, times: u64) {
        let words = &words[..words.floor_char_boundary(WORDS)];
        let (key, others) = ((what.to_owned(), code, words.to_owned()), (what.to_owned(), 0, OTHERS.to_owned()));
        count(&mut self.refusals.lock(), key, others, times);
    }

    /// Something went wrong in this process itself.
    pub fn trouble(&self, what: &str) {
        let mut troubles = self.troubles.lock();
        if troubles.len() < KINDS && !troubles.iter().any(|known| known == what) {
            troubles.push(what.to_owned());
        }
    }
}

fn count<K: Hash + Eq>(counts: &mut HashMap<K, u64>, key: K, otherwise: K, times: u64) {
    let key = if counts.len() < KINDS || counts.contains_key(&key) { key } else { otherwise };
    *counts.entry(key).or_default() += times;
}
