//! `heddle load run`: a load, watched while it goes on, and its report.

mod command;
mod files;
mod metrics;
mod moment;
mod screen;

pub use command::RunCommand;
pub use files::{Files, report};
pub use screen::{Live, Screen, of_terminal};
