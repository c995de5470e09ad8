//! What the properties of a message say (part 3.2.4), and the one application property that is looked for: found without being decoded as a whole.
//!
//! Guarantees: nearly all properties end before what is looked for in each message, which costs one look (`property_terms`). What is not well-formed says
//! nothing, where no error is told.
//!
//! Not here: where the sections of a message are (`section`).

use std::num::NonZeroU64;

use crate::constructor;
use crate::encode::{self, Compound};
use crate::error::DecodeError;
use crate::fields::Fields;
use crate::reader::Reader;
use crate::section::{APPLICATION_PROPERTIES, PROPERTIES, map_entry, scan, scan_front};
use crate::value::{Map, Value};

/// The field `to` of a properties section.
///
/// # Errors
/// When the section is not well-formed. An address that is no string counts as absent.
pub fn property_to(section: &[u8]) -> Result<Option<&str>, DecodeError> {
    if section.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::new(section);
    reader.descriptor()?;
    let mut fields = Fields::new(reader.list()?);
    // message-id, user-id
    fields.next(Reader::raw)?;
    fields.next(Reader::raw)?;
    Ok(fields.next(|reader| Ok(Reader::new(reader.raw()?).string().ok()))?.flatten())
}

/// The field `user-id` of a properties section.
///
/// # Errors
/// When the section is not well-formed, or the user is no binary.
pub fn property_user_id(section: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
    if section.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::new(section);
    reader.descriptor()?;
    let mut fields = Fields::new(reader.list()?);
    // message-id
    fields.next(Reader::raw)?;
    fields.next(Reader::binary)
}

/// The field `absolute-expiry-time` of a properties section (part 3.2.4), milliseconds since the epoch. What is not behind the epoch
/// is what some clients send for none (0, or the year 1); what is not well-formed says nothing.
pub fn property_expiry(section: &[u8]) -> Option<NonZeroU64> {
    let at = properties_from::<8>(section)?.next(Reader::timestamp).ok()??;
    u64::try_from(at).ok().and_then(NonZeroU64::new)
}

/// What a properties section says to whoever keeps its message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// As `property_expiry`.
    pub expires_ms: Option<NonZeroU64>,
    /// Whether it names a group, as `property_group`.
    pub grouped: bool,
}

/// All of it in one look, as nearly all properties end before.
#[inline]
#[must_use]
pub fn property_terms(section: &[u8]) -> Terms {
    if ends_before::<8>(section) { Terms::default() } else { terms(section) }
}

#[cold]
fn terms(section: &[u8]) -> Terms {
    Terms { expires_ms: property_expiry(section), grouped: property_group(section).is_some() }
}

/// Whether a properties section has no field behind so many, as far as it is short.
#[inline]
fn ends_before<const FIELD: u8>(section: &[u8]) -> bool {
    match section {
        [] => true,
        [_, _, _, constructor::LIST_8, _, count, ..] => *count <= FIELD,
        _ => false,
    }
}

/// The fields of a properties section behind so many; `None` if it ends before, or those are not well-formed.
fn properties_from<const BEFORE: u8>(section: &[u8]) -> Option<Fields<'_>> {
    if ends_before::<BEFORE>(section) {
        return None;
    }
    let mut reader = Reader::new(section);
    reader.descriptor().ok()?;
    let mut fields = Fields::new(reader.list().ok()?);
    for _ in 0..BEFORE {
        fields.next(Reader::raw).ok()?;
    }
    Some(fields)
}

/// A message, from its message annotations on, whose properties name no time of expiry (part 3.2.4, `absolute-expiry-time`); `None` if they name none, or are not
/// well-formed.
pub fn clear_expiry(message: &[u8]) -> Option<Vec<u8>> {
    /// The field's place.
    const FIELD: u32 = 8;
    let properties = scan(message).ok()?.properties;
    let section = message.get(properties.clone())?;
    property_expiry(section)?;
    let mut reader = Reader::new(section);
    reader.descriptor().ok()?;
    let list = reader.list().ok()?;
    let mut out = Vec::with_capacity(message.len());
    out.extend_from_slice(message.get(..properties.start)?);
    let mut fields = list.reader;
    let mut cleared = Compound::described(&mut out, PROPERTIES.to_be_bytes()[7]);
    for field in 0..list.count {
        let raw = fields.raw().ok()?;
        cleared.put(|out| out.extend_from_slice(if field == FIELD { &[constructor::NULL] } else { raw }));
    }
    cleared.finish();
    out.extend_from_slice(message.get(properties.end..)?);
    Some(out)
}

