//! What client connections cost a router: memory each, processor time to open one while there are few and while there are many, and
//! processor time while nothing happens.

use std::io;
use std::time::{Duration, Instant};

use super::Options;
use crate::figure::{Figure, Target};
use crate::idle;
use crate::server::cpu_ns;

/// How long the processor is watched while nothing happens.
const REST: Duration = Duration::from_secs(5);
/// What the dearer of the first tenth and the last may cost of what the cheaper did.
const FLAT: f64 = 1.5;

pub(super) fn measure(options: &Options) -> io::Result<Vec<Figure>> {
    let row = options.one()?;
    let pid = row.first.child.id();
    let case = format!("{} connections", options.connections);
    let tenth = options.connections.div_ceil(10);
    let before = idle::memory_kib(pid);
    let (mut peers, mut costs, start) = (Vec::new(), Vec::new(), Instant::now());
    while peers.len() < options.connections {
        let count = tenth.min(options.connections - peers.len());
        let cpu = cpu_ns(pid);
        peers.extend(options.cores.load(|| idle::open(row.first.address, count))?);
        costs.push((cpu_ns(pid) - cpu) as f64 / count as f64 / 1000.0);
    }
    let opened = start.elapsed().as_secs_f64();
    // Buffers of the handshake go with the first sweeps.
    std::thread::sleep(Duration::from_secs(2));
    let after = idle::memory_kib(pid);
    let cpu = cpu_ns(pid);
    std::thread::sleep(REST);
    let rest = (cpu_ns(pid) - cpu) as f64 / REST.as_nanos() as f64 * 100.0;
    let each = after.saturating_sub(before) as f64 * 1024.0 / options.connections as f64;
    let (first, last) = (costs.first().copied().unwrap_or_default(), costs.last().copied().unwrap_or_default());
    Ok(vec![
        Figure::new(&case, "memory each", each, "octets").remarked(format!("{before} -> {after} KiB")),
        Figure::new(&case, "opened", options.connections as f64 / opened, "/s"),
        Figure::new(&case, "processor, first tenth", first, "us each"),
        Figure::new(&case, "processor, last tenth", last, "us each"),
        Figure::new(&case, "dearer to cheaper", first.max(last) / first.min(last), "").held_to(Target::AtMost(FLAT)),
        Figure::new(&case, "processor at rest", rest, "% of a core"),
    ])
}
