//! AMQP values as a tree, for the cold path: properties, filters, error details, management.
//!
//! Guarantees: decoding checks the bytes first (`check`), so that depth and memory are bounded by the number of bytes;
//! encoding what was decoded gives the same value, though not always the same bytes.

use bytes::Bytes;

use crate::check;
use crate::constructor::{self as code};
use crate::encode;
use crate::error::{DecodeError, ErrorKind};
use crate::reader::{Compound, Descriptor, Reader};
use crate::symbol::Symbol;

/// Any AMQP value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// `boolean`
    Boolean(bool),
    /// `ubyte`
    Ubyte(u8),
    /// `ushort`
    Ushort(u16),
    /// `uint`
    Uint(u32),
    /// `ulong`
    Ulong(u64),
    /// `byte`
    Byte(i8),
    /// `short`
    Short(i16),
    /// `int`
    Int(i32),
    /// `long`
    Long(i64),
    /// `float`
    Float(f32),
    /// `double`
    Double(f64),
    /// `decimal32`, as encoded
    Decimal32([u8; 4]),
    /// `decimal64`, as encoded
    Decimal64([u8; 8]),
    /// `decimal128`, as encoded
    Decimal128([u8; 16]),
    /// `char`
    Char(char),
    /// `timestamp`, milliseconds since 1970
    Timestamp(i64),
    /// `uuid`
    Uuid([u8; 16]),
    /// `binary`
    Binary(Bytes),
    /// `string`
    String(String),
    /// `symbol`
    Symbol(Symbol),
    /// `list`
    List(Vec<Value>),
    /// `map`
    Map(Map),
    /// `array`, kept as encoded: arrays of any type pass through, few are looked into
    Array(Raw),
    /// A described value.
    Described(Box<Described>),
}

/// A described value.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// What the value means.
    pub descriptor: Value,
    /// What is described; a list for the types that the specification composes.
    pub value: Value,
}

/// A map in the order of its encoding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(pub Vec<(Value, Value)>);

/// One encoded value that was checked and is kept as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(Bytes);

impl Raw {
    /// Keeps a copy of `encoded`, which must be one well-formed value.
    ///
    /// # Errors
    /// When it is not.
    pub fn new(encoded: &[u8]) -> Result<Self, DecodeError> {
        let length = check::check_value(encoded)?;
        if length != encoded.len() {
            return Err(DecodeError { kind: ErrorKind::SizeMismatch, offset: length });
        }
        Ok(Self(Bytes::copy_from_slice(encoded)))
    }

    /// The encoding.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as a tree.
    ///
    /// # Errors
    /// When a part has an invalid value (text that is not UTF-8, a surrogate as a char).
    pub fn decode(&self) -> Result<Value, DecodeError> {
        Value::read(&mut Reader::new(&self.0))
    }
}

impl Map {
    /// The value of a symbolic or string key, the first one if there are several.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name.as_text() == Some(key)).map(|(_, value)| value)
    }

    /// Adds an entry with a symbol as its key.
    pub fn insert(&mut self, key: &'static str, value: Value) {
        self.0.push((Value::Symbol(key.into()), value));
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a map.
    ///
    /// # Errors
    /// When the next value is none or not well-formed.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match Value::read(reader)? {
            Value::Map(map) => Ok(map),
            _ => Err(reader.error(ErrorKind::InvalidField("map"))),
        }
    }

    /// Appends the encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut map = encode::Compound::map(out);
        for (key, value) in &self.0 {
            map.put(|out| key.encode(out)).put(|out| value.encode(out));
        }
        encode::finish_map(map);
    }
}

