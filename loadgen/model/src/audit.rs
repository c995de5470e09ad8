//! Whether every message came, once, in order, whole: the ledgers of all workers put together.
//!
//! Guarantees:
//! 1. A message counts as lost if its sender was told that it was accepted (or sent it settled, over a connection that held) and it did
//!    not come to a place that it had to come to, at any worker.
//! 2. What cannot be known is not guessed: messages in doubt are neither lost nor found, and why something was not looked for is said.
//! 3. A message that came with other octets is corrupt, and not lost besides.
//! 4. A consumer whose connection broke may get again what it had not confirmed, at most its credit: that is no fault.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::ledger::{Ending, Holders, Ledger, PlaceKind, Receipt, Sent};
use crate::marks::Lane;
use crate::result::Audit;
use crate::scenario::{Group, Pattern, Scenario};
use crate::verdict::counted;

/// Faults that are described for people.
const EXAMPLES_MAX: usize = 10;

/// What came to one place, at all workers.
#[derive(Default)]
struct Arrived<'a> {
    /// By producer.
    receipts: BTreeMap<u32, Vec<&'a Receipt>>,
    corrupt: u64,
    again_max: u64,
    was_away: bool,
    holders: Vec<&'a Holders>,
}

/// What there is to look through.
struct Ledgers<'a> {
    sent: BTreeMap<(u32, u32), &'a Sent>,
    places: BTreeMap<(u32, PlaceKind), Arrived<'a>>,
    ending: Ending,
}

/// Puts the ledgers of all workers of a run together.
pub fn audit(ledgers: &[Ledger], scenario: &Scenario) -> Audit {
    let mut audit = Audit::default();
    let mut all = Ledgers {
        sent: BTreeMap::new(),
        places: BTreeMap::new(),
        ending: ledgers.iter().map(|ledger| ledger.ending).max().unwrap_or_default(),
    };
    audit.leftovers = ledgers.iter().map(|ledger| ledger.leftovers).sum();
    for sent in ledgers.iter().flat_map(|ledger| &ledger.sent) {
        audit.in_doubt += sent.in_doubt.count();
        audit.unanswered += sent.unanswered;
        all.sent.insert((sent.group, sent.producer), sent);
    }
    for place in ledgers.iter().flat_map(|ledger| &ledger.places) {
        audit.corrupt += place.corrupt;
        audit.foreign += place.foreign;
        audit.misplaced += place.misplaced;
        audit.examples.extend(place.examples.iter().cloned());
        let arrived = all.places.entry((place.group, place.kind)).or_default();
        arrived.corrupt += place.corrupt;
        arrived.again_max += place.again_max;
        arrived.was_away |= place.was_away;
        arrived.holders.push(&place.holders);
        for (producer, receipt) in place.receipts() {
            arrived.receipts.entry(producer).or_default().push(receipt);
        }
    }
    let mut not_checked = Vec::new();
    if ledgers.iter().any(|ledger| ledger.full) {
        not_checked
            .push("there was no memory to note all messages: send fewer, or with fewer pairs of links".to_owned());
    }
    if all.ending == Ending::Untold {
        not_checked.push("a worker ended without having told what it received".to_owned());
    }
    all.count_again(&mut audit);
    let (mut unheard, can_look) = (Vec::new(), not_checked.is_empty());
    for (number, group) in (0_u32..).zip(&scenario.groups) {
        if group.producers > 0 && group.consumers == 0 {
            unheard.push(format!("group {} has no consumers", group.name));
        } else if group.consumers > 0 && can_look {
            all.look_for(number, group, &mut audit, &mut not_checked);
        }
    }
    if audit.unanswered > 0 && all.ending <= Ending::DrainOver {
        not_checked.push(format!(
            "the server had not answered {} when the time to drain was over: give it more with --drain",
            messages(audit.unanswered)
        ));
    }
    audit.examples.truncate(EXAMPLES_MAX);
    audit.incomplete = !not_checked.is_empty();
    not_checked.extend(unheard);
    audit.not_checked = not_checked.join("; ");
    audit
}

