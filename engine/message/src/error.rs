//! What can be wrong with bytes that claim to be AMQP.

use std::fmt;

/// Bytes that are no valid AMQP, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where, bytes from the start of the buffer that was decoded.
    pub offset: usize,
}

/// The kinds of [`DecodeError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A value reaches beyond what encloses it.
    Truncated,
    /// A constructor that part 1.6 of the specification does not have.
    UnknownConstructor(u8),
    /// A value of another type than the field has; the constructor found.
    WrongType(u8),
    /// A field that must not be absent.
    MissingField(&'static str),
    /// A field whose value is out of its bounds.
    InvalidField(&'static str),
    /// A string that is not UTF-8, or a symbol that is not ASCII.
    InvalidText,
    /// A compound value whose size is not that of its elements.
    SizeMismatch,
    /// More levels of nesting than [`crate::limits::DEPTH_MAX`].
    TooDeep,
    /// More elements than there can be in so few bytes.
    TooManyElements,
    /// A descriptor that this place does not have; its numeric code, if it has one.
    UnknownDescriptor(Option<u64>),
    /// Message sections out of the order of part 3.2, or repeated.
    SectionOrder,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ErrorKind::Truncated => write!(f, "a value reaches beyond what encloses it")?,
            ErrorKind::UnknownConstructor(code) => write!(f, "0x{code:02x} constructs no AMQP type")?,
            ErrorKind::WrongType(code) => write!(f, "a value constructed by 0x{code:02x} has the wrong type here")?,
            ErrorKind::MissingField(name) => write!(f, "the mandatory field {name} is missing")?,
            ErrorKind::InvalidField(name) => write!(f, "the field {name} is out of bounds")?,
            ErrorKind::InvalidText => write!(f, "a string is not UTF-8 or a symbol not ASCII")?,
            ErrorKind::SizeMismatch => write!(f, "the size of a compound value is not that of its elements")?,
            ErrorKind::TooDeep => write!(f, "values are nested deeper than {} levels", crate::limits::DEPTH_MAX)?,
            ErrorKind::TooManyElements => write!(f, "a compound value claims more elements than its bytes can hold")?,
            ErrorKind::UnknownDescriptor(Some(code)) => write!(f, "the descriptor 0x{code:x} has no meaning here")?,
            ErrorKind::UnknownDescriptor(None) => write!(f, "the descriptor has no meaning here")?,
            ErrorKind::SectionOrder => write!(f, "message sections are repeated or out of order")?,
        }
        write!(f, " (at byte {})", self.offset)
    }
}

impl std::error::Error for DecodeError {}
