//! What the queue of ids has in it, as bodies of messages: an address, and the id of a message that came to it. Octets in
//! `docs/journal-format.md`.
//!
//! Guarantees: `read_identity(encode_identity(it))` is it; what is none is an error, never a panic.

use storage_journal::format::Fields;

/// The version that is written.
const VERSION: u8 = 1;

/// An id, and its address.
#[must_use]
pub fn encode_identity(address: &str, id: &[u8]) -> Vec<u8> {
    let length = u32::try_from(address.len()).expect("addresses are bounded");
    [&[VERSION], &length.to_le_bytes()[..], address.as_bytes(), id].concat()
}

/// The address and the id that a body has.
///
/// # Errors
/// When it is none, or of a version that is not known.
pub fn read_identity(body: &[u8]) -> Result<(&str, &[u8]), &'static str> {
    let mut fields = Fields(body);
    if fields.u8() != Some(VERSION) {
        return Err(
            "an id is of a version that this version of Heddle does not know: a newer one wrote it, and is needed to read it",
        );
    }
    let address = fields.u32().and_then(|length| fields.take(length as usize));
    let address = address.and_then(|address| str::from_utf8(address).ok()).ok_or("an id is cut off, or none")?;
    Ok((address, fields.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let octets = encode_identity("a.b", b"id");
        assert_eq!(octets, [&[1, 3, 0, 0, 0][..], b"a.bid"].concat());
        assert_eq!(read_identity(&octets), Ok(("a.b", &b"id"[..])));
        for cut in 0..8 {
            assert!(read_identity(&octets[..cut]).is_err(), "{cut}");
        }
        assert!(read_identity(&[2, 0, 0, 0, 0]).is_err_and(|error| error.contains("newer")));
    }
}
