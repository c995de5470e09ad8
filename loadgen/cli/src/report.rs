//! `heddle load report`: the reports of a result that was written before, made anew.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use load_model::result::{FORMAT, RunResult};
use load_model::sweep::{self, SweepResult};

use crate::exit::{CommandError, Exit};
use crate::read::{ReadError, read};
use crate::terminal::{paper_of, print};
use crate::{run, sweep as sweep_command};

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
        let summary = match read::<SweepResult>(&path, "sweep", sweep::FORMAT) {
            Ok(sweep) => {
                fs::create_dir_all(&folder).map_err(CommandError::failed)?;
                sweep_command::report(&folder, &sweep, paper).map_err(CommandError::failed)?
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

/// Reads the result of a run.
///
/// # Errors
/// When it is none.
pub fn read_run(path: &Path) -> Result<RunResult, ReadError> {
    read(path, "result of a run", FORMAT)
}
