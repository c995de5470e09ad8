//! Reports as pages: one HTML file each, with its charts in it, complete without network and without scripts.
//!
//! Guarantees: what comes from peers and files is escaped by construction (`markup`); a page refers to nothing outside of itself (`page`).

mod axis;
mod chart;
mod compare;
mod markup;
mod page;
mod plan;
mod ratios;
mod run;
mod sweep;

pub use compare::compare;
pub use plan::plan;
pub use run::run;
pub use sweep::sweep;
