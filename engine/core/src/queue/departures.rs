//! Messages that leave their queue for another address, and are not there yet.
//!
//! Guarantees:
//! 1. A message is here from the time when there is a reason for it to go until it is safe where it goes; nobody else is given it.
//! 2. Those that leave for one reason go one behind the other. One that is refused goes behind the others of its line (on its way to
//!    subscribers: to its place), and the line waits, longer each time, and then tries one at a time, until one of them is taken.
//! 3. One that somebody moves, and that is refused, goes nowhere: it is back where it was (`withdraw`).
//!
//! Not here: how they come here and go (`departing`), and what carries them (`forwarding`).

use std::collections::{BTreeMap, VecDeque};

use super::cause::{Cause, LINES};
use super::destinations::{Destinations, TARGETS};
use super::entry::{Held, Stub};
use super::paging::Recalled;
use super::stock::Why;
use crate::command::RoutingType;
use crate::key::LinkKey;
use crate::limits::{FORWARD_RETRY_MAX_NS, FORWARD_RETRY_MIN_NS};

/// A consumer that waits until its outcome is done with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Confirm {
    pub link: LinkKey,
    pub delivery: u32,
}

/// How far a message is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It stands in its line.
    Waiting,
    /// The same, and it is being read from the journal.
    Reading,
    /// Its target was asked.
    Flying,
}

/// A message that goes elsewhere.
#[derive(Debug)]
struct Departing {
    held: Held,
    cause: Cause,
    stage: Stage,
    confirm: Option<Confirm>,
}

/// Those that leave for one reason.
#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<u64>,
    flying: u32,
    /// How long it waited last; 0 while its target takes what comes.
    delay_ns: u64,
    retry_ns: u64,
}

/// What is to be done next for what goes elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// This message is next.
    Send(u64),
    /// The journal is to give these again.
    Read(Vec<Recalled>),
    /// Nothing; at that time again, if there is one, nanoseconds.
    Rest(Option<u64>),
}

/// What goes elsewhere, of one queue.
#[derive(Debug)]
pub(crate) struct Departures {
    destinations: Destinations,
    /// Where those go that were to go when there still was a target, by line.
    former: [Option<Box<str>>; TARGETS],
    messages: BTreeMap<u64, Departing>,
    lines: [Line; LINES],
    /// The line whose turn it is.
    turn: usize,
    /// Messages in memory.
    here: usize,
    /// What causes cost, octets.
    bytes: u64,
    listing: Listing,
    /// The time for which the owner's agenda names the queue, nanoseconds.
    noted_ns: Option<u64>,
}

/// Whether the owner's list of queues that have something to forward names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    No,
    Listed,
}

/// A message that was taken out.
#[derive(Debug)]
pub(crate) struct Departed {
    pub held: Held,
    pub confirm: Option<Confirm>,
    /// What its cause cost, octets.
    pub bytes: u64,
}

impl Departures {
    pub fn new(destinations: Destinations) -> Self {
        let (messages, lines) = (BTreeMap::new(), Default::default());
        Self {
            destinations,
            former: Default::default(),
            messages,
            lines,
            turn: 0,
            here: 0,
            bytes: 0,
            listing: Listing::No,
            noted_ns: None,
        }
    }

    /// Further ones go there; those that are here go to the same, or to where they were to go if there is nowhere now.
    pub fn redirect(&mut self, destinations: Option<Destinations>) {
        let (targets, attempts_max, routing) =
            destinations.map_or((Default::default(), u32::MAX, None), |to| (to.targets, to.attempts_max, to.routing));
        (self.destinations.attempts_max, self.destinations.routing) = (attempts_max, routing);
        let before = std::mem::replace(&mut self.destinations.targets, targets);
        for ((former, before), now) in self.former.iter_mut().zip(before).zip(&self.destinations.targets) {
            *former = if now.is_some() { None } else { before.or(former.take()) };
        }
    }

    /// Whether what leaves for a reason goes elsewhere.
    pub fn lead(&self, why: &Why) -> bool {
        let [dead, expired, divert] = &self.destinations.targets;
        match why {
            Why::Acknowledged | Why::Dropped => false,
            Why::Rejected(_) | Why::Exhausted => dead.is_some(),
            Why::Expired => expired.is_some(),
            Why::Moved(_) => true,
            Why::Diverted | Why::Unrouted => divert.is_some(),
        }
    }

