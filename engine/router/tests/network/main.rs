//! Routers among others: what they know of each other, and where messages go.

mod forwarding;
mod hostile;
mod knowing;
mod world;