/// What the properties of a message say of its group (part 3.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertyGroup<'a> {
    /// The field `group-id`.
    pub name: &'a [u8],
    /// The field `group-sequence`.
    pub sequence: Option<u32>,
}

/// The application property by which a producer says which messages are the same.
const DUPLICATE_ID: &str = "_AMQ_DUPL_ID";

/// The value of the application property `_AMQ_DUPL_ID` of a message, encoded, if it is text or octets. The message starts with its header, or behind that.
pub fn property_id(message: &[u8]) -> Option<&[u8]> {
    let properties = scan(message).ok()?.application_properties;
    let value = map_entry(message.get(properties)?, DUPLICATE_ID).ok()??;
    let is_id = |code: &u8| {
        matches!(*code, constructor::STRING_8 | constructor::STRING_32 | constructor::BINARY_8 | constructor::BINARY_32)
    };
    value.first().is_some_and(is_id).then_some(value)
}

/// The same message with an application property more, or another value of it. The message starts with its header, or behind that.
///
/// # Errors
/// When its sections or its application properties are not well-formed.
pub fn set_property(message: &[u8], key: &str, value: Value) -> Result<Vec<u8>, DecodeError> {
    let sections = scan_front(message)?;
    let mut at = sections.application_properties;
    let mut map = Map::default();
    if at.is_empty() {
        let before =
            [sections.header, sections.delivery_annotations, sections.message_annotations, sections.properties];
        let end = before.into_iter().map(|section| section.end).max().unwrap_or(0);
        at = end..end;
    } else {
        let mut reader = Reader::new(message.get(at.clone()).unwrap_or_default());
        reader.descriptor()?;
        map = Map::read(&mut reader)?;
        map.remove(key);
    }
    map.0.push((Value::String(key.to_owned()), value));
    let mut out = Vec::with_capacity(message.len() + key.len() + 64);
    out.extend_from_slice(message.get(..at.start).unwrap_or_default());
    encode::descriptor(&mut out, APPLICATION_PROPERTIES.to_be_bytes()[7]);
    map.encode(&mut out);
    out.extend_from_slice(message.get(at.end..).unwrap_or_default());
    Ok(out)
}

