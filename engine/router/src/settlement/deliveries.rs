//! Deliveries that are under way, and their copies.
//!
//! Guarantees: there are at most `DELIVERIES_MAX`. A key of a delivery that is gone names nothing, also when its place was used again. A
//! place that is used again needs no further memory for as many copies as before. What was sent is kept as long as a copy waits, and is
//! counted for so long.

use smallvec::SmallVec;

use super::keys::{CopyKey, DeliveryKey};
use super::line::Row;
use super::links::{InLink, OutLink};
use super::runs::Runs;
use super::state::State;
use crate::limits::{DELIVERIES_MAX, DELIVERY_OCTETS};

/// How far a copy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for credit.
    Waiting,
    /// It was sent.
    Sent,
    /// Its receiver has decided, and not settled.
    Decided,
    /// The last word was said.
    Done,
}

/// A copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copy {
    pub link: OutLink,
    pub stage: Stage,
    /// Its place among what its link was sent, while it is sent or decided.
    pub at: u32,
}

/// What few copies need.
#[derive(Clone, Copy, Debug, Default)]
struct Aside {
    number: u64,
    /// Of a first copy its delivery knows it.
    name: Option<u32>,
}

/// Who waits to hear what becomes of a delivery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaiting {
    pub link: InLink,
    /// What that calls it.
    pub number: u32,
    /// Whether its sender is gone, though whoever brought it here is to hear what becomes of it.
    pub is_left: bool,
}

/// A delivery. What nearly all need is in front, so that it is on one cache line with what its place says.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Delivery {
    /// Who is told; `None` if nobody waits to hear of it any more.
    pub sender: Option<Awaiting>,
    /// One in place, as nearly all have.
    pub copies: SmallVec<[Copy; 1]>,
    /// What its host calls its first copy, if that is to hear when nobody waits for it any more.
    name: Option<u32>,
    /// Its place among what its sender has unsettled.
    pub at: u32,
    /// Whether the sender knows the state.
    pub is_told: bool,
    /// Whether something may be in the rest.
    has_rest: bool,
    rest: Rest,
}

/// What few deliveries need.
#[derive(Debug, Default)]
struct Rest {
    /// The state that counts most, of those that receivers of several copies said.
    heaviest: Option<State>,
    /// Copies that wait.
    waiting: u32,
    /// The size of what was sent.
    octets: u64,
    /// By copy; behind the last one there is nothing to be said.
    asides: SmallVec<[Aside; 1]>,
    /// What it was called in the run that it has left.
    of_run: Option<DeliveryKey>,
}

impl Delivery {
    /// What few need, to be changed.
    fn rest_mut(&mut self) -> &mut Rest {
        self.has_rest = true;
        &mut self.rest
    }

    /// The state that counts most.
    pub fn heaviest_mut(&mut self) -> &mut Option<State> {
        &mut self.rest_mut().heaviest
    }

    /// Whether what its one receiver says is what its sender hears.
    pub fn is_single(&self) -> bool {
        self.copies.len() == 1
    }

    /// Whether a sender waits to hear what becomes of it.
    pub fn row(&self) -> Row {
        if self.sender.is_some_and(|sender| !sender.is_left) { Row::Awaited } else { Row::Unawaited }
    }

    /// Whether all receivers have decided.
    pub fn is_decided(&self) -> bool {
        self.copies.iter().all(|copy| matches!(copy.stage, Stage::Decided | Stage::Done))
    }

    /// Whether all is said.
    pub fn is_done(&self) -> bool {
        self.copies.iter().all(|copy| copy.stage == Stage::Done)
    }

    /// Takes a receiver's state into account.
    pub fn weigh(&mut self, state: State) {
        let heaviest = self.heaviest_mut();
        if heaviest.as_ref().is_none_or(|heaviest| heaviest.weight() < state.weight()) {
            *heaviest = Some(state);
        }
    }
}

/// Who sent a delivery that is over, by which number, and its only receiver; and its places among what they have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Single {
    pub sender: (InLink, u32),
    pub at: u32,
    pub receiver: OutLink,
    pub sent_at: u32,
}

/// A place for a delivery: one cache line that nearly all need, and the rest.
#[derive(Debug)]
#[repr(C, align(64))]
struct Place {
    generation: u32,
    is_used: bool,
    delivery: Delivery,
}

