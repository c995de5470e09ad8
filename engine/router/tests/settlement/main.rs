//! Deliveries through one router, and through several.

mod alike;
mod bounds;
mod chain;
mod copied;
mod one;
mod random;
mod runs;
mod streaming;
