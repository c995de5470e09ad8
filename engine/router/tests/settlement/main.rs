//! Deliveries through one router, and through several.

mod bounds;
mod chain;
mod one;
mod random;
mod streaming;