impl Place {
    /// Whether it is this delivery's.
    #[inline]
    fn is_of(&self, key: DeliveryKey) -> bool {
        self.is_used && self.generation == key.generation
    }

    /// Its delivery is over: what named that names nothing.
    #[inline]
    fn vacate(&mut self, runs: &mut Runs) {
        (self.is_used, self.generation) = (false, self.generation.wrapping_add(1));
        if self.delivery.has_rest {
            self.clear_rest(runs);
        }
    }

    #[cold]
    fn clear_rest(&mut self, runs: &mut Runs) {
        let Delivery { has_rest, rest, .. } = &mut self.delivery;
        *has_rest = false;
        (rest.heaviest, rest.waiting, rest.octets) = (None, 0, 0);
        rest.asides.clear();
        rest.of_run.take().into_iter().for_each(|key| runs.forget(key));
    }
}

const _: () = assert!(std::mem::offset_of!(Place, delivery) + std::mem::offset_of!(Delivery, rest) == 64);

/// All deliveries that are under way.
#[derive(Debug)]
pub(super) struct Deliveries<M> {
    places: Vec<Place>,
    /// What was sent of each place; `None` where no copy waits. Apart from the rest, as what passes at once never looks at it, and goes
    /// through places in turn.
    contents: Vec<Option<M>>,
    free: Vec<u32>,
    /// Octets of what was sent and waits.
    waiting: u64,
    /// Those that need no place of their own.
    pub runs: Runs,
}

impl<M> Default for Deliveries<M> {
    fn default() -> Self {
        Self { places: Vec::new(), contents: Vec::new(), free: Vec::new(), waiting: 0, runs: Runs::default() }
    }
}

impl<M> Deliveries<M> {
    /// A new one; `None` if there are as many as there can be.
    pub fn add(
        &mut self,
        sender: Option<(InLink, u32)>,
        links: &[OutLink],
        (content, octets): (M, u64),
    ) -> Option<DeliveryKey> {
        let (key, delivery) = self.begin()?;
        delivery.sender = sender.map(|(link, number)| Awaiting { link, number, is_left: false });
        let rest = delivery.rest_mut();
        (rest.waiting, rest.octets) = (links.len() as u32, octets);
        delivery.copies.clear();
        let copy = |link: &OutLink| Copy { link: *link, stage: Stage::Waiting, at: 0 };
        delivery.copies.extend(links.iter().map(copy));
        self.waiting += octets;
        *self.contents.get_mut(key.place as usize)? = Some(content);
        Some(key)
    }

    /// A new one that its only receiver was sent at once, at places among what its sender has unsettled and what its link was sent; `None`
    /// if there are as many as there can be.
    #[inline(always)]
    pub fn add_sent(&mut self, sender: ((InLink, u32), usize), receiver: (OutLink, usize)) -> Option<DeliveryKey> {
        let (key, delivery) = self.begin()?;
        let (((from, number), at), (link, sent_at)) = (sender, receiver);
        delivery.sender = Some(Awaiting { link: from, number, is_left: false });
        delivery.at = at as u32;
        let copy = Copy { link, stage: Stage::Sent, at: sent_at as u32 };
        match delivery.copies.as_mut_slice() {
            // The last one of this place had one, too.
            [only] => *only = copy,
            _ => {
                delivery.copies.clear();
                delivery.copies.push(copy);
            }
        }
        Some(key)
    }

    /// A place for a new one, that says nothing yet, with the last one's copies.
    #[inline(always)]
    fn begin(&mut self) -> Option<(DeliveryKey, &mut Delivery)> {
        if !self.has_room() {
            return None;
        }
        let place = self.free.pop().or_else(|| self.grow())?;
        let used = self.places.get_mut(place as usize)?;
        used.is_used = true;
        let delivery = &mut used.delivery;
        // The last one left nothing in the rest, nor what was sent.
        (delivery.is_told, delivery.name) = (false, None);
        Some((DeliveryKey { place, generation: used.generation }, delivery))
    }

