//! What is on its way to a socket: small bytes in one buffer, large bodies by reference between them.
//!
//! Guarantees: bytes leave in the order in which they were put; a body above `INLINE_MAX` is never copied.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use engine_message::section::HEADER_FRESH;

/// Bodies up to this size are copied behind their headers, octets: below it a copy costs less than one more segment.
const INLINE_MAX: usize = 2048;

/// Output in the order of the wire.
#[derive(Debug, Default)]
pub struct Out {
    bytes: Vec<u8>,
    /// How much of `bytes` left already.
    start: usize,
    /// Bodies, each with the place in `bytes` that it precedes.
    bodies: VecDeque<(usize, Bytes)>,
    body_bytes: usize,
}

impl Out {
    /// The buffer that encoders append to.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends a header section. That of nearly all messages has a length that the compiler knows: a copy without a call.
    // Not inlined for the sake of that: among other copies it is made one.
    #[inline(never)]
    pub fn put_header(&mut self, section: &[u8]) {
        match <&[u8; HEADER_FRESH.len()]>::try_from(section) {
            Ok(section) => self.bytes.extend_from_slice(section),
            Err(_) => self.bytes.extend_from_slice(section),
        }
    }

    /// Appends a body.
    #[inline]
    pub fn put_body(&mut self, body: &Bytes) {
        if body.len() <= INLINE_MAX {
            self.bytes.extend_from_slice(body);
        } else {
            self.refer_to(body);
        }
    }

    #[inline(never)]
    fn refer_to(&mut self, body: &Bytes) {
        self.body_bytes += body.len();
        self.bodies.push_back((self.bytes.len(), body.clone()));
    }

    /// Octets that have not left yet.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start + self.body_bytes
    }

    /// Whether everything left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `slices` with the next segments and gives their number.
    pub fn segments<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        let mut from = self.start;
        let mut put = |segment: &'a [u8]| {
            if !segment.is_empty()
                && let Some(slot) = slices.get_mut(count)
            {
                *slot = IoSlice::new(segment);
                count += 1;
            }
        };
        for (at, body) in &self.bodies {
            put(self.bytes.get(from..*at).unwrap_or_default());
            put(body);
            from = *at;
        }
        put(self.bytes.get(from..).unwrap_or_default());
        count
    }

    /// The first `count` octets left.
    pub fn advance(&mut self, mut count: usize) {
        assert!(count <= self.len(), "no more leaves than there is");
        while count > 0 {
            let Some((at, body)) = self.bodies.front_mut() else {
                self.start += count;
                break;
            };
            let small = (*at - self.start).min(count);
            self.start += small;
            count -= small;
            let large = body.len().min(count);
            body.advance(large);
            self.body_bytes -= large;
            count -= large;
            if *at == self.start && body.is_empty() {
                self.bodies.pop_front();
            }
        }
        if self.start == self.bytes.len() && self.bodies.is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// Moves everything that has not left to the end of `flat`.
    pub fn drain_into(&mut self, flat: &mut Vec<u8>) {
        let mut from = self.start;
        for (at, body) in self.bodies.drain(..) {
            flat.extend_from_slice(self.bytes.get(from..at).unwrap_or_default());
            flat.extend_from_slice(&body);
            from = at;
        }
        flat.extend_from_slice(self.bytes.get(from..).unwrap_or_default());
        self.bytes.clear();
        self.start = 0;
        self.body_bytes = 0;
    }

    /// Gives the buffer back if nothing is in it.
    pub fn release(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Octets that the buffer itself holds.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_buffer_is_given_back_when_all_left() {
        let mut out = Out::default();
        out.buffer().extend_from_slice(&[1; 1000]);
        out.advance(999);
        out.release();
        assert_eq!(out.len(), 1, "what waits stays");
        out.advance(1);
        assert!(out.capacity() >= 1000, "for the next time");
        out.release();
        assert_eq!(out.capacity(), 0);
    }

    proptest! {
        #[test]
        fn bytes_leave_in_order(puts in proptest::collection::vec((0..6000_usize, 0..3_u8), 0..20), step in 1..5000_usize) {
            let mut out = Out::default();
            let mut expected = Vec::new();
            for (number, (len, way)) in puts.into_iter().enumerate() {
                let bytes = vec![number as u8; if way == 1 { len % 30 } else { len }];
                expected.extend_from_slice(&bytes);
                match way {
                    0 => out.put_body(&Bytes::from(bytes)),
                    1 => out.put_header(&bytes),
                    _ => out.buffer().extend_from_slice(&bytes),
                }
            }
            let mut left = Vec::new();
            while !out.is_empty() {
                let mut slices = [IoSlice::new(&[]); 3];
                let count = out.segments(&mut slices);
                let flat: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                let taken = step.min(flat.len());
                left.extend_from_slice(&flat[..taken]);
                out.advance(taken);
            }
            prop_assert_eq!(left, expected);
        }
    }
}
