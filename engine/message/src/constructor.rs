//! The format codes of part 1.6, and what follows each.

/// A described value: a descriptor and a value follow.
pub const DESCRIBED: u8 = 0x00;
/// Nothing at all.
pub const NULL: u8 = 0x40;
/// Boolean true without a byte.
pub const TRUE: u8 = 0x41;
/// Boolean false without a byte.
pub const FALSE: u8 = 0x42;
/// Unsigned 32 bits, zero.
pub const UINT_0: u8 = 0x43;
/// Unsigned 64 bits, zero.
pub const ULONG_0: u8 = 0x44;
/// The empty list.
pub const LIST_0: u8 = 0x45;
/// Unsigned 8 bits.
pub const UBYTE: u8 = 0x50;
/// Signed 8 bits.
pub const BYTE: u8 = 0x51;
/// Unsigned 32 bits in one byte.
pub const UINT_SMALL: u8 = 0x52;
/// Unsigned 64 bits in one byte.
pub const ULONG_SMALL: u8 = 0x53;
/// Signed 32 bits in one byte.
pub const INT_SMALL: u8 = 0x54;
/// Signed 64 bits in one byte.
pub const LONG_SMALL: u8 = 0x55;
/// Boolean in a byte.
pub const BOOLEAN: u8 = 0x56;
/// Unsigned 16 bits.
pub const USHORT: u8 = 0x60;
/// Signed 16 bits.
pub const SHORT: u8 = 0x61;
/// Unsigned 32 bits.
pub const UINT: u8 = 0x70;
/// Signed 32 bits.
pub const INT: u8 = 0x71;
/// IEEE 754 binary32.
pub const FLOAT: u8 = 0x72;
/// A Unicode scalar value, UTF-32.
pub const CHAR: u8 = 0x73;
/// IEEE 754 decimal32.
pub const DECIMAL32: u8 = 0x74;
/// Unsigned 64 bits.
pub const ULONG: u8 = 0x80;
/// Signed 64 bits.
pub const LONG: u8 = 0x81;
/// IEEE 754 binary64.
pub const DOUBLE: u8 = 0x82;
/// Milliseconds since 1970.
pub const TIMESTAMP: u8 = 0x83;
/// IEEE 754 decimal64.
pub const DECIMAL64: u8 = 0x84;
/// IEEE 754 decimal128.
pub const DECIMAL128: u8 = 0x94;
/// An RFC 4122 UUID.
pub const UUID: u8 = 0x98;
/// Up to 255 octets.
pub const BINARY_8: u8 = 0xa0;
/// Up to 255 octets of UTF-8.
pub const STRING_8: u8 = 0xa1;
/// Up to 255 octets of ASCII.
pub const SYMBOL_8: u8 = 0xa3;
/// Octets.
pub const BINARY_32: u8 = 0xb0;
/// Octets of UTF-8.
pub const STRING_32: u8 = 0xb1;
/// Octets of ASCII.
pub const SYMBOL_32: u8 = 0xb3;
/// List with a size and a count of one octet.
pub const LIST_8: u8 = 0xc0;
/// Map with a size and a count of one octet.
pub const MAP_8: u8 = 0xc1;
/// List with a size and a count of four octets.
pub const LIST_32: u8 = 0xd0;
/// Map with a size and a count of four octets.
pub const MAP_32: u8 = 0xd1;
/// Array with a size and a count of one octet.
pub const ARRAY_8: u8 = 0xe0;
/// Array with a size and a count of four octets.
pub const ARRAY_32: u8 = 0xf0;

/// What follows a constructor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// So many octets.
    Fixed(u8),
    /// A size of so many octets, then that many octets.
    Variable(u8),
    /// A size and a count of so many octets each, then values with constructors of their own.
    List(u8),
    /// Like a list, of keys and values in turn.
    Map(u8),
    /// A size and a count of so many octets each, one constructor, then values without.
    Array(u8),
    /// A descriptor, then a value.
    Described,
}

/// The shape of what `constructor` constructs, `None` if part 1.6 has no such constructor.
#[inline]
pub const fn shape(constructor: u8) -> Option<Shape> {
    Some(match constructor {
        DESCRIBED => Shape::Described,
        NULL | TRUE | FALSE | UINT_0 | ULONG_0 | LIST_0 => Shape::Fixed(0),
        UBYTE | BYTE | UINT_SMALL | ULONG_SMALL | INT_SMALL | LONG_SMALL | BOOLEAN => Shape::Fixed(1),
        USHORT | SHORT => Shape::Fixed(2),
        UINT | INT | FLOAT | CHAR | DECIMAL32 => Shape::Fixed(4),
        ULONG | LONG | DOUBLE | TIMESTAMP | DECIMAL64 => Shape::Fixed(8),
        DECIMAL128 | UUID => Shape::Fixed(16),
        BINARY_8 | STRING_8 | SYMBOL_8 => Shape::Variable(1),
        BINARY_32 | STRING_32 | SYMBOL_32 => Shape::Variable(4),
        LIST_8 => Shape::List(1),
        LIST_32 => Shape::List(4),
        MAP_8 => Shape::Map(1),
        MAP_32 => Shape::Map(4),
        ARRAY_8 => Shape::Array(1),
        ARRAY_32 => Shape::Array(4),
        _ => return None,
    })
}
