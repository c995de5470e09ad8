//! Files and directories that a configuration names, looked at without changing anything. Every error is the rest of a sentence that
//! begins with what the file is.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use load_model::number;

use super::bounds::{PEM_MAX, TOKEN_MAX, TOKEN_MIN, TOKENS_MAX};

/// Reads a file of at most `max` bytes. What is no ordinary file is not waited for.
///
/// # Errors
/// When it is not there, cannot be read, is no ordinary file, or is too large.
pub fn read(path: &Path, max: u64) -> Result<Vec<u8>, String> {
    let fail = |error: io::Error| format!("{} {}", path.display(), why(path, &error));
    // A pipe that nobody writes into would otherwise make the open wait for ever.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.is_dir() {
        return Err(format!("{} is a directory, and a file is needed", path.display()));
    }
    if !metadata.is_file() {
        return Err(format!("{} is no ordinary file", path.display()));
    }
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > max {
        return Err(format!(
            "{} is larger than {} bytes, which is more than it can need",
            path.display(),
            number::count(max)
        ));
    }
    Ok(bytes)
}

/// Why a file cannot be opened, and what helps.
fn why(path: &Path, error: &io::Error) -> String {
    let from = match std::env::current_dir() {
        Ok(folder) if path.is_relative() => format!(" (looked for in {})", folder.display()),
        _ => String::new(),
    };
    match error.kind() {
        io::ErrorKind::NotFound => format!("does not exist{from}: mend the path, or make the file"),
        io::ErrorKind::PermissionDenied => "may not be read by this user: change its owner or its mode".to_owned(),
        _ => format!("cannot be read ({error}){from}"),
    }
}

/// Whether a directory is there and may be written to, or can be made.
///
/// # Errors
/// When something on the way is no directory, or may not be written to.
pub fn writable(directory: &Path) -> Result<(), String> {
    let shown = directory.display();
    let mut at = absolute(directory)?;
    loop {
        match std::fs::metadata(&at) {
            Ok(metadata) if !metadata.is_dir() => {
                let what = if at == absolute(directory)? {
                    "is".to_owned()
                } else {
                    format!("lies below {}, which is", at.display())
                };
                return Err(format!("{shown} {what} a file, and a directory is needed"));
            }
            Ok(_) => return may_write(directory, &at),
            // What is to be made lies in what is there.
            Err(error) if error.kind() == io::ErrorKind::NotFound && at.pop() => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory && at.pop() => {}
            Err(error) => {
                return Err(format!("{shown} cannot be looked at ({error}): mend the rights of the folders above it"));
            }
        }
    }
}

/// Whether a file can be made in its folder, which has to be there.
///
/// # Errors
/// When there is no folder, or it may not be written to.
pub fn check_folder(file: &Path) -> Result<(), String> {
    let shown = file.display();
    let path = absolute(file)?;
    let folder = path.parent().filter(|folder| folder.is_dir());
    let missing = || format!("{shown} lies in no folder that there is: make the folder, or mend the path");
    engine_rt::may_write(folder.ok_or_else(missing)?)
        .map_err(|error| format!("{shown} cannot be made ({error}): mend the rights of its folder"))
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{} is no path ({error})", path.display()))
}

fn may_write(directory: &Path, existing: &Path) -> Result<(), String> {
    let Err(error) = engine_rt::may_write(existing) else { return Ok(()) };
    let shown = directory.display();
    let which = if existing == absolute(directory)? {
        format!("{shown} may not be written to")
    } else {
        format!("{shown} cannot be made, as {} may not be written to", existing.display())
    };
    Err(format!("{which} ({error}): change its owner or its mode, or choose another with node.data_dir or --data-dir"))
}

