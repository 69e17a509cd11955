//! Plots of a report, as SVG within HTML.

mod axis;
mod draw;

use super::table::figures;
use super::{Latency, Report, Second};
use axis::Axis;
use draw::{Band, Plot, Series};

/// Most points of a line; more than a screen has columns for.
const POINTS: usize = 600;
/// From this ratio of the largest to the smallest value on, an axis is logarithmic.
const WIDE: f64 = 50.0;
/// Farthest percentile of the latency curve, in nines: 99.9999 %.
const NINES: f64 = 6.0;

/// Latency of deliveries over time: half, 99 %, the longest.
pub(super) fn latency_over_time(report: &Report) -> String {
    let time = Time::new(report);
    let lines = vec![
        Series::line("p50", 0, time.most(|second| second.p50)),
        Series::line("p99", 1, time.most(|second| second.p99)),
        Series::line("max", 2, time.most(|second| second.max)),
    ];
    time.plot("Delivery latency over time", latency_axis(&lines), lines)
}

/// Latency by percentile, one line for each kind, with the nines evenly apart.
pub(super) fn latency_by_percentile(report: &Report) -> String {
    let kinds = [("delivery", 0), ("ack", 1), ("join", 2), ("act", 3)];
    let lines: Vec<_> = kinds
        .into_iter()
        .filter_map(|(name, colour)| Some(Series::line(name, colour, curve(report.latency.get(name)?))))
        .filter(|line| line.values().next().is_some())
        .collect();
    let farthest = lines.iter().flat_map(|line| line.points.iter()).map(|point| point.0).fold(0.0_f64, f64::max);
    let y = latency_axis(&lines);
    Plot { title: "Latency by percentile", x: Axis::nines(farthest), y, bands: Vec::new(), lines }.svg()
}

/// Deliveries and the messages that they came in.
pub(super) fn deliveries(report: &Report) -> String {
    let time = Time::new(report);
    let lines = vec![
        Series::area("deliveries", 0, time.rate(|second| second.deliveries)),
        Series::line("messages read", 1, time.rate(|second| second.frames)),
    ];
    time.upwards("Deliveries per second", rate, lines)
}

/// Lines that were sent, and the server's answers.
pub(super) fn sends(report: &Report) -> String {
    let time = Time::new(report);
    let lines = vec![
        Series::area("sent", 0, time.rate(|second| second.sent)),
        Series::line("accepted", 1, time.rate(|second| second.acked)),
        Series::line("refused", 2, time.rate(|second| second.refused)),
    ];
    time.upwards("Lines sent per second", rate, lines)
}

/// Connections that are in, on their way in, and lost.
pub(super) fn connections(report: &Report) -> String {
    let time = Time::new(report);
    let lost: u64 = report.timeline.iter().map(|second| second.lost_connections).sum();
    let none_is_no_mark = |second: &Second| (second.lost_connections > 0).then_some(second.lost_connections as f64);
    let lines = vec![
        Series::area("joined", 0, time.mean(|second| Some(second.joined as f64))),
        Series::line("joining", 1, time.mean(|second| Some(second.joining as f64))),
        Series::marks(&format!("lost, {} in all", figures::count(lost)), 2, time.sum(none_is_no_mark)),
    ];
    time.upwards("Connections", amount, lines)
}

/// Bytes that were read.
pub(super) fn bytes(report: &Report) -> String {
    let time = Time::new(report);
    let lines = vec![Series::area("bytes read", 0, time.rate(|second| second.bytes))];
    time.upwards("Bytes read per second", bytes_rate, lines)
}

/// Cores at work.
pub(super) fn cores(report: &Report) -> String {
    let time = Time::new(report);
    let lines = vec![
        Series::line("server", 0, time.mean(|second| second.server_cores)),
        Series::line("generator", 1, time.mean(|second| Some(second.generator_cores))),
        Series::line("generator's busiest thread", 3, time.most(|second| Some(second.generator_busy))),
    ];
    time.upwards("Processor cores at work", round, lines)
}

/// Resident memory.
pub(super) fn memory(report: &Report) -> String {
    let time = Time::new(report);
    let known = |bytes: u64| (bytes > 0).then_some(bytes as f64);
    let lines = vec![
        Series::line("server", 0, time.most(|second| second.server_memory.map(|bytes| bytes as f64))),
        Series::line("generator", 1, time.most(|second| known(second.generator_memory))),
    ];
    let most = lines.iter().flat_map(|line| line.values()).fold(0.0, f64::max);
    time.plot("Resident memory", Axis::binary(most, binary), lines)
}

