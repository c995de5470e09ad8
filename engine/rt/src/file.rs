//! Files without the page cache, and what the standard library does not say of them.
//!
//! Guarantees: `write_synced` returns when the octets are on stable storage, by a write that is also a sync or by a write and a
//! sync after it; a failure is never tried again here, as the system may have dropped what it could not write.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// How a write gets to stable storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// One call: a write with `RWF_DSYNC`.
    WithWrite,
    /// Two: a write, then `fdatasync`.
    AfterWrite,
}

/// Whether a file system does without the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It does: buffers, offsets and lengths are whole blocks.
    Direct,
    /// It does not (tmpfs, some network file systems).
    Buffered,
}

/// Whether a file may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is there.
    Must,
    /// It is made if it is not.
    May,
}

/// Opens a file for reading and writing.
///
/// # Errors
/// When the system refuses, for example direct access on a file system without it (`InvalidInput`).
pub fn open_file(path: &Path, access: Access, existing: Existing) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(existing == Existing::May);
    if access == Access::Direct {
        options.custom_flags(libc::O_DIRECT);
    }
    options.open(path)
}

/// Writes all of `bytes` at `offset`, and returns when they are on stable storage.
///
/// # Errors
/// When the system could not: nothing is known of the octets then.
pub fn write_synced(file: &File, bytes: &[u8], offset: u64, sync: Sync) -> io::Result<()> {
    match sync {
        Sync::WithWrite => write_dsync(file, bytes, offset),
        Sync::AfterWrite => {
            file.write_all_at(bytes, offset)?;
            file.sync_data()
        }
    }
}

fn write_dsync(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let at = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: the vector names memory that lives for the call and is only read.
        let written = unsafe { libc::pwritev2(file.as_raw_fd(), &raw const part, 1, at, libc::RWF_DSYNC) };
        match usize::try_from(written) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = &bytes[count..];
                offset += count as u64;
            }
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// Reserves `bytes` for a file.
///
/// # Errors
/// When there is no room (`StorageFull`), or the file system cannot.
pub fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    let bytes = libc::off_t::try_from(bytes).map_err(io::Error::other)?;
    // SAFETY: no pointers.
    let result = unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, bytes) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Octets that this process may still use of the file system of `path`, and all of its octets.
///
/// # Errors
/// When the path is not there.
pub fn free_bytes(path: &Path) -> io::Result<(u64, u64)> {
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
    // SAFETY: an all-zero structure is valid, and lives for the call; the name ends with zero.
    unsafe {
        let mut status: libc::statvfs = std::mem::zeroed();
        if libc::statvfs(name.as_ptr(), &raw mut status) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize))
    }
}
