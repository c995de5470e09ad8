//! Subscriptions to patterns, and the other shards: what is sent to an address that matches, on whichever shard, gets to them.
//!
//! Guarantees:
//! 1. The owner of a pattern tells all shards when the first of its subscriptions comes, and the last one goes. On each of them a queue then leads
//!    from all addresses that match to the pattern's (`forwarding`).
//! 2. A link that subscribes hears that it is attached when all shards have answered: what is sent after that it does not miss, wherever
//!    that is sent.
//! 3. While a subscription outlives the node a durable message is acknowledged when the queue that leads there has it on stable storage.
//!    After a restart all shards know the patterns of such subscriptions before anything is routed (`know_patterns`).
//! 4. What is in such a queue when nobody subscribes any more is dropped.
//! 5. A shard knows so many patterns; links that ask for more are refused (`PATTERNS_MAX`).
//!
//! Not here: what is done with a message (`wider`).

use std::sync::Arc;

use engine_catalogue::{Pattern, Resolved, base};
use engine_message::Condition;

use crate::address::Diverting;
use crate::choice::Choice;
use crate::command::RoutingType;
use crate::core::Core;
use crate::event::{Event, Refusal};
use crate::fact::Purpose;
use crate::journaling::Restored;
use crate::key::{LinkKey, Port};
use crate::limits::{PATTERN_BYTES_MAX, PATTERNS_MAX};
use crate::patterns::{Asking, Known, Told};
use crate::queue::{Identity, Kind};
use crate::slab::Key;
use crate::wildcard::{Keeps, PatternStep, Subscribing, is_wildcard, leading_address, leading_queue, pattern_of_queue};

/// The patterns that have subscriptions which outlive the node, of what journals had at a start.
pub fn kept_patterns<'a>(restored: impl Iterator<Item = &'a Restored>) -> Vec<Box<str>> {
    let subscriptions = restored.filter(|queue| queue.declared.purpose == Purpose::Subscription);
    let mut patterns: Vec<Box<str>> = subscriptions
        .map(|queue| &*queue.declared.address)
        .filter(|address| is_wildcard(address))
        .map(Box::from)
        .collect();
    patterns.sort_unstable();
    patterns.dedup();
    patterns
}