    /// A place of its own for one that was in a run, where it was called so; places as in `add_sent`.
    pub fn take_from_run(
        &mut self,
        called: DeliveryKey,
        sender: ((InLink, u32), usize),
        receiver: (OutLink, usize),
    ) -> DeliveryKey {
        let Some(key) = self.add_sent(sender, receiver) else { unreachable!("there is room for one that was there") };
        self.get_mut(key).into_iter().for_each(|delivery| delivery.rest_mut().of_run = Some(called));
        self.runs.leave(called, key);
        key
    }

    /// What a delivery is called outside, where it was sent.
    pub fn known_as(&self, key: DeliveryKey) -> DeliveryKey {
        self.get(key).and_then(|delivery| delivery.rest.of_run).unwrap_or(key)
    }

    /// A place more.
    #[cold]
    #[inline(never)]
    fn grow(&mut self) -> Option<u32> {
        // No more than there are deliveries, which are bounded.
        let place = u32::try_from(self.places.len()).ok()?;
        self.places.push(Place { generation: 0, is_used: false, delivery: Delivery::default() });
        self.contents.push(None);
        Some(place)
    }

    /// A delivery is over if its only receiver was sent it and its sender waits to hear of it: gives both, and where it was among what they
    /// have.
    #[inline]
    pub fn take_single(&mut self, key: DeliveryKey) -> Option<Single> {
        let place = self.places.get_mut(key.place as usize).filter(|place| place.is_of(key))?;
        let delivery = &place.delivery;
        let (&[Copy { link, stage: Stage::Sent, at, .. }], Some(sender)) =
            (delivery.copies.as_slice(), delivery.sender)
        else {
            return None;
        };
        let single = Single { sender: (sender.link, sender.number), at: delivery.at, receiver: link, sent_at: at };
        // Nothing of it waits, so that what was sent is gone.
        place.vacate(&mut self.runs);
        self.free.push(key.place);
        Some(single)
    }

    /// A delivery that is under way.
    pub fn get(&self, key: DeliveryKey) -> Option<&Delivery> {
        self.places.get(key.place as usize).filter(|place| place.is_of(key)).map(|place| &place.delivery)
    }

    /// A delivery that is under way, to be changed.
    pub fn get_mut(&mut self, key: DeliveryKey) -> Option<&mut Delivery> {
        self.places.get_mut(key.place as usize).filter(|place| place.is_of(key)).map(|place| &mut place.delivery)
    }

    /// A copy that is under way.
    pub fn copy(&self, key: CopyKey) -> Option<Copy> {
        self.get(key.delivery)?.copies.get(key.index as usize).copied()
    }

    /// What a copy that is about to be sent has: the last one that waits takes it, others share it.
    pub fn content(&mut self, key: CopyKey) -> Option<M>
    where
        M: Clone,
    {
        let others = self.get(key.delivery)?.rest.waiting.saturating_sub(1);
        self.content_beside(key.delivery, others)
    }

    /// A copy that waits is sent, for an outcome: it is at this place among what its link was sent. Gives what it has, as `content` does.
    #[inline]
    pub fn give(&mut self, key: CopyKey, at: usize) -> Option<M>
    where
        M: Clone,
    {
        let delivery = self.get_mut(key.delivery)?;
        let copy = delivery.copies.get_mut(key.index as usize)?;
        (copy.stage, copy.at) = (Stage::Sent, at as u32);
        let rest = delivery.rest_mut();
        rest.waiting -= 1;
        let others = rest.waiting;
        self.content_beside(key.delivery, others)
    }

    /// What was sent, for a copy beside which so many wait.
    #[inline]
    fn content_beside(&mut self, key: DeliveryKey, others: u32) -> Option<M>
    where
        M: Clone,
    {
        match others {
            0 => self.take_content(key),
            _ => self.contents.get(key.place as usize)?.clone(),
        }
    }

    /// Takes out what was sent, which no copy needs any more.
    fn take_content(&mut self, key: DeliveryKey) -> Option<M> {
        let octets = self.get(key)?.rest.octets;
        let content = self.contents.get_mut(key.place as usize)?.take()?;
        self.waiting -= octets;
        Some(content)
    }

    /// Notes the place of a delivery among what its sender has unsettled.
    pub fn set_place(&mut self, key: DeliveryKey, at: usize) {
        if let Some(delivery) = self.get_mut(key) {
            delivery.at = at as u32;
        }
    }

