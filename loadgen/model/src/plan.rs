//! A capacity plan: from sweeps, how many cores, how much disk, memory and network a wanted load takes within a wanted latency, and
//! what remains when a node is lost.
//!
//! What it rests on, each in a file of its own: the most that a server does by cores and size (`capacity`), what a message costs
//! where that was not reached (`cost`), at which utilisation a latency holds (`latency`), and what else a message takes (`demand`).
//!
//! Guarantees: every figure has its 95 % bounds; what is beyond the measured range is said (`extrapolated`), and so is what was not
//! measured at all (`assumed`). The number of cores that is recommended holds at the lower bound of what a core does.
//!
//! What it does not do: know other machines. A plan is for cores, devices and networks like those that were measured.

use serde::{Deserialize, Serialize};

use crate::require::{RequireError, Threshold};
use crate::scenario::{Pattern, Settle};
use crate::sweep::SweepResult;
use crate::usl::{Measured as UslPoint, Usl};

mod answer;
mod capacity;
mod cost;
mod demand;
mod latency;

pub use answer::{Answer, Expected};

use capacity::{Capacity, Most};
use cost::Observed;

/// Version of the format of a plan.
pub const FORMAT: u32 = 1;

/// What the plan has to hold, given by its user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// Messages a second, over all nodes.
    pub rate: f64,
    /// Octets of a body, on average.
    pub body_bytes: f64,
    /// What has to hold, such as `p99.9<2ms`.
    pub service_level: Vec<String>,
    /// Nodes that share the load; of several, one may be lost.
    pub nodes: u32,
    /// How long messages stay, seconds: what the disk has to hold.
    pub retention_s: f64,
}

/// A value and its 95 % bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The estimate.
    pub value: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// What a load takes, with what it was concluded from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of the format.
    pub format: u32,
    /// What the plan has to hold, given by its user.
    pub wanted: Wanted,
    /// What it takes; absent when no number of cores does it, which `remarks` explains.
    pub answer: Option<Answer>,
    /// What each sweep found of the most.
    pub measured: Vec<Measured>,
    /// The most over cores, at the wanted size.
    pub over_cores: Vec<CurvePoint>,
    /// The most of the fewest cores that were measured, over the size of a body.
    pub over_size: Vec<CurvePoint>,
    /// The scalability law, when there are enough numbers of cores to fit it by itself.
    pub usl: Option<Usl>,
    /// Contention and coherency that were used.
    pub contention: f64,
    /// See `contention`.
    pub coherency: f64,
    /// What follows from measurements only by a model, a sentence each.
    pub extrapolated: Vec<String>,
    /// What was taken for granted, a sentence each.
    pub assumed: Vec<String>,
    /// What else to know.
    pub remarks: Vec<String>,
}

/// What a sweep found of the most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Cores of the server.
    pub cores: f64,
    /// Octets of a body.
    pub body_bytes: f64,
    /// The most, messages a second.
    pub rate: Bound,
    /// Whether it was reached; otherwise it follows from the processor time of a message.
    pub is_reached: bool,
}

/// A point of a fitted curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Cores, or octets.
    pub x: f64,
    /// Messages a second.
    pub rate: Bound,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// There is no sweep.
    #[error("a plan needs at least one sweep: run `heddle load sweep` first")]
    Empty,
    /// A sweep does not say how many cores its server had.
    #[error("the sweep of {name:?} does not say how many cores its server had: give it --server-cores")]
    Cores {
        /// Its scenario.
        name: String,
    },
    /// Sweeps are of different things.
    #[error("these sweeps are not of one kind ({what}): {one} and {other}; plan them apart")]
    NotAlike {
        /// What differs.
        what: &'static str,
        /// In the first.
        one: String,
        /// In another.
        other: String,
    },
    /// No sweep says what a server can do.
    #[error(
        "no sweep reached the most of its server, and none knows its processor time: let the server run on this machine, or give --server-pid"
    )]
    NoCapacity,
    /// What is wanted is no load.
    #[error("{what} has to be {expected}")]
    Wanted {
        /// Which value.
        what: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// The service level is not understood.
    #[error("{0}")]
    ServiceLevel(#[from] RequireError),
}

/// A sweep, and what of it all parts need.
#[derive(Clone, Copy, Debug)]
struct Swept<'a> {
    sweep: &'a SweepResult,
    cores: f64,
    body_bytes: f64,
}

