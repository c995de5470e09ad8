//! The transfer that comes by the million: a whole message in one frame, nothing out of the ordinary, short encodings.
//!
//! Guarantees: what `decode_plain` takes means the same to the general decoder (the tests hold them against each other);
//! what it does not take is left to that one, errors included. What `encode_plain` writes any decoder reads.

use crate::frame::HEADER_BYTES;
use engine_message::constructor as code;

use super::code::TRANSFER;
use super::transfer::TAG_BYTES_MAX;

/// The fields that such a transfer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainTransfer<'a> {
    /// The link, by the sender's handle.
    pub handle: u32,
    /// Its number in the session; serial (RFC 1982).
    pub delivery_id: u32,
    /// Its tag.
    pub tag: &'a [u8],
    /// Version and format of the message.
    pub message_format: u32,
    /// Whether the sender has settled.
    pub settled: bool,
    /// The whole message.
    pub payload: &'a [u8],
}

/// Decodes a frame's body if it is a plain transfer.
#[inline]
pub fn decode_plain(body: &[u8]) -> Option<PlainTransfer<'_>> {
    let [code::DESCRIBED, code::ULONG_SMALL, descriptor, list @ ..] = body else { return None };
    if u64::from(*descriptor) != TRANSFER {
        return None;
    }
    let (count, fields, payload) = match list {
        [code::LIST_8, size, count, rest @ ..] => {
            let (fields, payload) = rest.split_at_checked(usize::from(*size).checked_sub(1)?)?;
            (u32::from(*count), fields, payload)
        }
        [code::LIST_32, a, b, c, d, e, f, g, h, rest @ ..] => {
            let size = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let (fields, payload) = rest.split_at_checked(size.checked_sub(4)?)?;
            (u32::from_be_bytes([*e, *f, *g, *h]), fields, payload)
        }
        _ => return None,
    };
    let (handle, fields) = uint(fields)?;
    let (delivery_id, fields) = uint(fields)?;
    let [code::BINARY_8, tag, fields @ ..] = fields else { return None };
    let (tag, fields) = fields.split_at_checked(usize::from(*tag)).filter(|(tag, _)| tag.len() <= TAG_BYTES_MAX)?;
    let (message_format, fields) = uint(fields)?;
    let (settled, rest) = match fields {
        [code::TRUE, rest @ ..] => (true, rest),
        [code::FALSE | code::NULL, rest @ ..] => (false, rest),
        [] => (false, fields),
        _ => return None,
    };
    let known = count == 4 + fields.len() as u32 && count <= 11 && are_defaults(rest);
    known.then_some(PlainTransfer { handle, delivery_id, tag, message_format, settled, payload })
}

/// Whether `more`, `rcv-settle-mode`, `state`, `resume`, `aborted` and `batchable`, as far as they are there, say nothing.
#[inline]
fn are_defaults(fields: &[u8]) -> bool {
    let says_nothing = |(place, &field): (usize, &u8)| match place {
        1 | 2 => field == code::NULL,
        5 => matches!(field, code::NULL | code::FALSE | code::TRUE),
        _ => matches!(field, code::NULL | code::FALSE),
    };
    fields.iter().enumerate().all(says_nothing)
}

#[inline]
fn uint(fields: &[u8]) -> Option<(u32, &[u8])> {
    match fields {
        [code::UINT_0, rest @ ..] => Some((0, rest)),
        [code::UINT_SMALL, small, rest @ ..] => Some((u32::from(*small), rest)),
        [code::UINT, a, b, c, d, rest @ ..] => Some((u32::from_be_bytes([*a, *b, *c, *d]), rest)),
        _ => None,
    }
}

/// Appends the frame header and the performative of a plain transfer whose payload of `payload_bytes` follows elsewhere;
/// the tag is four octets. Takes handles below 256 and message format 0.
// On its own the copy, whose length is known, is written out; among other copies it is made a call of `memcpy`.
#[inline(never)]
pub fn encode_plain(
    out: &mut Vec<u8>,
    channel: u16,
    handle: u8,
    delivery_id: u32,
    tag: u32,
    settled: bool,
    payload_bytes: usize,
) {
    out.extend_from_slice(&plain((channel, handle), (delivery_id, tag, 0), settled, payload_bytes));
}

/// The same with two more octets in the tag.
#[inline(never)]
pub fn encode_plain_marked(
    out: &mut Vec<u8>,
    (channel, handle): (u16, u8),
    delivery_id: u32,
    (tag, mark): (u32, u16),
    settled: bool,
    payload_bytes: usize,
) {
    put_longer(out, (channel, handle), (delivery_id, tag), mark.to_be_bytes(), settled, payload_bytes);
}

/// Appends a plain transfer with these octets behind the four of its tag.
#[inline(always)]
pub(super) fn put_longer<const MORE: usize>(
    out: &mut Vec<u8>,
    at: (u16, u8),
    (delivery_id, tag): (u32, u32),
    more: [u8; MORE],
    settled: bool,
    payload_bytes: usize,
) {
    let frame = plain(at, (delivery_id, tag, MORE as u8), settled, payload_bytes);
    // The tag ends before the format and whether it is settled.
    let (front, back) = frame.split_at(BYTES - 2);
    out.extend_from_slice(front);
    out.extend_from_slice(&more);
    out.extend_from_slice(back);
}

/// Octets of the fields of a plain transfer, with the first one of its list.
const FIELDS: u8 = 16;
/// Octets of such a frame in front of its payload.
const BYTES: usize = HEADER_BYTES + 6 + FIELDS as usize - 1;

