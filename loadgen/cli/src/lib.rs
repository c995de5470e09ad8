//! The load generator's commands, for `heddle load …` and for the program `heddle-load`.
#![forbid(unsafe_code)]

mod audit;
mod command;
mod compare;
mod cores;
mod exit;
mod load;
mod options;
mod plan;
mod program;
mod read;
mod report;
mod run;
mod sink;
mod sweep;
mod terminal;
mod worker;

pub use command::LoadCommand;
pub use exit::{CommandError, Exit};
pub use load::{Beside, Floor, From, Load, LoadError, Look};
pub use program::Program;
pub use run::{Keep, Live, Output, Print, stop_at_signal};
pub use terminal::print;
