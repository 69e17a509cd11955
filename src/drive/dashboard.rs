//! What is to be seen while it runs: a dashboard on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Seconds between two lines where there is no terminal.
const EVERY: u64 = 5;

/// How the run stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Standing {
    /// Seconds that are over.
    pub(super) at: u64,
    /// Seconds of the script.
    pub(super) of: u64,
    /// The stage, or what is waited for.
    pub(super) stage: String,
    /// Viewers that are joined.
    pub(super) joined: u64,
    /// Connections under way to it.
    pub(super) joining: u64,
    /// Lines a second.
    pub(super) lines: u64,
    /// Deliveries a second.
    pub(super) deliveries: u64,
    /// Bytes a second.
    pub(super) bytes: u64,
    /// Latency of a delivery in this second: 50 % and 99 %, in milliseconds.
    pub(super) latency: Option<(f64, f64)>,
    /// Cores that the generator uses, and the share of its busiest thread.
    pub(super) own: (f64, f64),
    /// Cores that the server uses, and its memory.
    pub(super) server: Option<(f64, u64)>,
    /// Connections that were lost so far.
    pub(super) lost: u64,
    /// What was found so far that doesn't hold.
    pub(super) broken: u64,
}

/// Shows it.
#[derive(Debug)]
pub(super) enum Dashboard {
    /// On a terminal.
    Live(Live),
    /// A line now and then.
    Lines,
    /// Nothing.
    Quiet,
}

/// What a terminal shows.
#[derive(Debug)]
pub(super) struct Live {
    bar: ProgressBar,
    rows: Vec<ProgressBar>,
    latencies: Vec<f64>,
    _all: MultiProgress,
}

impl Dashboard {
    /// For standard error, as it is.
    pub(super) fn new(quiet: bool) -> Self {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Live(Live::new()),
            (false, false) => Self::Lines,
        }
    }

    /// A second is over.
    pub(super) fn show(&mut self, standing: &Standing) {
        match self {
            Self::Live(live) => live.show(standing),
            Self::Lines if standing.at.is_multiple_of(EVERY) => eprintln!("{}", standing.line()),
            Self::Lines | Self::Quiet => {}
        }
    }

    /// Something to be said once.
    pub(super) fn say(&self, words: &str) {
        match self {
            // Above the dashboard, which is drawn anew below it.
            Self::Live(live) => live.bar.println(words),
            Self::Lines => eprintln!("{words}"),
            Self::Quiet => {}
        }
    }

    /// It is over: the terminal is as it was.
    pub(super) fn close(&mut self) {
        if let Self::Live(live) = self {
            live.rows.iter().for_each(ProgressBar::finish_and_clear);
            live.bar.finish_and_clear();
        }
    }
}

impl Live {
    fn new() -> Self {
        let all = MultiProgress::new();
        let style =
            |template: &str| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = all.add(ProgressBar::new(1).with_style(style("{prefix:>12.bold} {bar:40.cyan/dim} {msg}")));
        let rows = (0..5).map(|_| all.add(ProgressBar::new(1).with_style(style("{prefix:>12.dim} {msg}")))).collect();
        Self { bar, rows, latencies: Vec::new(), _all: all }
    }

    fn show(&mut self, standing: &Standing) {
        self.bar.set_length(standing.of.max(1));
        self.bar.set_position(standing.at.min(standing.of));
        self.bar.set_prefix(standing.stage.clone());
        self.bar.set_message(standing.time());
        if let Some((_, p99)) = standing.latency {
            self.latencies.push(p99);
            let many = self.latencies.len();
            self.latencies.drain(..many.saturating_sub(40));
        }
        let rows = [
            ("viewers", format!("{} in, {} coming, {} lost", standing.joined, standing.joining, standing.lost)),
            (
                "a second",
                format!(
                    "{} lines → {} deliveries, {:.1} MB",
                    standing.lines,
                    standing.deliveries,
                    standing.bytes as f64 / 1e6
                ),
            ),
            ("latency", format!("{}  {}", standing.latency_words(), sparks(&self.latencies))),
            ("cost", standing.cost()),
            ("broken", if standing.broken == 0 { "nothing".to_owned() } else { standing.broken.to_string() }),
        ];
        for (row, (prefix, message)) in self.rows.iter().zip(rows) {
            row.set_prefix(prefix);
            row.set_message(message);
        }
    }
}

impl Standing {
    fn line(&self) -> String {
        format!(
            "{:>6} {:<16} {} in, {} coming, {} lost | {} lines → {} deliveries/s | {} | {} | broken: {}",
            self.time(),
            self.stage,
            self.joined,
            self.joining,
            self.lost,
            self.lines,
            self.deliveries,
            self.latency_words(),
            self.cost(),
            self.broken,
        )
    }

    fn time(&self) -> String {
        let left = Duration::from_secs(self.of.saturating_sub(self.at));
        if left.is_zero() { "settling".to_owned() } else { format!("{} left", humantime::format_duration(left)) }
    }

    fn latency_words(&self) -> String {
        self.latency.map_or_else(|| "p99 –".to_owned(), |(p50, p99)| format!("p50 {p50:.1} ms, p99 {p99:.1} ms"))
    }

    fn cost(&self) -> String {
        let (cores, busy) = self.own;
        let own = format!("generator {cores:.2} cores (busiest thread {:.0} %)", busy * 100.0);
        match self.server {
            Some((cores, memory)) => format!("server {cores:.2} cores, {:.0} MB; {own}", memory as f64 / 1e6),
            None => own,
        }
    }
}

/// A row of bars, the highest as high as can be.
fn sparks(values: &[f64]) -> String {
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    values.iter().map(|value| bars[((value / most * 7.0).round() as usize).min(7)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_it_stands() {
        let standing = Standing {
            at: 10,
            of: 70,
            stage: "goal".to_owned(),
            joined: 1_000,
            deliveries: 20_000,
            latency: Some((4.0, 20.5)),
            own: (0.4, 0.5),
            ..Standing::default()
        };
        let line = standing.line();
        assert!(line.contains("1m left") && line.contains("p99 20.5 ms") && line.contains("broken: 0"), "{line}");
        assert!(Standing { at: 80, ..standing }.line().contains("settling"));
    }

    #[test]
    fn the_highest_bar_is_the_highest() {
        assert_eq!(sparks(&[0.0, 5.0, 10.0]), "▁▅█");
        assert_eq!(sparks(&[]), "");
    }
}
