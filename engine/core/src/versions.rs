//! Versions of the catalogue on their way: what owners are told of them, what they answer, and what an owner keeps meanwhile.
//!
//! Not here: what is done about it (`handover`, `refresh`).

use std::fmt;
use std::sync::Arc;

use engine_catalogue::Catalogue;

use crate::command::Command;

/// Versions of the catalogue on their way.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    /// The version that is to hold next, once all owners agree to it.
    pub next: Option<Arc<Catalogue>>,
    /// Declared addresses that were given up for it.
    pub given_up: Vec<String>,
    /// The number that has to be durable before another owner has them.
    pub gone_with: u64,
    /// What was asked meanwhile of addresses that it places elsewhere.
    pub kept: Vec<Command>,
    /// Size of the messages in that, octets.
    pub kept_bytes: u64,
    /// How far the version that holds was brought to what was there before it.
    pub refresh: Option<Refresh>,
}

/// What owners are told of versions of the catalogue. All are told of one before they are told of the next.
#[derive(Clone, Debug)]
pub enum Version {
    /// One is to hold that changes the owners of these addresses, if all agree (`Core::prepare`).
    Announced {
        /// The version.
        next: Arc<Catalogue>,
        /// The addresses.
        addresses: Arc<[String]>,
    },
    /// One holds from now on.
    Holds(Arc<Catalogue>),
    /// The one that was announced does not.
    Forgone,
}

/// What an owner answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It holds to it; of an announced version: it agrees.
    Done,
    /// It agrees, and what it gave up is not durably gone yet: it is to be told again.
    NotYet,
    /// It does not agree.
    InUse(InUse),
}

/// Why an address cannot change hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// The address.
    pub address: String,
    /// What there is of it.
    pub what: &'static str,
}

impl fmt::Display for InUse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the address {} has {}", self.address, self.what)
    }
}

/// How far a version was brought about: tables of what it declares, then those of what there is, each from a place on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// Declared addresses, behind a name.
    Declared(Option<String>),
    /// Declared queues, behind a key.
    DeclaredQueues(Option<String>),
    /// Declared diverts, behind a name.
    DeclaredDiverts(Option<String>),
    Addresses(u32),
    Queues(u32),
    Ends(u32),
}

impl Default for Refresh {
    fn default() -> Self {
        Self::Declared(None)
    }
}
