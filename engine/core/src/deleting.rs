//! A queue is deleted because somebody who manages it says so.
//!
//! Guarantees: unless that is insisted on, a queue with messages or consumers stays; its links end with `amqp:resource-deleted`, and what was on its
//! way to another address goes on. One that the catalogue declares is not deleted: it is to be undeclared first.

use engine_catalogue::QUALIFIER;
use engine_message::Condition;

use crate::core::Core;
use crate::managing::{Mark, Onward, Progress, Task};
use crate::queue::Kind;
use crate::refusal::Refusal;
use crate::slab::Key;

/// Whether a queue goes with what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// With its messages, and whoever consumes.
    Yes,
    /// Only if it has neither.
    No,
}

impl Core {
    /// Deletes a queue, or waits until this owner knows that it is not declared any more.
    pub(crate) fn delete_managed(&mut self, key: Key, force: Force, task: &Task) -> Result<Progress, Box<Refusal>> {
        let refused = |why: String| Refusal::new(Condition::PreconditionFailed, why);
        let name = format!("{}{QUALIFIER}{}", task.address, task.queue);
        let mark = Mark::of(key);
        let Some(queue) = self.nodes.queues.get(key) else { return Ok(Progress::then(self.settle_down(mark))) };
        match queue.identity.kind {
            Kind::Divert => {
                let why = format!("the queue {name} is a divert's: it goes when the divert is removed and it is empty");
                return Err(refused(why));
            }
            Kind::Retained => {
                return Err(refused(format!(
                    "the queue {name} goes with its address, or when retroactive_messages is 0"
                )));
            }
            Kind::Wildcard(_) => {
                return Err(refused(format!(
                    "the queue {name} leads to subscriptions, and goes with the last of them"
                )));
            }
            _ => {}
        }
        if matches!(queue.identity.kind, Kind::Declared(_)) {
            if self.config.catalogue.queues_of(&task.address).any(|(declared, _)| declared == task.queue) {
                return Err(refused(format!("the queue {name} is declared")));
            }
            if task.queue == task.address && self.has_queue_of_its_own(queue.identity.address) {
                let why = format!("the queue {name} comes with its address, which is declared: delete the address");
                return Err(refused(why));
            }
            return Ok(Progress::then(Onward::Later(mark)));
        }
        let (messages, consumers) = (queue.messages(), queue.consumers.takers());
        if force == Force::No && (messages > 0 || consumers > 0) {
            return Err(refused(format!(
                "the queue {name} has {messages} messages and {consumers} consumers: --force deletes it with them"
            )));
        }
        self.delete(key);
        Ok(Progress { done: 1, ..Progress::then(self.settle_down(mark)) })
    }
}
