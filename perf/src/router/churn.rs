//! Links that come and go at a rate, receivers and senders of addresses that were never there before, while the memory of their router and of
//! its neighbour, which hears of each address, is read every second.
//!
//! A link is detached when it was answered, and the next one attached by the clock: how many wait at once is bounded by `OPEN_MAX`.

use std::collections::HashSet;
use std::io;
use std::time::{Duration, Instant};

use amqp_codec::performative::{Source, Terminus};
use amqp_proto::{Closing, Event};

use super::Options;
use super::nodes::Row;
use crate::client::{Clients, receiver, sender};
use crate::figure::{Figure, Target};
use crate::idle::memory_kib;
use crate::server::cpu_ns;

/// Connections that the links are on.
const CONNECTIONS: usize = 8;
/// Links that wait for their answers at once, at most: of two seconds of the usual rate.
const OPEN_MAX: usize = 2048;
/// Share of a run in which tables and pools grow to the size that they keep.
const WARM_UP: f64 = 0.1;
/// What memory may grow by from there to the end, MiB: pages that an allocator keeps.
const GROWTH_MAX_MIB: f64 = 4.0;

/// What is read every second.
struct Sample {
    at: f64,
    links: u64,
    memory_kib: Vec<u64>,
    cpu_ns: u64,
}

pub(super) fn measure(options: &Options) -> io::Result<Vec<Figure>> {
    let row = options.two()?;
    let samples = options.cores.load(|| run(options, &row))?;
    let case = format!("{}/s for {} s", options.churn_rate, options.churn_seconds);
    let warm = samples.iter().find(|sample| sample.at >= options.churn_seconds as f64 * WARM_UP);
    let (Some(first), Some(warm), Some(last)) = (samples.first(), warm, samples.last()) else {
        return Ok(vec![Figure::missing(&case, "memory", "the run was too short".to_owned())]);
    };
    let seconds = last.at - first.at;
    let mut figures =
        vec![Figure::new(&case, "attached and detached", (last.links - first.links) as f64 / seconds, "/s")];
    for (place, name) in
        [["memory, warm", "memory, at the end", "growth"], ["neighbour, warm", "neighbour, at the end", "its growth"]]
            .into_iter()
            .enumerate()
    {
        let mib = |sample: &Sample| sample.memory_kib.get(place).copied().unwrap_or_default() as f64 / 1024.0;
        let growth = mib(last) - mib(warm);
        figures.push(Figure::new(&case, name[0], mib(warm), "MiB"));
        figures.push(Figure::new(&case, name[1], mib(last), "MiB").remarked(told(&samples, place)));
        figures.push(Figure::new(&case, name[2], growth, "MiB").held_to(Target::AtMost(GROWTH_MAX_MIB)));
    }
    let each =
        |from: &Sample, to: &Sample| (to.cpu_ns - from.cpu_ns) as f64 / (to.links - from.links).max(1) as f64 / 1000.0;
    figures.push(Figure::new(&case, "processor, first tenth", each(first, warm), "us a link"));
    let late = samples.iter().rfind(|sample| sample.at <= options.churn_seconds as f64 * (1.0 - WARM_UP));
    figures.push(Figure::new(&case, "processor, last tenth", each(late.unwrap_or(first), last), "us a link"));
    Ok(figures)
}

/// Memory at ten times of a run, MiB.
fn told(samples: &[Sample], place: usize) -> String {
    let step = samples.len().div_ceil(10).max(1);
    let mib = |sample: &Sample| sample.memory_kib.get(place).map(|kib| format!("{:.1}", *kib as f64 / 1024.0));
    samples.iter().step_by(step).filter_map(mib).collect::<Vec<_>>().join(" ")
}

fn run(options: &Options, row: &Row) -> io::Result<Vec<Sample>> {
    let mut clients = Clients::connect(row.first.address, CONNECTIONS, "churn")?;
    let (start, length) = (Instant::now(), Duration::from_secs(options.churn_seconds));
    let mut open = HashSet::new();
    let (mut attached, mut detached, mut samples) = (0_u64, 0_u64, Vec::new());
    loop {
        let elapsed = start.elapsed();
        if elapsed.as_secs() >= samples.len() as u64 {
            let (memory_kib, cpu_ns) = (row.pids().into_iter().map(memory_kib).collect(), cpu_ns(row.first.child.id()));
            samples.push(Sample { at: elapsed.as_secs_f64(), links: detached, memory_kib, cpu_ns });
        }
        let is_over = elapsed >= length;
        if is_over && open.is_empty() {
            return Ok(samples);
        }
        if elapsed > length + Duration::from_secs(20) {
            return Err(io::Error::other(format!("{} links were not answered", open.len())));
        }
        let due = (elapsed.as_secs_f64() * f64::from(options.churn_rate)) as u64;
        while !is_over && attached < due && open.len() < OPEN_MAX {
            let place = (attached % CONNECTIONS as u64) as usize;
            // A receiver, then a sender to the same address from another connection.
            let (name, address) = (format!("link-{attached}"), format!("churn.{}", attached / 2));
            let attach = match attached % 2 {
                0 => receiver(name, Source::from(Terminus::at(address))),
                _ => sender(name, Terminus::at(address)),
            };
            let link = clients.each[place].attach(attach)?;
            open.insert((place, link));
            attached += 1;
        }
        clients.turn(Duration::from_millis(1), &mut |place, client, event| {
            match event {
                Event::Attached(link, _) => {
                    client.machine.detach(link, Closing::Closed, None, &mut client.out);
                    open.remove(&(place, link));
                    detached += 1;
                }
                Event::Detached { error, .. } => {
                    let why = error.map_or_else(|| "without a reason".to_owned(), |error| error.to_string());
                    return Err(io::Error::other(format!("a link was refused: {why}")));
                }
                _ => {}
            }
            Ok(())
        })?;
    }
}
