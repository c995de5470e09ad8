//! The forwarder: takes messages that leave an address to the owner of the next one, as an internal peer of the mesh.
//!
//! Guarantees: a message that goes to another shard is published there as one that waits for its outcome, by a link of the forwarder's
//! port; the outcome comes back to the shard that it left. One whose content is a file gets a name of its own for it first, so that each
//! owner frees its own; a name that nobody took goes with whoever refused the message.
//!
//! Copies that somebody who manages a queue asks for take the same road.
//!
//! Not here: which messages go, and what becomes of them (`engine_core`), and how a file gets a further name (`poll_file_wish`: whoever
//! has the disk).

use std::collections::{BTreeMap, VecDeque};

use engine_core::command::{Command, Outcome, Settled};
use engine_core::event::{Event, Refusal};
use engine_core::key::{LinkKey, Port};
use engine_core::limits::FORWARDS_TURN_MAX;
use engine_core::{Forward, Progress, Task};

use crate::engine::Engine;
use crate::mesh::Parcel;

/// A file that is to have a further name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileWish {
    /// Whose: for `Engine::handle_file_named`.
    pub flight: u32,
    /// The file.
    pub file: u64,
    /// Whether its message outlives the node.
    pub is_durable: bool,
}

/// Messages that wait for a file's further name.
#[derive(Debug, Default)]
pub(crate) struct Forwarder {
    naming: BTreeMap<u32, Forward>,
    wishes: VecDeque<FileWish>,
}

impl Engine {
    /// Sends off what goes to other addresses, as much as a turn may; gives whether there was something.
    pub(crate) fn forward(&mut self) -> bool {
        let mut count = 0;
        while count < FORWARDS_TURN_MAX
            && let Some(forward) = self.core.poll_forward()
        {
            count += 1;
            self.take_off(forward);
        }
        count > 0
    }

    /// Does a step of work on the messages of a queue of this shard, and sends off what it copies.
    ///
    /// # Errors
    /// As `Core::manage`.
    pub fn manage(&mut self, task: &Task) -> Result<Progress, Box<Refusal>> {
        self.busy = true;
        let mut progress = self.core.manage(task)?;
        progress.copies.drain(..).for_each(|copy| self.take_off(copy));
        Ok(progress)
    }

    fn take_off(&mut self, forward: Forward) {
        let message = &forward.publish.message;
        match message.large() {
            None => self.send_off(forward),
            Some(large) => {
                let (flight, is_durable) = (forward.flight, message.header.durable);
                self.forwarder.wishes.push_back(FileWish { flight, file: large.id, is_durable });
                self.forwarder.naming.insert(flight, forward);
            }
        }
    }

    fn send_off(&mut self, forward: Forward) {
        let owner = self.keeper_of(&forward.publish.address);
        if owner == self.shard() {
            return self.core.forward_here(forward);
        }
        let Forward { flight, publish } = forward;
        let link = LinkKey::at(Port::Forwarder, self.shard(), 0, 0);
        let publish = Command::Publish { link, delivery: flight, settled: Settled::No, publish };
        self.mesh.send(owner, Parcel::Command(publish));
    }

    /// The next file that is to have a further name.
    pub fn poll_file_wish(&mut self) -> Option<FileWish> {
        self.forwarder.wishes.pop_front()
    }

    /// A file has a further name, or could not get one.
    pub fn handle_file_named(&mut self, flight: u32, name: Option<u64>) {
        let Some(forward) = self.forwarder.naming.remove(&flight) else { return };
        self.busy = true;
        match name {
            Some(id) => self.send_off(forward.in_file(id)),
            None => self.core.handle_forwarded(flight, &Outcome::Rejected(None)),
        }
    }

    /// An owner answered the forwarder.
    #[cold]
    pub(crate) fn handle_answer(&mut self, event: &Event) {
        let Event::Settled { first, last, outcome } = event else {
            unreachable!("the forwarder publishes, and attaches nothing")
        };
        for flight in 0..=last.wrapping_sub(*first) {
            self.core.handle_forwarded(first.wrapping_add(flight), outcome);
        }
    }
}