/// A timeline as lines share it: its seconds put together so that they are at most [`POINTS`].
struct Time<'a> {
    report: &'a Report,
    bins: Vec<&'a [Second]>,
}

impl<'a> Time<'a> {
    fn new(report: &'a Report) -> Self {
        let size = report.timeline.len().div_ceil(POINTS).max(1);
        Self { report, bins: report.timeline.chunks(size).collect() }
    }

    fn fold(&self, value: impl Fn(&[Second]) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
        let finite = |bin: &[Second]| value(bin).filter(|value| value.is_finite());
        self.bins
            .iter()
            .filter_map(|bin| Some((bin.last()?.at, finite(bin))))
            .filter(|(at, _)| at.is_finite())
            .collect()
    }

    fn most(&self, value: impl Fn(&Second) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
        self.fold(|bin| bin.iter().filter_map(&value).reduce(f64::max))
    }

    fn sum(&self, value: impl Fn(&Second) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
        self.fold(|bin| bin.iter().filter_map(&value).reduce(|sum, value| sum + value))
    }

    fn mean(&self, value: impl Fn(&Second) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
        self.fold(|bin| {
            let values: Vec<_> = bin.iter().filter_map(&value).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        })
    }

    /// A count a second; an entry that came early or late counts for the time it covers.
    fn rate(&self, value: impl Fn(&Second) -> u64) -> Vec<(f64, Option<f64>)> {
        let mut before = self.report.timeline.first().map_or(0.0, |first| (first.at - 1.0).max(0.0));
        let mut points = Vec::with_capacity(self.bins.len());
        for bin in &self.bins {
            let Some(end) = bin.last().map(|second| second.at) else { continue };
            let counted = bin.iter().map(&value).fold(0_u64, u64::saturating_add) as f64;
            // A last entry of a few milliseconds would be drawn as a spike or a fall that was none.
            if end - before >= 0.2 {
                points.push((end, Some(counted / (end - before))));
            }
            before = end;
        }
        points
    }

    fn upwards(&self, title: &'static str, label: fn(f64) -> String, lines: Vec<Series>) -> String {
        let most = lines.iter().flat_map(|line| line.values()).fold(0.0, f64::max);
        self.plot(title, Axis::linear(most, label), lines)
    }

    fn plot(&self, title: &'static str, y: Axis, lines: Vec<Series>) -> String {
        let last = self.report.timeline.last().map_or(0.0, |second| second.at);
        let end = self.report.stages.iter().map(|stage| stage.to).fold(last, f64::max);
        let stages = self.report.stages.iter().filter(|stage| stage.from.is_finite() && stage.to.is_finite());
        let bands =
            stages.map(|stage| Band { name: &stage.name, from: stage.from, to: stage.to, shaded: stage.measured });
        Plot { title, x: Axis::time(end), y, bands: bands.collect(), lines }.svg()
    }
}

/// A latency curve over nines. The longest of a hundred stands at 99 %, of a thousand at 99.9 %.
fn curve(latency: &Latency) -> Vec<(f64, Option<f64>)> {
    let farthest = (latency.count.max(1) as f64).log10().min(NINES);
    let size = latency.curve.len().div_ceil(POINTS).max(1);
    let points = latency.curve.chunks(size).filter_map(|bin| bin.last());
    let nines = |percentile: f64| (-(1.0 - percentile / 100.0).max(0.0).log10()).min(farthest).max(0.0);
    let points = points.filter(|(percentile, time)| percentile.is_finite() && time.is_finite());
    points.map(|(percentile, time)| (nines(*percentile), Some(*time))).collect()
}

