//! The most that a server does, by cores and size of a message: from sweeps at some of them, to say something about others.
//!
//! A message takes t = (s + w B) (1 + a (N - 1) + b N (N - 1)) / N seconds of the server as a whole, with B octets of a body and N
//! cores: a line in size, and the universal scalability law in cores. All four parameters are fitted at once to what was reached at
//! each size and number of cores, so that sweeps of several sizes on one core and of one size on several cores complete each other.
//! What was not varied is assumed, with an error as wide as what we know.
//!
//! A sweep that reached the most (its closed loop was valid, or a rate was too much) gives one observation with a small error; one
//! that did not gives what follows from the cost of a message (`cost`), with its wide bounds.

use super::cost::{Cost, Observed, PRIOR_BYTE_NS};
use super::{Bound, Swept};
use crate::estimate::least_squares::{Observation, fit, propagated};
use crate::estimate::trend::NORMAL_95;

/// Error of a maximum that was measured, a share: it differs by this much from run to run.
const ERROR: f64 = 0.03;
/// Error for each doubling beyond what was measured, a share: no model is that right.
const ERROR_BEYOND: f64 = 0.05;
/// Contention, as far as nothing is measured: shards share nothing but what is forwarded between them.
pub(super) const PRIOR_CONTENTION: (f64, f64) = (0.03, 0.05);
/// Coherency, likewise.
const PRIOR_COHERENCY: (f64, f64) = (0.0, 0.001);
/// What a message takes apart from its octets, nanoseconds: next to nothing is known.
const PRIOR_MESSAGE_NS: (f64, f64) = (1000.0, 1e6);

/// The most, as a model.
#[derive(Clone, Debug)]
pub(super) struct Capacity {
    parameters: [f64; 4],
    covariance: [[f64; 4]; 4],
    /// The least and the largest of what was measured.
    pub(super) sizes: (f64, f64),
    pub(super) cores: (f64, f64),
}

/// What one sweep says of the most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) cores: f64,
    pub(super) body_bytes: f64,
    pub(super) rate: Bound,
    /// Whether it was reached.
    pub(super) is_reached: bool,
}

#[derive(Clone, Copy)]
enum Place {
    Point { cores: f64, body_bytes: f64 },
    Prior(usize),
}

