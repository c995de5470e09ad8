//! Several small messages in one transfer, between two that have agreed on it: deliveries one after the other on one link, which begin with the
//! same octets and differ in the rest.
//!
//! The tag has eight octets: those of any transfer, the mark of `encode_plain_marked`, and how many messages there are. The payload has
//!
//! | what | octets |
//! |---|---|
//! | how long what all of them begin with is | 2 |
//! | how long each of their bodies is | 2 each |
//! | what all of them begin with | as told |
//! | the bodies, one behind the other | as told |
//!
//! The first one has the transfer's delivery-id, each other one the next (serial numbers, RFC 1982).
//!
//! Guarantees: `Bundle::read` takes what adds up to the octet, whatever it is given, and allocates nothing. Whose tags they are is not known here: who
//! has made no such agreement may have a tag of eight octets, too.

use super::plain::put_longer;

/// Octets of a number in the payload.
const NUMBER: usize = 2;

/// Octets of a payload without its messages and what they begin with.
#[must_use]
pub const fn bundle_overhead(messages: usize) -> usize {
    NUMBER + messages * NUMBER
}

/// How many messages a transfer with this tag has, if it has several: one, for all that this says.
#[inline]
#[must_use]
pub fn bundled(tag: &[u8]) -> Option<u16> {
    let &[_, _, _, _, _, _, high, low] = tag else { return None };
    Some(u16::from_be_bytes([high, low]))
}

/// Messages that came in one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundle<'a> {
    /// What all of them begin with.
    pub front: &'a [u8],
    lengths: &'a [[u8; NUMBER]],
    bodies: &'a [u8],
}

impl<'a> Bundle<'a> {
    /// Reads so many from a transfer's payload; `None` if it is none of as many, or of none.
    #[must_use]
    pub fn read(payload: &'a [u8], messages: u16) -> Option<Self> {
        let (numbers, rest) = payload.split_at_checked(bundle_overhead(usize::from(messages)))?;
        let (numbers, _) = numbers.as_chunks::<NUMBER>();
        let (front, lengths) = numbers.split_first()?;
        let (front, bodies) = rest.split_at_checked(usize::from(u16::from_be_bytes(*front)))?;
        let octets: usize = lengths.iter().map(|length| usize::from(u16::from_be_bytes(*length))).sum();
        (messages > 0 && octets == bodies.len()).then_some(Self { front, lengths, bodies })
    }

    /// Their bodies, in their order.
    pub fn bodies(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.bodies;
        self.lengths.iter().map(move |length| {
            let (body, behind) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).unwrap_or_default();
            rest = behind;
            body
        })
    }
}

/// What `encode_bundle` writes in front of the bodies, which follow elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct BundleHead<'a, L> {
    /// Delivery-id of the first message.
    pub delivery_id: u32,
    /// The first four octets of the tag.
    pub tag: u32,
    /// The mark behind them.
    pub mark: u16,
    /// Whether the sender has settled.
    pub settled: bool,
    /// What all messages begin with, at most 65,535 octets.
    pub front: &'a [u8],
    /// Octets of each body: of 65,535 messages at most.
    pub lengths: L,
}

/// Appends the frame header, the performative and the payload as far as its bodies, of `body_bytes` octets together, which follow. Takes handles
/// below 256.
///
/// # Panics
/// When there are more messages, or there is more in front of them, than can be said.
pub fn encode_bundle<L>(out: &mut Vec<u8>, (channel, handle): (u16, u8), head: &BundleHead<'_, L>, body_bytes: usize)
where
    L: ExactSizeIterator<Item = u16> + Clone,
{
    let BundleHead { delivery_id, tag, mark, settled, front, ref lengths } = *head;
    let messages = u16::try_from(lengths.len()).expect("as many as can be said");
    let front_bytes = u16::try_from(front.len()).expect("as much as can be said");
    let payload = bundle_overhead(lengths.len()) + front.len() + body_bytes;
    let ([a, b], [c, d]) = (mark.to_be_bytes(), messages.to_be_bytes());
    put_longer(out, (channel, handle), (delivery_id, tag), [a, b, c, d], settled, payload);
    out.extend_from_slice(&front_bytes.to_be_bytes());
    lengths.clone().for_each(|length| out.extend_from_slice(&length.to_be_bytes()));
    out.extend_from_slice(front);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Split, split};
    use crate::performative::decode_plain;
    use proptest::prelude::*;

    fn frame_of(front: &[u8], bodies: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        let lengths = bodies.iter().map(|body| body.len() as u16);
        let head = BundleHead { delivery_id: 0xffff_fffe, tag: 7, mark: 0x0102, settled: false, front, lengths };
        encode_bundle(&mut out, (9, 200), &head, bodies.iter().map(Vec::len).sum());
        bodies.iter().for_each(|body| out.extend_from_slice(body));
        out
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            front in proptest::collection::vec(any::<u8>(), 0..40),
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 1..20),
        ) {
            let out = frame_of(&front, &bodies);
            let Ok(Split::Frame { frame, bytes }) = split(&out, u32::MAX) else { panic!("no frame: {out:?}") };
            prop_assert_eq!((bytes, frame.channel), (out.len(), 9));
            let plain = decode_plain(frame.body).expect("it is a plain transfer");
            prop_assert_eq!((plain.handle, plain.delivery_id, plain.settled, plain.message_format), (200, 0xffff_fffe, false, 0));
            prop_assert_eq!(plain.tag, &[0, 0, 0, 7, 1, 2, 0, bodies.len() as u8]);
            let messages = bundled(plain.tag).expect("it has several");
            let bundle = Bundle::read(plain.payload, messages).expect("as written");
            prop_assert_eq!(bundle.front, &front[..]);
            prop_assert!(bundle.bodies().eq(bodies.iter().map(Vec::as_slice)));
            // Another count, or an octet more or less, does not add up.
            for (payload, messages) in [(plain.payload, messages + 1), (plain.payload, 0), (&plain.payload[..plain.payload.len() - 1], messages)] {
                prop_assert!(Bundle::read(payload, messages).is_none_or(|read| read.bodies().count() != bodies.len()));
            }
        }
    }

    #[test]
    fn it_lies_on_the_wire_as_told() {
        let out = frame_of(b"H", &[b"one".to_vec(), Vec::new(), b"3".to_vec()]);
        let performative = [
            &[0, 0, 0, 46, 2, 0, 0, 9, 0x00, 0x53, 0x14, 0xc0, 20, 5, 0x52, 200, 0x70, 0xff, 0xff, 0xff, 0xfe][..],
            &[0xa0, 8, 0, 0, 0, 7, 1, 2, 0, 3, 0x43, 0x42],
        ];
        let payload = [&[0, 1, 0, 3, 0, 0, 0, 1][..], b"H", b"one", b"3"];
        let expected = [performative.concat(), payload.concat()].concat();
        assert_eq!(out, expected, "{out:x?}");
    }

    #[test]
    fn a_tag_of_another_length_says_nothing() {
        for octets in (0..12).filter(|&octets| octets != 8) {
            assert_eq!(bundled(&vec![1; octets]), None);
        }
        assert_eq!(bundled(&[0, 0, 0, 0, 0, 0, 1, 2]), Some(0x0102));
    }
}