fn latency_axis(lines: &[Series]) -> Axis {
    let values = lines.iter().flat_map(|line| line.values()).filter(|value| *value > 0.0);
    let (least, most) = values.fold((f64::MAX, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    if most / least > WIDE { Axis::logarithmic(least, most, millis) } else { Axis::linear(most, millis) }
}

fn millis(value: f64) -> String {
    match value {
        _ if value >= 1_000.0 => format!("{} s", round(value / 1_000.0)),
        _ if value >= 1.0 || value == 0.0 => format!("{} ms", round(value)),
        _ => format!("{} µs", round(value * 1_000.0)),
    }
}

fn amount(value: f64) -> String {
    match value {
        _ if value >= 1e9 => format!("{}G", round(value / 1e9)),
        _ if value >= 1e6 => format!("{}M", round(value / 1e6)),
        _ if value >= 1e3 => format!("{}k", round(value / 1e3)),
        _ => round(value),
    }
}

fn rate(value: f64) -> String {
    format!("{}/s", amount(value))
}

fn bytes_rate(value: f64) -> String {
    match value {
        _ if value >= 1e9 => format!("{} GB/s", round(value / 1e9)),
        _ if value >= 1e6 => format!("{} MB/s", round(value / 1e6)),
        _ if value >= 1e3 => format!("{} kB/s", round(value / 1e3)),
        _ => format!("{} B/s", round(value)),
    }
}

fn binary(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        _ if value >= 1_073_741_824.0 => format!("{} GiB", round(value / 1_073_741_824.0)),
        _ if value >= 1_048_576.0 => format!("{} MiB", round(value / 1_048_576.0)),
        _ => format!("{} KiB", round(value / 1_024.0)),
    }
}

/// A tick's number, without the zeros that a fraction ends with.
fn round(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text.parse::<u64>() {
        Ok(whole) => figures::count(whole),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::StageSpan;
    use super::*;

    fn second(at: u64) -> Second {
        Second {
            at: at as f64,
            deliveries: 100,
            p50: Some(1.0),
            p99: Some(5.0),
            max: Some(at as f64),
            ..Second::default()
        }
    }

    fn report(seconds: u64) -> Report {
        Report { timeline: (1..=seconds).map(second).collect(), ..Report::default() }
    }

    fn all(report: &Report) -> Vec<String> {
        [latency_over_time, latency_by_percentile, deliveries, sends, connections, bytes, cores, memory]
            .map(|plot| plot(report))
            .into()
    }

    #[test]
    fn too_little_is_a_sentence() {
        for seconds in [0, 1] {
            for plot in all(&report(seconds)) {
                assert!(plot.contains("Too little") && !plot.contains("<svg"), "{plot}");
            }
        }
    }

    #[test]
    fn a_day_has_no_more_points_than_a_screen() {
        let day = report(86_400);
        let time = Time::new(&day);
        let longest = time.most(|second| second.max);
        assert_eq!(longest.len(), POINTS);
        assert_eq!(longest.last(), Some(&(86_400.0, Some(86_400.0))), "the longest of the last stretch");
        assert!(time.rate(|second| second.deliveries).iter().all(|point| point.1 == Some(100.0)));
        assert!(deliveries(&day).len() < 40_000, "{}", deliveries(&day).len());
    }

    #[test]
    fn a_late_entry_counts_for_its_time() {
        let mut late = report(3);
        late.timeline[2].at = 4.0;
        let rates = Time::new(&late).rate(|second| second.deliveries);
        assert_eq!(rates, [(1.0, Some(100.0)), (2.0, Some(100.0)), (4.0, Some(50.0))]);
    }

    #[test]
    fn the_longest_stands_where_so_few_can_tell() {
        let latency =
            Latency { count: 1_000, curve: vec![(50.0, 1.0), (99.0, 2.0), (100.0, 9.0)], ..Latency::default() };
        let places: Vec<_> = curve(&latency).into_iter().map(|(at, _)| (at * 1_000.0).round()).collect();
        assert_eq!(places, [301.0, 2_000.0, 3_000.0]);
    }

    #[test]
    fn odd_figures_are_drawn_or_left_out() {
        let mut odd = report(5);
        odd.timeline[1].max = Some(f64::NAN);
        odd.timeline[2].p99 = Some(0.0);
        odd.timeline[3].p50 = None;
        odd.timeline[4].at = 0.5;
        let stage = |name: &str, from, to| StageSpan { name: name.to_owned(), from, to, measured: true };
        odd.stages = vec![stage("<b>", -1.0, 2.0), stage("later", 9.0, 3.0), stage("never", f64::NAN, f64::INFINITY)];
        for plot in all(&odd) {
            assert!(!plot.contains("NaN") && !plot.contains("<b>"), "{plot}");
        }
        assert!(latency_over_time(&odd).contains("&lt;b&gt;"));
    }

    #[test]
    fn colours_and_width_are_the_page_s() {
        let plot = latency_over_time(&report(100));
        assert!(plot.contains("<svg role=\"img\" aria-label=\"Delivery latency over time\" viewBox="), "{plot}");
        assert!(plot.contains("var(--line-2,") && !plot.contains("\"#0100"), "{plot}");
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!([0.5, 1.0, 250.0, 2_500.0].map(millis), ["500 µs", "1 ms", "250 ms", "2.5 s"]);
        assert_eq!([2_000.0, 50_000.0, 1_500_000.0].map(amount), ["2k", "50k", "1.5M"]);
    }
}
