//! What a run did and what came of it: the values that every form of a report is made from.
//!
//! Times are milliseconds with fractions unless a name says otherwise, sizes are bytes, shares run from 0 to 1. Whatever
//! was not measured is `None`, never 0.

pub mod compare;
pub mod condition;
pub mod html;
pub mod junit;
mod plots;
pub mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of the JSON form; a reader refuses a later one.
pub const FORM: u32 = 1;

/// A whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORM`].
    pub form: u32,
    /// Version of the generator.
    pub madang: String,
    /// What was played.
    pub scenario: Scene,
    /// Where it was played from.
    pub machine: Machine,
    /// The chat socket that was driven.
    pub url: String,
    /// When it began, RFC 3339 in UTC.
    pub begun: String,
    /// How large it was.
    pub dimensions: Dimensions,
    /// What happened, from the first connection to the last.
    pub totals: Totals,
    /// `delivery` (a line was due → a viewer has read it), `ack` (due → its answer), `act` (due → a viewer has heard it), of
    /// measured stages alone; `join` (due → CONNECTED) of all. A name without an entry had nothing to measure.
    pub latency: BTreeMap<String, Latency>,
    /// Everything that was looked at, and whether it held.
    pub checks: Vec<Check>,
    /// How connections ended.
    pub closes: Vec<Close>,
    /// What the server refused.
    pub refusals: Vec<Refused>,
    /// How the generator fared.
    pub generator: Generator,
    /// What the server cost, when it could be watched.
    pub server: Option<Server>,
    /// The parts of the run, in order.
    pub stages: Vec<StageSpan>,
    /// One entry a second.
    pub timeline: Vec<Second>,
}

/// What was played.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// What the whole script follows from.
    pub seed: u64,
    /// The scenario file as it was read, for whoever wants to play it again.
    pub text: String,
}

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Processors this process may use.
    pub cores: usize,
    /// Memory in all.
    pub memory_bytes: u64,
    /// Kernel and its release.
    pub system: String,
}

/// How large a run was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dimensions {
    /// Connections that were joined at the same time, at most.
    pub viewers: u64,
    /// Channels.
    pub channels: u64,
    /// Viewers that the script has for the largest channel.
    pub largest_channel: u64,
    /// Viewers that may send.
    pub senders: u64,
    /// Share of viewers by each of whom everything is checked.
    pub verified: f64,
    /// Share of viewers on the extended layer.
    pub ext: f64,
    /// Lines a second that the script offers, mean of measured stages.
    pub lines_per_second: f64,
    /// Bytes on the wire for one line, mean of what verifying viewers read.
    pub line_bytes: f64,
    /// Lines that share one message, mean.
    pub lines_per_frame: f64,
    /// Seconds that were measured.
    pub window_seconds: f64,
    /// Processes of the generator.
    pub processes: u64,
    /// Threads of the generator, in all of its processes.
    pub workers: u64,
}

/// What happened in all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Seconds from the beginning to the end.
    pub seconds: f64,
    /// Seconds that the script would have taken.
    pub planned_seconds: f64,
    /// Whether somebody stopped it.
    pub cut_short: bool,
    /// Joins that succeeded.
    pub joined: u64,
    /// Joins that did not.
    pub join_failures: u64,
    /// Lines the script had to send until the end.
    pub offered: u64,
    /// Lines that were written to a connection.
    pub sent: u64,
    /// Lines that were not, because their sender was not in at that time.
    pub unsent: u64,
    /// Lines that the server said yes to.
    pub acked: u64,
    /// Lines that the server said no to.
    pub refused: u64,
    /// Acts of staff that were written.
    pub acts: u64,
    /// WebSocket messages read.
    pub frames: u64,
    /// Lines read by verifying viewers.
    pub lines: u64,
    /// Lines read by all: those of verifying viewers, and what the messages of the others hold at the same number in each.
    pub deliveries: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Deliveries a second in measured stages.
    pub deliveries_per_second: f64,
}