    /// Notes the place of a copy among what its link was sent.
    pub fn set_copy_place(&mut self, key: CopyKey, at: usize) {
        let delivery = self.get_mut(key.delivery);
        if let Some(copy) = delivery.and_then(|delivery| delivery.copies.get_mut(key.index as usize)) {
            copy.at = at as u32;
        }
    }

    /// The number of a copy in its link's line, while it waits.
    pub fn number(&self, key: CopyKey) -> Option<u64> {
        Some(self.get(key.delivery)?.rest.asides.get(key.index as usize)?.number)
    }

    /// What its host calls a copy, if that is to hear when nobody waits for it any more.
    pub fn name(&self, key: CopyKey) -> Option<u32> {
        let delivery = self.get(key.delivery)?;
        match key.index {
            0 => delivery.name,
            index => delivery.rest.asides.get(index as usize)?.name,
        }
    }

    /// Notes the number of a copy in its link's line.
    pub fn set_number(&mut self, key: CopyKey, number: u64) {
        if let Some(aside) = self.aside_mut(key) {
            aside.number = number;
        }
    }

    /// Notes what its host calls a copy.
    pub fn set_name(&mut self, key: CopyKey, name: u32) {
        match key.index {
            0 => {
                if let Some(delivery) = self.get_mut(key.delivery) {
                    delivery.name = Some(name);
                }
            }
            _ => {
                if let Some(aside) = self.aside_mut(key) {
                    aside.name = Some(name);
                }
            }
        }
    }

    fn aside_mut(&mut self, key: CopyKey) -> Option<&mut Aside> {
        let delivery = self.get_mut(key.delivery)?;
        let copies = delivery.copies.len();
        let asides = &mut delivery.rest_mut().asides;
        asides.resize(copies, Aside::default());
        asides.get_mut(key.index as usize)
    }

    /// Has a copy come so far. With the last one that waited goes what was sent.
    pub fn set_stage(&mut self, key: CopyKey, stage: Stage) {
        let Some(delivery) = self.get_mut(key.delivery) else { return };
        let Some(copy) = delivery.copies.get_mut(key.index as usize) else { return };
        let before = std::mem::replace(&mut copy.stage, stage);
        if before != Stage::Waiting || stage == Stage::Waiting {
            return;
        }
        let rest = delivery.rest_mut();
        rest.waiting -= 1;
        if rest.waiting == 0 {
            self.take_content(key.delivery);
        }
    }

    /// Forgets a delivery.
    pub fn remove(&mut self, key: DeliveryKey) {
        if self.get(key).is_some() {
            self.take_content(key);
            let Some(place) = self.places.get_mut(key.place as usize) else { return };
            place.vacate(&mut self.runs);
            self.free.push(key.place);
        }
    }

    /// Octets of all of them: what was sent as long as it waits, and what each takes itself.
    pub fn octets(&self) -> u64 {
        self.waiting + self.count() as u64 * DELIVERY_OCTETS
    }

    /// Asserts what must hold between two inputs; `is_there` says whether a sender's link is.
    pub fn check(&self, is_there: impl Fn(InLink) -> bool) {
        let places = self.places.iter().zip(&self.contents).filter(|(place, _)| place.is_used);
        let mut octets = 0;
        for (delivery, content) in places.map(|(place, content)| (&place.delivery, content)) {
            let waiting = delivery.copies.iter().filter(|copy| copy.stage == Stage::Waiting).count();
            assert_eq!(waiting, delivery.rest.waiting as usize, "copies that wait are counted");
            assert!(delivery.sender.is_none_or(|sender| is_there(sender.link)), "who is to be told is there");
            assert_eq!(waiting > 0, content.is_some(), "what was sent is there as long as a copy waits");
            octets += content.as_ref().map_or(0, |_| delivery.rest.octets);
        }
        assert_eq!(octets, self.waiting, "what waits is counted");
        let used = self.places.iter().filter(|place| place.is_used).count();
        let in_runs = self.runs.check();
        assert_eq!(used + in_runs, self.count(), "deliveries are counted");
    }

    /// How many there are.
    #[inline]
    pub fn count(&self) -> usize {
        self.places.len() - self.free.len() + self.runs.open()
    }

    /// Whether there can be one more.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.count() < DELIVERIES_MAX
    }
}
