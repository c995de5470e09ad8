//! Which message is for whom, where that is not just the next one: messages of a group go to one consumer, and some consumers choose theirs by a
//! selector.
//!
//! Guarantees:
//! 1. All messages of a group (`group-id`, part 3.2.4) that wait go to the same consumer, in their order, until that goes or the group is closed (`group-sequence` -1); the first
//!    one that a consumer is given of a group makes the group its. A group whose consumer has no credit waits, and holds up no other.
//! 2. A consumer looks at each message once, and again only when something came back or a consumer went; at most `PICKS_MAX` in one go.
//! 3. A queue that never had a message of a group is asked one thing more: whether there is such a room.
//!
//! Groups are told apart by `GROUPS_MAX` places that their names are spread over, or fewer if settings say so: two of one place share a consumer. So there is a bound, and none is refused.
//!
//! Not here: whose turn it is (`consumers`), and what is next otherwise (`order`).

use std::collections::HashMap;

use engine_catalogue::AddressSettings;

use super::Queue;
use super::entry::{Entry, Held, Next};
use super::order::{Order, Place, Verdict};
use crate::fact::LOCAL;
use crate::limits::{GROUPS_MAX, PICKS_MAX};
use crate::message::{Group, Message};
use crate::slab::Key;

use super::Front;

/// How groups find their consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grouping {
    /// Places that their names are spread over, at least 1.
    pub places: u32,
    /// Whether all are anybody's again when a consumer comes.
    pub rebalances: bool,
}

impl Default for Grouping {
    fn default() -> Self {
        Self { places: GROUPS_MAX, rebalances: false }
    }
}

impl Grouping {
    pub fn new(settings: &AddressSettings) -> Self {
        let places = settings.group_buckets().map_or(GROUPS_MAX, |buckets| buckets.min(GROUPS_MAX));
        Self { places, rebalances: settings.group_rebalance }
    }

    /// The place of a group's name.
    fn place(self, group: Group) -> u32 {
        (group.name % u64::from(self.places)) as u32
    }
}

/// Who has which group, and whether consumers have to look again.
#[derive(Debug, Default)]
pub(crate) struct Picking {
    /// The consumer of each group that has one, by the place of its name.
    groups: HashMap<u32, Key>,
    /// How often something came back, or a consumer went.
    changes: u64,
}

/// What a consumer finds.
#[derive(Debug)]
pub(crate) enum Picked {
    /// This is for it.
    Next(Next),
    /// The same, and of its group it is the first one that the consumer is given.
    First(Next),
    /// Nothing of what it looked at, and there is more.
    More,
    /// Nothing now.
    Nothing,
}

impl Picking {
    /// Consumers are to look at everything again.
    pub fn note_change(&mut self) {
        self.changes += 1;
    }

    /// A consumer has gone: its groups are anybody's.
    pub fn handle_gone(&mut self, lives: impl Fn(Key) -> bool) {
        self.groups.retain(|_, end| lives(*end));
        self.note_change();
    }

    /// Groups that have a consumer.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// All groups are anybody's.
    pub fn forget_groups(&mut self) {
        self.groups.clear();
        self.note_change();
    }

    fn may_have(&self, end: Key, place: u32) -> bool {
        self.groups.get(&place).is_none_or(|owner| *owner == end)
    }

    /// A consumer is given a message of a group; gives whether it had none of it before.
    fn give(&mut self, end: Key, place: u32, group: Group) -> bool {
        if group.is_last {
            let before = self.groups.remove(&place);
            // What waited for this consumer may be anybody's.
            self.note_change();
            before.is_none()
        } else {
            self.groups.insert(place, end).is_none()
        }
    }
}

impl Queue {
    /// Nothing is looked at any more once nobody consumes and nothing is there.
    pub fn end_picking(&mut self) {
        if self.consumers.takers() == 0 && self.messages() == 0 {
            self.consumers.end_picking();
        }
    }

    /// Takes the first message that `end` may have out of the order; `looked` is how far it has looked, `chosen` says which it wants. Not one that the journal has not on stable
    /// storage yet, which begins behind `durable`.
    #[cold]
    pub fn pick(
        &mut self,
        end: Key,
        durable: u64,
        looked: &mut Option<Box<Place>>,
        chosen: impl Fn(&Message) -> bool,
    ) -> Picked {
        if self.reads_through() {
            return Picked::Nothing;
        }
        let Self { order, entries, held, away, turn, consumers, .. } = self;
        let grouping = consumers.grouping();
        let Some(picking) = consumers.picking() else { return Picked::Nothing };
        let looked = looked.get_or_insert_default();
        looked.begin(picking.changes);
        let mut left = PICKS_MAX;
        let found = order.pick(looked, entries, |sequence, at| {
            if left == 0 {
                return Verdict::Wait;
            }
            left -= 1;
            let found = match at {
                Held::Here(entry) => entries.get(entry),
                Held::Away(_) => {
                    away.want(sequence);
                    return Verdict::Wait;
                }
            };
            let Some(found) = found else { return Verdict::Pass };
            let is_free = found.message.group().is_none_or(|group| picking.may_have(end, grouping.place(group)));
            if !is_free || !held.may_have(end, sequence) || !chosen(&found.message) {
                return Verdict::Pass;
            }
            if found.stored.is_some_and(|stored| stored.get() > durable && stored.get() & LOCAL == 0) {
                turn.front = Front::Blocked;
                return Verdict::Wait;
            }
            Verdict::Take
        });
        let Some(entry) = found else { return if left == 0 { Picked::More } else { Picked::Nothing } };
        let Some(Entry { sequence, message, .. }) = entries.get(entry) else { return Picked::Nothing };
        let is_first = message.group().is_some_and(|group| picking.give(end, grouping.place(group), group));
        let next = Next { entry, sequence: *sequence, content: message.content, bytes: message.size() };
        if is_first { Picked::First(next) } else { Picked::Next(next) }
    }

    /// Something came back: consumers look again.
    pub(super) fn note_back(&mut self) {
        if let Some(picking) = self.consumers.picking() {
            picking.note_change();
        }
    }

    /// Groups that have a consumer.
    pub fn groups(&self) -> usize {
        self.consumers.groups()
    }
}

impl Order {
    /// Takes out the first message that `verdict` takes, by priority: of each what came back first. `looked` is what was passed before.
    pub fn pick(
        &mut self,
        looked: &mut Place,
        entries: &crate::slab::Slab<Entry>,
        mut verdict: impl FnMut(u64, Held) -> Verdict,
    ) -> Option<Key> {
        for priority in (0..crate::message::PRIORITIES as u8).rev() {
            let Some(found) = self.pick_ranked(priority, looked, entries, &mut verdict) else { continue };
            return found.ok();
        }
        None
    }
}
