//! One connection: its socket, the layers over it, its AMQP machine, and what is on the way between them.

use std::io::{self, IoSlice, IoSliceMut};

use amqp_codec::performative::Attach;
use amqp_proto::{Connection, Input, LinkId, OUT_SOFT_MAX, Out};
use engine_core::command::Outcome;
use engine_core::event::KEY_NONE;
use engine_core::key::EndKey;
use engine_rt::{Interest, Permit, Socket};

use crate::arena::Arena;
use crate::config::Layers;
use crate::config::{GIVEN_BYTES, GRANT_MAX, GRANT_MIN, OUT_STOP_GIVING, READ_BYTES, TURNOVERS_MIN};
use crate::large::Stream;
use crate::parting::{Ended, Parting};
use crate::slots::Slot;
use crate::transport::{Farewell, Received, Transport, TransportError, foreign};

/// Segments of one write: enough that small messages with large ones between them leave in one call.
const SLICES: usize = 64;
/// Size that a consumer's messages are thought to have before the first one, octets.
const SIZE_USUAL: u32 = 1024;
/// Weight of a message's size in the average, as a shift.
const SIZE_WEIGHT: u32 = 3;
/// Rounds of filling and writing in one turn, so that one fast reader does not keep the others waiting.
const ROUNDS: u32 = 8;

/// One connection.
pub(crate) struct Conn {
    pub socket: Socket,
    /// Its share of the node's descriptors; it goes with the connection.
    pub _permit: Permit,
    pub machine: Connection,
    pub transport: Option<Transport>,
    /// The listener that it came by.
    pub listener: usize,
    /// The start of a frame, until the rest comes.
    pub partial: Vec<u8>,
    pub out: Out,
    /// What layers have to send: encrypted or framed output.
    pub raw_out: Out,
    pub interest: Interest,
    pub dirty: bool,
    /// Whether it is not read because a large message waits for the disk.
    pub paused: bool,
    /// Links that send large messages.
    pub streams: Vec<Slot>,
    /// Consumers' links whose credit the owner gets when there is room for what it brings.
    pub hungry: Vec<Slot>,
    /// Who ended its input, if it has an end.
    pub ended: Option<Ended>,
    /// Whether both ends have opened it.
    pub opened: bool,
    /// Where its end is.
    pub parting: Parting,
    pub farewell: Farewell,
    /// Why its transport failed, until that is told.
    pub failed: Option<TransportError>,
    /// Set when the connection is to move to the owner of its first link.
    pub leaving: Option<Leaving>,
    /// Links by session and handle.
    pub links: Vec<Vec<Option<Slot>>>,
    pub container: String,
    pub user: String,
    pub peer: String,
    pub messages_in: u64,
    pub messages_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// What `bytes_out` was at the last sweep.
    pub swept_bytes_out: u64,
}

/// Where a connection moves, and the attach that waits to be answered there.
pub(crate) struct Leaving {
    pub owner: u16,
    pub id: LinkId,
    pub attach: Box<Attach>,
}

/// One link, at its connection's side.
pub(crate) struct Link {
    /// The connection; `None` once it is gone while the owner's answer is still to come.
    pub conn: Option<Slot>,
    pub id: LinkId,
    pub owner: u16,
    pub end: Option<EndKey>,
    pub address: String,
    pub kind: LinkKind,
    /// Until it is answered.
    pub attach: Option<Box<Attach>>,
    /// What becomes of a delivery that its peer settles without saying.
    pub default_outcome: Outcome,
    /// What it has under way in parts.
    pub stream: Option<Box<Stream>>,
}

impl Link {
    /// Messages that its consumer was given and that wait here, behind a large one or to be read from their file.
    pub fn unsent(&self) -> u32 {
        match self.stream.as_deref() {
            Some(Stream::Out(outgoing)) => outgoing.unsent(),
            _ => 0,
        }
    }

    /// Takes out the last message that waits for credit its peer does not give; gives its key.
    pub fn take_back(&mut self, machine: &mut Connection) -> Option<u64> {
        let Some(Stream::Out(outgoing)) = self.stream.as_deref_mut() else {
            return machine.take_back(self.id, |key| key != KEY_NONE);
        };
        if outgoing.unsent() > machine.credit_free(self.id) {
            return outgoing.take_back();
        }
        machine.take_back(self.id, |key| key != KEY_NONE).inspect(|&key| outgoing.handle_taken_back(key))
    }
}

/// What a link does.
pub(crate) enum LinkKind {
    /// Takes messages for one address.
    Producer(Arena),
    /// Gives messages of one queue.
    Consumer(Taking),
    /// Takes messages that each name their address.
    Relay {
        arena: Arena,
        /// Messages since credit was given.
        used: u32,
    },
}

