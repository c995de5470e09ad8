//! Links that receive and outlive their connections: what their peers were sent is held back until they come back and say what became of it
//! (AMQP parts 2.6.5 and 2.6.13; `docs/interoperability.md`).
//!
//! Guarantees:
//! 1. Nobody else is given what is held back, and it counts as failed only if nobody comes back for it.
//! 2. An attach that resumes a link is answered when what its peer decided on is where it has to be. What it has not decided on is for
//!    everybody again, and not for it: the answer does not name it, so that its peer knows.
//! 3. A link that is attached again while it is attached elsewhere ends there (part 2.6.1).
//!
//! Not here: how many links there are (`suspended`), and links that send (`resuming`).

use engine_message::Condition;

use crate::command::{ConsumerSpec, DetachMode, Mode, Outcome, Settle};
use crate::core::Core;
use crate::ends::Consumer;
use crate::event::{Event, Refusal};
use crate::held_back::HeldBack;
use crate::resumption::{Decided, LastingConsumer, LinkName};
use crate::slab::Key;
use crate::suspended::{Room, Standing};

impl Core {
    /// Whoever attaches a link says what became of what was held back for it; gives the fact behind which that is certain, or 0.
    pub(crate) fn take_decided(&mut self, lasting: &LastingConsumer) -> u64 {
        let Some(HeldBack { queue, end, outcome }) = self.take_held_back(&lasting.name) else { return 0 };
        match &lasting.decided {
            Decided::Nothing => self.leave_behind(&HeldBack { queue, end, outcome }),
            Decided::These(decided) => {
                for (held, outcome) in decided {
                    self.settle(queue, end, *held, outcome.clone());
                }
                self.leave_behind(&HeldBack { queue, end, outcome: Outcome::Released });
            }
        }
        self.tell_gone(queue)
    }

    /// What is held back for a link; one that is attached elsewhere ends there.
    fn take_held_back(&mut self, name: &LinkName) -> Option<HeldBack> {
        let mut standing = self.nodes.receivers.take(name)?;
        if let Standing::Attached(end) = standing {
            let link = self.nodes.ends.get(end)?.link;
            let refusal = Refusal::new(Condition::LinkStolen, format!("the link {} was attached again", name.link));
            self.events.push_back((link, Event::Detached { refusal }));
            self.detach(end, DetachMode::Lost);
            standing = self.nodes.receivers.take(name)?;
        }
        match standing {
            Standing::Suspended { left, .. } => Some(left),
            Standing::Attached(_) => None,
        }
    }

    /// A link that was just attached may be one that outlives its connection; gives whether it is.
    pub(crate) fn may_hold_back(&mut self, end: Key, mode: Mode, spec: &ConsumerSpec) -> Option<Box<LastingConsumer>> {
        let lasting = spec.lasting.as_ref().filter(|_| mode == Mode::Consume && spec.settle == Settle::ByPeer)?;
        let ends = &self.nodes.ends;
        let Room::Taken(gone) = self.nodes.receivers.attach(lasting.name.clone(), end, |end| ends.get(end).is_some())
        else {
            return None;
        };
        gone.iter().for_each(|held_back| self.leave_behind(held_back));
        Some(lasting.clone())
    }

    /// Holds back what a link held that ended so; gives whether there is anything.
    pub(crate) fn hold_back(&mut self, end: Key, consumer: &Consumer, mode: DetachMode, outcome: &Outcome) -> bool {
        let Some(lasting) = &consumer.lasting else { return false };
        self.nodes.receivers.take(&lasting.name);
        let keep_ns = lasting.keep.after(mode);
        let holds = self.nodes.queues.get(consumer.queue).is_some_and(|queue| !queue.held_by(end).is_empty());
        if keep_ns == 0 || !holds {
            return false;
        }
        let held_back = HeldBack { queue: consumer.queue, end, outcome: outcome.clone() };
        let until_ns = self.now.ns.saturating_add(keep_ns);
        self.nodes.receivers.suspend(lasting.name.clone(), held_back, until_ns);
        true
    }

    /// Nobody comes back for what is held back any more: it becomes what was said for that.
    fn leave_behind(&mut self, held_back: &HeldBack) {
        let HeldBack { queue, end, outcome } = held_back;
        self.abandon(*queue, *end, outcome);
        self.trim(*queue);
        self.nodes.idle.end(*queue);
        self.collect(*queue);
        self.touch(*queue);
    }

    /// Lets go what was kept long enough of links that nobody came back for.
    pub(crate) fn let_go_due(&mut self) {
        // Of those that send there is nothing else.
        self.nodes.senders.take_due(self.now.ns);
        for held_back in self.nodes.receivers.take_due(self.now.ns) {
            self.leave_behind(&held_back);
        }
    }
}
