//! A small message on its way through a turn, which nobody keeps: a router's, from whoever sends it to whoever receives it.
//!
//! Guarantee: its octets lie where they came, or among what came with its event; nothing of it is shared or counted.

use std::num::NonZeroU64;
use std::ops::Range;

use bytes::Bytes;

use crate::message::{Header, Message};
use crate::preface::LeftOut;

/// Octets of such a message's sections, at most: as many as are copied behind their header when they leave, not referred to.
pub const SMALL_MAX: usize = 2048;

/// A small message, where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Small<'a> {
    /// As in `Message`.
    pub header: Header,
    /// As in `Message`.
    pub format: u32,
    /// As in `Message`.
    pub expires_wall_ms: Option<NonZeroU64>,
    /// What stands before that and is not in it, as whoever sends the message has said it before.
    pub front: Option<&'a LeftOut>,
    /// All sections behind the header and the delivery annotations, encoded.
    pub body: &'a [u8],
}

/// The same, whose octets are among what came with its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lying {
    header: Header,
    format: u32,
    expires_wall_ms: Option<NonZeroU64>,
    from: u32,
    length: u32,
}

impl Lying {
    /// The fields of its header.
    #[inline]
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where its octets are.
    #[inline]
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.from as usize..(self.from + self.length) as usize
    }

    /// Whether it is of the usual format, and never expires.
    #[inline]
    #[must_use]
    pub fn is_usual(&self) -> bool {
        self.format == 0 && self.expires_wall_ms.is_none()
    }
}

impl<'a> Small<'a> {
    /// A message to be kept for a while, with this copy of its body, in front of which stands what is not in it. Of groups and ids, which queues look at, it says nothing.
    #[must_use]
    pub fn with_body(&self, body: Bytes) -> Message {
        let Self { header, format, expires_wall_ms, front, .. } = *self;
        let body = front.map_or_else(|| body.clone(), |front| [front.octets(), &body].concat().into());
        Message { header, format, expires_wall_ms, ..Message::new(body) }
    }

    /// Puts its octets, but for the first `without` ones, behind others.
    #[inline]
    #[must_use]
    pub fn lay(&self, without: usize, octets: &mut Vec<u8>) -> Lying {
        self.lay_behind(&[], without, octets)
    }

    /// The same with others in front, which are its own from here on.
    #[inline]
    #[must_use]
    pub fn lay_behind(&self, front: &[u8], without: usize, octets: &mut Vec<u8>) -> Lying {
        let Self { header, format, expires_wall_ms, body, .. } = *self;
        let body = body.get(without..).unwrap_or_default();
        let (from, length) = (octets.len() as u32, (front.len() + body.len()) as u32);
        octets.extend_from_slice(front);
        octets.extend_from_slice(body);
        Lying { header, format, expires_wall_ms, from, length }
    }

    /// What lies among these octets.
    #[inline]
    #[must_use]
    pub fn of(lying: &Lying, octets: &'a [u8]) -> Self {
        let Lying { header, format, expires_wall_ms, from, length } = *lying;
        let body = octets.get(from as usize..(from + length) as usize).unwrap_or_default();
        Self { header, format, expires_wall_ms, front: None, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_laid_down_is_found_again() {
        let (mut octets, header) = (b"others".to_vec(), Header { priority: 7, ..Header::default() });
        let (expires_wall_ms, front) = (NonZeroU64::new(9), None);
        let small = Small { header, format: 3, expires_wall_ms, front, body: b"front and body" };
        let lying = small.lay(6, &mut octets);
        octets.extend_from_slice(b"more");
        let found = Small::of(&lying, &octets);
        assert_eq!(found, Small { body: b"and body", ..small });
        let before = octets.len();
        let small = small.lay_behind(b"in front, ", 6, &mut octets);
        assert_eq!(Small::of(&small, &octets).body, b"in front, and body");
        octets.truncate(before);
        let found = Small::of(&lying, &octets);
        let message = found.with_body(Bytes::copy_from_slice(found.body));
        assert_eq!((&message.body[..], message.header, message.format), (&b"and body"[..], header, 3));
        assert_eq!(message.expires_wall_ms, NonZeroU64::new(9));
        let before = LeftOut::new(b"said before, ");
        let said = Small { front: Some(&before), ..found };
        assert_eq!(&said.with_body(Bytes::copy_from_slice(said.body)).body[..], b"said before, and body");
    }
}
