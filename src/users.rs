//! The users file: a name and an argon2 hash of a password on each line, `name:$argon2id$…`.
//!
//! It is taken whole or not at all: a line that is none, and a name that stands in it twice, are errors with their line. It is changed
//! by one program at a time, and replaced whole; owner and mode stay. A broker reads it at its start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString, rand_core::OsRng};
use argon2::{Algorithm, Argon2, Params, Version};

/// Largest users file, bytes: at about 110 a line some ten thousand users, who are looked through one after the other.
const FILE_MAX: u64 = 1 << 20;
/// Longest name, bytes.
const NAME_MAX: usize = 255;
/// Most memory that verifying a password may take, KiB, and most passes: a foreign hash could ask for all there is.
const COST_MAX: (u32, u32) = (256 * 1024, 16);
/// What hashes have, bytes: a shorter one was cut.
const HASH_BYTES: usize = 32;

/// The users of a file.
pub struct Users {
    entries: Vec<(String, String)>,
    /// Verified against when a name is not known, so that the answer takes as long.
    decoy: String,
}

/// Why a users file cannot be used or changed. Neither passwords nor hashes are told.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// It cannot be read.
    #[error("the users file {0}")]
    Read(String),
    /// A line is none.
    #[error("{path}:{line}: {wrong}; make a users file with `heddle user add NAME --file FILE`")]
    Line {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// For people, behind file and line.
        wrong: String,
    },
    /// The name is impossible.
    #[error(
        "{0:?} cannot be a user's name: it takes 1 to {NAME_MAX} bytes without colons, hash signs and control characters"
    )]
    Name(String),
    /// There is none of that name.
    #[error("there is no user {name:?} in {path}")]
    Unknown {
        /// As it was asked for.
        name: String,
        /// The file.
        path: String,
    },
    /// It cannot be written.
    #[error("cannot write the users file {path}: {error}")]
    Write {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
}

fn hasher() -> Argon2<'static> {
    // 19 MiB, two passes: the least that OWASP recommends. A connection is rare, a password file that leaks is not.
    let params = Params::new(19_456, 2, 1, Some(HASH_BYTES)).expect("these parameters are within bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> io::Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = hasher().hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| io::Error::other(error.to_string()))
}

fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && !name.contains([':', '#']) && !name.contains(char::is_control)
}

/// What is wrong with a hash, if anything.
fn hash_fault(text: &str) -> Option<&'static str> {
    const FOREIGN: &str = "what follows the name is no argon2 hash";
    const CUT: &str = "the hash is cut off";
    let Ok(hash) = PasswordHash::new(text) else {
        return Some(if text.starts_with("$argon2") { CUT } else { FOREIGN });
    };
    if Algorithm::try_from(hash.algorithm).is_err() {
        return Some(FOREIGN);
    }
    if hash.salt.is_none() || hash.hash.is_none_or(|hash| hash.len() != HASH_BYTES) {
        return Some(CUT);
    }
    match Params::try_from(&hash) {
        Ok(params) if params.m_cost() <= COST_MAX.0 && params.t_cost() <= COST_MAX.1 => None,
        Ok(_) => Some("verifying the hash would take more than 256 MiB of memory or 16 passes"),
        Err(_) => Some("the hash has parameters that argon2 does not know"),
    }
}

impl Users {
    /// Reads a users file.
    ///
    /// # Errors
    /// When it cannot be read, or a line is none.
    pub fn load(path: &Path) -> Result<Self, UsersError> {
        let entries = Self::parse(path, &read(path)?)?;
        let decoy = hash("").map_err(|error| UsersError::Read(format!("{}: {error}", path.display())))?;
        Ok(Self { entries, decoy })
    }

    /// Names and hashes of a file's text.
    fn parse(path: &Path, text: &str) -> Result<Vec<(String, String)>, UsersError> {
        let mut entries: Vec<(String, String)> = Vec::new();
        let mut lines = std::collections::HashMap::new();
        for (index, line) in text.lines().enumerate() {
            let fault = |wrong: String| UsersError::Line { path: path.display().to_string(), line: index + 1, wrong };
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, hash)) = line.split_once(':') else {
                return Err(fault("this is no `name:hash`".to_owned()));
            };
            if !is_name(name) {
                return Err(fault("what stands before the colon cannot be a user's name".to_owned()));
            }
            if let Some(wrong) = hash_fault(hash) {
                return Err(fault(format!("user {name}: {wrong}")));
            }
            if let Some(first) = lines.insert(name.to_owned(), index + 1) {
                return Err(fault(format!("user {name} stands in line {first} already")));
            }
            entries.push((name.to_owned(), hash.to_owned()));
        }
        Ok(entries)
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

fn read(path: &Path) -> Result<String, UsersError> {
    let bytes = crate::config::read_file(path, FILE_MAX).map_err(UsersError::Read)?;
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|&&octet| octet == b'\n').count();
        UsersError::Line { path: path.display().to_string(), line, wrong: "this is not UTF-8".to_owned() }
    })
}

/// Adds a user or changes a password. The file is made if it is not there.
///
/// # Errors
/// When the name is impossible, the file is no users file, or cannot be written.
pub fn add(path: &Path, name: &str, password: &str) -> Result<(), UsersError> {
    if !is_name(name) {
        return Err(UsersError::Name(name.to_owned()));
    }
    let _alone = take(path, Missing::Made).map_err(|error| write_error(path, error))?;
    let text = read(path)?;
    Users::parse(path, &text)?;
    let entry = format!("{name}:{}", hash(password).map_err(|error| write_error(path, error))?);
    let mut lines: Vec<&str> = text.lines().collect();
    match lines.iter_mut().find(|line| is_of(line, name)) {
        Some(line) => *line = &entry,
        None => lines.push(&entry),
    }
    replace(path, &lines).map_err(|error| write_error(path, error))
}

