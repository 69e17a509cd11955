//! What this process costs, by the names that Prometheus' own clients use for it.

use std::fmt;

use procfs::process::Process;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Looks when it is asked: counting costs nothing meanwhile.
#[derive(Debug)]
pub(super) struct ProcessCost;

impl Collector for ProcessCost {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        // A system that doesn't say is one on which these are missing.
        let Ok(stat) = Process::myself().and_then(|process| process.stat()) else { return Ok(()) };
        let seconds = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
        let cpu = ConstCounter::new(seconds);
        let help = "Processor time, user's and system's, in seconds";
        cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?)?;
        let memory = ConstGauge::new(i64::try_from(stat.rss * procfs::page_size()).unwrap_or(i64::MAX));
        let help = "Resident memory in bytes";
        memory.encode(encoder.encode_descriptor("process_resident_memory_bytes", help, None, memory.metric_type())?)
    }
}
