//! Sections that stand before those of a message, the same before many.
//!
//! Guarantee: a clone copies no octets.

use std::cell::Cell;
use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;

use crate::message::Message;

/// Sections that whoever passes messages on puts before each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preface(Arc<Vec<u8>>);

impl Preface {
    /// These octets.
    #[must_use]
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Arc::new(octets))
    }

    /// Its octets.
    #[inline]
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is this one itself, and not only like it.
    #[inline]
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A body with these octets in front.
    #[must_use]
    pub fn join(&self, body: &[u8]) -> Bytes {
        [self.octets(), body].concat().into()
    }

    /// A message that has these octets itself, in front.
    #[must_use]
    pub fn before(&self, message: &Message) -> Message {
        Message { body: self.join(&message.body), ..message.clone() }
    }
}

/// Sections that a peer has said once and leaves out of messages from then on, and where whoever reads them found last what they mean.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    octets: Box<[u8]>,
    found: Cell<Option<NonZeroU64>>,
}

impl LeftOut {
    /// These octets, not looked for yet.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        Self { octets: octets.into(), found: Cell::default() }
    }

    /// Its octets.
    #[inline]
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// What was noted last.
    #[inline]
    #[must_use]
    pub fn found(&self) -> Option<NonZeroU64> {
        self.found.get()
    }

    /// Notes where that is which it means, as whoever reads it knows it: what is noted may be there no more.
    pub fn note(&self, found: NonZeroU64) {
        self.found.set(Some(found));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_what_stands_before_it() {
        let mut message = Message::new(Bytes::from_static(b"own"));
        message.header.priority = 7;
        let preface = Preface::new(b"before ".to_vec());
        let whole = preface.before(&message);
        assert_eq!((&whole.body[..], whole.header), (&b"before own"[..], message.header));
    }
}