/// The group of a properties section; what is not well-formed, or an empty name, says nothing.
pub fn property_group(section: &[u8]) -> Option<PropertyGroup<'_>> {
    let mut fields = properties_from::<10>(section)?;
    let name = fields.next(Reader::string).ok()??.as_bytes();
    let sequence = fields.next(Reader::uint).ok().flatten();
    (!name.is_empty()).then_some(PropertyGroup { name, sequence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_expiry_is_found_in_any_encoding() {
        let at = |time: i64| [&[0x83][..], &time.to_be_bytes()].concat();
        let text: &[u8] = &[0xa1, 2, b'i', b'd'];
        let absent: &[u8] = &[0x40];
        let section = |fields: &[&[u8]]| {
            let body = fields.concat();
            let (size, count) = (body.len() as u8 + 1, fields.len() as u8);
            let short = [&[0x00, 0x53, 0x73, 0xc0, size, count][..], &body].concat();
            let wide = [&[0x00, 0x53, 0x73, 0xd0, 0, 0, 0, size + 3, 0, 0, 0, count][..], &body].concat();
            let named = [&[0x00, 0xa3, 20][..], b"amqp:properties:list", &[0xc0, size, count], &body].concat();
            [short, wide, named].map(|section| property_expiry(&section).map(NonZeroU64::get))
        };
        let with = |last: &[u8]| section(&[text, absent, text, absent, absent, text, absent, absent, last]);
        assert_eq!(with(&at(1_700_000_000_123)), [Some(1_700_000_000_123); 3]);
        assert_eq!(with(&at(i64::MAX)), [Some(i64::MAX as u64); 3]);
        // What clients send for none, what is none, and what is no time.
        for none in [&at(0)[..], &at(-62_135_596_800_000), absent, text, &[0x83, 0, 0], &[]] {
            assert_eq!(with(none), [None; 3], "{none:x?}");
        }
        assert_eq!(section(&[text; 8]), [None; 3]);
        assert_eq!(property_expiry(&[0x00, 0x53, 0x73, 0x45]), None, "an empty list");
        assert_eq!(property_expiry(&[]), None, "no section");
    }

    #[test]
    fn the_user_of_a_message_is_a_binary_or_nobody() {
        let section =
            |fields: &[u8], count: u8| [&[0x00, 0x53, 0x73, 0xc0, fields.len() as u8 + 1, count][..], fields].concat();
        for (section, wanted) in [
            (vec![], Some(None)),
            (section(&[], 0), Some(None)),
            (section(&[0xa1, 1, b'i'], 1), Some(None)),
            (section(&[0x40, 0x40], 2), Some(None)),
            (section(&[0x40, 0xa0, 2, b'm', b'e', 0x40], 3), Some(Some(&b"me"[..]))),
            (section(&[0x43, 0xa0, 0], 2), Some(Some(&b""[..]))),
            (section(&[0x40, 0xa1, 2, b'm', b'e'], 2), None),
            (section(&[0x40, 0xa0, 9, b'm', b'e'], 2), None),
        ] {
            assert_eq!(property_user_id(&section).ok(), wanted, "{section:x?}");
        }
    }

    #[test]
    fn a_property_is_set_where_it_belongs_and_the_rest_stays() {
        const ANNOTATIONS: &[u8] = &[0x00, 0x53, 0x72, 0xc1, 5, 2, 0xa3, 1, b'x', 0x40];
        const PROPERTIES: &[u8] = &[0x00, 0x53, 0x73, 0xc0, 4, 1, 0xa1, 1, b'i'];
        const BODY: &[u8] = &[0x00, 0x53, 0x77, 0xa1, 1, b'b'];
        for front in [&[][..], ANNOTATIONS, PROPERTIES, &[ANNOTATIONS, PROPERTIES].concat()] {
            let first = set_property(&[front, BODY].concat(), "first", Value::Boolean(true)).expect("a message");
            assert!(first.starts_with(front) && first.ends_with(BODY));
            let again = set_property(&first, "other", Value::Uint(7)).expect("a message");
            let again = set_property(&again, "first", Value::Boolean(false)).expect("a message");
            let found = scan(&again).expect("sections").application_properties;
            let mut reader = Reader::new(&again[found]);
            reader.descriptor().expect("a section");
            let map = Map::read(&mut reader).expect("a map");
            let named = |key: &str| Value::String(key.to_owned());
            assert_eq!(map.0, [(named("other"), Value::Uint(7)), (named("first"), Value::Boolean(false))]);
            assert!(again.starts_with(front) && again.ends_with(BODY));
        }
        assert!(set_property(&[0x00, 0x53, 0x74, 0x45], "first", Value::Null).is_err(), "they are no map");
    }

    #[test]
    fn an_id_is_text_or_octets() {
        let message = |value: &[u8]| {
            let size = u8::try_from(15 + value.len()).unwrap();
            [&[0x00, 0x53, 0x74, 0xc1, size, 2, 0xa1, 12][..], b"_AMQ_DUPL_ID", value].concat()
        };
        for id in [&[0xa1, 1, b'x'][..], &[0xa0, 1, 7], &[0xb1, 0, 0, 0, 1, b'x']] {
            assert_eq!(property_id(&message(id)), Some(id));
        }
        for none in [&[0x40][..], &[0x52, 7], &[0xa3, 1, b'x']] {
            assert_eq!(property_id(&message(none)), None);
        }
        assert_eq!(property_id(&[]), None);
        assert_eq!(property_id(&[0x00, 0x53, 0x77, 0x40]), None);
    }
}
