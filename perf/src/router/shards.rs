//! What a second core gives: sixteen pairs and one load on one shard and core, against two shards with two loads on two.
//!
//! The system gives connections to shards: about half of the messages cross to the other one.

use std::io;

use super::Options;
use crate::compare::median;
use crate::cores::on_core;
use crate::figure::{Figure, Target};
use crate::load::{self, Load};
use crate::message::Kept;
use crate::peer::Settle;

const PAIRS: usize = 16;

pub(super) fn measure(options: &Options) -> io::Result<Vec<Figure>> {
    let cores = [options.cores.core, options.cores.load_core];
    let (mut ones, mut twos, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let one = rate(options, &cores[..1])?;
        let two = rate(options, &cores)?;
        ones.push(one);
        twos.push(two);
        ratios.push(two / one);
    }
    let case = format!("{PAIRS} pairs, 100 B unsettled");
    Ok(vec![
        Figure::new(&case, "one shard, its load beside it", median(&mut ones), "/s").spread(&ones),
        Figure::new(&case, "two shards, their loads too", median(&mut twos), "/s").spread(&twos),
        Figure::new(&case, "two to one", median(&mut ratios), "").held_to(Target::AtLeast(1.8)).spread(&ratios),
    ])
}

/// The rate of a router with a shard on each core, and a load beside each.
fn rate(options: &Options, cores: &[usize]) -> io::Result<f64> {
    let list: Vec<String> = cores.iter().map(usize::to_string).collect();
    let row = options.on(&format!("cores = \"{}\"\nshards = {}", list.join(","), cores.len()))?;
    let addresses = load::queues(PAIRS);
    let run = |addresses: Vec<String>, core: usize| {
        let (size, window, settle, kept) = (100, 500, Settle::Unsettled, Kept::Volatile);
        let load = Load { addresses, home: None, size, window, settle, kept, seconds: options.seconds };
        on_core(core, || load::pairs_over(row.ends(), &load))
    };
    std::thread::scope(|scope| {
        let run = &run;
        let parts = addresses.chunks(PAIRS / cores.len()).map(<[String]>::to_vec);
        let loads: Vec<_> = cores.iter().zip(parts).map(|(&core, part)| scope.spawn(move || run(part, core))).collect();
        let failed = |_| Err(io::Error::other("the load failed"));
        loads.into_iter().map(|load| load.join().unwrap_or_else(failed)).sum::<io::Result<f64>>()
    })
}
