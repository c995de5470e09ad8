//! What addresses cost: a receiver of each at one router, which another one hears of.
//!
//! Memory each at both; how long an attach takes until it is answered, which is when all shards have it in their table, and until a sender at
//! the other router has credit, while there are few and while there are many; how long a router that comes later takes to know all of them.

use std::io;
use std::time::{Duration, Instant};

use amqp_codec::performative::{Source, Terminus};
use amqp_proto::{Closing, Event};

use super::Options;
use super::nodes::Row;
use crate::client::{Clients, receiver, sender};
use crate::compare::median;
use crate::figure::{Figure, Target};
use crate::idle::memory_kib;
use crate::server::{Server, cpu_ns};

/// Links of one connection.
const LINKS_EACH: usize = 1000;
/// Attaches that are measured one by one.
const PROBES: usize = 50;
/// How long a sender may wait for its credit.
const PATIENCE: Duration = Duration::from_secs(120);
/// What an attach among many may take, and a link cost, of what one among few does.
const FLAT: f64 = 1.5;

/// What an attach takes.
struct Probe {
    /// Until it is answered, microseconds.
    answered_us: f64,
    /// Until a sender at the other router has credit, seconds.
    reached_s: f64,
}

pub(super) fn measure(options: &Options) -> io::Result<Vec<Figure>> {
    let row = options.two()?;
    let case = format!("{} addresses", options.addresses);
    let mut figures = Vec::new();
    let (few, many, clients) = options.cores.load(|| fill(options, &row, &case, &mut figures))?;
    let start = Instant::now();
    let third = options.another("third")?;
    credit(Some(&third), &format!("address.{}", options.addresses - 1))?;
    figures.push(Figure::new(&case, "all known to a router that comes", start.elapsed().as_secs_f64(), "s"));
    // Until here somebody receives.
    drop(clients);
    let answered = "attach, until all shards know it";
    figures.push(Figure::new("few addresses", answered, few.answered_us, "us"));
    figures.push(Figure::new(&case, answered, many.answered_us, "us"));
    figures.push(
        Figure::new(&case, "the same, many to few", many.answered_us / few.answered_us, "")
            .held_to(Target::AtMost(FLAT)),
    );
    let reached = "until the neighbour's sender has credit";
    figures.push(Figure::new("few addresses", reached, few.reached_s, "s"));
    figures.push(Figure::new(&case, reached, many.reached_s, "s"));
    Ok(figures)
}

/// Attaches all receivers and measures; gives what an attach took among few and among many, and those who receive.
fn fill(options: &Options, row: &Row, case: &str, figures: &mut Vec<Figure>) -> io::Result<(Probe, Probe, Clients)> {
    let (first, second) = (row.first.child.id(), row.second.as_ref().map_or(0, |second| second.child.id()));
    let few = probe(row, "few")?;
    let before = [first, second].map(memory_kib);
    let mut clients = Clients::connect(row.first.address, options.addresses.div_ceil(LINKS_EACH), "addresses")?;
    let connected = memory_kib(first);
    let (mut costs, start) = (Vec::new(), Instant::now());
    for place in 0..clients.each.len() {
        let cpu = cpu_ns(first);
        let count = attach(&mut clients, place, options.addresses)?;
        costs.push((cpu_ns(first) - cpu) as f64 / count as f64 / 1000.0);
    }
    let attached = start.elapsed().as_secs_f64();
    let last = options.addresses - 1;
    let known = start.elapsed() + credit(row.second.as_ref(), &format!("address.{last}"))?;
    let many = probe(row, "many")?;
    let after = [first, second].map(memory_kib);
    let each = |before: u64, after: u64| after.saturating_sub(before) as f64 * 1024.0 / options.addresses as f64;
    figures.push(Figure::new(case, "attached", options.addresses as f64 / attached, "/s"));
    figures.push(Figure::new(case, "known to the neighbour", known.as_secs_f64(), "s"));
    figures.push(Figure::new(case, "memory each, link included", each(connected, after[0]), "octets"));
    figures.push(Figure::new(case, "memory each, at the neighbour", each(before[1], after[1]), "octets"));
    let tenth = costs.len().div_ceil(10);
    let mean = |costs: &[f64]| costs.iter().sum::<f64>() / costs.len().max(1) as f64;
    let (cheap, dear) = (mean(&costs[..tenth]), mean(&costs[costs.len() - tenth..]));
    figures.push(Figure::new(case, "processor, first tenth", cheap, "us a link"));
    figures.push(Figure::new(case, "processor, last tenth", dear, "us a link"));
    figures.push(Figure::new(case, "last to first", dear / cheap, "").held_to(Target::AtMost(FLAT)));
    Ok((few, many, clients))
}

/// Attaches the receivers of one connection.
fn attach(clients: &mut Clients, place: usize, addresses: usize) -> io::Result<usize> {
    let numbers = place * LINKS_EACH..((place + 1) * LINKS_EACH).min(addresses);
    let count = numbers.len();
    for number in numbers {
        let source = Source::from(Terminus::at(format!("address.{number}")));
        clients.each[place].attach(receiver(format!("link-{number}"), source))?;
    }
    let mut answered = 0;
    clients.run(&mut |_, _, event| {
        if let Event::Detached { error: Some(error), .. } = &event {
            return Err(io::Error::other(format!("a link was refused: {error}")));
        }
        answered += usize::from(matches!(event, Event::Attached(..)));
        Ok(answered == count)
    })?;
    Ok(count)
}

/// How long it takes until a sender to an address at a router has credit.
fn credit(at: Option<&Server>, address: &str) -> io::Result<Duration> {
    let at = at.ok_or(io::ErrorKind::NotFound)?;
    let start = Instant::now();
    let mut clients = Clients::connect(at.address, 1, "probe")?;
    clients.attach(0, sender("probe".to_owned(), Terminus::at(address)))?;
    let mut has_credit = false;
    while !has_credit {
        if start.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("a sender to {address} has no credit")));
        }
        clients.turn(Duration::from_millis(10), &mut |_, _, event| {
            has_credit |= matches!(event, Event::Credit { credit: 1.., .. });
            Ok(())
        })?;
    }
    Ok(start.elapsed())
}

/// Attaches receivers one after the other, and a sender to the last one at the other router.
fn probe(row: &Row, name: &str) -> io::Result<Probe> {
    let mut clients = Clients::connect(row.first.address, 1, "prober")?;
    let mut answered = Vec::new();
    let mut links = Vec::new();
    for number in 0..PROBES {
        let source = Source::from(Terminus::at(format!("probe.{name}.{number}")));
        let start = Instant::now();
        links.push(clients.attach(0, receiver(format!("probe-{number}"), source))?);
        answered.push(start.elapsed().as_nanos() as f64 / 1000.0);
    }
    let reached = credit(row.second.as_ref(), &format!("probe.{name}.{}", PROBES - 1))?;
    for link in links {
        let client = &mut clients.each[0];
        client.machine.detach(link, Closing::Closed, None, &mut client.out);
    }
    clients.fence(0)?;
    Ok(Probe { answered_us: median(&mut answered), reached_s: reached.as_secs_f64() })
}
