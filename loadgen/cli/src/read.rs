//! Files that the generator wrote, read again: their format is looked at before anything else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use load_model::result::RunResult;
use load_model::sweep::SweepResult;
use load_model::{result, sweep};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Largest file that is read, octets: the result of a day with 64 groups has some tens of MiB.
const FILE_MAX: u64 = 256 << 20;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// As it was named.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It has more octets than anything that the generator writes.
    #[error("{} is larger than {FILE_MAX} octets: it is no {what}", path.display())]
    TooLarge {
        /// As it was named.
        path: PathBuf,
        /// What it was to be.
        what: &'static str,
    },
    /// It is something else.
    #[error("{} is no {what}: {error}", path.display())]
    Syntax {
        /// As it was named.
        path: PathBuf,
        /// What it was to be.
        what: &'static str,
        /// Why it is not.
        error: serde_json::Error,
    },
    /// It was written by another version.
    #[error(
        "{} has format {found}, and this version reads {expected}: measure again, or use the version that wrote it",
        path.display()
    )]
    Format {
        /// As it was named.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// What is read.
        expected: u32,
    },
}

/// Reads the result of a run.
///
/// # Errors
/// When the file is none.
pub fn read_run(path: &Path) -> Result<RunResult, ReadError> {
    read(path, "result of a run", result::FORMAT)
}

/// Reads the result of a sweep.
///
/// # Errors
/// When the file is none.
pub fn read_sweep(path: &Path) -> Result<SweepResult, ReadError> {
    read(path, "sweep", sweep::FORMAT)
}

/// Reads a file of a format; `what` says what it is to be.
fn read<T: DeserializeOwned>(path: &Path, what: &'static str, expected: u32) -> Result<T, ReadError> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u64,
    }
    let of_file = |error| ReadError::File { path: path.to_path_buf(), error };
    if fs::metadata(path).map_err(of_file)?.len() > FILE_MAX {
        return Err(ReadError::TooLarge { path: path.to_path_buf(), what });
    }
    let text = fs::read_to_string(path).map_err(of_file)?;
    let syntax = |error| ReadError::Syntax { path: path.to_path_buf(), what, error };
    let Versioned { format: found } = serde_json::from_str(&text).map_err(syntax)?;
    if found != u64::from(expected) {
        return Err(ReadError::Format { path: path.to_path_buf(), found, expected });
    }
    serde_json::from_str(&text).map_err(syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_another_format_are_refused_before_anything_else() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("a.json");
        for (text, told) in [
            ("{\"format\": 7, \"unknown\": 1}", "has format 7, and this version reads 1"),
            ("{}", "is no list: missing field `format`"),
            ("[", "is no list"),
            ("{\"format\": 1}", "is no list"),
        ] {
            fs::write(&path, text).expect("a file");
            let error = read::<Vec<u8>>(&path, "list", 1).expect_err(text).to_string();
            assert!(error.contains(told), "{error}");
        }
        assert!(
            read::<Vec<u8>>(&folder.path().join("b"), "list", 1).expect_err("none").to_string().contains("cannot read")
        );
    }
}
