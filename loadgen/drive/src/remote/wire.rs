//! What a coordinator and a worker process write to each other: a message to a line, in JSON.
//!
//! Guarantees: a line is never taken into memory beyond its bound; a peer that says nothing for `SILENCE_MAX` is gone, as both sides say
//! at least `Alive` every `ALIVE_EVERY`.

use std::io::{self, BufRead, Read as _, Write};
use std::time::Duration;

use load_model::result::Machine;
use load_model::scenario::Scenario;
use load_model::worker::{Order, Told};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Version of what is written here; others are refused.
pub const PROTOCOL: u32 = 2;
/// Longest line from somebody who has not shown the secret yet, octets.
pub const HELLO_MAX: u64 = 4096;
/// Longest line to a worker, octets: a scenario of 64 groups takes some tens of KiB.
pub const ORDER_MAX: u64 = 1 << 20;
/// Longest line from a worker, octets: the ledger of a run that lost every second of its hundred million messages takes less.
pub const TOLD_MAX: u64 = 256 << 20;
/// How often each side says that it is there, if it has nothing else to say.
pub const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// Behind so much silence the other side is gone: ten of the above, as a loaded machine may be late.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);

/// From a coordinator.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// The first line.
    Hello {
        /// What it speaks.
        protocol: u32,
        /// Its program.
        version: String,
        /// The secret that it was given; empty: none.
        token: String,
    },
    /// What does your clock say?
    Clock {
        /// What its own said, to be told back.
        asked_ns: u64,
    },
    /// Do this share; connect.
    Take {
        /// The whole scenario; it is never written with its password.
        scenario: Box<Scenario>,
        /// What the scenario leaves out; empty if there is none.
        password: String,
        /// The first of the worker's numbers.
        first: u32,
        /// How many workers there are, over all machines.
        workers: u32,
    },
    /// An order for one of the threads.
    Order {
        /// By number, from 0.
        worker: u32,
        /// What it is to do.
        order: Order,
    },
    /// Nothing.
    Alive,
}

/// From a worker process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answered {
    /// The answer to `Hello`.
    Welcome {
        /// Its program.
        version: String,
        /// How many threads it loads with.
        threads: u32,
        /// Where it runs.
        machine: Box<Machine>,
    },
    /// The other answer to it; the connection ends.
    Refused {
        /// Why, for people.
        why: String,
    },
    /// The answer to `Clock`.
    Clock {
        /// The time that came with the question, so that it needs not be kept.
        asked_ns: u64,
        /// What its clock said.
        there_ns: u64,
    },
    /// What one of its threads tells.
    Told(Box<Told>),
    /// Nothing.
    Alive,
}

/// Why there is no next message.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other side ended the connection.
    #[error("it closed the connection")]
    Closed,
    /// Nothing came in time.
    #[error("it has said nothing for too long")]
    Silent,
    /// A line is longer than it may be.
    #[error("it sent a line of more than {0} octets")]
    TooLong(u64),
    /// A line is no message.
    #[error("it sent what is no message of this protocol: {0}")]
    NotUnderstood(serde_json::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Silent,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Broken(error),
        }
    }
}

/// Writes a message at once, so that it leaves in one piece.
pub fn write<T: Serialize>(to: &mut impl Write, message: &T) -> Result<(), WireError> {
    let mut line = serde_json::to_vec(message).map_err(WireError::NotUnderstood)?;
    line.push(b'\n');
    to.write_all(&line).map_err(WireError::from)
}

/// Reads the next message.
pub fn read<T: DeserializeOwned>(from: &mut impl BufRead, line_max: u64) -> Result<T, WireError> {
    let mut line = Vec::new();
    from.by_ref().take(line_max + 1).read_until(b'\n', &mut line)?;
    if line.len() as u64 > line_max {
        return Err(WireError::TooLong(line_max));
    }
    if line.last() != Some(&b'\n') {
        return Err(WireError::Closed);
    }
    serde_json::from_slice(&line).map_err(WireError::NotUnderstood)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_lines_that_are_read_again() {
        let mut written = Vec::new();
        let scenario = Scenario { name: "two\nlines".to_owned(), ..Scenario::default() };
        let take = Asked::Take { scenario: Box::new(scenario), password: "a\nb".to_owned(), first: 2, workers: 4 };
        write(&mut written, &take).expect("written");
        write(&mut written, &Asked::Order { worker: 3, order: Order::Stop { at_ns: 7 } }).expect("written");
        assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 2);
        let mut from = written.as_slice();
        assert!(matches!(read(&mut from, ORDER_MAX), Ok(Asked::Take { first: 2, password, .. }) if password == "a\nb"));
        let order = read(&mut from, ORDER_MAX);
        assert!(matches!(order, Ok(Asked::Order { worker: 3, order: Order::Stop { at_ns: 7 } })), "{order:?}");
        assert!(matches!(read::<Asked>(&mut from, ORDER_MAX), Err(WireError::Closed)));
    }

    #[test]
    fn what_is_too_long_or_no_message_is_refused() {
        let long = [b'a'; 100];
        assert!(matches!(read::<Asked>(&mut long.as_slice(), 99), Err(WireError::TooLong(99))));
        assert!(matches!(read::<Asked>(&mut &b"{\"hello\":1}\n"[..], 99), Err(WireError::NotUnderstood(_))));
        assert!(matches!(read::<Asked>(&mut &b"\"alive\""[..], 99), Err(WireError::Closed)));
    }
}
