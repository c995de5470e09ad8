//! `heddle config router`: a configuration of qdrouterd is read as a router would read it, and told: what is wrong, what is doubtful,
//! and what it says in today's spelling.
//!
//! Not here: the reading itself (`engine_router_conf`), and what a node is told by it (`routed`).

use std::path::{Path, PathBuf};

use clap::Args;
use engine_router_conf::limits::FILE_OCTETS_MAX;
use engine_router_conf::{Reading, Secrets, read};
use load_model::shown;

use super::files;

/// Which file, and how it is told.
#[derive(Args)]
pub struct RouterFile {
    /// The file: of qdrouterd's own form, or a list of pairs of JSON if its name ends in `.json`.
    file: PathBuf,
    /// Print passwords as they stand there, not as asterisks.
    #[arg(long)]
    secrets: bool,
}

impl RouterFile {
    /// Prints what the file says, and what is doubtful to the error output.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line and what to do.
    pub fn execute(&self) -> Result<(), Box<dyn std::error::Error>> {
        let reading = read_router(&self.file)?;
        for warning in reading.warnings.iter() {
            eprintln!("warning: {}", shown::lines(&warning.to_string()));
        }
        let more = reading.warnings.count() - reading.warnings.iter().count();
        if more > 0 {
            eprintln!("warning: … and {more} more");
        }
        let secrets = if self.secrets { Secrets::Shown } else { Secrets::Hidden };
        print!("{}", reading.configuration?.to_text(secrets));
        Ok(())
    }
}

/// Reads a file of qdrouterd's, with variables of the environment.
///
/// # Errors
/// When it cannot be read, or is no text.
pub fn read_router(path: &Path) -> Result<Reading, String> {
    let name = path.display().to_string();
    Ok(read(&name, &text(path)?, |variable| std::env::var(variable).ok()))
}

fn text(path: &Path) -> Result<String, String> {
    let bytes = files::read(path, FILE_OCTETS_MAX as u64)?;
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|octet| **octet == b'\n').count();
        format!("{}:{line}: this is no text in UTF-8: a router's configuration is", path.display())
    })
}
