//! The section of `docs/performance.md`.

use madang::drive::watch;
use time::OffsetDateTime;

use super::drive::{MEASURED, WARM_UP};
use super::figures::{Figures, Series, figure};
use super::{Player, ROUNDS, Results, node};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");

/// What stands between these is written here.
const BEGIN: &str = "<!-- Written by `make bench` from here -->\n";
const END: &str = "<!-- to here -->\n";

/// A server that delivers less than this share of what was due is behind, and more so by the second.
const KEEPS_UP: f64 = 0.95;

const KIB: f64 = 1.0 / 1024.0;
const PERCENT: f64 = 100.0;

/// Writes the section into the page, and prints it.
pub(super) fn write(results: &Results) {
    let section = section(results);
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has its first mark");
    let (_, after) = rest.split_once(END).expect("the page has its second mark");
    std::fs::write(PAGE, format!("{before}{BEGIN}\n{section}\n{END}{after}")).unwrap();
    print!("{section}");
}

/// Both tables, and the conditions that they hold under.
pub(super) fn section(results: &Results) -> String {
    let mut text = String::from(
        "| viewers × lines/s | server | CPU per delivery, µs | its core is busy, % | deliveries/s | p50, ms | p99, ms | \
         memory per viewer, KiB | generator is busy, % |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    results.servers.iter().for_each(|series| text.push_str(&server(series)));
    text.push_str(
        "\nThe generators of the same runs and of more, on one core:\n\n\
         | viewers × lines/s | server | generator | CPU per delivery, µs | deliveries/s: seen | a full core's | \
         busy, % | memory per viewer, bytes | viewers per GB |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    results.generators.iter().for_each(|series| text.push_str(&generator(series)));
    text + &limits(results) + &conditions()
}

fn server(series: &Series) -> String {
    let due = series.case.load.viewers as f64 * series.case.load.rate;
    let behind = series.median(|figures| figures.deliveries) < due * KEEPS_UP;
    let cells = [
        series.case.load.words(),
        format!("{}{}", series.case.kind.name(), if behind { ", behind" } else { "" }),
        series.cell(1.0, |figures| figures.server_cpu),
        series.cell(PERCENT, |figures| figures.server_busy),
        series.cell(1.0, |figures| Some(figures.deliveries)),
        series.cell(1.0, |figures| figures.p50),
        series.cell(1.0, |figures| figures.p99),
        series.cell(KIB, |figures| figures.server_memory),
        series.cell(PERCENT, |figures| Some(figures.own_busy)),
    ];
    row(&cells)
}

fn generator(series: &Series) -> String {
    let speaks = series.case.load.rate > 0.0;
    let spoken = |value: fn(&Figures) -> f64| {
        if speaks { series.cell(1.0, |figures| Some(value(figures))) } else { "–".to_owned() }
    };
    let core = series.rounds.iter().filter_map(|figures| figures.own_cpu).fold(0.0, f64::max);
    let cells = [
        series.case.load.words(),
        series.case.kind.name().to_owned(),
        series.case.player.name().to_owned(),
        series.cell(1.0, |figures| figures.own_cpu),
        spoken(|figures| figures.deliveries),
        if core > 0.0 {
            figure(1e6 / series.median(|figures| figures.own_cpu.unwrap_or(core)))
        } else {
            "–".to_owned()
        },
        series.cell(PERCENT, |figures| Some(figures.own_busy)),
        series.cell(1.0, |figures| Some(figures.own_memory)),
        figure(1e9 / series.median(|figures| figures.own_memory)),
    ];
    row(&cells)
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Runs in which the generator says that the figures are its own.
fn limits(results: &Results) -> String {
    let all = results.servers.iter().chain(results.generators.iter().filter(|series| {
        let known = |other: &Series| other.case == series.case;
        series.case.player != Player::Node && !results.servers.iter().any(known)
    }));
    let mut text = String::new();
    for series in all {
        let limits = series.limits();
        if !limits.is_empty() {
            text.push_str(&format!(
                "\nThe generator was the limit in {}: {}.\n",
                series.case.words(),
                limits.join("; ")
            ));
        }
    }
    text
}

fn conditions() -> String {
    let (machine, today) = (watch::machine(), OffsetDateTime::now_utc().date());
    let (node, ws) = node::versions();
    let gib = machine.memory_bytes as f64 / f64::from(1 << 30);
    format!(
        "\n{today}, {} cores of {} with {gib:.0} GiB, {}; madang {}, Node {node}, ws {ws}. `make bench`, of which this is \
         `cargo bench --bench load -- table`: medians of {ROUNDS} rounds by turns, in brackets the smallest and the \
         largest, idle viewers once; each rate for {WARM_UP} s, then for {MEASURED} s that are measured; texts of 150 \
         bytes, evenly sent by 0.2 % of the viewers, all on the plain wire. Servers on core 0 (`madang serve --dev`, \
         and `benches/relay`), generators on core 1 (`madang drive load --threads 1`, and `benches/viewers`).\n",
        machine.cores,
        machine.cpu,
        machine.system,
        env!("CARGO_PKG_VERSION"),
    )
}