/// What servers like those of the sweeps do.
#[derive(Debug)]
pub struct Model<'a> {
    swept: Vec<Swept<'a>>,
    most: Vec<Most>,
    capacity: Capacity,
}

impl Bound {
    fn exact(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// With an error that is a share of the value; it is as likely to be twice as half.
    fn of_share(value: f64, share: f64) -> Self {
        Self { value, low: value / share.exp(), high: value * share.exp() }
    }

    fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }
}

impl Swept<'_> {
    /// The most that was reached, messages a second: a valid closed loop is one that the server held up, and so is a rate that it
    /// did not keep up with.
    fn reached(&self) -> Option<f64> {
        let points = || self.sweep.points.iter().filter(|point| point.is_valid);
        let is_limited = points().any(|point| point.rate().is_none() || !point.keeps_up);
        is_limited.then(|| points().map(|point| point.achieved).fold(0.0, f64::max)).filter(|rate| *rate > 0.0)
    }

    /// What messages cost a core. A late generator does not change what its messages cost the server, so that invalid runs count.
    fn costs(&self) -> Vec<Observed> {
        let of_point = |point: &crate::sweep::Point| {
            let cpu_ns = point.usage.as_ref()?.cpu_us_per_message * 1e3;
            let observed = Observed { rate: point.achieved / self.cores, body_bytes: point.body_bytes, cpu_ns };
            (cpu_ns > 0.0 && point.achieved > 0.0).then_some(observed)
        };
        self.sweep.points.iter().filter_map(of_point).collect()
    }
}

impl<'a> Model<'a> {
    /// From sweeps of one kind of load and server.
    ///
    /// # Errors
    /// When they are not of one kind, or say nothing about what a server can do.
    pub fn of(sweeps: &'a [SweepResult]) -> Result<Self, PlanError> {
        let first = sweeps.first().ok_or(PlanError::Empty)?;
        let swept: Vec<Swept<'a>> = sweeps.iter().map(|sweep| swept(first, sweep)).collect::<Result<_, _>>()?;
        let most = capacity::most_of(&swept);
        let capacity = Capacity::of(&most).ok_or(PlanError::NoCapacity)?;
        Ok(Self { swept, most, capacity })
    }

    /// The most that so many cores do with bodies of so many octets, messages a second.
    pub fn capacity(&self, cores: f64, body_bytes: f64) -> Bound {
        self.capacity.at(cores, body_bytes)
    }

    /// Plans a load.
    ///
    /// # Errors
    /// When what is wanted is no load, or its service level is not understood.
    pub fn plan(&self, wanted: &Wanted) -> Result<Plan, PlanError> {
        check(wanted)?;
        let scenario = &self.reference(wanted).sweep.scenario;
        let parse = |text: &String| Threshold::parse(text, scenario);
        let thresholds = wanted.service_level.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let mut plan = self.without_answer(wanted);
        plan.answer = answer::answer(self, wanted, &thresholds, &mut plan);
        Ok(plan)
    }

