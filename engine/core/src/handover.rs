//! Whose an address is: this owner's, another one's, or nobody's for a moment, while it changes hands.
//!
//! Guarantees:
//! 1. What an owner has is its own, and is served without being asked about. What it has not it makes only if the catalogue says that it
//!    is its own: an address has one owner.
//! 2. Whoever asks another owner is told whose the address is, and gets what was asked back (`Event::Moved`): nothing is made, lost or
//!    answered twice. What was sent on `MOVED_MAX` times is refused.
//! 3. An address changes hands while nobody uses it. From `prepare` on its old owner keeps what it is asked, and its new owner serves
//!    those who know of it before it does; `handle_catalogue` sends on what was kept, `forgo` does it.
//!
//! Not here: what a version changes of addresses that stay (`refresh`), and who tells owners of versions.

use std::sync::Arc;

use engine_catalogue::{Catalogue, Owner, Resolved, base};
use engine_message::Condition;

use crate::command::{Command, Publish, Settled};
use crate::core::Core;
use crate::event::{Event, Moved, Refusal};
use crate::limits::{KEPT_BYTES, KEPT_MAX, MOVED_MAX};
use crate::queue::{Before, Kind};
use crate::slab::Key;
use crate::versions::{Answer, InUse, Refresh, Version};

/// Whose an address is.
enum Whose {
    Own,
    Other(Owner),
    /// Its own still, and no longer when the next version holds.
    Leaving,
}

/// The address that a command names, and how often it was sent on.
fn named(command: &Command) -> Option<(&str, u8)> {
    match command {
        Command::AttachProducer { spec, .. } => Some((base(&spec.address), spec.moved)),
        Command::AttachConsumer { spec, .. } => Some((base(&spec.address), spec.searched.moved)),
        Command::Publish { publish, .. } => Some((base(&publish.address), publish.moved)),
        Command::Deliver { .. }
        | Command::DeliverTagged(_)
        | Command::Resume { .. }
        | Command::Forget { .. }
        | Command::Settle { .. }
        | Command::Accept { .. }
        | Command::Grant { .. }
        | Command::Revoke { .. }
        | Command::Drain { .. }
        | Command::Transact { .. }
        | Command::Claim { .. }
        | Command::MoveClaim { .. }
        | Command::DropClaim { .. }
        | Command::Detach { .. } => None,
    }
}

impl Moved {
    /// The owner that has the address, and what is to be asked of it.
    #[must_use]
    pub fn again(mut self) -> (u16, Command) {
        match &mut self.command {
            Command::AttachProducer { spec, .. } => spec.moved += 1,
            Command::AttachConsumer { spec, .. } => spec.searched.moved += 1,
            Command::Publish { publish, .. } => publish.moved += 1,
            Command::Claim { .. } => {}
            other => unreachable!("{other:?} names no address"),
        }
        (self.owner.shard, self.command)
    }
}

impl Core {
    /// Does what a command asks of an address that it names, if that is this owner's.
    pub(crate) fn handle_named(&mut self, command: Command) {
        let command = match command {
            Command::AttachConsumer { link, spec } if spec.searched.remembered.is_some() => {
                return self.attach_remembered(link, spec);
            }
            Command::AttachConsumer { link, spec } if self.is_clearing(&spec) => {
                drop(self.clear_name(link, *spec));
                return;
            }
            other => other,
        };
        let whose = named(&command).map_or(Whose::Own, |(address, _)| self.whose(address));
        match whose {
            Whose::Own => self.carry_out(command),
            Whose::Leaving => self.keep(command),
            Whose::Other(owner) => self.send_on(owner, command),
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Publish { link, delivery, settled, publish } => self.publish(link, delivery, settled, *publish),
            Command::AttachProducer { link, spec } => self.attach_producer(link, &spec),
            Command::AttachConsumer { link, spec } => self.attach_consumer(link, *spec),
            other => unreachable!("{other:?} names no address"),
        }
    }

    fn whose(&self, address: &str) -> Whose {
        if self.nodes.address(address).is_some() {
            return Whose::Own;
        }
        let Resolved::Stored { owner } = self.config.catalogue.resolve(address);
        let next = self.versions.next.as_ref().map_or(owner, |next| {
            let Resolved::Stored { owner } = next.resolve(address);
            owner
        });
        match (owner.shard == self.config.shard, next.shard == self.config.shard) {
            (_, true) => Whose::Own,
            (true, false) => Whose::Leaving,
            (false, false) => Whose::Other(owner),
        }
    }

    /// Whether an address is this owner's, to be had or made.
    pub(crate) fn is_own(&self, address: &str) -> bool {
        matches!(self.whose(base(address)), Whose::Own)
    }

    /// Keeps what is asked until it is known whose the address is.
    fn keep(&mut self, command: Command) {
        let bytes = match &command {
            Command::Publish { publish, .. } => publish.message.size(),
            _ => 0,
        };
        if self.versions.kept.len() >= KEPT_MAX || self.versions.kept_bytes + bytes > KEPT_BYTES {
            return self.refuse_named(command, "the address changes its owner, and much waits for that: try again");
        }
        self.versions.kept_bytes += bytes;
        self.versions.kept.push(command);
    }