impl Ledgers<'_> {
    /// Counts what came more than once, and what came out of order.
    fn count_again(&self, audit: &mut Audit) {
        for arrived in self.places.values() {
            audit.moved += Holders::moves(&arrived.holders);
            let mut again = 0;
            for receipts in arrived.receipts.values() {
                again += receipts.iter().map(|receipt| receipt.duplicates).sum::<u64>();
                let total: u64 = receipts.iter().map(|receipt| receipt.received.count()).sum();
                again += total - count_union(receipts);
                audit.reordered += receipts.iter().map(|receipt| receipt.reordered).sum::<u64>();
            }
            audit.again += again.min(arrived.again_max);
            audit.duplicates += again.saturating_sub(arrived.again_max);
        }
    }

    /// Counts what did not come in a group, and its replies.
    fn look_for(&self, number: u32, group: &Group, audit: &mut Audit, not_checked: &mut Vec<String>) {
        let nothing = Arrived::default();
        let mut away = 0;
        let mut later = 0;
        for place in 0..group.places() {
            let kind = PlaceKind::Messages(place);
            let arrived = self.places.get(&(number, kind)).unwrap_or(&nothing);
            if arrived.was_away && group.pattern == Pattern::Topic {
                away += 1;
                continue;
            }
            let (mut missing, first, lane) = (0, audit.examples.len(), group.lane(place));
            for producer in (group.address_of_place(place)..group.producers).step_by(group.addresses.max(1) as usize) {
                let Some(sent) = self.sent.get(&(number, producer)) else { continue };
                let receipts = arrived.receipts.get(&producer).map(Vec::as_slice).unwrap_or_default();
                let here = Sought { sent, lane, receipts };
                let until = self.until(&here, group, place);
                later += here.count_missing(until..lane.count(sent.count), &mut |_| {});
                missing += here.count_missing(0..until, &mut |sequence| {
                    if audit.examples.len() < EXAMPLES_MAX {
                        let address = group.address_of(group.address_of_place(place));
                        let who = format!("message {sequence} of producer {producer} of group {}", group.name);
                        audit.examples.push(format!("{who} never came from {address}"));
                    }
                });
            }
            // A message whose octets changed came, though nobody knows which one it was.
            audit.lost += missing.saturating_sub(arrived.corrupt);
            if missing <= arrived.corrupt {
                audit.examples.truncate(first);
            }
        }
        if group.pattern == Pattern::RequestReply {
            self.look_for_replies(number, group, audit);
        }
        if away > 0 {
            let consumers = if away == 1 { "consumer" } else { "consumers" };
            not_checked
                .push(format!("{away} {consumers} of the topics of group {} had been away for a while", group.name));
        }
        if later > 0 {
            let until = match self.ending {
                Ending::ServerGone => "had not come when the server went away",
                Ending::Quiet | Ending::DrainOver | Ending::Untold => {
                    "had not come when the time to drain was over: give it more with --drain"
                }
            };
            not_checked.push(format!("{} of group {} {until}", messages(later), group.name));
        }
    }

    /// Up to which place in the lane messages had to have come. All of them; if messages still came at the end, those before what came
    /// last, less what consumers may have held, and none where they overtake each other.
    fn until(&self, here: &Sought<'_>, group: &Group, place: u32) -> u64 {
        let all = here.lane.count(here.sent.count);
        if self.ending == Ending::Quiet {
            return all;
        }
        if group.is_overtaken() {
            return 0;
        }
        let newest = here.receipts.iter().map(|receipt| receipt.end()).max().unwrap_or(0);
        let held = if group.is_ordered(place) {
            0
        } else {
            u64::from(group.credit) * u64::from(group.consumers_of(group.address_of_place(place)))
        };
        newest.saturating_sub(held).min(all)
    }

    /// Counts requests that came and whose replies did not.
    fn look_for_replies(&self, number: u32, group: &Group, audit: &mut Audit) {
        if self.ending != Ending::Quiet {
            return;
        }
        for producer in 0..group.producers {
            let place = PlaceKind::Messages(group.address_of_producer(producer));
            let of = |kind| self.places.get(&(number, kind)).and_then(|arrived| arrived.receipts.get(&producer));
            let (Some(requests), Some(sent)) = (of(place), self.sent.get(&(number, producer))) else { continue };
            let replies = of(PlaceKind::Replies(producer)).map(Vec::as_slice).unwrap_or_default();
            let unanswered = |word| union(requests, word) & !union(replies, word) & !sent.in_doubt.word(word);
            let lost: u64 = (0..sent.count.div_ceil(64)).map(|word| u64::from(unanswered(word).count_ones())).sum();
            audit.lost += lost;
            if lost > 0 && audit.examples.len() < EXAMPLES_MAX {
                audit
                    .examples
                    .push(format!("{lost} replies to producer {producer} of group {} never came", group.name));
            }
        }
    }
}

