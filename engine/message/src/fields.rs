//! The fields of a composite, one after the other: absent, null and default are the same (part 1.4).

use crate::error::{DecodeError, ErrorKind};
use crate::reader::{Compound, Reader};
use crate::symbol::Symbol;
use crate::value::{self, Map};

/// Reads the fields of one composite in their order.
#[derive(Debug)]
pub struct Fields<'a> {
    reader: Reader<'a>,
    left: u32,
    end: usize,
}

impl<'a> Fields<'a> {
    /// The fields of `list`.
    #[inline]
    pub fn new(list: Compound<'a>) -> Self {
        Self { end: list.reader.position() + list.reader.rest().len(), reader: list.reader, left: list.count }
    }

    /// Where the composite ends, octets from the start of what is being decoded.
    #[inline]
    pub fn end(&self) -> usize {
        self.end
    }

    /// An error of `kind` here.
    pub fn error(&self, kind: ErrorKind) -> DecodeError {
        self.reader.error(kind)
    }

    /// The next field by `read`, `None` when absent or null.
    #[inline]
    pub fn next<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        if self.reader.null() {
            return Ok(None);
        }
        read(&mut self.reader).map(Some)
    }

    /// The next field by `read`; it must be there.
    #[inline]
    pub fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        match self.next(read)? {
            Some(value) => Ok(value),
            None => Err(self.error(ErrorKind::MissingField(name))),
        }
    }

    /// The next field by `read`, or its default when it is not what it has to be: `fault` says so then, unless an earlier one does.
    pub fn lenient<T: Default>(
        &mut self,
        fault: &mut Option<DecodeError>,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let (reader, left) = (self.reader, self.left);
        read(self).or_else(|error| {
            fault.get_or_insert(error);
            (self.reader, self.left) = (reader, left);
            self.next(Reader::skip)?;
            Ok(T::default())
        })
    }

    /// A boolean that is false by default.
    #[inline]
    pub fn flag(&mut self) -> Result<bool, DecodeError> {
        Ok(self.next(Reader::boolean)?.unwrap_or(false))
    }

    /// A string to keep.
    pub fn text(&mut self) -> Result<Option<String>, DecodeError> {
        self.next(|reader| reader.string().map(str::to_owned))
    }

    /// Symbols of a field with `multiple="true"`.
    pub fn symbols(&mut self) -> Result<Vec<Symbol>, DecodeError> {
        Ok(self.next(value::read_symbols)?.unwrap_or_default())
    }

    /// A map to keep.
    pub fn map(&mut self) -> Result<Map, DecodeError> {
        Ok(self.next(Map::read)?.unwrap_or_default())
    }

    /// A described value as it is encoded, of well-formed nesting.
    #[inline]
    pub fn raw(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        self.next(checked_raw)
    }
}

/// The next value as it is encoded, after the walk of [`crate::check`].
pub fn checked_raw<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let base = reader.position();
    let length = crate::check::check_value(reader.rest())
        .map_err(|error| DecodeError { kind: error.kind, offset: base + error.offset })?;
    reader.take(length)
}
