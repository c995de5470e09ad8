//! A small message on its way through a turn, which nobody keeps: a router's, from whoever sends it to whoever receives it.
//!
//! Guarantees: its octets lie where they came, as long as that is lent, or among what came with its event; nothing of it is shared or counted. One
//! whose octets are not where it says is a fault of ours, and ends the node.

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

/// The same, which says where among others its octets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lying {
    header: Header,
    format: u32,
    expires_wall_ms: Option<NonZeroU64>,
    among: Among,
    from: u32,
    length: u32,
}

/// What small messages' octets are among.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// What was read.
    Read,
    /// What was copied for them.
    Copied,
}

/// The octets of small messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Octets<'a> {
    /// What was read; nothing where that is not lent any more.
    pub read: &'a [u8],
    /// What was copied for them.
    pub copied: &'a [u8],
}

/// What was read, as long as whoever takes messages from it is lent it: where it is, and no way to it. Messages are found in it by their address.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lent {
    address: usize,
    length: usize,
}

impl<'a> Octets<'a> {
    /// Of messages of which nothing was read.
    #[inline]
    #[must_use]
    pub fn copied(copied: &'a [u8]) -> Self {
        Self { read: &[], copied }
    }

    /// All of one kind.
    #[inline]
    #[must_use]
    pub fn all(&self, among: Among) -> &'a [u8] {
        match among {
            Among::Read => self.read,
            Among::Copied => self.copied,
        }
    }

    /// Those of a message.
    #[inline]
    fn of(&self, lying: &Lying) -> &'a [u8] {
        self.all(lying.among).get(lying.range()).expect("a message is where it was laid")
    }
}

impl Lent {
    /// These octets, which are where they are until this is forgotten.
    #[inline]
    #[must_use]
    pub fn of(read: &[u8]) -> Self {
        Self { address: read.as_ptr().addr(), length: read.len() }
    }

    /// Where in what was read these octets are, if they are a part of it.
    #[inline]
    fn find(&self, part: &[u8]) -> Option<u32> {
        let from = part.as_ptr().addr().wrapping_sub(self.address);
        // What is elsewhere is farther off, in either direction.
        let is_part = from < self.length && part.len() <= self.length - from;
        is_part.then_some(from as u32)
    }
}

impl Lying {
    /// The fields of its header.
    #[inline]
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What its octets are among.
    #[inline]
    #[must_use]
    pub fn among(&self) -> Among {
        self.among
    }

    /// Where among them they are.
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

    /// Leaves its octets, but for the first `without` ones, where they are lent, and puts them behind others where they are not.
    #[inline]
    #[must_use]
    pub fn lay(&self, without: usize, lent: &Lent, octets: &mut Vec<u8>) -> Lying {
        let Self { header, format, expires_wall_ms, body, .. } = *self;
        let body = body.get(without..).unwrap_or_default();
        match lent.find(body) {
            Some(from) => {
                Lying { header, format, expires_wall_ms, among: Among::Read, from, length: body.len() as u32 }
            }
            None => self.lay_behind(&[], without, octets),
        }
    }

    /// Puts its octets, but for the first `without` ones, behind others, with these in front, which are its own from here on.
    #[inline]
    #[must_use]
    pub fn lay_behind(&self, front: &[u8], without: usize, octets: &mut Vec<u8>) -> Lying {
        let Self { header, format, expires_wall_ms, body, .. } = *self;
        let body = body.get(without..).unwrap_or_default();
        let (from, length) = (octets.len() as u32, (front.len() + body.len()) as u32);
        octets.extend_from_slice(front);
        octets.extend_from_slice(body);
        Lying { header, format, expires_wall_ms, among: Among::Copied, from, length }
    }

    /// What lies among these octets.
    ///
    /// # Panics
    /// When it does not.
    #[inline]
    #[must_use]
    pub fn of(lying: &Lying, octets: &Octets<'a>) -> Self {
        let Lying { header, format, expires_wall_ms, .. } = *lying;
        Self { header, format, expires_wall_ms, front: None, body: octets.of(lying) }
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
        let lying = small.lay(6, &Lent::default(), &mut octets);
        octets.extend_from_slice(b"more");
        let found = Small::of(&lying, &Octets::copied(&octets));
        assert_eq!(found, Small { body: b"and body", ..small });
        let before = octets.len();
        let small = small.lay_behind(b"in front, ", 6, &mut octets);
        assert_eq!(Small::of(&small, &Octets::copied(&octets)).body, b"in front, and body");
        octets.truncate(before);
        let found = Small::of(&lying, &Octets::copied(&octets));
        let message = found.with_body(Bytes::copy_from_slice(found.body));
        assert_eq!((&message.body[..], message.header, message.format), (&b"and body"[..], header, 3));
        assert_eq!(message.expires_wall_ms, NonZeroU64::new(9));
        let before = LeftOut::new(b"said before, ");
        let said = Small { front: Some(&before), ..found };
        assert_eq!(&said.with_body(Bytes::copy_from_slice(said.body)).body[..], b"said before, and body");
    }

    fn bare(body: &[u8]) -> Small<'_> {
        Small { header: Header::default(), format: 0, expires_wall_ms: None, front: None, body }
    }

    #[test]
    fn what_is_lent_is_not_copied_and_all_else_is() {
        // One allocation, so that what is before and behind what is lent is next to it.
        let memory = b"before, front and body, behind".to_vec();
        let (read, mut copied) = (&memory[8..22], Vec::new());
        let lent = Lent::of(read);
        for (from, without, body) in
            [(8, 0, &b"front and body"[..]), (8, 6, b"and body"), (18, 0, b"body"), (21, 0, b"y")]
        {
            let lying = bare(&memory[from..22]).lay(without, &lent, &mut copied);
            assert_eq!((lying.among(), copied.len()), (Among::Read, 0));
            assert_eq!(Small::of(&lying, &Octets { read, copied: &[] }).body, body);
        }
        let outside =
            [&memory[..8], &memory[7..22], &memory[8..23], &memory[18..24], &memory[22..], &memory[..], b"elsewhere"];
        for body in outside {
            copied.clear();
            let lying = bare(body).lay(0, &lent, &mut copied);
            assert_eq!((lying.among(), &copied[..]), (Among::Copied, body));
            assert_eq!(Small::of(&lying, &Octets { read, copied: &copied }).body, body);
            copied.clear();
            assert_eq!(bare(body).lay(0, &Lent::default(), &mut copied).among(), Among::Copied, "nothing is lent");
        }
    }

    #[test]
    fn a_message_without_octets_may_be_anywhere() {
        let (memory, mut copied) = (b"read".to_vec(), Vec::new());
        for body in [&memory[..0], &memory[2..2], &memory[4..], &[]] {
            let lying = bare(body).lay(0, &Lent::of(&memory), &mut copied);
            assert_eq!(Small::of(&lying, &Octets { read: &memory, copied: &copied }).body, b"");
        }
    }

    #[test]
    #[should_panic(expected = "where it was laid")]
    fn a_message_whose_octets_are_lent_no_more_is_a_fault() {
        let memory = b"read".to_vec();
        let lying = bare(&memory).lay(0, &Lent::of(&memory), &mut Vec::new());
        let _ = Small::of(&lying, &Octets::default());
    }
}
