//! How a message came here: where it entered the network, and which routers it went through.
//!
//! Guarantee: a message that was here before is found out, and goes nowhere. How many routers it went through says nothing: of paths at
//! the same cost some have more hops than the farthest router is away.

use crate::annotations::Annotations;
use crate::network::{LinkId, Routes};
use crate::set::{RouterIndex, RouterSet};

/// How a message came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Where it entered the network; `None` for a router that is not known here.
    pub origin: Option<RouterIndex>,
    /// Routers that it went through, as far as they are known.
    pub passed: RouterSet,
    /// The edge router's connection that it came over, if it did.
    pub edge: Option<LinkId>,
    /// Whether it goes round.
    pub is_round: bool,
}

impl Passage {
    /// The passage of a message that a client, or this node itself, sends.
    pub const HERE: Self =
        Self { origin: Some(RouterIndex::SELF), passed: RouterSet::EMPTY, edge: None, is_round: false };

    /// That of a message that came over a link between routers, by what those wrote.
    #[must_use]
    pub fn of(annotations: &Annotations<'_>, routes: &Routes) -> Self {
        let passed: RouterSet = annotations.trace.iter().filter_map(|id| routes.index(id)).collect();
        let is_round = passed.contains(RouterIndex::SELF);
        let origin = annotations.ingress.and_then(|id| routes.index(id));
        Self { origin, passed, edge: None, is_round }
    }
}
