//! Who wants messages of an address: consumers of this node, and other routers.

mod address;
mod addresses;
mod learning;
mod rules;
mod trie;
mod view;

pub use address::{Address, Consumer, ConsumerId, Place};
pub use addresses::{Addresses, Change};
pub use learning::Source;
pub use rules::{Claim, End, Keeping, Rule, Rules};
pub use view::Table;
