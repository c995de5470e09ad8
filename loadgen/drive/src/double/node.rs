//! What lies at one address, and who takes it: messages in the order in which they came, consumers in turn.
//!
//! Guarantees: each message of a queue is given to one consumer that has credit, in order and in turn; each of a topic
//! to all consumers that there were when it came. Nothing is given without credit.

use std::collections::VecDeque;

use bytes::Bytes;

use super::connection::At;

/// Messages that wait for somebody beyond which producers get no credit: what they have of it may still come.
const MESSAGES_MAX: usize = 1 << 17;
/// Octets of them.
const OCTETS_MAX: usize = 256 << 20;

/// Who gets a node's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One consumer each.
    Queue,
    /// All.
    Topic,
}

impl Kind {
    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Topic => "topic",
        }
    }
}

/// Messages in the order in which they came.
#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Bytes>,
    octets: usize,
}

impl Waiting {
    #[inline]
    fn push(&mut self, message: Bytes) {
        self.octets += message.len();
        self.messages.push_back(message);
    }

    #[inline]
    fn pop(&mut self) -> Option<Bytes> {
        let message = self.messages.pop_front()?;
        self.octets -= message.len();
        Some(message)
    }

    fn has_room(&self) -> bool {
        self.messages.len() < MESSAGES_MAX && self.octets < OCTETS_MAX
    }
}

/// A link that takes messages.
#[derive(Debug)]
struct Consumer {
    at: At,
    credit: u32,
    draining: bool,
    /// What it has not got yet of a topic.
    backlog: Waiting,
}

/// What a node has for a consumer.
pub(super) enum Gift {
    /// The next message, which is not kept any more.
    Message(Bytes),
    /// There is nothing more, and the consumer wanted to hear of it.
    Drained,
}

/// One address.
#[derive(Debug)]
pub(super) struct Node {
    pub name: String,
    pub kind: Kind,
    /// Whether it stands in the list of those that may have something to give.
    pub active: bool,
    /// Whether a producer waits for credit until there is room.
    pub starving: bool,
    pub producers: Vec<At>,
    waiting: Waiting,
    consumers: Vec<Option<Consumer>>,
    /// Whose turn it is.
    turn: usize,
}

impl Node {
    /// An empty one.
    pub fn new(name: String, kind: Kind) -> Self {
        Self {
            name,
            kind,
            active: false,
            starving: false,
            producers: Vec::new(),
            waiting: Waiting::default(),
            consumers: Vec::new(),
            turn: 0,
        }
    }

    /// Takes a message.
    #[inline]
    pub fn put(&mut self, message: Bytes) {
        match self.kind {
            Kind::Queue => self.waiting.push(message),
            Kind::Topic => {
                let consumers = self.consumers.iter_mut().flatten();
                consumers.for_each(|consumer| consumer.backlog.push(message.clone()));
            }
        }
    }

    /// Whether producers may have more credit.
    pub fn has_room(&self) -> bool {
        match self.kind {
            Kind::Queue => self.waiting.has_room(),
            Kind::Topic => self.consumers.iter().flatten().all(|consumer| consumer.backlog.has_room()),
        }
    }

    /// Adds a consumer; gives its place.
    pub fn add_consumer(&mut self, at: At) -> usize {
        let place = self.consumers.iter().position(Option::is_none).unwrap_or(self.consumers.len());
        if place == self.consumers.len() {
            self.consumers.push(None);
        }
        if let Some(slot) = self.consumers.get_mut(place) {
            *slot = Some(Consumer { at, credit: 0, draining: false, backlog: Waiting::default() });
        }
        place
    }

    /// Forgets a consumer.
    pub fn remove_consumer(&mut self, place: usize) {
        if let Some(slot) = self.consumers.get_mut(place) {
            *slot = None;
        }
    }

    /// Notes how many messages a consumer takes.
    pub fn grant(&mut self, place: usize, credit: u32, draining: bool) {
        if let Some(consumer) = self.consumers.get_mut(place).and_then(Option::as_mut) {
            consumer.credit = credit;
            consumer.draining = draining;
        }
    }

    /// Gives what can be given.
    pub fn dispatch(&mut self, mut give: impl FnMut(At, Gift)) {
        match self.kind {
            Kind::Queue => self.dispatch_in_turn(&mut give),
            Kind::Topic => {
                for consumer in self.consumers.iter_mut().flatten() {
                    while consumer.credit > 0
                        && let Some(message) = consumer.backlog.pop()
                    {
                        consumer.credit -= 1;
                        give(consumer.at, Gift::Message(message));
                    }
                }
            }
        }
        for consumer in self.consumers.iter_mut().flatten().filter(|consumer| consumer.draining) {
            consumer.draining = false;
            consumer.credit = 0;
            give(consumer.at, Gift::Drained);
        }
    }

    fn dispatch_in_turn(&mut self, give: &mut impl FnMut(At, Gift)) {
        // Consumers in a row that had no credit: after one round there is none.
        let mut without = 0;
        while !self.waiting.messages.is_empty() && without < self.consumers.len() {
            if self.turn >= self.consumers.len() {
                self.turn = 0;
            }
            let ready = self.consumers.get_mut(self.turn).and_then(Option::as_mut).filter(|one| one.credit > 0);
            self.turn += 1;
            let Some(consumer) = ready else {
                without += 1;
                continue;
            };
            without = 0;
            consumer.credit -= 1;
            if let Some(message) = self.waiting.pop() {
                give(consumer.at, Gift::Message(message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use amqp_proto::LinkId;

    use super::super::table::Key;
    use super::*;

    fn at(handle: u32) -> At {
        At { conn: Key::of_token(0), link: LinkId { session: 0, generation: 0, handle } }
    }

    fn given(node: &mut Node) -> Vec<(u32, u8)> {
        let mut given = Vec::new();
        node.dispatch(|at, gift| {
            given.push((at.link.handle, if let Gift::Message(message) = gift { message[0] } else { 0 }));
        });
        given
    }

    fn put(node: &mut Node, messages: std::ops::RangeInclusive<u8>) {
        messages.for_each(|message| node.put(Bytes::copy_from_slice(&[message])));
    }

    #[test]
    fn a_queue_gives_each_message_to_one_consumer_in_turn() {
        let mut node = Node::new("q".to_owned(), Kind::Queue);
        put(&mut node, 1..=2);
        let places = [node.add_consumer(at(7)), node.add_consumer(at(8))];
        assert_eq!(given(&mut node), [], "nothing without credit");
        node.grant(places[0], 3, false);
        node.grant(places[1], 1, false);
        put(&mut node, 3..=5);
        assert_eq!(given(&mut node), [(7, 1), (8, 2), (7, 3), (7, 4)]);
        node.grant(places[1], 3, true);
        assert_eq!(given(&mut node), [(8, 5), (8, 0)], "the rest of the credit is used up by a drain");
        put(&mut node, 6..=6);
        assert_eq!(given(&mut node), []);
        node.remove_consumer(places[1]);
        node.grant(places[0], 1, false);
        assert_eq!(given(&mut node), [(7, 6)]);
    }

    #[test]
    fn a_topic_gives_each_message_to_all_who_were_there() {
        let mut node = Node::new("t".to_owned(), Kind::Topic);
        put(&mut node, 1..=1);
        let first = node.add_consumer(at(7));
        put(&mut node, 2..=2);
        let second = node.add_consumer(at(8));
        put(&mut node, 3..=3);
        node.grant(first, 10, false);
        node.grant(second, 10, false);
        assert_eq!(given(&mut node), [(7, 2), (7, 3), (8, 3)]);
    }
}
