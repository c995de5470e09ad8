//! `heddle load report`: the reports of a result that was written before, made anew.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use load_model::result::{FORMAT, RunResult};

use crate::exit::{CommandError, Exit};
use crate::run;

/// Largest result that is read, octets: that of a day with a group on each of 64 lines has some tens of MiB.
const RESULT_MAX: u64 = 256 << 20;

/// Options of `report`.
#[derive(Args, Debug)]
pub struct ReportCommand {
    /// The result, or the folder that it is in.
    #[arg(value_name = "RESULT.json")]
    result: PathBuf,
    /// Folder to write to [default: that of the result].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl ReportCommand {
    /// Writes the reports, and prints the summary.
    ///
    /// # Errors
    /// When the result cannot be read, or the folder not be written to.
    pub fn execute(self) -> Result<Exit, CommandError> {
        let path = file_of(&self.result);
        let result = read(&path).map_err(CommandError::usage)?;
        let folder = self.output.or_else(|| path.parent().map(Path::to_path_buf)).unwrap_or_default();
        let files = run::report(&folder, &result).map_err(CommandError::failed)?;
        let colour = run::of_terminal(io::stdout().is_terminal());
        let summary = load_report::text::summary(&result, &files, colour);
        io::stdout().write_all(summary.as_bytes()).map_err(CommandError::failed)?;
        Ok(Exit::Fine)
    }
}

/// Why a result was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It is too large.
    #[error("{} is larger than {RESULT_MAX} octets: it is no result", path.display())]
    TooLarge {
        /// Which one.
        path: PathBuf,
    },
    /// It is no result.
    #[error("{} is no result of a run: {error}", path.display())]
    Syntax {
        /// Which one.
        path: PathBuf,
        /// Why not.
        error: serde_json::Error,
    },
    /// It was written by another version.
    #[error("{} has format {format}, and this version reads {FORMAT}: measure again, or use the version that wrote it", path.display())]
    Format {
        /// Which one.
        path: PathBuf,
        /// Its format.
        format: u64,
    },
}

/// The result in a folder, or the file itself.
pub fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("result.json") } else { path.to_path_buf() }
}

/// Reads a file of the generator; its format is looked at before anything else.
pub fn text_of(path: &Path) -> Result<String, ReadError> {
    let of_file = |error| ReadError::File { path: path.to_path_buf(), error };
    if fs::metadata(path).map_err(of_file)?.len() > RESULT_MAX {
        return Err(ReadError::TooLarge { path: path.to_path_buf() });
    }
    fs::read_to_string(path).map_err(of_file)
}

/// Reads a result.
pub fn read(path: &Path) -> Result<RunResult, ReadError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        format: u64,
    }
    let text = text_of(path)?;
    let syntax = |error| ReadError::Syntax { path: path.to_path_buf(), error };
    let Versioned { format } = serde_json::from_str(&text).map_err(syntax)?;
    if format != u64::from(FORMAT) {
        return Err(ReadError::Format { path: path.to_path_buf(), format });
    }
    serde_json::from_str(&text).map_err(syntax)
}
