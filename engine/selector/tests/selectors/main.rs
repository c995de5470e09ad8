//! Selectors from outside: examples for every rule (`cases`), and beside an evaluation of the definition (`properties`).

mod cases;
mod properties;
mod support;
