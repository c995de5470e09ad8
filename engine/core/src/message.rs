//! A message as a queue holds it: the five header fields by value, everything else as shared bytes.
//!
//! A clone copies no payload. The bytes are never looked into here, but for what is in front of a message's content.

use std::num::NonZeroU64;

use bytes::Bytes;
use engine_message::reader::Reader;
use engine_message::value::{Map, Value};
use engine_message::{constructor, section};

use crate::limits::{LARGE_FRONT_MAX, MESSAGE_OVERHEAD, MOVED_ANNOTATIONS_MAX};

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
        self.encode_with(&[], &[])
    }

    /// As a body, with annotations (an encoded map) that the file has not, and a copy of the sections in front of the file's content
    /// ([`large_front`]).
    #[must_use]
    pub fn encode_with(&self, annotations: &[u8], front: &[u8]) -> Bytes {
        let mut body = Vec::with_capacity(Self::BYTES + annotations.len() + front.len());
        body.extend_from_slice(&self.id.to_le_bytes());
        body.extend_from_slice(&self.bytes.to_le_bytes());
        body.extend_from_slice(&self.checksum.to_le_bytes());
        body.extend_from_slice(annotations);
        body.extend_from_slice(front);
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

/// A properties section that says nothing: the copy of a message's front that has none of its sections.
const NO_PROPERTIES: [u8; 4] = [0x00, 0x53, 0x73, 0x45];

/// What of the first part of a large message is kept beside its file: its message annotations, properties and application properties, for
/// whoever looks at them (selectors, groups, ids). Nothing if they are more than [`LARGE_FRONT_MAX`] octets.
#[must_use]
pub fn large_front(first: &[u8]) -> Vec<u8> {
    let Ok(sections) = section::scan_front(first) else { return Vec::new() };
    let ends = [&sections.message_annotations, &sections.properties, &sections.application_properties].map(|of| of.end);
    let front = first.get(sections.kept()..ends.into_iter().max().unwrap_or(0)).unwrap_or_default();
    match front.len() {
        0 => NO_PROPERTIES.to_vec(),
        length if length > LARGE_FRONT_MAX => Vec::new(),
        _ => front.to_vec(),
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

/// FNV-1a, 64 bits: names of groups, and ids of containers, are short, and told apart by nothing else.
pub(crate) fn spread(name: &[u8]) -> u64 {
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
        self.beside().0
    }

    /// The sections in front of its content, encoded, and perhaps more; of a large message nothing if it has more of them than are kept.
    #[must_use]
    pub fn front(&self) -> &[u8] {
        if self.content == Content::File { self.beside().1 } else { &self.body }
    }

    /// What is beside the file of a large message: annotations, and its front.
    fn beside(&self) -> (&[u8], &[u8]) {
        let beside =
            if self.content == Content::File { self.body.get(Large::BYTES..) } else { None }.unwrap_or_default();
        // A section begins with its descriptor, a map does not.
        if beside.first() == Some(&constructor::DESCRIBED) {
            return (&[], beside);
        }
        let mut reader = Reader::new(beside);
        let annotations = reader.skip().map_or(beside.len(), |()| reader.position());
        beside.split_at_checked(annotations).unwrap_or((beside, &[]))
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
        if !self.header.scheduled {
            return None;
        }
        match self.annotation(DELIVERY_TIME)? {
            Value::Long(time) | Value::Timestamp(time) => NonZeroU64::new(u64::try_from(time).ok()?),
            _ => None,
        }
    }

    /// One of its annotations, in its body or beside its file, if it can be read.
    pub(crate) fn annotation(&self, key: &str) -> Option<Value> {
        let encoded = match self.content {
            Content::Here => section::map_entry(section::front_annotations(&self.body), key),
            Content::File => section::encoded_entry(self.annotations_beside(), key),
        };
        Value::read(&mut Reader::new(encoded.ok()??)).ok()
    }

    /// The body with other annotations: those of a large message are beside its file, which is not written anew. `None` if they cannot be
    /// changed: they are not well-formed, or larger than 64 KiB.
    pub(crate) fn annotated(&self, change: impl FnOnce(&mut Map)) -> Option<Bytes> {
        let Some(large) = self.large() else {
            return section::change_annotations(&self.body, change).map(Bytes::from).ok();
        };
        let beside = self.annotations_beside();
        let mut map = if beside.is_empty() { Map::default() } else { Map::read(&mut Reader::new(beside)).ok()? };
        change(&mut map);
        let mut annotations = Vec::new();
        map.encode(&mut annotations);
        Some(large.encode_with(&annotations, self.front()))
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
        match self.annotation(MOVE_COUNT) {
            Some(Value::Uint(moves)) => Some(moves),
            _ => Some(0),
        }
    }

    /// The group that it belongs to, if it does.
    #[must_use]
    pub fn group(&self) -> Option<Group> {
        if !self.grouped {
            return None;
        }
        let front = self.front();
        let sections = section::scan_front(front).ok()?;
        let group = section::property_group(front.get(sections.properties)?)?;
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
        section::property_id(self.front())
    }

    /// The same, known to be of a group if its properties name one.
    #[must_use]
    pub fn regrouped(self) -> Self {
        let front = self.front();
        let sections = section::scan_front(front).unwrap_or_default();
        let properties = front.get(sections.properties).unwrap_or_default();
        let grouped = section::property_group(properties).is_some();
        Self { grouped, ..self }
    }

    /// What the message costs a budget, in bytes: its body and a constant for its place in a queue.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.body.len() as u64 + MESSAGE_OVERHEAD
    }
}

const _: () = assert!(size_of::<Message>() <= 56);

#[cfg(test)]
mod tests {
    use super::*;

    /// A properties section with a group, and application properties.
    const FRONT: [u8; 26] = [
        0x00, 0x53, 0x73, 0xc0, 14, 11, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0xa1, 1, b'g',
        0x00, 0x53, 0x74, 0xc1, 1, 0, 0x00,
    ];

    fn large(annotations: &[u8], front: &[u8]) -> Message {
        let body = Large { id: 1, bytes: 2, checksum: 3 }.encode_with(annotations, front);
        Message { content: Content::File, ..Message::new(body) }
    }

    #[test]
    fn what_is_beside_a_file_is_told_apart() {
        let mut annotations = Vec::new();
        let mut map = Map::default();
        map.set(MOVE_COUNT, Value::Uint(7));
        map.encode(&mut annotations);
        let front = &FRONT[..25];
        for (annotations, front) in [(&[][..], &[][..]), (&annotations, &[]), (&[], front), (&annotations, front)] {
            let message = large(annotations, front);
            assert_eq!((message.annotations_beside(), message.front()), (annotations, front));
            assert_eq!(message.moves(), Some(if annotations.is_empty() { 0 } else { 7 }));
            assert_eq!(message.large(), Some(Large { id: 1, bytes: 2, checksum: 3 }));
            assert_eq!(message.regrouped().group().is_some(), !front.is_empty());
        }
    }

    #[test]
    fn of_a_large_front_nothing_is_kept_and_of_none_that_there_is_none() {
        let body = [0x00, 0x53, 0x75, 0xb0, 0, 0x10, 0, 0, 1, 2, 3];
        let header = [0x00, 0x53, 0x70, 0xc0, 2, 1, 0x41];
        assert_eq!(large_front(&body), NO_PROPERTIES);
        assert_eq!(large_front(&[&header[..], &FRONT[..25], &body].concat()), &FRONT[..25]);
        let mut properties = vec![0x00, 0x53, 0x74, 0xd1];
        properties.extend(u32::try_from(LARGE_FRONT_MAX + 4 + 8).expect("it fits").to_be_bytes());
        properties.extend([0, 0, 0, 2, 0xa1, 1, b'k', 0xb1]);
        properties.extend(u32::try_from(LARGE_FRONT_MAX).expect("it fits").to_be_bytes());
        properties.resize(properties.len() + LARGE_FRONT_MAX, b'x');
        assert_eq!(large_front(&[&properties[..], &body].concat()), []);
        assert_eq!(large_front(&[0x00, 0x53, 0x99]), []);
    }
}
