//! A sweep: run after run at different rates, for the curve of latency over throughput, its knee, and the highest rate that holds a
//! service level.
//!
//! A machine: `poll_rate` says what to offer next, `handle_result` takes what came of it, until `poll_rate` gives nothing more;
//! `result` is what is known so far, so that a sweep which is ended early has one, too.
//!
//! It goes through four stages:
//! 1. *Probe*: a closed loop, for a first idea of the most that the server does.
//! 2. *Curve*: fractions of that, from 10 to 100 %, each an open loop.
//! 3. *Beyond*: if the largest still holds, more by a quarter each until one does not; if none holds, less by half each.
//! 4. *Narrowing*: between the highest rate that holds and the lowest that does not, until they are `precision` apart.
//!
//! A rate holds when the run is valid, nothing was lost, at least 99 % of what was offered came to its end, no backlog grew, and
//! every requirement of the service level holds. A rate that fails below one that held is tried once more: one odd run is no limit,
//! two are.
//!
//! Guarantees: at most `RUNS_MAX` runs; points of invalid runs are kept and marked, and used for nothing; what ended the sweep is
//! said.

use crate::estimate::knee::{self, Point as Bend};
use crate::figure::{Figure, Statistic, What};
use crate::require::{RequireError, Threshold};
use crate::result::RunResult;
use crate::scenario::{Arrivals, Scenario};
use crate::units::Rate;

mod point;
mod report;

pub use point::{Offer, Point, Purpose};
pub use report::{FORMAT, Limit, SweepResult, Turn};

/// Runs of a sweep: the probe, the curve, and as many again to search.
pub const RUNS_MAX: usize = 40;
/// Fractions of the probe's rate that make the curve.
const FRACTIONS: [f64; 11] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0];
/// By how much a rate grows that is looked for beyond the curve.
const GROWTH: f64 = 1.25;
/// A share of the probe's rate below which nothing more is looked for.
const SHARE_MIN: f64 = 0.005;

/// What a sweep is to find.
#[derive(Clone, Debug)]
pub struct SweepSpec {
    /// What is done at each rate. Its groups keep their shares of the rate; its requirements are not the service level.
    pub scenario: Scenario,
    /// What has to hold at a rate, such as `p99.9<2ms`; with nothing, the rate has to be kept up.
    pub service_level: Vec<String>,
    /// How close the highest rate that holds is found: 0.05 for 5 %.
    pub precision: f64,
    /// Nothing above it is offered, messages a second.
    pub rate_max: Option<f64>,
}

/// What it is doing.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Probe,
    /// Which fraction is next.
    Curve(usize),
    Beyond,
    Narrowing,
    Ended(String),
}

/// A sweep that goes on.
#[derive(Clone, Debug)]
pub struct Sweep {
    spec: SweepSpec,
    thresholds: Vec<Threshold>,
    stage: Stage,
    offer: Option<Offer>,
    points: Vec<Point>,
    /// The most that the probe found.
    probed: f64,
    first: Option<RunResult>,
}

impl Sweep {
    /// A sweep that has not begun.
    ///
    /// # Errors
    /// When the service level is not understood.
    pub fn new(spec: SweepSpec) -> Result<Self, RequireError> {
        let parse = |text: &String| Threshold::parse(text, &spec.scenario);
        let thresholds = spec.service_level.iter().map(parse).collect::<Result<_, _>>()?;
        let offer = Some(Offer { rate: None, purpose: Purpose::Probe });
        Ok(Self { spec, thresholds, stage: Stage::Probe, offer, points: Vec::new(), probed: 0.0, first: None })
    }

    /// What to offer next; the same until its result is there.
    pub fn poll_rate(&self) -> Option<Offer> {
        self.offer
    }

    /// The scenario that offers it.
    pub fn scenario(&self, offer: Offer) -> Scenario {
        offered(&self.spec.scenario, offer)
    }

    /// Runs that were done, and a guess of how many there will be, for those who wait.
    pub fn progress(&self) -> (usize, usize) {
        let done = self.points.len();
        let left = match self.stage {
            Stage::Probe => 1 + FRACTIONS.len() + self.steps_left(0.3),
            Stage::Curve(next) => FRACTIONS.len() - next + self.steps_left(0.15),
            Stage::Beyond => 1 + self.steps_left(GROWTH - 1.0),
            Stage::Narrowing => self.steps_left(self.bounds().map_or(0.0, |(low, high)| high / low - 1.0)).max(1),
            Stage::Ended(_) => 0,
        };
        (done, (done + left).min(RUNS_MAX.max(done)))
    }

