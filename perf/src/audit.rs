//! The crash audit: a broker under load is killed at random moments, started again, and held to what it said.
//!
//! Shown: every accepted durable message is delivered; none comes back whose acknowledgement was confirmed (receiver settle
//! mode second); first deliveries of a queue are in order; every body is what was sent. Queues have one producer and one consumer
//! each; the last address is a topic with two durable subscriptions.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use engine_rt::{Interest, Readiness, Waker};

use crate::client::{config, scratch};
use crate::server::{self, Server};

mod link;

use link::{Acceptance, Kind, Link, Role, Said};

/// How the audit is run.
#[derive(Args)]
pub struct Options {
    /// The broker's program.
    #[arg(long)]
    broker: PathBuf,
    /// How often it is killed.
    #[arg(long, default_value_t = 500)]
    kills: u32,
    /// Queues, beside the topic.
    #[arg(long, default_value_t = 4)]
    queues: usize,
    /// Shards of the broker.
    #[arg(long, default_value_t = 2)]
    shards: u16,
    /// Longest time between a start and a kill, milliseconds.
    #[arg(long, default_value_t = 400)]
    up_ms: u64,
    /// Where chance begins; the times of kills still depend on the machine.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Messages that a producer has on the way.
const WINDOW: usize = 600;
/// How long the last messages may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A message's body: its number, and octets that follow from it.
fn body(address: usize, number: u64) -> Vec<u8> {
    let mut chance = Chance(number.wrapping_mul(31).wrapping_add(address as u64) | 1);
    let size = match chance.below(40) {
        0 => 20_000 + chance.below(180_000),
        1..8 => 1_000 + chance.below(7_000),
        _ => 16 + chance.below(500),
    };
    let mut body = number.to_be_bytes().to_vec();
    body.resize_with(8 + size as usize / 8 * 8, || 0);
    body[8..].chunks_mut(8).for_each(|part| part.copy_from_slice(&chance.below(1 << 30).to_be_bytes()));
    body
}

/// What is known of one place where messages are kept: a queue, or a subscription of the topic.
#[derive(Default)]
struct Place {
    /// Delivered at least once.
    seen: BTreeSet<u64>,
    /// Their acknowledgement was confirmed.
    confirmed: BTreeSet<u64>,
    newest: Option<u64>,
    again: u64,
}

struct Audit {
    addresses: usize,
    /// The number of each address's next message.
    next: Vec<u64>,
    accepted: Vec<BTreeSet<u64>>,
    places: BTreeMap<(usize, u8), Place>,
    faults: Vec<String>,
}

fn address(index: usize, addresses: usize) -> String {
    if index + 1 == addresses { "audit.topic".to_owned() } else { format!("audit.{index}") }
}

impl Audit {
    fn new(options: &Options) -> Self {
        let addresses = options.queues + 1;
        let accepted = (0..addresses).map(|_| BTreeSet::new()).collect();
        let mut places = BTreeMap::new();
        for index in 0..addresses {
            places.insert((index, 0), Place::default());
            if index + 1 == addresses {
                places.insert((index, 1), Place::default());
            }
        }
        Self { addresses, next: vec![0; addresses], accepted, places, faults: Vec::new() }
    }

    fn fault(&mut self, text: String) {
        eprintln!("FAULT: {text}");
        self.faults.push(text);
    }

    fn handle_delivered(&mut self, index: usize, subscription: u8, payload: &[u8]) -> u64 {
        let number = payload.first_chunk().map_or(u64::MAX, |first| u64::from_be_bytes(*first));
        let name = format!("{}/{subscription} message {number}", address(index, self.addresses));
        if number >= self.next[index] || body(index, number) != payload {
            self.fault(format!("{name} was never sent like this ({} octets)", payload.len()));
            return number;
        }
        let place = self.places.entry((index, subscription)).or_default();
        let mut fault = None;
        if place.confirmed.contains(&number) {
            fault = Some(format!("{name} came back after its acknowledgement was confirmed"));
        } else if !place.seen.insert(number) {
            place.again += 1;
        } else if place.newest.is_some_and(|newest| newest > number) {
            fault = Some(format!("{name} came for the first time after {:?}", place.newest));
        } else {
            place.newest = Some(number);
        }
        fault.into_iter().for_each(|fault| self.fault(fault));
        number
    }

