//! Every report of a run that never was (`sample`), beside what it should be.
//!
//! Reports that are text are compared with files of `tests/golden`. After a wanted change, write them anew with
//! `HEDDLE_GOLDEN=write cargo test -p load-report` and read the difference before it is committed.

mod golden;
mod honest;
mod html;
mod live;
mod sample;
mod style;
mod text;
