//! Requests to management and their answers, as messages of AMQP Management (working draft 9): read and made by both ends.
//!
//! Guarantees: whatever octets come, they are a request, an answer, or what is wrong with them. What there is to be managed is declared in one
//! table (`types`).
//!
//! Not here: what an operation does, and who may ask for it.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::unwrap_used))]

mod answer;
mod request;
mod sections;
mod status;
mod types;

pub use answer::Answer;
pub use request::{Request, Return, Unread};
pub use status::Status;
pub use types::{ADDRESS, MANAGEMENT_TYPE, Operation, QUEUE, TYPES, Type};
