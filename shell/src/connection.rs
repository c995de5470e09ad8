//! One connection's socket and the layers over it, and what is on the way through them.
//!
//! It does not know what its binding understands of the octets: that gives it output to write and takes what was read.

use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;

use amqp_proto::{OUT_SOFT_MAX, Out};
use engine_home::limits::TURNOVERS_MIN;
use engine_rt::{Interest, Permit, Socket};

use crate::connectors::ConnectorConfig;
use crate::limits::READ_BYTES;
use crate::listener::ListenerConfig;
use crate::parting::{Ended, Parting};
use crate::protocol::Protocol;
use crate::role::Role;
use crate::transport::{End, Farewell, Received, Transport, TransportError, foreign};

/// Segments of one write: enough that small messages with large ones between them leave in one call.
const SLICES: usize = 64;
/// Rounds of filling and writing in one turn, so that one fast reader does not keep the others waiting.
const ROUNDS: u32 = 8;

/// Octets that a connection writes before it keeps a buffer for more: less than opening it and attaching some links takes, after which most are
/// idle. A buffer that is kept until the next sweep leaves a hole behind for each connection.
const BEGINNING_BYTES: u64 = 4096;

/// How a connection came about: what it goes by stays with it when its listener or connector is no more.
#[derive(Clone)]
pub(crate) enum Origin {
    /// A listener accepted it.
    Listener(Arc<ListenerConfig>),
    /// The connector of this number made it.
    Connector(u32, Arc<ConnectorConfig>),
}

impl Origin {
    /// What its listener or connector is called, and who is at the other end.
    pub fn named(&self) -> (&str, Role) {
        match self {
            Self::Listener(listener) => (&listener.name, listener.role),
            Self::Connector(_, connector) => (&connector.name, connector.role),
        }
    }

    /// Which end this is, and what lies under AMQP.
    pub fn end(&self) -> End {
        match self {
            Self::Listener(listener) => End::Accepting(listener.layers),
            Self::Connector(_, connector) => End::Connecting(connector.layers),
        }
    }
}

/// One connection's socket and layers.
pub(crate) struct Conn {
    pub socket: Socket,
    /// Its share of the node's descriptors; it goes with the connection.
    pub _permit: Permit,
    pub transport: Option<Transport>,
    pub origin: Origin,
    /// What layers have to send: encrypted or framed output.
    pub raw_out: Out,
    pub interest: Interest,
    /// Who ended its input, if it has an end.
    pub ended: Option<Ended>,
    /// Where its end is.
    pub parting: Parting,
    pub farewell: Farewell,
    /// Why its transport failed, until that is told.
    pub failed: Option<TransportError>,
    pub peer: String,
    pub octets: Octets,
    /// When what happened to it.
    times: Times,
}

/// Octets of a connection's socket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Octets {
    pub read: u64,
    /// Those that the last read brought.
    pub last_read: usize,
    pub written: u64,
    /// What was written at the last sweep.
    written_before: u64,
}

impl Octets {
    fn note_read(&mut self, count: usize) {
        self.read += count as u64;
        self.last_read = count;
    }
}

/// When what happened to a connection, as far as sweeps see it: some times a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    since_ns: Option<u64>,
    delivered_ns: Option<u64>,
    /// Messages in both directions at the last sweep.
    messages: u64,
}

impl Times {
    /// Looks whether there was a message since the last look.
    pub fn look(&mut self, now_ns: u64, messages: u64) {
        self.since_ns.get_or_insert(now_ns);
        if std::mem::replace(&mut self.messages, messages) != messages {
            self.delivered_ns = Some(now_ns);
        }
    }
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// There is input.
    Some(usize),
    /// Nothing now.
    Nothing,
    /// No more at all.
    End,
}

impl Conn {
    /// A connection that was just accepted, or made.
    pub fn new(socket: Socket, permit: Permit, transport: Option<Transport>, origin: Origin, peer: String) -> Self {
        Self {
            socket,
            _permit: permit,
            transport,
            origin,
            raw_out: Out::default(),
            interest: Interest::Read,
            ended: None,
            parting: Parting::No,
            farewell: Farewell::Done,
            failed: None,
            peer,
            octets: Octets::default(),
            times: Times::default(),
        }
    }

    /// The listener that accepted it, if one did.
    pub fn listener(&self) -> Option<&Arc<ListenerConfig>> {
        match &self.origin {
            Origin::Listener(listener) => Some(listener),
            Origin::Connector(..) => None,
        }
    }

    /// Reads what the socket has, behind what its binding kept: into `scratch`, or through the layers into `plain`; gives how much
    /// input there is then.
    pub fn read(&mut self, kept: &[u8], end: End, scratch: &mut [u8], plain: &mut Vec<u8>) -> Reading {
        if self.transport.is_some() {
            return self.read_layered(kept, end, scratch, plain);
        }
        let Some((head, tail)) = scratch.split_at_mut_checked(kept.len()) else { return Reading::End };
        head.copy_from_slice(kept);
        match self.socket.read(&mut [room(tail)]) {
            Ok(Some(0)) | Err(_) => Reading::End,
            Ok(Some(count)) => {
                if self.octets.read == 0 && self.is_foreign(end, tail.get(..count).unwrap_or_default()) {
                    return Reading::Nothing;
                }
                self.octets.note_read(count);
                Reading::Some(kept.len() + count)
            }
            Ok(None) => Reading::Nothing,
        }
    }