/// Removes a user.
///
/// # Errors
/// When there is none of that name, the file is no users file, or cannot be written.
pub fn remove(path: &Path, name: &str) -> Result<(), UsersError> {
    // Before it is taken, so that a missing one is told as by everybody else.
    read(path)?;
    let _alone = take(path, Missing::Refused).map_err(|error| write_error(path, error))?;
    let text = read(path)?;
    if !Users::parse(path, &text)?.iter().any(|(known, _)| known == name) {
        return Err(UsersError::Unknown { name: name.to_owned(), path: path.display().to_string() });
    }
    let lines: Vec<&str> = text.lines().filter(|line| !is_of(line, name)).collect();
    replace(path, &lines).map_err(|error| write_error(path, error))
}

fn write_error(path: &Path, error: io::Error) -> UsersError {
    UsersError::Write { path: path.display().to_string(), error }
}

fn is_of(line: &str, name: &str) -> bool {
    !line.starts_with('#') && line.split_once(':').is_some_and(|(known, _)| known == name)
}

/// What becomes of a file that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Made,
    Refused,
}

/// Takes the file, so that nobody else changes it meanwhile. Whoever waited has one that was replaced, and takes the new one.
fn take(path: &Path, missing: Missing) -> io::Result<File> {
    loop {
        let mut options = OpenOptions::new();
        options.read(true).mode(0o600).custom_flags(libc::O_NONBLOCK);
        if missing == Missing::Made {
            options.append(true).create(true);
        }
        let file = options.open(path)?;
        file.lock()?;
        if fs::metadata(path).is_ok_and(|now| file.metadata().is_ok_and(|taken| taken.ino() == now.ino())) {
            return Ok(file);
        }
    }
}

/// Replaces the file whole; its owner and its mode stay.
fn replace(path: &Path, lines: &[&str]) -> io::Result<()> {
    // A link stays one: what it leads to is replaced.
    let path = fs::canonicalize(path)?;
    let before = fs::metadata(&path)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let next = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    let now = file.metadata()?;
    if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
        std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()))?;
    }
    file.set_permissions(before.permissions())?;
    file.sync_all()?;
    fs::rename(next, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21l$RdescudvJCsgt3ub+b4dWRWJTmaaVObG8iwSZ+U4qzs";

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
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        remove(&path, "guest").unwrap();
        assert!(!Users::load(&path).unwrap().verify("guest", "changed"));
        assert!(remove(&path, "guest").unwrap_err().to_string().contains("no user \"guest\""));
        for name in ["", "a:b", "#a", "a\nb", "a\u{1b}[2Jb", &"x".repeat(256)] {
            assert!(matches!(add(&path, name, "x"), Err(UsersError::Name(_))), "{name:?}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn lines_that_are_none_are_told_with_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        let foreign = [
            ("guest\n".to_owned(), 1, "`name:hash`"),
            (format!("# users\n\n{HASH}\n"), 3, "`name:hash`"),
            (":x\n".to_owned(), 1, "user's name"),
            ("guest:secret\n".to_owned(), 1, "no argon2 hash"),
            ("guest:$2y$10$abcdefghijklmnopqrstuv\n".to_owned(), 1, "no argon2 hash"),
            (format!("guest:{}\n", HASH.replace("argon2id", "scrypt")), 1, "no argon2 hash"),
            (format!("a:{HASH}\nb:{HASH}\na:{HASH}\n"), 3, "stands in line 1 already"),
            (format!("guest:{}\n", HASH.replace("m=19456", "m=4194304")), 1, "256 MiB"),
        ];
        let cuts = [HASH.len() - 1, HASH.len() - 20, 48, 40, 20, 10];
        let cut = cuts.map(|length| (format!("one:{HASH}\nguest:{}", &HASH[..length]), 2, "cut off"));
        for (text, line, said) in foreign.into_iter().chain(cut) {
            fs::write(&path, &text).unwrap();
            let error = Users::load(&path).err().expect(&text).to_string();
            assert!(error.contains(&format!("users:{line}: ")) && error.contains(said), "{text}: {error}");
            assert!(error.contains("heddle user add") && !error.contains("secret"), "{error}");
            assert!(add(&path, "new", "x").is_err() && remove(&path, "guest").is_err(), "it is not changed");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(&path, b"a\xff\n").unwrap();
        assert!(Users::load(&path).err().unwrap().to_string().contains(":1: this is not UTF-8"));
        fs::write(&path, format!("# CR LF\r\n\r\nguest:{HASH}\r\n")).unwrap();
        assert_eq!(Users::load(&path).unwrap().entries.len(), 1);
        let missing = Users::load(&folder.path().join("none")).err().unwrap().to_string();
        assert!(missing.contains("none does not exist"), "{missing}");
    }

    #[test]
    fn users_that_are_added_at_once_are_all_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        std::thread::scope(|scope| {
            for index in 0..4 {
                let path = &path;
                scope.spawn(move || add(path, &format!("user-{index}"), "x").unwrap());
            }
        });
        assert_eq!(Users::load(&path).unwrap().entries.len(), 4);
    }
}
