//! Links that receive from a queue, and whose turn it is.
//!
//! Guarantees: consumers take turns (`round`), unless the queue has rules of its own for who is served: those are in a room that other
//! queues do not have, so that they are asked one thing more.
//!
//! Not here: whether a consumer has credit, and what a consumer is given.

use super::picking::{Grouping, Picking};
use super::precedence::{Precedence, Search};
use super::round::Round;
use crate::command::Mode;
use crate::members::Members;
use crate::slab::Key;

/// Consumers that wait for others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gathering {
    /// How long, nanoseconds; `None`: as long as it takes.
    pub until_ns: Option<u64>,
}

/// Whether a queue gives something at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pause {
    #[default]
    Goes,
    Paused,
}

/// Who is served otherwise than in turn, and with what.
#[derive(Debug, Default)]
struct Rules {
    /// Which messages are for whom.
    picking: Option<Picking>,
    /// Which consumers are before others: all of them are in there.
    precedence: Option<Precedence>,
    /// Nobody is served while that is set.
    gathering: Option<Gathering>,
    /// Nobody is, however long.
    pause: Pause,
    /// How many are given what they hold from before.
    apart: usize,
}

/// Who is served where a queue has rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// Whoever is next (`Consumers::next_by_rules`).
    Everybody,
    /// One consumer, and nobody else.
    One(Key),
    Nobody,
}

/// The links of one queue.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    /// Those that take messages.
    round: Round,
    /// How many there are, wherever they are kept.
    takers: usize,
    browsers: Members,
    last_credit_ns: u64,
    grouping: Grouping,
    /// When the owner looks whether they take enough, nanoseconds.
    look_ns: Option<u64>,
    rules: Option<Box<Rules>>,
}

impl Consumers {
    /// A link comes; the higher its priority, the sooner it is served.
    pub fn insert(&mut self, mode: Mode, end: Key, priority: i32) {
        if mode == Mode::Browse {
            return self.browsers.insert(end);
        }
        self.takers += 1;
        match self.rules.as_mut().and_then(|rules| rules.precedence.as_mut()) {
            Some(precedence) => precedence.insert(end, priority),
            None if priority != 0 => self.begin_precedence().insert(end, priority),
            None => self.round.insert(end),
        }
        if self.grouping.rebalances {
            self.forget_groups();
        }
    }

    /// All groups are anybody's.
    fn forget_groups(&mut self) {
        if let Some(picking) = self.picking() {
            picking.forget_groups();
        }
    }

    /// How groups find their consumers.
    pub fn grouping(&self) -> Grouping {
        self.grouping
    }

    /// They do so from now on.
    pub fn set_grouping(&mut self, grouping: Grouping) {
        let before = std::mem::replace(&mut self.grouping, grouping);
        if before.places != grouping.places {
            self.forget_groups();
        }
    }

    /// One of them has gone; `lives` tells it from the others.
    pub fn handle_gone(&mut self, mode: Mode, priority: i32, lives: impl Fn(Key) -> bool) {
        if mode == Mode::Browse {
            return self.browsers.handle_gone(lives);
        }
        self.takers -= 1;
        if self.takers == 0 {
            self.end_gathering();
        }
        let Some(rules) = &mut self.rules else { return self.round.handle_gone(lives) };
        if let Some(picking) = &mut rules.picking {
            picking.handle_gone(&lives);
        }
        match &mut rules.precedence {
            Some(precedence) => precedence.handle_gone(priority, lives),
            None => self.round.handle_gone(lives),
        }
        self.end_precedence();
    }

    fn begin_precedence(&mut self) -> &mut Precedence {
        let round = &mut self.round;
        let rules = self.rules.get_or_insert_default();
        rules.precedence.get_or_insert_with(|| Precedence::of(std::mem::take(round)))
    }

    /// Consumers take turns again if nobody is before others any more.
    fn end_precedence(&mut self) {
        let Some(rules) = &mut self.rules else { return };
        if let Some(round) = rules.precedence.as_mut().and_then(Precedence::end) {
            (self.round, rules.precedence) = (round, None);
        }
        self.tidy();
    }

