//! What processes cost, from the kernel or from their own metrics.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use procfs::Current;
use procfs::process::Process;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::client;

use super::report::Machine;

/// Whose cost is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// A process of this machine.
    Pid(i32),
    /// Metrics in the text form of Prometheus, with `process_cpu_seconds_total` and `process_resident_memory_bytes`.
    Metrics(String),
}

/// What a process has cost by now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Processor seconds, in hundredths.
    pub cpu: f64,
    /// Resident memory in bytes.
    pub memory: u64,
}

impl Watched {
    /// Looks once.
    ///
    /// # Errors
    ///
    /// Says why there is nothing to be seen.
    pub async fn look(&self) -> Result<Cost, String> {
        match self {
            Self::Pid(pid) => of_process(*pid).map_err(|error| format!("process {pid}: {error}")),
            Self::Metrics(url) => read_metrics(&client::get(url).await?).map_err(|error| format!("{url}: {error}")),
        }
    }

    /// Looks at the end of each second, for ever: what was seen last stands in `latest` until somebody takes it. A server
    /// that is slow to say it holds nobody up.
    pub async fn keep_looking(self, begun: Instant, latest: Arc<Mutex<Option<Cost>>>) {
        let mut ticks = interval_at(begun + Duration::from_secs(1), Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            if let Ok(cost) = self.look().await {
                *latest.lock() = Some(cost);
            }
        }
    }

    /// As a report names it.
    pub fn name(&self) -> String {
        match self {
            Self::Pid(pid) => format!("pid {pid}"),
            Self::Metrics(url) => url.clone(),
        }
    }
}

/// What this process has cost.
pub fn own() -> Cost {
    std::process::id().try_into().ok().and_then(|pid| of_process(pid).ok()).unwrap_or_default()
}

/// This machine.
pub fn machine() -> Machine {
    let cpu = procfs::CpuInfo::current().ok();
    let name = cpu.as_ref().and_then(|info| info.model_name(0)).unwrap_or("unknown");
    let system = procfs::sys::kernel::Version::current()
        .map(|version| format!("Linux {}.{}.{}", version.major, version.minor, version.patch));
    Machine {
        cpu: name.to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: procfs::Meminfo::current().map_or(0, |info| info.mem_total),
        system: system.unwrap_or_else(|_| "unknown".to_owned()),
    }
}

fn of_process(pid: i32) -> Result<Cost, procfs::ProcError> {
    let stat = Process::new(pid)?.stat()?;
    // Ended, and its parent has not asked yet: it costs nothing because it is no more.
    if stat.state == 'Z' {
        return Err(procfs::ProcError::NotFound(None));
    }
    let ticks = procfs::ticks_per_second() as f64;
    let memory = stat.rss * procfs::page_size();
    Ok(Cost { cpu: (stat.utime + stat.stime) as f64 / ticks, memory })
}

fn read_metrics(text: &str) -> Result<Cost, String> {
    let value = |name: &str| {
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        let number = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse::<f64>().ok());
        number.ok_or_else(|| format!("no {name} there"))
    };
    let memory = value("process_resident_memory_bytes")? as u64;
    Ok(Cost { cpu: value("process_cpu_seconds_total")?, memory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_by_their_usual_names() {
        let text = "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 12.5\n\
                    process_resident_memory_bytes 1.5e+06\n";
        assert_eq!(read_metrics(text), Ok(Cost { cpu: 12.5, memory: 1_500_000 }));
        assert!(read_metrics("up 1\n").unwrap_err().contains("process_resident_memory_bytes"));
    }

    #[test]
    fn this_process_costs_something() {
        assert!(own().memory > 100_000);
        assert!(machine().cores >= 1 && machine().memory_bytes > 1_000_000);
    }
}
