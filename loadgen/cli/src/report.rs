//! `heddle load report`: the reports of a result that was written before, made anew.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::exit::{CommandError, Exit};
use crate::read::{read_run, read_sweep};
use crate::terminal::{paper_of, print};
use crate::{run, sweep};

/// Options of `report`.
#[derive(Args, Debug)]
pub struct ReportCommand {
    /// The result of a run or of a sweep, or the folder that it is in.
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
        let folder = self.output.or_else(|| path.parent().map(Path::to_path_buf)).unwrap_or_default();
        let paper = paper_of(&io::stdout());
        let summary = match read_sweep(&path) {
            Ok(found) => {
                fs::create_dir_all(&folder).map_err(CommandError::failed)?;
                sweep::report(&folder, &found, paper).map_err(CommandError::failed)?
            }
            Err(_) => {
                let result = read_run(&path).map_err(CommandError::usage)?;
                let files = run::report(&folder, &result).map_err(CommandError::failed)?;
                load_report::text::summary(&result, &files, paper)
            }
        };
        print(&summary).map_err(CommandError::failed)?;
        Ok(Exit::Fine)
    }
}

/// The result in a folder, or the file itself.
fn file_of(path: &Path) -> PathBuf {
    let sweep = path.join("sweep.json");
    match path.is_dir() {
        true if sweep.exists() => sweep,
        true => path.join("result.json"),
        false => path.to_path_buf(),
    }
}
