//! A message as selectors see it, and what names stand for in it.
//!
//! Guarantees: sections are located at most once for an evaluation, and only if a name needs one. Nothing is allocated and nothing fails:
//! what is not there, is of another type than it has to be, or is not well-formed, is NULL. Maps are walked only as far as the key.

use engine_message::constructor as code;
use engine_message::reader::Reader;
use engine_message::section::{self, Sections};
use engine_message::{DecodeError, Fields};

use crate::name::Name;
use crate::operand::Operand;
use crate::text::Text;

/// A message.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Whether the message must survive a restart.
    pub durable: bool,
    /// 0 to 255; 4 is normal.
    pub priority: u8,
    /// Failed deliveries so far.
    pub delivery_count: u32,
    /// When it expires, milliseconds since the epoch; 0 for never.
    pub expiry_ms: u64,
    /// The address that it was sent to.
    pub address: &'a str,
    /// All sections behind header and delivery annotations, encoded; the body may be cut off.
    pub kept: &'a [u8],
}

/// A message whose sections are known once somebody has asked for one.
pub(crate) struct Located<'a> {
    view: &'a View<'a>,
    sections: Option<Sections>,
}

/// The fields of the properties section by their places (part 3.2.4).
#[derive(Clone, Copy)]
enum Property {
    MessageId = 0,
    UserId = 1,
    To = 2,
    Subject = 3,
    ReplyTo = 4,
    CorrelationId = 5,
    CreationTime = 9,
    GroupId = 10,
    GroupSequence = 11,
}

impl<'a> Located<'a> {
    #[inline]
    pub(crate) fn new(view: &'a View<'a>) -> Self {
        Self { view, sections: None }
    }

    /// What a name stands for.
    pub(crate) fn value(&mut self, name: &Name) -> Operand<'a> {
        let view = self.view;
        match name {
            Name::Property(key) => {
                let sections = self.sections();
                view.kept.get(sections.application_properties.clone()).map_or(Operand::Null, |map| entry(map, key))
            }
            Name::Annotation(key) => {
                let sections = self.sections();
                view.kept.get(sections.message_annotations.clone()).map_or(Operand::Null, |map| entry(map, key))
            }
            Name::Priority => Operand::Exact(view.priority.into()),
            Name::DeliveryMode => {
                Operand::Text(Text::plain(if view.durable { "PERSISTENT" } else { "NON_PERSISTENT" }))
            }
            Name::Durability => Operand::Text(Text::plain(if view.durable { "DURABLE" } else { "NON_DURABLE" })),
            Name::Redelivered => Operand::Boolean(view.delivery_count > 0),
            Name::DeliveryCount => Operand::Exact(i64::from(view.delivery_count) + 1),
            Name::Expiration => Operand::unsigned(view.expiry_ms),
            Name::Address => Operand::Text(Text::plain(view.address)),
            Name::Size => Operand::unsigned(view.kept.len() as u64),
            Name::MessageId => self.property(Property::MessageId, message_id).unwrap_or(Operand::Null),
            Name::CorrelationId => self.property(Property::CorrelationId, correlation_id).unwrap_or(Operand::Null),
            Name::Timestamp => self.property(Property::CreationTime, value).unwrap_or(Operand::Exact(0)),
            Name::Type => self.property(Property::Subject, value).unwrap_or(Operand::Null),
            Name::ReplyTo => self.property(Property::ReplyTo, value).unwrap_or(Operand::Null),
            Name::Destination => self.property(Property::To, value).unwrap_or(Operand::Null),
            Name::GroupId => self.property(Property::GroupId, value).unwrap_or(Operand::Null),
            Name::GroupSequence => self.property(Property::GroupSequence, sequence).unwrap_or(Operand::Null),
            Name::UserId => self.property(Property::UserId, user_id).unwrap_or(Operand::Null),
        }
    }

    #[inline]
    fn sections(&mut self) -> &Sections {
        let kept = self.view.kept;
        self.sections.get_or_insert_with(|| section::scan_front(kept).unwrap_or_default())
    }

    /// A field of the properties section by `read`; `None` if it is not there.
    fn property(
        &mut self,
        property: Property,
        read: impl FnOnce(&mut Reader<'a>) -> Result<Operand<'a>, DecodeError>,
    ) -> Option<Operand<'a>> {
        let kept = self.view.kept;
        let section = kept.get(self.sections().properties.clone()).filter(|section| !section.is_empty())?;
        let mut reader = Reader::new(section);
        reader.descriptor().ok()?;
        let mut fields = Fields::new(reader.list().ok()?);
        for _ in 0..property as usize {
            fields.next(Reader::skip).ok()?;
        }
        fields.next(read).ok().flatten()
    }
}

/// The value of a key of a section that is a map; its first, if it is there several times.
fn entry<'a>(section: &'a [u8], key: &str) -> Operand<'a> {
    let find = || {
        let mut reader = Reader::new(section);
        reader.descriptor()?;
        let map = reader.map()?;
        let mut entries = map.reader;
        for _ in 0..map.count / 2 {
            if key_octets(&mut entries)? == Some(key.as_bytes()) {
                return value(&mut entries);
            }
            entries.skip()?;
        }
        Ok::<_, DecodeError>(Operand::Null)
    };
    if section.is_empty() { Operand::Null } else { find().unwrap_or(Operand::Null) }
}

/// The octets of a key that is a string or a symbol.
#[inline]
fn key_octets<'a>(entries: &mut Reader<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
    match entries.rest() {
        [code::STRING_8 | code::SYMBOL_8, size, ..] => {
            let octets = entries.take(2 + usize::from(*size))?;
            Ok(octets.get(2..))
        }
        [code::STRING_32 | code::SYMBOL_32, ..] => Ok(entries.raw()?.get(5..)),
        _ => entries.skip().map(|()| None),
    }
}

