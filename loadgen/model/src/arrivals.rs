//! When the messages of one producer are due, in nanoseconds of the run.
//!
//! Guarantees:
//! 1. The times follow from the scenario and the producer's number alone: neither the number of workers nor what the server does
//!    changes them.
//! 2. They do not drift: the message of number n is computed from n (constant, burst, ramp), or from a sum whose rounding is
//!    carried along (Poisson), so that hours later the rate still is what was asked for.
//! 3. They never go back.

use crate::chance::{Chance, Purpose};
use crate::scenario::{Arrivals, Group, Scenario, WarmUp};

const SECOND_NS: f64 = 1e9;

/// The due times of one producer, one after the other.
#[derive(Clone, Debug)]
pub struct Schedule {
    shape: Shape,
    /// Number of the message that is due next.
    number: u64,
    due_ns: u64,
}

/// A producer's place among those of its group: the group's messages are dealt out to them in turn.
#[derive(Clone, Copy, Debug)]
struct Turn {
    first: f64,
    of: f64,
}

impl Turn {
    /// The group's number of this producer's message `number`.
    fn in_group(self, number: u64) -> f64 {
        number as f64 * self.of + self.first
    }
}

#[derive(Clone, Debug)]
enum Shape {
    /// Each producer has the same distance, and begins where its turn is.
    Constant { turn: Turn, gap_ns: f64 },
    /// Distances of an exponential distribution; the fraction of a nanosecond is carried to the next.
    Poisson { chance: Chance, mean_ns: f64, fraction_ns: f64 },
    /// As constant, with bursts in place of messages.
    Burst { turn: Turn, gap_ns: f64, messages: u64 },
    /// Messages of the group by the time t: from × t + slope × t² / 2, until `end_s`; then as constant.
    Ramp { turn: Turn, from: f64, to: f64, end_s: f64 },
}

impl Schedule {
    /// The due times of a producer; `None` in a closed loop, where messages are due when they can be sent.
    pub fn new(scenario: &Scenario, group: u32, producer: u32) -> Option<Self> {
        let spec = scenario.groups.get(group as usize)?;
        let (rate, producers) = (spec.rate.0, f64::from(spec.producers.max(1)));
        let turn = Turn { first: f64::from(producer), of: producers };
        let shape = match spec.arrivals {
            Arrivals::Closed => return None,
            Arrivals::Constant => Shape::Constant { turn, gap_ns: SECOND_NS / rate },
            Arrivals::Poisson => {
                let chance = Chance::new(scenario.seed, Purpose::Arrivals, group, producer);
                Shape::Poisson { chance, mean_ns: SECOND_NS * producers / rate, fraction_ns: 0.0 }
            }
            Arrivals::Burst { messages } => Shape::Burst {
                turn,
                gap_ns: SECOND_NS * f64::from(messages) / rate,
                messages: u64::from(messages.max(1)),
            },
            Arrivals::Ramp { from } => Shape::Ramp { turn, from: from.0, to: rate, end_s: ramp_s(scenario) },
        };
        let mut schedule = Self { shape, number: 0, due_ns: 0 };
        schedule.due_ns = schedule.compute();
        Some(schedule)
    }

    /// When the next message is due.
    #[inline]
    pub fn due_ns(&self) -> u64 {
        self.due_ns
    }

    /// Goes on to the message after it.
    #[inline]
    pub fn advance(&mut self) {
        self.number += 1;
        self.due_ns = self.compute();
    }

    fn compute(&mut self) -> u64 {
        match &mut self.shape {
            Shape::Constant { turn, gap_ns } => (turn.in_group(self.number) * *gap_ns) as u64,
            Shape::Poisson { chance, mean_ns, fraction_ns } => {
                let gap = *fraction_ns - chance.next_share().ln() * *mean_ns;
                *fraction_ns = gap.fract();
                self.due_ns.saturating_add(gap as u64)
            }
            Shape::Burst { turn, gap_ns, messages } => (turn.in_group(self.number / *messages) * *gap_ns) as u64,
            Shape::Ramp { turn, from, to, end_s } => {
                (ramp(turn.in_group(self.number), *from, *to, *end_s) * SECOND_NS) as u64
            }
        }
    }
}

/// How long a ramp takes, seconds: all that is known of the run beforehand.
fn ramp_s(scenario: &Scenario) -> f64 {
    let warm_up_s = match scenario.warm_up {
        WarmUp::Fixed(span) => span.as_seconds(),
        WarmUp::Auto => 0.0,
    };
    warm_up_s + scenario.duration.as_seconds()
}

/// When a ramp's message `number` is due, seconds.
fn ramp(number: f64, from: f64, to: f64, end_s: f64) -> f64 {
    let of_ramp = f64::midpoint(from, to) * end_s;
    if number >= of_ramp {
        return end_s + (number - of_ramp) / to;
    }
    if number == 0.0 {
        return 0.0;
    }
    // The root of slope × t² / 2 + from × t = number, written so that nothing cancels when the slope is small.
    let slope = (to - from) / end_s;
    2.0 * number / (from + (from * from + 2.0 * slope * number).max(0.0).sqrt())
}

