//! How long 10,000 messages a second are under way over one router and over two, beside the bare echo of the same round.

use std::io;

use hdrhistogram::Histogram;

use super::Options;
use crate::compare::{median, start_yardstick};
use crate::figure::{Figure, Target};
use crate::load::{self, Paced};

/// Messages a second.
const RATE: u64 = 10_000;
/// What the slowest message of a thousand may take of what the echo's takes.
const TAIL: f64 = 2.0;

pub(super) fn measure(options: &Options) -> io::Result<Vec<Figure>> {
    let mut ways: [Vec<Histogram<u64>>; 3] = Default::default();
    for _ in 0..options.rounds {
        let echo = start_yardstick(options.cores.core, &["--echo"])?;
        ways[0].push(paced(options, (echo.address, echo.address), &Paced::Echo)?);
        drop(echo);
        for (way, row) in ways[1..].iter_mut().zip([Options::one, Options::two]) {
            let row = row(options)?;
            let what = Paced::Queue { address: "perf.paced".to_owned(), home: None };
            way.push(paced(options, row.ends(), &what)?);
        }
    }
    let mut figures = Vec::new();
    let case = format!("{RATE}/s");
    for (quantile, what, ratios, target) in [
        (
            0.5,
            ["p50, bare echo", "p50, one router", "p50, two routers"],
            ["p50 to the echo", "p50, two to one"],
            Target::None,
        ),
        (
            0.999,
            ["p99.9, bare echo", "p99.9, one router", "p99.9, two routers"],
            ["p99.9 to the echo", "p99.9, two to one"],
            Target::AtMost(TAIL),
        ),
    ] {
        let us = |way: &[Histogram<u64>]| -> Vec<f64> {
            way.iter().map(|histogram| histogram.value_at_quantile(quantile) as f64 / 1000.0).collect()
        };
        let mut at = ways.each_ref().map(|way| us(way));
        let ratio = |over: &[f64], under: &[f64]| -> Vec<f64> {
            over.iter().zip(under).map(|(over, under)| over / under).collect()
        };
        let mut to_echo = ratio(&at[1], &at[0]);
        let mut two_to_one = ratio(&at[2], &at[1]);
        for (way, what) in at.iter_mut().zip(what) {
            figures.push(Figure::new(&case, what, median(way), "us").spread(way));
        }
        figures.push(Figure::new(&case, ratios[0], median(&mut to_echo), "").held_to(target).spread(&to_echo));
        figures.push(Figure::new(&case, ratios[1], median(&mut two_to_one), "").held_to(target).spread(&two_to_one));
    }
    Ok(figures)
}

fn paced(
    options: &Options,
    ends: (std::net::SocketAddr, std::net::SocketAddr),
    what: &Paced,
) -> io::Result<Histogram<u64>> {
    options.cores.load(|| load::paced(ends, what, RATE, options.seconds))
}
