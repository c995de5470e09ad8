//! The way between a client and the node: octets in both directions, as in the buffers of two sockets.
//!
//! Guarantees: octets come in their order and none is lost while both ends stand; what one end does not read bounds what the other may
//! write. When they move is the caller's business.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Octets from a client that the node has not read, at most.
const UP_MAX: usize = 256 << 10;

/// A client's end of a connection; the node sees its end when it is dropped.
pub struct Wire(Rc<RefCell<Pipe>>);

/// The node's end.
pub struct Socket(Rc<RefCell<Pipe>>);

#[derive(Debug)]
struct Pipe {
    up: VecDeque<u8>,
    down: VecDeque<u8>,
    down_max: usize,
    client_ended: bool,
    node_ended: bool,
}

/// What a client's end gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many octets.
    Some(usize),
    /// Nothing now.
    Nothing,
    /// The end.
    End,
}

/// Both ends of a new connection, on which the node may be `down_max` octets ahead of its client.
pub fn wire(down_max: usize) -> (Wire, Socket) {
    let (up, down) = (VecDeque::new(), VecDeque::new());
    let pipe = Rc::new(RefCell::new(Pipe { up, down, down_max, client_ended: false, node_ended: false }));
    (Wire(Rc::clone(&pipe)), Socket(pipe))
}

impl Wire {
    /// Gives the node octets; gives how many it has room for, `None` when it has ended the connection.
    pub fn send(&self, bytes: &[u8]) -> Option<usize> {
        let mut pipe = self.0.borrow_mut();
        if pipe.node_ended {
            return None;
        }
        let count = bytes.len().min(UP_MAX.saturating_sub(pipe.up.len()));
        pipe.up.extend(&bytes[..count]);
        Some(count)
    }

    /// Takes octets of the node into `buffer`.
    pub fn receive(&self, buffer: &mut [u8]) -> Received {
        let mut pipe = self.0.borrow_mut();
        let count = buffer.len().min(pipe.down.len());
        if count == 0 {
            return if pipe.node_ended { Received::End } else { Received::Nothing };
        }
        for (place, octet) in buffer.iter_mut().zip(pipe.down.drain(..count)) {
            *place = octet;
        }
        Received::Some(count)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.0.borrow_mut().client_ended = true;
    }
}

impl Socket {
    /// Whether reading gives octets or the end.
    pub fn is_readable(&self) -> bool {
        let pipe = self.0.borrow();
        !pipe.up.is_empty() || pipe.client_ended
    }

    /// Whether its client is gone, and all that it sent was read.
    pub fn is_over(&self) -> bool {
        let pipe = self.0.borrow();
        pipe.client_ended && pipe.up.is_empty()
    }

    /// Whether it takes octets.
    pub fn is_writable(&self) -> bool {
        let pipe = self.0.borrow();
        pipe.down.len() < pipe.down_max
    }

    /// Adds at most `most` octets to `bytes`; gives `false` at the end.
    pub fn read(&self, most: usize, bytes: &mut Vec<u8>) -> bool {
        let mut pipe = self.0.borrow_mut();
        if pipe.up.is_empty() && pipe.client_ended {
            return false;
        }
        let count = most.min(pipe.up.len());
        bytes.extend(pipe.up.drain(..count));
        true
    }

    /// Takes octets to the client, as many as there is room for; gives how many, `None` when nobody is there.
    pub fn write(&self, bytes: &[u8]) -> Option<usize> {
        let mut pipe = self.0.borrow_mut();
        if pipe.client_ended {
            return None;
        }
        let count = bytes.len().min(pipe.down_max.saturating_sub(pipe.down.len()));
        pipe.down.extend(&bytes[..count]);
        Some(count)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.borrow_mut().node_ended = true;
    }
}
