//! Reports as pages: one HTML file each, with its charts in it, complete without network and without scripts.
//!
//! Guarantees: what comes from peers and files is escaped by construction (`markup`); a page refers to nothing outside of itself (`page`).

mod axis;
mod chart;
mod markup;
mod page;
mod run;

pub use run::run;