/// A distribution of times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Half are no longer.
    pub p50: f64,
    /// 90 % are no longer.
    pub p90: f64,
    /// 99 % are no longer.
    pub p99: f64,
    /// 99.9 % are no longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
    /// Percentile (0 to 100) and time, rising, for a plot.
    pub curve: Vec<(f64, f64)>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// A short name: `order`, `gaps`, or a condition as it was written.
    pub name: String,
    /// What came of it.
    pub verdict: Verdict,
    /// How often it was looked at, where that can be counted.
    pub looked: Option<u64>,
    /// How often it did not hold.
    pub broken: u64,
    /// What was found, in words; for a check that was not made, why.
    pub words: String,
    /// The first few cases, each with what shows it.
    pub examples: Vec<String>,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It held.
    Held,
    /// It did not.
    Broken,
    /// It could not be looked at, as its words say.
    #[default]
    Skipped,
}

/// How connections ended, those alike together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Close {
    /// The close code; 1006 for an end without one.
    pub code: u16,
    /// The server's reason, or the system's.
    pub reason: String,
    /// Whether the script had asked for it: it left, or read too slowly.
    pub expected: bool,
    /// How many.
    pub count: u64,
}

/// What the server refused, those alike together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// `join`, `send`, `act`, `recent`, `donation`.
    pub what: String,
    /// The server's result code.
    pub code: i64,
    /// Its words.
    pub words: String,
    /// How many.
    pub count: u64,
}

/// How the generator fared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// Processor seconds in all.
    pub cpu_seconds: f64,
    /// Processor time of measured stages for each delivery, in microseconds.
    pub cpu_per_delivery_us: Option<f64>,
    /// Share of its time that the busiest thread was at work in its fullest measured second.
    pub busiest: f64,
    /// How late it did what was due, 99 % of measured steps.
    pub late_p99: f64,
    /// Resident memory at its largest.
    pub memory_bytes: u64,
    /// Of that what came with the viewers, for each.
    pub bytes_per_viewer: Option<f64>,
    /// Sentences that say where the generator, not the server, was the limit; empty when it was not.
    pub limits: Vec<String>,
    /// What else whoever reads the figures should know.
    pub remarks: Vec<String>,
}

/// What the server cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// `pid 4711` or the metrics' URL.
    pub source: String,
    /// Processor seconds in measured stages.
    pub cpu_seconds: f64,
    /// Cores that were busy in measured stages, mean: 0.5 is half a core.
    pub cores_busy: f64,
    /// Processor time of measured stages for each delivery, in microseconds.
    pub cpu_per_delivery_us: Option<f64>,
    /// Resident memory before the first join, where it is known.
    pub memory_before: Option<u64>,
    /// Resident memory at its largest.
    pub memory_max: Option<u64>,
}

/// A part of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageSpan {
    /// Its name.
    pub name: String,
    /// Where it began, in seconds of the run.
    pub from: f64,
    /// Where it ended.
    pub to: f64,
    /// Whether it counts for latency and cost.
    pub measured: bool,
}

/// One second of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Its end, in seconds of the run.
    pub at: f64,
    /// Viewers that are joined.
    pub joined: u64,
    /// Connections that are under way to it.
    pub joining: u64,
    /// Lines written.
    pub sent: u64,
    /// Lines the server said yes to.
    pub acked: u64,
    /// Lines the server said no to.
    pub refused: u64,
    /// Messages read.
    pub frames: u64,
    /// Lines read by verifying viewers.
    pub lines: u64,
    /// Lines read by all, as in [`Totals::deliveries`].
    pub deliveries: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Connections that ended without being asked to.
    pub lost_connections: u64,
    /// Latency of deliveries: half, 99 %, the longest. `None` when there were none.
    pub p50: Option<f64>,
    /// 99 %.
    pub p99: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
    /// Cores the generator used.
    pub generator_cores: f64,
    /// Share of its time that its busiest thread was at work.
    pub generator_busy: f64,
    /// Its resident memory.
    pub generator_memory: u64,
    /// Cores the server used.
    pub server_cores: Option<f64>,
    /// Its resident memory.
    pub server_memory: Option<u64>,
}

impl Report {
    /// Checks that did not hold.
    pub fn broken(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.verdict == Verdict::Broken)
    }
}