/// So many messages, in words.
fn messages(count: u64) -> String {
    counted(count, "message")
}

/// How many different sequences came.
fn count_union(receipts: &[&Receipt]) -> u64 {
    // Whatever one of them has without a gap needs no look.
    let without_gap = receipts.iter().map(|receipt| receipt.received.below()).max().unwrap_or(0) / 64;
    let end = receipts.iter().map(|receipt| receipt.received.end()).max().unwrap_or(0).div_ceil(64);
    let ahead: u64 = (without_gap..end).map(|word| u64::from(union(receipts, word).count_ones())).sum();
    without_gap * 64 + ahead
}

/// What came, 64 sequences of it.
fn union(receipts: &[&Receipt], word: u64) -> u64 {
    receipts.iter().fold(0, |bits, receipt| bits | receipt.received.word(word))
}

/// What one producer sent to one place, and what of it came.
struct Sought<'a> {
    sent: &'a Sent,
    /// Which of its messages come there.
    lane: Lane,
    receipts: &'a [&'a Receipt],
}

impl Sought<'_> {
    /// Counts the messages at `range` of the lane that were sent, not refused, not in doubt, and did not come.
    fn count_missing(&self, range: Range<u64>, on_missing: &mut dyn FnMut(u64)) -> u64 {
        let without_gap = self.receipts.iter().map(|receipt| receipt.received.below()).max().unwrap_or(0);
        let start = range.start.max(without_gap);
        let mut count = 0;
        for word in start / 64..range.end.div_ceil(64) {
            let mut missing = !union(self.receipts, word) & within(word, start..range.end);
            while missing != 0 {
                let sequence = self.lane.sequence(word * 64 + u64::from(missing.trailing_zeros()));
                missing &= missing - 1;
                if !self.sent.refused.contains(sequence) && !self.sent.in_doubt.contains(sequence) {
                    count += 1;
                    on_missing(sequence);
                }
            }
        }
        count
    }
}

