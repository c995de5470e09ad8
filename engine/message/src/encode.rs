//! Appends encoded values to a buffer, in the shortest encoding of each.
//!
//! Guarantees: nothing is allocated beyond the growth of the buffer; lists leave out their trailing nulls.

use crate::constructor as code;

/// Appends null.
#[inline]
pub fn null(out: &mut Vec<u8>) {
    out.push(code::NULL);
}

/// Appends a boolean.
#[inline]
pub fn boolean(out: &mut Vec<u8>, value: bool) {
    out.push(if value { code::TRUE } else { code::FALSE });
}

/// Appends an unsigned 8-bit number.
#[inline]
pub fn ubyte(out: &mut Vec<u8>, value: u8) {
    out.extend_from_slice(&[code::UBYTE, value]);
}

/// Appends an unsigned 16-bit number.
#[inline]
pub fn ushort(out: &mut Vec<u8>, value: u16) {
    let [high, low] = value.to_be_bytes();
    out.extend_from_slice(&[code::USHORT, high, low]);
}

/// Appends an unsigned 32-bit number.
#[inline]
pub fn uint(out: &mut Vec<u8>, value: u32) {
    match u8::try_from(value) {
        Ok(0) => out.push(code::UINT_0),
        Ok(small) => out.extend_from_slice(&[code::UINT_SMALL, small]),
        Err(_) => {
            let [a, b, c, d] = value.to_be_bytes();
            out.extend_from_slice(&[code::UINT, a, b, c, d]);
        }
    }
}

/// Octets that `uint` appends.
#[must_use]
pub fn uint_bytes(value: u32) -> usize {
    match value {
        0 => 1,
        1..=0xff => 2,
        _ => 5,
    }
}

/// Appends an unsigned 64-bit number.
#[inline]
pub fn ulong(out: &mut Vec<u8>, value: u64) {
    match u8::try_from(value) {
        Ok(0) => out.push(code::ULONG_0),
        Ok(small) => out.extend_from_slice(&[code::ULONG_SMALL, small]),
        Err(_) => {
            out.push(code::ULONG);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// Appends octets.
#[inline]
pub fn binary(out: &mut Vec<u8>, value: &[u8]) {
    variable(out, value, code::BINARY_8, code::BINARY_32);
}

/// Appends a string.
#[inline]
pub fn string(out: &mut Vec<u8>, value: &str) {
    variable(out, value.as_bytes(), code::STRING_8, code::STRING_32);
}

/// Appends a symbol; the caller answers for its being ASCII.
#[inline]
pub fn symbol(out: &mut Vec<u8>, value: &str) {
    variable(out, value.as_bytes(), code::SYMBOL_8, code::SYMBOL_32);
}

#[inline]
fn variable(out: &mut Vec<u8>, value: &[u8], small: u8, large: u8) {
    match u8::try_from(value.len()) {
        Ok(len) => out.extend_from_slice(&[small, len]),
        Err(_) => {
            out.push(large);
            out.extend_from_slice(&length(value.len()).to_be_bytes());
        }
    }
    out.extend_from_slice(value);
}

/// A length as AMQP writes it. Values of 4 GiB are refused long before they reach an encoder.
fn length(len: usize) -> u32 {
    u32::try_from(len).expect("an encoded value is smaller than 4 GiB")
}

/// Appends the constructor and descriptor of a described value with a numeric code below 256.
#[inline]
pub fn descriptor(out: &mut Vec<u8>, code: u8) {
    out.extend_from_slice(&[code::DESCRIBED, code::ULONG_SMALL, code]);
}

/// Appends symbols the way fields with `multiple="true"` have them: null, one symbol, or an array.
pub fn symbols<'a>(out: &mut Vec<u8>, values: impl ExactSizeIterator<Item = &'a str> + Clone) {
    match values.len() {
        0 => null(out),
        1 => values.for_each(|value| symbol(out, value)),
        _ => symbol_array(out, values),
    }
}

/// Appends an array of symbols.
pub fn symbol_array<'a>(out: &mut Vec<u8>, values: impl ExactSizeIterator<Item = &'a str> + Clone) {
    let wide = values.clone().any(|value| value.len() > 255);
    let start = out.len();
    out.extend_from_slice(&[code::ARRAY_32, 0, 0, 0, 0]);
    out.extend_from_slice(&length(values.len()).to_be_bytes());
    out.push(if wide { code::SYMBOL_32 } else { code::SYMBOL_8 });
    for value in values {
        match u8::try_from(value.len()) {
            Ok(len) if !wide => out.push(len),
            _ => out.extend_from_slice(&length(value.len()).to_be_bytes()),
        }
        out.extend_from_slice(value.as_bytes());
    }
    let size = length(out.len() - start - 5);
    patch_u32(out, start + 1, size);
}

/// Overwrites four octets at `at`.
pub fn patch_u32(out: &mut [u8], at: usize, value: u32) {
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// A list or map in the making: a compound of one-octet size that becomes one of four if it has to.
#[derive(Debug)]
pub struct Compound<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    count: u32,
    /// Length of the buffer and number of elements up to the last one that is not null.
    kept: (usize, u32),
    wide: u8,
}

impl<'o> Compound<'o> {
    /// Starts a list.
    #[inline]
    pub fn list(out: &'o mut Vec<u8>) -> Self {
        Self::start(out, code::LIST_8, code::LIST_32)
    }

    /// Starts a map.
    #[inline]
    pub fn map(out: &'o mut Vec<u8>) -> Self {
        Self::start(out, code::MAP_8, code::MAP_32)
    }

    /// Starts a described list.
    #[inline]
    pub fn described(out: &'o mut Vec<u8>, code: u8) -> Self {
        descriptor(out, code);
        Self::list(out)
    }

    #[inline]
    fn start(out: &'o mut Vec<u8>, narrow: u8, wide: u8) -> Self {
        let start = out.len();
        out.extend_from_slice(&[narrow, 0, 0]);
        Self { kept: (out.len(), 0), out, start, count: 0, wide }
    }

    /// Adds an element that `write` appends.
    #[inline]
    pub fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        write(self.out);
        self.count += 1;
        self.kept = (self.out.len(), self.count);
        self
    }

    /// Adds an element if there is one, else null.
    #[inline]
    pub fn put_some<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) -> &mut Self {
        match value {
            Some(value) => self.put(|out| write(out, value)),
            None => self.put_null(),
        }
    }

    /// Adds null.
    #[inline]
    pub fn put_null(&mut self) -> &mut Self {
        null(self.out);
        self.count += 1;
        self
    }

    /// Adds `true`, or null for the default `false`.
    #[inline]
    pub fn put_flag(&mut self, value: bool) -> &mut Self {
        if value { self.put(|out| boolean(out, true)) } else { self.put_null() }
    }

    /// Ends a list without elements.
    #[inline]
    pub fn finish_empty(self) {
        self.out.truncate(self.start);
        self.out.push(code::LIST_0);
    }

    /// Ends the compound: trailing nulls go, size and count are filled in.
    #[inline]
    pub fn finish(self) {
        let Self { out, start, kept: (end, count), wide, .. } = self;
        out.truncate(end);
        let body = end - start - 3;
        if let (Ok(size), Ok(count)) = (u8::try_from(body + 1), u8::try_from(count)) {
            if let Some(place) = out.get_mut(start + 1..start + 3) {
                place.copy_from_slice(&[size, count]);
            }
            return;
        }
        // Six octets more: sizes and counts of four octets instead of one.
        out.extend_from_slice(&[0; 6]);
        out.copy_within(start + 3..end, start + 9);
        if let Some(place) = out.get_mut(start) {
            *place = wide;
        }
        patch_u32(out, start + 1, length(body + 4));
        patch_u32(out, start + 5, count);
    }
}

