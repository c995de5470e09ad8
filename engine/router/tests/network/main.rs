//! Routers among others: what they know of each other, and where messages go.

mod forwarding;
mod knowing;
mod world;
