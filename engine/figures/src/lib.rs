//! How figures of a running node are declared, each once, and how many things of one kind are told page by page.
#![forbid(unsafe_code)]

mod figure;
mod page;
mod spread;

pub use figure::{Column, Figure, Figures, Fill, Kind, Label, Unit, Value};
pub use page::{PAGE_ROWS_MAX, PAGE_STEPS_MAX, Page, Range, page};
pub use spread::{SPREAD_BOUNDS_NS, Spread};
