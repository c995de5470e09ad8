//! A number of things that all shards of a node may have together, such as connections while descriptors are few.
//!
//! Guarantees: no more permits are out than there are; one that is dropped is there again. Taking and giving back are one atomic
//! operation each: they happen with connections, not with messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many more may be had.
#[derive(Clone, Debug)]
pub struct Permits(Arc<AtomicU64>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Permit(Arc<AtomicU64>);

impl Permits {
    /// So many in all.
    pub fn new(count: u64) -> Self {
        Self(Arc::new(AtomicU64::new(count)))
    }

    /// Takes one, unless all are out.
    pub fn take(&self) -> Option<Permit> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.ok().map(|_| Permit(Arc::clone(&self.0)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_there_are_and_those_given_back_again() {
        let permits = Permits::new(2);
        let (one, two) = (permits.take(), permits.clone().take());
        assert!(one.is_some() && two.is_some() && permits.take().is_none());
        drop(one);
        let again = permits.take();
        assert!(again.is_some() && permits.take().is_none());
    }
}
