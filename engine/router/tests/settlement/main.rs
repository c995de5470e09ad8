//! Deliveries through one router, and through several.

mod chain;
mod one;
mod random;
