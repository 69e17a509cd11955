//! One run of `madang drive load` on core 1.

use std::path::Path;
use std::process::{Command, Output};

use madang::drive::report::Report;

use super::figures::{Figures, grouped};
use super::wire::Server;

/// How long a rate is kept up before and while it is measured, in seconds.
pub(super) const WARM_UP: u64 = 1;
pub(super) const MEASURED: u64 = 4;

/// From the last join to the first line, in seconds: a server that lines keep busy answers nobody's CONNECT.
const GATHER: u64 = 2;

/// How long those who hear nothing are looked at, in seconds: of them there is nothing but the memory to see.
const IDLE: u64 = 1;

/// Viewers that come in a second.
const JOINS: u64 = 2_500;

/// Share that may send.
const SENDERS: f64 = 0.002;

/// Exit code of a run that the generator limited; its figures are there all the same, if everything held.
const GENERATOR: i32 = 5;

/// How many watch, and lines a second; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) viewers: u64,
    pub(crate) rate: f64,
}

impl Load {
    pub(super) fn words(&self) -> String {
        let viewers = grouped(self.viewers as f64);
        if self.rate > 0.0 { format!("{viewers} × {}", self.rate) } else { format!("{viewers}, idle") }
    }

    fn scenario(&self, verified: f64) -> String {
        let Self { viewers, rate } = self;
        let fill = viewers.div_ceil(JOINS);
        let (warm_up, measured) = if *rate > 0.0 { (WARM_UP, MEASURED) } else { (IDLE, IDLE) };
        format!(
            "name = \"bench\"\n\n[viewers]\nsenders = {SENDERS}\nverified = {verified:?}\next = 0.0\n\n\
             [lines]\narrivals = \"even\"\ntext_bytes = 150\ndonations = 0.0\n\n\
             [[stages]]\nname = \"fill\"\nfor = \"{fill}s\"\nviewers = {viewers}\nmeasured = false\n\n\
             [[stages]]\nname = \"gather\"\nfor = \"{GATHER}s\"\nmeasured = false\n\n\
             [[stages]]\nname = \"warm-up\"\nfor = \"{warm_up}s\"\nrate = {rate:?}\nmeasured = false\n\n\
             [[stages]]\nfor = \"{measured}s\"\nrate = {rate:?}\n"
        )
    }
}

/// Plays a load against a server, the given share of viewers verified.
pub(super) fn play(server: &Server, load: Load, verified: f64) -> Figures {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (scenario, json) = (folder.path().join("bench.toml"), folder.path().join("bench.json"));
    std::fs::write(&scenario, load.scenario(verified)).unwrap();
    let output = Command::new("taskset")
        .args(["-c", "1", env!("CARGO_BIN_EXE_madang"), "drive", "load", "--threads", "1", "--quiet"])
        .arg(&scenario)
        .args(["--url", &server.url(), "--pid", &server.pid().to_string(), "--json"])
        .arg(&json)
        .output()
        .expect("taskset (util-linux) is there");
    let report = read(&output, &json);
    figures(&report, load)
}

/// The report of a run whose figures mean something.
fn read(output: &Output, json: &Path) -> Report {
    let words = String::from_utf8_lossy(&output.stderr);
    let report = std::fs::read_to_string(json).ok().map(|text| serde_json::from_str::<Report>(&text).unwrap());
    let broken: Vec<String> = (report.iter().flat_map(Report::broken))
        .map(|check| format!("{}: {} {}", check.name, check.words, check.examples.join("; ")))
        .collect();
    let code = output.status.code();
    let counts = code == Some(0) || code == Some(GENERATOR) && broken.is_empty();
    assert!(counts, "exit {code:?}: {words}{}", broken.join("\n"));
    report.unwrap()
}

fn figures(report: &Report, load: Load) -> Figures {
    let (generator, server) = (&report.generator, report.server.as_ref().unwrap());
    let came = server.memory_max.unwrap().saturating_sub(server.memory_before.unwrap());
    let delivery = report.latency.get("delivery");
    Figures {
        server_cpu: server.cpu_per_delivery_us,
        server_busy: Some(server.cores_busy),
        server_memory: Some(came as f64 / load.viewers as f64),
        own_cpu: generator.cpu_per_delivery_us,
        own_memory: generator.bytes_per_viewer.unwrap(),
        own_busy: generator.busiest,
        deliveries: report.totals.deliveries_per_second,
        p50: delivery.map(|latency| latency.p50),
        p99: delivery.map(|latency| latency.p99),
        limits: generator.limits.clone(),
    }
}
