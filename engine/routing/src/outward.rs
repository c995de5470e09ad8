//! What is remembered of messages that go to other routers one like the other.
//!
//! Guarantees: a receiver is found again as long as all ways to other routers are as they were (`Neighbours::ways`), and no longer. Of messages
//! that never went to another router nothing is kept: there are a million links that way.

use std::cell::{Cell, OnceCell};

use engine_core::preface::Preface;
use engine_core::slab::Key as Place;

/// What messages go out by that are alike: of one sender, or with the same annotations.
#[derive(Debug, Default)]
pub(crate) struct Outward(OnceCell<Box<Written>>);

#[derive(Debug)]
struct Written {
    /// What this router writes into them for other routers.
    preface: Preface,
    /// The receiver that those of a priority went to last, if they have no other way than to one router; and when that was found.
    found: Cell<Option<(u64, u8, Place)>>,
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

    /// The receiver of messages of a priority, if it was found when ways were as they are now.
    #[inline]
    pub fn receiver(&self, ways: u64, priority: u8) -> Option<Place> {
        let (found_at, of, receiver) = self.0.get()?.found.get()?;
        (found_at == ways && of == priority).then_some(receiver)
    }

    /// Notes the receiver of messages of a priority.
    pub fn note(&self, ways: u64, priority: u8, receiver: Place) {
        self.0.get().into_iter().for_each(|written| written.found.set(Some((ways, priority, receiver))));
    }

    /// They may go otherwise from here on.
    pub fn forget(&mut self) {
        self.0.get_mut().into_iter().for_each(|written| written.found.set(None));
    }
}
