//! A cursor over encoded values that never leaves the slice it was given.
//!
//! Guarantees: every read is checked against the slice's end; a failed read gives an error with the offset where the
//! value started; nothing is copied or allocated.

use crate::constructor::{self as code, Shape};
use crate::error::{DecodeError, ErrorKind};
use crate::limits::DEPTH_MAX;

/// A cursor over the values in `buf`.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    buf: &'a [u8],
    pos: usize,
}

/// The elements of a list, a map or a described list: a reader that ends where the compound ends.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    /// Reads the elements.
    pub reader: Reader<'a>,
    /// How many elements the compound says it has (keys and values each count one).
    pub count: u32,
}

/// A descriptor of a described value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptor<'a> {
    /// The usual form.
    Code(u64),
    /// The symbolic form.
    Name(&'a str),
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `buf`.
    #[inline]
    pub fn new(buf: &'a [u8]) -> Self {
        Self { buf, pos: 0 }
    }

    /// Bytes from the start of the buffer.
    #[inline]
    pub fn position(&self) -> usize {
        self.pos
    }

    /// What has not been read yet.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.buf.get(self.pos..).unwrap_or_default()
    }

    /// Whether everything was read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.pos >= self.buf.len()
    }

    /// An error of `kind` at the cursor.
    #[inline]
    pub fn error(&self, kind: ErrorKind) -> DecodeError {
        DecodeError { kind, offset: self.pos }
    }

    /// The next `count` octets.
    ///
    /// # Errors
    /// `Truncated` when there are fewer.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        match self.buf.get(self.pos..).and_then(|rest| rest.get(..count)) {
            Some(taken) => {
                self.pos += count;
                Ok(taken)
            }
            None => Err(self.error(ErrorKind::Truncated)),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.buf.get(self.pos..).and_then(|rest| rest.first_chunk::<N>()) {
            Some(taken) => {
                self.pos += N;
                Ok(*taken)
            }
            None => Err(self.error(ErrorKind::Truncated)),
        }
    }

    /// The next octet.
    ///
    /// # Errors
    /// `Truncated` at the end.
    #[inline]
    pub fn octet(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[octet]| octet)
    }

    /// The next octet, which stays.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.buf.get(self.pos).copied()
    }

    /// Big-endian, `width` 1 or 4 octets: the sizes and counts of part 1.6.
    #[inline]
    fn size(&mut self, width: u8) -> Result<u32, DecodeError> {
        if width == 1 { self.octet().map(u32::from) } else { self.array().map(u32::from_be_bytes) }
    }

    /// Skips one value of any type by its constructor and size, without looking inside.
    ///
    /// # Errors
    /// When the value is truncated, its constructor unknown, or descriptors are nested deeper than `DEPTH_MAX`.
    #[inline]
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        // Keys, short texts and small maps: what most values are.
        if let [code::STRING_8 | code::SYMBOL_8 | code::BINARY_8 | code::LIST_8 | code::MAP_8, size, ..] = self.rest() {
            return self.take(2 + usize::from(*size)).map(drop);
        }
        self.skip_any()
    }

    fn skip_any(&mut self) -> Result<(), DecodeError> {
        // Parts still to skip of the described values around this one: each has two, and each may be described again.
        let mut left = [0_u8; DEPTH_MAX];
        let mut depth = 0;
        loop {
            let start = *self;
            let constructor = self.octet()?;
            match code::shape(constructor) {
                Some(Shape::Fixed(width)) => {
                    self.take(usize::from(width))?;
                }
                Some(Shape::Variable(width) | Shape::List(width) | Shape::Map(width) | Shape::Array(width)) => {
                    let size = self.size(width)?;
                    self.take(size as usize)?;
                }
                Some(Shape::Described) => {
                    *left.get_mut(depth).ok_or_else(|| start.error(ErrorKind::TooDeep))? = 2;
                    depth += 1;
                    continue;
                }
                None => return Err(start.error(ErrorKind::UnknownConstructor(constructor))),
            }
            while let Some(parts) = depth.checked_sub(1).and_then(|top| left.get_mut(top)) {
                *parts -= 1;
                if *parts > 0 {
                    break;
                }
                depth -= 1;
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// The encoding of the next value, constructor included.
    ///
    /// # Errors
    /// As `skip`.
    pub fn raw(&mut self) -> Result<&'a [u8], DecodeError> {
        let start = self.pos;
        self.skip()?;
        Ok(self.buf.get(start..self.pos).unwrap_or_default())
    }

    /// Whether the next value is null; if so it is read.
    #[inline]
    pub fn null(&mut self) -> bool {
        let null = self.peek() == Some(code::NULL);
        self.pos += usize::from(null);
        null
    }

    #[cold]
    fn wrong_type(&self, at: usize, constructor: u8) -> DecodeError {
        let kind = match code::shape(constructor) {
            Some(_) => ErrorKind::WrongType(constructor),
            None => ErrorKind::UnknownConstructor(constructor),
        };
        DecodeError { kind, offset: at }
    }

    /// A boolean.
    ///
    /// # Errors
    /// When the next value is none.
    #[inline]
    pub fn boolean(&mut self) -> Result<bool, DecodeError> {
        let at = self.pos;
        match self.octet()? {
            code::TRUE => Ok(true),
            code::FALSE => Ok(false),
            code::BOOLEAN => match self.octet()? {
                0 => Ok(false),
                1 => Ok(true),
                _ => Err(DecodeError { kind: ErrorKind::InvalidField("boolean"), offset: at }),
            },
            other => Err(self.wrong_type(at, other)),
        }
    }

    /// An unsigned 8-bit number.
    ///
    /// # Errors
    /// When the next value is none.
    #[inline]
    pub fn ubyte(&mut self) -> Result<u8, DecodeError> {
        let at = self.pos;
        match self.octet()? {
            code::UBYTE => self.octet(),
            other => Err(self.wrong_type(at, other)),
        }
    }

    /// An unsigned 16-bit number.
    ///
    /// # Errors
    /// When the next value is none.
    #[inline]
    pub fn ushort(&mut self) -> Result<u16, DecodeError> {
        let at = self.pos;
        match self.octet()? {
            code::USHORT => self.array().map(u16::from_be_bytes),
            other => Err(self.wrong_type(at, other)),
        }
    }

    /// An unsigned 32-bit number in any of its encodings.
    ///
    /// # Errors
    /// When the next value is none.
    #[inline]
    pub fn uint(&mut self) -> Result<u32, DecodeError> {
        let at = self.pos;
        match self.octet()? {
            code::UINT_SMALL => self.octet().map(u32::from),
            code::UINT => self.array().map(u32::from_be_bytes),
            code::UINT_0 => Ok(0),
            other => Err(self.wrong_type(at, other)),
        }
    }

    /// An unsigned 64-bit number in any of its encodings.
    ///
    /// # Errors
    /// When the next value is none.
    #[inline]
    pub fn ulong(&mut self) -> Result<u64, DecodeError> {
        let at = self.pos;
        match self.octet()? {
            code::ULONG_SMALL => self.octet().map(u64::from),
            code::ULONG => self.array().map(u64::from_be_bytes),
            code::ULONG_0 => Ok(0),
            other => Err(self.wrong_type(at, other)),
        }
    }

    /// A timestamp, milliseconds since 1970.
    ///
    /// # Errors
    /// When the next value is none.
    pub fn timestamp(&mut self) -> Result<i64, DecodeError> {
        let at = self.pos;
        match self.octet()? {
            code::TIMESTAMP => self.array().map(i64::from_be_bytes),
            other => Err(self.wrong_type(at, other)),
        }
    }

    /// Octets.
    ///
    /// # Errors
    /// When the next value is no binary.
    #[inline]
    pub fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        self.variable(code::BINARY_8, code::BINARY_32)
    }

    /// A string.
    ///
    /// # Errors
    /// When the next value is none, or not UTF-8.
    pub fn string(&mut self) -> Result<&'a str, DecodeError> {
        let at = self.pos;
        let bytes = self.variable(code::STRING_8, code::STRING_32)?;
        std::str::from_utf8(bytes).map_err(|_| DecodeError { kind: ErrorKind::InvalidText, offset: at })
    }

    /// A symbol.
    ///
    /// # Errors
    /// When the next value is none, or not ASCII.
    pub fn symbol(&mut self) -> Result<&'a str, DecodeError> {
        let at = self.pos;
        let bytes = self.variable(code::SYMBOL_8, code::SYMBOL_32)?;
        match std::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => Ok(text),
            _ => Err(DecodeError { kind: ErrorKind::InvalidText, offset: at }),
        }
    }

    #[inline]
    fn variable(&mut self, small: u8, large: u8) -> Result<&'a [u8], DecodeError> {
        let at = self.pos;
        let constructor = self.octet()?;
        let size = if constructor == small {
            self.size(1)?
        } else if constructor == large {
            self.size(4)?
        } else {
            return Err(self.wrong_type(at, constructor));
        };
        self.take(size as usize)
    }

    /// A list: its elements, and the cursor behind it.
    ///
    /// # Errors
    /// When the next value is none, or reaches beyond the end.
    #[inline]
    pub fn list(&mut self) -> Result<Compound<'a>, DecodeError> {
        let at = self.pos;
        match self.octet()? {
            code::LIST_0 => Ok(Compound {
                reader: Reader { buf: self.buf.get(..self.pos).unwrap_or_default(), pos: self.pos },
                count: 0,
            }),
            code::LIST_8 => self.compound(1),
            code::LIST_32 => self.compound(4),
            other => Err(self.wrong_type(at, other)),
        }
    }

    /// A map: its keys and values in turn, and the cursor behind it.
    ///
    /// # Errors
    /// When the next value is none, reaches beyond the end, or has an odd number of elements.
    pub fn map(&mut self) -> Result<Compound<'a>, DecodeError> {
        let at = self.pos;
        let compound = match self.octet()? {
            code::MAP_8 => self.compound(1)?,
            code::MAP_32 => self.compound(4)?,
            other => return Err(self.wrong_type(at, other)),
        };
        if compound.count % 2 == 1 {
            return Err(DecodeError { kind: ErrorKind::SizeMismatch, offset: at });
        }
        Ok(compound)
    }

    #[inline]
    fn compound(&mut self, width: u8) -> Result<Compound<'a>, DecodeError> {
        let start = *self;
        let size = self.size(width)? as usize;
        let content = self.pos;
        self.take(size)?;
        let mut reader = Reader { buf: self.buf.get(..self.pos).unwrap_or_default(), pos: content };
        let count = reader.size(width)?;
        if count as usize > reader.rest().len() {
            return Err(start.error(ErrorKind::TooManyElements));
        }
        Ok(Compound { reader, count })
    }

    /// An array: its elements' constructor (behind their descriptor, if they are described), the elements, their number.
    ///
    /// # Errors
    /// When the next value is none, or reaches beyond the end.
    pub fn array_of_values(&mut self) -> Result<Array<'a>, DecodeError> {
        let at = self.pos;
        let width = match self.octet()? {
            code::ARRAY_8 => 1,
            code::ARRAY_32 => 4,
            other => return Err(self.wrong_type(at, other)),
        };
        let size = self.size(width)? as usize;
        let content = self.pos;
        self.take(size)?;
        let mut elements = Reader { buf: self.buf.get(..self.pos).unwrap_or_default(), pos: content };
        let count = elements.size(width)?;
        let mut constructor = elements.octet()?;
        let mut descriptor = None;
        if constructor == code::DESCRIBED {
            descriptor = Some(elements.descriptor_value()?);
            constructor = elements.octet()?;
        }
        Ok(Array { descriptor, constructor, elements, count })
    }

    /// Reads on inside an array: one element of `constructor`, which has no constructor of its own.
    ///
    /// # Errors
    /// When the element is truncated, or its constructor is unknown or a descriptor.
    pub(crate) fn skip_element(&mut self, constructor: u8) -> Result<(), DecodeError> {
        match code::shape(constructor) {
            Some(Shape::Fixed(width)) => self.take(usize::from(width)).map(drop),
            Some(Shape::Variable(width) | Shape::List(width) | Shape::Map(width) | Shape::Array(width)) => {
                let size = self.size(width)?;
                self.take(size as usize).map(drop)
            }
            Some(Shape::Described) | None => Err(self.error(ErrorKind::UnknownConstructor(constructor))),
        }
    }

    /// Size and count of a compound whose constructor was read already; the cursor is then at its first element.
    pub(crate) fn open_compound(&mut self, width: u8) -> Result<(usize, u32), DecodeError> {
        let size = self.size(width)? as usize;
        let end = self.pos + size;
        if size > self.rest().len() {
            return Err(self.error(ErrorKind::Truncated));
        }
        let count = self.size(width)?;
        Ok((end, count))
    }

    /// The descriptor of a described value.
    ///
    /// # Errors
    /// When the next value is not described, or its descriptor neither a ulong nor a symbol.
    #[inline]
    pub fn descriptor(&mut self) -> Result<Descriptor<'a>, DecodeError> {
        let at = self.pos;
        match self.octet()? {
            code::DESCRIBED => self.descriptor_value(),
            other => Err(self.wrong_type(at, other)),
        }
    }

    #[inline]
    pub(crate) fn descriptor_value(&mut self) -> Result<Descriptor<'a>, DecodeError> {
        match self.peek() {
            Some(code::SYMBOL_8 | code::SYMBOL_32) => self.symbol().map(Descriptor::Name),
            _ => self.ulong().map(Descriptor::Code),
        }
    }
}

/// An array's elements, which share one constructor.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a> {
    /// The descriptor that all elements share.
    pub descriptor: Option<Descriptor<'a>>,
    /// The constructor that all elements share.
    pub constructor: u8,
    /// Reads the elements.
    pub elements: Reader<'a>,
    /// How many there are.
    pub count: u32,
}