/// How many messages a producer sends at most when the scenario has a `count`: its share of it. Groups share by their rates, or, when
/// one of them is a closed loop, by their numbers of producers; producers of a group share equally, the first ones take the rest.
pub fn quota(scenario: &Scenario, group: u32, producer: u32) -> u64 {
    if scenario.count == 0 {
        return u64::MAX;
    }
    let closed = scenario.groups.iter().any(|group| group.arrivals == Arrivals::Closed);
    let weight = |group: &Group| match (group.producers, closed) {
        (0, _) => 0.0,
        (producers, true) => f64::from(producers),
        (_, false) => group.rate.0,
    };
    let total: f64 = scenario.groups.iter().map(weight).sum();
    let place = group as usize;
    // The group's share is what its end in the whole is above its start, so that the shares add up.
    let until = |place: usize| {
        let part: f64 = scenario.groups.iter().take(place).map(weight).sum();
        (scenario.count as f64 * part / total).round() as u64
    };
    let of_group = until(place + 1).saturating_sub(until(place));
    let producers = u64::from(scenario.groups.get(place).map_or(1, |group| group.producers.max(1)));
    of_group / producers + u64::from(u64::from(producer) < of_group % producers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Rate, Span};
    use proptest::prelude::*;

    fn scenario(arrivals: Arrivals, rate: f64, producers: u32) -> Scenario {
        let group = Group { arrivals, rate: Rate(rate), producers, ..Group::default() };
        let warm_up = WarmUp::Fixed(Span(0));
        Scenario { groups: vec![group], duration: Span::seconds(10.0), warm_up, ..Scenario::default() }
    }

    /// All due times of a group before `end_ns`, in order.
    fn times(scenario: &Scenario, end_ns: u64) -> Vec<u64> {
        let mut times = Vec::new();
        for producer in 0..scenario.groups[0].producers {
            let mut schedule = Schedule::new(scenario, 0, producer).expect("it is open");
            while schedule.due_ns() < end_ns {
                times.push(schedule.due_ns());
                schedule.advance();
            }
        }
        times.sort_unstable();
        times
    }

    const SECOND: u64 = 1_000_000_000;

    proptest! {
        #[test]
        fn every_shape_keeps_its_rate_and_never_goes_back(
            rate in 100.0..20_000.0_f64, producers in 1..7_u32, shape in 0..3_u8, seed in any::<u64>(),
        ) {
            let arrivals = match shape {
                0 => Arrivals::Constant,
                1 => Arrivals::Burst { messages: 10 },
                _ => Arrivals::Poisson,
            };
            let scenario = Scenario { seed, ..scenario(arrivals, rate, producers) };
            let mut schedule = Schedule::new(&scenario, 0, 0).expect("it is open");
            for _ in 0..100 {
                let before = schedule.due_ns();
                schedule.advance();
                prop_assert!(schedule.due_ns() >= before);
            }
            let count = times(&scenario, 2 * SECOND).len() as f64;
            // Poisson: eight standard deviations. The others: a burst of each producer.
            let slack = if shape == 2 { 8.0 * (2.0 * rate).sqrt() + 1.0 } else { 10.0 * f64::from(producers) };
            prop_assert!((count - 2.0 * rate).abs() <= slack, "{count} of {}", 2.0 * rate);
        }

        #[test]
        fn quotas_add_up(count in 1..10_000_u64, producers in proptest::collection::vec(0..5_u32, 1..4), closed in any::<bool>()) {
            prop_assume!(producers.iter().any(|&producers| producers > 0));
            let arrivals = if closed { Arrivals::Closed } else { Arrivals::Constant };
            let group = |&producers: &u32| Group { producers, arrivals, ..Group::default() };
            let scenario = Scenario { groups: producers.iter().map(group).collect(), count, ..Scenario::default() };
            let places = producers.iter().zip(0_u32..).flat_map(|(&of, group)| (0..of).map(move |producer| (group, producer)));
            let sum: u64 = places.map(|(group, producer)| quota(&scenario, group, producer)).sum();
            prop_assert_eq!(sum, count);
        }
    }

    #[test]
    fn producers_take_turns_at_equal_distances() {
        let times = times(&scenario(Arrivals::Constant, 1000.0, 3), SECOND);
        assert_eq!(times.len(), 1000);
        assert!(times.iter().zip(0_u64..).all(|(&time, number)| time == number * 1_000_000));
    }

    #[test]
    fn an_odd_rate_is_exact_ten_hours_later() {
        let mut schedule = Schedule::new(&scenario(Arrivals::Constant, 3.0, 1), 0, 0).expect("it is open");
        schedule.number = 3 * 36_000 - 1;
        schedule.advance();
        assert_eq!(schedule.due_ns(), 36_000 * SECOND);
    }

    #[test]
    fn bursts_come_together() {
        let times = times(&scenario(Arrivals::Burst { messages: 5 }, 100.0, 2), SECOND);
        assert_eq!(times.len(), 100);
        for (burst, number) in times.chunks(5).zip(0_u64..) {
            assert!(burst.iter().all(|&time| time == number * 50_000_000), "{burst:?}");
        }
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let times = times(&scenario(Arrivals::Poisson, 10_000.0, 1), 20 * SECOND);
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let above = gaps.iter().filter(|&&gap| gap > mean).count() as f64 / gaps.len() as f64;
        assert!((mean - 1e5).abs() < 2e3, "{mean}");
        assert!((above - (-1.0_f64).exp()).abs() < 0.01, "{above}");
    }

    #[test]
    fn a_ramp_ends_at_its_rate() {
        for from in [0.0, 100.0, 2000.0] {
            let scenario = scenario(Arrivals::Ramp { from: Rate(from) }, 1000.0, 1);
            let times = times(&scenario, 12 * SECOND);
            let within = |from: u64, to: u64| times.iter().filter(|&&time| (from..to).contains(&time)).count() as f64;
            let all = f64::midpoint(from, 1000.0) * 10.0;
            assert!((within(0, 10 * SECOND) - all).abs() <= 2.0, "{from}: {}", within(0, 10 * SECOND));
            let half = (from * 0.75 + 250.0) * 5.0;
            assert!((within(0, 5 * SECOND) - half).abs() <= 2.0, "{from}: {}", within(0, 5 * SECOND));
            assert!((within(10 * SECOND, 12 * SECOND) - 2000.0).abs() <= 2.0);
        }
    }
}