    /// Takes the result of what was offered, judged.
    pub fn handle_result(&mut self, offer: Offer, run: &RunResult) {
        if self.offer != Some(offer) {
            return;
        }
        self.points.push(Point::of(offer, run, &self.thresholds));
        if self.first.is_none() {
            self.first = Some(run.clone());
        }
        if offer.rate.is_none() {
            self.probed = run.rate();
        }
        self.offer = None;
        self.stage = self.after(self.stage.clone());
        if self.points.len() >= RUNS_MAX && self.offer.is_some() {
            self.end(&format!("{RUNS_MAX} runs were done: the limits are known as well as they are printed"));
        }
    }

    /// Ends it: someone interrupted it, or a run could not be done.
    pub fn end(&mut self, why: &str) {
        self.offer = None;
        self.stage = Stage::Ended(why.to_owned());
    }

    /// What is known so far.
    pub fn result(&self) -> SweepResult {
        let ended = match &self.stage {
            Stage::Ended(why) => why.clone(),
            _ => "it has not ended".to_owned(),
        };
        let mut points = self.points.clone();
        points.sort_by(|one, other| one.offered.total_cmp(&other.offered));
        let limit = self.limit();
        let (knee, power) = self.turns();
        report::result(
            &self.spec,
            self.first.as_ref(),
            points,
            report::Found { limit, knee, power, ended, probed: self.probed },
        )
    }

    /// The stage behind one that just had a result; sets the next offer.
    fn after(&mut self, stage: Stage) -> Stage {
        let next = match stage {
            Stage::Probe if self.probed <= 0.0 => Stage::Ended("the probe moved no message: see its run".to_owned()),
            Stage::Probe => Stage::Curve(0),
            Stage::Curve(at) => Stage::Curve(at + 1),
            Stage::Beyond | Stage::Narrowing => Stage::Beyond,
            ended @ Stage::Ended(_) => ended,
        };
        match next {
            Stage::Curve(at) => match self.fraction(at) {
                Some(rate) => self.offering(rate, Purpose::Curve, Stage::Curve(at)),
                None => self.search(),
            },
            Stage::Beyond => self.search(),
            other => other,
        }
    }

    fn fraction(&self, at: usize) -> Option<f64> {
        let rate = FRACTIONS.get(at)? * self.probed;
        self.spec.rate_max.is_none_or(|most| rate <= most).then_some(rate)
    }

    fn offering(&mut self, rate: f64, purpose: Purpose, stage: Stage) -> Stage {
        self.offer = Some(Offer { rate: Some(rate), purpose });
        stage
    }

    /// What to look for behind the curve.
    fn search(&mut self) -> Stage {
        if let Some(rate) = self.to_repeat() {
            return self.offering(rate, Purpose::Again, Stage::Beyond);
        }
        match (self.highest_held(), self.lowest_failed()) {
            (Some(low), Some(high)) if high / low <= 1.0 + self.spec.precision => Stage::Ended(format!(
                "the highest rate that holds is known to within {:.0} %",
                self.spec.precision * 100.0
            )),
            (Some(low), Some(high)) => self.offering((low * high).sqrt(), Purpose::Search, Stage::Narrowing),
            (Some(low), None) => self.beyond(low),
            (None, Some(high)) if high / 2.0 < self.probed * SHARE_MIN => {
                Stage::Ended("no rate holds: look at why at the lowest one".to_owned())
            }
            (None, Some(high)) => self.offering(high / 2.0, Purpose::Search, Stage::Beyond),
            (None, None) => Stage::Ended("no run was valid: the generator was the limit at every rate".to_owned()),
        }
    }

    fn beyond(&mut self, low: f64) -> Stage {
        // A generator that was the limit at a rate will be at a higher one.
        if self.points.iter().any(|point| !point.is_valid && point.rate().is_some_and(|rate| rate > low)) {
            return Stage::Ended(
                "beyond the highest rate that holds the generator was the limit: give it more cores".to_owned(),
            );
        }
        let rate = self.spec.rate_max.map_or(low * GROWTH, |most| most.min(low * GROWTH));
        if rate <= low * (1.0 + self.spec.precision) {
            return Stage::Ended("the highest rate that was to be offered holds".to_owned());
        }
        self.offering(rate, Purpose::Search, Stage::Beyond)
    }

