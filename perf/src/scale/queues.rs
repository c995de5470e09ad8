//! Idle queues: their memory, and the plain road beside that of a node without them.
//!
//! An idle queue is that of a durable subscription whose client is away, each on an address of its own: nothing is linked to it, and nothing in it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use amqp_codec::performative::{Durability, ExpiryPolicy, Source, Terminus};
use amqp_proto::{Closing, Event};

use super::{LINKS_EACH, Options};
use crate::client::{Clients, receiver};
use crate::compare::median;
use crate::figure::{Figure, Target};
use crate::idle::memory_kib;
use crate::load::{self, Load};
use crate::message::Kept;
use crate::peer::Settle;
use crate::server::{Server, Stopped, cpu_ns};

/// Until buffers of what went on before are given back.
const SETTLED: Duration = Duration::from_secs(3);

pub(super) fn measure(options: &Options) -> io::Result<Vec<Figure>> {
    let case = format!("{} idle queues", options.queues);
    let one = options.start("one-queue", "")?;
    let one = Stopped::stop(one)?;
    let many = options.start("many-queues", "")?;
    let before = memory_kib(many.child.id());
    options.cores.load(|| declare(many.address, options.queues))?;
    std::thread::sleep(SETTLED);
    let after = memory_kib(many.child.id());
    let each = after.saturating_sub(before) as f64 * 1024.0 / options.queues as f64;
    let idle = idle_cpu(&many);
    let many = Stopped::stop(many)?;
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    let mut all = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for _ in 0..options.rounds {
        let mut round = Vec::new();
        for (place, server) in [&one, &many].into_iter().enumerate() {
            let (rate, cost) = server.awake(|server| road(options, server))?;
            all[place][0].push(rate);
            all[place][1].push(cost);
            round.push((rate, cost));
        }
        rates.push(round[1].0 / round[0].0);
        costs.push(round[1].1 / round[0].1);
    }
    let [[mut rate_one, mut cost_one], [mut rate_many, mut cost_many]] = all;
    let spread = |values: &[f64]| {
        format!(
            "{:.3} .. {:.3}",
            values.iter().copied().fold(f64::MAX, f64::min),
            values.iter().copied().fold(0.0, f64::max)
        )
    };
    let (rates_spread, costs_spread) = (spread(&rates), spread(&costs));
    Ok(vec![
        Figure::new(&case, "private memory each", each, "octets"),
        Figure::new(&case, "processor while nothing happens", idle * 100.0, "% of a core"),
        Figure::new("one queue", "plain road", median(&mut rate_one), "messages/s"),
        Figure::new(&case, "plain road", median(&mut rate_many), "messages/s"),
        Figure::new("one queue", "plain road, processor", median(&mut cost_one), "ns/message"),
        Figure::new(&case, "plain road, processor", median(&mut cost_many), "ns/message"),
        Figure::new(&case, "rate beside one queue", median(&mut rates), "")
            .held_to(Target::AtLeast(0.97))
            .remarked(rates_spread),
        Figure::new(&case, "processor beside one queue", median(&mut costs), "")
            .held_to(Target::AtMost(1.03))
            .remarked(costs_spread),
    ])
}

/// Attaches durable subscriptions, each to an address of its own, and leaves them.
fn declare(to: SocketAddr, queues: usize) -> io::Result<()> {
    for (number, first) in (0..queues).step_by(LINKS_EACH).enumerate() {
        let count = LINKS_EACH.min(queues - first);
        let mut clients = Clients::connect(to, 1, &format!("idle-{number}"))?;
        let client = &mut clients.each[0];
        for queue in first..first + count {
            let source = Source::from(Terminus {
                durable: Durability::UnsettledState,
                expiry_policy: ExpiryPolicy::Never,
                capabilities: vec!["topic".into()],
                ..Terminus::at(format!("scale.idle.{queue}"))
            });
            client.attach(receiver(format!("idle-{queue}"), source))?;
        }
        let mut attached = 0;
        clients.run(&mut |_, client, event| {
            match event {
                Event::Attached(link, _) => {
                    attached += 1;
                    client.machine.detach(link, Closing::Suspended, None, &mut client.out);
                }
                Event::Detached { error: Some(error), .. } => return Err(io::Error::other(error.to_string())),
                _ => {}
            }
            Ok(attached == count)
        })?;
        clients.fence(0)?;
    }
    Ok(())
}

/// The share of a core that a broker takes which nobody asks for anything.
fn idle_cpu(server: &Server) -> f64 {
    let before = cpu_ns(server.child.id());
    std::thread::sleep(SETTLED);
    (cpu_ns(server.child.id()) - before) as f64 / SETTLED.as_nanos() as f64
}

/// The plain road: messages a second, and processor time of each, nanoseconds.
fn road(options: &Options, server: &Server) -> io::Result<(f64, f64)> {
    let load = Load {
        addresses: load::queues(1),
        home: None,
        size: 100,
        window: 2000,
        settle: Settle::Unsettled,
        kept: Kept::Volatile,
        seconds: options.seconds,
    };
    let before = cpu_ns(server.child.id());
    let rate = options.cores.load(|| load::pairs(server.address, &load))?;
    Ok((rate, (cpu_ns(server.child.id()) - before) as f64 / (rate * load.seconds)))
}
