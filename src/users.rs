//! The users file: a name and an argon2 hash of a password on each line, `name:$argon2id$…`.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString, rand_core::OsRng};
use argon2::{Algorithm, Argon2, Params, Version};

/// The users of a file.
pub struct Users {
    entries: Vec<(String, String)>,
    /// Verified against when a name is not known, so that the answer takes as long.
    decoy: String,
}

fn hasher() -> Argon2<'static> {
    // 19 MiB, two passes: the least that OWASP recommends. A connection is rare, a password file that leaks is not.
    let params = Params::new(19_456, 2, 1, None).expect("these parameters are within bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> io::Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = hasher().hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| io::Error::other(error.to_string()))
}

impl Users {
    /// Reads a users file.
    ///
    /// # Errors
    /// When it cannot be read, or a line is none.
    pub fn load(path: &Path) -> io::Result<Self> {
        let mut entries = Vec::new();
        for (number, line) in fs::read_to_string(path)?.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(':') {
                Some((name, hash)) if PasswordHash::new(hash).is_ok() => {
                    entries.push((name.to_owned(), hash.to_owned()));
                }
                _ => {
                    let text = format!("line {}: not `name:hash` as `heddle user add` writes it", number + 1);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
            }
        }
        Ok(Self { entries, decoy: hash("")? })
    }

    /// The names, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// Whether this is the user's password. Takes tens of milliseconds, for unknown users as well.
    pub fn verify(&self, name: &str, password: &str) -> bool {
        let known = self.entries.iter().find(|(known, _)| known == name);
        let stored = known.map_or(&self.decoy, |(_, hash)| hash);
        let verified =
            PasswordHash::new(stored).is_ok_and(|hash| hasher().verify_password(password.as_bytes(), &hash).is_ok());
        verified && known.is_some()
    }
}

/// Adds a user or changes a password.
///
/// # Errors
/// When the name is impossible, or the file cannot be written.
pub fn add(path: &Path, name: &str, password: &str) -> io::Result<()> {
    if name.is_empty() || name.contains([':', '\n', '\0', '#']) {
        return Err(io::Error::other("a user's name is not empty and has no colon, hash sign or line break"));
    }
    let mut lines = other_lines(path, name)?;
    lines.push(format!("{name}:{}", hash(password)?));
    write(path, &lines)
}

/// Removes a user.
///
/// # Errors
/// When there is none of that name, or the file cannot be written.
pub fn remove(path: &Path, name: &str) -> io::Result<()> {
    let before = fs::read_to_string(path)?.lines().count();
    let lines = other_lines(path, name)?;
    if lines.len() == before {
        return Err(io::Error::other(format!("there is no user {name}")));
    }
    write(path, &lines)
}

fn other_lines(path: &Path, name: &str) -> io::Result<Vec<String>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read?,
    };
    let other = |line: &&str| line.split_once(':').is_none_or(|(known, _)| known != name);
    Ok(text.lines().filter(other).map(str::to_owned).collect())
}

/// Replaces the file whole, readable by its owner only.
fn write(path: &Path, lines: &[String]) -> io::Result<()> {
    let next = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.sync_all()?;
    fs::rename(next, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        add(&path, "guest", "secret").unwrap();
        add(&path, "other", "x").unwrap();
        add(&path, "guest", "changed").unwrap();
        let users = Users::load(&path).unwrap();
        assert!(users.verify("guest", "changed"));
        assert!(!users.verify("guest", "secret"));
        assert!(!users.verify("nobody", ""));
        assert!(!fs::read_to_string(&path).unwrap().contains("changed"));
        remove(&path, "guest").unwrap();
        assert!(!Users::load(&path).unwrap().verify("guest", "changed"));
        assert!(remove(&path, "guest").is_err());
        assert!(add(&path, "a:b", "x").is_err());
    }
}
