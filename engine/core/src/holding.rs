//! Links that receive and outlive their connections: what their peers were sent is held back until they come back and say what became of it
//! (AMQP parts 2.6.5 and 2.6.13; `docs/interoperability.md`).
//!
//! Guarantees:
//! 1. Nobody else is given what is held back, and it counts as failed only if nobody comes back for it.
//! 2. An attach that resumes a link is answered when what its peer decided on is where it has to be.
//! 3. What its peer has not decided on it is given again before anything else, by the same key, as the answer says. What has left memory
//!    meanwhile is for everybody again, and not for it: the answer does not name that, so that its peer knows.
//! 4. A link that is attached again while it is attached elsewhere ends there (part 2.6.1).
//!
//! Not here: how many links there are (`suspended`), and links that send (`resuming`).

use std::collections::VecDeque;

use engine_message::Condition;

use crate::command::{ConsumerSpec, DetachMode, Mode, Outcome, Settle};
use crate::core::Core;
use crate::ends::{Consumer, End, EndRole};
use crate::event::{Event, Refusal, Shown};
use crate::held_back::{HeldBack, Returning, Undecided};
use crate::key::LinkKey;
use crate::resumption::{Known, LastingConsumer, LinkName, Rest, Tag};
use crate::slab::Key;
use crate::suspended::{Room, Standing};

/// What there is for a link of what it holds from before.
pub(crate) enum Again {
    /// This.
    Given(LinkKey, Shown),
    /// Nothing now, and nothing new either.
    Nothing,
    /// Nothing any more: it is served like others.
    Over,
}

impl Core {
    /// Whoever attaches a link says what became of what was held back for it; gives the fact behind which that is certain, or 0, and what is
    /// to become of the rest once the link is there (`take_over`, else `leave_behind`).
    pub(crate) fn take_known(&mut self, lasting: &LastingConsumer) -> (u64, Option<Undecided>) {
        let Some((held_back, until_ns)) = self.take_held_back(&lasting.name) else { return (0, None) };
        let HeldBack { queue, end, .. } = held_back;
        match &lasting.known {
            Known::Nothing => {
                self.leave_behind(&held_back);
                (self.tell_gone(queue), None)
            }
            Known::Named { decided, undecided, rest } => {
                for (held, outcome) in decided {
                    self.settle(queue, end, *held, outcome.clone());
                }
                let undecided = Undecided { held_back, until_ns, named: undecided.clone(), rest: *rest };
                (self.tell_gone(queue), Some(undecided))
            }
        }
    }

    /// The link was refused: its peer may come back in time.
    pub(crate) fn hold_on(&mut self, lasting: Option<&LastingConsumer>, undecided: Option<Undecided>) {
        if let (Some(LastingConsumer { name, .. }), Some(Undecided { held_back, until_ns, .. })) = (lasting, undecided)
        {
            self.nodes.receivers.suspend(name.clone(), held_back, until_ns);
        }
    }

    /// A link that was just attached holds what its peer named, and is given that again; and the rest, if that stays. Gives the tags of what
    /// it is given again; everything else is for everybody.
    pub(crate) fn take_over(&mut self, undecided: Undecided, end: Key) -> Vec<(Tag, Option<Outcome>)> {
        let Undecided { held_back: HeldBack { queue, end: old, .. }, named, rest, .. } = undecided;
        let held_back = HeldBack { queue, end: old, outcome: Outcome::Released };
        let mut again = VecDeque::new();
        if let Some(End { role: EndRole::Consumer(consumer), .. }) = self.nodes.ends.get_mut(end)
            && let Some(returning) = consumer.returning.as_mut().filter(|_| consumer.queue == held_back.queue)
            && let Some(queue) = self.nodes.queues.get_mut(held_back.queue)
        {
            let mut ours: Vec<u64> =
                named.into_iter().filter(|&held| queue.hand_over(held_back.end, held, end)).collect();
            // A map has no order; the queue has.
            ours.sort_by_key(|&held| queue.sequence_of(end, held));
            again.extend(ours);
            if rest == Rest::Stays {
                queue.hand_over_all(held_back.end, end);
            }
            // It had credit for what it holds.
            consumer.pace.granted += queue.held_by(end).len() as u64;
            returning.again = again.clone();
            if !again.is_empty() && rest != Rest::Stays {
                queue.consumers.begin_apart();
            }
        }
        self.leave_behind(&held_back);
        again.into_iter().filter_map(|held| Some((Tag::new(&held.to_be_bytes())?, None))).collect()
    }

