//! Results for people and programs; everything is made as text or bytes, and nothing is written anywhere.
#![forbid(unsafe_code)]

pub mod csv;
mod curve;
mod explain;
pub mod hlog;
pub mod html;
pub mod json;
pub mod live;
mod number;
pub mod prometheus;
pub mod text;
