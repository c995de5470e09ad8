//! Messages leave one address for another, perhaps on another shard, without loss in between.
//!
//! Guarantees:
//! 1. A message is at one of the two, or on its way and still at the first. Only a crash can leave it at both.
//! 2. Where both are this shard's, the journal hears first that the message came, and then that it left. Else it leaves when the other
//!    shard says that it is there, on stable storage if it has to be.
//! 3. One that is refused stays, is counted, and tried again; so much is under way at once and no more (`flights`).
//! 4. A queue that is deleted stays, apart from its address, until what it was to forward has left.
//!
//! Whoever drives it (a shard's engine) takes `poll_forward`, has the message published where it goes, and says what came of it.
//!
//! Not here: what goes elsewhere, and which is next (`queue::departing`, `queue::departures`), and what is told of it there (`hop`).

use engine_message::Condition;

use crate::agenda::Due;
use crate::command::{Outcome, Publish};
use crate::core::Core;
use crate::event::{Event, Refusal};
use crate::exchange::Recall;
use crate::flights::Flight;
use crate::hop;
use crate::limits::{DEPARTING_MAX, RELEASE_MAX};
use crate::queue::{Confirm, Identity, Kind, Queue, Step};
use crate::slab::Key;

/// A message on its way to another address.
#[derive(Debug)]
pub struct Forward {
    /// Names it, for `Core::handle_forwarded`.
    pub flight: u32,
    /// The address, and the message.
    pub publish: Box<Publish>,
}

impl Forward {
    /// The same message, with a name of its own for its file.
    #[must_use]
    pub fn in_file(self, id: u64) -> Self {
        let Self { flight, publish } = self;
        let Publish { message, .. } = *publish;
        let publish = Publish { message: hop::in_file(message, id), ..*publish };
        Self { flight, publish: Box::new(publish) }
    }
}

impl Core {
    /// Whether something may be forwarded now.
    #[inline]
    #[must_use]
    pub fn may_forward(&self) -> bool {
        self.flights.may_begin()
    }

    /// The next message that goes to another address.
    pub fn poll_forward(&mut self) -> Option<Forward> {
        while self.flights.may_begin() {
            let key = self.flights.first()?;
            let Some(queue) = self.nodes.queues.get_mut(key) else {
                self.flights.unlist();
                continue;
            };
            match queue.next_departure(self.now.ns, self.memory.recall_bytes()) {
                Step::Send(sequence) => {
                    let forward = self.take_off(key, sequence);
                    self.flights.pass();
                    return forward;
                }
                Step::Read(messages) => {
                    if let Some(queue) = queue.number() {
                        self.journal.outbox.recall(Recall { queue, messages });
                    }
                }
                Step::Rest(retry_ns) => {
                    queue.unlist_departures();
                    self.flights.unlist();
                    if let Some(at) = retry_ns
                        && queue.note_retry(at)
                    {
                        self.deadlines.insert(Due::Forward, at, key);
                    }
                }
            }
        }
        None
    }

    fn take_off(&mut self, key: Key, sequence: u64) -> Option<Forward> {
        let queue = self.nodes.queues.get_mut(key)?;
        let parting = queue.parting(sequence)?;
        let message = hop::moved(&parting, self.now.wall_ms);
        let (address, routing) = (parting.target.to_owned(), parting.routing);
        queue.take_off(sequence);
        let flight = self.flights.begin(Flight { queue: key, sequence: Some(sequence), bytes: message.size() });
        Some(Forward { flight, publish: Box::new(Publish { routing, ..Publish::of(address, message) }) })
    }

    /// Takes a message to an address of this shard. While that changes hands it is turned back, to be tried again.
    pub fn forward_here(&mut self, forward: Forward) {
        let Forward { flight, publish } = forward;
        if !self.is_own(&publish.address) {
            self.journal.outbox.note_untaken(publish.message.large());
            return self.handle_turned_back(flight, None);
        }
        match self.publish_to(*publish) {
            Ok(number) => self.handle_landed(flight, number),
            Err(refusal) => self.handle_turned_back(flight, Some(&refusal)),
        }
    }

    /// The owner of an address took a message, which is durable there if it has to be, or refused it.
    pub fn handle_forwarded(&mut self, flight: u32, outcome: &Outcome) {
        match outcome {
            Outcome::Accepted => self.handle_landed(flight, 0),
            Outcome::Rejected(refusal) => self.handle_turned_back(flight, refusal.as_deref()),
            Outcome::Released | Outcome::Modified(_) => self.handle_turned_back(flight, None),
        }
    }

