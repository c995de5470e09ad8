//! The transfer frames of a link that sends: how a delivery starts, and which frames a message makes.
//!
//! Guarantees: no frame is larger than the peer takes; the first one of a delivery says what there is to say of it, the others nothing.
//! Not here: whether there is credit, window and room (`session`).

use amqp_codec::performative::{DeliveryState, SenderSettleMode, Transfer, encode_transfer};
use engine_message::encode::uint_bytes;

use crate::endpoint::Endpoint;
use crate::flag::Settled;
use crate::limits::TRANSACTION_ID_BYTES_MAX;
use crate::out::Out;
use crate::sending::{Kept, Manner, Send, Under};
use crate::unsettled::Unsettled;

/// Frame header and the longest transfer that is written here, octets: 36, and with a transaction 10 and its identifier.
const TRANSFER_BYTES_MAX: usize = 48 + TRANSACTION_ID_BYTES_MAX;
/// Those of a frame that goes on with a delivery, but for its handle: 11, and a list of 3 with three nulls and two booleans. Nothing shorter
/// can be written, so that what came in one frame goes out in one of the same size.
const CONTINUED_BYTES: usize = 19;

/// A delivery that starts.
#[derive(Clone, Copy)]
pub(crate) struct Starting {
    pub handle: u32,
    pub settled: Settled,
    pub key: u64,
}

/// Where frames of a link go to.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub channel: u16,
    pub handle: u32,
    /// Largest frame that it takes, octets.
    pub max_frame: u32,
}

/// Starts a delivery: it takes a number and a credit, and waits for its outcome unless it is settled.
#[inline(always)]
pub(crate) fn start(
    link: &mut Endpoint,
    starting: Starting,
    next_delivery_id: &mut u32,
    unsettled: &mut Unsettled,
) -> Under {
    let delivery = *next_delivery_id;
    *next_delivery_id = delivery.wrapping_add(1);
    match starting.settled {
        Settled::Yes => unsettled.skip(delivery),
        Settled::No => unsettled.push(delivery, starting.handle, starting.key),
    }
    link.credit -= 1;
    link.delivery_count = link.delivery_count.wrapping_add(1);
    link.sending.next_tag = link.sending.next_tag.wrapping_add(1);
    Under { delivery, sent: 0, begun: false }
}

/// Whether a message of `bytes` octets is one frame of at most `max_frame`.
#[inline]
pub(crate) fn fits_frame(bytes: usize, max_frame: u32) -> bool {
    bytes + TRANSFER_BYTES_MAX <= max_frame as usize
}

/// The state that says which transaction a delivery belongs to, if it does (part 4.4.2).
pub(crate) fn enlisted(link: &Endpoint) -> Option<DeliveryState<'_>> {
    match &link.sending.manner {
        Some(Manner::Enlisted(txn_id)) => Some(DeliveryState::Transactional { txn_id, outcome: None }),
        Some(Manner::TaggedByKey) | None => None,
    }
}

/// The tags that a delivery may have: its number on its link, or its key.
pub(crate) struct Tags {
    counted: [u8; 4],
    key: [u8; 8],
}

impl Tags {
    /// Those of the delivery with that key which started last.
    pub fn of(link: &Endpoint, key: u64) -> Self {
        Self { counted: link.sending.next_tag.to_be_bytes(), key: key.to_be_bytes() }
    }

    /// The one that is said on a link.
    pub fn said(&self, link: &Endpoint) -> &[u8] {
        if matches!(link.sending.manner, Some(Manner::TaggedByKey)) { &self.key } else { &self.counted }
    }
}

/// Whether a delivery with these particulars can be sent in frames of at most `max_frame` octets.
pub(crate) fn fits_particulars(kept: &Kept, max_frame: u32) -> bool {
    TRANSFER_BYTES_MAX + kept.bytes() < max_frame as usize
}

/// Writes one frame of a delivery; gives how much of the message is then sent, octets.
#[inline]
pub(crate) fn transmit_frame(
    to: Peer,
    link: &Endpoint,
    send: &Send<'_>,
    kept: Option<&Kept>,
    under: Under,
    out: &mut Out,
) -> usize {
    let first = !under.begun;
    let kept = kept.filter(|_| first);
    let prefix = send.prefix;
    let total = prefix.len() + send.body.len();
    let around =
        if first { TRANSFER_BYTES_MAX + kept.map_or(0, Kept::bytes) } else { CONTINUED_BYTES + uint_bytes(to.handle) };
    let room = to.max_frame as usize - around;
    let end = total.min(under.sent + room);
    let tags = Tags::of(link, send.key);
    let mut transfer = Transfer {
        handle: to.handle,
        delivery_id: first.then_some(under.delivery),
        delivery_tag: first.then(|| tags.said(link)),
        message_format: first.then_some(send.format),
        settled: Some(send.settled.is_yes()),
        more: end < total || send.part.goes_on(),
        state: enlisted(link).filter(|_| first),
        ..Transfer::default()
    };
    if let Some(kept) = kept {
        kept.fill(&mut transfer);
    }
    encode_transfer(out.buffer(), to.channel, &transfer, end - under.sent);
    if let Some(rest) = prefix.get(under.sent..) {
        let now = rest.get(..end - under.sent).unwrap_or(rest);
        out.buffer().extend_from_slice(now);
    }
    let body = under.sent.saturating_sub(prefix.len())..end.saturating_sub(prefix.len());
    if body.start == 0 && body.end == send.body.len() {
        out.put_body(send.body);
    } else {
        out.put_body(&send.body.slice(body));
    }
    end
}

/// Writes the frame that gives up the delivery under way on a link.
pub(crate) fn write_abort(to: Peer, out: &mut Out) {
    let transfer = Transfer { handle: to.handle, aborted: true, ..Transfer::default() };
    encode_transfer(out.buffer(), to.channel, &transfer, 0);
}

/// Whether a delivery is settled by being sent on a link of this mode.
pub(crate) fn settled_by(mode: SenderSettleMode, host: Settled) -> Settled {
    match mode {
        SenderSettleMode::Settled => Settled::Yes,
        SenderSettleMode::Unsettled => Settled::No,
        SenderSettleMode::Mixed => host,
    }
}
