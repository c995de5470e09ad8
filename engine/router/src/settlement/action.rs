//! What the settlement machine asks its host to do, and what it has done in sum.

use bytes::Bytes;

use super::keys::{CopyKey, DeliveryKey};
use super::links::{InLink, OutLink};
use super::state::{Settling, State};
use super::streams::Following;

/// What is to be done, in the order in which it is polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<M = ()> {
    /// A copy goes out; credit was there.
    Send {
        /// Over which link.
        link: OutLink,
        /// Which.
        copy: CopyKey,
        /// Whether an outcome is waited for.
        settling: Settling,
        /// What its sender sent.
        content: M,
    },
    /// The next part of a copy that began goes out.
    SendPart {
        /// Over which link.
        link: OutLink,
        /// Which.
        copy: CopyKey,
        /// Its octets.
        bytes: Bytes,
        /// Whether the message ends with it.
        following: Following,
    },
    /// So much of a delivery that comes in parts is not kept any more: there is room for as much.
    Taken {
        /// Over which link it comes.
        link: InLink,
        /// The number by which its parts come.
        stream: u64,
        /// What they count.
        octets: u64,
    },
    /// What was sent of a copy is to be aborted.
    Abort {
        /// On which link.
        link: OutLink,
        /// Which.
        copy: CopyKey,
    },
    /// A sender is told of its delivery.
    TellSender {
        /// On which link.
        link: InLink,
        /// The delivery.
        delivery: DeliveryKey,
        /// Its number with the sender.
        number: u32,
        /// Its state; `None` is none.
        state: Option<State>,
        /// Whether that is the last word; the delivery is not known here any more then.
        settling: Settling,
    },
    /// A sender is told that its delivery is released and settled: nobody takes it.
    Release {
        /// On which link.
        link: InLink,
        /// The delivery's number with the sender.
        number: u32,
    },
    /// A receiver is told of its copy.
    TellReceiver {
        /// On which link.
        link: OutLink,
        /// The copy.
        copy: CopyKey,
        /// Its sender's state; `None` is none.
        state: Option<State>,
        /// Whether that is the last word.
        settling: Settling,
    },
    /// Nobody waits any more for a copy that was sent and has a name: whoever has it need not keep it.
    Left {
        /// On which link.
        link: OutLink,
        /// The copy's name.
        name: u32,
    },
    /// A sender gets so much more credit.
    Credit {
        /// On which link.
        link: InLink,
        /// How much more.
        more: u32,
    },
    /// A sender is to give back its credit, since nobody can be reached.
    Drain {
        /// On which link.
        link: InLink,
    },
    /// A receiver that asked for all there is has got it: its credit is used up.
    Drained {
        /// On which link.
        link: OutLink,
        /// What was left of it.
        unused: u32,
    },
}

/// What became of deliveries, in sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Deliveries whose sender was told that they were accepted.
    pub accepted: u64,
    /// The same, rejected.
    pub rejected: u64,
    /// The same, released.
    pub released: u64,
    /// The same, modified.
    pub modified: u64,
    /// Deliveries that their senders aborted, or did not end.
    pub aborted: u64,
    /// Settled deliveries that nobody could take.
    pub dropped: u64,
    /// Copies that nobody waits for and that were dropped, since their receiver did not keep up.
    pub dropped_late: u64,
    /// Copies that were released in place of waiting, and messages in parts that were given up, since what waits has as much memory as it may.
    pub refused: u64,
}

impl Totals {
    /// So many deliveries have that state.
    pub(super) fn count(&mut self, state: &State, deliveries: u32) {
        let deliveries = u64::from(deliveries);
        match state {
            State::Accepted => self.accepted += deliveries,
            State::Rejected(_) => self.rejected += deliveries,
            State::Released => self.released += deliveries,
            State::Modified(_) => self.modified += deliveries,
            State::Received(_) | State::Transactional(_) => {}
        }
    }
}