    /// Messages that were accepted and never came.
    fn missing(&self) -> usize {
        let missing =
            |(&(index, _), place): (&(usize, u8), &Place)| self.accepted[index].difference(&place.seen).count();
        self.places.iter().map(missing).sum()
    }
}

/// A link, and what it has on the way.
struct Party {
    link: Link,
    index: usize,
    subscription: u8,
    /// Numbers of a producer's messages.
    open: HashSet<u64>,
}

/// One life of the broker, ended by a kill after `life`; with `None` by the last message that is due.
fn live(audit: &mut Audit, broker: &mut Server, life: Option<Duration>) -> io::Result<()> {
    let waker = Waker::new()?;
    let mut readiness = Readiness::new(&waker)?;
    let mut parties = connect(audit, broker)?;
    for (token, party) in parties.iter_mut().enumerate() {
        readiness.add(party.link.fd(), token as u64, Interest::Read)?;
        party.link.flush(&readiness, token as u64)?;
    }
    let (mut ready, mut scratch, start) = (Vec::new(), scratch(), Instant::now());
    let (mut killed, mut awaited) = (false, true);
    while !parties.iter().all(|party| party.link.is_ended()) {
        let over = match life {
            Some(life) => start.elapsed() >= life,
            None => audit.missing() == 0 || start.elapsed() > PATIENCE,
        };
        if over && !std::mem::replace(&mut killed, true) {
            broker.child.kill()?;
            broker.child.wait()?;
        }
        readiness.poll(Some(Duration::from_millis(5)), &mut ready)?;
        // Subscriptions are there before the first message: what an attach asks for takes as many lanes as there are shards.
        let awaits = parties.iter().any(|party| party.link.is_awaited());
        let window = if life.is_some() && !awaits { WINDOW } else { 0 };
        if std::mem::replace(&mut awaited, awaits) && !awaits {
            // Producers had credit before, and hear of nothing more.
            for (token, party) in parties.iter_mut().enumerate().filter(|(_, party)| !party.link.is_ended()) {
                party.handle(audit, window, &mut scratch)?;
                if !party.link.is_ended() {
                    party.link.flush(&readiness, token as u64)?;
                }
            }
            continue;
        }
        for event in &ready {
            let Some(party) = parties.get_mut(usize::try_from(event.token).unwrap_or(usize::MAX)) else { continue };
            if party.link.is_ended() {
                continue;
            }
            party.handle(audit, window, &mut scratch)?;
            if party.link.is_ended() {
                readiness.remove(party.link.fd())?;
            } else {
                party.link.flush(&readiness, event.token)?;
            }
        }
    }
    Ok(())
}

fn connect(audit: &Audit, broker: &Server) -> io::Result<Vec<Party>> {
    let config = config();
    let kind = |index| if index + 1 == audit.addresses { Kind::Topic } else { Kind::Queue };
    let party = |name, index, subscription, role| -> io::Result<Party> {
        let link = Link::connect(broker.address, &config, name, address(index, audit.addresses), role)?;
        Ok(Party { link, index, subscription, open: HashSet::new() })
    };
    let mut parties = Vec::new();
    for &(index, subscription) in audit.places.keys() {
        let acceptance = if index % 2 == 0 { Acceptance::Confirmed } else { Acceptance::AtOnce };
        let role = Role::Consumer(kind(index), acceptance);
        parties.push(party(format!("audit-{index}-{subscription}"), index, subscription, role)?);
    }
    for index in 0..audit.addresses {
        parties.push(party(format!("audit-producer-{index}"), index, 0, Role::Producer(kind(index)))?);
    }
    Ok(parties)
}

impl Party {
    /// Takes what came, and has at most `window` messages on the way.
    fn handle(&mut self, audit: &mut Audit, window: usize, scratch: &mut [u8]) -> io::Result<()> {
        let Self { link, index, subscription, open } = self;
        let (index, subscription) = (*index, *subscription);
        let mut came = Vec::new();
        link.read(scratch, |said| match said {
            Said::Accepted { number } => {
                open.remove(&number);
                audit.accepted[index].insert(number);
            }
            Said::Refused { number, why } => {
                open.remove(&number);
                audit.fault(format!("{} refused message {number}: {why}", address(index, audit.addresses)));
            }
            Said::Delivered { delivery, body } => {
                came.push((delivery, audit.handle_delivered(index, subscription, body)));
            }
            Said::Confirmed { number } => {
                audit.places.entry((index, subscription)).or_default().confirmed.insert(number);
            }
        })?;
        for (delivery, number) in came {
            link.accept(delivery, number);
        }
        while link.may_send() && open.len() < window {
            let number = audit.next[index];
            audit.next[index] += 1;
            link.send(number, &body(index, number));
            open.insert(number);
        }
        Ok(())
    }
}

/// Kills and checks.
///
/// # Errors
/// When the broker does not start, or broke a promise.
pub fn run(options: &Options) -> io::Result<()> {
    let folder = server::folder()?;
    let mut chance = Chance(options.seed);
    let mut audit = Audit::new(options);
    let node = format!("shards = {}", options.shards);
    let start = Instant::now();
    for kill in 0..options.kills {
        let mut broker = server::start_heddle(&options.broker, &folder, &node)?;
        let life = Duration::from_millis(10 + chance.below(options.up_ms));
        live(&mut audit, &mut broker, Some(life))?;
        if (kill + 1) % 50 == 0 || kill + 1 == options.kills {
            let accepted: usize = audit.accepted.iter().map(BTreeSet::len).sum();
            println!("{:>5} kills, {accepted} accepted, {} faults", kill + 1, audit.faults.len());
        }
    }
    let mut broker = server::start_heddle(&options.broker, &folder, &node)?;
    live(&mut audit, &mut broker, None)?;
    drop(broker);
    let sum = |count: fn(&Place) -> u64| audit.places.values().map(count).sum::<u64>();
    let accepted: usize = audit.accepted.iter().map(BTreeSet::len).sum();
    println!(
        "{} kills in {:.0} s: {} sent, {accepted} accepted, {} delivered, {} of them again, {} confirmed",
        options.kills,
        start.elapsed().as_secs_f64(),
        audit.next.iter().sum::<u64>(),
        sum(|place| place.seen.len() as u64),
        sum(|place| place.again),
        sum(|place| place.confirmed.len() as u64),
    );
    let missing = audit.missing();
    if missing > 0 || !audit.faults.is_empty() {
        println!("the data is in {}", folder.display());
        return Err(io::Error::other(format!("{missing} accepted messages are lost, {} faults", audit.faults.len())));
    }
    println!("nothing lost, nothing invented, order kept");
    std::fs::remove_dir_all(folder)
}
