//! Messages that pass through a node without being kept: links of routed addresses, as their connections' shards have them.
//!
//! A [`Router`] is a shard's part. It is asked and answers as the owner of an address does (`Command`, `Event`), so that links of routed
//! addresses and of stored ones are the same to whoever has the connections. Whom a message goes to is decided where it comes in; what is
//! for a consumer of another shard crosses one lane ([`Crossing`]), and its outcome another one. All shards go by the same table, which
//! one [`Registry`] makes: they tell it of their consumers ([`Note`]), it tells them of the table ([`Update`]). It is one router among others,
//! too: what its neighbours say comes to it from the shards of their connections, and what it says goes there ([`Order`]).
//!
//! A message that is not whole when it begins to leave goes on part by part (`streaming`).
//!
//! Not here: the choice itself, credit and settlement (`engine_router`), and who carries what between shards and threads.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod across;
mod alive;
mod apart;
mod attaching;
mod choosing;
mod coming;
mod containers;
mod crossing;
mod edge;
mod edge_messages;
mod edges;
mod end;
mod entry;
mod heard;
mod held;
mod joints;
mod lanes;
pub mod limits;
mod neighbours;
mod outward;
mod passing;
mod registry;
mod relaying;
mod relays;
mod router;
mod ruling;
mod senders;
mod states;
mod streaming;
mod streams;
mod through;
mod told;
mod tracking;
mod ways;

pub use attaching::Meeting;
pub use containers::LinkRoute;
pub use crossing::{Begins, Consumers, Crossing, LinkTarget};
pub use engine_router::auto_links::Via;
pub use engine_router::settlement::Standing;
pub use lanes::Bundle;
pub use registry::{Answer, Ask, Changed, Note, Order, Registry, Update};
pub use relaying::Found;
pub use router::{EndView, Router, RouterConfig, RouterTotals};
pub use streams::Brought;
pub use told::Told;
