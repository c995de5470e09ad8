//! Strings of messages as selectors see them: most lie in the message, some are written from what does.
//!
//! Guarantees: a text is written at the moment when somebody reads it, into a buffer on the stack; nothing is allocated.

use std::fmt::{self, Write};

use crate::like::Pattern;
use crate::limits::BINARY_ID_OCTETS_MAX;

/// A string: a prefix that is the broker's, and what is the message's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    prefix: &'static str,
    body: Body<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Body<'a> {
    Plain(&'a str),
    /// In upper case.
    Hex(&'a [u8]),
    Uuid([u8; 16]),
    Number(u64),
    Char(char),
}

/// Room for what is written: the longest are binary ids.
struct Written {
    octets: [u8; 2 * BINARY_ID_OCTETS_MAX],
    len: usize,
}

impl Write for Written {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.octets.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

impl<'a> Text<'a> {
    pub(crate) fn plain(text: &'a str) -> Self {
        Self { prefix: "", body: Body::Plain(text) }
    }

    pub(crate) fn prefixed(prefix: &'static str, text: &'a str) -> Self {
        Self { prefix, body: Body::Plain(text) }
    }

    /// `None` if there are more octets than [`BINARY_ID_OCTETS_MAX`].
    pub(crate) fn hex(prefix: &'static str, octets: &'a [u8]) -> Option<Self> {
        (octets.len() <= BINARY_ID_OCTETS_MAX).then_some(Self { prefix, body: Body::Hex(octets) })
    }

    pub(crate) fn uuid(prefix: &'static str, uuid: [u8; 16]) -> Self {
        Self { prefix, body: Body::Uuid(uuid) }
    }

    pub(crate) fn number(prefix: &'static str, number: u64) -> Self {
        Self { prefix, body: Body::Number(number) }
    }

    pub(crate) fn char(c: char) -> Self {
        Self { prefix: "", body: Body::Char(c) }
    }

    /// What `read` says of the two parts.
    #[inline]
    pub(crate) fn read<T>(&self, read: impl FnOnce(&str, &str) -> T) -> T {
        match self.body {
            Body::Plain(text) => read(self.prefix, text),
            body => {
                let mut written = Written { octets: [0; 2 * BINARY_ID_OCTETS_MAX], len: 0 };
                // Everything fits: the longest is a binary id, and the room was made for it.
                let whole = body.write(&mut written).is_ok();
                debug_assert!(whole, "a written text fits");
                let octets = written.octets.get(..written.len).unwrap_or_default();
                read(self.prefix, std::str::from_utf8(octets).unwrap_or_default())
            }
        }
    }

    #[inline]
    pub(crate) fn equals(&self, other: &Text<'_>) -> bool {
        self.read(|prefix, body| {
            other.read(|other_prefix, other_body| {
                if prefix.len() == other_prefix.len() {
                    return body == other_body && prefix == other_prefix;
                }
                let joined = prefix.bytes().chain(body.bytes());
                joined.eq(other_prefix.bytes().chain(other_body.bytes()))
            })
        })
    }

    pub(crate) fn is_like(&self, pattern: &Pattern) -> bool {
        self.read(|prefix, body| pattern.matches(prefix.chars().chain(body.chars())))
    }

    /// Whether the text is one of `sorted`.
    pub(crate) fn is_in(&self, sorted: &[Box<str>]) -> bool {
        self.read(|prefix, body| {
            let found = sorted.binary_search_by(|element| element.bytes().cmp(prefix.bytes().chain(body.bytes())));
            found.is_ok()
        })
    }
}

impl Body<'_> {
    fn write(self, out: &mut Written) -> fmt::Result {
        match self {
            Self::Plain(text) => out.write_str(text),
            Self::Hex(octets) => octets.iter().try_for_each(|octet| write!(out, "{octet:02X}")),
            Self::Uuid(uuid) => uuid.iter().enumerate().try_for_each(|(index, octet)| {
                let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
                write!(out, "{dash}{octet:02x}")
            }),
            Self::Number(number) => write!(out, "{number}"),
            Self::Char(c) => out.write_char(c),
        }
    }
}
