//! A message as a queue holds it: the five header fields by value, everything else as shared bytes.
//!
//! A clone copies no payload. The bytes are never looked into here.

use std::num::NonZeroU64;

use bytes::Bytes;
use engine_message::section;

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

impl Header {
    /// Of a message that comes from its sender with such a header section.
    #[inline]
    #[must_use]
    pub fn of_arrival(section: &section::Header) -> Self {
        let section::Header { durable, priority, delivery_count, .. } = *section;
        Self { durable, priority, first_acquirer: true, delivery_count }
    }
}

impl Default for Header {
    fn default() -> Self {
        Self { durable: false, priority: 4, first_acquirer: false, delivery_count: 0 }
    }
}

/// Where the sections of a message are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// In its body.
    Here,
    /// In a file; the body says which ([`Large`]).
    File,
}

/// What the body of a large message says of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Large {
    /// Its id, never used again while a message names it.
    pub id: u64,
    /// Its length, octets.
    pub bytes: u64,
    /// CRC32C of all of its octets.
    pub checksum: u32,
}

impl Large {
    /// As a body.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut body = Vec::with_capacity(20);
        body.extend_from_slice(&self.id.to_le_bytes());
        body.extend_from_slice(&self.bytes.to_le_bytes());
        body.extend_from_slice(&self.checksum.to_le_bytes());
        body.into()
    }

    /// From a body; `None` when it is none.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let (id, rest) = body.split_first_chunk()?;
        let (bytes, rest) = rest.split_first_chunk()?;
        let checksum = u32::from_le_bytes(*rest.first_chunk()?);
        Some(Self { id: u64::from_le_bytes(*id), bytes: u64::from_le_bytes(*bytes), checksum })
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
    /// Whether they are there.
    pub content: Content,
    /// The message may be dropped from this wall time on, in milliseconds since the epoch: when it came plus its time to live.
    pub expires_wall_ms: Option<NonZeroU64>,
}

impl Message {
    /// A non-durable message with default header and format 0.
    #[must_use]
    pub fn new(body: Bytes) -> Self {
        Self { header: Header::default(), format: 0, body, content: Content::Here, expires_wall_ms: None }
    }

    /// The file of a large message.
    #[must_use]
    pub fn large(&self) -> Option<Large> {
        if self.content == Content::File { Large::decode(&self.body) } else { None }
    }

    /// What the message costs a budget, in bytes: its body and a constant for its place in a queue.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.body.len() as u64 + MESSAGE_OVERHEAD
    }
}

const _: () = assert!(size_of::<Message>() <= 56);
