//! Requests to whoever manages the node, and what is done for them on a shard.
//!
//! Guarantees: work on the messages of a queue is done for a user only who may manage its address; an answer goes where it is to go like
//! any message, and nobody waits for what becomes of it.
//!
//! Not here: what a request means, and who answers it (the program).

use bytes::Bytes;
use engine_core::command::{Command, Outcome, Publish, Settled};
use engine_core::event::Refusal;
use engine_core::key::{LinkKey, Port};
use engine_core::{Progress, Task};

use crate::home::Home;
use crate::permission;
use crate::slots::Slot;

/// The address of requests.
pub const MANAGEMENT: &str = "$management";

/// A request to management, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    /// Who asks: a user's name, `anonymous`, or nothing where there is no SASL.
    pub user: String,
    /// The message, at most [`crate::limits::REQUEST_BYTES_MAX`] octets.
    pub message: Bytes,
}

impl Home {
    /// Does a step of work on the messages of a queue of this shard for a user.
    ///
    /// # Errors
    /// `amqp:unauthorized-access` if the user may not; else as `Core::manage`.
    pub fn manage(&mut self, user: &str, task: &Task) -> Result<Progress, Box<Refusal>> {
        permission::may_manage(self.engine.core().catalogue(), user, &task.address)?;
        self.engine.manage(task)
    }

    /// A request came on a link, and is accepted; one that is too large is not counted.
    pub fn note_request(&mut self, place: Slot, settled: Settled) {
        self.note_passed(place, settled);
        if settled == Settled::No {
            self.note_outcome(place, &Outcome::Accepted, 1);
        }
    }

    /// Sends an answer.
    pub fn answer(&mut self, publish: Publish) {
        let owner = self.engine.owner_of(&publish.address);
        let link = LinkKey::at(Port::Management, self.engine.shard(), 0, 0);
        let publish = Box::new(publish);
        self.engine.submit(owner, Command::Publish { link, delivery: 0, settled: Settled::Yes, publish });
    }
}