impl Value {
    /// Reads one value.
    ///
    /// # Errors
    /// When the next bytes are no well-formed value.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let base = reader.position();
        check::check_value(reader.rest())
            .map_err(|error| DecodeError { kind: error.kind, offset: base + error.offset })?;
        Self::read_checked(reader)
    }

    /// The text of a string or a symbol.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Symbol(symbol) => Some(symbol.as_str()),
            _ => None,
        }
    }

    /// Recursion is bounded: `check_value` saw at most `DEPTH_MAX` levels.
    fn read_checked(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let constructor = reader.peek().ok_or_else(|| reader.error(ErrorKind::Truncated))?;
        Ok(match constructor {
            code::TRUE | code::FALSE | code::BOOLEAN => Self::Boolean(reader.boolean()?),
            code::UINT | code::UINT_SMALL | code::UINT_0 => Self::Uint(reader.uint()?),
            code::ULONG | code::ULONG_SMALL | code::ULONG_0 => Self::Ulong(reader.ulong()?),
            code::USHORT => Self::Ushort(reader.ushort()?),
            code::BINARY_8 | code::BINARY_32 => Self::Binary(Bytes::copy_from_slice(reader.binary()?)),
            code::STRING_8 | code::STRING_32 => Self::String(reader.string()?.to_owned()),
            code::SYMBOL_8 | code::SYMBOL_32 => Self::Symbol(Symbol::new(reader.symbol()?)),
            code::LIST_0 | code::LIST_8 | code::LIST_32 => {
                let Compound { reader: mut elements, count } = reader.list()?;
                Self::List((0..count).map(|_| Self::read_checked(&mut elements)).collect::<Result<_, _>>()?)
            }
            code::MAP_8 | code::MAP_32 => {
                let Compound { reader: mut elements, count } = reader.map()?;
                let pair = |_| Ok((Self::read_checked(&mut elements)?, Self::read_checked(&mut elements)?));
                Self::Map(Map((0..count / 2).map(pair).collect::<Result<_, _>>()?))
            }
            code::ARRAY_8 | code::ARRAY_32 => Self::Array(Raw(Bytes::copy_from_slice(reader.raw()?))),
            code::DESCRIBED => {
                reader.octet()?;
                let descriptor = Self::read_checked(reader)?;
                Self::Described(Box::new(Described { descriptor, value: Self::read_checked(reader)? }))
            }
            _ => Self::read_scalar(reader)?,
        })
    }

    fn read_scalar(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        let constructor = reader.octet()?;
        let bytes = *reader;
        reader.skip_element(constructor)?;
        let octets = bytes.rest();
        let fixed4 = || octets.first_chunk::<4>().copied().unwrap_or_default();
        let fixed8 = || octets.first_chunk::<8>().copied().unwrap_or_default();
        let fixed16 = || octets.first_chunk::<16>().copied().unwrap_or_default();
        let first = octets.first().copied().unwrap_or_default();
        Ok(match constructor {
            code::NULL => Self::Null,
            code::UBYTE => Self::Ubyte(first),
            code::BYTE => Self::Byte(i8::from_be_bytes([first])),
            code::SHORT => Self::Short(i16::from_be_bytes(octets.first_chunk().copied().unwrap_or_default())),
            code::INT => Self::Int(i32::from_be_bytes(fixed4())),
            code::INT_SMALL => Self::Int(i32::from(i8::from_be_bytes([first]))),
            code::LONG => Self::Long(i64::from_be_bytes(fixed8())),
            code::LONG_SMALL => Self::Long(i64::from(i8::from_be_bytes([first]))),
            code::FLOAT => Self::Float(f32::from_be_bytes(fixed4())),
            code::DOUBLE => Self::Double(f64::from_be_bytes(fixed8())),
            code::DECIMAL32 => Self::Decimal32(fixed4()),
            code::DECIMAL64 => Self::Decimal64(fixed8()),
            code::DECIMAL128 => Self::Decimal128(fixed16()),
            code::CHAR => Self::Char(
                char::from_u32(u32::from_be_bytes(fixed4()))
                    .ok_or_else(|| start.error(ErrorKind::InvalidField("char")))?,
            ),
            code::TIMESTAMP => Self::Timestamp(i64::from_be_bytes(fixed8())),
            code::UUID => Self::Uuid(fixed16()),
            other => return Err(start.error(ErrorKind::UnknownConstructor(other))),
        })
    }

    /// Appends the encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut fixed = |constructor: u8, octets: &[u8]| {
            out.push(constructor);
            out.extend_from_slice(octets);
        };
        match self {
            Self::Ubyte(value) => fixed(code::UBYTE, &[*value]),
            Self::Byte(value) => fixed(code::BYTE, &value.to_be_bytes()),
            Self::Short(value) => fixed(code::SHORT, &value.to_be_bytes()),
            Self::Int(value) => fixed(code::INT, &value.to_be_bytes()),
            Self::Long(value) => fixed(code::LONG, &value.to_be_bytes()),
            Self::Float(value) => fixed(code::FLOAT, &value.to_be_bytes()),
            Self::Double(value) => fixed(code::DOUBLE, &value.to_be_bytes()),
            Self::Decimal32(octets) => fixed(code::DECIMAL32, octets),
            Self::Decimal64(octets) => fixed(code::DECIMAL64, octets),
            Self::Decimal128(octets) => fixed(code::DECIMAL128, octets),
            Self::Char(value) => fixed(code::CHAR, &u32::from(*value).to_be_bytes()),
            Self::Timestamp(value) => fixed(code::TIMESTAMP, &value.to_be_bytes()),
            Self::Uuid(octets) => fixed(code::UUID, octets),
            Self::Null => encode::null(out),
            Self::Boolean(value) => encode::boolean(out, *value),
            Self::Ushort(value) => encode::ushort(out, *value),
            Self::Uint(value) => encode::uint(out, *value),
            Self::Ulong(value) => encode::ulong(out, *value),
            Self::Binary(value) => encode::binary(out, value),
            Self::String(value) => encode::string(out, value),
            Self::Symbol(value) => encode::symbol(out, value.as_str()),
            Self::List(values) => {
                let mut list = encode::Compound::list(out);
                for value in values {
                    list.put(|out| value.encode(out));
                }
                list.finish();
            }
            Self::Map(map) => map.encode(out),
            Self::Array(raw) => out.extend_from_slice(raw.as_bytes()),
            Self::Described(described) => {
                out.push(code::DESCRIBED);
                described.descriptor.encode(out);
                described.value.encode(out);
            }
        }
    }
}

