//! What a message costs a core, by rate and size: from runs at rates far below the most, to say something about the most.
//!
//! Processor time for a message is c = v + w B + f / (1 + r / r0), with r the rate of a core and B the octets of a body. A server
//! that wakes up for each message pays f each time; the more arrive, the more it finds at each turn, and from about r0 on turns no
//! longer grow with the rate.
//!
//! The most that a core does lies between two ends: where turns go on as they do at the rates that were measured, c r = 1, and
//! where turns become so full that they cost nothing any more, (v + w B) r = 1. Their geometric mean is the estimate, both ends are
//! in its bounds.
//!
//! What was not varied is assumed, with errors that are as wide as what we know (`capacity::PRIOR_*`): of one size alone nothing
//! follows for another.

use super::Bound;
use crate::estimate::least_squares::{Observation, fit, propagated};
use crate::estimate::trend::NORMAL_95;

/// Error of a processor time that was measured, a share: clock ticks, and what differs from run to run.
const ERROR: f64 = 0.05;
/// What an octet costs, nanoseconds: some passes through memory and the kernel, as far as nothing is measured.
pub(super) const PRIOR_BYTE_NS: (f64, f64) = (0.5, 1.0);
/// What a turn costs, nanoseconds: a wake-up and two system calls.
const PRIOR_TURN_NS: (f64, f64) = (3000.0, 5000.0);
/// The logarithm of the rate from which turns no longer grow: about 50,000 a second, a factor of e^2 either way.
const PRIOR_LOG_RATE: (f64, f64) = (10.8, 2.0);
/// What a message costs apart from all that: next to nothing is known.
const PRIOR_MESSAGE_NS: (f64, f64) = (1000.0, 100_000.0);

/// A processor time that was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed {
    /// Messages a second of one core.
    pub(super) rate: f64,
    /// Octets of a body.
    pub(super) body_bytes: f64,
    /// Processor time of a message, nanoseconds.
    pub(super) cpu_ns: f64,
}

/// What is fitted to: a measurement, or what is assumed of a parameter.
#[derive(Clone, Copy)]
enum Place {
    Point(Observed),
    Prior(usize),
}

/// The cost of messages.
#[derive(Clone, Debug)]
pub(super) struct Cost {
    parameters: [f64; 4],
    covariance: [[f64; 4]; 4],
}

/// The value and its derivatives; parameters are v, w, f and the logarithm of r0.
fn model(place: Place, parameters: &[f64; 4]) -> (f64, [f64; 4]) {
    match place {
        Place::Point(at) => {
            let [message, byte, turn, log_rate] = parameters;
            let share = 1.0 / (1.0 + at.rate / log_rate.exp());
            let cost = message + byte * at.body_bytes + turn * share;
            (cost, [1.0, at.body_bytes, share, turn * share * (1.0 - share)])
        }
        Place::Prior(which) => {
            let mut gradient = [0.0; 4];
            let value = parameters.get(which).copied().unwrap_or_default();
            if let Some(derivative) = gradient.get_mut(which) {
                *derivative = 1.0;
            }
            (value, gradient)
        }
    }
}

impl Cost {
    /// Of what was measured; `None` without measurements.
    pub(super) fn of(observed: &[Observed]) -> Option<Self> {
        let cheapest = observed.iter().map(|at| at.cpu_ns).fold(f64::INFINITY, f64::min);
        if !cheapest.is_finite() {
            return None;
        }
        let measured = observed.iter().map(|at| Observation {
            x: Place::Point(*at),
            y: at.cpu_ns,
            weight: (ERROR * at.cpu_ns).powi(-2),
        });
        let priors = [PRIOR_MESSAGE_NS, PRIOR_BYTE_NS, PRIOR_TURN_NS, PRIOR_LOG_RATE];
        let assumed = priors.iter().enumerate().map(|(which, (mean, error))| Observation {
            x: Place::Prior(which),
            y: *mean,
            weight: error.powi(-2),
        });
        let all: Vec<_> = measured.chain(assumed).collect();
        let start = [0.8 * cheapest, PRIOR_BYTE_NS.0, 0.5 * cheapest, PRIOR_LOG_RATE.0];
        let found = fit(&all, start, [1.0, 0.0, 0.0, 0.0], model)?;
        // Errors larger than they were taken for widen everything; smaller ones are luck.
        let worse = found.residual.max(1.0).powi(2);
        let covariance = found.of_known_errors.map(|row| row.map(|value| value * worse));
        Some(Self { parameters: found.parameters, covariance })
    }

    /// The cost of a message at a rate, nanoseconds.
    pub(super) fn at(&self, rate: f64, body_bytes: f64) -> Bound {
        let place = Place::Point(Observed { rate, body_bytes, cpu_ns: 0.0 });
        let (cost, gradient) = model(place, &self.parameters);
        Bound::of_share(cost, NORMAL_95 * propagated(&self.covariance, &gradient) / cost)
    }

    /// The most that one core does, messages a second.
    pub(super) fn most(&self, body_bytes: f64) -> Bound {
        let full = self.at(f64::INFINITY, body_bytes);
        // Where turns go on: r c(r) = 1 has one solution, as r c(r) grows with r.
        let (mut low, mut high) = (0.0, 1e9 / full.value);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if middle * self.at(middle, body_bytes).value < 1e9 { low = middle } else { high = middle }
        }
        let at_turns = self.at(low, body_bytes);
        Bound {
            value: (low * 1e9 / full.value).sqrt(),
            low: low * at_turns.value / at_turns.high,
            high: 1e9 / full.low.max(f64::MIN_POSITIVE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(rate: f64, body_bytes: f64) -> Observed {
        Observed { rate, body_bytes, cpu_ns: 400.0 + 0.3 * body_bytes + 4000.0 / (1.0 + rate / 40_000.0) }
    }

    #[test]
    fn the_most_of_a_core_follows_from_low_rates_within_its_bounds() {
        let rates = [20e3, 50e3, 100e3, 200e3, 400e3];
        let observed: Vec<_> = rates.into_iter().flat_map(|rate| [truth(rate, 100.0), truth(rate, 400.0)]).collect();
        let most = Cost::of(&observed).expect("it was measured").most(1024.0);
        // Full turns: 400 + 0.3 * 1024 = 707 ns, 1.41 million a second.
        assert!(most.low < 1.415e6 && most.high > 1.415e6, "{most:?}");
        assert!((most.value / 1.415e6 - 1.0).abs() < 0.2, "{most:?}");
    }

    #[test]
    fn of_one_size_nothing_follows_for_another() {
        let observed: Vec<_> = [20e3, 100e3, 400e3].into_iter().map(|rate| truth(rate, 100.0)).collect();
        let cost = Cost::of(&observed).expect("it was measured");
        let (known, unknown) = (cost.at(100e3, 100.0), cost.at(100e3, 10_000.0));
        assert!(known.high / known.low < 1.5 && unknown.high / unknown.low > 5.0, "{known:?} {unknown:?}");
        assert!(Cost::of(&[]).is_none());
    }
}
