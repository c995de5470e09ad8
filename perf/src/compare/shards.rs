//! Several shards: what a lane between a connection and its queue costs, and what a second core gives.

use std::io;

use engine_catalogue::{Catalogue, Placement};

use crate::cores::on_core;
use crate::load::{self, Load, Paced};
use crate::message::Kept;
use crate::peer::Settle;

use super::{Options, Setup, cpu_seconds, median, start_broker};

/// A queue that a shard of two owns.
fn owned_by(shard: u16) -> String {
    let name = Catalogue::new(Placement::new(2)).name_owned_by(shard, |number| format!("perf.{number}"));
    name.unwrap_or_else(|| unreachable!("one of 128 names falls on a shard"))
}

/// Two shards on the broker's core: connections live on the first; the queue lives there, too, or on the second. Both share
/// one core, so that all the work that a lane makes is paid for in the rate.
///
/// # Errors
/// When a process does not start or a connection breaks.
pub(super) fn forwarded(options: &Options) -> io::Result<()> {
    let setup = Setup { shards: 2, ..Setup::on(options.cores.core) };
    let load = |address: String, settle| Load {
        addresses: vec![address],
        home: Some(owned_by(0)),
        size: 100,
        window: 2000,
        settle,
        kept: Kept::Volatile,
        seconds: options.seconds,
    };
    println!(
        "\nforwarded, 100 B, two shards on one core: {:>10} {:>12} {:>8} {:>15}",
        "direct/s", "forwarded/s", "ratio", "spread"
    );
    for (name, settle) in [("unsettled", Settle::Unsettled), ("presettled", Settle::Presettled)] {
        let (mut direct, mut forwarded, mut ratios) = (vec![], vec![], vec![]);
        for _ in 0..options.rounds {
            let rate = |shard| {
                let broker = start_broker(options, &setup)?;
                let load = load(owned_by(shard), settle);
                options.cores.load(|| load::pairs(broker.address, &load))
            };
            let (near, far) = (rate(0)?, rate(1)?);
            direct.push(near);
            forwarded.push(far);
            ratios.push(far / near);
        }
        let ratio = median(&mut ratios);
        let spread = format!("{:.2} .. {:.2}", ratios[0], ratios[ratios.len() - 1]);
        let (direct, forwarded) = (median(&mut direct), median(&mut forwarded));
        println!("  {name:<40} {direct:>10.0} {forwarded:>12.0} {ratio:>8.2} {spread:>15}   target 0.7");
    }
    println!("forwarded, 10,000/s, µs:");
    for _ in 0..options.rounds {
        for (name, shard) in [("direct   ", 0), ("forwarded", 1)] {
            let broker = start_broker(options, &setup)?;
            let what = Paced::Queue { address: owned_by(shard), home: Some(owned_by(0)) };
            let run = || load::paced((broker.address, broker.address), &what, 10_000, options.seconds);
            println!("  {name} {}", super::percentiles(&options.cores.load(run)?));
        }
    }
    Ok(())
}

/// One shard and its load on one core, against two shards and their two loads on two.
///
/// # Errors
/// When a process does not start or a connection breaks.
pub(super) fn two(options: &Options) -> io::Result<()> {
    let cores = [options.cores.core, options.cores.load_core];
    println!(
        "\ntwo shards, 100 B unsettled, each with its load on its core: one/s, two/s, ratio, the load's share of the processor"
    );
    for _ in 0..options.rounds {
        let mut rates = Vec::new();
        for shards in [1, 2] {
            let used = cores.get(..shards).unwrap_or_default();
            let list: Vec<String> = used.iter().map(usize::to_string).collect();
            let setup = Setup { cores: list.join(","), shards: shards as u16, spin_us: 0 };
            let broker = start_broker(options, &setup)?;
            let before = (cpu_seconds(broker.child.id()), cpu_seconds(std::process::id()));
            let run = |shard: usize, core: usize| {
                let addresses = vec![owned_by(shard as u16)];
                let (seconds, settle) = (options.seconds, Settle::Unsettled);
                let load =
                    Load { addresses, home: None, size: 100, window: 2000, settle, kept: Kept::Volatile, seconds };
                on_core(core, || load::pairs(broker.address, &load))
            };
            let rate: f64 = std::thread::scope(|scope| {
                let run = &run;
                let loads: Vec<_> =
                    used.iter().enumerate().map(|(shard, &core)| scope.spawn(move || run(shard, core))).collect();
                let failed = |_| Err(io::Error::other("the load failed"));
                loads.into_iter().map(|load| load.join().unwrap_or_else(failed)).sum::<io::Result<f64>>()
            })?;
            let broker_cpu = cpu_seconds(broker.child.id()) - before.0;
            let load_cpu = cpu_seconds(std::process::id()) - before.1;
            rates.push((rate, load_cpu / (load_cpu + broker_cpu)));
        }
        if let [(one, one_share), (two, two_share)] = rates[..] {
            println!(
                "  {one:>12.0} {two:>12.0} {:>6.2}   {:.0} % and {:.0} %",
                two / one,
                one_share * 100.0,
                two_share * 100.0
            );
        }
    }
    Ok(())
}
