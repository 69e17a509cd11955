//! Conditions on a report, as a command line has them: `p99<=500ms`, `lost == 0`.

pub mod metrics;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{Check, Report, Verdict};
use metrics::{ALL, Kind, Metric};

/// Name and meaning of everything that a condition can be about.
pub const METRICS: &[(&str, &str)] = &names();

const fn names() -> [(&'static str, &'static str); ALL.len()] {
    let mut names = [("", ""); ALL.len()];
    let mut at = 0;
    while at < ALL.len() {
        names[at] = (ALL[at].name, ALL[at].meaning);
        at += 1;
    }
    names
}

/// What a metric has to be, or must not be.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    written: String,
    metric: &'static Metric,
    operator: Operator,
    bound: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// In the order to look for them in: `<=` before `<`.
const OPERATORS: [(&str, Operator); 6] = [
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// Why a condition can't be understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConditionError {
    /// There is nothing that compares.
    #[error("{0:?} has no operator: one of < <= > >= == != between a name and a number, as in p99<=500ms")]
    Operator(String),
    /// What is compared is not known.
    #[error("{name:?} is not known; these are: {}, as in p99<=500ms", known())]
    Metric {
        /// What stands there instead.
        name: String,
    },
    /// What it is compared with is not a number.
    #[error("{0:?} is not a number with a unit or without, as 500ms in p99<=500ms or 0 in lost==0")]
    Number(String),
    /// The unit is not known, or is one of something else.
    #[error("{unit:?} does not fit {metric}; {}", fitting(metric, *kind))]
    Unit {
        /// What stands there instead.
        unit: String,
        /// What is compared.
        metric: &'static str,
        /// What that is measured in.
        kind: Kind,
    },
}

fn known() -> String {
    let names: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
    names.join(", ")
}

fn fitting(metric: &str, kind: Kind) -> String {
    match kind {
        Kind::Cores => format!("it is a plain number, as in {metric}<1.5"),
        Kind::Count => format!("it is a plain number or one of k and M, as in {metric}<=100k"),
        Kind::Share => format!("it is a share from 0 to 1 or one of %, as in {metric}<80%"),
        Kind::Bytes => format!("{}, as in {metric}<200MiB", kind.units().join(", ")),
        Kind::Millis | Kind::Micros | Kind::Seconds => format!("{} do, as in {metric}<=500ms", kind.units().join(", ")),
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let written = text.trim();
        let found = written.find(['<', '>', '=', '!']).and_then(|at| {
            let (name, rest) = written.split_at(at);
            let matching = |(sign, operator)| Some((name, operator, rest.strip_prefix(sign)?));
            OPERATORS.into_iter().find_map(matching)
        });
        let Some((name, operator, bound)) = found else {
            return Err(ConditionError::Operator(written.to_owned()));
        };
        let name = name.trim();
        let metric = metrics::named(name).ok_or_else(|| ConditionError::Metric { name: name.to_owned() })?;
        Ok(Self { written: written.to_owned(), metric, operator, bound: bound_of(bound.trim(), metric)? })
    }
}

fn bound_of(text: &str, metric: &Metric) -> Result<f64, ConditionError> {
    let end = text.find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, '.' | '_' | '-' | '+')));
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number = number.replace('_', "").parse::<f64>().map_err(|_| ConditionError::Number(text.to_owned()))?;
    let unit = unit.trim();
    let misfit = || ConditionError::Unit { unit: unit.to_owned(), metric: metric.name, kind: metric.kind };
    Ok(number * metric.kind.factor(unit).ok_or_else(misfit)?)
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Condition {
    /// What its metric is in this report, in the metric's own unit (milliseconds, microseconds for the time a delivery
    /// costs, seconds, bytes, shares from 0 to 1). `None` when it wasn't measured.
    pub fn value(&self, report: &Report) -> Option<f64> {
        self.metric.value(report)
    }

    /// Whether it holds. `None` when its metric wasn't measured.
    pub fn holds(&self, report: &Report) -> Option<bool> {
        let (value, bound) = (self.value(report)?, self.bound);
        // 0.1 of a unit is rarely 0.1 of another to the last bit.
        let equal = (value - bound).abs() <= bound.abs() * 1e-12;
        Some(match self.operator {
            Operator::Less => value < bound && !equal,
            Operator::LessOrEqual => value < bound || equal,
            Operator::Greater => value > bound && !equal,
            Operator::GreaterOrEqual => value > bound || equal,
            Operator::Equal => equal,
            Operator::NotEqual => !equal,
        })
    }

    fn judge(&self, prefix: &str, wanted: bool, report: &Report) -> Check {
        let name = self.metric.name;
        let held = self.holds(report) == Some(wanted);
        let words = match self.value(report) {
            Some(value) => format!("{name} was {}", self.metric.kind.words(value)),
            None => format!("{name} was not measured"),
        };
        Check {
            name: format!("{prefix} {self}"),
            verdict: if held { Verdict::Held } else { Verdict::Broken },
            looked: None,
            broken: u64::from(!held),
            words,
            examples: Vec::new(),
        }
    }
}

/// A check for each condition, which must hold. One whose metric wasn't measured is broken: what nobody looked at must
/// not pass.
pub fn judge_must(conditions: &[Condition], report: &Report) -> Vec<Check> {
    conditions.iter().map(|condition| condition.judge("must", true, report)).collect()
}

