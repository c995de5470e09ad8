//! What is remembered of messages that go to other routers one like the other.
//!
//! Guarantees: whom they go to is found again as long as all ways to other routers are as they were (`Neighbours::ways`), and no longer. Of messages
//! that never went to another router nothing is kept: there are a million links that way.

use std::cell::{Cell, OnceCell};

use engine_core::preface::Preface;
use engine_core::slab::Key as Place;
use engine_router::table::ConsumerId;

/// Whom a message goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To {
    /// A receiver of this shard.
    Receiver(Place),
    /// A consumer of another one.
    Away(ConsumerId),
}

/// What messages go out by that are alike: of one sender, or with the same annotations.
#[derive(Debug, Default)]
pub(crate) struct Outward(OnceCell<Box<Written>>);

#[derive(Debug)]
struct Written {
    /// What this router writes into them for other routers.
    preface: Preface,
    /// Whom those of a priority went to last, if they have no other way than to one router; and when that was found.
    found: Cell<Option<(u64, u8, To)>>,
}

impl Outward {
    /// What this router writes into them for other routers, once there was one for them.
    #[inline]
    pub fn written(&self) -> Option<&Preface> {
        self.0.get().map(|written| &written.preface)
    }

    /// Notes that.
    pub fn write(&self, preface: Preface) -> &Preface {
        &self.0.get_or_init(|| Box::new(Written { preface, found: Cell::default() })).preface
    }

    /// Whom messages of a priority go to, if it was found when ways were as they are now.
    #[inline]
    pub fn found(&self, ways: u64, priority: u8) -> Option<To> {
        let (found_at, of, to) = self.0.get()?.found.get()?;
        (found_at == ways && of == priority).then_some(to)
    }

    /// Notes whom messages of a priority go to.
    pub fn note(&self, ways: u64, priority: u8, to: To) {
        self.0.get().into_iter().for_each(|written| written.found.set(Some((ways, priority, to))));
    }

    /// They may go otherwise from here on.
    pub fn forget(&mut self) {
        self.0.get_mut().into_iter().for_each(|written| written.found.set(None));
    }
}
