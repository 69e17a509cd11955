//! Every metric's name, once, and the handles that count.
//!
//! Handles are atomics kept in structs: counting is one relaxed add, with no look-up by name.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// All that the gateway counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// WebSocket connections that are open.
    pub connections: Gauge,
    /// Connections that joined a channel, since the start.
    pub joins: Counter,
    /// Channels in memory.
    pub channels: Gauge,
    /// Requests that were refused, since the start.
    pub refusals: Counter,
    /// Lines that `apply` accepted, since the start.
    pub lines: Counter,
    /// Batches that feeds sent, since the start.
    pub batches: Counter,
    /// Batches times the members they were handed to, since the start.
    pub deliveries: Counter,
    /// Seconds that one batch took to hand to all members.
    pub flush_seconds: Histogram,
    /// Members closed because their outgoing queue was full, since the start.
    pub slow_closed: Counter,
    /// Events waiting for the log's writer.
    pub log_queue: Gauge,
    /// Commits of the log, since the start.
    pub log_commits: Counter,
    /// Events that the log made durable, since the start.
    pub log_events: Counter,
    /// Followers of the log that fell behind and read on from the store, since the start.
    pub tails_lagged: Counter,
    /// Failures of our own, since the start.
    pub faults: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("madang");
        let flush_seconds = Histogram::new(exponential_buckets(0.000_01, 4.0, 10));
        registry.register("feed_flush_seconds", "Time to hand one batch to all members", flush_seconds.clone());
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let joins = counter("joins", "Connections that joined a channel");
        let refusals = counter("refusals", "Requests that were refused");
        let lines = counter("lines", "Lines that were accepted");
        let batches = counter("feed_batches", "Batches that feeds sent");
        let deliveries = counter("feed_deliveries", "Batches times the members they were handed to");
        let slow_closed = counter("slow_closed", "Members closed because their outgoing queue was full");
        let log_commits = counter("log_commits", "Commits of the log");
        let log_events = counter("log_events", "Events made durable");
        let tails_lagged = counter("log_tails_lagged", "Followers of the log that fell behind");
        let faults = counter("faults", "Failures of the gateway itself");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let connections = gauge("connections", "Open WebSocket connections");
        let channels = gauge("channels", "Channels in memory");
        let log_queue = gauge("log_queue", "Events waiting for the log's writer");
        Self {
            registry,
            connections,
            joins,
            channels,
            refusals,
            lines,
            batches,
            deliveries,
            flush_seconds,
            slow_closed,
            log_queue,
            log_commits,
            log_events,
            tails_lagged,
            faults,
        }
    }
}

impl Metrics {
    /// All values in the Prometheus text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String can't fail; an encoder error would leave the text short, never wrong.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
