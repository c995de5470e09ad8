//! The machines of one shard, composed: the owner of its queues, and the mesh to the other shards.
#![forbid(unsafe_code)]

mod census;
mod engine;
mod figures;
mod forwarder;
pub mod limits;
mod mesh;
mod spin;
pub mod store;

pub use engine::{Engine, ROUTED};
pub use engine_routing::{Brought, Found};
pub use figures::{JOURNAL_FIGURES, LANE_FIGURES, ROUTER_FIGURES};
pub use forwarder::FileWish;
pub use mesh::{LaneView, Mesh, mesh, mesh_of};
pub use spin::Spin;
