//! Routers among others: what they say, what they know of each other, and where messages go.

mod control;
mod forwarding;
mod hostile;
mod knowing;
mod said;
#[path = "../traces/mod.rs"]
mod traces;
mod world;
