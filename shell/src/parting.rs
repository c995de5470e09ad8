//! How a connection ends: what AMQP still has to say is written, the layers say goodbye, and a peer that was refused has a moment to
//! read why.
//!
//! Guarantees: nothing waits in it, a turn looks at it and goes on; it is over after `PARTING_NS` and `LINGER_NS`, whatever the peer does;
//! a peer behind TLS or WebSocket can tell an end from a cut.

use std::io;

use crate::connection::Conn;
use crate::protocol::Protocol;
use crate::transport::Farewell;

/// How long the last octets may take to leave, nanoseconds: half a megabyte takes so long on a line of 400 kbit/s. What has not left then
/// is lost with the connection.
const PARTING_NS: u64 = 10_000_000_000;
/// How long a peer that was refused may take to read why, nanoseconds. A socket that is closed while input waits for it is reset, and a
/// reset may overtake the last octets; whoever answers within this has read them.
const LINGER_NS: u64 = 1_000_000_000;

/// Where the end of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// It has not begun.
    No,
    /// The last octets of AMQP leave.
    Writing { by_ns: u64 },
    /// The farewell of the layers leaves.
    Farewell { by_ns: u64 },
    /// All was said; what still comes is read and forgotten.
    Lingering { by_ns: u64 },
}

impl Parting {
    /// When it is over at the latest, nanoseconds.
    pub fn deadline(self) -> Option<u64> {
        match self {
            Self::No => None,
            Self::Writing { by_ns } | Self::Farewell { by_ns } | Self::Lingering { by_ns } => Some(by_ns),
        }
    }
}

/// Who ended the input of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The peer, in the way of its transport or of its socket.
    ByPeer,
    /// We: its transport broke the rules, or it speaks another protocol.
    ByUs,
}

/// Whether there is time for a peer to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// There is.
    Some,
    /// There is none: the node stops.
    None,
}

impl Conn {
    /// Whether nothing more will be understood of its peer: it is time to part.
    pub fn is_over(&self, protocol: &Protocol) -> bool {
        self.ended.is_some() || protocol.is_closed()
    }

    /// Goes on with the end of a connection that is over; gives whether it is done.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn part(&mut self, protocol: &Protocol, now_ns: u64, patience: Patience) -> io::Result<bool> {
        if self.parting == Parting::No {
            self.parting = Parting::Writing { by_ns: now_ns + PARTING_NS };
        }
        if let Parting::Writing { by_ns } = self.parting
            && self.waiting(protocol) == 0
        {
            self.parting = Parting::Farewell { by_ns };
            if let Some(transport) = &mut self.transport {
                transport.close(self.farewell, self.raw_out.buffer());
                self.write_raw()?;
            }
        }
        if matches!(self.parting, Parting::Farewell { .. }) && self.waiting(protocol) == 0 {
            if patience == Patience::None || !self.is_refused(protocol) {
                return Ok(true);
            }
            self.socket.shutdown_write();
            self.parting = Parting::Lingering { by_ns: now_ns + LINGER_NS };
        }
        Ok(false)
    }

    /// Whether we ended what the peer may be in the middle of: before it was open, or against the rules.
    fn is_refused(&self, protocol: &Protocol) -> bool {
        match self.ended {
            Some(Ended::ByUs) => true,
            Some(Ended::ByPeer) => false,
            None => !protocol.is_opened(),
        }
    }

    /// Octets that wait to be written.
    pub fn waiting(&self, protocol: &Protocol) -> usize {
        protocol.waiting() + self.raw_out.len()
    }

    /// Reads and forgets what comes while it parts; gives the octets, `None` at the end.
    pub fn forget(&mut self, scratch: &mut [u8]) -> Option<usize> {
        match self.socket.read(&mut [io::IoSliceMut::new(scratch)]) {
            Ok(Some(0)) | Err(_) => None,
            Ok(count) => Some(count.unwrap_or(0)),
        }
    }

    /// The input ended: without layers so does the connection, with them it parts first. Gives whether it is gone.
    pub fn end(&mut self) -> bool {
        self.ended = self.ended.or(Some(Ended::ByPeer));
        self.transport.is_none()
    }

    /// How the layers say goodbye, unless they know better.
    pub fn say(&mut self, farewell: Farewell) {
        self.farewell = farewell;
    }
}
