//! One connection of a double: its socket, its machine, what waits to be read on and to be written. Its links are in `links`.

use std::io::{self, IoSlice, IoSliceMut};

use amqp_proto::{Connection, Input, LinkId, Out};
use engine_rt::{Interest, Socket};

use super::table::{Key, Table};

/// Segments of one write: bodies above what is copied have one each.
const SLICES: usize = 64;
/// Writes of one turn; what does not fit waits for the socket to say that it is ready.
const ROUNDS: usize = 8;
/// Input is not read while more output than this waits, octets: a peer that does not read cannot make us keep what it
/// asks for.
const OUT_STOP_READING: usize = 1 << 20;

/// Connections of a double: more than a process has descriptors, by default.
const CONNECTIONS_MAX: usize = 100_000;

/// All connections, and which of them have something to write.
pub(super) struct Conns {
    pub table: Table<Conn>,
    dirty: Vec<Key<Conn>>,
}

impl Conns {
    /// None.
    pub fn new() -> Self {
        Self { table: Table::new(CONNECTIONS_MAX), dirty: Vec::new() }
    }

    /// A connection, which will be written at the end of the turn.
    #[inline]
    pub fn touch(&mut self, key: Key<Conn>) -> Option<&mut Conn> {
        let conn = self.table.get_mut(key)?;
        if !std::mem::replace(&mut conn.dirty, true) {
            self.dirty.push(key);
        }
        Some(conn)
    }

    /// One that is to be written.
    pub fn next_dirty(&mut self) -> Option<Key<Conn>> {
        let key = self.dirty.pop()?;
        if let Some(conn) = self.table.get_mut(key) {
            conn.dirty = false;
        }
        Some(key)
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub machine: Connection,
    pub socket: Socket,
    pub out: Out,
    pub interest: Interest,
    /// Whether it stands in the list of those to write.
    dirty: bool,
    /// The start of a frame, until the rest comes.
    partial: Vec<u8>,
}

/// A link, wherever it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct At {
    pub conn: Key<Conn>,
    pub link: LinkId,
}

/// How a read ended.
pub(super) enum Reading {
    /// So much of the buffer is input.
    Some(usize),
    /// There is nothing now.
    Nothing,
    /// There is nothing any more.
    End,
}

impl Conn {
    /// A connection that was just accepted.
    pub fn new(machine: Connection, socket: Socket) -> Self {
        Self { machine, socket, out: Out::default(), interest: Interest::Read, dirty: false, partial: Vec::new() }
    }

    /// Reads what the socket has into `buffer`, behind the start of a frame from before.
    pub fn read(&mut self, buffer: &mut [u8]) -> Reading {
        let start = self.partial.len();
        let Some((head, tail)) = buffer.split_at_mut_checked(start) else { return Reading::End };
        head.copy_from_slice(&self.partial);
        match self.socket.read(&mut [IoSliceMut::new(tail)]) {
            Ok(Some(0)) | Err(_) => Reading::End,
            Ok(Some(count)) => {
                self.partial.clear();
                Reading::Some(start + count)
            }
            Ok(None) => Reading::Nothing,
        }
    }

    /// Keeps what the machine left of its input.
    pub fn keep(&mut self, bytes: &[u8], input: &Input<'_>) {
        self.partial.extend_from_slice(bytes.get(input.consumed()..).unwrap_or_default());
    }

    /// Writes until there is nothing left or the socket takes no more; gives what to hear of the socket from then on.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn write(&mut self, now_ns: u64) -> io::Result<Interest> {
        for _ in 0..ROUNDS {
            self.machine.poll_output(now_ns, &mut self.out);
            if self.flush()? || !self.machine.wants_room() {
                break;
            }
        }
        Ok(match self.out.len().max(usize::from(self.machine.wants_room())) {
            0 => Interest::Read,
            waiting if waiting < OUT_STOP_READING => Interest::ReadWrite,
            _ => Interest::Write,
        })
    }

    /// Writes what there is; gives whether the socket is full.
    fn flush(&mut self) -> io::Result<bool> {
        while !self.out.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.out.segments(&mut slices);
            let slices = slices.get(..count).unwrap_or_default();
            let offered: usize = slices.iter().map(|slice| slice.len()).sum();
            let Some(written) = self.socket.write(slices)? else { return Ok(true) };
            self.out.advance(written);
            if written < offered {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