/// Nanoseconds of a message and the derivatives; parameters are s, w, a and b.
fn model(place: Place, parameters: &[f64; 4]) -> (f64, [f64; 4]) {
    match place {
        Place::Point { cores, body_bytes } => {
            let [message, byte, contention, coherency] = parameters;
            let (alone, pairs) = (cores - 1.0, cores * (cores - 1.0));
            let slower = (1.0 + contention * alone + coherency * pairs) / cores;
            let for_one = message + byte * body_bytes;
            (for_one * slower, [slower, body_bytes * slower, for_one * alone / cores, for_one * pairs / cores])
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

/// What each sweep says of the most.
pub(super) fn most_of(swept: &[Swept<'_>]) -> Vec<Most> {
    let observed: Vec<Observed> = swept.iter().flat_map(Swept::costs).collect();
    let cost = Cost::of(&observed);
    let of = |swept: &Swept<'_>| {
        let place = |rate, is_reached| Most { cores: swept.cores, body_bytes: swept.body_bytes, rate, is_reached };
        match (swept.reached(), &cost) {
            (Some(rate), _) => Some(place(Bound::of_share(rate, NORMAL_95 * ERROR), true)),
            // Without scaling: what several cores do is each one's, and contention is within the bounds.
            (None, Some(cost)) => Some(place(cost.most(swept.body_bytes).times(swept.cores), false)),
            (None, None) => None,
        }
    };
    swept.iter().filter_map(of).collect()
}

impl Capacity {
    /// Of what sweeps say; `None` if none says anything.
    pub(super) fn of(most: &[Most]) -> Option<Self> {
        let measured = most.iter().map(|most| {
            let ns = 1e9 / most.rate.value;
            let error = (most.rate.high / most.rate.low).ln() / (2.0 * NORMAL_95);
            let x = Place::Point { cores: most.cores, body_bytes: most.body_bytes };
            Observation { x, y: ns, weight: (error * ns).powi(-2) }
        });
        let priors = [PRIOR_MESSAGE_NS, PRIOR_BYTE_NS, PRIOR_CONTENTION, PRIOR_COHERENCY];
        let assumed = priors.iter().enumerate().map(|(which, (mean, error))| Observation {
            x: Place::Prior(which),
            y: *mean,
            weight: error.powi(-2),
        });
        let all: Vec<_> = measured.chain(assumed).collect();
        let quickest = most.iter().map(|most| 1e9 * most.cores / most.rate.value).fold(f64::INFINITY, f64::min);
        if !quickest.is_finite() {
            return None;
        }
        let start = [0.8 * quickest, PRIOR_BYTE_NS.0.min(quickest / 1e3), PRIOR_CONTENTION.0, 1e-5];
        let found = fit(&all, start, [1e-3, 0.0, 0.0, 0.0], model)?;
        let worse = found.residual.max(1.0).powi(2);
        let range = |of: fn(&Most) -> f64| {
            let values = || most.iter().map(of);
            (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
        };
        Some(Self {
            parameters: found.parameters,
            covariance: found.of_known_errors.map(|row| row.map(|value| value * worse)),
            sizes: range(|most| most.body_bytes),
            cores: range(|most| most.cores),
        })
    }

    /// The most, messages a second.
    pub(super) fn at(&self, cores: f64, body_bytes: f64) -> Bound {
        let (ns, gradient) = model(Place::Point { cores, body_bytes }, &self.parameters);
        let beyond = ERROR_BEYOND * (doublings(cores, self.cores) + doublings(body_bytes, self.sizes));
        let share = (propagated(&self.covariance, &gradient) / ns).hypot(ERROR).hypot(beyond);
        Bound::of_share(1e9 / ns, NORMAL_95 * share)
    }

    /// Contention and coherency.
    pub(super) fn scaling(&self) -> (f64, f64) {
        let [_, _, contention, coherency] = self.parameters;
        (contention, coherency)
    }
}

/// How often a value has to be doubled or halved to be within a range.
fn doublings(value: f64, (least, most): (f64, f64)) -> f64 {
    if value > most {
        (value / most).log2()
    } else if value < least && value > 0.0 {
        (least / value).log2()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(cores: f64, body_bytes: f64, rate: f64) -> Most {
        Most { cores, body_bytes, rate: Bound::of_share(rate, NORMAL_95 * ERROR), is_reached: true }
    }

    /// 500 ns and 0.4 ns for an octet, contention of 0.05.
    fn truth(cores: f64, body_bytes: f64) -> f64 {
        1e9 * cores / ((500.0 + 0.4 * body_bytes) * (1.0 + 0.05 * (cores - 1.0)))
    }

    #[test]
    fn two_sizes_give_a_third_and_two_numbers_of_cores_a_third() {
        let places = [(1.0, 100.0), (1.0, 400.0), (2.0, 100.0)];
        let most: Vec<_> = places.map(|(cores, size)| reached(cores, size, truth(cores, size))).to_vec();
        let capacity = Capacity::of(&most).expect("it was measured");
        for (cores, size) in [(1.0, 1024.0), (2.0, 1024.0), (4.0, 100.0)] {
            let (bound, rate) = (capacity.at(cores, size), truth(cores, size));
            assert!(bound.low < rate && rate < bound.high, "{cores} {size}: {bound:?} {rate}");
            assert!((bound.value / rate - 1.0).abs() < 0.06, "{cores} {size}: {bound:?} {rate}");
        }
        let (known, beyond) = (capacity.at(1.0, 200.0), capacity.at(16.0, 65536.0));
        assert!(known.high / known.low < 1.25 && beyond.high / beyond.low > 1.8, "{known:?} {beyond:?}");
    }

    #[test]
    fn what_was_not_varied_is_assumed_and_widens_the_bounds() {
        let capacity = Capacity::of(&[reached(1.0, 100.0, 1e6)]).expect("it was measured");
        let two = capacity.at(2.0, 100.0);
        assert!((two.value / 2e6 - 1.0).abs() < 0.06 && two.low < 1.85e6 && two.high > 1.99e6, "{two:?}");
        let large = capacity.at(1.0, 4096.0);
        assert!(large.low < 0.25e6 && large.high > 0.95e6, "{large:?}");
        assert!(Capacity::of(&[]).is_none());
    }
}
