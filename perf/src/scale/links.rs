//! Attach and detach of many links: what each costs while there are few, and while there are many.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use amqp_codec::performative::{Source, Terminus};
use amqp_proto::{Closing, Event, LinkId};

use super::{LINKS_EACH, Options, SECONDS_MAX};
use crate::client::{Clients, receiver};
use crate::figure::{Figure, Target};
use crate::server::cpu_ns;

/// What the dearer of the first tenth and the last may cost of what the cheaper did.
const FLAT: f64 = 1.5;

/// What links are attached to.
#[derive(Clone, Copy)]
enum To {
    /// A queue for each.
    Own,
    /// The same queue.
    One,
}

/// What a batch of links cost the broker.
struct Cost {
    links: usize,
    ns: f64,
}

pub(super) fn measure(options: &Options) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (to, name) in [(To::Own, "a queue each"), (To::One, "one queue")] {
        let case = format!("{} links, {name}", options.links);
        let server = options.start(&format!("links-{}", name.replace(' ', "-")), "")?;
        let cpu = || cpu_ns(server.child.id());
        let load = Load { address: server.address, to, count: options.links };
        let costs = options.cores.load(|| load.run(&cpu))?;
        figures.extend(told(
            &case,
            ["attach, first tenth", "attach, last tenth", "attach, dearer to cheaper"],
            &costs.attach,
            options.links,
        ));
        figures.extend(told(
            &case,
            ["detach, first tenth", "detach, last tenth", "detach, dearer to cheaper"],
            &costs.detach,
            options.links,
        ));
    }
    Ok(figures)
}

/// The first tenth, the last, and how they are to each other: what a link costs may not depend on how many there are, while they
/// become more as while they become fewer.
fn told(case: &str, what: [&'static str; 3], batches: &[Cost], wanted: usize) -> Vec<Figure> {
    let each = |batches: &[Cost]| {
        let links: usize = batches.iter().map(|batch| batch.links).sum();
        batches.iter().map(|batch| batch.ns).sum::<f64>() / links.max(1) as f64 / 1000.0
    };
    let tenth = batches.len().div_ceil(10);
    let (first, last) = (each(&batches[..tenth]), each(&batches[batches.len() - tenth..]));
    let done: usize = batches.iter().map(|batch| batch.links).sum();
    let remark = if done < wanted { format!("stopped after {done} links") } else { String::new() };
    vec![
        Figure::new(case, what[0], first, "us each"),
        Figure::new(case, what[1], last, "us each").remarked(remark),
        Figure::new(case, what[2], first.max(last) / first.min(last), "").held_to(Target::AtMost(FLAT)),
    ]
}

struct Load {
    address: SocketAddr,
    to: To,
    count: usize,
}

struct Costs {
    attach: Vec<Cost>,
    detach: Vec<Cost>,
}

impl Load {
    /// Attaches all links, a connection's at a time, and detaches them in the same order.
    fn run(&self, cpu: &dyn Fn() -> u64) -> io::Result<Costs> {
        let mut clients = Clients::connect(self.address, self.count.div_ceil(LINKS_EACH), "links")?;
        let (mut attach, mut detach) = (Vec::new(), Vec::new());
        let mut links: Vec<Vec<LinkId>> = Vec::new();
        let start = Instant::now();
        for first in (0..self.count).step_by(LINKS_EACH) {
            let before = cpu();
            let batch = self.attach(&mut clients, first)?;
            attach.push(Cost { links: batch.len(), ns: (cpu() - before) as f64 });
            links.push(batch);
            if start.elapsed() > SECONDS_MAX {
                break;
            }
        }
        let start = Instant::now();
        for (place, batch) in links.iter().enumerate() {
            let before = cpu();
            let client = &mut clients.each[place];
            batch.iter().for_each(|&link| client.machine.detach(link, Closing::Closed, None, &mut client.out));
            clients.fence(place)?;
            detach.push(Cost { links: batch.len(), ns: (cpu() - before) as f64 });
            if start.elapsed() > SECONDS_MAX {
                break;
            }
        }
        Ok(Costs { attach, detach })
    }

    fn attach(&self, clients: &mut Clients, first: usize) -> io::Result<Vec<LinkId>> {
        let count = LINKS_EACH.min(self.count - first);
        let client = &mut clients.each[first / LINKS_EACH];
        for number in first..first + count {
            let address = match self.to {
                To::Own => format!("scale.links.{number}"),
                To::One => "scale.links".to_owned(),
            };
            let source = Source::from(Terminus::at(address));
            client.attach(receiver(format!("link-{number}"), source))?;
        }
        let mut links = Vec::new();
        clients.run(&mut |_, _, event| {
            match event {
                Event::Attached(link, _) => links.push(link),
                Event::Detached { error, .. } => {
                    let why = error.map_or_else(|| "without a reason".to_owned(), |error| error.to_string());
                    return Err(io::Error::other(format!("a link was refused: {why}")));
                }
                _ => {}
            }
            Ok(links.len() == count)
        })?;
        Ok(links)
    }
}
