//! The load generator's commands.
#![forbid(unsafe_code)]

mod options;
