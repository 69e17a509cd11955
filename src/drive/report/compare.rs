//! Two reports side by side.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use serde_json::Value;
use thiserror::Error;

use super::condition::metrics::{ALL, Metric};
use super::table::figures::{count, percent, plain, seconds, short, size};
use super::table::sections::{self, NONE};
use super::{FORM, Report, Verdict};

/// Dimensions that are no farther apart than this share of the larger are the same.
const NEAR: f64 = 0.02;

/// Why a text is not a report.
#[derive(Debug, Error)]
pub enum CompareError {
    /// It isn't JSON.
    #[error("this is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// It is JSON of something else.
    #[error("this is JSON, but not a report of madang drive: {0}")]
    NotReport(String),
    /// A later version wrote it.
    #[error("this report has form {0}, and this version of madang reads forms up to {FORM}: take a later one")]
    Later(u64),
}

/// A report as `report.json` has it.
///
/// # Errors
///
/// A text that is not JSON, not a report, or one of a form that is later than [`FORM`].
pub fn read(text: &str) -> Result<Report, CompareError> {
    let value: Value = serde_json::from_str(text).map_err(CompareError::NotJson)?;
    let form = value.get("form").and_then(Value::as_u64);
    let form = form.ok_or_else(|| CompareError::NotReport("it has no number \"form\"".to_owned()))?;
    // A later form may lack what this one needs, so it is told before anything else is looked at.
    if form > u64::from(FORM) {
        return Err(CompareError::Later(form));
    }
    serde_json::from_value(value).map_err(|error| CompareError::NotReport(error.to_string()))
}

/// What differs between two reports, each with its name: first in what was played and where, then in every figure that
/// either measured, then in what was found. Without colours.
pub fn compare(a: (&str, &Report), b: (&str, &Report)) -> String {
    let mut text = care(a.1, b.1);
    text.push_str(&figures(a, b));
    text.push_str(&verdicts(a, b));
    text
}

fn care(a: &Report, b: &Report) -> String {
    let pairs = words_of(a).into_iter().zip(words_of(b));
    let mut differing: Vec<_> = pairs
        .filter(|(a, b)| a.1 != b.1)
        .map(|((name, a), (_, b))| format!("  {name} {} and {}", plain(&a), plain(&b)))
        .collect();
    let pairs = numbers_of(a).into_iter().zip(numbers_of(b));
    let far = |a: f64, b: f64| (a - b).abs() > a.abs().max(b.abs()) * NEAR;
    let pairs = pairs.filter(|((_, a, _), (_, b, _))| far(*a, *b));
    differing.extend(pairs.map(|((name, a, words), (_, b, _))| format!("  {name} {} and {}", words(a), words(b))));
    if a.scenario.name == b.scenario.name && a.scenario.text != b.scenario.text {
        differing.push("  the text of the scenario".to_owned());
    }
    match differing.is_empty() {
        true => "Same scenario, same dimensions, same machine.\n".to_owned(),
        false => format!("Compare with care, these differ:\n{}\n", differing.join("\n")),
    }
}

fn words_of(report: &Report) -> Vec<(&'static str, String)> {
    let (scenario, machine) = (&report.scenario, &report.machine);
    vec![
        ("scenario", scenario.name.clone()),
        ("seed", scenario.seed.to_string()),
        ("madang", report.madang.clone()),
        ("processor", machine.cpu.clone()),
        ("cores", machine.cores.to_string()),
        ("system", machine.system.clone()),
        ("processes", report.dimensions.processes.to_string()),
        ("threads", report.dimensions.workers.to_string()),
        ("length", length(report)),
    ]
}

