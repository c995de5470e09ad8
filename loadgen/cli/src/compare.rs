//! `heddle load compare`: two sets of results side by side, with how well the difference is known.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use load_model::compare::{Comparison, Conclusion, Differences, compare};
use load_model::number;
use load_model::result::RunResult;

use crate::exit::{CommandError, Exit};
use crate::read::read_run;
use crate::terminal::{paper_of, print};

/// Results of one side; a median of more is no better known.
const RUNS_MAX: usize = 1000;

/// Options of `compare`.
#[derive(Args, Debug)]
pub struct CompareCommand {
    /// The one side: results, or folders of them, with commas between.
    #[arg(value_name = "A", value_delimiter = ',', num_args = 1, required = true)]
    one: Vec<PathBuf>,
    /// The other side, which is compared to the first.
    #[arg(value_name = "B", value_delimiter = ',', num_args = 1, required = true)]
    other: Vec<PathBuf>,
    /// Compare different servers under the same load from the same machine.
    #[arg(long)]
    servers: bool,
    /// Compare whatever differs; the report names it.
    #[arg(long, conflicts_with = "servers")]
    allow_different: bool,
    /// File to write the comparison to, as a page.
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
    /// Print the comparison as JSON.
    #[arg(long)]
    json: bool,
}

impl CompareCommand {
    /// Compares and prints. Without a valid run on both sides there is no verdict, which the status says, too.
    ///
    /// # Errors
    /// When results cannot be read, or are not to be compared.
    pub fn execute(self) -> Result<Exit, CommandError> {
        let (one, other) = (read_all(&self.one)?, read_all(&self.other)?);
        let allowed = match (self.servers, self.allow_different) {
            (_, true) => Differences::Allowed,
            (true, false) => Differences::OfServers,
            (false, false) => Differences::Refused,
        };
        let comparison = compare(&one, &other, allowed).map_err(|error| {
            CommandError::Usage(format!("{error} (--servers for different servers, --allow-different for anything)"))
        })?;
        if let Some(path) = &self.html {
            fs::write(path, load_report::html::compare(&comparison))
                .map_err(|error| CommandError::Failed(format!("cannot write {}: {error}", path.display())))?;
        }
        self.print(&comparison).map_err(CommandError::failed)?;
        Ok(match comparison.conclusion {
            Conclusion::Compared => Exit::Fine,
            Conclusion::NoValidRun => Exit::Invalid,
        })
    }

    fn print(&self, comparison: &Comparison) -> io::Result<()> {
        if self.json {
            return print(&load_report::json::comparison(comparison));
        }
        print(&load_report::text::comparison(comparison, paper_of(&io::stdout())))
    }
}

/// All results that paths name.
fn read_all(paths: &[PathBuf]) -> Result<Vec<RunResult>, CommandError> {
    let mut files = Vec::new();
    for path in paths {
        let found =
            files_in(path).map_err(|error| CommandError::Usage(format!("cannot read {}: {error}", path.display())))?;
        if found.is_empty() {
            return Err(CommandError::Usage(format!(
                "there is no result in {}: name a result.json, or a folder that has one or has such folders",
                path.display()
            )));
        }
        files.extend(found);
    }
    if files.len() > RUNS_MAX {
        return Err(CommandError::Usage(format!(
            "{} results are more than the {} that a side may have: name fewer",
            number::count(files.len() as u64),
            number::count(RUNS_MAX as u64)
        )));
    }
    files.iter().map(|file| read_run(file).map_err(CommandError::usage)).collect()
}

/// The results that a path names: a file is one, a folder has `result.json`, or results and folders with one each.
fn files_in(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let own = path.join("result.json");
    if own.exists() {
        return Ok(vec![own]);
    }
    let entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    let results = entries.into_iter().map(|entry| entry.path()).filter_map(|entry| {
        let inner = entry.join("result.json");
        if inner.exists() {
            Some(inner)
        } else {
            (entry.is_file() && entry.extension().is_some_and(|extension| extension == "json")).then_some(entry)
        }
    });
    let mut results: Vec<PathBuf> = results.collect();
    results.sort_unstable();
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_its_own_result_or_those_of_its_entries() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["b", "a", "empty"] {
            fs::create_dir(at(name)).expect("a folder");
        }
        for name in ["b/result.json", "a/result.json", "c.json", "notes.txt"] {
            fs::write(at(name), "{}").expect("a file");
        }
        let found = files_in(folder.path()).expect("it is read");
        assert_eq!(found, ["a/result.json", "b/result.json", "c.json"].map(at));
        assert_eq!(files_in(&at("a")).expect("it is read"), [at("a/result.json")]);
        assert_eq!(files_in(&at("c.json")).expect("it is read"), [at("c.json")]);
        assert!(read_all(&[at("empty")]).expect_err("nothing").to_string().contains("no result in"));
        assert!(read_all(&[at("a")]).expect_err("no format").to_string().contains("is no result of a run"));
    }
}
