//! One large message through a broker: sent in frames, accepted, received in frames, each octet looked at.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use amqp_codec::performative::{Source, Terminus};
use amqp_proto::{DeliveryOutcome, Event, Part, Payload, Send, Settled, Stage};
use bytes::Bytes;
use clap::Args;

use crate::backlog::resident_mib;
use crate::client::{Clients, receiver, sender};
use crate::message;

/// Octets that are given to the protocol at a time; it makes frames of them that the broker takes.
const PART: usize = 1 << 20;
/// After so many octets the pattern begins anew: a prime, so that no frame begins as the one before.
const PERIOD: usize = 251;

/// What to send.
#[derive(Args)]
pub struct Options {
    /// The broker.
    to: SocketAddr,
    /// Size of the message, MiB: what a data section may be.
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..4096))]
    mib: u32,
    /// Whose memory to tell of.
    #[arg(long)]
    pid: Option<u32>,
    /// The queue.
    #[arg(long, default_value = "perf.large")]
    address: String,
}

/// The octets from a place on, one period longer than a part: what is at any place of the message is a slice of it.
fn pattern() -> Bytes {
    (0..PART + PERIOD).map(|at| (at % PERIOD) as u8).collect()
}

/// Sends the message, waits for its acceptance, and reads it again.
///
/// # Errors
/// When it is not accepted, or another one comes back.
pub fn run(options: &Options) -> io::Result<()> {
    let bytes = options.mib as usize * (1 << 20);
    let start = Instant::now();
    send(options, bytes)?;
    tell(options, "accepted", bytes, start);
    let start = Instant::now();
    receive(options, bytes)?;
    tell(options, "received", bytes, start);
    Ok(())
}

fn tell(options: &Options, what: &str, bytes: usize, start: Instant) {
    let rate = bytes as f64 / 1e6 / start.elapsed().as_secs_f64();
    let memory =
        options.pid.map_or(String::new(), |pid| format!(", {} MiB resident at most", resident_mib(pid, "VmHWM:")));
    println!("{what} after {:.2} s, {rate:.0} MB/s{memory}", start.elapsed().as_secs_f64());
}

fn send(options: &Options, bytes: usize) -> io::Result<()> {
    let mut clients = Clients::connect(options.to, 1, "large-sender")?;
    let link = clients.attach(0, sender("large".to_owned(), Terminus::at(&options.address)))?;
    let start = message::start(u32::try_from(bytes).map_err(io::Error::other)?);
    let pattern = pattern();
    let client = &mut clients.each[0];
    // All at once: what waits are places in one pattern.
    for at in (0..bytes).step_by(PART) {
        let end = PART.min(bytes - at);
        let (prefix, part) = match (at == 0, at + end == bytes) {
            (true, true) => (&*start, Part::Whole),
            (true, false) => (&*start, Part::First),
            (false, true) => (&[][..], Part::Last),
            (false, false) => (&[][..], Part::Middle),
        };
        let body = pattern.slice(at % PERIOD..at % PERIOD + end);
        let send = Send { key: 0, settled: Settled::No, format: 0, prefix, body: &body, part };
        client.machine.send(link, send, &mut client.out);
    }
    let mut outcome = None;
    clients.run(&mut |_, client, event| match event {
        Event::Settled(found) => {
            outcome = found;
            // There is one delivery; the machine wants to have told all.
            while client.machine.next_settled().is_some() {}
            Ok(true)
        }
        other => unless_ended(&other),
    })?;
    match outcome {
        Some(DeliveryOutcome::Accepted) => Ok(()),
        other => Err(io::Error::other(format!("the message was not accepted: {other:?}"))),
    }
}

fn receive(options: &Options, bytes: usize) -> io::Result<()> {
    let mut clients = Clients::connect(options.to, 1, "large-receiver")?;
    let source = Source::from(Terminus::at(&options.address));
    let link = clients.attach(0, receiver("large".to_owned(), source))?;
    clients.each[0].machine.grant(link, 1);
    let pattern = pattern();
    let (mut received, mut wrong) = (0, 0);
    clients.run(&mut |_, client, event| {
        let (delivery, stage, payload) = match event {
            Event::Delivery { delivery, payload, .. } => (delivery, None, payload),
            Event::Part { delivery, stage, payload, .. } => (delivery, Some(stage), payload),
            other => return unless_ended(&other),
        };
        let payload = match &payload {
            Payload::Borrowed(octets) => octets,
            Payload::Owned(octets) => octets.as_ref(),
        };
        let data = if matches!(stage, None | Some(Stage::First)) { message::body(payload)? } else { payload };
        for part in data.chunks(PART) {
            wrong += usize::from(part != &pattern[received % PERIOD..][..part.len()]);
            received += part.len();
        }
        if let Some(Stage::Aborted) = stage {
            return Err(io::Error::other(format!("the broker gave the message up after {received} octets")));
        }
        let is_whole = matches!(stage, None | Some(Stage::Last));
        if is_whole {
            client.machine.settle(link, delivery, delivery, DeliveryOutcome::Accepted);
        }
        Ok(is_whole)
    })?;
    if wrong > 0 || received != bytes {
        return Err(io::Error::other(format!("{received} octets came, {wrong} parts were not what was sent")));
    }
    Ok(())
}

/// Nothing is done yet, unless the broker ended the link.
fn unless_ended(event: &Event<'_>) -> io::Result<bool> {
    let Event::Detached { error, .. } = event else { return Ok(false) };
    let why = error.as_ref().map_or_else(|| "without a reason".to_owned(), |error| error.to_string());
    Err(io::Error::other(format!("the broker ended the link: {why}")))
}
