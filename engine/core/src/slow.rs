//! Consumers that take less than the settings of their queue want.
//!
//! Guarantees: a consumer is slow if it settled fewer messages in a period than it should have, though there were enough for it: what it held, and,
//! if it gave no credit for it, what waited. Who is not served, who chooses its messages and who has not been there for a period is not judged by
//! what waits. Consumers are looked at once a period, and nothing of that is done for a message.
//!
//! Not here: how fast a consumer is (`pace`), and what is told of it (`home`, `shell`).

use engine_catalogue::{AddressSettings, SlowPolicy};
use engine_message::Condition;

use crate::agenda::Due;
use crate::command::DetachMode;
use crate::core::Core;
use crate::ends::{End, EndRole};
use crate::event::{Event, Refusal};
use crate::limits::RELEASE_MAX;
use crate::pace::Standing;
use crate::queue::Served;
use crate::slab::Key;

impl Core {
    /// A consumer came to a queue, or its settings changed: they are looked at once a period, if they want anything.
    pub(crate) fn watch_consumers(&mut self, key: Key) {
        let now_ns = self.now.ns;
        let Some(period_ns) = self.settings_of(key).and_then(slow_period_ns) else { return };
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        let at_ns = now_ns.saturating_add(period_ns);
        if queue.consumers.takers() == 0 || !queue.consumers.note_look(at_ns) {
            return;
        }
        self.deadlines.insert(Due::Look, at_ns, key);
        let queues = &self.nodes.queues;
        self.deadlines.tidy(Due::Look, queues.len(), || {
            queues.iter().filter_map(|(key, queue)| Some((queue.consumers.noted_look()?, key)))
        });
    }

    fn settings_of(&self, key: Key) -> Option<&AddressSettings> {
        let queue = self.nodes.queues.get(key)?;
        Some(&*self.nodes.addresses.get(queue.identity.address)?.settings)
    }

    /// Looks at the consumers of those queues that are due.
    pub(crate) fn look_due(&mut self) {
        for _ in 0..RELEASE_MAX {
            let Some((at_ns, key)) = self.deadlines.take_due(Due::Look, self.now) else { return };
            self.nodes.note_look();
            if self.nodes.queues.get_mut(key).is_some_and(|queue| queue.consumers.take_noted_look(at_ns)) {
                self.look_at_consumers(key);
                self.watch_consumers(key);
            }
        }
    }

    fn look_at_consumers(&mut self, key: Key) {
        let Some(settings) = self.settings_of(key).cloned() else { return };
        let ends = &self.nodes.ends;
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        let served = queue.consumers.served(|end| ends.get(end).is_some());
        let waiting = if queue.consumers.picking().is_some() { 0 } else { queue.depth() + queue.paged() };
        let held = queue.held_counts();
        let takers: Vec<Key> = match served {
            Served::Everybody => queue.consumers.listed_takers().collect(),
            Served::One(end) => vec![end],
            Served::Nobody => Vec::new(),
        };
        for end in takers {
            let Some(End { role: EndRole::Consumer(consumer), .. }) = self.nodes.ends.get_mut(end) else { continue };
            let standing = Standing { credit: consumer.credit, held: held.get(&end).copied().unwrap_or(0), waiting };
            if let Some(text) = consumer.pace.look(standing, &settings, self.now.ns) {
                self.tell_slow(key, end, &text, settings.slow_consumer_policy);
            }
        }
    }

    /// A consumer is slow: whoever runs the node hears of it, and its link ends if settings say so.
    fn tell_slow(&mut self, key: Key, end: Key, text: &str, policy: SlowPolicy) {
        let Some(link) = self.nodes.ends.get(end).map(|end| end.link) else { return };
        if let Some(queue) = self.nodes.queues.get_mut(key) {
            queue.count_slow();
        }
        self.events.push_back((link, Event::Slow { text: text.into() }));
        if policy == SlowPolicy::Kill {
            // A durable subscription stays: it is as if the session of its link had ended.
            self.detach(end, DetachMode::Ended);
            let refusal = Refusal::new(Condition::DetachForced, text);
            self.events.push_back((link, Event::Detached { refusal }));
        }
    }
}

/// How often consumers are looked at, nanoseconds, if settings want anything of them.
fn slow_period_ns(settings: &AddressSettings) -> Option<u64> {
    (settings.slow_consumer_threshold > 0).then(|| settings.slow_consumer_check_ms.saturating_mul(1_000_000))
}
