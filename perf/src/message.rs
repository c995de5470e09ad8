//! Messages of the load: one data section, with a header if they are durable.

use std::io;

use engine_message::encode;

/// The header section of a durable message.
const DURABLE: [u8; 7] = [0x00, 0x53, 0x70, 0xc0, 0x02, 0x01, 0x41];
/// Descriptor of a data section.
const DATA: [u8; 3] = [0x00, 0x53, 0x75];
/// Constructors of its octets: with a length of one octet, and of four.
const BINARY: [u8; 2] = [0xa0, 0xb0];

/// Whether messages are to survive a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// They say so.
    Durable,
    /// They say nothing.
    Volatile,
}

/// A message with `size` octets in it.
pub fn message(size: usize, kept: Kept) -> Vec<u8> {
    with(&vec![b'x'; size], kept)
}

/// A message with these octets in it.
pub fn with(body: &[u8], kept: Kept) -> Vec<u8> {
    let mut message = begin(kept);
    encode::binary(&mut message, body);
    message
}

/// The start of a durable message, behind which so many octets follow.
pub fn start(bytes: u32) -> Vec<u8> {
    let mut start = begin(Kept::Durable);
    start.push(BINARY[1]);
    start.extend(bytes.to_be_bytes());
    start
}

fn begin(kept: Kept) -> Vec<u8> {
    let mut message = match kept {
        Kept::Durable => DURABLE.to_vec(),
        Kept::Volatile => Vec::new(),
    };
    message.extend(DATA);
    message
}

/// The octets in a message, or as many of them as its first part has.
///
/// # Errors
/// When it has no data section.
pub fn body(message: &[u8]) -> io::Result<&[u8]> {
    let found = message.windows(DATA.len()).position(|part| part == DATA).map(|at| at + DATA.len());
    let octets =
        found.and_then(|at| match message.get(at).and_then(|code| BINARY.iter().position(|one| one == code)) {
            Some(0) => message.get(at + 2..),
            Some(_) => message.get(at + 5..),
            None => None,
        });
    octets.ok_or_else(|| {
        let start = &message[..message.len().min(40)];
        io::Error::other(format!("this is no message of one data section: it begins with {start:02x?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        for (size, kept) in [(0, Kept::Volatile), (255, Kept::Durable), (256, Kept::Volatile), (100_000, Kept::Durable)]
        {
            assert_eq!(body(&message(size, kept)).expect("it has one"), vec![b'x'; size]);
        }
        assert_eq!(body(&[start(1000), vec![7; 3]].concat()).expect("it has one"), [7; 3]);
        assert_eq!(start(1000), message(1000, Kept::Durable)[..15]);
        for other in [&[][..], &DURABLE, &[0x00, 0x53, 0x75], &[0x00, 0x53, 0x75, 0xa1, 0x00]] {
            assert!(body(other).is_err(), "{other:?}");
        }
    }
}
