//! The catalogue: what administrators say of addresses and queues.
//!
//! `Catalogue` is an immutable version of it; `Change` makes the next one; `log` keeps changes. `Layer` and `AddressSettings` are the
//! settings of addresses, each declared once (`settings`), by the means that the program's other settings use as well (`setting`,
//! `declare`).
//!
//! Not here: queues made on demand and subscriptions (facts of their owner's log), messages, files.
#![forbid(unsafe_code)]

mod catalogue;
mod change;
mod declare;
mod definition;
mod destination;
pub mod limits;
pub mod log;
mod matches;
mod name;
mod pattern;
mod permission;
pub mod placement;
mod reconcile;
pub mod setting;
mod settings;
mod suspension;

pub use catalogue::{Catalogue, Resolved};
pub use change::{Change, ChangeError, Origin};
pub use declare::Area;
pub use definition::{Attributes, Definition, Divert, Kind, Member, Permission, Placed, QUALIFIER, Queue, Suspension};
pub use destination::lead_from;
pub use matches::Matches;
pub use name::base;
pub use pattern::Pattern;
pub use permission::{Action, EVERYBODY, USER};
pub use placement::{NodeNumber, Owner, Placement};
pub use settings::{AddressSettings, Layer, RoutingType, SlowPolicy, WhenFull, setting_named};
