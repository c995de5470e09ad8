//! How many messages a second one pair gets over one router and over two, as shares of what the bare relay takes in the same round, and of
//! what a queue of the same program does.

use std::io;

use super::Options;
use super::nodes::Row;
use crate::compare::{median, start_yardstick};
use crate::figure::{Figure, Target};
use crate::load::{self, Load};
use crate::message::Kept;
use crate::peer::Settle;
use crate::server::cpu_ns;

/// What a second router may cost: as much again as the first.
const HOPS_COST: f64 = 2.0;

/// What a router is to carry of what a queue does.
const QUEUE_SHARE: f64 = 1.0;

/// What a round of one way gave.
#[derive(Default)]
struct Way {
    rates: Vec<f64>,
    shares: Vec<f64>,
    /// Processor time of all routers for a message, nanoseconds.
    costs: Vec<f64>,
}

pub(super) fn measure(options: &Options) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    // Shares that the broker is held to as well (`compare`).
    for (name, size, target) in [("100 B unsettled", 100, 0.3), ("1 KiB unsettled", 1024, 0.7)] {
        let (addresses, settle, kept) = (load::queues(1), Settle::Unsettled, Kept::Volatile);
        let load = Load { addresses, home: None, size, window: options.window, settle, kept, seconds: options.seconds };
        let (mut relays, mut ways) = (Vec::new(), [Way::default(), Way::default(), Way::default()]);
        let (mut queues, mut hops) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            let relay = start_yardstick(options.cores.core, &[])?;
            let relayed = options.cores.load(|| load::through_relay(relay.address, &load))?;
            drop(relay);
            relays.push(relayed);
            for (way, row) in ways.iter_mut().zip([Options::queue, Options::one, Options::two]) {
                way.run(options, &row(options)?, &load, relayed)?;
            }
            let [queue, one, two] = &ways;
            queues.extend(one.rates.last().zip(queue.rates.last()).map(|(one, queue)| one / queue));
            hops.extend(two.costs.last().zip(one.costs.last()).map(|(two, one)| two / one));
        }
        figures.push(Figure::new(name, "bare relay", median(&mut relays), "/s"));
        for (way, number) in ways.iter_mut().zip(["a queue", "one router", "two routers"]) {
            let case = format!("{name}, {number}");
            figures.push(Figure::new(&case, "rate", median(&mut way.rates), "/s").spread(&way.rates));
            let target = if number == "one router" { Target::AtLeast(target) } else { Target::None };
            figures.push(
                Figure::new(&case, "of the relay", median(&mut way.shares), "").held_to(target).spread(&way.shares),
            );
            figures.push(Figure::new(&case, "processor a message", median(&mut way.costs), "ns").spread(&way.costs));
        }
        let queues = Figure::new(name, "one router to a queue", median(&mut queues), "").spread(&queues);
        figures.push(queues.held_to(Target::AtLeast(QUEUE_SHARE)));
        let hops = Figure::new(name, "processor, two to one", median(&mut hops), "").spread(&hops);
        figures.push(hops.held_to(Target::AtMost(HOPS_COST)));
    }
    Ok(figures)
}

impl Way {
    fn run(&mut self, options: &Options, row: &Row, load: &Load, relayed: f64) -> io::Result<()> {
        let cpu = || row.pids().into_iter().map(cpu_ns).sum::<u64>();
        let before = cpu();
        let rate = options.cores.load(|| load::pairs_over(row.ends(), load))?;
        // All that went through, the warm-up included.
        self.costs.push((cpu() - before) as f64 / (rate * load.seconds));
        self.rates.push(rate);
        self.shares.push(rate / relayed);
        Ok(())
    }
}
