//! Addresses: as text, as keys of tables, and their phases.

mod key;
mod phase;
mod text;

pub use key::{Class, Key};
pub use phase::Phase;
pub use text::{Here, Mode, mobile, path, resolve};
