//! Deliveries through one router, and through several.

mod bounds;
mod chain;
mod copied;
mod one;
mod random;
mod streaming;
