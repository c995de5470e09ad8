//! Results for people and programs; everything is made as text or bytes, and nothing is written anywhere.
#![forbid(unsafe_code)]

pub mod csv;
mod curve;
mod explain;
pub mod hlog;
pub mod html;
pub mod json;
mod number;
pub mod text;
