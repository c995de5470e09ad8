//! The load itself: client connections over `engine/rt`, workers that keep to a schedule, and what coordinates and observes them.
#![forbid(unsafe_code)]

mod client;
mod coordinate;
pub mod double;
mod error;
pub mod floor;
mod local;
pub mod observe;
pub mod remote;
mod worker;

pub use client::look_up;
pub use coordinate::{Handle, Workers, run};
pub use error::RunError;
pub use local::{TOLD_MAX, check, start_local};