/// A check for each condition, which must not hold. One whose metric wasn't measured is broken, too.
pub fn judge_fail_if(conditions: &[Condition], report: &Report) -> Vec<Check> {
    conditions.iter().map(|condition| condition.judge("fail-if", false, report)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Close, Dimensions, Generator, Latency, Server, Totals};
    use super::*;

    fn report() -> Report {
        let check = |name: &str, verdict, broken| Check { name: name.into(), verdict, broken, ..Check::default() };
        Report {
            latency: [("delivery".to_owned(), Latency { count: 9, p99: 612.0, p50: 0.3, ..Latency::default() })].into(),
            checks: vec![check("lost", Verdict::Broken, 3), check("hidden", Verdict::Skipped, 0)],
            closes: vec![
                Close { code: 1006, expected: false, count: 2, ..Close::default() },
                Close { code: 1000, expected: true, count: 50, ..Close::default() },
            ],
            dimensions: Dimensions { window_seconds: 10.0, ..Dimensions::default() },
            totals: Totals { deliveries_per_second: 100_000.0, bytes: 2_000_000, ..Totals::default() },
            generator: Generator { busiest: 0.9, ..Generator::default() },
            server: Some(Server { memory_max: Some(200 * 1_048_576), cores_busy: 1.25, ..Server::default() }),
            ..Report::default()
        }
    }

    fn holds(text: &str) -> Option<bool> {
        text.parse::<Condition>().unwrap_or_else(|error| panic!("{error}")).holds(&report())
    }

    #[test]
    fn each_operator_compares() {
        let yes = [
            "p99>500ms",
            "p99 >= 612",
            "p99<=612ms",
            "p99 < 0.7s",
            "p99==612ms",
            "lost != 0",
            "p50==300µs",
            "p50 == 300 us",
        ];
        assert_eq!(yes.map(holds), [Some(true); 8]);
        let no = ["p99<612ms", "p99>612ms", "p99!=612", "lost == 0", "p99 >= 613"];
        assert_eq!(no.map(holds), [Some(false); 5]);
    }

    #[test]
    fn units_are_those_of_the_metric() {
        let yes = [
            "deliveries_per_second == 100k",
            "deliveries_per_second >= 100_000",
            "server_memory <= 200MiB",
            "server_memory > 200MB",
            "bytes == 2MB",
            "generator_busy == 90%",
            "server_cores<1.5",
            "unexpected_closes == 2",
            "broken==1",
        ];
        assert_eq!(yes.map(holds), [Some(true); 9]);
    }

    #[test]
    fn what_was_not_measured_has_no_value() {
        assert_eq!(["ack_p99<1s", "hidden==0", "gaps==0", "server_cpu_per_delivery<1"].map(holds), [None; 4]);
        let nothing = Report::default();
        let unmeasured: Condition = "deliveries_per_second<1".parse().unwrap();
        assert_eq!(unmeasured.value(&nothing), None);
    }

    #[test]
    fn a_mistake_is_told_with_what_would_do() {
        let words = |text: &str| text.parse::<Condition>().unwrap_err().to_string();
        assert!(words("p99 500ms").contains("no operator"), "{}", words("p99 500ms"));
        assert!(words("p98<1ms").contains("\"p98\" is not known; these are: p50, p90, p99,"), "{}", words("p98<1ms"));
        assert!(words("p99<fast").contains("\"fast\" is not a number"), "{}", words("p99<fast"));
        assert!(words("p99<").contains("not a number"), "{}", words("p99<"));
        assert_eq!(
            words("lost<3ms"),
            "\"ms\" does not fit lost; it is a plain number or one of k and M, as in lost<=100k"
        );
        assert!(words("p99<3MB").contains("us, µs, ms, s do"), "{}", words("p99<3MB"));
        assert!(words("p99=3").contains("no operator"), "{}", words("p99=3"));
    }

    #[test]
    fn it_reads_as_it_was_written() {
        assert_eq!(" p99  > 500 ms ".parse::<Condition>().unwrap().to_string(), "p99  > 500 ms");
    }

    #[test]
    fn judgement_says_what_the_value_was() {
        let conditions: Vec<Condition> =
            ["p99 <= 500ms", "lost<4", "ack_p99<1s"].map(|text| text.parse().unwrap()).into();
        let told = |checks: Vec<Check>| -> Vec<_> {
            checks.into_iter().map(|check| (check.name, check.verdict, check.broken, check.words)).collect()
        };
        let row = |name: &str, verdict, broken, words: &str| (name.to_owned(), verdict, broken, words.to_owned());
        assert_eq!(
            told(judge_must(&conditions, &report())),
            [
                row("must p99 <= 500ms", Verdict::Broken, 1, "p99 was 612 ms"),
                row("must lost<4", Verdict::Held, 0, "lost was 3"),
                row("must ack_p99<1s", Verdict::Broken, 1, "ack_p99 was not measured"),
            ]
        );
        assert_eq!(
            told(judge_fail_if(&conditions, &report())),
            [
                row("fail-if p99 <= 500ms", Verdict::Held, 0, "p99 was 612 ms"),
                row("fail-if lost<4", Verdict::Broken, 1, "lost was 3"),
                row("fail-if ack_p99<1s", Verdict::Broken, 1, "ack_p99 was not measured"),
            ]
        );
    }

    #[test]
    fn names_are_each_one_metric() {
        let names: std::collections::BTreeSet<_> = METRICS.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), METRICS.len());
        assert!(METRICS.iter().all(|(name, meaning)| name.parse::<f64>().is_err() && !meaning.is_empty()));
    }
}
