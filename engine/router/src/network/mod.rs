//! One router of a network: its neighbours, what it knows of the others, and what it tells them.

mod action;
mod config;
mod exchange;
mod hearing;
mod links;
mod machine;
mod own;
mod relaying;
mod routers;
mod routes;

pub use action::{Action, Notice};
pub use config::{Config, Timers};
pub use links::LinkId;
pub use machine::Network;
pub use routes::Routes;