    /// What a link that is served apart is given next: what it holds from before.
    pub(crate) fn give_again(&mut self, key: Key, end: Key) -> Again {
        loop {
            let Some(queue) = self.nodes.queues.get_mut(key) else { return Again::Over };
            let Some(End { link, role: EndRole::Consumer(consumer) }) = self.nodes.ends.get_mut(end) else {
                return Again::Over;
            };
            let Some(returning) = consumer.returning.as_mut().filter(|returning| returning.is_apart()) else {
                return Again::Over;
            };
            let held = if consumer.credit > 0 { returning.again.pop_front() } else { None };
            let Some(held) = held else {
                consumer.drain(*link, &mut self.events);
                return Again::Nothing;
            };
            if !returning.is_apart() {
                queue.consumers.end_apart();
            }
            if let Some((entry, bytes)) = queue.held_here(end, held) {
                consumer.credit -= 1;
                // It holds no more for that credit than it held before.
                consumer.pace.granted -= 1;
                let shown = Shown { key: held, queue: key, entry };
                self.turns.note_shown(&shown, bytes, self.memory.is_shed());
                return Again::Given(*link, shown);
            }
            // One that has left memory since is for everybody; one that was settled is nobody's.
            self.settle(key, end, held, Outcome::Released);
        }
    }

    /// What is held back for a link, and until when, nanoseconds; one that is attached elsewhere ends there.
    fn take_held_back(&mut self, name: &LinkName) -> Option<(HeldBack, u64)> {
        if let Some(end) = self.nodes.receivers.attached(name)
            && let Some(End { link, .. }) = self.nodes.ends.get(end)
        {
            let refusal = Refusal::new(Condition::LinkStolen, format!("the link {} was attached again", name.link));
            self.events.push_back((*link, Event::Detached { refusal }));
            self.detach(end, DetachMode::Lost);
        }
        match self.nodes.receivers.take(name)? {
            Standing::Suspended { left, until_ns } => Some((left, until_ns)),
            // A transaction is to end something of it: it ends behind that, and leaves nothing to this one.
            Standing::Attached(_) => None,
        }
    }

    /// A link that was just attached may be one that outlives its connection; gives whether it is.
    pub(crate) fn may_hold_back(&mut self, end: Key, mode: Mode, spec: &ConsumerSpec) -> bool {
        let may = mode == Mode::Consume && spec.settle == Settle::ByPeer;
        let Some(LastingConsumer { name, keep, known }) = spec.lasting.as_deref().filter(|_| may) else { return false };
        let ends = &self.nodes.ends;
        let Room::Taken(gone) = self.nodes.receivers.attach(name.clone(), end, |end| ends.get(end).is_some()) else {
            return false;
        };
        gone.iter().for_each(|held_back| self.leave_behind(held_back));
        if let Some(End { role: EndRole::Consumer(consumer), .. }) = self.nodes.ends.get_mut(end) {
            let rest = match known {
                Known::Nothing => Rest::Released,
                Known::Named { rest, .. } => *rest,
            };
            let returning = Returning { name: name.clone(), keep: *keep, again: VecDeque::new(), rest };
            if let Some(queue) = self.nodes.queues.get_mut(consumer.queue).filter(|_| returning.is_apart()) {
                queue.consumers.begin_apart();
            }
            consumer.returning = Some(Box::new(returning));
        }
        true
    }

    /// Holds back what a link held that ended so; gives whether there is anything.
    pub(crate) fn hold_back(&mut self, end: Key, consumer: &Consumer, mode: DetachMode, outcome: &Outcome) -> bool {
        let Some(returning) = &consumer.returning else { return false };
        if self.nodes.receivers.attached(&returning.name) != Some(end) {
            // It was attached again meanwhile, and that one is not to know of this one's.
            return false;
        }
        self.nodes.receivers.take(&returning.name);
        let keep_ns = returning.keep.after(mode);
        let holds = self.nodes.queues.get(consumer.queue).is_some_and(|queue| !queue.held_by(end).is_empty());
        if keep_ns == 0 || !holds {
            return false;
        }
        let held_back = HeldBack { queue: consumer.queue, end, outcome: outcome.clone() };
        let until_ns = self.now.ns.saturating_add(keep_ns);
        self.nodes.receivers.suspend(returning.name.clone(), held_back, until_ns);
        true
    }

    /// Nobody comes back for what is held back any more: it becomes what was said for that.
    pub(crate) fn leave_behind(&mut self, held_back: &HeldBack) {
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
