//! `heddle load plan`: from sweeps, what a wanted load takes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use load_model::plan::{Model, Plan, Wanted};
use load_model::sweep::SweepResult;
use load_model::units::{Bytes, Rate, Span};

use crate::exit::{CommandError, Exit};
use crate::read::read_sweep;
use crate::terminal::{paper_of, print};

/// Options of `plan`.
#[derive(Args, Debug)]
pub struct PlanCommand {
    /// Sweeps, or the folders that they are in: of several numbers of cores, or of several sizes, or both.
    #[arg(value_name = "SWEEP", required = true)]
    sweeps: Vec<PathBuf>,
    /// Messages a second that are wanted, over all nodes.
    #[arg(long, value_name = "RATE")]
    rate: Rate,
    /// Octets of a body, on average.
    #[arg(long, value_name = "SIZE", default_value = "1KiB")]
    size: Bytes,
    /// What has to hold, such as p99.9<2ms; may be given again.
    #[arg(long = "slo", value_name = "EXPR")]
    service_level: Vec<String>,
    /// Nodes that share the load; of several, one may be lost.
    #[arg(long, value_name = "N", default_value_t = 1)]
    nodes: u32,
    /// How long messages stay: what the disk has to hold.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    retention: Span,
    /// File to write the plan to, as a page with its charts.
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
}

impl PlanCommand {
    /// Plans and prints.
    ///
    /// # Errors
    /// When sweeps cannot be read, or say too little.
    pub fn execute(self) -> Result<Exit, CommandError> {
        let sweeps = self.sweeps.iter().map(|path| sweep_at(path)).collect::<Result<Vec<_>, _>>()?;
        let wanted = Wanted {
            rate: self.rate.0,
            body_bytes: self.size.0 as f64,
            service_level: self.service_level.clone(),
            nodes: self.nodes,
            retention_s: self.retention.as_seconds(),
        };
        let model = Model::of(&sweeps).map_err(CommandError::usage)?;
        let plan = model.plan(&wanted).map_err(CommandError::usage)?;
        if let Some(path) = &self.html {
            fs::write(path, load_report::html::plan(&plan))
                .map_err(|error| CommandError::Failed(format!("cannot write {}: {error}", path.display())))?;
        }
        self.print(&plan).map_err(CommandError::failed)?;
        // A load that no number of cores does is an answer, and none that a script may take for a yes.
        Ok(if plan.answer.is_some() { Exit::Fine } else { Exit::Required })
    }

    fn print(&self, plan: &Plan) -> io::Result<()> {
        if self.json {
            return print(&load_report::json::plan(plan));
        }
        print(&load_report::text::plan(plan, paper_of(&io::stdout())))
    }
}

/// The sweep that a file is, or that a folder has.
fn sweep_at(path: &Path) -> Result<SweepResult, CommandError> {
    let file = if path.is_dir() { path.join("sweep.json") } else { path.to_path_buf() };
    read_sweep(&file).map_err(CommandError::usage)
}