    /// A message is where it goes, durably when the journal has reached `number`.
    fn handle_landed(&mut self, flight: u32, number: u64) {
        let Some(Flight { queue: key, sequence: Some(sequence), .. }) = self.flights.end(flight) else { return };
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        let read_on = queue.departing() == DEPARTING_MAX;
        let (left, confirm) = queue.land(sequence);
        self.apply(key, left);
        if let Some(confirm) = confirm {
            self.confirm(key, confirm, number);
        }
        if read_on {
            self.touch(key);
        }
        self.handle_flown(key);
    }

    /// A message was refused where it goes.
    fn handle_turned_back(&mut self, flight: u32, refusal: Option<&Refusal>) {
        let Some(Flight { queue: key, sequence, .. }) = self.flights.end(flight) else { return };
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        let Some(sequence) = sequence else { return queue.count_withdrawn() };
        let is_in_vain = refusal.is_some_and(|refusal| refusal.condition == Condition::NotImplemented);
        let left = if is_in_vain && matches!(queue.identity.kind, Kind::Wildcard(_)) {
            // The same as for a message that none of the subscriptions asks for: it would be in the way of all others.
            queue.land(sequence).0
        } else {
            queue.turn_back(sequence, self.now.ns)
        };
        self.apply(key, left);
        self.handle_flown(key);
    }

    fn handle_flown(&mut self, key: Key) {
        self.note_departures(key);
        let goes_on = |queue: &Queue| queue.identity.kind == Kind::Ending || queue.identity.kind.leads();
        if self.nodes.queues.get(key).is_some_and(|queue| queue.is_done_or_awaited() || goes_on(queue)) {
            self.touch(key);
        }
    }

    /// A consumer is told that its outcome is done with, once that is durable, and what has the number `after` as well.
    pub(crate) fn confirm(&mut self, key: Key, confirm: Confirm, after: u64) {
        let Confirm { link, delivery } = confirm;
        let number = self.tell_gone(key).max(after);
        self.tell_after(number, link, Event::Confirmed { delivery });
    }

    /// A queue may have something to forward.
    pub(crate) fn note_departures(&mut self, key: Key) {
        if self.nodes.queues.get_mut(key).is_some_and(Queue::list_departures) {
            self.flights.list(key);
        }
    }

    /// What was refused is tried again.
    pub(crate) fn forward_due(&mut self) {
        for _ in 0..RELEASE_MAX {
            let Some((_, queue)) = self.deadlines.take_due(Due::Forward, self.now) else { return };
            self.nodes.note_look();
            if let Some(queue) = self.nodes.queues.get_mut(queue) {
                queue.handle_retry_due();
            }
            self.note_departures(queue);
        }
    }

    /// A queue was deleted, and has something to forward: it stays under another key until that has left.
    pub(crate) fn end_later(&mut self, old: Key, mut queue: Queue) {
        let before = queue.bytes();
        let left = queue.leave_all();
        self.memory.give_back(before - queue.bytes());
        let (name, routing) = (std::mem::take(&mut queue.identity.name), queue.identity.routing);
        queue.identity = Identity { name, address: Key::NOWHERE, routing, kind: Kind::Ending, choice: None };
        queue.end_turn();
        // The agenda names the key that it had.
        queue.handle_retry_due();
        let (number, has_news) = (queue.number(), queue.has_news());
        let key = self.nodes.put_ending(queue);
        self.flights.rename(old, key);
        if let Some(number) = number {
            self.journal.insert(number, key);
        }
        self.hear(key, left.news);
        if has_news && !self.journal.outbox.tells(key) {
            self.journal.outbox.note_left(key);
        }
        self.note_departures(key);
    }

    /// Asserts what must hold between any two commands.
    pub(crate) fn check_forwarding(&self) {
        for (key, queue) in self.nodes.queues.iter() {
            let listed = self.flights.listed().filter(|&other| other == key).count();
            assert_eq!(listed, usize::from(queue.lists_departures()), "listed once, or not");
            assert!(queue.identity.kind != Kind::Ending || queue.departing() > 0 || queue.is_listed(), "it goes");
        }
        for flight in self.flights.under_way().filter(|flight| flight.queue != Key::NOWHERE) {
            let queue = self.nodes.queues.get(flight.queue).expect("what is under way is at home still");
            assert!(queue.departing() > 0 || flight.sequence.is_none());
        }
    }
}
