//! What the tables of a report hold, whoever draws them.

use super::super::{Check, Close, Latency, Refused, Report, Server, StageSpan, Verdict};
use super::figures::{count, micros, millis, of, percent, plain, seconds, short, size};

/// What stands for a value that wasn't measured.
pub const NONE: &str = "–";

/// One table.
#[derive(Debug, PartialEq)]
pub struct Section {
    /// What it is about.
    pub title: &'static str,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, each with a cell for each column. Text from outside is as it came.
    pub rows: Vec<Vec<String>>,
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Words, under this head.
    Words(&'static str),
    /// Numbers, under this head.
    Numbers(&'static str),
}

impl Column {
    /// What stands above it.
    pub fn head(self) -> &'static str {
        match self {
            Self::Words(head) | Self::Numbers(head) => head,
        }
    }
}

/// How large the run was and where it was played: a name and a value each.
pub fn setting(report: &Report) -> Vec<(&'static str, String)> {
    let dimensions = &report.dimensions;
    vec![
        ("viewers", count(dimensions.viewers)),
        ("channels", count(dimensions.channels)),
        ("largest channel", count(dimensions.largest_channel)),
        ("senders", count(dimensions.senders)),
        ("verified", percent(dimensions.verified)),
        ("extended layer", percent(dimensions.ext)),
        ("lines offered", format!("{}/s", short(dimensions.lines_per_second))),
        ("size of a line", size(dimensions.line_bytes)),
        ("lines in a message", short(dimensions.lines_per_frame)),
        ("measured", seconds(dimensions.window_seconds)),
        ("generator", processes(report)),
        ("memory", size(report.machine.memory_bytes as f64)),
        ("processor", format!("{}, {}", report.machine.cpu, of(report.machine.cores as u64, "core", "cores"))),
        ("system", report.machine.system.clone()),
    ]
}

fn processes(report: &Report) -> String {
    let (processes, workers) = (report.dimensions.processes, report.dimensions.workers);
    format!("{}, {}", of(processes, "process", "processes"), of(workers, "thread", "threads"))
}

/// Every table that has a row, in the order to read them in; checks are apart, see [`checks`].
pub fn sections(report: &Report) -> Vec<Section> {
    let mut all = vec![latency(report), totals(report), cost(report), closes(report), refusals(report)];
    all.retain(|section| !section.rows.is_empty());
    all
}

/// The checks; a row for each, none without any.
pub fn checks(report: &Report) -> Section {
    use Column::{Numbers, Words};
    let row = |check: &Check| {
        let looked = check.looked.map_or(NONE.to_owned(), count);
        let broken = if check.verdict == Verdict::Skipped { NONE.to_owned() } else { count(check.broken) };
        vec![verdict(check.verdict).to_owned(), check.name.clone(), looked, broken, check.words.clone()]
    };
    Section {
        title: "Checks",
        columns: vec![Words(""), Words("check"), Numbers("looked at"), Numbers("broken"), Words("found")],
        rows: report.checks.iter().map(row).collect(),
    }
}

/// A verdict as a mark and a word.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Held => "✓ held",
        Verdict::Broken => "✗ BROKEN",
        Verdict::Skipped => "– skipped",
    }
}

/// The parts of the run; a row for each.
pub fn stages(report: &Report) -> Section {
    use Column::{Numbers, Words};
    let row = |stage: &StageSpan| {
        let measured = if stage.measured { "measured" } else { NONE };
        let length = seconds(stage.to - stage.from);
        vec![stage.name.clone(), seconds(stage.from), seconds(stage.to), length, measured.to_owned()]
    };
    Section {
        title: "Stages",
        columns: vec![Words("stage"), Numbers("from"), Numbers("to"), Numbers("length"), Words("counts")],
        rows: report.stages.iter().map(row).collect(),
    }
}

fn latency(report: &Report) -> Section {
    use Column::{Numbers, Words};
    let meanings = [
        ("delivery", "due → read by a viewer"),
        ("ack", "due → answered"),
        ("join", "connecting → joined"),
        ("act", "due → heard by a viewer"),
    ];
    let row = |name: &str, meaning: &str, of: &Latency| {
        let times = [of.mean, of.p50, of.p90, of.p99, of.p999, of.max];
        let mut row = vec![name.to_owned(), meaning.to_owned(), count(of.count)];
        row.extend(times.map(short));
        row
    };
    let measured =
        |(name, meaning): (&str, &str)| Some(row(name, meaning, report.latency.get(name).filter(|of| of.count > 0)?));
    Section {
        title: "Latency, ms",
        columns: vec![
            Words(""),
            Words(""),
            Numbers("count"),
            Numbers("mean"),
            Numbers("p50"),
            Numbers("p90"),
            Numbers("p99"),
            Numbers("p99.9"),
            Numbers("max"),
        ],
        rows: meanings.into_iter().filter_map(measured).collect(),
    }
}

