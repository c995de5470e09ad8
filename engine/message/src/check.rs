//! Whether bytes are well-formed AMQP values, without building anything.
//!
//! What a peer sent passes here before any code looks into its nested parts: afterwards depth and number of elements
//! are known to be small beside the number of bytes, so that decoders may recurse and reserve.
//!
//! Guarantees: the walk is iterative with a stack of fixed size; its time is linear in the number of bytes.

use crate::constructor::{self as code, Shape};
use crate::error::{DecodeError, ErrorKind};
use crate::limits::{DEPTH_MAX, EMPTY_ELEMENTS_MAX};
use crate::reader::Reader;

/// A compound value that is being walked.
#[derive(Clone, Copy)]
struct Level {
    left: u32,
    /// Where the compound must end; `None` for the two parts of a described value, which has no size.
    end: Option<usize>,
    /// For arrays the constructor of all elements.
    element: Option<u8>,
}

/// Checks that `buf` starts with one well-formed value and gives its length, octets.
///
/// # Errors
/// The first violation found, with its offset.
pub fn check_value(buf: &[u8]) -> Result<usize, DecodeError> {
    let mut reader = Reader::new(buf);
    let mut levels = [Level { left: 0, end: None, element: None }; DEPTH_MAX];
    let mut depth = 0;
    let mut empty_elements = 0;
    let mut pending = Some(None);
    loop {
        if let Some(element) = pending.take() {
            let opened = check_one(&mut reader, element, &mut empty_elements)?;
            // An empty compound is no deeper than the value without octets that it may be written as.
            if let Some(Level { left: 0, end, .. }) = opened {
                if end.is_some_and(|end| reader.position() != end) {
                    return Err(reader.error(ErrorKind::SizeMismatch));
                }
            } else if let Some(level) = opened {
                let slot = levels.get_mut(depth).ok_or_else(|| reader.error(ErrorKind::TooDeep))?;
                *slot = level;
                depth += 1;
            }
        }
        let Some(level) = depth.checked_sub(1).and_then(|top| levels.get_mut(top)) else {
            return Ok(reader.position());
        };
        if level.end.is_some_and(|end| reader.position() > end) {
            return Err(reader.error(ErrorKind::SizeMismatch));
        }
        if level.left > 0 {
            level.left -= 1;
            pending = Some(level.element);
            continue;
        }
        if level.end.is_some_and(|end| reader.position() != end) {
            return Err(reader.error(ErrorKind::SizeMismatch));
        }
        depth -= 1;
    }
}

/// Reads one value, or one array element of constructor `element`; gives the level that it opens if it is compound.
fn check_one(
    reader: &mut Reader<'_>,
    element: Option<u8>,
    empty_elements: &mut usize,
) -> Result<Option<Level>, DecodeError> {
    let start = *reader;
    let constructor = match element {
        Some(constructor) => constructor,
        None => reader.octet()?,
    };
    match code::shape(constructor) {
        Some(Shape::Fixed(_) | Shape::Variable(_)) => {
            let value = *reader;
            reader.skip_element(constructor)?;
            if constructor == code::BOOLEAN && value.peek().is_none_or(|octet| octet > 1) {
                return Err(start.error(ErrorKind::InvalidField("boolean")));
            }
            Ok(None)
        }
        Some(Shape::List(width)) => open(reader, &start, width, 1),
        Some(Shape::Map(width)) => open(reader, &start, width, 2),
        Some(Shape::Array(width)) => {
            let (end, left) = reader.open_compound(width)?;
            let mut element = reader.octet()?;
            if element == code::DESCRIBED {
                reader.descriptor_value()?;
                element = reader.octet()?;
            }
            match code::shape(element) {
                Some(Shape::Described) | None => return Err(start.error(ErrorKind::UnknownConstructor(element))),
                Some(Shape::Fixed(0)) => {
                    *empty_elements += left as usize;
                    if *empty_elements > EMPTY_ELEMENTS_MAX {
                        return Err(start.error(ErrorKind::TooManyElements));
                    }
                }
                Some(_) if left as usize > end.saturating_sub(reader.position()) => {
                    return Err(start.error(ErrorKind::TooManyElements));
                }
                Some(_) => {}
            }
            Ok(Some(Level { left, end: Some(end), element: Some(element) }))
        }
        Some(Shape::Described) if element.is_none() => Ok(Some(Level { left: 2, end: None, element: None })),
        Some(Shape::Described) | None => Err(start.error(ErrorKind::UnknownConstructor(constructor))),
    }
}