/// A plain transfer whose tag has so many octets more, which are to be put in front of the last two.
#[inline(always)]
fn plain(
    (channel, handle): (u16, u8),
    (delivery_id, tag, more): (u32, u32, u8),
    settled: bool,
    payload_bytes: usize,
) -> [u8; BYTES] {
    let bytes = BYTES + usize::from(more) + payload_bytes;
    let size = u32::try_from(bytes).expect("a frame is smaller than 4 GiB");
    let ([a, b, c, d], [high, low]) = (size.to_be_bytes(), channel.to_be_bytes());
    let ([i, j, k, l], [w, x, y, z]) = (delivery_id.to_be_bytes(), tag.to_be_bytes());
    let settled = if settled { code::TRUE } else { code::FALSE };
    [
        a,
        b,
        c,
        d,
        2,
        0,
        high,
        low,
        code::DESCRIBED,
        code::ULONG_SMALL,
        TRANSFER as u8,
        code::LIST_8,
        FIELDS + more,
        5,
        code::UINT_SMALL,
        handle,
        code::UINT,
        i,
        j,
        k,
        l,
        code::BINARY_8,
        4 + more,
        w,
        x,
        y,
        z,
        code::UINT_0,
        settled,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Split, split};
    use crate::performative::{Performative, Transfer, decode, encode_transfer};
    use proptest::prelude::*;

    /// What the general decoder makes of a body, as far as it is a plain transfer.
    fn general(body: &[u8]) -> PlainTransfer<'_> {
        let (Performative::Transfer(transfer), payload) = decode(body).expect("what the short way takes is valid")
        else {
            panic!("not a transfer");
        };
        let ordinary = !transfer.more && !transfer.aborted && !transfer.resume && transfer.state.is_none();
        assert!(ordinary && transfer.rcv_settle_mode.is_none() && transfer.delivery_tag.is_some());
        PlainTransfer {
            handle: transfer.handle,
            delivery_id: transfer.delivery_id.expect("it has one"),
            tag: transfer.delivery_tag.unwrap_or_default(),
            message_format: transfer.message_format.unwrap_or(0),
            settled: transfer.settled.unwrap_or(false),
            payload,
        }
    }

    proptest! {
        #[test]
        fn both_ways_agree(
            id in any::<u32>(), handle in 0..400_u32, tag in proptest::collection::vec(any::<u8>(), 0..34),
            settled in any::<Option<bool>>(), flags in any::<[bool; 4]>(), flip in any::<Option<(u8, u8)>>(),
        ) {
            let [more, resume, aborted, batchable] = flags;
            let (delivery_tag, message_format) = (Some(tag.as_slice()), Some(id % 3));
            let transfer = Transfer {
                handle, delivery_id: Some(id), delivery_tag, message_format, settled, more, resume, aborted, batchable,
                ..Transfer::default()
            };
            let mut out = Vec::new();
            encode_transfer(&mut out, 7, &transfer, 3);
            out.extend_from_slice(b"abc");
            if let Some((place, value)) = flip {
                let place = HEADER_BYTES + usize::from(place) % (out.len() - HEADER_BYTES);
                out[place] = value;
            }
            let taken = decode_plain(&out[HEADER_BYTES..]);
            if let Some(plain) = taken {
                prop_assert_eq!(plain, general(&out[HEADER_BYTES..]));
            }
            let ordinary = !more && !resume && !aborted && tag.len() <= TAG_BYTES_MAX && settled.is_some();
            prop_assert!(!(ordinary && flip.is_none()) || taken.is_some(), "the short way is taken");
        }
    }

    proptest! {
        #[test]
        fn both_ways_write_the_same(
            channel in any::<u16>(), handle in any::<u8>(), id in any::<u32>(), tag in any::<u32>(), settled in any::<bool>(),
            mark in any::<Option<u16>>(), payload in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let (mut short, mut long) = (Vec::new(), Vec::new());
            match mark {
                None => encode_plain(&mut short, channel, handle, id, tag, settled, payload.len()),
                Some(mark) => {
                    encode_plain_marked(&mut short, (channel, handle), id, (tag, mark), settled, payload.len());
                }
            }
            let tag: Vec<u8> =
                tag.to_be_bytes().into_iter().chain(mark.into_iter().flat_map(u16::to_be_bytes)).collect();
            let transfer = Transfer {
                handle: u32::from(handle),
                delivery_id: Some(id),
                delivery_tag: Some(&tag),
                message_format: Some(0),
                settled: Some(settled),
                ..Transfer::default()
            };
            encode_transfer(&mut long, channel, &transfer, payload.len());
            for frame in [&mut short, &mut long] {
                frame.extend_from_slice(&payload);
            }
            let read = |bytes: &[u8]| match split(bytes, u32::MAX) {
                Ok(Split::Frame { frame, bytes: length }) if length == bytes.len() => {
                    let decoded = decode(frame.body).map(|(performative, rest)| (format!("{performative:?}"), rest.to_vec()));
                    (frame.channel, decoded.expect("what is written is valid"))
                }
                other => panic!("one frame, not {other:?}"),
            };
            prop_assert_eq!(read(&short), read(&long));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        encode_plain(&mut out, 9, 200, 0x0102_0304, 7, true, 2);
        out.extend_from_slice(b"hi");
        let Ok(Split::Frame { frame, bytes }) = split(&out, 512) else { panic!("no frame: {out:?}") };
        assert_eq!((bytes, frame.channel), (out.len(), 9));
        let plain = decode_plain(frame.body).expect("plain");
        assert_eq!(plain, general(frame.body));
        assert_eq!(
            (plain.handle, plain.delivery_id, plain.settled, plain.payload),
            (200, 0x0102_0304, true, &b"hi"[..])
        );
    }
}
