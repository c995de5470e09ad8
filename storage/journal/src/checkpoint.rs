//! The frame of a checkpoint: what lies around a shard's state, so that it is believed only when it is whole.
//!
//! | offset | octets | what |
//! |---|---|---|
//! | 0 | 8 | `HEDDLEC1` |
//! | 8 | 4 | version of the contents |
//! | 12 | 4 | checksum: starts from the checksum of the directory's identity, takes the contents |
//! | 16 | 8 | length of the contents |
//! | 24 | 8 | 0 |
//! | 32 | | contents |

use crate::format::{Fields, seed};

const MAGIC: [u8; 8] = *b"HEDDLEC1";
const HEADER: usize = 32;

/// Puts a frame around contents of a version.
pub fn seal_checkpoint(directory: [u8; 16], version: u32, contents: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + contents.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c_append(seed(directory), contents).to_le_bytes());
    bytes.extend_from_slice(&(contents.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(contents);
    bytes
}

/// The contents of a checkpoint of this version.
///
/// # Errors
/// What is wrong with it.
pub fn open_checkpoint(directory: [u8; 16], version: u32, bytes: &[u8]) -> Result<&[u8], &'static str> {
    let mut fields = Fields(bytes);
    if fields.array() != Some(MAGIC) {
        return Err("the file is no checkpoint");
    }
    if fields.u32() != Some(version) {
        return Err("the checkpoint has another version of the format");
    }
    let (checksum, length) = (fields.u32(), fields.u64());
    let contents = bytes.get(HEADER..).ok_or("the checkpoint is cut off")?;
    if length != Some(contents.len() as u64) {
        return Err("the checkpoint is cut off");
    }
    if checksum != Some(crc32c::crc32c_append(seed(directory), contents)) {
        return Err("the checksum of the checkpoint does not match");
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_is_found() {
        let sealed = seal_checkpoint([3; 16], 7, b"the state of a shard");
        assert_eq!(open_checkpoint([3; 16], 7, &sealed), Ok(&b"the state of a shard"[..]));
        assert!(open_checkpoint([4; 16], 7, &sealed).is_err(), "another directory's");
        assert!(open_checkpoint([3; 16], 8, &sealed).is_err(), "another version");
        for at in (0..24).chain(32..sealed.len()) {
            let mut damaged = sealed.clone();
            damaged[at] ^= 4;
            assert!(open_checkpoint([3; 16], 7, &damaged).is_err(), "octet {at}");
            assert!(open_checkpoint([3; 16], 7, &sealed[..at]).is_err(), "cut at {at}");
        }
    }
}
