//! When the warm-up is over: rate, latency and backlog of the newest seconds no longer go anywhere.
//!
//! Two tests over the newest `WINDOW` seconds, both of medians so that a single odd second neither ends a warm-up nor prolongs it:
//!
//! 1. *Slope* of the rate and of the logarithm of the median latency: Sen's 95 % interval contains 0, or the slope over the whole
//!    window is below a tolerance that nobody would act on. The backlog must not grow: an open loop at more than a server does is
//!    never steady.
//! 2. *Two windows*: the medians of the older and the newer half differ by less than the tolerance or twice the spread about them.
//!    A slope is blind to a step in the middle of noise; this is not.
//!
//! The slope test is that of steady-state detection in process control (Kelly and Hedengren 2013), made robust by Theil and Sen
//! (`estimate::trend`); why a fixed number of seconds is not enough is in Georges, Buytaert and Eeckhout 2007. A cycle that is
//! shorter than the window counts as steady: its average is. A longer one does not.
//!
//! What it does not do: look back. What was before the moment it says `Steady` is warm-up, even if it was steady already.

use std::collections::VecDeque;

use crate::estimate::order::{median, spread};
use crate::estimate::trend::Slope;
use crate::outcome::BACKLOG_TOLERANCE;

/// Seconds that are looked at. Of eight, Sen's interval is narrow enough to see a slope of its spread for each second.
pub const WINDOW: usize = 8;
/// Seconds after which the warm-up ends in any case.
pub const SECONDS_MAX: usize = 60;
/// A change of the rate within the window that nobody would act on.
const RATE_TOLERANCE: f64 = 0.02;
/// One of the median latency: it is noisier, and its logarithm is what is looked at.
const LATENCY_TOLERANCE: f64 = 0.05;
/// Spreads by which two medians may differ.
const SPREADS: f64 = 2.0;

/// A second.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Messages that came to their end.
    pub rate: f64,
    /// Median latency, microseconds; absent when nothing came to its end.
    pub latency_us: Option<f64>,
    /// Messages due or on the way at its end.
    pub backlog: f64,
}

/// What is to be said of the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmth {
    /// It goes on.
    Cold,
    /// It is over: all is steady.
    Steady,
    /// It has gone on for too long.
    Unsteady,
}

/// Looks for the end of the warm-up.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    newest: VecDeque<Sample>,
    seconds: usize,
}

impl Detector {
    /// Takes the next second. The first one of a run is never looked at: links get their first credit in it.
    pub fn handle_second(&mut self, sample: Sample) -> Warmth {
        self.seconds += 1;
        if self.seconds == 1 {
            return Warmth::Cold;
        }
        if self.newest.len() == WINDOW {
            self.newest.pop_front();
        }
        self.newest.push_back(sample);
        if self.newest.len() == WINDOW && is_steady(self.newest.make_contiguous()) {
            Warmth::Steady
        } else if self.seconds >= SECONDS_MAX {
            Warmth::Unsteady
        } else {
            Warmth::Cold
        }
    }
}

/// Whether a series of seconds goes nowhere.
fn is_steady(samples: &[Sample]) -> bool {
    let rates: Vec<f64> = samples.iter().map(|sample| sample.rate).collect();
    let latencies: Vec<f64> =
        samples.iter().filter_map(|sample| sample.latency_us).map(|us| us.max(1e-3).ln()).collect();
    let backlogs: Vec<f64> = samples.iter().map(|sample| sample.backlog).collect();
    let rate = median(rates.iter().copied()).unwrap_or(0.0);
    // Without a latency there is none to be unsteady, but latencies in some seconds only are no steady load.
    let has_latencies = latencies.len() == samples.len();
    goes_nowhere(&rates, rate * RATE_TOLERANCE)
        && (latencies.is_empty() || has_latencies && goes_nowhere(&latencies, LATENCY_TOLERANCE))
        && Slope::of(&backlogs).is_some_and(|growth| growth.low <= 0.0 || growth.slope <= rate * BACKLOG_TOLERANCE)
}

/// Whether a series has neither slope nor step beyond a tolerance.
fn goes_nowhere(values: &[f64], tolerance: f64) -> bool {
    let (older, newer) = values.split_at(values.len() / 2);
    let medians = median(older.iter().copied()).zip(median(newer.iter().copied()));
    let spread_of_halves = spread(older).unwrap_or(0.0).max(spread(newer).unwrap_or(0.0));
    let has_no_step =
        medians.is_some_and(|(older, newer)| (newer - older).abs() <= tolerance.max(SPREADS * spread_of_halves));
    let has_no_slope = Slope::of(values)
        .is_some_and(|slope| slope.may_be_flat() || (slope.slope * values.len() as f64).abs() <= tolerance);
    has_no_step && has_no_slope
}

