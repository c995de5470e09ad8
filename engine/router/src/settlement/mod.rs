//! Deliveries on their way through this router, and what becomes of them, from end to end.

mod action;
mod deliveries;
mod keys;
mod line;
mod links;
mod machine;
mod outcomes;
mod runs;
mod sending;
mod single;
mod state;
mod streaming;
mod streams;
mod table;

pub use action::{Action, Totals};
pub use keys::{CopyKey, DeliveryKey};
pub use links::{InKind, InLink, OutKind, OutLink, Standing};
pub use machine::{Bound, Overrun, Settlement};
pub use single::Passed;
pub use state::{Settling, State};
pub use streams::{Audience, Beginning, Following, Kept, part_octets};
