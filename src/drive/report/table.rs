//! A report as a terminal shows it.

pub mod figures;
pub mod sections;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};

use super::Report;
use figures::plain;
use sections::{Column, Section};

/// Widest line.
const WIDTH: u16 = 100;

/// The whole report in tables and sentences, at most 100 columns wide, without colours. What matters most is last, where
/// a terminal stops. Control characters in text from outside are blanks here.
pub fn table(report: &Report) -> String {
    let mut text = head(report);
    for section in sections::sections(report) {
        text.push_str(&titled(&section));
    }
    text.push_str(&checks(report));
    for sentence in [format!("{}.", sections::outcome(report))].iter().chain(&sections::sentences(report)) {
        text.push('\n');
        text.push_str(&wrapped(sentence, ""));
    }
    text
}

fn head(report: &Report) -> String {
    let scenario = &report.scenario;
    let line = format!("{}, seed {}, {}, madang {}", scenario.name, scenario.seed, report.begun, report.madang);
    let mut text = wrapped(&line, "");
    for line in [&scenario.about, &report.url] {
        if !line.is_empty() {
            text.push_str(&wrapped(line, ""));
        }
    }
    let mut table = drawn();
    for pair in sections::setting(report).chunks(2) {
        table.add_row(pair.iter().flat_map(|(name, value)| [(*name).to_owned(), plain(value)]).collect::<Vec<_>>());
    }
    text.push_str(&format!("\n{table}\n"));
    text
}

fn titled(section: &Section) -> String {
    let mut table = drawn();
    let heads = section.columns.iter().map(|column| Cell::new(column.head()).set_alignment(alignment(*column)));
    table.set_header(heads.collect::<Vec<_>>());
    for row in &section.rows {
        let cells = row.iter().zip(&section.columns);
        let cells = cells.map(|(cell, column)| Cell::new(plain(cell)).set_alignment(alignment(*column)));
        table.add_row(cells.collect::<Vec<_>>());
    }
    format!("\n{}\n{table}\n", section.title)
}

fn checks(report: &Report) -> String {
    let section = sections::checks(report);
    if section.rows.is_empty() {
        return String::new();
    }
    let mut text = titled(&section);
    for check in report.broken().filter(|check| !check.examples.is_empty()) {
        text.push('\n');
        text.push_str(&wrapped(&format!("{}, for example:", check.name), ""));
        for example in &check.examples {
            text.push_str(&wrapped(example, "  "));
        }
    }
    text
}

fn drawn() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table
}

fn alignment(column: Column) -> CellAlignment {
    match column {
        Column::Words(_) => CellAlignment::Left,
        Column::Numbers(_) => CellAlignment::Right,
    }
}

/// Lines of at most [`WIDTH`] characters, broken between words.
fn wrapped(text: &str, indent: &str) -> String {
    let (mut lines, mut line, mut length) = (String::new(), indent.to_owned(), indent.len());
    for word in plain(text).split_whitespace() {
        let letters = word.chars().count();
        if length > indent.len() && length + 1 + letters > usize::from(WIDTH) {
            lines.push_str(&format!("{line}\n"));
            (line, length) = (indent.to_owned(), indent.len());
        }
        if length > indent.len() {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += letters;
    }
    format!("{lines}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::super::{Check, Close, Dimensions, Generator, Latency, Scene, Totals, Verdict};
    use super::*;

    fn report() -> Report {
        Report {
            scenario: Scene { name: "evening".to_owned(), seed: 42, ..Scene::default() },
            dimensions: Dimensions { viewers: 5_000, window_seconds: 60.0, ..Dimensions::default() },
            latency: [("ack".to_owned(), Latency { count: 7_200, p99: 12.345, ..Latency::default() })].into(),
            checks: vec![
                Check { name: "order".to_owned(), verdict: Verdict::Held, looked: Some(9_000), ..Check::default() },
                Check {
                    name: "gaps".to_owned(),
                    verdict: Verdict::Broken,
                    broken: 2,
                    words: "numbers are missing ".repeat(12),
                    examples: vec!["viewer 17 went from 3 to 5".to_owned()],
                    ..Check::default()
                },
                Check { name: "hidden".to_owned(), words: "nothing was hidden".to_owned(), ..Check::default() },
            ],
            closes: vec![Close { code: 1006, reason: "reset\x1b[2J".to_owned(), expected: false, count: 3 }],
            generator: Generator {
                limits: vec!["its busiest thread had 3 % left".to_owned()],
                remarks: vec!["The server was not watched.".to_owned()],
                ..Generator::default()
            },
            totals: Totals { seconds: 41.0, planned_seconds: 120.0, cut_short: true, ..Totals::default() },
            ..Report::default()
        }
    }

    #[test]
    fn it_fits_a_terminal() {
        let text = table(&report());
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(WIDTH)), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
    }

    #[test]
    fn what_matters_most_is_last() {
        let text = table(&report());
        let last = "1 of 2 checks did not hold: gaps (1 skipped).\n\n\
            The generator was the limit: its busiest thread had 3 % left\n\n\
            The server was not watched.\n\nCut short after 41 s of 120 s.\n";
        assert!(text.ends_with(last), "{text}");
    }

    #[test]
    fn figures_and_verdicts_are_there() {
        let text = table(&report());
        for part in [
            "5,000",
            "7,200",
            "12.3",
            "✓ held",
            "✗ BROKEN",
            "– skipped",
            "✗ NO",
            "gaps, for example:\n  viewer 17 went",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn a_table_without_rows_is_left_out() {
        let text = table(&report());
        assert!(!text.contains("Refusals") && !table(&Report::default()).contains("Checks"), "{text}");
        assert!(!text.contains("read by a viewer"), "{text}");
    }
}