/// How much a series changed from its beginning to its end, beside its median, if that is more than chance; by its slope.
pub fn drift(values: &[f64]) -> Option<f64> {
    let slope = Slope::of(values).filter(|slope| !slope.may_be_flat())?;
    let middle = median(values.iter().copied()).filter(|middle| *middle > 0.0)?;
    Some(slope.slope * values.len() as f64 / middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::{Chance, Purpose};

    /// The second in which the warm-up of a series is over, and how.
    fn end_of(seconds: impl Fn(usize) -> Sample) -> (usize, Warmth) {
        let mut detector = Detector::default();
        let warmth = (0..=SECONDS_MAX).map(|at| (at, detector.handle_second(seconds(at))));
        warmth.into_iter().find(|(_, warmth)| *warmth != Warmth::Cold).expect("it ends")
    }

    /// A series with noise, the same for a seed: so much of the value, from -1 to 1 spreads.
    fn noisy(seed: u64, share: f64) -> impl Fn(usize, f64) -> f64 {
        move |at, value| {
            let mut chance = Chance::new(seed, Purpose::Sizes, 0, at as u32);
            value * (1.0 + share * (chance.next_share() + chance.next_share() + chance.next_share() - 1.5))
        }
    }

    fn at_rate(rate: f64, us: f64) -> Sample {
        Sample { rate, latency_us: Some(us), backlog: 0.0 }
    }

    #[test]
    fn a_flat_series_is_steady_as_soon_as_there_are_enough_seconds() {
        assert_eq!(end_of(|_| at_rate(10_000.0, 120.0)), (WINDOW, Warmth::Steady));
    }

    #[test]
    fn a_ramp_is_warm_up_and_what_follows_is_not() {
        for seed in 0..50 {
            let noise = noisy(seed, 0.03);
            let ramp = |at: usize| at.min(20) as f64 / 20.0;
            let (at, warmth) = end_of(|at| {
                at_rate(noise(at, 50_000.0 * ramp(at)), noise(at + 1000, 100.0 + 900.0 * (1.0 - ramp(at))))
            });
            assert_eq!(warmth, Warmth::Steady, "seed {seed}");
            assert!((21..40).contains(&at), "seed {seed}: at {at}");
        }
    }

    #[test]
    fn noise_without_a_trend_does_not_keep_it_waiting() {
        for seed in 0..50 {
            let (rates, latencies) = (noisy(seed, 0.1), noisy(seed + 1000, 0.3));
            let (at, warmth) = end_of(|at| at_rate(rates(at, 1e6), latencies(at, 800.0)));
            assert_eq!(warmth, Warmth::Steady, "seed {seed}");
            assert!(at < 30, "seed {seed}: at {at}");
        }
    }

    #[test]
    fn a_drift_is_never_steady() {
        for seed in 0..20 {
            let noise = noisy(seed, 0.005);
            let falling = |at: usize| at_rate(noise(at, 10_000.0 * (1.0 - 0.01 * at as f64)), 100.0);
            assert_eq!(end_of(falling).1, Warmth::Unsteady, "seed {seed}");
            let slower = |at: usize| at_rate(10_000.0, noise(at, 100.0 * 1.02_f64.powi(at as i32)));
            assert_eq!(end_of(slower).1, Warmth::Unsteady, "seed {seed}");
        }
    }

    #[test]
    fn a_backlog_that_grows_is_never_steady() {
        let overloaded = |at: usize| Sample { rate: 9000.0, latency_us: None, backlog: 1000.0 * at as f64 };
        assert_eq!(end_of(overloaded), (SECONDS_MAX - 1, Warmth::Unsteady));
    }

    #[test]
    fn a_short_cycle_is_steady_and_a_long_one_is_not() {
        let saw = |length: usize| {
            move |at: usize| at_rate(10_000.0 * (1.0 + 0.5 * (at % length) as f64 / length as f64), 100.0)
        };
        assert_eq!(end_of(saw(2)).1, Warmth::Steady);
        assert_eq!(end_of(saw(4)).1, Warmth::Steady);
        assert_eq!(end_of(saw(60)).1, Warmth::Unsteady);
    }

    #[test]
    fn a_single_odd_second_changes_nothing() {
        let with_spike = |at: usize| if at == 5 { at_rate(100.0, 900_000.0) } else { at_rate(10_000.0, 120.0) };
        assert_eq!(end_of(with_spike), (WINDOW, Warmth::Steady));
    }

    #[test]
    fn a_drift_is_told_and_noise_is_not() {
        let falling: Vec<f64> = (0..60).map(|at| 100.0 - 0.5 * f64::from(at)).collect();
        assert!((drift(&falling).expect("it falls") + 30.0 / 85.25).abs() < 1e-9);
        let noise = noisy(3, 0.1);
        assert_eq!(drift(&(0..60).map(|at| noise(at, 100.0)).collect::<Vec<_>>()), None);
    }
}
