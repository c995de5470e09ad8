//! The sections of a message (part 3.2), located without being decoded.
//!
//! Guarantees: `scan` looks at one constructor and size a section; its cost does not depend on the message's size. The
//! bare message (properties, application properties, body) is never rewritten by anything here.

use std::ops::Range;

use crate::constructor::ULONG_SMALL;
use crate::encode::{self, Compound};
use crate::error::{DecodeError, ErrorKind};
use crate::fields::Fields;
use crate::reader::Reader;
use crate::value::{Map, descriptor_code};

pub use crate::properties::{
    PropertyGroup, Terms, clear_expiry, property_expiry, property_group, property_id, property_terms, property_to,
    property_user_id, set_property,
};

const HEADER: u64 = 0x70;
const DELIVERY_ANNOTATIONS: u64 = 0x71;
const MESSAGE_ANNOTATIONS: u64 = 0x72;
pub(crate) const PROPERTIES: u64 = 0x73;
pub(crate) const APPLICATION_PROPERTIES: u64 = 0x74;
const DATA: u64 = 0x75;
const SEQUENCE: u64 = 0x76;
const VALUE: u64 = 0x77;
const FOOTER: u64 = 0x78;

const NAMES: [(u64, &str); 9] = [
    (HEADER, "amqp:header:list"),
    (DELIVERY_ANNOTATIONS, "amqp:delivery-annotations:map"),
    (MESSAGE_ANNOTATIONS, "amqp:message-annotations:map"),
    (PROPERTIES, "amqp:properties:list"),
    (APPLICATION_PROPERTIES, "amqp:application-properties:map"),
    (DATA, "amqp:data:binary"),
    (SEQUENCE, "amqp:amqp-sequence:list"),
    (VALUE, "amqp:amqp-value:*"),
    (FOOTER, "amqp:footer:map"),
];

/// The header section of a message without properties of its own, on its first delivery: nearly all are.
pub const HEADER_FRESH: [u8; 10] = [0x00, 0x53, 0x70, 0xc0, 5, 4, 0x40, 0x40, 0x40, 0x41];

/// Where the sections of a message are, octets from its start; an empty range for one that is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    /// Part 3.2.1
    pub header: Range<usize>,
    /// Part 3.2.2
    pub delivery_annotations: Range<usize>,
    /// Part 3.2.3
    pub message_annotations: Range<usize>,
    /// Part 3.2.4
    pub properties: Range<usize>,
    /// Part 3.2.5
    pub application_properties: Range<usize>,
    /// Parts 3.2.6 to 3.2.8, all sections of the body
    pub body: Range<usize>,
    /// Part 3.2.9
    pub footer: Range<usize>,
}

impl Sections {
    /// Where what travels unchanged from end to end starts: everything behind header and delivery annotations.
    pub fn kept(&self) -> usize {
        self.header.end.max(self.delivery_annotations.end)
    }
}

/// Locates the sections of a message.
///
/// # Errors
/// When a section is truncated, unknown, repeated (other than data and sequence) or out of order. A message without
/// any section is none of these: some clients send nothing for an empty body.
pub fn scan(message: &[u8]) -> Result<Sections, DecodeError> {
    let mut sections = Sections::default();
    walk(message, |code, range| match code {
        HEADER => sections.header = range,
        DELIVERY_ANNOTATIONS => sections.delivery_annotations = range,
        MESSAGE_ANNOTATIONS => sections.message_annotations = range,
        PROPERTIES => sections.properties = range,
        APPLICATION_PROPERTIES => sections.application_properties = range,
        FOOTER => sections.footer = range,
        // Data and sequence may come several times, one behind the other.
        _ if sections.body.is_empty() => sections.body = range,
        _ => sections.body.end = range.end,
    })?;
    Ok(sections)
}

