//! What a second core gives: sixteen pairs and one load on one shard and core, against two shards with two loads on two.
//!
//! Links of an address meet on the shard that its name says. Each load's addresses are those of the shard on its core, as in `compare` for
//! queues: a socket between two cores costs the system as much as the router has to do for its messages. Beside that the same where
//! connections stay where the system puts them: about half of the messages cross to the other shard.

use std::io;

use engine_catalogue::{Catalogue, Placement};

use super::Options;
use crate::compare::median;
use crate::cores::on_core;
use crate::figure::{Figure, Target};
use crate::load::{self, Load};
use crate::message::Kept;
use crate::peer::Settle;

const PAIRS: usize = 16;
/// Shards of which each has a load, at most.
const SHARDS: u16 = 2;

/// Where connections are.
#[derive(Clone, Copy)]
enum Links {
    /// On the shard of their address.
    Meet,
    /// Where the system puts them.
    Stay,
}

pub(super) fn measure(options: &Options) -> io::Result<Vec<Figure>> {
    let cores = [options.cores.core, options.cores.load_core];
    let mut rows: [Vec<f64>; 5] = Default::default();
    for _ in 0..options.rounds {
        let one = rate(options, &cores[..1], Links::Meet)?;
        let [meet, stay] = [rate(options, &cores, Links::Meet)?, rate(options, &cores, Links::Stay)?];
        let measured = [one, meet, meet / one, stay, stay / one];
        rows.iter_mut().zip(measured).for_each(|(row, measured)| row.push(measured));
    }
    let case = format!("{PAIRS} pairs, 100 B unsettled");
    let [one, meet, meet_to_one, stay, stay_to_one] = &mut rows;
    Ok(vec![
        Figure::new(&case, "one shard, its load beside it", median(one), "/s").spread(one),
        Figure::new(&case, "two shards, their loads too", median(meet), "/s").spread(meet),
        Figure::new(&case, "two to one", median(meet_to_one), "").held_to(Target::AtLeast(1.8)).spread(meet_to_one),
        Figure::new(&case, "two, half of it crosses", median(stay), "/s").spread(stay),
        Figure::new(&case, "two to one, half of it crosses", median(stay_to_one), "").spread(stay_to_one),
    ])
}

/// Addresses whose links meet on a shard.
fn addresses(shard: u16, count: usize) -> Vec<String> {
    let catalogue = Catalogue::new(Placement::new(SHARDS));
    let names = (0..count).map(|pair| catalogue.name_owned_by(shard, |number| format!("perf.{pair}.{number}")));
    names.map(|name| name.unwrap_or_else(|| unreachable!("one of 128 names falls on a shard"))).collect()
}

/// The rate of a router with a shard on each core, and a load beside each.
fn rate(options: &Options, cores: &[usize], links: Links) -> io::Result<f64> {
    let list: Vec<String> = cores.iter().map(usize::to_string).collect();
    let moves = matches!(links, Links::Meet);
    let node = format!("cores = \"{}\"\nshards = {}\nmove_connections = {moves}", list.join(","), cores.len());
    let row = options.on(&node)?;
    let run = |addresses: Vec<String>, core: usize| {
        let (size, window, settle, kept) = (100, 500, Settle::Unsettled, Kept::Volatile);
        let load = Load { addresses, home: None, size, window, settle, kept, seconds: options.seconds };
        on_core(core, || load::pairs_over(row.ends(), &load))
    };
    std::thread::scope(|scope| {
        let run = &run;
        let parts = (0..).map(|shard| addresses(shard, PAIRS / cores.len()));
        let loads: Vec<_> = cores.iter().zip(parts).map(|(&core, part)| scope.spawn(move || run(part, core))).collect();
        let failed = |_| Err(io::Error::other("the load failed"));
        loads.into_iter().map(|load| load.join().unwrap_or_else(failed)).sum::<io::Result<f64>>()
    })
}
