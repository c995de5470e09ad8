//! A topic with many subscriptions: what a message costs the broker, and what each copy of it.

use std::io;
use std::time::{Duration, Instant};

use amqp_codec::performative::{Source, Terminus};
use amqp_proto::{DeliveryOutcome, Event, Part, Send, Settled};
use bytes::Bytes;

use super::{LINKS_EACH, Options, SECONDS_MAX};
use crate::client::{Client, Clients, receiver, sender};
use crate::figure::{Figure, Target};
use crate::message::{Kept, message};
use crate::server::{Server, cpu_ns};

const ADDRESS: &str = "scale.topic";
/// Copies of one measurement, over all its subscriptions.
const COPIES: usize = 2_000_000;
/// Messages on the way; consumers have credit for many more.
const WINDOW: usize = 20;
const CREDIT: u32 = 1000;

pub(super) fn measure(options: &Options) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut least: Option<f64> = None;
    for subscriptions in [1, 100, options.subscriptions] {
        let case = format!("a topic with {subscriptions} subscriptions");
        let server = options.start(&format!("topic-{subscriptions}"), "")?;
        let found = options.cores.load(|| publish(&server, subscriptions))?;
        let copy = found.cpu_ns / (found.messages * subscriptions) as f64;
        // One subscription pays for the message; what a copy adds is known from a hundred on.
        let target = least.filter(|_| subscriptions > 100).map_or(Target::None, |least| Target::AtMost(least * 1.5));
        if subscriptions > 1 {
            least = Some(least.map_or(copy, |least| least.min(copy)));
        }
        let messages = found.messages;
        figures.extend([
            Figure::new(&case, "processor of a message", found.cpu_ns / messages as f64 / 1000.0, "µs")
                .remarked(format!("{messages} messages")),
            Figure::new(&case, "processor of a copy", copy, "ns").held_to(target),
            Figure::new(&case, "published", messages as f64 / found.seconds, "messages/s"),
        ]);
    }
    Ok(figures)
}

struct Found {
    messages: usize,
    cpu_ns: f64,
    seconds: f64,
}

/// Publishes until each subscription had its copies.
fn publish(server: &Server, subscriptions: usize) -> io::Result<Found> {
    let mut clients = Clients::connect(server.address, subscriptions.div_ceil(LINKS_EACH), "topic")?;
    subscribe(&mut clients, subscriptions)?;
    let mut producer = Clients::connect(server.address, 1, "publisher")?;
    let target = Terminus { capabilities: vec!["topic".into()], ..Terminus::at(ADDRESS) };
    let link = producer.each[0].attach(sender("publisher".to_owned(), target))?;
    producer.run(&mut |_, _, event| Ok(matches!(event, Event::Credit { .. })))?;
    let body = Bytes::from(message(100, Kept::Volatile));
    let messages = (COPIES / subscriptions).clamp(1, 200_000);
    let (mut sent, mut settled, mut copies) = (0, 0, 0);
    let (before, start) = (cpu_ns(server.child.id()), Instant::now());
    while copies < messages * subscriptions {
        let client = &mut producer.each[0];
        while sent < messages && sent - settled < WINDOW && sent * subscriptions < copies + WINDOW * subscriptions {
            let (key, settled, part) = (sent as u64, Settled::No, Part::Whole);
            client.machine.send(
                link,
                Send { key, settled, format: 0, prefix: &[], body: &body, part },
                &mut client.out,
            );
            sent += 1;
        }
        producer.turn(Duration::ZERO, &mut |_, client, event| {
            if let Event::Settled(_) = event {
                while client.machine.next_settled().is_some() {
                    settled += 1;
                }
            }
            Ok(())
        })?;
        clients.turn(Duration::from_millis(1), &mut |_, client, event| {
            copies += usize::from(take(client, &event));
            Ok(())
        })?;
        if start.elapsed() > SECONDS_MAX {
            return Err(io::Error::other(format!("{copies} of {} copies came in time", messages * subscriptions)));
        }
    }
    Ok(Found { messages, cpu_ns: (cpu_ns(server.child.id()) - before) as f64, seconds: start.elapsed().as_secs_f64() })
}

fn subscribe(clients: &mut Clients, subscriptions: usize) -> io::Result<()> {
    for subscription in 0..subscriptions {
        let client = &mut clients.each[subscription / LINKS_EACH];
        let source = Source::from(Terminus { capabilities: vec!["topic".into()], ..Terminus::at(ADDRESS) });
        let link = client.attach(receiver(format!("s-{subscription}"), source))?;
        client.machine.grant(link, CREDIT);
    }
    let mut attached = 0;
    clients.run(&mut |_, _, event| {
        attached += usize::from(matches!(event, Event::Attached(..)));
        Ok(attached == subscriptions)
    })
}

/// Accepts a message, and gives the link credit for another; whether it was one.
fn take(client: &mut Client, event: &Event<'_>) -> bool {
    let &Event::Delivery { link, delivery, .. } = event else { return false };
    client.machine.settle(link, delivery, delivery, DeliveryOutcome::Accepted);
    client.machine.grant(link, 1);
    true
}
