//! Management of a router as tools of qdrouterd know it (`qdstat`, `qdmanage`): which types of entities there are, what a request asks of them,
//! and the answer that rows make.
//!
//! 1. What can be configured and what can only be looked at stands in tables of one form (`types`, `engine_router_conf::schema`): what
//!    GET-* tell, what QUERY gives columns of, and what is refused follow from them.
//! 2. A request is understood as a whole (`ask`), or answered with what is wrong with it.
//! 3. What entities there are its host knows: it gives rows, and takes the answer.
//!
//! Not here: messages (`engine_management`), where rows come from, and who may ask.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::unwrap_used))]

mod asked;
mod described;
pub mod limits;
mod query;
mod refusal;
mod row;
pub mod types;
mod writes;

pub use asked::{Asked, By, Named, ask};
pub use query::Query;
pub use row::{Row, value};
pub use writes::{Change, Made};