    /// A room without rules goes.
    fn tidy(&mut self) {
        self.rules.take_if(|rules| {
            rules.pause == Pause::Goes
                && rules.picking.is_none()
                && rules.precedence.is_none()
                && rules.gathering.is_none()
                && rules.apart == 0
        });
    }

    /// Whether anybody is served from now on.
    pub fn set_pause(&mut self, pause: Pause) {
        if pause == Pause::Paused || self.rules.is_some() {
            self.rules.get_or_insert_default().pause = pause;
        }
        self.tidy();
    }

    /// Whether nobody is served until that is ended.
    pub fn is_paused(&self) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.pause == Pause::Paused)
    }

    /// A consumer is to be given what it holds from before, or nothing new.
    pub fn begin_apart(&mut self) {
        self.rules.get_or_insert_default().apart += 1;
    }

    /// Whether there is such a consumer.
    pub fn has_apart(&self) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.apart > 0)
    }

    /// A consumer is served like others again, or has gone.
    pub fn end_apart(&mut self) {
        if let Some(rules) = &mut self.rules {
            rules.apart = rules.apart.saturating_sub(1);
        }
        self.tidy();
    }

    /// From now on nobody is served.
    pub fn begin_gathering(&mut self, gathering: Gathering) {
        self.rules.get_or_insert_default().gathering = Some(gathering);
    }

    /// From now on they are; gives whether they were not.
    pub fn end_gathering(&mut self) -> bool {
        let ended = self.rules.as_mut().and_then(|rules| rules.gathering.take());
        self.tidy();
        ended.is_some()
    }

    /// Whether nobody is served.
    pub fn gathers(&self) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.gathering.is_some())
    }

    /// Until when nobody is served, nanoseconds, unless that is for as long as it takes.
    pub fn gathers_until(&self) -> Option<u64> {
        self.rules.as_ref()?.gathering?.until_ns
    }

    /// From now on one consumer is served as long as it lives.
    pub fn begin_exclusive(&mut self) {
        self.begin_precedence().begin_exclusive();
    }

    /// From now on everybody is served.
    pub fn end_exclusive(&mut self) {
        if let Some(precedence) = self.rules.as_mut().and_then(|rules| rules.precedence.as_mut()) {
            precedence.end_exclusive();
        }
        self.end_precedence();
    }

    /// Whether it has rules for who is served, and with what.
    #[inline]
    pub fn has_rules(&self) -> bool {
        self.rules.is_some()
    }

    /// Who is served as rules say.
    pub fn served(&mut self, lives: impl Fn(Key) -> bool) -> Served {
        let Some(rules) = &mut self.rules else { return Served::Everybody };
        if rules.pause == Pause::Paused || rules.gathering.is_some() {
            return Served::Nobody;
        }
        match rules.precedence.as_mut().and_then(|precedence| precedence.sole(lives)) {
            None => Served::Everybody,
            Some(Some(end)) => Served::One(end),
            Some(None) => Served::Nobody,
        }
    }

    /// Whose turn it is by the rules; `None` when everybody was asked. It may have gone.
    pub fn next_by_rules(&mut self, search: &mut Search) -> Option<Key> {
        if let Some(precedence) = self.rules.as_mut().and_then(|rules| rules.precedence.as_mut()) {
            return precedence.next(search);
        }
        search.seen += 1;
        if search.seen <= self.round.len() { self.round.next() } else { None }
    }

    /// Which messages are for whom, if that is looked at.
    #[inline]
    pub fn picking(&mut self) -> Option<&mut Picking> {
        self.rules.as_mut()?.picking.as_mut()
    }

    /// Groups that have a consumer.
    pub fn groups(&self) -> usize {
        self.rules.as_ref().and_then(|rules| rules.picking.as_ref()).map_or(0, Picking::groups)
    }

    /// From now on it is looked at which message is for whom.
    pub fn begin_picking(&mut self) {
        self.rules.get_or_insert_default().picking.get_or_insert_default();
    }

    /// From now on it is not.
    pub fn end_picking(&mut self) {
        if let Some(rules) = &mut self.rules {
            rules.picking = None;
        }
        self.tidy();
    }

    /// Consumers that take messages.
    #[inline]
    pub fn takers(&self) -> usize {
        self.takers
    }

    /// All links.
    pub fn len(&self) -> usize {
        self.takers() + self.browsers.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Without rules: after how many calls of `next` everybody had a turn.
    #[inline]
    pub fn round(&self) -> usize {
        self.round.len()
    }

    /// Without rules: whose turn it is now; the next call gives the next one. It may have gone.
    #[inline]
    pub fn next(&mut self) -> Option<Key> {
        self.round.next()
    }

    /// Takes all consumers out that take messages.
    pub fn take_all(&mut self) -> Vec<Key> {
        self.takers = 0;
        self.end_gathering();
        if let Some(rules) = &mut self.rules {
            rules.apart = 0;
        }
        let mut all: Vec<Key> = std::mem::take(&mut self.round).listed().collect();
        if let Some(precedence) = self.rules.as_mut().and_then(|rules| rules.precedence.as_mut()) {
            all.extend(precedence.take_all());
        }
        self.end_precedence();
        all
    }

    /// Those that look only, and some that have gone.
    #[inline]
    pub fn browsers(&self) -> &[Key] {
        self.browsers.listed()
    }

    /// Those that take messages, and some that have gone.
    pub fn listed_takers(&self) -> impl Iterator<Item = Key> {
        let precedence = self.rules.as_ref().and_then(|rules| rules.precedence.as_ref());
        self.round.listed().chain(precedence.into_iter().flat_map(Precedence::listed))
    }

    /// All of them, and some that have gone.
    pub fn listed(&self) -> impl Iterator<Item = Key> {
        self.listed_takers().chain(self.browsers.listed().iter().copied())
    }

    /// The owner is to look at them at that time; gives whether its agenda has to be told.
    pub fn note_look(&mut self, at_ns: u64) -> bool {
        let is_new = self.look_ns.is_none();
        self.look_ns.get_or_insert(at_ns);
        is_new
    }

    /// When it is to.
    pub fn noted_look(&self) -> Option<u64> {
        self.look_ns
    }

    /// Its agenda named them for that time; gives whether it does not any more.
    pub fn take_noted_look(&mut self, at_ns: u64) -> bool {
        self.look_ns.take_if(|noted| *noted == at_ns).is_some()
    }

    /// A consumer gave credit.
    #[inline]
    pub fn handle_credit(&mut self, now_ns: u64) {
        self.last_credit_ns = now_ns;
    }

    /// Until when they count as taking, nanoseconds, if they do for `recent_ns` after they gave credit; `None` when they do not.
    #[inline]
    pub fn take_until(&self, now_ns: u64, recent_ns: u64) -> Option<u64> {
        let until = self.last_credit_ns.saturating_add(recent_ns);
        (self.takers() > 0 && now_ns < until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slot: u32) -> Key {
        Key { slot, generation: 0 }
    }

    #[test]
    fn rules_are_there_only_while_something_asks_for_them() {
        let mut consumers = Consumers::default();
        consumers.insert(Mode::Consume, key(0), 0);
        assert!(!consumers.has_rules());
        consumers.insert(Mode::Consume, key(1), -3);
        consumers.insert(Mode::Consume, key(2), 0);
        assert_eq!((consumers.has_rules(), consumers.round(), consumers.takers()), (true, 0, 3));
        let mut search = Search::default();
        let order: Vec<u32> = std::iter::from_fn(|| consumers.next_by_rules(&mut search)).map(|end| end.slot).collect();
        assert_eq!(order, [0, 2, 1]);
        consumers.handle_gone(Mode::Consume, -3, |end| end != key(1));
        assert_eq!((consumers.has_rules(), consumers.round(), consumers.takers()), (false, 2, 2));
        consumers.begin_exclusive();
        assert_eq!(consumers.served(|end| end != key(1)), Served::One(key(0)));
        consumers.end_exclusive();
        assert!(!consumers.has_rules());
    }

    #[test]
    fn credit_counts_for_a_while() {
        let mut consumers = Consumers::default();
        consumers.handle_credit(100);
        assert_eq!(consumers.take_until(100, 10), None, "nobody is there");
        consumers.insert(Mode::Consume, key(0), 0);
        assert_eq!((consumers.take_until(109, 10), consumers.take_until(110, 10)), (Some(110), None));
    }
}
