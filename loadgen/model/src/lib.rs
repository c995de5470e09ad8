//! The load generator without I/O: what is to be sent (scenarios, arrivals, sizes, stamps), what a run found (latencies,
//! ledgers, results), and what follows from it (verdicts, comparisons, sweeps, plans).
//!
//! No clock, no threads, no files: time and seeds come in as arguments, so that every decision can be tested by itself.
#![forbid(unsafe_code)]

pub mod arrivals;
pub mod audit;
pub mod chance;
pub mod collect;
pub mod compare;
pub mod estimate;
pub mod figure;
pub mod holders;
pub mod interval;
pub mod latency;
mod layout;
pub mod ledger;
pub mod marks;
pub mod number;
pub mod outage;
pub mod outcome;
pub mod plan;
pub mod require;
pub mod result;
#[cfg(test)]
mod sample;
pub mod scenario;
pub mod sequences;
pub mod server_url;
pub mod shown;
pub mod sizes;
pub mod stamp;
pub mod steady;
pub mod sweep;
pub mod units;
pub mod usl;
pub mod verdict;
pub mod worker;
