//! What a condition can be about.

use super::super::table::figures;
use super::super::{Generator, Latency, Report, Server, Verdict};

/// Something of a report that is a number.
#[derive(Debug)]
pub struct Metric {
    /// What a condition calls it.
    pub name: &'static str,
    /// What it is, in a line.
    pub meaning: &'static str,
    /// What it is measured in.
    pub kind: Kind,
    read: fn(&Report) -> Option<f64>,
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Metric {
    /// Its value in a report, in its own unit; `None` when it wasn't measured.
    pub fn value(&self, report: &Report) -> Option<f64> {
        (self.read)(report)
    }
}

/// What a metric is measured in; a number without a unit is in this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// How many, or how many a second.
    Count,
    /// A share from 0 to 1.
    Share,
    /// Processor cores.
    Cores,
}

impl Kind {
    /// Units that fit it.
    pub fn units(self) -> &'static [&'static str] {
        match self {
            Self::Millis | Self::Micros | Self::Seconds => &["us", "µs", "ms", "s"],
            Self::Bytes => &["B", "KB", "MB", "GB", "KiB", "MiB", "GiB"],
            Self::Count => &["k", "M"],
            Self::Share => &["%"],
            Self::Cores => &[],
        }
    }

    /// What one of a unit is in this; `None` when the unit doesn't fit.
    pub fn factor(self, unit: &str) -> Option<f64> {
        if unit.is_empty() {
            return Some(1.0);
        }
        let unit = self.units().contains(&unit).then_some(unit)?;
        Some(match (self, unit) {
            (Self::Micros, _) => micros_of(unit),
            (Self::Millis, _) => micros_of(unit) / 1e3,
            (Self::Seconds, _) => micros_of(unit) / 1e6,
            (_, "k" | "KB") => 1e3,
            (_, "M" | "MB") => 1e6,
            (_, "GB") => 1e9,
            (_, "KiB") => 1_024.0,
            (_, "MiB") => 1_048_576.0,
            (_, "GiB") => 1_073_741_824.0,
            (_, "%") => 0.01,
            _ => 1.0,
        })
    }

    /// A value in words.
    pub fn words(self, value: f64) -> String {
        match self {
            Self::Millis => figures::millis(value),
            Self::Micros => figures::micros(value),
            Self::Seconds => figures::seconds(value),
            Self::Bytes => figures::size(value),
            Self::Share => figures::percent(value),
            Self::Cores => figures::short(value),
            Self::Count if value.fract() == 0.0 && value >= 0.0 => figures::count(value as u64),
            Self::Count => figures::short(value),
        }
    }
}

fn micros_of(unit: &str) -> f64 {
    match unit {
        "s" => 1e6,
        "ms" => 1e3,
        _ => 1.0,
    }
}

const fn metric(name: &'static str, meaning: &'static str, kind: Kind, read: fn(&Report) -> Option<f64>) -> Metric {
    Metric { name, meaning, kind, read }
}

