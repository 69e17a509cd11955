//! Every metric's name, once, and the handles that count.
//!
//! Handles are atomics kept in structs: counting is one relaxed add, with no look-up by name.

mod process;

use prometheus_client::encoding::text::{encode, encode_registry};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// By a number that stands in one of our own tables, so there are few.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByCode {
    code: u16,
}

impl From<u16> for ByCode {
    fn from(code: u16) -> Self {
        Self { code }
    }
}

/// Why a connection was dropped, or not upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum TurnedAway {
    /// Over the cap on all connections.
    Full,
    /// Over the cap of its address.
    Address,
    /// A page of an origin that isn't allowed.
    Origin,
}

/// By the reason for which a connection was turned away.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByReason {
    reason: TurnedAway,
}

impl From<TurnedAway> for ByReason {
    fn from(reason: TurnedAway) -> Self {
        Self { reason }
    }
}

/// By what the rules made of a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByMeasure {
    measure: &'static str,
}

impl From<&'static str> for ByMeasure {
    fn from(measure: &'static str) -> Self {
        Self { measure }
    }
}

/// All that the gateway counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Connections of any kind that are open.
    pub sockets: Gauge,
    /// WebSocket connections that are open.
    pub connections: Gauge,
    /// Connections that were dropped or not upgraded, since the start.
    pub turned_away: Family<ByReason, Counter>,
    /// WebSocket connections that ended, by close code (1006 when the peer was lost), since the start.
    pub closes: Family<ByCode, Counter>,
    /// Connections that joined a channel, since the start.
    pub joins: Counter,
    /// Channels in memory.
    pub channels: Gauge,
    /// Requests of the chat wire that were refused, by `retCode`, since the start.
    pub refusals: Family<ByCode, Counter>,
    /// Lines in which the rules found something, by what that made of them, since the start.
    pub filtered: Family<ByMeasure, Counter>,
    /// Bytes in all outgoing queues: what readers are behind.
    pub queue_bytes: Gauge,
    /// Seconds from a send that was admitted to its answer: on disk, judged, and on its way to everybody.
    pub ack_seconds: Histogram,
    /// Lines that `apply` accepted, since the start.
    pub lines: Counter,
    /// Batches that shards of feeds sent, since the start.
    pub batches: Counter,
    /// Batches times the members they were handed to, since the start.
    pub deliveries: Counter,
    /// Seconds from the moment that lines were hidden until every member's frame that says so was written, or waits behind
    /// what a slow reader has not taken yet.
    pub hide_seconds: Histogram,
    /// Seconds that one batch took to hand to the members of a shard.
    pub flush_seconds: Histogram,
    /// Members closed because they were too slow, since the start.
    pub slow_closed: Counter,
    /// Times that members fell behind: their connection took no more of what was said.
    pub behind: Counter,
    /// Lines that were left out for them, since the start.
    pub left_out: Counter,
    /// Times that one of them jumped to the last lines.
    pub jumps: Counter,
    /// Events waiting for the log's writer.
    pub log_queue: Gauge,
    /// Commits of the log, since the start.
    pub log_commits: Counter,
    /// Seconds that one commit took.
    pub log_commit_seconds: Histogram,
    /// Seconds for which dropping some old events held the log's writer.
    pub log_drop_seconds: Histogram,
    /// Events that the log made durable, since the start.
    pub log_events: Counter,
    /// Snapshots of channels that were kept, since the start.
    pub snapshots: Counter,
    /// Idle channels that left memory, since the start.
    pub evictions: Counter,
    /// Followers of the log that fell behind and read on from the store, since the start.
    pub tails_lagged: Counter,
    /// Times that the site's published keys were fetched, since the start.
    pub jwks_fetches: Counter,
    /// Times that they could not be had, since the start.
    pub jwks_failures: Counter,
    /// Failures of our own, since the start.
    pub faults: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("madang");
        let mut histogram = |name: &str, help: &str, first: f64| {
            let histogram = Histogram::new(exponential_buckets(first, 2.0, 16));
            registry.register(name, help, histogram.clone());
            histogram
        };
        let flush_seconds =
            histogram("feed_flush_seconds", "Time to hand one batch to the members of a shard", 0.000_05);
        let hide_seconds =
            histogram("time_to_hide_seconds", "Time from hiding lines to telling the last member", 0.000_1);
        let ack_seconds = histogram("ack_seconds", "Time from a send to its answer", 0.000_25);
        let log_commit_seconds = histogram("log_commit_seconds", "Time of one commit of the log", 0.000_05);
        let log_drop_seconds =
            histogram("log_drop_seconds", "Time for which dropping some old events held the log's writer", 0.000_05);
        let turned_away = Family::default();
        registry.register("turned_away", "Connections that were dropped or not upgraded", turned_away.clone());
        let (closes, refusals) = (Family::default(), Family::default());
        registry.register("closes", "WebSocket connections that ended, by close code", closes.clone());
        registry.register("refusals", "Requests of the chat wire that were refused, by retCode", refusals.clone());
        let filtered = Family::default();
        registry.register("filtered", "Lines that the rules dealt with", filtered.clone());
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let joins = counter("joins", "Connections that joined a channel");
        let lines = counter("lines", "Lines that were accepted");
        let batches = counter("feed_batches", "Batches that shards of feeds sent");
        let deliveries = counter("feed_deliveries", "Batches times the members they were handed to");
        let slow_closed = counter("slow_closed", "Members closed because they were too slow");
        let behind = counter("slow_behind", "Times that members fell behind what was said");
        let left_out = counter("slow_left_out", "Lines left out for members that are behind");
        let jumps = counter("slow_jumps", "Times that a member which is behind jumped to the last lines");
        let log_commits = counter("log_commits", "Commits of the log");
        let log_events = counter("log_events", "Events made durable");
        let snapshots = counter("snapshots", "Snapshots of channels that were kept");
        let evictions = counter("channel_evictions", "Idle channels that left memory");
        let tails_lagged = counter("log_tails_lagged", "Followers of the log that fell behind");
        let jwks_fetches = counter("jwks_fetches", "Times that the site's keys were fetched");
        let jwks_failures = counter("jwks_failures", "Times that the site's keys could not be had");
        let faults = counter("faults", "Failures of the gateway itself");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let sockets = gauge("sockets", "Open connections of any kind");
        let queue_bytes = gauge("queue_bytes", "Bytes in all outgoing queues");
        let connections = gauge("connections", "Open WebSocket connections");
        let channels = gauge("channels", "Channels in memory");
        let log_queue = gauge("log_queue", "Events waiting for the log's writer");
        Self {
            registry,
            sockets,
            connections,
            turned_away,
            closes,
            filtered,
            queue_bytes,
            ack_seconds,
            log_commit_seconds,
            log_drop_seconds,
            jwks_fetches,
            jwks_failures,
            joins,
            channels,
            refusals,
            lines,
            batches,
            deliveries,
            hide_seconds,
            flush_seconds,
            slow_closed,
            behind,
            left_out,
            jumps,
            log_queue,
            log_commits,
            log_events,
            snapshots,
            evictions,
            tails_lagged,
            faults,
        }
    }
}

impl Metrics {
    /// All values in the Prometheus text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut usual = Registry::default();
        usual.register_collector(Box::new(process::ProcessCost));
        // Writing to a String can't fail; an encoder error would leave the text short, never wrong.
        let _ = encode_registry(&mut text, &usual);
        let _ = encode(&mut text, &self.registry);
        text
    }
}
