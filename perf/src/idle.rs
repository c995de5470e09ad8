//! What a connection costs the broker's memory while nothing happens on it.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::peer::{Peer, Settle, Work};

/// Private memory of a process, KiB.
pub fn memory_kib(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let value =
        |name: &str| rollup.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    value("Private_Dirty:").unwrap_or(0) + value("Private_Clean:").unwrap_or(0)
}

/// What idle connections cost.
pub struct Idle {
    /// Private memory before the first one, KiB.
    before_kib: u64,
    /// With all of them.
    after_kib: u64,
    /// Of each, octets.
    pub bytes_each: f64,
}

/// Opens connections with two links each and says what each costs the broker.
///
/// # Errors
/// When the broker refuses one.
pub fn run(to: SocketAddr, connections: usize, pid: u32) -> io::Result<()> {
    let Idle { before_kib, after_kib, bytes_each } = measure(to, connections, pid)?;
    let each = bytes_each / 1024.0;
    println!(
        "{connections} connections with a session and two links each: {each:.2} KiB each ({before_kib} -> {after_kib} KiB)"
    );
    Ok(())
}

/// Opens connections with two links each, and reads what they cost the broker.
///
/// # Errors
/// When the broker refuses one.
pub fn measure(to: SocketAddr, connections: usize, pid: u32) -> io::Result<Idle> {
    let before = memory_kib(pid);
    let peers = open(to, connections)?;
    // Buffers of the handshake go with the first sweeps.
    std::thread::sleep(Duration::from_secs(2));
    let after = memory_kib(pid);
    drop(peers);
    let bytes_each = after.saturating_sub(before) as f64 * 1024.0 / connections as f64;
    Ok(Idle { before_kib: before, after_kib: after, bytes_each })
}

/// Opens connections that send to and receive from one of a hundred addresses, and waits until all have credit.
///
/// # Errors
/// When the broker refuses one.
pub fn open(to: SocketAddr, connections: usize) -> io::Result<Vec<Peer>> {
    let mut scratch = vec![0; 2 << 20];
    let mut peers = Vec::new();
    for index in 0..connections {
        let producer = Work::Producer { credit: 0, sent: 0, settled: 0, window: 1 };
        let mut peer = Peer::connect(to, None, &format!("idle.{}", index % 100), Settle::Unsettled, producer)?;
        peer.attach_receiver(&format!("idle.{}", index % 100))?;
        peers.push(peer);
    }
    let until = Instant::now() + Duration::from_secs(30);
    let mut waiting: Vec<usize> = (0..peers.len()).collect();
    while !waiting.is_empty() && Instant::now() < until {
        waiting.retain(|&index| peers[index].read(&mut scratch, |_| {}).is_err() || peers[index].sendable() == 0);
    }
    if !waiting.is_empty() {
        return Err(io::Error::other(format!("{} connections got no credit", waiting.len())));
    }
    Ok(peers)
}