/// All of them, in the order to list them in.
pub static ALL: [Metric; 55] = [
    metric("p50", "median latency of deliveries, ms", Kind::Millis, |r| time(r, "delivery", |of| of.p50)),
    metric("p90", "90th percentile of the latency of deliveries, ms", Kind::Millis, |r| {
        time(r, "delivery", |of| of.p90)
    }),
    metric("p99", "99th percentile of the latency of deliveries, ms", Kind::Millis, |r| {
        time(r, "delivery", |of| of.p99)
    }),
    metric("p999", "99.9th percentile of the latency of deliveries, ms", Kind::Millis, |r| {
        time(r, "delivery", |of| of.p999)
    }),
    metric("max", "longest latency of a delivery, ms", Kind::Millis, |r| time(r, "delivery", |of| of.max)),
    metric("mean", "mean latency of deliveries, ms", Kind::Millis, |r| time(r, "delivery", |of| of.mean)),
    metric("ack_p50", "median time to a line's answer, ms", Kind::Millis, |r| time(r, "ack", |of| of.p50)),
    metric("ack_p90", "90th percentile of the time to a line's answer, ms", Kind::Millis, |r| {
        time(r, "ack", |of| of.p90)
    }),
    metric("ack_p99", "99th percentile of the time to a line's answer, ms", Kind::Millis, |r| {
        time(r, "ack", |of| of.p99)
    }),
    metric("ack_p999", "99.9th percentile of the time to a line's answer, ms", Kind::Millis, |r| {
        time(r, "ack", |of| of.p999)
    }),
    metric("ack_max", "longest time to a line's answer, ms", Kind::Millis, |r| time(r, "ack", |of| of.max)),
    metric("ack_mean", "mean time to a line's answer, ms", Kind::Millis, |r| time(r, "ack", |of| of.mean)),
    metric("join_p50", "median time from connecting to joined, ms", Kind::Millis, |r| time(r, "join", |of| of.p50)),
    metric("join_p90", "90th percentile of the time to join, ms", Kind::Millis, |r| time(r, "join", |of| of.p90)),
    metric("join_p99", "99th percentile of the time to join, ms", Kind::Millis, |r| time(r, "join", |of| of.p99)),
    metric("join_p999", "99.9th percentile of the time to join, ms", Kind::Millis, |r| time(r, "join", |of| of.p999)),
    metric("join_max", "longest time to join, ms", Kind::Millis, |r| time(r, "join", |of| of.max)),
    metric("join_mean", "mean time to join, ms", Kind::Millis, |r| time(r, "join", |of| of.mean)),
    metric("act_p50", "median time until an act of staff is heard, ms", Kind::Millis, |r| time(r, "act", |of| of.p50)),
    metric("act_p90", "90th percentile of the time until an act is heard, ms", Kind::Millis, |r| {
        time(r, "act", |of| of.p90)
    }),
    metric("act_p99", "99th percentile of the time until an act is heard, ms", Kind::Millis, |r| {
        time(r, "act", |of| of.p99)
    }),
    metric("act_p999", "99.9th percentile of the time until an act is heard, ms", Kind::Millis, |r| {
        time(r, "act", |of| of.p999)
    }),
    metric("act_max", "longest time until an act is heard, ms", Kind::Millis, |r| time(r, "act", |of| of.max)),
    metric("act_mean", "mean time until an act is heard, ms", Kind::Millis, |r| time(r, "act", |of| of.mean)),
    metric("viewers", "most connections that were joined at the same time", Kind::Count, |r| {
        some(r.dimensions.viewers)
    }),
    metric("joined", "joins that succeeded", Kind::Count, |r| some(r.totals.joined)),
    metric("join_failures", "joins that failed", Kind::Count, |r| some(r.totals.join_failures)),
    metric("offered", "lines the script had to send", Kind::Count, |r| some(r.totals.offered)),
    metric("sent", "lines that were sent", Kind::Count, |r| some(r.totals.sent)),
    metric("unsent", "lines that were not, their sender being away", Kind::Count, |r| some(r.totals.unsent)),
    metric("acked", "lines the server accepted", Kind::Count, |r| some(r.totals.acked)),
    metric("refused", "lines the server refused", Kind::Count, |r| some(r.totals.refused)),
    metric("acts", "acts of staff that were sent", Kind::Count, |r| some(r.totals.acts)),
    metric("frames", "WebSocket messages read", Kind::Count, |r| some(r.totals.frames)),
    metric("lines", "lines read by verifying viewers", Kind::Count, |r| some(r.totals.lines)),
    metric("deliveries", "lines read by all viewers", Kind::Count, |r| some(r.totals.deliveries)),
    metric("bytes", "bytes read", Kind::Bytes, |r| some(r.totals.bytes)),
    metric("deliveries_per_second", "deliveries a second while measuring", Kind::Count, |r| {
        measured(r, r.totals.deliveries_per_second)
    }),
    metric("broken", "checks that did not hold", Kind::Count, |r| some(r.broken().count() as u64)),
    metric("unexpected_closes", "connections that ended unasked", Kind::Count, |r| {
        some(r.closes.iter().filter(|close| !close.expected).map(|close| close.count).sum())
    }),
    metric("lost", "lines that were acknowledged and never told", Kind::Count, |r| check(r, "lost")),
    metric("duplicates", "lines that came twice", Kind::Count, |r| check(r, "duplicates")),
    metric("gaps", "lines that a viewer misses, between others or at the end", Kind::Count, |r| check(r, "gaps")),
    metric("order", "lines out of order", Kind::Count, |r| check(r, "order")),
    metric("hidden", "hidden texts that were heard after the act that hid them", Kind::Count, |r| check(r, "hidden")),
    metric("server_cores", "cores the server kept busy, mean while measuring", Kind::Cores, |r| {
        measured(r, r.server.as_ref()?.cores_busy)
    }),
    metric("server_cpu", "processor time of the server while measuring, s", Kind::Seconds, |r| {
        measured(r, r.server.as_ref()?.cpu_seconds)
    }),
    metric("server_cpu_per_delivery", "processor time of the server for a delivery, µs", Kind::Micros, |r| {
        server(r, |of| of.cpu_per_delivery_us)
    }),
    metric("server_memory", "resident memory of the server at its largest, bytes", Kind::Bytes, |r| {
        server(r, |of| Some(of.memory_max? as f64))
    }),
    metric("server_bytes_per_viewer", "what the server's memory grew by for a viewer, bytes", Kind::Bytes, |r| {
        super::super::table::sections::server_bytes_per_viewer(r, r.server.as_ref()?)
    }),
    metric(
        "generator_busy",
        "share of its fullest second that the generator's busiest thread worked",
        Kind::Share,
        |r| measured(r, r.generator.busiest),
    ),
    metric("generator_memory", "resident memory of the generator at its largest, bytes", Kind::Bytes, |r| {
        generator(r, |of| (of.memory_bytes > 0).then_some(of.memory_bytes as f64))
    }),
    metric("generator_bytes_per_viewer", "memory of the generator for a viewer, bytes", Kind::Bytes, |r| {
        generator(r, |of| of.bytes_per_viewer)
    }),
    metric("generator_cpu_per_delivery", "processor time of the generator for a delivery, µs", Kind::Micros, |r| {
        generator(r, |of| of.cpu_per_delivery_us)
    }),
    metric("late_p99", "99th percentile of how late the generator was, ms", Kind::Millis, |r| {
        measured(r, r.generator.late_p99)
    }),
];

/// The one of this name.
pub fn named(name: &str) -> Option<&'static Metric> {
    ALL.iter().find(|metric| metric.name == name)
}

fn some(value: u64) -> Option<f64> {
    Some(value as f64)
}

fn time(report: &Report, name: &str, read: fn(&Latency) -> f64) -> Option<f64> {
    report.latency.get(name).filter(|of| of.count > 0).map(read)
}

/// A value of measured stages; a run without them has measured nothing.
fn measured(report: &Report, value: f64) -> Option<f64> {
    (report.dimensions.window_seconds > 0.0).then_some(value)
}

fn check(report: &Report, name: &str) -> Option<f64> {
    let check = report.checks.iter().find(|check| check.name == name)?;
    (check.verdict != Verdict::Skipped).then_some(check.broken as f64)
}

fn server(report: &Report, read: fn(&Server) -> Option<f64>) -> Option<f64> {
    report.server.as_ref().and_then(read)
}

fn generator(report: &Report, read: fn(&Generator) -> Option<f64>) -> Option<f64> {
    read(&report.generator)
}
