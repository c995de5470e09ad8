//! Writes the page of each report for runs that never were, to look at them: `cargo run -p load-report --example pages -- DIRECTORY`.

#[path = "../tests/reports/sample.rs"]
mod sample;

use std::path::PathBuf;
use std::{env, fs, io};

use load_report::html;

fn main() -> io::Result<()> {
    let directory = PathBuf::from(env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    fs::write(directory.join("run.html"), html::run(&sample::run()))?;
    fs::write(directory.join("compare.html"), html::compare(&sample::comparison(4)))?;
    fs::write(directory.join("compare-invalid.html"), html::compare(&sample::comparison_of_invalid(&[0, 1])))?;
    fs::write(directory.join("sweep.html"), html::sweep(&sample::sweep()))?;
    fs::write(directory.join("plan.html"), html::plan(&sample::plan()))
}