    /// Tells whoever asked a wrong owner which is the right one.
    fn send_on(&mut self, owner: Owner, command: Command) {
        let moved = named(&command).map_or(0, |(_, moved)| moved);
        if moved >= MOVED_MAX {
            let text = format!("the address changed its owner {moved} times while it was asked for: try again");
            return self.refuse_named(command, &text);
        }
        let (Command::AttachProducer { link, .. }
        | Command::AttachConsumer { link, .. }
        | Command::Publish { link, .. }) = command
        else {
            return;
        };
        self.events.push_back((link, Event::Moved(Box::new(Moved { owner, command }))));
    }

    /// Refuses what names an address, whatever it is.
    fn refuse_named(&mut self, command: Command, why: &str) {
        let refusal = Refusal::new(Condition::ResourceLocked, why);
        match command {
            Command::Publish { link, delivery, settled, publish } => {
                let Publish { message, tag, .. } = *publish;
                self.journal.outbox.note_untaken(message.large());
                match tag {
                    _ if settled == Settled::Yes => {}
                    Some(tag) => self.events.push_back((link, Event::Undelivered { refusal, tag })),
                    None => self.refuse(link, delivery, refusal),
                }
            }
            Command::AttachProducer { link, .. } | Command::AttachConsumer { link, .. } => {
                self.events.push_back((link, Event::Refused { refusal }));
            }
            other => unreachable!("{other:?} names no address"),
        }
    }

    /// Takes what is told of a version.
    pub fn handle_version(&mut self, version: Version) -> Answer {
        match version {
            Version::Announced { next, addresses } => {
                let is_known = self.versions.next.as_ref().is_some_and(|known| known.version() == next.version());
                if !is_known && let Err(in_use) = self.prepare(next, &addresses) {
                    return Answer::InUse(in_use);
                }
                // A crash must not find it in two journals.
                return if self.journal.awaiting.durable() >= self.versions.gone_with {
                    Answer::Done
                } else {
                    Answer::NotYet
                };
            }
            Version::Holds(catalogue) => self.handle_catalogue(catalogue),
            Version::Forgone => self.forgo(),
        }
        Answer::Done
    }

    /// Gets ready for a version that changes the owners of these addresses: what it takes from this owner is given up, and what is asked
    /// of it kept, until the version holds or is forgoed.
    ///
    /// # Errors
    /// The first of them that somebody uses here; nothing was changed then.
    pub(crate) fn prepare(&mut self, next: Arc<Catalogue>, addresses: &[String]) -> Result<(), InUse> {
        let leaves = |address: &&String| {
            let of = |catalogue: &Catalogue| {
                let Resolved::Stored { owner } = catalogue.resolve(address);
                owner.shard
            };
            of(&self.config.catalogue) == self.config.shard && of(&next) != self.config.shard
        };
        // What a queue of it forwards would come back here after a crash.
        if let Some(address) = addresses.iter().filter(leaves).find(|address| self.nodes.has_ending(address)) {
            return Err(InUse { address: address.clone(), what: "messages" });
        }
        let leaving: Vec<(Key, String)> = addresses
            .iter()
            .filter(leaves)
            .filter_map(|address| Some((self.nodes.address(address)?, address.clone())))
            .collect();
        for (key, address) in &leaving {
            if let Some(what) = self.use_of(*key) {
                return Err(InUse { address: address.clone(), what });
            }
        }
        for (key, address) in leaving {
            self.give_up(key);
            self.versions.given_up.push(address);
        }
        // What was deleted just before is to be gone as well.
        self.versions.gone_with = self.journal.numbers.last();
        self.versions.next = Some(next);
        Ok(())
    }

    /// What keeps an address where it is.
    fn use_of(&self, key: Key) -> Option<&'static str> {
        let address = self.nodes.addresses.get(key)?;
        if !address.producers.is_empty() {
            return Some("links");
        }
        if self.transactions.prepared.is_for(&address.name) {
            return Some("transactions");
        }
        let mut queues = address.queues.all().filter_map(|queue| self.nodes.queues.get(queue));
        queues.find_map(|queue| {
            if queue.messages() > 0 {
                Some("messages")
            } else if !queue.consumers.is_empty() {
                Some("links")
            } else {
                let goes = matches!(queue.identity.kind, Kind::Auto | Kind::Declared(Before::OnDemand));
                (!goes && !queue.identity.kind.is_beside()).then_some("subscriptions")
            }
        })
    }

    /// Deletes an address that nobody uses, and its queues.
    fn give_up(&mut self, key: Key) {
        let Some(address) = self.nodes.addresses.get_mut(key) else { return };
        address.is_declared = false;
        let queues: Vec<Key> = address.queues.all().collect();
        queues.into_iter().for_each(|queue| self.delete(queue));
        self.collect_address(key);
    }

    /// A version holds from now on. What is there is brought to it bit by bit (`refresh`).
    pub fn handle_catalogue(&mut self, catalogue: Arc<Catalogue>) {
        self.config.catalogue = catalogue;
        self.versions.next = None;
        self.versions.given_up.clear();
        self.versions.refresh = Some(Refresh::default());
        self.refresh();
        self.handle_kept();
    }

    /// The version that was prepared does not hold: what was given up for it is there again.
    pub(crate) fn forgo(&mut self) {
        self.versions.next = None;
        for address in std::mem::take(&mut self.versions.given_up) {
            self.declare_again(&address);
        }
        self.handle_kept();
    }

    fn handle_kept(&mut self) {
        self.versions.kept_bytes = 0;
        for command in std::mem::take(&mut self.versions.kept) {
            self.handle_named(command);
        }
    }
}