/// A name, a number, and how to write it.
type Number = (&'static str, f64, fn(f64) -> String);

/// Numbers that differ a little from run to run of the same scenario.
fn numbers_of(report: &Report) -> Vec<Number> {
    let dimensions = &report.dimensions;
    vec![
        ("memory", report.machine.memory_bytes as f64, size),
        ("viewers", dimensions.viewers as f64, short),
        ("channels", dimensions.channels as f64, short),
        ("largest channel", dimensions.largest_channel as f64, short),
        ("senders", dimensions.senders as f64, short),
        ("verified", dimensions.verified, percent),
        ("extended layer", dimensions.ext, percent),
        ("lines a second", dimensions.lines_per_second, short),
        ("size of a line", dimensions.line_bytes, size),
        ("lines in a message", dimensions.lines_per_frame, short),
        ("measured", dimensions.window_seconds, seconds),
    ]
}

fn length(report: &Report) -> String {
    sections::cut_short(report)
        .map_or_else(|| "whole".to_owned(), |words| words.to_lowercase().trim_end_matches('.').to_owned())
}

fn figures(a: (&str, &Report), b: (&str, &Report)) -> String {
    let mut table = drawn();
    table.set_header([left(""), right(&plain(a.0)), right(&plain(b.0)), right("change")]);
    for metric in &ALL {
        let (before, after) = (metric.value(a.1), metric.value(b.1));
        if before.is_some() || after.is_some() {
            let row = [left(metric.name), right(&words(metric, before)), right(&words(metric, after))];
            table.add_row(row.into_iter().chain([right(&change(before, after))]));
        }
    }
    format!("\n{table}\n")
}

fn words(metric: &Metric, value: Option<f64>) -> String {
    value.map_or(NONE.to_owned(), |value| metric.kind.words(value))
}

/// In percent while that is easy to imagine, else how many times as much.
fn change(before: Option<f64>, after: Option<f64>) -> String {
    match (before, after) {
        (Some(before), Some(after)) if before == after => "=".to_owned(),
        (Some(before), Some(after)) if before != 0.0 => {
            let ratio = after / before;
            let percent = (ratio - 1.0) * 100.0;
            if (0.5..2.0).contains(&ratio) { format!("{percent:+.1} %") } else { format!("× {}", short(ratio)) }
        }
        _ => NONE.to_owned(),
    }
}

fn verdicts(a: (&str, &Report), b: (&str, &Report)) -> String {
    let verdict = |report: &Report, name: &str| {
        report.checks.iter().find(|check| check.name == name).map(|check| (check.verdict, check.broken))
    };
    let mut names: Vec<_> = a.1.checks.iter().map(|check| check.name.as_str()).collect();
    let later = b.1.checks.iter().map(|check| check.name.as_str()).filter(|name| verdict(a.1, name).is_none());
    names.extend(later);
    let shown = |found: Option<(Verdict, u64)>| match found {
        Some((Verdict::Broken, times)) => format!("{}, {}", sections::verdict(Verdict::Broken), count(times)),
        Some((other, _)) => sections::verdict(other).to_owned(),
        None => NONE.to_owned(),
    };
    let mut table = drawn();
    table.set_header([left("check"), left(&plain(a.0)), left(&plain(b.0))]);
    for name in &names {
        let (before, after) = (shown(verdict(a.1, name)), shown(verdict(b.1, name)));
        if before != after {
            table.add_row([left(&plain(name)), left(&before), left(&after)]);
        }
    }
    match (names.is_empty(), table.is_empty()) {
        (true, _) => "\nNothing was checked in either.\n".to_owned(),
        (_, true) => "\nThe same came of every check.\n".to_owned(),
        _ => format!("\nWhat came of these checks differs:\n{table}\n"),
    }
}

fn drawn() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(100);
    table
}

fn left(text: &str) -> Cell {
    Cell::new(text)
}

fn right(text: &str) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

#[cfg(test)]
mod tests {
    use super::super::{Check, Dimensions, Latency, Server};
    use super::*;

    fn report(p99: f64, viewers: u64) -> Report {
        Report {
            form: FORM,
            latency: [("delivery".to_owned(), Latency { count: 9, p99, ..Latency::default() })].into(),
            dimensions: Dimensions { viewers, ..Dimensions::default() },
            ..Report::default()
        }
    }

    fn row<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        let start = format!("│ {name} ");
        let line = text.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no {name} in\n{text}"));
        line.split(['│', '┆']).map(str::trim).filter(|cell| !cell.is_empty()).collect()
    }

    #[test]
    fn a_report_is_read_back() {
        let whole = report(12.5, 1_000);
        assert_eq!(read(&serde_json::to_string(&whole).unwrap()).unwrap(), whole);
    }

    #[test]
    fn what_is_no_report_is_told_as_what_it_is() {
        let words = |text: &str| read(text).unwrap_err().to_string();
        assert!(words("p99: 3").starts_with("this is not JSON: "), "{}", words("p99: 3"));
        assert!(words("[1]").contains("not a report of madang drive"), "{}", words("[1]"));
        assert!(words(r#"{"form":1}"#).contains("missing field"), "{}", words(r#"{"form":1}"#));
        assert!(words(r#"{"form":2,"new":true}"#).contains("form 2"), "{}", words(r#"{"form":2}"#));
    }

    #[test]
    fn figures_stand_side_by_side_with_their_change() {
        let (mut a, b) = (report(10.0, 1_000), report(12.0, 5_000));
        a.server = Some(Server { memory_max: Some(1_024), ..Server::default() });
        let text = compare(("a.json", &a), ("b.json", &b));
        assert_eq!(row(&text, "p99"), ["p99", "10.0 ms", "12.0 ms", "+20.0 %"]);
        assert_eq!(row(&text, "viewers"), ["viewers", "1,000", "5,000", "× 5.00"]);
        assert_eq!(row(&text, "server_memory"), ["server_memory", "1.00 KiB", "–", "–"]);
        assert!(!text.contains("ack_p99"), "{text}");
        assert!(text.starts_with("Compare with care, these differ:\n  viewers 1,000 and 5,000\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn equals_are_called_so() {
        let text = compare(("a", &report(1.0, 1)), ("b", &report(1.0, 1)));
        assert!(text.starts_with("Same scenario, same dimensions, same machine."), "{text}");
        assert!(text.contains("Nothing was checked in either."), "{text}");
    }

    #[test]
    fn a_verdict_that_changed_is_shown() {
        let check = |verdict, broken| Check { name: "gaps".to_owned(), verdict, broken, ..Check::default() };
        let (mut a, mut b) = (report(1.0, 1), report(1.0, 1));
        a.checks = vec![check(Verdict::Held, 0)];
        b.checks = vec![check(Verdict::Broken, 3)];
        assert_eq!(row(&compare(("a", &a), ("b", &b)), "gaps").len(), 4);
        let text = compare(("a", &a), ("b", &b));
        assert!(text.contains("│ gaps  ┆ ✓ held ┆ ✗ BROKEN, 3 │"), "{text}");
    }
}