    /// Whether its first octets are of another protocol, which is answered then.
    #[cold]
    fn is_foreign(&mut self, end: End, first: &[u8]) -> bool {
        let Some(foreign) = foreign::recognise(end, first) else { return false };
        self.octets.note_read(first.len());
        self.transport = None;
        self.raw_out.buffer().extend_from_slice(&foreign.answer);
        self.fail(TransportError::Foreign(foreign.why));
        true
    }

    /// Its transport cannot go on.
    fn fail(&mut self, error: TransportError) {
        self.ended = Some(Ended::ByUs);
        self.failed = Some(error);
    }

    fn read_layered(&mut self, kept: &[u8], end: End, scratch: &mut [u8], plain: &mut Vec<u8>) -> Reading {
        let count = match self.socket.read(&mut [room(scratch)]) {
            Ok(Some(0)) | Err(_) => return Reading::End,
            Ok(Some(count)) => count,
            Ok(None) => return Reading::Nothing,
        };
        if self.octets.read == 0 && self.is_foreign(end, scratch.get(..count).unwrap_or_default()) {
            return Reading::Nothing;
        }
        self.octets.note_read(count);
        plain.clear();
        plain.extend_from_slice(kept);
        self.unwrap_layers(scratch.get(..count).unwrap_or_default(), plain);
        if plain.is_empty() { Reading::Nothing } else { Reading::Some(plain.len()) }
    }

    /// Takes octets of the socket through the layers; what AMQP may read of them is added to `plain`.
    pub fn unwrap_layers(&mut self, raw: &[u8], plain: &mut Vec<u8>) {
        let Some(transport) = &mut self.transport else { return };
        match transport.receive(raw, plain, self.raw_out.buffer()) {
            Ok(Received::Open) => {}
            Ok(Received::Ended) => self.ended = Some(Ended::ByPeer),
            Err(error) => self.fail(error),
        }
    }

    /// Lets the binding fill its output and writes it, until nothing is left or the socket takes no more.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn write(&mut self, protocol: &mut Protocol, now_ns: u64) -> io::Result<()> {
        for _ in 0..ROUNDS {
            let out = protocol.poll_output(now_ns);
            if self.transport.is_some() {
                self.wrap(out);
            }
            let full = self.write_plain(out)? | self.write_raw()?;
            if full || !protocol.wants_room() {
                break;
            }
        }
        if self.octets.written < BEGINNING_BYTES {
            self.release(protocol.out());
        }
        Ok(())
    }

    /// Moves the binding's output through the layers.
    fn wrap(&mut self, out: &mut Out) {
        if out.is_empty() || self.raw_out.len() >= OUT_SOFT_MAX {
            return;
        }
        let mut plain = Vec::new();
        out.drain_into(&mut plain);
        if let Some(transport) = &mut self.transport
            && let Err(error) = transport.transmit(&plain, self.raw_out.buffer())
        {
            self.fail(error);
        }
    }

    fn write_plain(&mut self, out: &mut Out) -> io::Result<bool> {
        if self.transport.is_some() {
            return Ok(!out.is_empty());
        }
        write_all(&self.socket, out, &mut self.octets.written)
    }

    pub fn write_raw(&mut self) -> io::Result<bool> {
        write_all(&self.socket, &mut self.raw_out, &mut self.octets.written)
    }

    /// Looks whether messages passed, of which there were `messages` so far.
    pub fn look(&mut self, now_ns: u64, messages: u64) {
        self.times.look(now_ns, messages);
    }

    /// Since when it is there, and when its last message passed, nanoseconds.
    pub fn times(&self) -> (Option<u64>, Option<u64>) {
        (self.times.since_ns, self.times.delivered_ns)
    }

    /// Gives the memory of the output back, `out` being its binding's, when that was not worth it since the last call.
    pub fn sweep(&mut self, out: &mut Out) {
        let before = std::mem::replace(&mut self.octets.written_before, self.octets.written);
        let kept = out.capacity() + self.raw_out.capacity();
        if self.octets.written - before < (kept * TURNOVERS_MIN) as u64 {
            self.release(out);
        }
    }

    /// Gives the memory of output back that is empty.
    fn release(&mut self, out: &mut Out) {
        out.release();
        self.raw_out.release();
    }
}

/// The part of a buffer that one read may fill.
fn room(buffer: &mut [u8]) -> IoSliceMut<'_> {
    let bytes = buffer.len().min(READ_BYTES);
    IoSliceMut::new(buffer.get_mut(..bytes).unwrap_or_default())
}

/// Writes until the output is empty or the socket is full; gives whether it is full.
fn write_all(socket: &Socket, out: &mut Out, total: &mut u64) -> io::Result<bool> {
    while !out.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = out.segments(&mut slices);
        let slices = slices.get(..count).unwrap_or_default();
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        match socket.write(slices)? {
            None => return Ok(true),
            Some(written) => {
                *total += written as u64;
                out.advance(written);
                if written < offered {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}