/// A consumer's credit, between its peer and the owner of its queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taking {
    /// Credit that the peer gave and that no message has used.
    pub wanted: u32,
    /// What the owner has of it, or of what the peer gave before it took some back.
    pub granted: u32,
    /// The part of `granted` that the owner was asked to give back and has not answered for.
    revoking: u32,
    /// Whether the peer drains.
    pub draining: bool,
    /// Size of the last messages on the wire, octets, on average.
    size: u32,
    /// The owner gets more when it has no more than this.
    low: u32,
    /// Whether the link is among its connection's `hungry`.
    pub hungry: bool,
}

impl Taking {
    /// No credit yet.
    pub fn new() -> Self {
        Self { wanted: 0, granted: 0, revoking: 0, draining: false, size: SIZE_USUAL, low: 0, hungry: false }
    }

    /// Gives the owner its share of the credit: messages of about `GIVEN_BYTES`. What the peer does not take yet stays in the
    /// queue, where others find it and memory is counted. Gives how much the owner did not have, or 0 while that is not worth
    /// a command.
    pub fn grant(&mut self) -> u32 {
        let messages = GIVEN_BYTES / self.size.max(1);
        let share = messages.clamp(GRANT_MIN, GRANT_MAX).min(self.wanted);
        self.low = share / 2;
        let credit = share.saturating_sub(self.granted);
        if credit < share / 2 && !self.draining {
            return 0;
        }
        self.granted += credit;
        credit
    }

    /// Credit that the owner has and the peer no longer gives: the owner is to be asked for it.
    pub fn revoke(&mut self) -> u32 {
        let credit = self.granted.saturating_sub(self.revoking).saturating_sub(self.wanted);
        self.revoking += credit;
        credit
    }

    /// The owner gave `taken` of `asked` back.
    pub fn handle_revoked(&mut self, asked: u32, taken: u32) {
        self.revoking = self.revoking.saturating_sub(asked);
        self.granted = self.granted.saturating_sub(taken);
    }

    /// A message of `bytes` octets came from the owner.
    #[inline]
    pub fn handle_given(&mut self, bytes: usize) -> Given {
        self.granted = self.granted.saturating_sub(1);
        if self.wanted == 0 {
            return Given::Beyond;
        }
        let bytes = u32::try_from(bytes).unwrap_or(GIVEN_BYTES).min(GIVEN_BYTES);
        self.size = self.size - (self.size >> SIZE_WEIGHT) + (bytes >> SIZE_WEIGHT);
        self.wanted -= 1;
        // What drains gets the next share when the owner has given all of this one.
        let low = self.granted < self.wanted && !self.draining && self.granted <= self.low;
        if low { Given::Last } else { Given::Within }
    }
}

