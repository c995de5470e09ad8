//! One large message through a broker: sent in frames, accepted, received in frames, each octet looked at.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use amqp_codec::frame::{self, ProtocolHeader, Split};
use amqp_codec::performative::{
    self, Attach, Begin, DeliveryState, Disposition, Flow, Open, Performative, Role, Source, Target, Terminus,
    Transfer, encode_frame, encode_transfer,
};
use clap::Args;

use crate::backlog::resident_mib;

/// Octets of a frame's payload.
const PART: usize = 100_000;
const FRAME_MAX: u32 = 1 << 20;

/// What to send.
#[derive(Args)]
pub struct Options {
    /// The broker.
    to: SocketAddr,
    /// Size of the message, MiB.
    #[arg(long, default_value_t = 2048)]
    mib: usize,
    /// Whose memory to tell of.
    #[arg(long)]
    pid: Option<u32>,
    /// The queue.
    #[arg(long, default_value = "perf.large")]
    address: String,
}

struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    fn connect(options: &Options, role: Role) -> io::Result<Self> {
        let mut client = Self { stream: TcpStream::connect(options.to)?, received: Vec::new() };
        let mut out = ProtocolHeader::Amqp.bytes().to_vec();
        let open = Open { container_id: format!("large-{role:?}"), max_frame_size: FRAME_MAX, ..Open::default() };
        encode_frame(&mut out, 0, &Performative::Open(Box::new(open)));
        let window = u32::MAX >> 1;
        let begin = Begin { incoming_window: window, outgoing_window: window, ..Begin::default() };
        encode_frame(&mut out, 0, &Performative::Begin(Box::new(begin)));
        let address = Some(options.address.clone());
        let attach = Attach {
            source: Some(Source::from(Terminus { address: address.clone(), ..Terminus::default() })),
            target: Some(Target::Node(Terminus { address, ..Terminus::default() })),
            ..Attach::new("large", 0, role)
        };
        encode_frame(&mut out, 0, &Performative::Attach(Box::new(attach)));
        if role == Role::Receiver {
            let flow = Flow {
                next_incoming_id: Some(0),
                incoming_window: window,
                outgoing_window: window,
                handle: Some(0),
                delivery_count: Some(0),
                link_credit: Some(1),
                ..Flow::default()
            };
            encode_frame(&mut out, 0, &Performative::Flow(flow));
        }
        client.stream.write_all(&out)?;
        while client.received.len() < 8 {
            client.more()?;
        }
        client.received.drain(..8);
        Ok(client)
    }

    fn more(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 20];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    }

    /// Reads frames until `look` finds something.
    fn until<T>(&mut self, mut look: impl FnMut(&Performative<'_>, &[u8]) -> Option<T>) -> io::Result<T> {
        loop {
            let mut at = 0;
            let mut found = None;
            while let Split::Frame { frame, bytes } =
                frame::split(&self.received[at..], FRAME_MAX).map_err(io::Error::other)?
            {
                at += bytes;
                if !frame.body.is_empty() {
                    let (performative, payload) = performative::decode(frame.body).map_err(io::Error::other)?;
                    found = look(&performative, payload);
                }
                if found.is_some() {
                    break;
                }
            }
            self.received.drain(..at);
            match found {
                Some(found) => return Ok(found),
                None => self.more()?,
            }
        }
    }
}

fn octet(at: usize) -> u8 {
    (at % 251) as u8
}

/// Sends the message, waits for its acceptance, and reads it again.
///
/// # Errors
/// When it is not accepted, or another one comes back.
pub fn run(options: &Options) -> io::Result<()> {
    let bytes = options.mib << 20;
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
    let mut client = Client::connect(options, Role::Sender)?;
    client.until(|performative, _| match performative {
        Performative::Flow(flow) => (flow.link_credit > Some(0)).then_some(()),
        _ => None,
    })?;
    let mut head = vec![0x00, 0x53, 0x70, 0xc0, 2, 1, 0x41, 0x00, 0x53, 0x75, 0xb0];
    head.extend(u32::try_from(bytes).map_err(io::Error::other)?.to_be_bytes());
    let pattern: Vec<u8> = (0..PART + 251).map(octet).collect();
    let mut sent = 0;
    while sent < bytes {
        let (first, part) = (sent == 0, PART.min(bytes - sent));
        let transfer = Transfer {
            handle: 0,
            delivery_id: first.then_some(0),
            delivery_tag: first.then_some(b"large"),
            more: sent + part < bytes,
            ..Transfer::default()
        };
        let head = if first { head.as_slice() } else { &[] };
        let mut out = Vec::with_capacity(part + 100);
        encode_transfer(&mut out, 0, &transfer, head.len() + part);
        out.extend_from_slice(head);
        out.extend_from_slice(&pattern[sent % 251..][..part]);
        client.stream.write_all(&out)?;
        sent += part;
    }
    let accepted = client.until(|performative, _| match performative {
        Performative::Disposition(disposition) => Some(disposition.state == Some(DeliveryState::Accepted)),
        _ => None,
    })?;
    if accepted { Ok(()) } else { Err(io::Error::other("the message was not accepted")) }
}

fn receive(options: &Options, bytes: usize) -> io::Result<()> {
    let mut client = Client::connect(options, Role::Receiver)?;
    let pattern: Vec<u8> = (0..2 * FRAME_MAX as usize).map(octet).collect();
    let (mut received, mut wrong, mut begun) = (0, 0, false);
    client.until(|performative, payload| {
        let Performative::Transfer(transfer) = performative else { return None };
        let data = if std::mem::replace(&mut begun, true) {
            payload
        } else {
            let at = payload.windows(4).position(|octets| octets == [0x00, 0x53, 0x75, 0xb0]);
            payload.get(at.map_or(0, |at| at + 8)..).unwrap_or_default()
        };
        wrong += usize::from(data != &pattern[received % 251..][..data.len()]);
        received += data.len();
        (!transfer.more).then_some(())
    })?;
    if wrong > 0 || received != bytes {
        return Err(io::Error::other(format!("{received} octets came, {wrong} frames were not what was sent")));
    }
    let accepted = Disposition {
        role: Role::Receiver,
        first: 0,
        last: None,
        settled: true,
        state: Some(DeliveryState::Accepted),
        batchable: false,
    };
    let mut out = Vec::new();
    encode_frame(&mut out, 0, &Performative::Disposition(accepted));
    client.stream.write_all(&out)
}
