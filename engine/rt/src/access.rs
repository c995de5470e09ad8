//! Whether this process may write somewhere, found out without writing.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Whether files may be made in a directory. The file system may still refuse for want of room.
///
/// # Errors
/// Why not: rights, or a file system that is mounted to be read only.
pub fn may_write(directory: &Path) -> io::Result<()> {
    let path = CString::new(directory.as_os_str().as_bytes())?;
    // SAFETY: the path is a C string that lives for the call.
    let allowed = unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::W_OK | libc::X_OK, libc::AT_EACCESS) };
    if allowed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