/// How a message stands to its consumer's credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// The peer wants it.
    Within,
    /// And the owner has too little credit now.
    Last,
    /// The peer took its credit back while the message was on its way.
    Beyond,
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
    /// Where a link of this connection is.
    #[inline]
    pub fn link(&self, id: LinkId) -> Option<Slot> {
        *self.links.get(usize::from(id.session))?.get(id.handle as usize)?
    }

    /// Whether it has a link.
    pub fn has_links(&self) -> bool {
        self.links.iter().flatten().any(Option::is_some)
    }

    /// Notes where a link is.
    pub fn set_link(&mut self, id: LinkId, slot: Option<Slot>) {
        let session = usize::from(id.session);
        if self.links.len() <= session {
            self.links.resize_with(session + 1, Vec::new);
        }
        let Some(handles) = self.links.get_mut(session) else { return };
        if handles.len() <= id.handle as usize {
            handles.resize(id.handle as usize + 1, None);
        }
        if let Some(place) = handles.get_mut(id.handle as usize) {
            *place = slot;
        }
    }

    /// Reads what the socket has into `scratch`, behind the partial frame of the last time; gives how much input there
    /// is then in `scratch` for AMQP.
    pub fn read(&mut self, layers: Layers, scratch: &mut [u8], plain: &mut Vec<u8>) -> Reading {
        let start = self.partial.len();
        if self.transport.is_some() {
            return self.read_layered(layers, scratch, plain);
        }
        let Some((head, tail)) = scratch.split_at_mut_checked(start) else { return Reading::End };
        head.copy_from_slice(&self.partial);
        match self.socket.read(&mut [room(tail)]) {
            Ok(Some(0)) | Err(_) => Reading::End,
            Ok(Some(count)) => {
                if self.bytes_in == 0 && self.is_foreign(layers, tail.get(..count).unwrap_or_default()) {
                    return Reading::Nothing;
                }
                self.bytes_in += count as u64;
                self.partial.clear();
                Reading::Some(start + count)
            }
            Ok(None) => Reading::Nothing,
        }
    }

    /// Whether its first octets are of another protocol, which is answered then.
    #[cold]
    fn is_foreign(&mut self, layers: Layers, first: &[u8]) -> bool {
        let Some(foreign) = foreign::recognise(layers, first) else { return false };
        self.bytes_in += first.len() as u64;
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

    fn read_layered(&mut self, layers: Layers, scratch: &mut [u8], plain: &mut Vec<u8>) -> Reading {
        let count = match self.socket.read(&mut [room(scratch)]) {
            Ok(Some(0)) | Err(_) => return Reading::End,
            Ok(Some(count)) => count,
            Ok(None) => return Reading::Nothing,
        };
        if self.bytes_in == 0 && self.is_foreign(layers, scratch.get(..count).unwrap_or_default()) {
            return Reading::Nothing;
        }
        self.bytes_in += count as u64;
        plain.clear();
        plain.append(&mut self.partial);
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

    /// Keeps what the machine left of `input`: the start of a frame, or what waits for an answer.
    pub fn keep(&mut self, bytes: &[u8], input: &Input<'_>) {
        if let Some(rest) = bytes.get(input.consumed()..)
            && !rest.is_empty()
        {
            self.partial = rest.to_vec();
        } else if self.partial.capacity() > 0 {
            self.partial = Vec::new();
        }
    }

    /// Lets the machine fill the output and writes it, until nothing is left or the socket takes no more.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn write(&mut self, now_ns: u64) -> io::Result<()> {
        for _ in 0..ROUNDS {
            self.machine.poll_output(now_ns, &mut self.out);
            if self.transport.is_some() {
                self.wrap();
            }
            let full = self.write_plain()? | self.write_raw()?;
            if full || !self.machine.wants_room() {
                break;
            }
        }
        Ok(())
    }

    /// Moves AMQP's output through the layers.
    fn wrap(&mut self) {
        if self.out.is_empty() || self.raw_out.len() >= OUT_SOFT_MAX {
            return;
        }
        let mut plain = Vec::new();
        self.out.drain_into(&mut plain);
        if let Some(transport) = &mut self.transport
            && let Err(error) = transport.transmit(&plain, self.raw_out.buffer())
        {
            self.fail(error);
        }
    }

    fn write_plain(&mut self) -> io::Result<bool> {
        if self.transport.is_some() {
            return Ok(!self.out.is_empty());
        }
        write_all(&self.socket, &mut self.out, &mut self.bytes_out)
    }

    pub fn write_raw(&mut self) -> io::Result<bool> {
        write_all(&self.socket, &mut self.raw_out, &mut self.bytes_out)
    }

    /// Gives the memory of its output back when that was not worth it since the last call.
    pub fn sweep(&mut self) {
        let before = std::mem::replace(&mut self.swept_bytes_out, self.bytes_out);
        let kept = self.out.capacity() + self.raw_out.capacity();
        if self.bytes_out - before < (kept * TURNOVERS_MIN) as u64 {
            self.out.release();
            self.raw_out.release();
        }
    }

    /// Whether what is given to consumers now would only wait here.
    pub fn is_full(&self) -> bool {
        self.waiting() > OUT_STOP_GIVING
    }

    /// Octets that wait to be written.
    pub fn waiting(&self) -> usize {
        self.out.len() + self.raw_out.len()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_gets_credit_for_what_a_connection_writes_at_once() {
        let mut taking = Taking::new();
        taking.wanted = 100_000;
        let share = |taking: &mut Taking, bytes: usize| {
            for _ in 0..100 {
                taking.granted += 1;
                taking.handle_given(bytes);
            }
            taking.granted = 0;
            taking.grant()
        };
        assert_eq!(share(&mut taking, 1024), GIVEN_BYTES / 1024);
        assert_eq!(share(&mut taking, 20), GRANT_MAX);
        assert_eq!(share(&mut taking, 1 << 30), GRANT_MIN);
        taking.wanted = 3;
        assert_eq!(share(&mut taking, 1024), 0, "all of it was used");
    }

    #[test]
    fn more_is_granted_when_half_is_used_and_not_while_draining() {
        let mut taking = Taking::new();
        taking.wanted = 1000;
        let share = taking.grant();
        assert_eq!((share, taking.grant()), (GIVEN_BYTES / SIZE_USUAL, 0));
        let used = (1..).find(|_| taking.handle_given(SIZE_USUAL as usize) == Given::Last).unwrap_or(0);
        assert_eq!((used, taking.grant()), (share / 2, share / 2));
        taking.draining = true;
        assert!((0..share).all(|_| taking.handle_given(SIZE_USUAL as usize) == Given::Within));
    }

    #[test]
    fn what_a_peer_takes_back_is_asked_of_the_owner_once() {
        let mut taking = Taking::new();
        taking.wanted = 100;
        assert_eq!(taking.grant(), 100);
        taking.wanted = 30;
        assert_eq!((taking.revoke(), taking.revoke()), (70, 0));
        taking.wanted = 0;
        assert_eq!(taking.revoke(), 30);
        // Three were on their way.
        assert!((0..3).all(|_| taking.handle_given(10) == Given::Beyond));
        taking.handle_revoked(70, 70);
        taking.wanted = 50;
        assert_eq!(taking.grant(), 0, "what the owner still has is not known");
        taking.handle_revoked(30, 27);
        assert_eq!((taking.granted, taking.grant()), (0, 50));
    }
}
