//! Results for people and programs; everything is made as text or bytes, and nothing is written anywhere.
#![forbid(unsafe_code)]

pub mod csv;
mod curve;
mod explain;
pub mod hlog;
pub mod html;
pub mod json;
pub mod live;
pub mod prometheus;
pub mod text;

/// How numbers and units are written; its home is below the verdicts, whose sentences have figures, too.
pub use load_model::number;