/// Which sequences of a word are in a range.
fn within(word: u64, range: Range<u64>) -> u64 {
    let below = |limit: u64| match limit.saturating_sub(word * 64) {
        count @ 0..64 => (1 << count) - 1,
        _ => u64::MAX,
    };
    below(range.end) & !below(range.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Budget, Coming, LEDGER_BYTES_MAX, Place, Sequences, Turn};
    use crate::scenario::Jms;
    use crate::stamp::{Flaw, Kind, Stamp};
    use proptest::prelude::*;
    use std::collections::{BTreeMap as Map, BTreeSet as Set};

    const BUDGET: Budget = Budget { left_bytes: LEDGER_BYTES_MAX };

    fn stamp(producer: u32, sequence: u64) -> Stamp {
        Stamp { run: 1, group: 0, kind: Kind::Message, producer, sequence, due_ns: 0 }
    }

    fn scenario(group: Group) -> Scenario {
        Scenario { groups: vec![group], ..Scenario::default() }
    }

    fn sent(producer: u32, count: u64) -> Sent {
        Sent { producer, count, ..Sent::default() }
    }

    fn place(group: &Group, kind: PlaceKind, numbers: impl IntoIterator<Item = (u32, u64)>) -> Place {
        let (mut place, mut budget) = (Place::new(0, group, kind), BUDGET);
        for (producer, sequence) in numbers {
            let kind = if matches!(kind, PlaceKind::Replies(_)) { Kind::Reply } else { Kind::Message };
            place.receive(&Stamp { kind, ..stamp(producer, sequence) }, Coming::first(0), &mut budget);
        }
        place
    }

    fn ledger(sent: Vec<Sent>, places: Vec<Place>) -> Ledger {
        let ledger = Ledger { sent, places, ..Ledger::default() };
        let text = serde_json::to_string(&ledger).expect("it prints");
        serde_json::from_str(&text).expect("it is read")
    }

    proptest! {
        /// Competing consumers of two queues on three workers, against sets and maps.
        #[test]
        fn faults_are_counted_as_by_hand(
            events in proptest::collection::vec((0..4_u32, 0..120_u64, 0..3_usize, 0..20_u8), 0..500),
            refused in proptest::collection::btree_set(0..120_u64, 0..5),
            in_doubt in proptest::collection::btree_set(0..120_u64, 0..5),
        ) {
            let group = Group { producers: 4, consumers: 6, addresses: 2, ..Group::default() };
            let mut places: Vec<Vec<(u32, u64)>> = vec![Vec::new(); 6];
            let mut came: Map<(u32, u64), u64> = Map::new();
            let all = (0..4).flat_map(|producer| (0..120).map(move |sequence| (producer, sequence, 0, 1)));
            for (producer, sequence, worker, fate) in all.chain(events.iter().copied()) {
                let dropped = fate == 1 && events.iter().any(|event| (event.0, event.1) == (producer, sequence));
                if !dropped {
                    places[worker * 2 + (producer % 2) as usize].push((producer, sequence));
                    *came.entry((producer, sequence)).or_default() += 1;
                }
            }
            let mut budget = BUDGET;
            let set = |numbers: &Set<u64>, budget: &mut Budget| {
                let mut set = Sequences::default();
                numbers.iter().for_each(|&number| { set.insert(number, budget); });
                set
            };
            let of = |producer| Sent {
                refused: set(&refused, &mut budget.clone()),
                in_doubt: set(&in_doubt, &mut budget),
                ..sent(producer, 120)
            };
            let sent: Vec<Sent> = (0..4).map(of).collect();
            let ledgers: Vec<Ledger> = places
                .chunks(2)
                .enumerate()
                .map(|(worker, places)| {
                    let kinds = places.iter().zip(0..).map(|(numbers, address)| {
                        place(&group, PlaceKind::Messages(address), numbers.iter().copied())
                    });
                    ledger(if worker == 1 { sent.clone() } else { Vec::new() }, kinds.collect())
                })
                .collect();
            let audit = audit(&ledgers, &scenario(group));
            let expected = (0..4_u32).flat_map(|producer| (0..120_u64).map(move |sequence| (producer, sequence)));
            let lost = expected.filter(|key| {
                !came.contains_key(key) && !refused.contains(&key.1) && !in_doubt.contains(&key.1)
            });
            prop_assert_eq!(audit.lost, lost.count() as u64);
            prop_assert_eq!(audit.duplicates, came.values().map(|count| count - 1).sum::<u64>());
            prop_assert_eq!(audit.in_doubt, 4 * in_doubt.len() as u64);
            prop_assert_eq!((audit.reordered, audit.corrupt, audit.foreign), (0, 0, 0));
        }
    }

    #[test]
    fn order_counts_where_a_consumer_is_alone() {
        for (consumers, reordered) in [(1, 2), (2, 0)] {
            let group = Group { consumers, ..Group::default() };
            let numbers = [0, 1, 4, 2, 3, 5].map(|sequence| (0, sequence));
            let ledgers = [ledger(vec![sent(0, 6)], vec![place(&group, PlaceKind::Messages(0), numbers)])];
            let audit = audit(&ledgers, &scenario(group));
            assert_eq!((audit.reordered, audit.lost, audit.duplicates), (reordered, 0, 0));
        }
    }

    #[test]
    fn every_consumer_of_a_topic_has_to_have_everything() {
        let group = Group { pattern: Pattern::Topic, consumers: 2, ..Group::default() };
        let whole = place(&group, PlaceKind::Messages(0), (0..10).map(|sequence| (0, sequence)));
        let mut part = place(&group, PlaceKind::Messages(1), (2..10).map(|sequence| (0, sequence)));
        let first = audit(&[ledger(vec![sent(0, 10)], vec![whole.clone(), part.clone()])], &scenario(group.clone()));
        assert_eq!((first.lost, first.examples.len(), first.not_checked.as_str()), (2, 2, ""));
        part.was_away = true;
        let second = audit(&[ledger(vec![sent(0, 10)], vec![whole, part])], &scenario(group));
        assert_eq!(
            (second.lost, second.not_checked.as_str()),
            (0, "1 consumer of the topics of group main had been away for a while")
        );
    }

    #[test]
    fn a_corrupt_message_is_not_lost_besides_and_confirmations_may_be_lost() {
        let group = Group::default();
        let mut main = place(&group, PlaceKind::Messages(0), [0, 1, 3, 3, 2].map(|sequence| (0, sequence)));
        main.receive_flawed(Flaw::Corrupt, 100);
        main.receive_flawed(Flaw::Foreign, 100);
        main.receive(&stamp(9, 0), Coming::first(0), &mut BUDGET.clone());
        let found = audit(&[ledger(vec![sent(0, 6)], vec![main.clone()])], &scenario(group.clone()));
        assert_eq!((found.corrupt, found.foreign, found.lost, found.duplicates), (1, 2, 1, 1));
        main.again_max = 10;
        let found = audit(&[ledger(vec![sent(0, 6)], vec![main])], &scenario(group));
        assert_eq!((found.duplicates, found.again), (0, 1));
    }

    #[test]
    fn what_was_not_looked_for_is_said() {
        let nobody = Group { consumers: 0, ..Group::default() };
        let found = audit(&[ledger(vec![sent(0, 6)], Vec::new())], &scenario(nobody));
        assert_eq!((found.lost, found.not_checked.as_str()), (0, "group main has no consumers"));
        assert!(!found.incomplete, "that was asked for");
        let group = Group::default();
        let main = place(&group, PlaceKind::Messages(0), [0, 2, 3].map(|sequence| (0, sequence)));
        let mut short = ledger(vec![sent(0, 6)], vec![main]);
        for (ending, told) in [
            (
                Ending::DrainOver,
                "2 messages of group main had not come when the time to drain was over: give it more with --drain",
            ),
            (Ending::ServerGone, "2 messages of group main had not come when the server went away"),
        ] {
            short.ending = ending;
            let found = audit(std::slice::from_ref(&short), &scenario(group.clone()));
            assert_eq!((found.lost, found.incomplete), (1, true), "only what later ones overtook");
            assert_eq!(found.not_checked, told);
        }
        short.ending = Ending::Untold;
        let untold = audit(std::slice::from_ref(&short), &scenario(group.clone()));
        assert_eq!((untold.lost, untold.incomplete), (0, true));
        (short.ending, short.full) = (Ending::DrainOver, true);
        assert_eq!(audit(&[short], &scenario(group)).lost, 0);
    }

    #[test]
    fn what_the_server_did_not_answer_is_neither_lost_nor_proven() {
        let group = Group::default();
        let main = place(&group, PlaceKind::Messages(0), (0..4).map(|sequence| (0, sequence)));
        let mut in_doubt = Sequences::default();
        in_doubt.insert(4, &mut BUDGET.clone());
        let mut asked = ledger(vec![Sent { in_doubt, unanswered: 1, ..sent(0, 5) }], vec![main]);
        asked.leftovers = 3;
        let found = audit(&[asked], &scenario(group));
        assert_eq!((found.lost, found.in_doubt, found.unanswered, found.leftovers), (0, 1, 1, 3));
        assert!(
            found.incomplete && found.not_checked.starts_with("the server had not answered 1 message when"),
            "{found:?}"
        );
    }

    #[test]
    fn a_request_without_a_reply_is_lost() {
        let group = Group { pattern: Pattern::RequestReply, ..Group::default() };
        let requests = place(&group, PlaceKind::Messages(0), (0..10).map(|sequence| (0, sequence)));
        let replies = place(&group, PlaceKind::Replies(0), (0..9).map(|sequence| (0, sequence)));
        let found = audit(&[ledger(vec![sent(0, 10)], vec![requests, replies])], &scenario(group));
        assert_eq!((found.lost, found.examples.len(), found.foreign), (1, 1, 0));
    }

    #[test]
    fn what_a_selector_deals_out_has_to_come_to_its_consumer_and_to_no_other() {
        let jms = Jms { selector: "consumer = {}".to_owned(), ..Jms::default() };
        for pattern in [Pattern::Queue, Pattern::Topic] {
            let group = Group { pattern, consumers: 3, producers: 2, jms: jms.clone(), ..Group::default() };
            let of = |consumer: u32, skip: u64| {
                let lane = (0..40_u64).filter(move |sequence| sequence % 3 == u64::from(consumer) && *sequence != skip);
                let numbers = lane.flat_map(|sequence| [(0, sequence), (1, sequence)]);
                place(&group, PlaceKind::Messages(consumer), numbers)
            };
            let whole = [of(0, 99), of(1, 99), of(2, 99)].to_vec();
            let found = audit(&[ledger(vec![sent(0, 40), sent(1, 40)], whole)], &scenario(group.clone()));
            assert_eq!((found.lost, found.misplaced, found.reordered, found.not_checked.as_str()), (0, 0, 0, ""));
            let mut wrong = of(2, 99);
            wrong.receive(&stamp(1, 6), Coming::first(2), &mut BUDGET.clone());
            let places = vec![of(0, 6), of(1, 99), wrong];
            let found = audit(&[ledger(vec![sent(0, 40), sent(1, 40)], places)], &scenario(group.clone()));
            assert_eq!((found.lost, found.misplaced, found.duplicates), (2, 1, 0), "it did not come to whom it is for");
            assert!(
                found.examples.iter().any(|example| example.contains("consumer 2, which it is not for")),
                "{found:?}"
            );
            assert!(found.examples.iter().any(|example| example.starts_with("message 6 of producer 1")), "{found:?}");
        }
    }

    /// Of a queue whose messages come in an order, how many came behind a later one.
    fn reordered(group: &Group, sequences: &[u64], turn: Turn) -> u64 {
        let (mut place, mut budget) = (Place::new(0, group, PlaceKind::Messages(0)), BUDGET);
        for &sequence in sequences {
            place.receive(&stamp(0, sequence), Coming { consumer: 0, turn }, &mut budget);
        }
        audit(&[ledger(vec![sent(0, 6)], vec![place])], &scenario(group.clone())).reordered
    }

    #[test]
    fn order_is_that_of_a_priority_and_of_a_message_group() {
        let of = |jms: Jms, consumers| Group { consumers, jms, ..Group::default() };
        let priorities = Jms { priorities: "4,9".parse().expect("two"), ..Jms::default() };
        let groups = Jms { message_groups: 2, ..Jms::default() };
        for (group, sequences, found) in [
            (of(priorities.clone(), 1), [1, 3, 5, 0, 2, 4], 0),
            (of(priorities.clone(), 1), [3, 1, 5, 0, 4, 2], 2),
            (of(priorities, 2), [3, 1, 5, 0, 4, 2], 0),
            (of(groups.clone(), 2), [1, 3, 5, 0, 2, 4], 0),
            (of(groups.clone(), 2), [1, 5, 3, 0, 2, 4], 1),
            (of(groups, 1), [1, 3, 5, 0, 2, 4], 3),
        ] {
            assert_eq!(reordered(&group, &sequences, Turn::First), found, "{group:?} {sequences:?}");
        }
        assert_eq!(reordered(&Group::default(), &[5, 4, 3, 2, 1, 0], Turn::Again), 0, "given back, they have no order");
    }

    #[test]
    fn where_messages_overtake_each_other_nothing_follows_from_what_came_later() {
        let jms = Jms { priorities: "0-9".parse().expect("all"), ..Jms::default() };
        let group = Group { jms, ..Group::default() };
        let main = place(&group, PlaceKind::Messages(0), [9, 19].map(|sequence| (0, sequence)));
        let mut cut = ledger(vec![sent(0, 20)], vec![main]);
        assert_eq!(audit(std::slice::from_ref(&cut), &scenario(group.clone())).lost, 18);
        cut.ending = Ending::DrainOver;
        let found = audit(&[cut], &scenario(group));
        assert_eq!((found.lost, found.incomplete), (0, true), "{found:?}");
    }
}