fn totals(report: &Report) -> Section {
    let totals = &report.totals;
    let rate = |value: u64| if totals.seconds > 0.0 { value as f64 / totals.seconds } else { 0.0 };
    let each = |value: u64| vec![count(value), format!("{}/s", short(rate(value)))];
    let (mut delivered, mut deliveries) = ("deliveries", each(totals.deliveries));
    if report.dimensions.window_seconds > 0.0 {
        delivered = "deliveries, rate while measuring";
        deliveries[1] = format!("{}/s", short(totals.deliveries_per_second));
    }
    let rows = [
        ("joins", vec![count(totals.joined), format!("{} failed", count(totals.join_failures))]),
        ("lines offered", each(totals.offered)),
        ("lines sent", each(totals.sent)),
        ("lines not sent, sender away", each(totals.unsent)),
        ("lines accepted", each(totals.acked)),
        ("lines refused", each(totals.refused)),
        ("acts of staff", each(totals.acts)),
        ("messages read", each(totals.frames)),
        ("lines read by verifying viewers", each(totals.lines)),
        (delivered, deliveries),
        ("bytes read", vec![size(totals.bytes as f64), format!("{} MB/s", short(rate(totals.bytes) / 1e6))]),
    ];
    Section {
        title: "Totals",
        columns: vec![Column::Words(""), Column::Numbers("in all"), Column::Numbers("rate")],
        rows: rows.into_iter().map(|(name, cells)| [vec![name.to_owned()], cells].concat()).collect(),
    }
}

fn cost(report: &Report) -> Section {
    let (generator, server) = (&report.generator, report.server.as_ref());
    let per_delivery = |value: Option<f64>| value.map_or(NONE.to_owned(), micros);
    let memory = |value: Option<u64>| value.map_or(NONE.to_owned(), |bytes| size(bytes as f64));
    let of_server = |read: &dyn Fn(&Server) -> String| server.map_or(NONE.to_owned(), read);
    let rows = [
        ("processor time of the whole run", seconds(generator.cpu_seconds), NONE.to_owned()),
        ("processor time while measuring", NONE.to_owned(), of_server(&|server| seconds(server.cpu_seconds))),
        ("cores busy, mean", NONE.to_owned(), of_server(&|server| short(server.cores_busy))),
        (
            "processor time for a delivery",
            per_delivery(generator.cpu_per_delivery_us),
            of_server(&|server| per_delivery(server.cpu_per_delivery_us)),
        ),
        ("memory before joins", NONE.to_owned(), of_server(&|server| memory(server.memory_before))),
        ("memory, most", memory(Some(generator.memory_bytes)), of_server(&|server| memory(server.memory_max))),
        (
            "memory for a viewer",
            generator.bytes_per_viewer.map_or(NONE.to_owned(), size),
            of_server(&|server| server_bytes_per_viewer(report, server).map_or(NONE.to_owned(), size)),
        ),
        ("busiest thread, fullest second", percent(generator.busiest), NONE.to_owned()),
        ("late with a step, p99", millis(generator.late_p99), NONE.to_owned()),
        ("watched by", NONE.to_owned(), of_server(&|server| server.source.clone())),
    ];
    let told = |(name, generator, server): (&str, String, String)| {
        (generator != NONE || server != NONE).then(|| vec![name.to_owned(), generator, server])
    };
    Section {
        title: "Cost",
        columns: vec![Column::Words(""), Column::Numbers("generator"), Column::Numbers("server")],
        rows: rows.into_iter().filter_map(told).collect(),
    }
}

/// What the server's memory grew by for each viewer, where both ends of the growth are known.
pub fn server_bytes_per_viewer(report: &Report, server: &Server) -> Option<f64> {
    let grown = server.memory_max?.saturating_sub(server.memory_before?);
    (report.dimensions.viewers > 0).then(|| grown as f64 / report.dimensions.viewers as f64)
}

fn closes(report: &Report) -> Section {
    use Column::{Numbers, Words};
    let row = |close: &Close| {
        let expected = if close.expected { "yes" } else { "✗ NO" };
        vec![close.code.to_string(), close.reason.clone(), expected.to_owned(), count(close.count)]
    };
    Section {
        title: "Ends of connections",
        columns: vec![Numbers("code"), Words("reason"), Words("expected"), Numbers("count")],
        rows: report.closes.iter().map(row).collect(),
    }
}