    /// The sweep that is most like what is wanted: of the next size, and of the fewest cores of those.
    fn reference(&self, wanted: &Wanted) -> &Swept<'a> {
        let apart = |swept: &Swept<'_>| (swept.body_bytes / wanted.body_bytes).ln().abs();
        let order = |one: &&Swept<'_>, other: &&Swept<'_>| {
            apart(one).total_cmp(&apart(other)).then(one.cores.total_cmp(&other.cores))
        };
        self.swept.iter().min_by(order).expect("a model has at least one sweep")
    }

    fn without_answer(&self, wanted: &Wanted) -> Plan {
        let (contention, coherency) = self.capacity.scaling();
        let measured = self.most.iter().map(|most| Measured {
            cores: most.cores,
            body_bytes: most.body_bytes,
            rate: most.rate,
            is_reached: most.is_reached,
        });
        let largest = (2.0 * self.capacity.cores.1).max(8.0) as u32;
        let over_cores = (1..=largest)
            .map(f64::from)
            .map(|cores| CurvePoint { x: cores, rate: self.capacity(cores, wanted.body_bytes) });
        let (least, most) = self.capacity.sizes;
        let (low, high) = (least.min(wanted.body_bytes), most.max(wanted.body_bytes));
        let steps = (0..=40).map(|step| low * (high / low).powf(f64::from(step) / 40.0));
        let over_size = steps.map(|size| CurvePoint { x: size, rate: self.capacity(self.capacity.cores.0, size) });
        Plan {
            format: FORMAT,
            wanted: wanted.clone(),
            answer: None,
            measured: measured.collect(),
            over_cores: over_cores.collect(),
            over_size: over_size.collect(),
            usl: self.usl(),
            contention,
            coherency,
            extrapolated: Vec::new(),
            assumed: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// The law of its own, of the size that was measured at most numbers of cores.
    fn usl(&self) -> Option<Usl> {
        let of_size = |size: f64| {
            let alike = self.most.iter().filter(|most| most.is_reached && most.body_bytes == size);
            alike.map(|most| UslPoint { number: most.cores, throughput: most.rate.value }).collect::<Vec<_>>()
        };
        let sizes = self.most.iter().map(|most| of_size(most.body_bytes));
        Usl::fit(&sizes.max_by_key(Vec::len)?).ok()
    }
}

/// A sweep that is of the same kind as the first.
fn swept<'a>(first: &SweepResult, sweep: &'a SweepResult) -> Result<Swept<'a>, PlanError> {
    let name = || sweep.scenario.name.clone();
    let kind = |sweep: &SweepResult| {
        let groups = sweep.scenario.groups.iter();
        groups
            .map(|group| {
                let pattern = match group.pattern {
                    Pattern::Queue => "a queue",
                    Pattern::Topic => "a topic",
                    Pattern::RequestReply => "requests and replies",
                };
                let settle = match group.settle {
                    Settle::Presettled => "presettled",
                    Settle::Unsettled => "unsettled",
                    Settle::Second => "settled by the receiver second",
                };
                let durable = if group.durable { "durable" } else { "not durable" };
                format!("{pattern}, {durable}, {settle}")
            })
            .collect::<Vec<_>>()
            .join("; ")
    };
    for (what, one, other) in [
        ("server", first.server.product.clone(), sweep.server.product.clone()),
        ("processor", first.machine.processor.clone(), sweep.machine.processor.clone()),
        ("load", kind(first), kind(sweep)),
    ] {
        if one != other {
            return Err(PlanError::NotAlike { what, one, other });
        }
    }
    let cores = sweep.server_cores.filter(|cores| *cores > 0).ok_or_else(|| PlanError::Cores { name: name() })?;
    let sent: f64 = sweep.points.iter().map(|point| point.achieved).sum();
    let octets: f64 = sweep.points.iter().map(|point| point.achieved * point.body_bytes).sum();
    if sent <= 0.0 {
        return Err(PlanError::NoCapacity);
    }
    Ok(Swept { sweep, cores: f64::from(cores), body_bytes: (octets / sent).max(1.0) })
}

fn check(wanted: &Wanted) -> Result<(), PlanError> {
    let wrong = |what, expected| Err(PlanError::Wanted { what, expected });
    if !(wanted.rate.is_finite() && wanted.rate > 0.0) {
        return wrong("the rate", "more than 0 messages a second");
    }
    if !(wanted.body_bytes.is_finite() && wanted.body_bytes >= 1.0) {
        return wrong("the size", "at least 1 octet");
    }
    if wanted.nodes == 0 {
        return wrong("the number of nodes", "at least 1");
    }
    if !(wanted.retention_s.is_finite() && wanted.retention_s >= 0.0) {
        return wrong("the retention", "0 s or more");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