/// What stands before all that travels unchanged from end to end, octets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Front {
    /// Where the header section ends, which starts with the message; 0 without one.
    pub header_end: usize,
    /// Where header and delivery annotations end.
    pub kept: usize,
    /// Where the properties are.
    pub properties: Range<usize>,
    /// Whether there are message annotations, or application properties.
    pub described: bool,
}

/// Locates what stands before the sections that travel: as `scan`, with the same errors, for those who need no more of it.
///
/// # Errors
/// As `scan`.
// Part of the two loops over messages, in each of which it is once.
#[inline(always)]
pub fn front(message: &[u8]) -> Result<Front, DecodeError> {
    let mut front = Front::default();
    walk(message, |code, range| match code {
        HEADER => (front.header_end, front.kept) = (range.end, range.end),
        DELIVERY_ANNOTATIONS => front.kept = range.end,
        MESSAGE_ANNOTATIONS | APPLICATION_PROPERTIES => front.described = true,
        PROPERTIES => front.properties = range,
        _ => {}
    })?;
    Ok(front)
}

/// Shows `see` each section of a message, by its code, if all of them are known and in their order.
#[inline(always)]
fn walk(message: &[u8], mut see: impl FnMut(u64, Range<usize>)) -> Result<(), DecodeError> {
    let mut reader = Reader::new(message);
    let mut last = 0;
    while !reader.is_empty() {
        let start = reader.position();
        let code = match next_short(&mut reader) {
            Some(code) => code,
            None => next_long(&mut reader)?,
        };
        // They come in the order of their codes; a body is of one kind, of which data and sequences may be several.
        let follows = match code {
            DATA | SEQUENCE => last < DATA || last == code,
            VALUE => last < DATA,
            other => other > last,
        };
        if !follows {
            return Err(DecodeError { kind: ErrorKind::SectionOrder, offset: start });
        }
        if !(HEADER..=FOOTER).contains(&code) {
            return Err(DecodeError { kind: ErrorKind::UnknownDescriptor(Some(code)), offset: start });
        }
        see(code, start..reader.position());
        last = code;
    }
    Ok(())
}

/// Skips a section in any encoding; gives its code.
#[cold]
fn next_long(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let offset = reader.position();
    let descriptor = reader.descriptor()?;
    reader.skip()?;
    descriptor_code(descriptor, &NAMES).ok_or(DecodeError { kind: ErrorKind::UnknownDescriptor(None), offset })
}

/// Locates the sections before the body of a message of which only the start is there.
///
/// # Errors
/// As `scan`, and when the body does not begin within `start`.
pub fn scan_front(start: &[u8]) -> Result<Sections, DecodeError> {
    let mut reader = Reader::new(start);
    while !reader.is_empty() {
        let end = reader.position();
        let code = descriptor_code(reader.descriptor()?, &NAMES);
        if matches!(code, Some(DATA..=FOOTER)) {
            return scan(start.get(..end).unwrap_or_default());
        }
        reader.skip()?;
    }
    scan(start)
}

/// Skips a section in the encoding that nearly all have; gives its code.
#[inline]
fn next_short(reader: &mut Reader<'_>) -> Option<u64> {
    use crate::constructor as code;
    let (section, bytes) = match reader.rest() {
        [code::DESCRIBED, code::ULONG_SMALL, section, code::BINARY_8 | code::LIST_8 | code::MAP_8, size, ..] => {
            (*section, 5 + usize::from(*size))
        }
        [
            code::DESCRIBED,
            code::ULONG_SMALL,
            section,
            code::BINARY_32 | code::LIST_32 | code::MAP_32,
            a,
            b,
            c,
            d,
            ..,
        ] => (*section, 8 + u32::from_be_bytes([*a, *b, *c, *d]) as usize),
        _ => return None,
    };
    reader.take(bytes).ok()?;
    Some(u64::from(section))
}

