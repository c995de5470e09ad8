//! The bare yardsticks, on the broker's core: a relay that copies bytes from one connection to another, and an echo.

use std::collections::HashMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsRawFd;

use engine_rt::{Accepted, Interest, Listener, Readiness, Socket, Waker};

use crate::wire;

const BUFFER: usize = 256 * 1024;

struct Side {
    socket: Socket,
    /// The connection that what comes is written to.
    peer: Option<u64>,
    waiting: Vec<u8>,
    written: usize,
}

/// Relays from every first connection to the one accepted after it; with `echo` back to itself.
///
/// # Errors
/// When the system refuses.
pub fn serve(listener: &Listener, echo: Mode) -> io::Result<()> {
    let waker = Waker::new()?;
    let mut readiness = Readiness::new(&waker)?;
    readiness.add(listener.as_raw_fd(), 0, Interest::Read)?;
    let mut sides: HashMap<u64, Side> = HashMap::new();
    let mut next = 1;
    let mut ready = Vec::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        readiness.poll(None, &mut ready)?;
        for event in &ready {
            if event.token == 0 {
                while let Accepted::Connection(socket) = listener.accept() {
                    let socket = wire::hold_back(socket)?;
                    readiness.add(socket.as_raw_fd(), next, Interest::Read)?;
                    let peer = match (echo, next % 2) {
                        (Mode::Echo, _) => Some(next),
                        (Mode::Relay, 1) => Some(next + 1),
                        (Mode::Relay, _) => None,
                    };
                    sides.insert(next, Side { socket, peer, waiting: Vec::new(), written: 0 });
                    next += 1;
                }
                continue;
            }
            if event.writable() {
                flush(&mut sides, event.token, &readiness)?;
            }
            if event.readable() && !copy(&mut sides, event.token, &mut buffer, &readiness)? {
                sides.remove(&event.token);
            }
        }
    }
}

/// What is done with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To the next connection.
    Relay,
    /// Back.
    Echo,
}

/// Copies once; gives whether the connection lives.
fn copy(sides: &mut HashMap<u64, Side>, token: u64, buffer: &mut [u8], readiness: &Readiness) -> io::Result<bool> {
    let Some(side) = sides.get(&token) else { return Ok(true) };
    let Some(to) = side.peer else {
        return Ok(!matches!(side.socket.read(&mut [IoSliceMut::new(buffer)]), Ok(Some(0)) | Err(_)));
    };
    if sides.get(&to).is_some_and(|peer| !peer.waiting.is_empty()) {
        return Ok(true);
    }
    let Some(count) = sides[&token].socket.read(&mut [IoSliceMut::new(buffer)]).unwrap_or(Some(0)) else {
        return Ok(true);
    };
    if count == 0 {
        return Ok(false);
    }
    if let Some(peer) = sides.get_mut(&to) {
        let written = peer.socket.write(&[IoSlice::new(&buffer[..count])]).unwrap_or(Some(count)).unwrap_or(0);
        if written < count {
            peer.waiting.extend_from_slice(&buffer[written..count]);
            let (own, fd) = (if to == token { Interest::Write } else { Interest::ReadWrite }, peer.socket.as_raw_fd());
            readiness.modify(fd, to, own)?;
            if to != token {
                readiness.modify(sides[&token].socket.as_raw_fd(), token, Interest::None)?;
            }
        }
    }
    Ok(true)
}

fn flush(sides: &mut HashMap<u64, Side>, token: u64, readiness: &Readiness) -> io::Result<()> {
    let Some(side) = sides.get_mut(&token) else { return Ok(()) };
    while side.written < side.waiting.len() {
        match side.socket.write(&[IoSlice::new(&side.waiting[side.written..])]) {
            Ok(Some(count)) => side.written += count,
            Ok(None) => return Ok(()),
            Err(_) => break,
        }
    }
    side.waiting.clear();
    side.written = 0;
    readiness.modify(side.socket.as_raw_fd(), token, Interest::Read)?;
    let from = sides.iter().find(|(_, other)| other.peer == Some(token)).map(|(&from, _)| from);
    if let Some(from) = from {
        readiness.modify(sides[&from].socket.as_raw_fd(), from, Interest::Read)?;
    }
    Ok(())
}
