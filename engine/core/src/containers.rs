//! Which connections a container has, and whether it wants to have one only: `sole-connection-for-container` (AMQP Enforcing Connection
//! Uniqueness 1.0), with strong detection: connections that did not ask for it count, too.
//!
//! Guarantees: all connections of a container are answered for by one shard, whichever they are on; a container has either one connection
//! that is its only one, or any number of those that need not be. A claim that was ended is told to its connection, also if that was on its
//! way to another shard. A connection is refused for another one only if that had not gone before: its shard is asked, and answers behind
//! what it has said of it.
//!
//! Not here: whether connections ask for it, and what they are told (the protocol's binding).

use std::collections::BTreeSet;

use engine_catalogue::{NodeNumber, Owner};
use engine_message::Condition;

use crate::command::{ClaimSpec, Command, SolePolicy};
use crate::core::Core;
use crate::ends::end_key;
use crate::event::{Event, Moved, Refusal};
use crate::key::{EndKey, LinkKey};
use crate::limits::CLAIMS_MAX;
use crate::slab::{Key, Slab};

/// A connection.
#[derive(Debug)]
struct Claim {
    link: LinkKey,
    container: Box<str>,
    sole: Option<SolePolicy>,
}

/// A connection that is in another one's way.
struct Conflict {
    claim: EndKey,
    link: LinkKey,
}

/// Connections by what their peers call themselves.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    claims: Slab<Claim>,
    names: BTreeSet<(Box<str>, Key)>,
}

impl Containers {
    /// The connections of a container.
    fn of(&self, container: &str) -> impl Iterator<Item = (Key, &Claim)> {
        let named = self.names.range((Box::from(container), Key::default())..);
        let named = named.take_while(move |(name, _)| **name == *container);
        named.filter_map(|&(_, key)| Some((key, self.claims.get(key)?)))
    }

    /// The connection that is in the way of one that comes, and the policy of the one of the two that wants to be the only one: that of the
    /// one that comes, if it does.
    fn conflict(&self, spec: &ClaimSpec) -> Option<(Conflict, SolePolicy)> {
        let (key, existing) = self.of(&spec.container).next()?;
        Some((Conflict { claim: end_key(key), link: existing.link }, spec.sole.or(existing.sole)?))
    }

    fn insert(&mut self, claim: Claim) -> Result<Key, Claim> {
        let name = claim.container.clone();
        let key = self.claims.insert_within(claim, CLAIMS_MAX)?;
        self.names.insert((name, key));
        Ok(key)
    }

    fn remove(&mut self, key: Key) -> Option<Claim> {
        let claim = self.claims.remove(key)?;
        self.names.remove(&(claim.container.clone(), key));
        Some(claim)
    }

    /// Asserts what must hold between any two commands.
    pub fn check(&self) {
        assert_eq!(self.names.len(), self.claims.len(), "each claim is found by its name");
        for (key, claim) in self.claims.iter() {
            assert!(self.names.contains(&(claim.container.clone(), key)), "by its own");
            assert!(claim.sole.is_none() || self.of(&claim.container).count() == 1, "the only one is alone");
        }
    }
}

fn closed(container: &str) -> Box<Refusal> {
    Refusal::new(
        Condition::ResourceLocked,
        format!("the container {container} opened another connection, to be its only one"),
    )
}

impl Core {
    /// Admits a connection of a container, or refuses it.
    pub(crate) fn claim(&mut self, link: LinkKey, mut spec: ClaimSpec) {
        match self.containers.conflict(&spec) {
            Some((Conflict { claim, link: existing }, SolePolicy::RefuseConnection))
                if spec.standing != Some(claim) =>
            {
                // It may have gone, and its lane be longer than the one of the connection that comes.
                spec.standing = Some(claim);
                let owner = Owner { node: NodeNumber::HERE, shard: self.config.shard, epoch: 0 };
                let command = Command::Claim { link, spec: Box::new(spec) };
                return self.events.push_back((existing, Event::Moved(Box::new(Moved { owner, command }))));
            }
            Some((_, SolePolicy::RefuseConnection)) => {
                let text = format!("the container {} has a connection, and may have one only", spec.container);
                let refusal = Refusal::new(Condition::InvalidField, text);
                return self.events.push_back((link, Event::Refused { refusal }));
            }
            Some((_, SolePolicy::CloseExisting)) => {
                let existing: Vec<Key> = self.containers.of(&spec.container).map(|(key, _)| key).collect();
                for claim in existing.into_iter().filter_map(|key| self.containers.remove(key)) {
                    self.events.push_back((claim.link, Event::Detached { refusal: closed(&spec.container) }));
                }
            }
            None => {}
        }
        let claim = Claim { link, container: spec.container.into(), sole: spec.sole };
        let answer = match self.containers.insert(claim) {
            Ok(key) => Event::Admitted { owner: self.config.shard, claim: end_key(key) },
            Err(_) => {
                let text = format!("a shard answers for {CLAIMS_MAX} connections at most");
                Event::Refused { refusal: Refusal::new(Condition::ResourceLimitExceeded, text) }
            }
        };
        self.events.push_back((link, answer));
    }

    /// A connection is on another shard, or at another place there.
    pub(crate) fn move_claim(&mut self, key: Key, link: LinkKey) {
        match self.containers.claims.get_mut(key) {
            Some(claim) => claim.link = link,
            None => {
                let text = "its container opened another connection, to be its only one";
                let refusal = Refusal::new(Condition::ResourceLocked, text);
                self.events.push_back((link, Event::Detached { refusal }));
            }
        }
    }

    /// A connection is gone.
    pub(crate) fn drop_claim(&mut self, key: Key) {
        drop(self.containers.remove(key));
    }
}