/// The fields of the header section; a message without one has the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether the message must survive a restart.
    pub durable: bool,
    /// 0 to 255; 4 is normal.
    pub priority: u8,
    /// Time to live, milliseconds.
    pub ttl_ms: Option<u32>,
    /// Whether nobody acquired the message before.
    pub first_acquirer: bool,
    /// Failed deliveries so far.
    pub delivery_count: u32,
}

impl Default for Header {
    fn default() -> Self {
        Self { durable: false, priority: 4, ttl_ms: None, first_acquirer: false, delivery_count: 0 }
    }
}

impl Header {
    /// What `HEADER_FRESH` says.
    const FRESH: Self = Self { durable: false, priority: 4, ttl_ms: None, first_acquirer: true, delivery_count: 0 };

    /// Decodes a header section; an empty one gives the defaults.
    ///
    /// # Errors
    /// When a field is not well-formed.
    #[inline]
    pub fn decode(section: &[u8]) -> Result<Self, DecodeError> {
        if section.is_empty() {
            return Ok(Self::default());
        }
        // As nodes like this one pass most of them on.
        if section == HEADER_FRESH {
            return Ok(Self::FRESH);
        }
        let mut reader = Reader::new(section);
        reader.descriptor()?;
        let mut fields = Fields::new(reader.list()?);
        Ok(Self {
            durable: fields.flag()?,
            priority: fields.next(Reader::ubyte)?.unwrap_or(4),
            ttl_ms: fields.next(Reader::uint)?,
            first_acquirer: fields.flag()?,
            delivery_count: fields.next(Reader::uint)?.unwrap_or(0),
        })
    }

    /// Appends the section, or nothing when every field has its default.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        if *self == Self::FRESH {
            return out.extend_from_slice(&HEADER_FRESH);
        }
        if *self == Self::default() {
            return;
        }
        let mut list = Compound::described(out, HEADER.to_be_bytes()[7]);
        list.put_flag(self.durable)
            .put_some(Some(self.priority).filter(|&priority| priority != 4), encode::ubyte)
            .put_some(self.ttl_ms, encode::uint)
            .put_flag(self.first_acquirer)
            .put_some(Some(self.delivery_count).filter(|&count| count > 0), encode::uint);
        list.finish();
    }
}

/// Largest message annotations that merging makes, octets: a message that goes round does not grow for ever.
const ANNOTATIONS_MAX: usize = 64 * 1024;

/// About what is added to them, octets.
const ANNOTATIONS_ROOM: usize = 512;

/// A message whose message annotations have the entries of `annotations`, an encoded map, besides their own (part 3.4.5);
/// entries of both have the new value. The message starts behind header and delivery annotations.
///
/// # Errors
/// When either is not well-formed, or the outcome is larger than 64 KiB.
pub fn merge_annotations(message: &[u8], annotations: &[u8]) -> Result<Vec<u8>, DecodeError> {
    scan(message)?;
    let others = Map::read(&mut Reader::new(annotations))?;
    change_annotations(message, |own| own.merge(others))
}

/// A message whose message annotations are what `change` makes of them. No more than those is looked at: the message, which starts behind
/// header and delivery annotations, may be cut off behind them.
///
/// # Errors
/// When they are not well-formed, or the outcome is larger than 64 KiB.
pub fn change_annotations(message: &[u8], change: impl FnOnce(&mut Map)) -> Result<Vec<u8>, DecodeError> {
    let mut reader = Reader::new(message);
    let (mut map, mut end) = (Map::default(), 0);
    if !message.is_empty() && descriptor_code(reader.descriptor()?, &NAMES) == Some(MESSAGE_ANNOTATIONS) {
        map = Map::read(&mut reader)?;
        end = reader.position();
    }
    change(&mut map);
    let mut out = Vec::with_capacity(message.len() + ANNOTATIONS_ROOM);
    if !map.is_empty() {
        encode::descriptor(&mut out, MESSAGE_ANNOTATIONS.to_be_bytes()[7]);
        map.encode(&mut out);
    }
    if out.len() > ANNOTATIONS_MAX {
        return Err(DecodeError { kind: ErrorKind::TooManyElements, offset: 0 });
    }
    out.extend_from_slice(message.get(end..).unwrap_or_default());
    Ok(out)
}

