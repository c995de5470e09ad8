//! A message as a queue holds it: the five header fields by value, everything else as shared bytes.
//!
//! A clone copies no payload. The bytes are never looked into here, but for the annotations of a large message.

use std::num::NonZeroU64;

use bytes::Bytes;
use engine_message::reader::Reader;
use engine_message::section;
use engine_message::value::{Map, Value};

use crate::limits::{MESSAGE_OVERHEAD, MOVED_ANNOTATIONS_MAX};

/// The priority of a message that says nothing of it (part 3.2.1).
pub const NORMAL_PRIORITY: u8 = 4;

/// Priorities that are told apart: 0 to 9. Higher ones are ordered as the highest, and sent on as they are.
pub const PRIORITIES: usize = 10;

/// The fields of the header section (part 3.2.1), with the specification's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The message must survive a restart of its node.
    pub durable: bool,
    /// 0 to 9 in practice; 4 when the sender says nothing.
    pub priority: u8,
    /// Nobody has acquired the message before. True only on the first delivery.
    pub first_acquirer: bool,
    /// Its annotations name a time before which it is not to be given ([`Message::not_before_ms`]).
    pub scheduled: bool,
    /// How many earlier deliveries failed.
    pub delivery_count: u32,
}

impl Header {
    /// Of a message that comes from its sender with such a header section.
    #[inline]
    #[must_use]
    pub fn of_arrival(section: &section::Header) -> Self {
        let section::Header { durable, priority, delivery_count, .. } = *section;
        Self { durable, priority, first_acquirer: true, scheduled: false, delivery_count }
    }
}

impl Default for Header {
    fn default() -> Self {
        let (durable, first_acquirer, scheduled) = (false, false, false);
        Self { durable, priority: NORMAL_PRIORITY, first_acquirer, scheduled, delivery_count: 0 }
    }
}

/// The annotation that names the time before which a scheduled message is not to be given: a long, milliseconds since the epoch.
pub const DELIVERY_TIME: &str = "x-opt-delivery-time";

/// The annotation that says how often a message moved from address to address: an uint.
pub const MOVE_COUNT: &str = "x-opt-MOVE-COUNT";

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
    /// Its length as a body, octets.
    const BYTES: usize = 20;

    /// As a body.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        self.encode_with(&[])
    }

    /// As a body, with annotations (an encoded map) that the file has not.
    #[must_use]
    pub fn encode_with(&self, annotations: &[u8]) -> Bytes {
        let mut body = Vec::with_capacity(Self::BYTES + annotations.len());
        body.extend_from_slice(&self.id.to_le_bytes());
        body.extend_from_slice(&self.bytes.to_le_bytes());
        body.extend_from_slice(&self.checksum.to_le_bytes());
        body.extend_from_slice(annotations);
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

/// The group of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// A number that its name is spread to.
    pub name: u64,
    /// Whether its sender closes it: its sequence number is -1.
    pub is_last: bool,
}

/// FNV-1a: names of groups are short, and told apart by nothing else.
fn spread(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
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
    /// Whether its properties name a group ([`Message::group`]).
    pub grouped: bool,
    /// Whether its application properties have an id that is to be looked for ([`Message::id`]): until that was done.
    pub unique: bool,
    /// The message may be dropped from this wall time on, in milliseconds since the epoch: when it came plus its time to live.
    pub expires_wall_ms: Option<NonZeroU64>,
}

impl Message {
    /// A non-durable message with default header and format 0.
    #[must_use]
    pub fn new(body: Bytes) -> Self {
        Self {
            header: Header::default(),
            format: 0,
            body,
            content: Content::Here,
            grouped: false,
            unique: false,
            expires_wall_ms: None,
        }
    }

    /// The file of a large message.
    #[must_use]
    pub fn large(&self) -> Option<Large> {
        if self.content == Content::File { Large::decode(&self.body) } else { None }
    }

