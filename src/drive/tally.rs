//! Counts and times of one second, of one thread or of all.

use std::ops::AddAssign;

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::report::Latency;

/// Digits of a time that count: within 1 % of what it was.
const DIGITS: u8 = 2;

/// Percentiles of a plot.
const CURVE: [f64; 22] = [
    0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 75.0, 80.0, 85.0, 90.0, 92.5, 95.0, 97.5, 99.0, 99.5, 99.75, 99.9,
    99.95, 99.99, 100.0,
];

/// A distribution of times in microseconds, within 1 %. One without times has no memory of its own.
#[derive(Clone, Debug, Default)]
pub struct Times(Option<Box<Histogram<u64>>>);

impl Times {
    /// Adds one.
    pub fn record(&mut self, micros: u64) {
        self.record_times(micros, 1);
    }

    fn record_times(&mut self, micros: u64, times: u64) {
        if self.0.is_none() {
            self.0 = Histogram::new(DIGITS).ok().map(Box::new);
        }
        if let Some(histogram) = &mut self.0 {
            // It grows with what it gets, so it has room for any.
            let _ = histogram.record_n(micros, times);
        }
    }

    /// Adds all of another.
    pub fn add(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (Some(histogram), Some(other)) => drop(histogram.add(&**other)),
            (none, other) => {
                if none.is_none() {
                    none.clone_from(other);
                }
            }
        }
    }

    /// How many.
    pub fn len(&self) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The time, in milliseconds, that a share in percent doesn't exceed; `None` when there are none.
    pub fn millis(&self, percentile: f64) -> Option<f64> {
        let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
        Some(histogram.value_at_percentile(percentile) as f64 / 1e3)
    }

    /// As a report has it.
    pub fn latency(&self) -> Latency {
        let at = |percentile: f64| self.millis(percentile).unwrap_or(0.0);
        Latency {
            count: self.len(),
            mean: self.0.as_ref().map_or(0.0, |histogram| histogram.mean() / 1e3),
            p50: at(50.0),
            p90: at(90.0),
            p99: at(99.0),
            p999: at(99.9),
            max: self.0.as_ref().map_or(0.0, |histogram| histogram.max() as f64 / 1e3),
            curve: CURVE.iter().map(|percentile| (*percentile, at(*percentile))).collect(),
        }
    }
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let steps = self.0.iter().flat_map(|histogram| histogram.iter_recorded());
        serializer.collect_seq(steps.map(|step| (step.value_iterated_to(), step.count_at_value())))
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut times = Self::default();
        for (micros, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            times.record_times(micros, count);
        }
        Ok(times)
    }
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What happened, counted.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl AddAssign for Counts {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counts! {
    /// Joins that succeeded.
    joined,
    /// Joins that did not.
    join_failures,
    /// Lines that were due.
    offered,
    /// Lines that were written.
    sent,
    /// Lines that were not, because their sender wasn't in.
    unsent,
    /// Lines that were acknowledged.
    acked,
    /// Lines that were refused.
    refused,
    /// Acts that were written.
    acts,
    /// Messages read.
    frames,
    /// Of these, by viewers who don't look into them.
    passed,
    /// Of these, by verifying viewers, without answers to one alone.
    pushes,
    /// Of these, with lines.
    line_frames,
    /// Bytes of these.
    line_bytes,
    /// Lines in them.
    lines,
    /// Bytes read.
    bytes,
    /// Connections that ended without being asked to.
    lost,
}

impl Counts {
    /// Lines read by all: whoever doesn't look into messages has as many in each as those who do. These have answers
    /// besides, which would make it less.
    pub fn deliveries(&self) -> u64 {
        if self.passed == 0 || self.pushes == 0 {
            return self.lines;
        }
        self.lines + (self.passed as f64 * self.lines as f64 / self.pushes as f64).round() as u64
    }
}

/// One second of one thread.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// Which second of the run, from 0.
    pub second: u32,
    /// What happened in it.
    pub counts: Counts,
    /// A line was due → it was read, of all that was read in it.
    pub delivery: Times,
    /// Of what was due in measured stages, whenever it came.
    pub measured: Measured,
    /// A join was due → CONNECTED.
    pub join: Times,
    /// A join was due → its connection was begun.
    pub late_joins: Times,
    /// Share of the second that the thread was at work.
    pub busy: f64,
    /// Viewers that are joined at its end.
    pub joined: u64,
    /// Connections under way to it.
    pub joining: u64,
}

/// Times of what was due in measured stages, whenever it came: what comes late belongs to the stage that it is late for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    /// A line was due → it was read.
    pub delivery: Times,
    /// A line was due → its answer.
    pub ack: Times,
    /// An act was due → it was heard.
    pub act: Times,
    /// A line or an act was due → it was said.
    pub late: Times,
}

impl Measured {
    /// Adds all of another.
    pub fn add(&mut self, other: &Self) {
        self.delivery.add(&other.delivery);
        self.ack.add(&other.ack);
        self.act.add(&other.act);
        self.late.add(&other.late);
    }
}

impl Part {
    /// Adds what another thread did in the same second.
    pub fn add(&mut self, other: &Self) {
        self.counts += other.counts;
        self.delivery.add(&other.delivery);
        self.measured.add(&other.measured);
        self.join.add(&other.join);
        self.late_joins.add(&other.late_joins);
        self.busy = self.busy.max(other.busy);
        self.joined += other.joined;
        self.joining += other.joining;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_right_within_a_percent() {
        let mut times = Times::default();
        (1..=10_000).for_each(|micros| times.record(micros * 10));
        let latency = times.latency();
        let near = |is: f64, should: f64| (is - should).abs() <= should * 0.01;
        assert!(near(latency.p50, 50.0) && near(latency.p99, 99.0) && near(latency.mean, 50.0), "{latency:?}");
        assert_eq!(latency.count, 10_000);
        assert!(near(latency.max, 100.0));
        assert_eq!(Times::default().millis(50.0), None);
    }

    #[test]
    fn times_travel() {
        let mut times = Times::default();
        [5, 700, 700, 80_000, 9_000_000_000].into_iter().for_each(|micros| times.record(micros));
        let text = serde_json::to_string(&times).unwrap();
        let back: Times = serde_json::from_str(&text).unwrap();
        assert_eq!((back.len(), back.millis(50.0)), (5, times.millis(50.0)));
        assert!(text.len() < 100, "{text}");
    }

    #[test]
    fn others_have_as_many_lines_as_those_who_look() {
        // 100 pushes and 50 answers for those who look, 200 pushes for the others.
        let counts = Counts { frames: 350, passed: 200, pushes: 100, lines: 250, ..Counts::default() };
        assert_eq!(counts.deliveries(), 750);
        assert_eq!(Counts { frames: 150, passed: 0, ..counts }.deliveries(), 250);
    }
}