impl Core {
    /// Whether a link may subscribe to an address, if that is a pattern.
    pub(crate) fn check_wildcard(&self, name: &str, choice: Option<&Choice>) -> Result<(), Box<Refusal>> {
        if !is_wildcard(name) {
            return Ok(());
        }
        if let Err(what) = Pattern::new(name) {
            return Err(Refusal::new(Condition::InvalidField, format!("{name} is no pattern of addresses: {what}")));
        }
        if name.len() > PATTERN_BYTES_MAX {
            let text = format!("a pattern of addresses has at most {PATTERN_BYTES_MAX} bytes");
            return Err(Refusal::new(Condition::InvalidField, text));
        }
        if choice.is_some_and(|choice| choice.no_local().is_some()) {
            let text =
                "no-local is not there for a pattern of addresses: leave it out, or subscribe to single addresses";
            return Err(Refusal::new(Condition::NotImplemented, text));
        }
        if self.nodes.patterns.get(name).is_none() && self.nodes.patterns.len() >= PATTERNS_MAX {
            let text =
                format!("this node has subscriptions to {PATTERNS_MAX} patterns of addresses, which is its limit");
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        Ok(())
    }

    /// Tells a link that it is attached to a queue: when the journal has reached `number`, and all shards know what its address is a pattern of.
    pub(crate) fn tell_attached(&mut self, queue: Key, number: u64, link: LinkKey, attached: Event) {
        self.spread();
        let address = self.nodes.queues.get(queue).and_then(|queue| self.nodes.addresses.get(queue.identity.address));
        let told = address.and_then(|address| self.nodes.patterns.told(&address.name));
        match told.filter(|told| told.unanswered > 0) {
            Some(told) => told.parked.push((number, link, attached)),
            None => self.tell_after(number, link, attached),
        }
    }

    /// The consumers of a queue are about to hear of its end: those that wait are told first that they were attached.
    pub(crate) fn release_parked(&mut self, queue: Key) {
        if self.nodes.patterns.len() == 0 {
            return;
        }
        let Some(queue) = self.nodes.queues.get(queue) else { return };
        let Some(address) = self.nodes.addresses.get(queue.identity.address) else { return };
        let parked = self.nodes.patterns.told(&address.name).map(|told| std::mem::take(&mut told.parked));
        self.tell_parked(parked.unwrap_or_default());
    }

    fn tell_parked(&mut self, parked: Vec<(u64, LinkKey, Event)>) {
        parked.into_iter().for_each(|(number, link, event)| self.tell_after(number, link, event));
    }

    /// Tells the other shards of patterns of this one whose subscriptions changed, and brings addresses to what is known.
    pub(crate) fn spread(&mut self) {
        if !self.nodes.patterns.has_work() {
            return;
        }
        for pattern in self.nodes.patterns.take_changed() {
            let address = self.nodes.address(&pattern);
            let wanted = address.and_then(|key| Some((key, self.kept(key)?)));
            let known = self.nodes.patterns.get(&pattern);
            let told = known.and_then(|known| Some((known.leads, known.told.as_ref()?.keeps)));
            match (wanted, told) {
                (Some(wanted), Some(told)) if wanted == told => {}
                (Some((key, keeps)), _) => self.tell_subscribed(pattern, key, keeps),
                (None, Some(_)) => self.tell_unsubscribed(&pattern),
                (None, None) => {}
            }
        }
        self.link_wider();
    }

    /// What of the subscriptions of an address outlives the node; `None` if there are none.
    fn kept(&self, address: Key) -> Option<Keeps> {
        let listed = self.nodes.addresses.get(address)?.queues.listed(RoutingType::Multicast);
        let mut living = listed.iter().filter_map(|&key| self.nodes.queues.get(key)).peekable();
        living.peek()?;
        Some(if living.any(|queue| queue.is_lasting()) { Keeps::Durable } else { Keeps::Nothing })
    }

    fn tell_subscribed(&mut self, pattern: Box<str>, leads: Key, keeps: Keeps) {
        let own = self.config.shard;
        let others = usize::from(self.config.catalogue.placement().shards()) - 1;
        let before = self.nodes.patterns.remove(&pattern).and_then(|known| known.told);
        let (round, parked) = before.map_or((0, Vec::new()), |told| (told.round, told.parked));
        let told = Told { keeps, round: round + 1, unanswered: others + 1, parked };
        self.nodes.patterns.insert(&pattern, Known { leads, told: Some(told) });
        self.nodes.patterns.ask(Asking { shard: own, pattern: pattern.clone(), round: round + 1 });
        self.tell_others(&pattern, Subscribing::Subscribed { keeps, round: round + 1 });
    }

    fn tell_unsubscribed(&mut self, pattern: &str) {
        let told = self.nodes.patterns.remove(pattern).and_then(|known| known.told);
        self.tell_parked(told.map(|told| told.parked).unwrap_or_default());
        self.tell_others(pattern, Subscribing::Unsubscribed);
    }

    fn tell_others(&mut self, pattern: &str, what: Subscribing) {
        let from = self.config.shard;
        for shard in (0..self.config.catalogue.placement().shards()).filter(|&shard| shard != from) {
            self.tell_pattern(shard, PatternStep { from, pattern: pattern.into(), what });
        }
    }

    fn tell_pattern(&mut self, shard: u16, step: PatternStep) {
        self.events.push_back((LinkKey::at(Port::Shard, shard, 0, 0), Event::Pattern(Box::new(step))));
    }

    /// All addresses of this shard were brought to a pattern.
    pub(crate) fn tell_known(&mut self, shard: u16, pattern: Box<str>, round: u64) {
        let from = self.config.shard;
        let step = PatternStep { from, pattern, what: Subscribing::Known { round } };
        if shard == from { self.handle_pattern(step) } else { self.tell_pattern(shard, step) }
    }

    /// Takes what a shard tells of a pattern.
    pub fn handle_pattern(&mut self, step: PatternStep) {
        let PatternStep { from, pattern, what } = step;
        match what {
            Subscribing::Subscribed { keeps, round } => {
                self.lead_to(&pattern, keeps);
                self.nodes.patterns.ask(Asking { shard: from, pattern, round });
                self.link_wider();
            }
            Subscribing::Unsubscribed => self.lead_no_more(&pattern),
            Subscribing::Known { round } => {
                let Some(told) = self.nodes.patterns.told(&pattern).filter(|told| told.round == round) else { return };
                told.unanswered = told.unanswered.saturating_sub(1);
                if told.unanswered == 0 {
                    let parked = std::mem::take(&mut told.parked);
                    self.tell_parked(parked);
                }
            }
        }
    }

    /// What is sent to addresses that match is led to the owner of a pattern.
    fn lead_to(&mut self, pattern: &str, keeps: Keeps) {
        let name = leading_address(self.config.shard, pattern);
        let key = match self.nodes.address(&name) {
            Some(known) => known,
            None => self.nodes.put_address(&name, RoutingType::Multicast, self.config.catalogue.settings(pattern)),
        };
        let (queue_name, kind) = (leading_queue(pattern), Kind::Wildcard(keeps));
        let queue = match self.nodes.find(key, &queue_name) {
            Some(known) => known,
            None => self.nodes.put_queue(Identity {
                name: queue_name.into(),
                address: key,
                routing: RoutingType::Multicast,
                kind,
                choice: None,
            }),
        };
        if let Some(queue) = self.nodes.queues.get_mut(queue) {
            queue.identity.kind = kind;
        }
        if let Some(address) = self.nodes.addresses.get_mut(key) {
            address.is_declared = true;
            address.queues.set_diverting(queue, Diverting::Beside);
        }
        self.nodes.patterns.insert(pattern, Known { leads: key, told: None });
    }

    /// Nobody subscribes to a pattern any more: what is on its way there is for nobody.
    fn lead_no_more(&mut self, pattern: &str) {
        let Some(known) = self.nodes.patterns.remove(pattern) else { return };
        self.stop_leading(known.leads);
        self.link_wider();
    }

    fn stop_leading(&mut self, key: Key) {
        let Some(address) = self.nodes.addresses.get_mut(key) else { return };
        address.is_declared = false;
        let queues: Vec<Key> = address.queues.all().collect();
        queues.into_iter().for_each(|queue| self.delete(queue));
        self.collect_address(key);
    }

    /// Knows patterns from the start that have queues which are declared: their owners tell of them, too.
    pub(crate) fn know_declared_patterns(&mut self) {
        let catalogue = Arc::clone(&self.config.catalogue);
        let of = catalogue.queues_after(None).filter_map(|(key, routing)| {
            let address = base(key);
            let routing = routing.unwrap_or_else(|| catalogue.settings(address).routing);
            (routing == RoutingType::Multicast && is_wildcard(address)).then(|| Box::from(address))
        });
        let declared: Vec<Box<str>> = of.collect();
        self.know_all(&declared);
        self.spread();
    }

    fn know_all(&mut self, patterns: &[Box<str>]) {
        for pattern in patterns {
            let Resolved::Stored { owner } = self.config.catalogue.resolve(pattern);
            if owner.shard != self.config.shard {
                self.lead_to(pattern, Keeps::Durable);
            }
        }
    }

    /// Says, behind `restore` and before anything is routed, to which patterns there are subscriptions that outlive the node, on any shard.
    /// What a crash left on its way to others is dropped.
    pub fn know_patterns(&mut self, kept: &[Box<str>]) {
        self.know_all(kept);
        let is_left = |pattern: &str| self.nodes.patterns.get(pattern).is_none() && !self.is_own(pattern);
        let left: Vec<Key> = self
            .nodes
            .queues
            .iter()
            .filter(|(_, queue)| pattern_of_queue(&queue.identity.name).is_some_and(is_left))
            .map(|(_, queue)| queue.identity.address)
            .collect();
        left.into_iter().for_each(|address| self.stop_leading(address));
        self.spread();
    }
}
