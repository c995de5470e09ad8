//! Rules for addresses and routes of links, as they are told while the router runs, until all shards go by them.
//!
//! Guarantee: a number is given when all shards go by what it is of; of routes of links by who serves them as well, which shards say before they
//! say that they go by the routes.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::containers::LinkRoute;

/// What is on its way to the shards. What waits is bounded by whoever tells it, one thing at a time.
#[derive(Debug, Default)]
pub(crate) struct Ruling {
    has_new_rules: bool,
    /// Routes that shards were not told.
    link_routes: Option<Arc<[LinkRoute]>>,
    /// Numbers of routes that not all shards know of, by the version that has them first.
    unknown: VecDeque<(u64, u64)>,
    /// Numbers of what not all shards go by, by the version that has it first.
    waiting: VecDeque<(u64, u64)>,
    ruled: VecDeque<u64>,
}

impl Ruling {
    /// Other rules hold from a version on.
    pub fn rule(&mut self, version: u64, number: u64) {
        self.has_new_rules = true;
        self.waiting.push_back((version, number));
    }

    /// Other routes do.
    pub fn route_links(&mut self, routes: Arc<[LinkRoute]>, version: u64, number: u64) {
        self.link_routes = Some(routes);
        self.unknown.push_back((version, number));
    }

    /// Whether there is something that shards were not told.
    pub fn is_new(&self) -> bool {
        self.has_new_rules || self.link_routes.is_some()
    }

    /// Whether there are such rules.
    pub fn has_new_rules(&self) -> bool {
        self.has_new_rules
    }

    /// Shards are told; gives the routes, if they are others.
    pub fn tell(&mut self) -> Option<Arc<[LinkRoute]>> {
        self.has_new_rules = false;
        self.link_routes.take()
    }

    /// All shards go by a version. What they have said so far is in `next`: the one that was told last, or the one behind it.
    pub fn apply(&mut self, by_all: u64, next: u64) {
        while let Some((_, number)) = self.unknown.pop_front_if(|(version, _)| *version <= by_all) {
            self.waiting.push_back((next, number));
        }
        while let Some((_, number)) = self.waiting.pop_front_if(|(version, _)| *version <= by_all) {
            self.ruled.push_back(number);
        }
    }

    /// A number that all shards go by.
    pub fn poll_ruled(&mut self) -> Option<u64> {
        self.ruled.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_hold_when_what_shards_said_of_them_is_everywhere() {
        let mut ruling = Ruling::default();
        ruling.route_links([].into(), 3, 1);
        assert!(ruling.is_new() && !ruling.has_new_rules());
        assert!(ruling.tell().is_some() && !ruling.is_new());
        ruling.rule(4, 2);
        assert!(ruling.is_new() && ruling.tell().is_none());
        ruling.apply(2, 3);
        assert_eq!(ruling.poll_ruled(), None, "not all shards know of them");
        // They do, and have said who serves them: the next version has that.
        ruling.apply(3, 5);
        assert_eq!(ruling.poll_ruled(), None);
        ruling.apply(4, 5);
        assert_eq!(ruling.poll_ruled(), Some(2), "rules wait for nothing else");
        ruling.apply(5, 5);
        assert_eq!((ruling.poll_ruled(), ruling.poll_ruled()), (Some(1), None));
        // Where nobody serves them the last one will do.
        ruling.route_links([].into(), 6, 3);
        ruling.apply(6, 6);
        assert_eq!(ruling.poll_ruled(), Some(3));
    }
}
