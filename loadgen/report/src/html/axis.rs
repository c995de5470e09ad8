//! Axes of charts: what range they show, where a value is, and where their ticks are.
//!
//! Guarantees: ticks are at 1, 2 or 5 times a power of ten, or at whole powers; they are never closer than asked for; a range is
//! never empty, whatever values it is made of.

use crate::number;

/// What an axis counts, which decides how its ticks read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Latencies, microseconds.
    Latency,
    /// Messages a second.
    Rate,
    /// A number of something.
    Count,
    /// Seconds of a run.
    Seconds,
    /// Cores in use, or cores given.
    Cores,
    /// Octets.
    Bytes,
    /// A share of 1.
    Share,
    /// One in so many: an axis of quantiles.
    OneIn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    Log,
}

/// A range of values and how it is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    scale: Scale,
    unit: Unit,
}

/// A tick of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// Its value.
    pub(crate) at: f64,
    /// What stands beside it; empty for those between.
    pub(crate) label: String,
}

/// Ticks of a linear axis, however long it is: more do not help to read it.
const TICKS_MAX: f64 = 8.0;
/// Steps within a power of ten.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];

impl Axis {
    /// From 0 to so far above the largest value that a note fits over the line.
    pub(crate) fn from_zero(unit: Unit, values: impl IntoIterator<Item = f64>) -> Self {
        let largest = values.into_iter().filter(|value| value.is_finite()).fold(0.0, f64::max);
        let high = if largest > 0.0 { largest * 1.16 } else { 1.0 };
        Self { low: 0.0, high, scale: Scale::Linear, unit }
    }

    /// Exactly from `low` to `high`.
    pub(crate) fn between(unit: Unit, low: f64, high: f64) -> Self {
        Self { low, high: if high > low { high } else { low + 1.0 }, scale: Scale::Linear, unit }
    }

    /// Logarithmic, over all values above 0, from and to a value that is 1, 2 or 5 times a power of ten.
    pub(crate) fn log(unit: Unit, values: impl IntoIterator<Item = f64>) -> Self {
        let values = values.into_iter().filter(|value| value.is_finite() && *value > 0.0);
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if high > 0.0 { (step_below(low), step_above(high)) } else { (1.0, 10.0) };
        Self { low, high: if high > low { high } else { low * 10.0 }, scale: Scale::Log, unit }
    }

    /// Quantiles, from 0 to where one in `one_in` is larger, at equal distances for each nine.
    pub(crate) fn quantiles(one_in: f64) -> Self {
        Self { low: 1.0, high: one_in.max(10.0), scale: Scale::Log, unit: Unit::OneIn }
    }

