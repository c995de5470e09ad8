//! What simulations share: numbers from a seed, and a disk in memory on which power fails.
#![forbid(unsafe_code)]

mod chance;
mod disk;

pub use chance::Chance;
pub use disk::{Crash, Disk, DiskOptions};