/// The message annotations of a message that starts behind header and delivery annotations; empty if it has none, or they are cut off.
#[must_use]
pub fn front_annotations(kept: &[u8]) -> &[u8] {
    // Most begin with another section, written as all write it.
    if let [0x00, ULONG_SMALL, code, ..] = *kept
        && u64::from(code) != MESSAGE_ANNOTATIONS
    {
        return &[];
    }
    let mut reader = Reader::new(kept);
    let is_there = reader.descriptor().is_ok_and(|of| descriptor_code(of, &NAMES) == Some(MESSAGE_ANNOTATIONS));
    if !is_there || reader.skip().is_err() {
        return &[];
    }
    kept.get(..reader.position()).unwrap_or_default()
}

/// The value of a key of an annotations or application-properties section, encoded.
///
/// # Errors
/// When the section is not well-formed.
pub fn map_entry<'a>(section: &'a [u8], key: &str) -> Result<Option<&'a [u8]>, DecodeError> {
    if section.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::new(section);
    reader.descriptor()?;
    entry_of(&mut reader, key)
}

/// The value of a key of an encoded map, encoded; of nothing there is none.
///
/// # Errors
/// When it is not well-formed.
pub fn encoded_entry<'a>(map: &'a [u8], key: &str) -> Result<Option<&'a [u8]>, DecodeError> {
    if map.is_empty() { Ok(None) } else { entry_of(&mut Reader::new(map), key) }
}