/// Whether a file holds what a setting of TLS needs, in PEM.
///
/// # Errors
/// When it cannot be read, or holds something else.
pub fn check_pem(setting: &str, path: &Path) -> Result<(), String> {
    let bytes = read(path, PEM_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    let shown = path.display();
    let has = |label: &str| text.lines().any(|line| line.starts_with("-----BEGIN ") && line.contains(label));
    let (wanted, other) = if setting == "key" {
        ("PRIVATE KEY-----", "CERTIFICATE-----")
    } else {
        ("CERTIFICATE-----", "PRIVATE KEY-----")
    };
    let what = if setting == "key" { "private key" } else { "certificate" };
    if has("ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(format!(
            "{shown} is encrypted: write the key without a password (openssl pkey -in {shown} -out FILE)"
        ));
    }
    if has(wanted) {
        return Ok(());
    }
    if has(other) {
        let found = if setting == "key" { "a certificate" } else { "a private key" };
        return Err(format!("{shown} holds {found}, and a {what} is needed: were the two swapped?"));
    }
    if text.trim().is_empty() {
        return Err(format!("{shown} is empty, and a {what} in PEM is needed"));
    }
    Err(format!(
        "{shown} has no line -----BEGIN … {wanted}: a {what} in PEM is needed (openssl converts from DER and PKCS #12)"
    ))
}

/// Reads a file with a token on each line; empty lines, and those that begin with `#`, say nothing.
///
/// # Errors
/// When it cannot be read, has no token, or has one that is none.
pub fn read_tokens(path: &Path) -> Result<Vec<String>, String> {
    let shown = path.display();
    let bytes = read(path, PEM_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is no text: it has a token on each line"))?;
    let mut tokens = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The token itself is not shown: faults end up in logs.
        if !line.bytes().all(|octet| octet.is_ascii_graphic()) || !(TOKEN_MIN..=TOKEN_MAX).contains(&line.len()) {
            let bounds = format!("{} to {}", number::count(TOKEN_MIN as u64), number::count(TOKEN_MAX as u64));
            return Err(format!(
                "{shown}:{}: this is no token: one has {bounds} letters, digits or signs of ASCII, and no space; make one with \
                 `openssl rand -hex 32`",
                index + 1
            ));
        }
        tokens.push(line.to_owned());
    }
    match tokens.len() {
        0 => Err(format!("{shown} has no token: make one with `openssl rand -hex 32 > {shown}`")),
        1..=TOKENS_MAX => Ok(tokens),
        count => Err(format!(
            "{shown} has {count} tokens, and at most {TOKENS_MAX} are taken: leave out those that nobody uses"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_told_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: the name is a C string that lives for the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        assert!(read(&path, 10).unwrap_err().contains("no ordinary file"));
        assert!(read(folder.path(), 10).unwrap_err().contains("is a directory"));
        assert!(read(Path::new("/dev/zero"), 10).unwrap_err().contains("no ordinary file"));
        assert!(read(&folder.path().join("missing"), 10).unwrap_err().contains("does not exist"));
        std::fs::write(folder.path().join("large"), [0; 11]).unwrap();
        assert!(read(&folder.path().join("large"), 10).unwrap_err().contains("larger than 10 bytes"));
        assert_eq!(read(&folder.path().join("large"), 11).unwrap(), [0; 11]);
    }

    #[test]
    fn directories_are_tried_without_making_them() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("a/b/c");
        writable(&wanted).unwrap();
        assert!(!folder.path().join("a").exists());
        writable(folder.path()).unwrap();
        std::fs::write(folder.path().join("a"), "").unwrap();
        assert!(writable(&wanted).unwrap_err().contains("a file, and a directory is needed"));
        assert!(writable(&folder.path().join("a")).unwrap_err().contains("is a file"));
        assert!(writable(Path::new("/proc/version/data")).unwrap_err().contains("/proc/version, which is a file"));
    }

    #[test]
    fn tokens_are_long_and_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        for (text, said) in [
            ("", "has no token"),
            ("# none\n\n", "has no token"),
            ("short-secret", ":1: this is no token"),
            ("0123456789abcdef\nwith a space in the middle\n", ":2: this is no token"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read_tokens(&path).unwrap_err();
            assert!(error.contains(said) && !error.contains("short-secret") && !error.contains("middle"), "{error}");
        }
        std::fs::write(&path, "# old and new\n0123456789abcdef\r\nfedcba9876543210\n").unwrap();
        assert_eq!(read_tokens(&path).unwrap(), ["0123456789abcdef", "fedcba9876543210"]);
    }
}