/// The symbols of a field with `multiple="true"`: null, one symbol or an array of them (part 1.4).
///
/// # Errors
/// When the next value is none of these.
pub fn read_symbols(reader: &mut Reader<'_>) -> Result<Vec<Symbol>, DecodeError> {
    match reader.peek() {
        Some(code::SYMBOL_8 | code::SYMBOL_32) => Ok(vec![Symbol::new(reader.symbol()?)]),
        Some(code::ARRAY_8 | code::ARRAY_32) => {
            check::check_value(reader.rest())?;
            let mut array = reader.array_of_values()?;
            let mut symbols = Vec::new();
            for _ in 0..array.count {
                let before = array.elements;
                array.elements.skip_element(array.constructor)?;
                let width = match array.constructor {
                    code::SYMBOL_8 => 1,
                    code::SYMBOL_32 => 4,
                    other => return Err(before.error(ErrorKind::WrongType(other))),
                };
                let octets = before.rest().get(width..array.elements.position() - before.position());
                match std::str::from_utf8(octets.unwrap_or_default()) {
                    Ok(text) if text.is_ascii() => symbols.push(Symbol::new(text)),
                    _ => return Err(before.error(ErrorKind::InvalidText)),
                }
            }
            Ok(symbols)
        }
        _ => Err(reader.error(ErrorKind::WrongType(reader.peek().unwrap_or_default()))),
    }
}

/// The numeric code of a descriptor, by its number or by its name in `names`.
pub fn descriptor_code(descriptor: Descriptor<'_>, names: &[(u64, &str)]) -> Option<u64> {
    match descriptor {
        Descriptor::Code(code) => Some(code),
        Descriptor::Name(name) => names.iter().find(|(_, known)| *known == name).map(|(code, _)| *code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(value: &Value) {
        let mut out = Vec::new();
        value.encode(&mut out);
        let mut reader = Reader::new(&out);
        assert_eq!(&Value::read(&mut reader).expect("well-formed"), value);
        assert!(reader.is_empty());
    }

    #[test]
    fn every_type_survives() {
        let array = Raw::new(&[0xe0, 4, 2, 0x50, 1, 2]).unwrap();
        let mut map = Map::default();
        map.insert("k", Value::Null);
        let values = vec![
            Value::Null,
            Value::Boolean(true),
            Value::Boolean(false),
            Value::Ubyte(255),
            Value::Ushort(65535),
            Value::Uint(0),
            Value::Uint(255),
            Value::Uint(256),
            Value::Ulong(0),
            Value::Ulong(1 << 40),
            Value::Byte(-1),
            Value::Short(-300),
            Value::Int(-70_000),
            Value::Long(-1),
            Value::Float(1.5),
            Value::Double(-2.5),
            Value::Decimal32([1; 4]),
            Value::Decimal64([2; 8]),
            Value::Decimal128([3; 16]),
            Value::Char('ß'),
            Value::Timestamp(-1),
            Value::Uuid([9; 16]),
            Value::Binary(Bytes::from_static(b"b")),
            Value::String("x".repeat(300)),
            Value::Symbol("sym".into()),
            Value::Map(map),
            Value::Array(array),
            Value::Described(Box::new(Described { descriptor: Value::Ulong(0x24), value: Value::List(vec![]) })),
        ];
        values.iter().for_each(round_trip);
        round_trip(&Value::List(values));
    }

    #[test]
    fn multiple_symbols() {
        assert_eq!(read_symbols(&mut Reader::new(&[0xa3, 1, b'a'])).unwrap(), [Symbol::from("a")]);
        let array = [0xe0, 7, 2, 0xa3, 1, b'a', 2, b'b', b'c'];
        assert_eq!(read_symbols(&mut Reader::new(&array)).unwrap(), [Symbol::from("a"), "bc".into()]);
        assert!(read_symbols(&mut Reader::new(&[0xa1, 1, b'a'])).is_err());
        assert!(read_symbols(&mut Reader::new(&[0xe0, 3, 1, 0xa3, 200])).is_err());
    }
}
