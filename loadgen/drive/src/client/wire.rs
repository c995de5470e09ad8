//! The octets of one connection: a socket that never blocks, TLS if asked for, what is on its way out, and the start of a frame that
//! has not come whole.
//!
//! Guarantee: what is kept of the input is less than one frame, whose length the machine has checked.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, RawFd};

use amqp_proto::Out;
use engine_rt::Socket;
use engine_tls::{Tls, TlsClient};

use super::address::Server;

/// What is read at a time, octets: with the start of a frame before it.
const READ_BYTES: usize = 256 * 1024;
/// The buffer that all connections of a worker read into, octets: a read behind the largest start of a frame. What TLS gives at a time
/// may be a record more than what was read.
pub(crate) const SCRATCH_BYTES: usize = 2 * READ_BYTES + (16 << 20);
/// Segments of one write.
const SEGMENTS: usize = 64;

/// One connection's octets.
pub(crate) struct Wire {
    socket: Socket,
    tls: Option<Box<Layer>>,
    /// The start of a frame.
    kept: Vec<u8>,
    /// What leaves next.
    pub out: Out,
}

struct Layer {
    tls: Tls,
    raw: Vec<u8>,
    raw_written: usize,
    plain: Vec<u8>,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Everything left.
    Written,
    /// The socket takes no more: the server does not read.
    Blocked,
}

/// What a read gave.
#[derive(Debug)]
pub(crate) enum Received<'a> {
    /// Octets from a frame's start on. What is left of them goes back by `keep`.
    Bytes(&'a [u8]),
    /// Nothing now.
    Nothing,
    /// The peer closed, or the connection is broken.
    End,
}

impl Wire {
    /// Begins to connect.
    ///
    /// # Errors
    /// When the system refuses, or the host cannot have a certificate.
    pub fn connect(server: &Server, tls: Option<&TlsClient>) -> io::Result<Self> {
        let socket = Socket::start_connect(server.address)?;
        let tls = match tls.filter(|_| server.is_tls) {
            Some(client) => {
                let mut raw = Vec::new();
                let tls = Tls::connect(client, &server.host, &mut raw).map_err(io::Error::other)?;
                Some(Box::new(Layer { tls, raw, raw_written: 0, plain: Vec::new() }))
            }
            None => None,
        };
        Ok(Self { socket, tls, kept: Vec::new(), out: Out::default() })
    }

    /// Whether the connection stands, once it is writable.
    ///
    /// # Errors
    /// Why it does not.
    pub fn connected(&self) -> io::Result<()> {
        self.socket.connected()
    }

    /// Its descriptor.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Reads once into `scratch`, behind what was kept.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn read<'a>(&mut self, scratch: &'a mut [u8]) -> io::Result<Received<'a>> {
        let start = self.kept.len();
        let room = scratch.get_mut(..start + READ_BYTES).ok_or(io::ErrorKind::FileTooLarge)?;
        let (kept, fresh) = room.split_at_mut(start);
        let Some(layer) = &mut self.tls else {
            let count = match self.socket.read(&mut [IoSliceMut::new(fresh)])? {
                None => return Ok(Received::Nothing),
                Some(0) => return Ok(Received::End),
                Some(count) => count,
            };
            kept.copy_from_slice(&self.kept);
            self.kept.clear();
            return Ok(scratch.get(..start + count).map_or(Received::Nothing, Received::Bytes));
        };
        let count = match self.socket.read(&mut [IoSliceMut::new(fresh)])? {
            None => return Ok(Received::Nothing),
            Some(0) => return Ok(Received::End),
            Some(count) => count,
        };
        layer.plain.clear();
        let state = layer.tls.receive(fresh.get(..count).unwrap_or_default(), &mut layer.plain, &mut layer.raw);
        let has_ended = state.map_err(io::Error::other)? == engine_tls::Received::Ended;
        if layer.plain.is_empty() {
            return Ok(if has_ended { Received::End } else { Received::Nothing });
        }
        kept.copy_from_slice(&self.kept);
        self.kept.clear();
        let end = start + layer.plain.len();
        scratch.get_mut(start..end).ok_or(io::ErrorKind::FileTooLarge)?.copy_from_slice(&layer.plain);
        Ok(scratch.get(..end).map_or(Received::Nothing, Received::Bytes))
    }

    /// Keeps the start of a frame for the next read.
    pub fn keep(&mut self, rest: &[u8]) {
        self.kept.extend_from_slice(rest);
    }

    /// Writes what there is, as far as the socket takes it.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn flush(&mut self) -> io::Result<Progress> {
        let Some(layer) = &mut self.tls else {
            while !self.out.is_empty() {
                let mut segments = [IoSlice::new(&[]); SEGMENTS];
                let count = self.out.segments(&mut segments);
                match self.socket.write(segments.get(..count).unwrap_or_default())? {
                    Some(count) => self.out.advance(count),
                    None => return Ok(Progress::Blocked),
                }
            }
            return Ok(Progress::Written);
        };
        // Octets are sealed when those before them have left, so that no more than one output waits behind the layer.
        loop {
            if layer.raw_written == layer.raw.len() {
                layer.raw.clear();
                layer.raw_written = 0;
                if self.out.is_empty() {
                    return Ok(Progress::Written);
                }
                let mut plain = std::mem::take(&mut layer.plain);
                plain.clear();
                self.out.drain_into(&mut plain);
                layer.tls.transmit(&plain, &mut layer.raw).map_err(io::Error::other)?;
                layer.plain = plain;
                if layer.raw.is_empty() {
                    // The handshake goes on; rustls keeps it.
                    return Ok(Progress::Written);
                }
            }
            let rest = layer.raw.get(layer.raw_written..).unwrap_or_default();
            match self.socket.write(&[IoSlice::new(rest)])? {
                Some(count) => layer.raw_written += count,
                None => return Ok(Progress::Blocked),
            }
        }
    }

    /// Says that nothing more will be written, after everything left.
    pub fn finish(&mut self) {
        if let Some(layer) = &mut self.tls {
            layer.tls.close(&mut layer.raw);
            // A peer that no longer listens needs no goodbye.
            if self.flush().is_err() {
                return;
            }
        }
        self.socket.shutdown_write();
    }
}
