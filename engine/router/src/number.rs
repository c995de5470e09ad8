//! A number of any integral type: routers write what their language has at hand, and mean the same.

use engine_message::reader::Reader;
use engine_message::{DecodeError, ErrorKind, constructor as code};

/// The next value, as a number that is not negative.
///
/// # Errors
/// When it is no integer, or negative.
pub(crate) fn number(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let start = *reader;
    let signed = |value: i64| u64::try_from(value).map_err(|_| start.error(ErrorKind::InvalidField("number")));
    match *reader.raw()? {
        [code::UINT_0 | code::ULONG_0] => Ok(0),
        [code::UBYTE | code::UINT_SMALL | code::ULONG_SMALL, value] => Ok(u64::from(value)),
        [code::BYTE | code::INT_SMALL | code::LONG_SMALL, value] => signed(i64::from(i8::from_be_bytes([value]))),
        [code::USHORT, a, b] => Ok(u64::from(u16::from_be_bytes([a, b]))),
        [code::SHORT, a, b] => signed(i64::from(i16::from_be_bytes([a, b]))),
        [code::UINT, a, b, c, d] => Ok(u64::from(u32::from_be_bytes([a, b, c, d]))),
        [code::INT, a, b, c, d] => signed(i64::from(i32::from_be_bytes([a, b, c, d]))),
        [code::ULONG, a, b, c, d, e, f, g, h] => Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h])),
        [code::LONG, a, b, c, d, e, f, g, h] => signed(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
        [other, ..] => Err(start.error(ErrorKind::WrongType(other))),
        [] => Err(start.error(ErrorKind::Truncated)),
    }
}

#[cfg(test)]
mod tests {
    use engine_message::value::Value;

    use super::*;

    #[test]
    fn any_integer_is_a_number_and_nothing_else_is() {
        let read = |value: Value| {
            let mut out = Vec::new();
            value.encode(&mut out);
            number(&mut Reader::new(&out))
        };
        for value in [
            Value::Ubyte(7),
            Value::Ushort(7),
            Value::Uint(7),
            Value::Ulong(7),
            Value::Byte(7),
            Value::Short(7),
            Value::Int(7),
            Value::Long(7),
        ] {
            assert_eq!(read(value), Ok(7));
        }
        assert_eq!((read(Value::Uint(0)), read(Value::Ulong(0))), (Ok(0), Ok(0)));
        assert_eq!((read(Value::Ulong(u64::MAX)), read(Value::Uint(700))), (Ok(u64::MAX), Ok(700)));
        assert_eq!((number(&mut Reader::new(&[0x54, 5])), number(&mut Reader::new(&[0x55, 5]))), (Ok(5), Ok(5)));
        for bad in
            [Value::Byte(-1), Value::Short(-1), Value::Int(-1), Value::Long(-1), Value::Null, Value::List(vec![])]
        {
            assert!(read(bad).is_err());
        }
    }
}
