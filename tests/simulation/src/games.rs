//! What a client does with credit beside giving it: it takes some back (part 2.6.7), and gives it again with its next flow.
//!
//! The client's machine only ever gives, so that the taking is put behind its own frames on their way out.

use amqp_codec::frame::{FrameKind, Split, split};
use amqp_codec::performative::{Performative, decode, encode_flow};
use test_support::Chance;

/// Puts a flow with less credit behind each one that gives some.
pub fn take_credit_back(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let mut taking = Vec::new();
    let mut rest = bytes.as_slice();
    while let Ok(Split::Frame { frame, bytes: length }) = split(rest, u32::MAX) {
        if frame.kind == FrameKind::Amqp
            && let Ok((Performative::Flow(mut flow), _)) = decode(frame.body)
            && let (Some(_), Some(credit), false) = (flow.handle, flow.link_credit, flow.drain)
            && credit > 0
        {
            flow.link_credit = Some(chance.between(0, u64::from(credit) - 1) as u32);
            encode_flow(&mut taking, frame.channel, &flow);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    bytes.extend_from_slice(&taking);
}