fn entry_of<'a>(reader: &mut Reader<'a>, key: &str) -> Result<Option<&'a [u8]>, DecodeError> {
    let map = reader.map()?;
    let mut entries = map.reader;
    for _ in 0..map.count / 2 {
        let name = entries.raw()?;
        let value = entries.raw()?;
        let matches = Reader::new(name).string().or_else(|_| Reader::new(name).symbol()).is_ok_and(|name| name == key);
        if matches {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn message() -> Vec<u8> {
        let mut out = Vec::new();
        Header { durable: true, ttl_ms: Some(1000), ..Header::default() }.encode(&mut out);
        out.extend_from_slice(&[0x00, 0x53, 0x71, 0xc1, 1, 0]);
        out.extend_from_slice(&[0x00, 0x53, 0x73, 0xc0, 9, 3, 0x40, 0x40, 0xa1, 4, b'a', b'd', b'd', b'r']);
        out.extend_from_slice(&[0x00, 0x53, 0x74, 0xc1, 6, 2, 0xa1, 1, b'k', 0x52, 7]);
        out.extend_from_slice(&[0x00, 0x53, 0x75, 0xa0, 1, b'x', 0x00, 0x53, 0x75, 0xa0, 0]);
        out
    }

    #[test]
    fn sections_are_found() {
        let message = message();
        let sections = scan(&message).unwrap();
        assert_eq!(front(&message).unwrap().properties, sections.properties);
        let header = Header::decode(&message[sections.header.clone()]).unwrap();
        assert_eq!(header, Header { durable: true, ttl_ms: Some(1000), ..Header::default() });
        assert_eq!(sections.kept(), sections.properties.start);
        assert_eq!(sections.body, message.len() - 11..message.len());
        assert_eq!(property_to(&message[sections.properties]), Ok(Some("addr")));
        let properties = &message[sections.application_properties];
        assert_eq!(map_entry(properties, "k"), Ok(Some(&[0x52, 7][..])));
        assert_eq!(map_entry(properties, "l"), Ok(None));
    }

    #[test]
    fn annotations_are_merged() {
        let body = [0x00, 0x53, 0x75, 0xa0, 1, b'x'];
        let entry = |key: u8, value: u8| [0xc1, 6, 2, 0xa3, 1, key, 0x52, value];
        let once = merge_annotations(&body, &entry(b'a', 1)).unwrap();
        assert!(once.ends_with(&body));
        let twice = merge_annotations(&once, &entry(b'b', 2)).unwrap();
        let again = merge_annotations(&twice, &entry(b'a', 3)).unwrap();
        let sections = scan(&again).unwrap();
        let annotations = &again[sections.message_annotations.clone()];
        assert_eq!(map_entry(annotations, "a"), Ok(Some(&[0x52, 3][..])));
        assert_eq!(map_entry(annotations, "b"), Ok(Some(&[0x52, 2][..])));
        assert_eq!(&again[sections.body], &body);
        assert!(merge_annotations(&body, &[0x45]).is_err(), "a list is no map");
        assert!(merge_annotations(&[0x00, 0x53, 0x79, 0x40], &entry(b'a', 1)).is_err(), "no message");
    }

    #[test]
    fn annotations_are_changed_at_the_start_of_a_message_that_is_cut_off() {
        let whole = merge_annotations(&[0x00, 0x53, 0x75, 0xb0, 0, 0, 1, 0], &[0xc1, 6, 2, 0xa3, 1, b'a', 0x52, 1]);
        assert!(whole.is_err(), "a body that is cut off is none");
        let start =
            [&[0x00, 0x53, 0x72, 0xc1, 6, 2, 0xa3, 1, b'a', 0x52, 1][..], &[0x00, 0x53, 0x75, 0xb0, 0, 0, 1, 0]];
        let start = start.concat();
        let changed = change_annotations(&start, |map| {
            map.set("a", Value::Null);
            map.set("b", Value::Uint(7));
        });
        let expected = [0x00, 0x53, 0x72, 0xc1, 10, 4, 0xa3, 1, b'a', 0x40, 0xa3, 1, b'b', 0x52, 7];
        assert_eq!(changed.unwrap(), [&expected[..], &start[11..]].concat());
        let emptied = change_annotations(&start, |map| map.remove("a")).unwrap();
        assert_eq!(emptied, start[11..], "a section without entries is none");
        assert_eq!(change_annotations(&[], |_| ()), Ok(Vec::new()));
        assert!(change_annotations(&start[..9], |_| ()).is_err());
    }

    #[test]
    fn order_is_kept() {
        let data = [0x00, 0x53, 0x75, 0xa0, 0];
        let value = [0x00, 0x53, 0x77, 0x40];
        let header = [0x00, 0x53, 0x70, 0x45];
        let join = |parts: &[&[u8]]| scan(&parts.concat()).map_err(|error| error.kind);
        assert!(join(&[&header, &data, &data]).is_ok());
        assert!(join(&[]).is_ok());
        assert_eq!(join(&[&header, &header]), Err(ErrorKind::SectionOrder));
        assert_eq!(join(&[&data, &header]), Err(ErrorKind::SectionOrder));
        assert_eq!(join(&[&data, &value]), Err(ErrorKind::SectionOrder));
        assert_eq!(join(&[&value, &value]), Err(ErrorKind::SectionOrder));
        assert_eq!(join(&[&[0x00, 0x53, 0x79, 0x40]]), Err(ErrorKind::UnknownDescriptor(Some(0x79))));
        assert_eq!(join(&[&[0x00, 0x53, 0x75, 0xa0, 9, 1]]), Err(ErrorKind::Truncated));
    }

    #[test]
    fn a_header_of_defaults_is_not_written() {
        let mut out = Vec::new();
        Header::default().encode(&mut out);
        assert!(out.is_empty());
        let header = Header { delivery_count: 3, first_acquirer: true, priority: 9, ..Header::default() };
        header.encode(&mut out);
        assert_eq!(Header::decode(&out), Ok(header));
    }
}
