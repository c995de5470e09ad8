//! Control messages as values: what each of the protocol's six opcodes says.
//!
//! Guarantees: what is in a list is bounded (`limits`), peers are in the order of their ids and differ, costs are at least 1.

use crate::address::Key;
use crate::router_id::RouterId;
use crate::treatment::Treatment;

/// The version of the protocol that is spoken here. Messages of a later one are not understood; those without any are older.
pub const VERSION: u64 = 1;

/// A message of one router to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Who says it, wherever it comes through.
    pub id: RouterId,
    /// What.
    pub body: Body,
}

/// What a control message says. An *instance* is the time at which a router started, seconds: another one is another life of that router.
/// `None` is that of a router that is too old to tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// HELLO: I am there, and heard these lately. Goes one hop.
    Hello {
        /// Its life.
        instance: Option<u64>,
        /// Neighbours that it heard.
        seen: Vec<RouterId>,
    },
    /// RA: the sequence numbers of what I tell of myself.
    Advertisement {
        /// Its life.
        instance: Option<u64>,
        /// Of its neighbours.
        link_state: u64,
        /// Of its addresses.
        addresses: u64,
    },
    /// LSU: my neighbours.
    LinkState {
        /// Its life.
        instance: Option<u64>,
        /// The neighbours.
        state: LinkState,
    },
    /// LSR: tell me your neighbours.
    LinkStateRequest,
    /// MAU: my addresses, or what changed about them.
    Addresses {
        /// Number of the state that this leads to.
        sequence: u64,
        /// What there is.
        changes: Changes,
    },
    /// MAR: tell me your addresses.
    AddressRequest {
        /// Number of the state that is known.
        known: u64,
    },
}

/// The neighbours of a router.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkState {
    /// Number of this state.
    pub sequence: u64,
    /// Neighbours and what a message to each costs, at least 1; in the order of their ids.
    pub peers: Vec<(RouterId, u32)>,
}

/// An address that has consumers at a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Which.
    pub key: Key,
    /// How messages are spread, as that router has it.
    pub treatment: Option<Treatment>,
}

/// Addresses of a router. What is no address that routers tell of is left out when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Since the state before.
    Since {
        /// New ones.
        added: Vec<Announced>,
        /// Those that have no consumers any more.
        deleted: Vec<Key>,
    },
    /// All that there are.
    All(Vec<Announced>),
}
