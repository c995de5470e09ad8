//! Estimators: small, each with its source, none of which knows what a message is.
//!
//! Guarantees: the same values give the same answer (chance comes from a seed), values that are not finite are the caller's mistake
//! and give answers that are not finite, never a panic, and too few values give `None` instead of a number that looks like one.

pub mod bootstrap;
pub mod knee;
pub mod least_squares;
pub mod order;
pub mod rank_test;
pub mod student;
pub mod trend;
