//! Axes: from where to where, and what is written beside them.

/// One axis. Points are given in its own measure, which is a logarithm for a logarithmic one.
#[derive(Debug)]
pub(super) struct Axis {
    /// The lowest and the highest that is shown.
    pub(super) range: (f64, f64),
    /// Where a tick is, and its words.
    pub(super) ticks: Vec<(f64, String)>,
    /// What the axis is of, where the ticks don't say it.
    pub(super) name: &'static str,
    logarithmic: bool,
}

impl Axis {
    /// From 0 to a round number above `most`.
    pub(super) fn linear(most: f64, label: fn(f64) -> String) -> Self {
        let most = measurable(most, 1.0) * 1.05;
        Self::stepped(most, step(most / 6.0), label)
    }

    /// The same for bytes, in steps that are round in binary units.
    pub(super) fn binary(most: f64, label: fn(f64) -> String) -> Self {
        let most = measurable(most, 1_024.0) * 1.05;
        let unit = 1_024_f64.powf((most / 6.0).max(1.0).log(1_024.0).floor());
        Self::stepped(most, step(most / 6.0 / unit) * unit, label)
    }

    /// Logarithmic, over decades and their ones, twos and fives as far as there is room.
    pub(super) fn logarithmic(least: f64, most: f64, label: fn(f64) -> String) -> Self {
        let (least, most) = (measurable(least, 1.0), measurable(most, 1.0));
        let (low, high) = (least.log10(), most.log10());
        let decades = high - low;
        let factors: &[f64] = if decades > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let values = (low.floor() as i32..=high.ceil() as i32)
            .flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
        let values: Vec<_> = values.collect();
        // The axis begins and ends at a tick.
        let from = values.iter().copied().filter(|value| *value <= least).fold(values[0], f64::max);
        let to = values.iter().copied().filter(|value| *value >= most).fold(f64::MAX, f64::min);
        let every = if decades > 7.0 { 2 } else { 1 };
        let shown = values.into_iter().filter(|value| (from..=to).contains(value)).step_by(every);
        let ticks = shown.map(|value| (value.log10(), label(value))).collect();
        Self { range: (from.log10(), to.log10()), ticks, name: "", logarithmic: true }
    }

    /// Seconds of the run, from 0 to `end`, as seconds, minutes or hours.
    pub(super) fn time(end: f64) -> Self {
        let end = measurable(end, 1.0);
        let (unit, name) = match end {
            _ if end < 300.0 => (1.0, "seconds"),
            _ if end < 18_000.0 => (60.0, "minutes"),
            _ => (3_600.0, "hours"),
        };
        let step = step(end / unit / 6.0);
        let ticks = (0..=(end / unit / step) as u32).map(|at| f64::from(at) * step);
        let ticks = ticks.map(|value| (value * unit, super::round(value))).collect();
        Self { range: (0.0, end), ticks, name, logarithmic: false }
    }

    /// Percentiles, so that 90, 99 and 99.9 % are evenly apart: a point's measure is the number of its nines.
    pub(super) fn nines(farthest: f64) -> Self {
        let end = if farthest.is_finite() { farthest.max(2.0) } else { 2.0 };
        let named = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999];
        let ticks = named.into_iter().map(|percent| (-(1.0_f64 - percent / 100.0).log10(), format!("{percent}")));
        let ticks = ticks.filter(|(at, _)| *at <= end + 1e-6).collect();
        Self { range: (0.0, end), ticks, name: "percentile", logarithmic: false }
    }

    /// A value in the axis's measure, at most at its end; `None` for one that has no place on it.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let place = match self.logarithmic {
            true => (value > 0.0).then(|| value.log10()),
            false => (!value.is_nan()).then_some(value),
        };
        place.map(|place| place.clamp(self.range.0, self.range.1))
    }

    fn stepped(most: f64, step: f64, label: fn(f64) -> String) -> Self {
        let steps = (most / step).ceil() as u32;
        let ticks = (0..=steps).map(|at| f64::from(at) * step).map(|value| (value, label(value))).collect();
        Self { range: (0.0, f64::from(steps) * step), ticks, name: "", logarithmic: false }
    }
}

/// A number that axes can be made of, or something else in its place.
fn measurable(value: f64, otherwise: f64) -> f64 {
    if value.is_finite() && value > 0.0 { value.clamp(1e-9, 1e18) } else { otherwise }
}

/// The smallest of 1, 2, 5, 10, 20 … (and of 0.5, 0.2 …) that is no less.
fn step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * 0.999).unwrap_or(10.0);
    factor * power
}

#[cfg(test)]
mod tests {
    use super::super::{amount, millis};
    use super::*;

    fn words(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, words)| words.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(words(&Axis::linear(94_000.0, amount)), ["0", "20k", "40k", "60k", "80k", "100k"]);
        assert_eq!(words(&Axis::linear(0.31, amount)), ["0", "0.1", "0.2", "0.3", "0.4"]);
        assert_eq!(
            words(&Axis::logarithmic(0.4, 2_300.0, millis)),
            ["100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"]
        );
        assert_eq!(words(&Axis::time(90.0)), ["0", "20", "40", "60", "80"]);
        assert_eq!(Axis::time(1_200.0).name, "minutes");
    }

    #[test]
    fn nines_are_evenly_apart() {
        let axis = Axis::nines(3.0);
        assert_eq!(words(&axis), ["0", "50", "90", "99", "99.9"]);
        assert!((axis.ticks[4].0 - 2.0 * axis.ticks[3].0 + axis.ticks[2].0).abs() < 1e-9);
    }

    #[test]
    fn nothing_has_an_axis_all_the_same() {
        for axis in
            [Axis::linear(0.0, amount), Axis::linear(f64::NAN, amount), Axis::binary(0.0, amount), Axis::time(0.0)]
        {
            assert!(axis.range.1 > axis.range.0 && axis.ticks.len() > 1, "{axis:?}");
        }
    }
}
