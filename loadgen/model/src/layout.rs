//! Who sends where, and who receives from where: follows from the scenario alone.
//!
//! Producers and consumers are dealt out to a group's addresses in turn, so that two of either kind differ by one address at most.

use crate::marks::Lane;
use crate::scenario::{Group, Pattern, Priorities};

impl Group {
    /// The number of the address that a producer sends to.
    pub fn address_of_producer(&self, producer: u32) -> u32 {
        producer % self.addresses.max(1)
    }

    /// The number of the address that a consumer receives from.
    pub fn address_of_consumer(&self, consumer: u32) -> u32 {
        consumer % self.addresses.max(1)
    }

    /// How many consumers an address has.
    pub fn consumers_of(&self, address: u32) -> u32 {
        dealt(self.consumers, self.addresses, address)
    }

    /// How many producers an address has.
    pub fn producers_of(&self, address: u32) -> u32 {
        dealt(self.producers, self.addresses, address)
    }

    /// Places where every message that is for them comes to: the queue, or each consumer of a topic, or of what a selector deals out.
    pub fn place_of_consumer(&self, consumer: u32) -> u32 {
        if self.has_places_of_consumers() { consumer } else { self.address_of_consumer(consumer) }
    }

    /// The address that a place belongs to, by number from 0.
    pub fn address_of_place(&self, place: u32) -> u32 {
        if self.has_places_of_consumers() { self.address_of_consumer(place) } else { place }
    }

    /// How many places there are.
    pub fn places(&self) -> u32 {
        if self.has_places_of_consumers() { self.consumers } else { self.addresses.min(self.consumers) }
    }

    /// Which messages of each producer of its address come to a place.
    pub fn lane(&self, place: u32) -> Lane {
        if !self.jms.is_dealt() {
            return Lane::ALL;
        }
        let addresses = self.addresses.max(1);
        Lane { of: self.consumers_of(place % addresses).max(1), first: place / addresses }
    }

    /// Whether order holds at a place, of all messages of a producer or of those of one strand (`marks`): where one consumer has it for
    /// itself, and where messages are in groups.
    pub fn is_ordered(&self, place: u32) -> bool {
        self.jms.message_groups > 0 || self.is_alone(self.address_of_place(place))
    }

    /// Whether messages overtake others on their way to a place that is ordered: then nothing follows for one that is missing from those
    /// behind it that came.
    pub fn is_overtaken(&self) -> bool {
        self.jms.message_groups > 0 || self.jms.fail.share > 0.0 || self.jms.priorities != Priorities::default()
    }

    /// Whether one consumer gets all that a place of an address gets.
    pub(crate) fn is_alone(&self, address: u32) -> bool {
        self.has_places_of_consumers() || self.consumers_of(address) == 1
    }

    fn has_places_of_consumers(&self) -> bool {
        self.pattern == Pattern::Topic || self.jms.is_dealt()
    }
}

/// How many of `count` go to the one of `places` with this number.
fn dealt(count: u32, places: u32, number: u32) -> u32 {
    let places = places.max(1);
    count / places + u32::from(number < count % places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_dealt_out_once() {
        for (addresses, count) in [(1, 1), (3, 7), (5, 2), (4, 4)] {
            let group = Group { addresses, producers: count, consumers: count, ..Group::default() };
            for address in 0..addresses {
                let here = (0..count).filter(|&number| group.address_of_producer(number) == address).count();
                assert_eq!(here, group.producers_of(address) as usize);
                assert_eq!(here, group.consumers_of(address) as usize);
            }
        }
        let topic = Group { pattern: Pattern::Topic, addresses: 2, consumers: 5, ..Group::default() };
        assert_eq!((topic.places(), topic.address_of_place(3), topic.place_of_consumer(3)), (5, 1, 3));
        let queue = Group { addresses: 2, consumers: 3, ..Group::default() };
        assert_eq!(
            (queue.places(), queue.place_of_consumer(2), queue.is_ordered(0), queue.is_ordered(1)),
            (2, 0, false, true)
        );
    }
}
