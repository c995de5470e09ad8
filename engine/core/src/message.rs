//! A message as a queue holds it: the five header fields by value, everything else as shared bytes.
//!
//! A clone copies no payload. The bytes are never looked into here.

use std::num::NonZeroU64;

use bytes::Bytes;

use crate::limits::MESSAGE_OVERHEAD;

/// The fields of the header section (part 3.2.1), with the specification's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The message must survive a restart of its node.
    pub durable: bool,
    /// 0 to 9 in practice; 4 when the sender says nothing.
    pub priority: u8,
    /// Nobody has acquired the message before. True only on the first delivery.
    pub first_acquirer: bool,
    /// How many earlier deliveries failed.
    pub delivery_count: u32,
}

impl Default for Header {
    fn default() -> Self {
        Self { durable: false, priority: 4, first_acquirer: false, delivery_count: 0 }
    }
}

/// One message. Cloning shares the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The header section's fields.
    pub header: Header,
    /// The transfer's message-format.
    pub format: u32,
    /// All sections after the header and the delivery-annotations, encoded.
    pub body: Bytes,
    /// The message may be dropped from this wall time on, in milliseconds since the epoch: when it came plus its time to live.
    pub expires_wall_ms: Option<NonZeroU64>,
}

impl Message {
    /// A non-durable message with default header and format 0.
    #[must_use]
    pub fn new(body: Bytes) -> Self {
        Self { header: Header::default(), format: 0, body, expires_wall_ms: None }
    }

    /// What the message costs a budget, in bytes: its body and a constant for its place in a queue.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.body.len() as u64 + MESSAGE_OVERHEAD
    }
}

const _: () = assert!(size_of::<Message>() <= 56);