/// The next value.
fn value<'a>(reader: &mut Reader<'a>) -> Result<Operand<'a>, DecodeError> {
    Ok(match reader.peek() {
        Some(code::STRING_8 | code::STRING_32) => Operand::Text(Text::plain(reader.string()?)),
        Some(code::SYMBOL_8 | code::SYMBOL_32) => Operand::Text(Text::plain(reader.symbol()?)),
        Some(code::TRUE | code::FALSE | code::BOOLEAN) => Operand::Boolean(reader.boolean()?),
        Some(code::UBYTE) => Operand::Exact(reader.ubyte()?.into()),
        Some(code::UINT | code::UINT_SMALL | code::UINT_0) => Operand::Exact(reader.uint()?.into()),
        Some(code::ULONG | code::ULONG_SMALL | code::ULONG_0) => Operand::unsigned(reader.ulong()?),
        Some(code::TIMESTAMP) => Operand::Exact(reader.timestamp()?),
        _ => {
            let (constructor, octets) = reader.raw()?.split_first().unwrap_or((&code::NULL, &[]));
            plain(*constructor, octets).unwrap_or(Operand::Null)
        }
    })
}

/// The value of a constructor that only messages' maps have, not the fields of AMQP's own composites.
fn plain<'a>(constructor: u8, octets: &[u8]) -> Option<Operand<'a>> {
    Some(match constructor {
        code::NULL => Operand::Null,
        code::BYTE | code::INT_SMALL | code::LONG_SMALL => {
            Operand::Exact(i8::from_be_bytes(*octets.first_chunk()?).into())
        }
        code::USHORT => Operand::Exact(u16::from_be_bytes(*octets.first_chunk()?).into()),
        code::SHORT => Operand::Exact(i16::from_be_bytes(*octets.first_chunk()?).into()),
        code::INT => Operand::Exact(i32::from_be_bytes(*octets.first_chunk()?).into()),
        code::LONG => Operand::Exact(i64::from_be_bytes(*octets.first_chunk()?)),
        code::FLOAT => Operand::Approximate(f32::from_be_bytes(*octets.first_chunk()?).into()),
        code::DOUBLE => Operand::Approximate(f64::from_be_bytes(*octets.first_chunk()?)),
        code::UUID => Operand::Text(Text::uuid("", *octets.first_chunk()?)),
        code::CHAR => Operand::Text(Text::char(char::from_u32(u32::from_be_bytes(*octets.first_chunk()?))?)),
        _ => Operand::Opaque,
    })
}

/// What ids of other types than string begin with, so that they are told apart; and strings that could be taken for one of those.
const TYPED: [&str; 5] = ["AMQP_UUID:", "AMQP_ULONG:", "AMQP_BINARY:", "AMQP_STRING:", "AMQP_NO_PREFIX:"];

/// A message-id as JMS clients see it (`ID:` and what it was).
fn message_id<'a>(reader: &mut Reader<'a>) -> Result<Operand<'a>, DecodeError> {
    match reader.peek() {
        Some(code::STRING_8 | code::STRING_32) => {
            let text = reader.string()?;
            Ok(Operand::Text(match text.strip_prefix("ID:") {
                None => Text::prefixed("ID:AMQP_NO_PREFIX:", text),
                Some(rest) => string_id(text, rest),
            }))
        }
        Some(code::BINARY_8 | code::BINARY_32) => {
            let octets = reader.binary()?;
            Ok(Text::hex("ID:AMQP_BINARY:", octets).map_or(Operand::Opaque, Operand::Text))
        }
        _ => typed_id(reader),
    }
}

/// A correlation-id as JMS clients see it: strings are as they came, octets stay octets.
fn correlation_id<'a>(reader: &mut Reader<'a>) -> Result<Operand<'a>, DecodeError> {
    match reader.peek() {
        Some(code::STRING_8 | code::STRING_32) => {
            let text = reader.string()?;
            Ok(Operand::Text(text.strip_prefix("ID:").map_or(Text::plain(text), |rest| string_id(text, rest))))
        }
        _ => typed_id(reader),
    }
}

fn string_id<'a>(text: &'a str, behind_id: &str) -> Text<'a> {
    let is_ambiguous = TYPED.into_iter().any(|typed| behind_id.starts_with(typed));
    if is_ambiguous { Text::prefixed("ID:AMQP_STRING:", text) } else { Text::plain(text) }
}

fn typed_id<'a>(reader: &mut Reader<'a>) -> Result<Operand<'a>, DecodeError> {
    Ok(match reader.peek() {
        Some(code::UUID) => {
            let octets = reader.raw()?.get(1..).and_then(<[u8]>::first_chunk);
            octets.map_or(Operand::Null, |uuid| Operand::Text(Text::uuid("ID:AMQP_UUID:", *uuid)))
        }
        Some(code::ULONG | code::ULONG_SMALL | code::ULONG_0) => {
            Operand::Text(Text::number("ID:AMQP_ULONG:", reader.ulong()?))
        }
        _ => value(reader)?,
    })
}

/// JMSXGroupSeq is an int of Java: what AMQP counts up to 2^32 is negative from 2^31.
fn sequence<'a>(reader: &mut Reader<'a>) -> Result<Operand<'a>, DecodeError> {
    Ok(Operand::Exact(reader.uint()?.cast_signed().into()))
}

/// The user-id is binary, and text to JMS.
fn user_id<'a>(reader: &mut Reader<'a>) -> Result<Operand<'a>, DecodeError> {
    let octets = reader.binary()?;
    Ok(std::str::from_utf8(octets).map_or(Operand::Opaque, |text| Operand::Text(Text::plain(text))))
}
