//! What came of the rounds, and how it is written.

use super::Case;

/// What one round came to. Processor times are microseconds for each delivery, memory is bytes for each viewer, latency
/// milliseconds, shares run from 0 to 1.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) server_cpu: Option<f64>,
    /// Share of its core, mean.
    pub(crate) server_busy: Option<f64>,
    /// At its largest, less what it had before the first viewer.
    pub(crate) server_memory: Option<f64>,
    pub(crate) own_cpu: Option<f64>,
    /// The generator's.
    pub(crate) own_memory: f64,
    /// Share of its time that the generator was at work; ours: in its fullest second.
    pub(crate) own_busy: f64,
    /// A second.
    pub(crate) deliveries: f64,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    /// Why the figures are the generator's own, if they are.
    pub(crate) limits: Vec<String>,
}

/// All rounds of a case.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) case: Case,
    pub(crate) rounds: Vec<Figures>,
}

impl Series {
    /// The middle one of what the rounds have, of an even number the larger.
    pub(crate) fn median(&self, of: impl Fn(&Figures) -> f64) -> f64 {
        let sorted = self.sorted(|figures| Some(of(figures)));
        sorted[sorted.len() / 2]
    }

    /// Median, and in brackets the smallest and largest; a dash without any. `times` brings it to the column's unit.
    pub(crate) fn cell(&self, times: f64, of: impl Fn(&Figures) -> Option<f64>) -> String {
        let sorted: Vec<f64> = self.sorted(of).iter().map(|value| value * times).collect();
        let [first, .., last] = sorted[..] else {
            return sorted.first().map_or_else(|| "–".to_owned(), |only| figure(*only));
        };
        let (middle, least, most) = (figure(sorted[sorted.len() / 2]), figure(first), figure(last));
        if least == most { middle } else { format!("{middle} ({least}–{most})") }
    }

    /// What limited the generator in any of the rounds.
    pub(crate) fn limits(&self) -> Vec<&str> {
        let mut limits: Vec<&str> =
            self.rounds.iter().flat_map(|figures| figures.limits.iter().map(String::as_str)).collect();
        limits.sort_unstable();
        limits.dedup();
        limits
    }

    fn sorted(&self, of: impl Fn(&Figures) -> Option<f64>) -> Vec<f64> {
        let mut values: Vec<f64> = self.rounds.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}

/// As many digits as mean anything.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 99.95 => grouped(value),
        medium if medium >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A whole number, its thousands apart.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
