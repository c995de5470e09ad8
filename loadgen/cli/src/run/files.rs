//! What is written of a run: a folder with the result, the page, tables, and the histograms of every second.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use load_model::collect::View;
use load_model::result::RunResult;
use load_model::scenario::Scenario;

use super::moment;

/// The folder of a run. It is made before the run begins: a place that cannot be written to is told before, not behind it.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    intervals: BufWriter<File>,
    has_head: bool,
}

/// The folder given, or one with the name of the moment under `load-results`.
pub fn folder_of(given: Option<&Path>) -> PathBuf {
    let named = || Path::new("load-results").join(moment::name(engine_rt::wall_ms()));
    given.map_or_else(named, Path::to_path_buf)
}

impl Files {
    /// Makes the folder: the one given, or one with the name of the moment under `load-results`.
    ///
    /// # Errors
    /// When it cannot be made or written to.
    pub fn create(folder: Option<&Path>) -> io::Result<Self> {
        let folder = folder_of(folder);
        fs::create_dir_all(&folder)?;
        let intervals = BufWriter::new(File::create(folder.join("intervals.hlog"))?);
        Ok(Self { folder, intervals, has_head: false })
    }

    /// Writes the histograms of a second, if the view has one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_view(&mut self, view: &View) -> io::Result<()> {
        let Some(second) = &view.second else { return Ok(()) };
        if !self.has_head {
            // The run began as long ago as its first seconds took.
            let started_ms = engine_rt::wall_ms().saturating_sub(view.elapsed_ns / 1_000_000);
            let head = load_report::hlog::head(env!("CARGO_PKG_VERSION"), started_ms);
            self.intervals.write_all(head.as_bytes())?;
            self.has_head = true;
        }
        let (start_ns, length_ns) = ((second.at_s * 1e9) as u64, (second.length_s * 1e9) as u64);
        self.intervals.write_all(load_report::hlog::interval(start_ns, length_ns, &view.latencies).as_bytes())
    }

    /// Writes everything else. Gives the paths, the most telling one first.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn finish(mut self, result: &RunResult) -> io::Result<Vec<String>> {
        self.intervals.flush()?;
        let mut written = report(&self.folder, result)?;
        written.push(self.folder.join("intervals.hlog").display().to_string());
        Ok(written)
    }
}

/// The scenario of a result as a file that is the same load again: with nothing in it that ended with the run.
fn scenario_again(result: &RunResult) -> Result<String, toml::ser::Error> {
    let mut scenario = result.scenario.clone();
    let mut text =
        "# The same load again: heddle load run scenario.toml\n# Passwords are not in it: give --password-file.\n"
            .to_owned();
    if result.server.is_within {
        scenario.servers = Scenario::default().servers;
        text.push_str("# Its server was a part of the program, and ended with it: start one with `heddle run`, or name one with --server.\n");
    }
    text.push_str(&toml::to_string(&scenario)?);
    Ok(text)
}

/// Writes the reports of a result into a folder; gives their paths.
///
/// # Errors
/// When something cannot be written.
pub fn report(folder: &Path, result: &RunResult) -> io::Result<Vec<String>> {
    fs::create_dir_all(folder)?;
    let scenario = scenario_again(result).map_err(io::Error::other)?;
    let mut written = Vec::new();
    // The result comes first: all others can be made of it again.
    for (name, text) in [
        ("result.json", load_report::json::run(result)),
        ("report.html", load_report::html::run(result)),
        ("timeline.csv", load_report::csv::timeline(result)),
        ("percentiles.csv", load_report::csv::percentiles(&result.total.latencies)),
        ("scenario.toml", scenario),
    ] {
        let path = folder.join(name);
        fs::write(&path, text)?;
        written.push(path.display().to_string());
    }
    written.swap(0, 1);
    Ok(written)
}

#[cfg(test)]
mod tests {
    use load_model::collect::Collector;
    use load_model::scenario::Group;

    use super::*;

    #[test]
    fn a_scenario_can_be_run_again_when_its_server_ended_with_it() {
        let servers = vec!["amqp://127.0.0.1:40001".to_owned()];
        let scenario = Scenario { servers: servers.clone(), groups: vec![Group::default()], ..Scenario::default() };
        let mut result = Collector::new(&scenario, 1).finish();
        let again =
            |result: &RunResult| Scenario::parse(&scenario_again(result).expect("it prints")).expect("it is one");
        assert_eq!(again(&result), scenario);
        result.server.is_within = true;
        assert_eq!(again(&result), Scenario { servers: Scenario::default().servers, ..scenario });
    }
}
