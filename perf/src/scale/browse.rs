//! A backlog that is larger than memory, browsed while it is consumed: every message that the browser sees, in order, once.

use std::io;
use std::time::{Duration, Instant};

use amqp_codec::performative::{DistributionMode, Source, Terminus};
use amqp_proto::{DeliveryOutcome, Event, LinkId, Payload};

use super::{Options, SECONDS_MAX};
use crate::backlog::{self, ADDRESS, Fill, resident_mib};
use crate::client::{Clients, receiver};
use crate::figure::{Figure, Target};
use crate::server::Server;

const SIZE: usize = 100;
const CREDIT: u32 = 10_000;
/// Beyond the budget for messages the program has memory for itself: pages, buffers, the index of what is on disk (octets for each message
/// that is there, which grow with the backlog, and are told).
const BESIDE_MIB: f64 = 256.0;
/// So far the consumer stays behind the browser, more than its credit.
const AHEAD: u64 = 100_000;

pub(super) fn measure(options: &Options) -> io::Result<Vec<Figure>> {
    let case = format!("{} messages, {} MiB", options.backlog, options.memory_mib);
    let server = options.start("browse", &format!("memory_mib = {}", options.memory_mib))?;
    let fill = Fill { size: SIZE, ..Fill::new(server.address, options.backlog, options.cores.load_core) };
    options.cores.load(|| backlog::fill(&fill))?;
    let found = options.cores.load(|| look(&server, options.backlog))?;
    let resident = resident_mib(server.child.id(), "VmHWM:") as f64;
    let all = options.backlog as f64;
    let browsed = match &found.refused {
        Some(why) => Figure::missing(&case, "browsed", format!("after {} messages: {why}", found.browsed)),
        None => Figure::new(&case, "browsed", found.browsed as f64, "messages").held_to(Target::AtLeast(all)),
    };
    Ok(vec![
        browsed,
        Figure::new(&case, "browsed, out of order", found.out_of_order as f64, "messages").held_to(Target::AtMost(0.0)),
        Figure::new(&case, "consumed meanwhile", found.consumed as f64, "messages").held_to(Target::AtLeast(all)),
        Figure::new(&case, "browsed", found.browsed as f64 / found.seconds, "messages/s"),
        Figure::new(&case, "resident at most", resident, "MiB")
            .held_to(Target::AtMost(options.memory_mib as f64 + BESIDE_MIB)),
    ])
}

#[derive(Default)]
struct Found {
    browsed: u64,
    out_of_order: u64,
    consumed: u64,
    refused: Option<String>,
    seconds: f64,
}

/// One link that receives, and what it did.
struct Reader {
    link: LinkId,
    next: u64,
    owed: u32,
}

/// Browses to the end, and consumes behind it.
fn look(server: &Server, backlog: u64) -> io::Result<Found> {
    let mut clients = Clients::connect(server.address, 2, "browse")?;
    let copy = Some(DistributionMode::Copy);
    let mut browser = Reader::attach(&mut clients, 0, copy)?;
    let mut consumer = Reader::attach(&mut clients, 1, None)?;
    let mut found = Found::default();
    let start = Instant::now();
    // Both stand before anything comes: what came while the other attached would be counted by nobody.
    clients.each[0].machine.grant(browser.link, CREDIT);
    consumer.owed = CREDIT;
    loop {
        let browsing = found.refused.is_none() && found.browsed < backlog;
        if browsing {
            found.seconds = start.elapsed().as_secs_f64();
        } else if found.consumed == backlog {
            return Ok(found);
        }
        // The consumer stays behind: else it takes away what is to be looked at.
        let may_go_on = !browsing || found.consumed + AHEAD < found.browsed;
        if consumer.owed >= CREDIT / 2 && may_go_on {
            clients.each[1].machine.grant(consumer.link, std::mem::take(&mut consumer.owed));
        }
        clients.turn(Duration::from_millis(100), &mut |place, client, event| {
            match event {
                Event::Delivery { link, delivery, payload, settled, .. } => {
                    let reader = if place == 0 { &mut browser } else { &mut consumer };
                    let (Payload::Borrowed(bytes), true) = (&payload, link == reader.link) else { return Ok(()) };
                    let number = bytes.last_chunk().map_or(0, |last| u64::from_be_bytes(*last));
                    let in_order = number >= reader.next;
                    reader.next = number + 1;
                    reader.owed += 1;
                    if place == 0 {
                        found.browsed += 1;
                        found.out_of_order += u64::from(!in_order);
                    } else {
                        found.consumed += 1;
                    }
                    if !settled.is_yes() {
                        client.machine.settle(link, delivery, delivery, DeliveryOutcome::Accepted);
                    }
                    if place == 0 && reader.owed >= CREDIT / 2 {
                        client.machine.grant(link, std::mem::take(&mut reader.owed));
                    }
                }
                Event::Detached { error, .. } => {
                    let why = error.map_or_else(|| "without a reason".to_owned(), |error| error.to_string());
                    if place == 1 {
                        return Err(io::Error::other(format!("the consumer was ended: {why}")));
                    }
                    found.refused = Some(why);
                }
                _ => {}
            }
            Ok(())
        })?;
        if start.elapsed() > SECONDS_MAX {
            return Ok(found);
        }
    }
}

impl Reader {
    /// Attaches a link on a connection, without credit.
    fn attach(clients: &mut Clients, place: usize, mode: Option<DistributionMode>) -> io::Result<Self> {
        let source = Source { distribution_mode: mode, ..Terminus::at(ADDRESS).into() };
        let link = clients.attach(place, receiver(format!("reader-{place}"), source))?;
        Ok(Self { link, next: 0, owed: 0 })
    }
}
