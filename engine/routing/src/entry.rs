//! What is known of a message that enters, and what other routers are told with it: its address, and the routers that it went through.
//!
//! Guarantees: what users annotated is never touched. What came from a router goes to no one where it was before; clients see nothing of what
//! routers wrote.

use std::sync::Arc;

use bytes::Bytes;
use engine_core::preface::Preface;
use engine_message::section;
use engine_router::address::{Here, Key, Mode, Phase};
use engine_router::annotations::{Annotations, rewrite};
use engine_router::forward::{Passage, Taken};
use engine_router::stamp::{Source, Strip};
use engine_router::table::{Address, Table};

use crate::outward::Outward;
use crate::streams::Extent;

/// The name that requests to whoever manages a router are for.
pub(crate) const MANAGEMENT: &str = "$management";

/// What a message is for, and how it came.
pub(crate) struct Entry<'a> {
    pub key: &'a Key,
    /// The address, as the table has it.
    pub address: Option<&'a Arc<Address>>,
    pub passage: Passage,
    pub from: From<'a>,
    /// What routers wrote into it, if that was read.
    pub said: Option<Said<'a>>,
    /// Octets of its annotations, if it is known that there is nothing of a user in them.
    pub bare: Option<usize>,
    /// What this router writes into messages of its sender, once it has.
    pub written: Option<&'a Outward>,
    pub extent: Extent,
}

/// Who a message is from.
#[derive(Clone, Copy)]
pub(crate) enum From<'a> {
    /// A client, who named this address.
    Client(&'a str),
    /// Another router, which said for which address it is.
    Router,
    /// A link for this address, between interior and edge.
    Edge(&'a str),
}

impl<'a> Entry<'a> {
    /// That of a client's message without a link for its address.
    pub fn of_client(key: &'a Key, table: &'a Table, to: &'a str, extent: Extent) -> Self {
        let (address, passage, from) = (table.find(key), Passage::HERE, From::Client(to));
        Self { key, address, passage, from, said: None, bare: None, written: None, extent }
    }

    /// Whether it comes from a router, which may have written into it.
    pub fn is_from_router(&self) -> bool {
        matches!(self.from, From::Router | From::Edge(_))
    }
}

/// What routers wrote into a message.
#[derive(Clone, Copy)]
pub(crate) struct Said<'a> {
    pub annotations: Annotations<'a>,
    /// Octets of the section, with which a message begins.
    pub octets: usize,
}

impl<'a> Said<'a> {
    /// Reads it; nothing if it is not well-formed.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let section = section::front_annotations(body);
        Some(Self { annotations: Annotations::read(section).ok()?, octets: section.len() })
    }

    /// A message as other routers are told it by the router `here`; nothing if it cannot go on.
    pub fn for_routers(&self, here: Here<'_>, body: &[u8], entry: &Entry<'_>, taken: &Taken) -> Option<Bytes> {
        let is_alike = self.octets == 0 || entry.bare.is_some();
        let Some(written) = entry.written.filter(|_| is_alike && *taken == Taken::Wanted) else {
            return Some(rewrite(body, 0..self.octets, &self.come(here, entry, taken)?).into());
        };
        // The router writes the same into all messages of a client that has written nothing itself, and into all that came with the same.
        let section = match written.written() {
            Some(section) => section,
            None => {
                let mut section = Vec::new();
                self.come(here, entry, taken)?.encode(&mut section);
                written.write(Preface::new(section))
            }
        };
        Some(section.join(body.get(self.octets..)?))
    }

    /// What other routers are told, with a message that comes to the router `here`; nothing if it cannot go on.
    fn come<'m>(&self, here: Here<'m>, entry: &Entry<'m>, taken: &'m Taken) -> Option<Annotations<'m>>
    where
        'a: 'm,
    {
        let mut annotations: Annotations<'m> = self.annotations;
        let (source, to) = match entry.from {
            From::Router => (Source::Router, None),
            From::Client(to) | From::Edge(to) => (Source::Client(Strip::Both), Some(to)),
        };
        match here.mode {
            Mode::Interior => annotations.come(here.id.as_str(), source).ok()?,
            Mode::Edge => annotations.come_to_edge(source),
        }
        if let Some(to) = to {
            annotations.to = Some(to);
            annotations.phase = entry.key.phase().unwrap_or(Phase::FIRST);
        }
        if let Taken::Fallback(key) = taken {
            annotations.phase = Phase::FALLBACK;
            annotations.to = Some(key.name());
        }
        Some(annotations)
    }

    /// A message of another router as clients are to see it.
    pub fn for_clients(self, body: &Bytes) -> Bytes {
        let Annotations { user, user_count, .. } = self.annotations;
        if user_count == 0 {
            return body.slice(self.octets..);
        }
        rewrite(body, 0..self.octets, &Annotations { user, user_count, ..Annotations::default() }).into()
    }
}