    /// Whether a message whose delivery failed so often goes elsewhere.
    pub fn exhausts(&self, failures: u32) -> bool {
        failures >= self.destinations.attempts_max && self.lead(&Why::Exhausted)
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// What their causes cost, octets.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many are in memory.
    pub fn here(&self) -> usize {
        self.here
    }

    /// The address that they come from.
    pub fn origin(&self) -> &str {
        &self.destinations.origin
    }

    /// A message goes elsewhere; gives what its cause costs, octets.
    pub fn insert(&mut self, sequence: u64, held: Held, cause: Cause) -> u64 {
        let bytes = cause.bytes();
        self.bytes += bytes;
        self.here += usize::from(held.stub().is_none());
        if let Some(line) = self.lines.get_mut(cause.line()) {
            line.waiting.push_back(sequence);
        }
        self.messages.insert(sequence, Departing { held, cause, stage: Stage::Waiting, confirm: None });
        bytes
    }

    /// Somebody waits until a message has left; gives whether it is here.
    pub fn await_leave(&mut self, sequence: u64, confirm: Confirm) -> bool {
        let found = self.messages.get_mut(&sequence);
        found.map(|departing| departing.confirm = Some(confirm)).is_some()
    }

    /// Where a message is.
    pub fn held(&self, sequence: u64) -> Option<Held> {
        self.messages.get(&sequence).map(|departing| departing.held)
    }

    /// A message is in memory now that was read, or has left it.
    pub fn set_held(&mut self, sequence: u64, held: Held) {
        let Some(departing) = self.messages.get_mut(&sequence) else { return };
        self.here -= usize::from(departing.held.stub().is_none());
        self.here += usize::from(held.stub().is_none());
        (departing.held, departing.stage) = (held, Stage::Waiting);
    }

    /// Where a divert leads, and how that is handed out there.
    pub fn diverting(&self) -> Option<(&str, Option<RoutingType>)> {
        let [.., divert] = &self.destinations.targets;
        Some((divert.as_deref()?, self.destinations.routing))
    }

    /// How what a message's target gets is handed out there; as its address says without.
    pub fn routing(&self, cause: &Cause) -> Option<RoutingType> {
        if matches!(cause, Cause::Diverted | Cause::Subscribed) { self.destinations.routing } else { None }
    }

    /// Why a message goes, and where to.
    pub fn parting(&self, sequence: u64) -> Option<(&Cause, &str)> {
        let Departing { cause, .. } = self.messages.get(&sequence)?;
        if let Cause::Moved(moved) = cause {
            return Some((cause, &moved.target));
        }
        let (now, former) = (self.destinations.targets.get(cause.line())?, self.former.get(cause.line())?);
        Some((cause, now.as_deref().or(former.as_deref())?))
    }

    /// What is to be done next; of what has to be read at most `reads` messages at once.
    pub fn step(&mut self, now_ns: u64, reads: usize) -> Step {
        let mut rest = None;
        for _ in 0..self.lines.len() {
            let Some(line) = self.lines.get(self.turn) else { break };
            match line.next(&self.messages, now_ns, reads) {
                Step::Rest(at) => {
                    rest = [rest, at].into_iter().flatten().min();
                    self.turn = (self.turn + 1) % self.lines.len();
                }
                Step::Read(messages) => {
                    for Recalled { sequence, .. } in &messages {
                        if let Some(departing) = self.messages.get_mut(sequence) {
                            departing.stage = Stage::Reading;
                        }
                    }
                    return Step::Read(messages);
                }
                send @ Step::Send(_) => return send,
            }
        }
        Step::Rest(rest)
    }

    /// The target of a message, the first of its line, is asked. It is the other line's turn then.
    pub fn take_off(&mut self, sequence: u64) {
        let Some(departing) = self.messages.get_mut(&sequence) else { return };
        departing.stage = Stage::Flying;
        if let Some(line) = self.lines.get_mut(departing.cause.line()) {
            line.waiting.pop_front();
            line.flying += 1;
        }
        self.turn = (self.turn + 1) % self.lines.len();
    }

    /// A message is safe where it goes.
    pub fn land(&mut self, sequence: u64) -> Option<Departed> {
        let Departing { held, cause, confirm, .. } = self.messages.remove(&sequence)?;
        let bytes = cause.bytes();
        self.bytes -= bytes;
        self.here -= usize::from(held.stub().is_none());
        if let Some(line) = self.lines.get_mut(cause.line()) {
            line.flying -= 1;
            line.delay_ns = 0;
        }
        Some(Departed { held, confirm, bytes })
    }

    /// Takes a message out that was moved, and refused; nothing if it has another reason to go.
    pub fn withdraw(&mut self, sequence: u64) -> Option<Departed> {
        self.messages.get(&sequence).filter(|departing| matches!(departing.cause, Cause::Moved(_)))?;
        self.land(sequence)
    }

    /// Messages that are being moved.
    pub fn moving(&self) -> usize {
        let [.., moved] = &self.lines;
        moved.waiting.len() + moved.flying as usize
    }

    /// Whether a message is here that keeps its time to live.
    pub fn lives_on(&self, sequence: u64) -> bool {
        self.messages.get(&sequence).is_some_and(|departing| departing.cause.lives_on())
    }

    /// The target of a message refused it.
    pub fn turn_back(&mut self, sequence: u64, now_ns: u64) {
        let Some(departing) = self.messages.get_mut(&sequence) else { return };
        departing.stage = Stage::Waiting;
        let Some(line) = self.lines.get_mut(departing.cause.line()) else { return };
        line.flying -= 1;
        // Subscribers get what is sent in its order; of all else one that is too large holds up nobody.
        let place = match departing.cause {
            Cause::Subscribed => line.waiting.partition_point(|&other| other < sequence),
            _ => line.waiting.len(),
        };
        line.waiting.insert(place, sequence);
        // Those that were asked together are refused together.
        if line.delay_ns == 0 || line.retry_ns <= now_ns {
            line.delay_ns = (2 * line.delay_ns).clamp(FORWARD_RETRY_MIN_NS, FORWARD_RETRY_MAX_NS);
            line.retry_ns = now_ns + line.delay_ns;
        }
    }

    /// Gives whether the owner has to list the queue: something may be done for it, and it is not listed.
    pub fn list(&mut self) -> bool {
        let lists = self.listing == Listing::No && self.lines.iter().any(|line| !line.waiting.is_empty());
        if lists {
            self.listing = Listing::Listed;
        }
        lists
    }

    /// The owner does not list it any more.
    pub fn unlist(&mut self) {
        self.listing = Listing::No;
    }

    /// It is to be tried again at that time; gives whether the agenda has to be told.
    pub fn note_retry(&mut self, at_ns: u64) -> bool {
        let is_earlier = self.noted_ns.is_none_or(|noted| at_ns < noted);
        if is_earlier {
            self.noted_ns = Some(at_ns);
        }
        is_earlier
    }

    /// The agenda does not name the queue any more.
    pub fn handle_retry_due(&mut self) {
        self.noted_ns = None;
    }

    /// Whether the owner lists it.
    pub fn is_listed(&self) -> bool {
        self.listing == Listing::Listed
    }

    /// What is in the journal only.
    pub fn stubs(&self) -> impl Iterator<Item = Stub> {
        self.messages.values().filter_map(|departing| departing.held.stub())
    }

    /// Asserts what must hold between any two commands.
    pub fn check(&self) {
        let bytes: u64 = self.messages.values().map(|departing| departing.cause.bytes()).sum();
        assert_eq!(bytes, self.bytes, "what causes cost is added up");
        let here = self.messages.values().filter(|departing| departing.held.stub().is_none()).count();
        assert_eq!(here, self.here, "what is in memory is counted");
        let waiting: usize = self.lines.iter().map(|line| line.waiting.len() + line.flying as usize).sum();
        assert_eq!(waiting, self.messages.len(), "each stands in its line, or flies");
        let in_line = self.lines.iter().flat_map(|line| &line.waiting);
        let flies = |sequence| self.messages.get(sequence).is_none_or(|departing| departing.stage == Stage::Flying);
        assert!(!in_line.into_iter().any(flies), "what stands in a line does not fly");
    }
}

impl Line {
    fn next(&self, messages: &BTreeMap<u64, Departing>, now_ns: u64, reads: usize) -> Step {
        let tries = self.delay_ns > 0;
        if self.waiting.is_empty() || (tries && self.flying > 0) {
            return Step::Rest(None);
        }
        if tries && now_ns < self.retry_ns {
            return Step::Rest(Some(self.retry_ns));
        }
        let Some(&first) = self.waiting.front() else { return Step::Rest(None) };
        match messages.get(&first) {
            Some(Departing { held: Held::Here(_), .. }) => Step::Send(first),
            Some(Departing { stage: Stage::Waiting, .. }) => {
                let away = self.waiting.iter().take(if tries { 1 } else { reads }).filter_map(|&sequence| {
                    let departing = messages.get(&sequence).filter(|departing| departing.stage == Stage::Waiting)?;
                    Some(Recalled { name: departing.held.stub()?.stored.get(), sequence })
                });
                Step::Read(away.collect())
            }
            _ => Step::Rest(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use engine_catalogue::AddressSettings;

    use super::*;
    use crate::slab::Key;

    fn departures(dead: &str, late: &str) -> Departures {
        let settings =
            AddressSettings { dead_letter_address: dead.into(), expiry_address: late.into(), ..Default::default() };
        Departures::new(Destinations::new("q", &settings).expect("there are some"))
    }

    fn here(slot: u32) -> Held {
        Held::Here(Key { slot, generation: 0 })
    }

    fn away(name: u64) -> Held {
        Held::Away(Stub {
            stored: NonZeroU64::new(name).expect("a name"),
            delivery_count: 0,
            durable: true,
            scheduled: false,
            priority: 4,
        })
    }

    #[test]
    fn nothing_goes_to_where_it_comes_from() {
        let to = |dead: &str| {
            let settings = AddressSettings { dead_letter_address: dead.into(), ..Default::default() };
            Destinations::new("q", &settings).is_some()
        };
        assert!(to("dead") && to("dead::q") && !to("") && !to("q") && !to("q::other"));
        let some = departures("dead", "");
        assert!(
            some.lead(&Why::Rejected(None))
                && !some.lead(&Why::Expired)
                && !some.lead(&Why::Acknowledged)
                && !some.lead(&Why::Dropped)
        );
        let late = departures("", "late");
        assert!(some.exhausts(10) && !some.exhausts(9) && !late.exhausts(10), "no more than the default, if it can go");
    }

    #[test]
    fn lines_take_turns_and_one_that_is_refused_waits_behind_the_others() {
        let mut all = departures("dead", "late");
        for sequence in 0..2 {
            all.insert(sequence, here(0), Cause::Rejected(None));
        }
        all.insert(7, here(0), Cause::Expired(1));
        let mut sent = Vec::new();
        while let Step::Send(sequence) = all.step(0, 9) {
            all.take_off(sequence);
            sent.push(sequence);
            all.check();
        }
        assert_eq!(sent, [0, 7, 1]);
        all.turn_back(0, 100);
        all.turn_back(1, 100);
        let retry_ns = 100 + FORWARD_RETRY_MIN_NS;
        assert_eq!(all.step(retry_ns - 1, 9), Step::Rest(Some(retry_ns)), "refused together, they wait once");
        assert_eq!(all.step(retry_ns, 9), Step::Send(0));
        all.take_off(0);
        assert_eq!(all.step(retry_ns, 9), Step::Rest(None), "one at a time is tried");
        all.turn_back(0, retry_ns);
        let again_ns = retry_ns + 2 * FORWARD_RETRY_MIN_NS;
        assert_eq!(all.step(again_ns, 9), Step::Send(1), "another one, in case that was the message's fault");
        all.take_off(1);
        assert!(all.land(1).is_some() && all.land(7).is_some());
        assert_eq!(all.step(again_ns, 9), Step::Send(0), "it is taken again");
        all.check();
    }

    #[test]
    fn waiting_gets_no_longer_than_its_bound() {
        let mut all = departures("dead", "");
        all.insert(0, here(0), Cause::Rejected(None));
        let mut now_ns = 0;
        for _ in 0..40 {
            let Step::Send(0) = all.step(now_ns, 1) else { panic!("it is tried again") };
            all.take_off(0);
            all.turn_back(0, now_ns);
            let Step::Rest(Some(at)) = all.step(now_ns, 1) else { panic!("it waits") };
            assert!(at - now_ns <= FORWARD_RETRY_MAX_NS);
            now_ns = at;
        }
    }

    #[test]
    fn what_is_away_is_read_first_and_once() {
        let mut all = departures("dead", "");
        for name in 1..=5 {
            all.insert(name, away(name), Cause::Rejected(None));
        }
        let Step::Read(messages) = all.step(0, 2) else { panic!("they are away") };
        assert_eq!(messages.iter().map(|message| message.name).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(all.step(0, 2), Step::Rest(None), "they are on their way");
        all.set_held(1, here(0));
        assert_eq!((all.step(0, 2), all.here()), (Step::Send(1), 1));
        all.check();
    }
}
