//! `heddle load run`: a load, watched while it goes on, and its report.

mod command;
mod files;
mod metrics;
mod moment;
mod output;
mod screen;
mod stop;

pub use command::{OutputOptions, RunCommand, SurroundingOptions};
pub use files::{folder_of, report};
pub use output::{Keep, Output, Print};
pub use screen::{Live, Screen};
pub use stop::stop_at_signal;