fn open(reader: &mut Reader<'_>, start: &Reader<'_>, width: u8, unit: u32) -> Result<Option<Level>, DecodeError> {
    let (end, left) = reader.open_compound(width)?;
    if left % unit != 0 {
        return Err(start.error(ErrorKind::SizeMismatch));
    }
    if left as usize > end.saturating_sub(reader.position()) {
        return Err(start.error(ErrorKind::TooManyElements));
    }
    Ok(Some(Level { left, end: Some(end), element: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(buf: &[u8]) -> ErrorKind {
        check_value(buf).expect_err("not well-formed").kind
    }

    #[test]
    fn lengths_of_well_formed_values() {
        for (bytes, length) in [
            (&[0x40_u8, 0x40][..], 1),
            (&[0x45], 1),
            (&[0xc0, 3, 2, 0x41, 0x42], 5),
            (&[0xc1, 5, 2, 0xa1, 1, b'k', 0x43], 7),
            (&[0x00, 0x53, 0x24, 0x45], 4),
            (&[0xe0, 3, 2, 0x50, 1], 0),
            (&[0xe0, 4, 2, 0x50, 1, 2], 6),
            (&[0xe0, 2, 200, 0x41], 4),
            (&[0xe0, 5, 2, 0x00, 0x53, 0x24, 0x45], 7),
        ] {
            match check_value(bytes) {
                Ok(found) => assert_eq!(found, length, "{bytes:x?}"),
                Err(error) => assert_eq!(length, 0, "{bytes:x?}: {error}"),
            }
        }
    }

    #[test]
    fn four_billion_nothings_are_refused() {
        assert_eq!(kind(&[0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40]), ErrorKind::TooManyElements);
        assert_eq!(kind(&[0xd0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]), ErrorKind::TooManyElements);
    }

    #[test]
    fn nesting_is_refused_at_any_depth_without_recursion() {
        assert_eq!(kind(&vec![0x00; 50_000]), ErrorKind::TooDeep);
        let mut nested = Vec::new();
        // The innermost is empty and does not count.
        for _ in 0..=DEPTH_MAX {
            let mut outer = vec![0xd0];
            outer.extend_from_slice(&(u32::try_from(nested.len()).unwrap() + 4).to_be_bytes());
            outer.extend_from_slice(&u32::from(!nested.is_empty()).to_be_bytes());
            outer.append(&mut nested);
            nested = outer;
        }
        assert_eq!(check_value(&nested), Ok(nested.len()));
        let mut one_more = vec![0xd0];
        one_more.extend_from_slice(&(u32::try_from(nested.len()).unwrap() + 4).to_be_bytes());
        one_more.extend_from_slice(&1_u32.to_be_bytes());
        one_more.append(&mut nested);
        assert_eq!(kind(&one_more), ErrorKind::TooDeep);
    }

    #[test]
    fn sizes_must_nest() {
        assert_eq!(kind(&[0xc0, 4, 1, 0x41, 0x42, 0x42]), ErrorKind::SizeMismatch);
        assert_eq!(kind(&[0xc0, 200, 1, 0x41]), ErrorKind::Truncated);
        assert_eq!(kind(&[0xc1, 2, 1, 0x41]), ErrorKind::SizeMismatch);
        assert_eq!(kind(&[0x56, 2]), ErrorKind::InvalidField("boolean"));
        assert_eq!(kind(&[0x99]), ErrorKind::UnknownConstructor(0x99));
    }
}