    /// Where a value is, 0 at the beginning and 1 at the end; values outside are at the nearer edge.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value.max(f64::MIN_POSITIVE) / self.low).log10() / (self.high / self.low).log10(),
        };
        place.clamp(0.0, 1.0)
    }

    /// Its ticks when it is `pixels` long and labels need `gap` pixels each.
    pub(crate) fn ticks(&self, pixels: f64, gap: f64) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => self.linear_ticks((pixels / gap).clamp(2.0, TICKS_MAX)),
            Scale::Log => self.log_ticks(pixels / (self.high / self.low).log10(), gap),
        }
    }

    fn linear_ticks(&self, ticks_max: f64) -> Vec<Tick> {
        let step = match self.unit {
            // Minutes are counted in sixties, memory in powers of two.
            Unit::Seconds => seconds_step((self.high - self.low) / ticks_max),
            Unit::Bytes => ((self.high - self.low) / ticks_max).log2().ceil().exp2(),
            _ => step_above((self.high - self.low) / ticks_max),
        };
        let (first, last) = ((self.low / step - 1e-9).ceil() as i64, (self.high / step + 1e-9).floor() as i64);
        (first..=last).map(|number| number as f64 * step).map(|at| Tick { at, label: self.label(at) }).collect()
    }

    /// Whole powers of ten, as many as have room; where there is more room, 2 and 5 times those as well, with labels or without.
    fn log_ticks(&self, pixels_per_decade: f64, gap: f64) -> Vec<Tick> {
        let every = (gap / pixels_per_decade).ceil().max(1.0) as i32;
        // From 5 to 10 is the smallest of the three distances, three tenths of a power.
        let all_have_labels = pixels_per_decade * 0.3 >= gap && self.unit != Unit::OneIn;
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let mut ticks = Vec::new();
        for power in first..=last {
            for step in STEPS {
                let at = step * 10_f64.powi(power);
                let within = at >= self.low * (1.0 - 1e-9) && at <= self.high * (1.0 + 1e-9);
                let is_power = step == 1.0 && power.rem_euclid(every) == 0;
                let is_between = every == 1 && self.unit != Unit::OneIn;
                if within && (is_power || is_between) {
                    let label = if is_power || all_have_labels { self.label(at) } else { String::new() };
                    ticks.push(Tick { at, label });
                }
            }
        }
        if ticks.iter().filter(|tick| !tick.label.is_empty()).count() < 2 {
            ticks.iter_mut().for_each(|tick| tick.label = self.label(tick.at));
        }
        ticks
    }

    fn label(&self, at: f64) -> String {
        match self.unit {
            Unit::Latency if at == 0.0 => "0".to_owned(),
            Unit::Latency => {
                let (scale, unit) = number::latency_unit(at);
                format!("{} {unit}", number::short(at / scale))
            }
            Unit::Rate | Unit::Count => number::rate_short(at),
            Unit::Seconds => number::clock(at),
            Unit::Cores => number::short(at),
            Unit::Bytes => number::bytes_short(at),
            Unit::Share => number::percent(at),
            Unit::OneIn => number::quantile(at.log10().round() as u32),
        }
    }

    /// What a chart's script needs to say which value is under the pointer.
    pub(crate) fn script(&self) -> String {
        let scale = match self.scale {
            Scale::Linear => "linear",
            Scale::Log => "log",
        };
        let unit = match self.unit {
            Unit::Latency => "latency",
            Unit::Rate => "rate",
            Unit::Count => "count",
            Unit::Seconds => "seconds",
            Unit::Cores => "cores",
            Unit::Bytes => "bytes",
            Unit::Share => "share",
            Unit::OneIn => "one-in",
        };
        format!("{scale} {unit} {} {}", self.low, self.high)
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below a value.
fn step_above(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let step = STEPS.into_iter().find(|step| step * power >= value * (1.0 - 1e-9));
    step.map_or(10.0 * power, |step| step * power)
}

/// The largest that is not above it.
fn step_below(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let step = STEPS.into_iter().rev().find(|step| step * power <= value * (1.0 + 1e-9));
    step.map_or(power, |step| step * power)
}

fn seconds_step(least: f64) -> f64 {
    const STEPS_S: [f64; 12] = [10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14_400.0];
    if least <= 5.0 {
        return step_above(least);
    }
    STEPS_S.into_iter().find(|step| *step >= least).unwrap_or_else(|| step_above(least / 3600.0) * 3600.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis, pixels: f64, gap: f64) -> Vec<String> {
        axis.ticks(pixels, gap).into_iter().map(|tick| tick.label).filter(|label| !label.is_empty()).collect()
    }

    #[test]
    fn linear_ticks_are_round_numbers_with_room() {
        assert_eq!(labels(Axis::from_zero(Unit::Rate, [19_000.0]), 300.0, 50.0), ["0", "5k", "10k", "15k", "20k"]);
        assert_eq!(labels(Axis::from_zero(Unit::Cores, [0.44]), 100.0, 30.0), ["0", "0.2", "0.4"]);
        assert_eq!(
            labels(Axis::between(Unit::Seconds, 0.0, 128.0), 400.0, 70.0),
            ["0", "30 s", "1:00", "1:30", "2:00"]
        );
        assert_eq!(labels(Axis::from_zero(Unit::Share, [0.1]), 200.0, 60.0), ["0 %", "5 %", "10 %"]);
        assert_eq!(labels(Axis::from_zero(Unit::Bytes, [44e6]), 100.0, 40.0), ["0", "32 MiB"]);
    }

    #[test]
    fn log_ticks_are_decades_and_steps_between_where_there_is_room() {
        let axis = Axis::log(Unit::Latency, [13.0, 980_000.0]);
        assert_eq!(
            labels(axis, 400.0, 24.0),
            [
                "10 µs", "20 µs", "50 µs", "100 µs", "200 µs", "500 µs", "1 ms", "2 ms", "5 ms", "10 ms", "20 ms",
                "50 ms", "100 ms", "200 ms", "500 ms", "1 s"
            ]
            .map(str::to_owned)
        );
        assert_eq!(labels(axis, 300.0, 24.0), ["10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s"]);
        assert_eq!(labels(axis, 100.0, 24.0), ["100 µs", "10 ms", "1 s"]);
        assert_eq!(labels(Axis::log(Unit::Latency, [0.3, 0.4]), 50.0, 24.0), ["200 ns", "500 ns"]);
    }

    #[test]
    fn quantiles_have_a_tick_for_each_nine() {
        assert_eq!(labels(Axis::quantiles(30_000.0), 900.0, 72.0), ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        assert_eq!(labels(Axis::quantiles(3e6), 280.0, 60.0), ["0 %", "99 %", "99.99 %", "99.9999 %"]);
    }

    #[test]
    fn a_place_is_within_the_axis_whatever_the_value() {
        let axis = Axis::log(Unit::Latency, [1.0, 100.0]);
        for (value, place) in [(0.0, 0.0), (1.0, 0.0), (10.0, 0.5), (1e9, 1.0)] {
            assert!((axis.place(value) - place).abs() < 1e-9, "{value}");
        }
        for axis in
            [Axis::log(Unit::Latency, []), Axis::from_zero(Unit::Rate, []), Axis::between(Unit::Seconds, 3.0, 3.0)]
        {
            assert!((0.0..=1.0).contains(&axis.place(5.0)) && !axis.ticks(300.0, 30.0).is_empty(), "{axis:?}");
        }
    }
}