fn refusals(report: &Report) -> Section {
    use Column::{Numbers, Words};
    let row = |refused: &Refused| {
        vec![refused.what.clone(), refused.code.to_string(), refused.words.clone(), count(refused.count)]
    };
    Section {
        title: "Refusals",
        columns: vec![Words("what"), Numbers("code"), Words("words"), Numbers("count")],
        rows: report.refusals.iter().map(row).collect(),
    }
}

/// What came of the checks, in one sentence.
pub fn outcome(report: &Report) -> String {
    let with = |verdict| report.checks.iter().filter(|check| check.verdict == verdict).count() as u64;
    let (held, broken, skipped) = (with(Verdict::Held), with(Verdict::Broken), with(Verdict::Skipped));
    let made = held + broken;
    let mut outcome = match (made, broken) {
        (0, _) => "Nothing was checked".to_owned(),
        (1, 0) => "The one check held".to_owned(),
        (_, 0) => format!("All {} checks held", count(made)),
        _ => {
            let names: Vec<_> = report.broken().map(|check| plain(&check.name)).collect();
            format!("{} of {} did not hold: {}", count(broken), of(made, "check", "checks"), names.join(", "))
        }
    };
    if skipped > 0 {
        outcome.push_str(&format!(" ({} skipped)", count(skipped)));
    }
    outcome
}

/// Sentences that whoever reads the figures has to know: what limited the run, remarks, and a run that was cut short.
pub fn sentences(report: &Report) -> Vec<String> {
    let generator = &report.generator;
    let mut all: Vec<_> =
        generator.limits.iter().map(|limit| format!("The generator was the limit: {limit}")).collect();
    all.extend(generator.remarks.iter().cloned());
    all.extend(cut_short(report));
    all
}

/// How much of the run was played, of one that was cut short.
pub fn cut_short(report: &Report) -> Option<String> {
    let totals = &report.totals;
    totals
        .cut_short
        .then(|| format!("Cut short after {} of {}.", seconds(totals.seconds), seconds(totals.planned_seconds)))
}

#[cfg(test)]
mod tests {
    use super::super::super::Dimensions;
    use super::*;

    fn checks(verdicts: &[Verdict]) -> Report {
        let check = |verdict: &Verdict| Check { name: "gaps".to_owned(), verdict: *verdict, ..Check::default() };
        Report { checks: verdicts.iter().map(check).collect(), ..Report::default() }
    }

    #[test]
    fn the_outcome_is_a_sentence() {
        use Verdict::{Broken, Held, Skipped};
        let said = |verdicts: &[Verdict]| outcome(&checks(verdicts));
        assert_eq!(said(&[]), "Nothing was checked");
        assert_eq!(said(&[Held]), "The one check held");
        assert_eq!(said(&[Held, Held]), "All 2 checks held");
        assert_eq!(said(&[Broken]), "1 of 1 check did not hold: gaps");
        assert_eq!(said(&[Held, Broken, Skipped]), "1 of 2 checks did not hold: gaps (1 skipped)");
        assert_eq!(said(&[Skipped]), "Nothing was checked (1 skipped)");
    }

    #[test]
    fn memory_for_a_viewer_needs_both_ends_and_a_viewer() {
        let report =
            |viewers| Report { dimensions: Dimensions { viewers, ..Dimensions::default() }, ..Report::default() };
        let server = |before, most| Server { memory_before: before, memory_max: most, ..Server::default() };
        assert_eq!(server_bytes_per_viewer(&report(10), &server(Some(100), Some(300))), Some(20.0));
        assert_eq!(server_bytes_per_viewer(&report(10), &server(None, Some(300))), None);
        assert_eq!(server_bytes_per_viewer(&report(0), &server(Some(100), Some(300))), None);
    }

    #[test]
    fn every_row_has_a_cell_for_each_column() {
        let report = Report {
            latency: [("ack".to_owned(), Latency { count: 1, ..Latency::default() })].into(),
            closes: vec![Close::default()],
            refusals: vec![Refused::default()],
            stages: vec![StageSpan::default()],
            server: Some(Server::default()),
            ..checks(&[Verdict::Held, Verdict::Skipped])
        };
        let mut all = sections(&report);
        assert_eq!(all.len(), 5);
        all.extend([super::checks(&report), stages(&report)]);
        for section in all {
            assert!(section.rows.iter().all(|row| row.len() == section.columns.len()), "{section:?}");
        }
    }
}