    /// Annotations of a large message that are to be merged into those in its file when it is sent, an encoded map; empty without any.
    #[must_use]
    pub fn annotations_beside(&self) -> &[u8] {
        if self.content == Content::File { self.body.get(Large::BYTES..).unwrap_or_default() } else { &[] }
    }

    /// The first part of a large message's file with the annotations that it has not. Where its own are larger than the part it stays as it
    /// is.
    #[must_use]
    pub fn annotate_front(&self, first: Bytes) -> Bytes {
        let annotations = self.annotations_beside();
        if annotations.is_empty() {
            return first;
        }
        let others = Map::read(&mut Reader::new(annotations));
        let changed = others.and_then(|others| section::change_annotations(&first, |own| own.merge(others)));
        changed.map_or(first, Bytes::from)
    }

    /// The time before which it is not to be given, milliseconds since the epoch, if it is scheduled.
    #[must_use]
    pub fn not_before_ms(&self) -> Option<NonZeroU64> {
        let encoded = match self.content {
            _ if !self.header.scheduled => return None,
            Content::Here => section::map_entry(section::front_annotations(&self.body), DELIVERY_TIME),
            Content::File => section::encoded_entry(self.annotations_beside(), DELIVERY_TIME),
        };
        match Value::read(&mut Reader::new(encoded.ok()??)) {
            Ok(Value::Long(time) | Value::Timestamp(time)) => NonZeroU64::new(u64::try_from(time).ok()?),
            _ => None,
        }
    }

    /// How often it moved from address to address so far; `None` if it has annotations in which there is no room to say so.
    #[must_use]
    pub fn moves(&self) -> Option<u32> {
        let annotations = match self.content {
            Content::Here => section::front_annotations(&self.body),
            Content::File => self.annotations_beside(),
        };
        if annotations.len() > MOVED_ANNOTATIONS_MAX {
            return None;
        }
        let entry = match self.content {
            Content::Here => section::map_entry(annotations, MOVE_COUNT),
            Content::File => section::encoded_entry(annotations, MOVE_COUNT),
        };
        let Ok(Some(entry)) = entry else { return Some(0) };
        match Value::read(&mut Reader::new(entry)) {
            Ok(Value::Uint(moves)) => Some(moves),
            _ => Some(0),
        }
    }

    /// The group that it belongs to, if it does.
    #[must_use]
    pub fn group(&self) -> Option<Group> {
        if !self.grouped {
            return None;
        }
        let sections = section::scan_front(&self.body).ok()?;
        let group = section::property_group(self.body.get(sections.properties)?)?;
        Some(Group { name: spread(group.name), is_last: group.sequence == Some(u32::MAX) })
    }

    /// The annotations that have to be beside its file if it is scheduled, of which this is the first part: an encoded map, or nothing.
    #[must_use]
    pub fn waiting_beside(&self, first: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::new();
        let found = section::map_entry(section::front_annotations(first), DELIVERY_TIME);
        if self.header.scheduled
            && let Ok(Some(time)) = found
            && let Ok(time) = Value::read(&mut Reader::new(time))
        {
            let mut map = Map::default();
            map.set(DELIVERY_TIME, time);
            map.encode(&mut encoded);
        }
        encoded
    }

    /// The id by which its producer says which messages are the same: the value of the application property `_AMQ_DUPL_ID`, encoded.
    #[must_use]
    pub fn id(&self) -> Option<&[u8]> {
        section::property_id(&self.body)
    }

    /// The same, known to be of a group if its properties name one.
    #[must_use]
    pub fn regrouped(self) -> Self {
        let sections = section::scan_front(&self.body).unwrap_or_default();
        let properties = self.body.get(sections.properties).unwrap_or_default();
        let grouped = self.content == Content::Here && section::property_group(properties).is_some();
        Self { grouped, ..self }
    }

    /// What the message costs a budget, in bytes: its body and a constant for its place in a queue.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.body.len() as u64 + MESSAGE_OVERHEAD
    }
}

const _: () = assert!(size_of::<Message>() <= 56);
