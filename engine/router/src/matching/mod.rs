//! Addresses by patterns.

mod pattern;
mod tree;

pub use pattern::Pattern;
pub use tree::Tree;
