//! Large messages in their files: whether they are there and what was written, and their parts one after the other.

use std::io;

use engine_core::message::Large;
use storage_disk::LargeFiles;
use storage_disk::large::read_part;
use storage_journal::Buffer;
use storage_journal::format::BLOCK;

/// Octets of a large message that are read at once.
pub(super) const FILE_PART: usize = 1 << 20;
/// Gives the parts of a large message.
pub(super) fn file_parts<'a>(files: &'a LargeFiles, large: &'a Large) -> impl Iterator<Item = io::Result<Buffer>> + 'a {
    (0..large.bytes).step_by(FILE_PART).map(move |offset| {
        let bytes = (large.bytes - offset).min(FILE_PART as u64);
        read_part(files, large.id, offset, usize::try_from(bytes).map_err(io::Error::other)?)
    })
}

/// Compares a large message with its checksum.
pub(super) fn check_file(files: &LargeFiles, large: &Large) -> std::result::Result<(), String> {
    let mut checksum = 0;
    for part in file_parts(files, large) {
        let part = part.map_err(|error| format!("the file of a large message cannot be read: {error}"))?;
        checksum = crc32c::crc32c_append(checksum, part.bytes());
    }
    if checksum == large.checksum { Ok(()) } else { Err("the checksum of a large message does not match".to_owned()) }
}

/// Whether the file of a large message is there and as long as it was made: what is in it is found out when it is read.
pub(super) fn check_length(files: &LargeFiles, large: &Large) -> Result<(), String> {
    let made = large.bytes.next_multiple_of(BLOCK as u64);
    match std::fs::metadata(files.file(large.id)) {
        Ok(found) if found.len() == made => Ok(()),
        Ok(found) => {
            let found = found.len();
            Err(format!("the file has a length of {found} octets, and was made with {made} octets"))
        }
        Err(error) => Err(format!("the file of a large message cannot be read: {error}")),
    }
}