    /// Points that say something, with their rates.
    fn usable(&self) -> impl Iterator<Item = (f64, &Point)> {
        self.points.iter().filter(|point| point.is_valid).filter_map(|point| Some((point.rate()?, point)))
    }

    /// Whether a rate holds: of several runs at it, whether one did.
    fn holds(&self, rate: f64) -> bool {
        self.usable().any(|(at, point)| at == rate && point.holds)
    }

    fn lowest_failed(&self) -> Option<f64> {
        self.usable().map(|(rate, _)| rate).filter(|rate| !self.holds(*rate)).min_by(f64::total_cmp)
    }

    fn highest_held(&self) -> Option<f64> {
        let below = self.lowest_failed().unwrap_or(f64::INFINITY);
        self.usable().map(|(rate, _)| rate).filter(|rate| *rate < below && self.holds(*rate)).max_by(f64::total_cmp)
    }

    fn bounds(&self) -> Option<(f64, f64)> {
        self.highest_held().zip(self.lowest_failed())
    }

    /// A rate that failed once, and above which one held.
    fn to_repeat(&self) -> Option<f64> {
        let failed = self.lowest_failed()?;
        let runs = self.points.iter().filter(|point| point.rate() == Some(failed)).count();
        (runs == 1 && self.usable().any(|(rate, point)| rate > failed && point.holds)).then_some(failed)
    }

    fn steps_left(&self, apart: f64) -> usize {
        // Each step halves the distance.
        (apart / self.spec.precision.max(1e-3)).max(1.0).log2().ceil() as usize
    }

    fn limit(&self) -> Option<Limit> {
        let rate = self.highest_held()?;
        Some(Limit { rate, fails_at: self.lowest_failed() })
    }

    /// The knee and the point of most power, of the points that kept up.
    fn turns(&self) -> (Option<Turn>, Option<Turn>) {
        let metric = self.spec.scenario.outcome();
        let mut kept: Vec<&Point> = self.usable().map(|(_, point)| point).filter(|point| point.keeps_up).collect();
        kept.sort_by(|one, other| one.offered.total_cmp(&other.offered));
        let bends = |statistic: Statistic| {
            let bend = |point: &&Point| Some(Bend { x: point.achieved, y: statistic.of(point.latencies.get(metric)?) });
            kept.iter().filter_map(bend).collect::<Vec<_>>()
        };
        let turn = |bends: &[Bend], place: Option<usize>| {
            place.and_then(|place| bends.get(place)).map(|bend| Turn { rate: bend.x, latency_us: bend.y })
        };
        let (tails, means) = (bends(Statistic::Quantile(0.99)), bends(Statistic::Mean));
        (turn(&tails, knee::knee(&tails)), turn(&means, knee::most_power(&means)))
    }
}

/// The scenario with a rate; its groups keep their shares.
fn offered(scenario: &Scenario, offer: Offer) -> Scenario {
    let mut scenario = scenario.clone();
    let of = |group: &crate::scenario::Group| if group.producers > 0 { group.rate.0 } else { 0.0 };
    let all: f64 = scenario.groups.iter().map(of).sum();
    for group in scenario.groups.iter_mut().filter(|group| group.producers > 0) {
        match (offer.rate, group.arrivals) {
            (None, _) => group.arrivals = Arrivals::Closed,
            (Some(rate), arrivals) => {
                group.rate = Rate(if all > 0.0 { rate * group.rate.0 / all } else { rate });
                // At a rate that is to be steady, arrivals are, too; what many clients or bursts make of it stays.
                if matches!(arrivals, Arrivals::Closed | Arrivals::Ramp { .. }) {
                    group.arrivals = Arrivals::Constant;
                }
            }
        }
    }
    scenario
}

/// Whether a figure is a latency, which a closed loop cannot say anything about.
fn is_latency(figure: &Figure) -> bool {
    matches!(figure.what, What::Latency(..))
}

#[cfg(test)]
mod tests;