/// Ends a map: like [`Compound::finish`], but a trailing null is a value there and stays.
pub fn finish_map(mut map: Compound<'_>) {
    map.kept = (map.out.len(), map.count);
    map.finish();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_lose_trailing_nulls_and_grow() {
        let mut out = Vec::new();
        let mut list = Compound::list(&mut out);
        list.put(|out| uint(out, 5)).put_null().put_null();
        list.finish();
        assert_eq!(out, [0xc0, 3, 1, 0x52, 5]);

        out.clear();
        let mut list = Compound::list(&mut out);
        list.put(|out| binary(out, &[7; 300])).put(|out| boolean(out, true));
        list.finish();
        assert_eq!(out[..9], [0xd0, 0, 0, 1, 54, 0, 0, 0, 2]);
        assert_eq!(crate::check::check_value(&out), Ok(out.len()));
        assert_eq!(out.last(), Some(&0x41));
    }

    #[test]
    fn a_number_takes_as_many_octets_as_is_said() {
        for value in [0, 1, 0xff, 0x100, u32::MAX] {
            let mut out = Vec::new();
            uint(&mut out, value);
            assert_eq!(out.len(), uint_bytes(value), "{value}");
        }
    }

    #[test]
    fn symbols_in_their_three_forms() {
        let encoded = |values: &[&str]| {
            let mut out = Vec::new();
            symbols(&mut out, values.iter().copied());
            assert_eq!(crate::check::check_value(&out), Ok(out.len()));
            out
        };
        assert_eq!(encoded(&[]), [0x40]);
        assert_eq!(encoded(&["a"]), [0xa3, 1, b'a']);
        assert_eq!(encoded(&["a", "bc"]), [0xf0, 0, 0, 0, 10, 0, 0, 0, 2, 0xa3, 1, b'a', 2, b'b', b'c']);
        encoded(&["a", &"x".repeat(300)]);
    }
}
