//! What the owner shows of itself: its queues, page by page, and the table of their figures.
//!
//! A figure of a queue is declared here, in its view and in one row of `QUEUE_FIGURES`, and nowhere else.

use engine_figures::{Figure, Figures, Fill, Label, Page, Range, Unit, Value};

use crate::command::RoutingType;
use crate::core::Core;
use crate::queue::{Kind, Latencies, Queue, Totals};

/// A queue, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// Its address.
    pub address: String,
    /// Its name.
    pub name: String,
    /// How it gets its messages.
    pub routing: RoutingType,
    /// Messages, held ones too.
    pub messages: u64,
    /// Their size with overhead, octets.
    pub bytes: u64,
    /// Messages that are on disk only.
    pub paged: u64,
    /// Messages that consumers hold.
    pub acquired: u64,
    /// Messages that are to go to another address.
    pub forwarding: u64,
    /// Messages that wait for a time: their own, or until they are delivered again.
    pub delayed: u64,
    /// Groups of messages that have a consumer.
    pub groups: u64,
    /// Whether it gives nothing to consumers.
    pub paused: bool,
    /// Links that send to its address.
    pub producers: u64,
    /// Links that receive from it.
    pub consumers: u64,
    /// Since it was made.
    pub totals: Totals,
    /// How long its messages took from stage to stage.
    pub latencies: Latencies,
}

type QueueLabel = Label<QueueView>;
type QueueFigure = Figure<QueueView>;

/// What is told of a queue.
pub const QUEUE_FIGURES: Figures<QueueView> = Figures {
    thing: "queue",
    labels: &[
        QueueLabel::new("address", |queue| Value::Text(&queue.address)),
        QueueLabel::new("name", |queue| Value::Text(&queue.name)).labelled("queue").column("queue", Fill::Name),
        QueueLabel::new("routing", |queue| match queue.routing {
            RoutingType::Anycast => Value::Text("anycast"),
            RoutingType::Multicast => Value::Text("multicast"),
        })
        .unlabelled()
        .column("routing", Fill::Word),
    ],
    figures: &[
        QueueFigure::gauge("messages", "Messages in a queue, held ones too.", Unit::Count, |q| {
            Value::Count(q.messages)
        })
        .metric("heddle_queue_messages")
        .column("messages")
        .artemis("messageCount"),
        QueueFigure::gauge("bytes", "Size of a queue's messages with overhead.", Unit::Bytes, |q| {
            Value::Count(q.bytes)
        })
        .metric("heddle_queue_bytes")
        .column("size")
        .artemis("persistentSize"),
        QueueFigure::gauge("paged", "Messages of a queue that are on disk only.", Unit::Count, |q| {
            Value::Count(q.paged)
        })
        .metric("heddle_queue_paged"),
        QueueFigure::gauge("acquired", "Messages that consumers hold.", Unit::Count, |q| Value::Count(q.acquired))
            .metric("heddle_queue_acquired")
            .column("held")
            .artemis("deliveringCount"),
        QueueFigure::gauge("forwarding", "Messages that are on their way to another address.", Unit::Count, |q| {
            Value::Count(q.forwarding)
        })
        .metric("heddle_queue_forwarding"),
        QueueFigure::gauge("delayed", "Messages that wait for a time: their own, or until they are delivered again.", Unit::Count, |q| {
            Value::Count(q.delayed)
        })
        .metric("heddle_queue_delayed")
        .artemis("scheduledCount"),
        QueueFigure::gauge("groups", "Groups of messages that have a consumer.", Unit::Count, |q| {
            Value::Count(q.groups)
        })
        .metric("heddle_queue_groups")
        .artemis("groupCount"),
        QueueFigure::gauge("is_paused", "Whether a queue is paused: it takes messages and gives none.", Unit::Flag, |q| {
            Value::Flag(q.paused)
        })
        .metric("heddle_queue_is_paused"),
        QueueFigure::gauge("producers", "Links that send to the queue's address.", Unit::Count, |q| {
            Value::Count(q.producers)
        })
        .metric("heddle_queue_producers")
        .column("producers"),
        QueueFigure::gauge("consumers", "Links that receive from the queue.", Unit::Count, |q| {
            Value::Count(q.consumers)
        })
        .metric("heddle_queue_consumers")
        .column("consumers")
        .artemis("consumerCount"),
        QueueFigure::counter("enqueued", "Messages put into a queue.", Unit::Count, |q| {
            Value::Count(q.totals.enqueued)
        })
        .metric("heddle_queue_enqueued_total")
        .rate("in/s")
        .artemis("messagesAdded"),
        QueueFigure::counter("acknowledged", "Messages accepted by consumers.", Unit::Count, |q| {
            Value::Count(q.totals.acknowledged)
        })
        .metric("heddle_queue_acknowledged_total")
        .rate("out/s")
        .artemis("messagesAcknowledged"),
        QueueFigure::counter("expired", "Messages that outlived their time to live.", Unit::Count, |q| {
            Value::Count(q.totals.expired)
        })
        .metric("heddle_queue_expired_total")
        .artemis("messagesExpired"),
        QueueFigure::counter("rejected", "Messages rejected by consumers.", Unit::Count, |q| {
            Value::Count(q.totals.rejected)
        })
        .metric("heddle_queue_rejected_total"),
        QueueFigure::counter(
            "exhausted",
            "Messages whose delivery failed as often as it may (max_delivery_attempts).",
            Unit::Count,
            |q| Value::Count(q.totals.exhausted),
        )
        .metric("heddle_queue_exhausted_total"),
        QueueFigure::counter(
            "forwarded",
            "Messages that were rejected, expired or failed too often, or that somebody moved, and that went to another address.",
            Unit::Count,
            |q| Value::Count(q.totals.forwarded),
        )
        .metric("heddle_queue_forwarded_total"),
        QueueFigure::counter(
            "turned_back",
            "How often such a message was refused where it was to go; it stays, and is tried again.",
            Unit::Count,
            |q| Value::Count(q.totals.turned_back),
        )
        .metric("heddle_queue_turned_back_total"),
        QueueFigure::counter(
            "dropped",
            "Messages that were accepted and dropped: for newer ones (`ring_size`, `last_value_key`), for want of room (`when_full`), without consumers, or disabled.",
            Unit::Count,
            |q| Value::Count(q.totals.dropped),
        )
        .metric("heddle_queue_dropped_total"),
        QueueFigure::counter(
            "slow_consumers",
            "How often a consumer was found to be slow (`slow_consumer_threshold`).",
            Unit::Count,
            |q| Value::Count(q.totals.slow),
        )
        .metric("heddle_queue_slow_consumers_total"),
        QueueFigure::spread("durable_latency", "From a durable message's arrival until the journal has it on stable storage.", |q| {
            Value::of(q.latencies.durable.as_ref())
        })
        .metric("heddle_queue_durable_seconds")
        .column("durable p99"),
        QueueFigure::spread("dispatch_latency", "From a message's arrival until a consumer is given it for the first time.", |q| {
            Value::of(q.latencies.dispatch.as_ref())
        })
        .metric("heddle_queue_dispatch_seconds")
        .column("wait p99"),
        QueueFigure::spread("settle_latency", "From when a consumer is given a message until it accepts or rejects it.", |q| {
            Value::of(q.latencies.settle.as_ref())
        })
        .metric("heddle_queue_settle_seconds")
        .column("settle p99"),
    ],
};

impl Core {
    /// A part of the queues, by how their names begin: bounded work (`engine_figures::page`).
    #[must_use]
    pub fn queue_page(&self, range: &Range) -> Page<QueueView> {
        let places = self.nodes.queues.places(range.from);
        // Another one may have the name of a queue that was deleted.
        let places = places.map(|(place, queue)| (place, queue.filter(|queue| queue.identity.kind != Kind::Ending)));
        engine_figures::page(places, range, |queue| &queue.identity.name, |_| 0, |queue| self.queue_view(queue))
    }

    /// All queues, as many as there are: for tests and tools, not for a shard that serves.
    pub fn queue_views(&self) -> impl Iterator<Item = QueueView> {
        self.nodes.queues.iter().map(|(_, queue)| self.queue_view(queue))
    }

    fn queue_view(&self, queue: &Queue) -> QueueView {
        let address = self.nodes.addresses.get(queue.identity.address);
        QueueView {
            address: address.map(|address| &*address.name).or(queue.origin()).unwrap_or_default().to_owned(),
            name: queue.identity.name.to_string(),
            routing: queue.identity.routing,
            messages: queue.messages(),
            bytes: queue.all_bytes(),
            paged: queue.paged(),
            acquired: queue.acquired(),
            forwarding: queue.departing() as u64,
            delayed: queue.delayed() as u64,
            groups: queue.groups() as u64,
            paused: queue.consumers.is_paused(),
            producers: address.map_or(0, |address| address.producers.len() as u64),
            consumers: queue.consumers.len() as u64,
            totals: queue.totals(),
            latencies: queue.latencies(),
        }
    }

    /// Size of all messages with overhead, octets.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory.used()
    }

    /// Whether a consumer holds the delivery of a key.
    #[cfg(test)]
    pub(crate) fn holds(&self, end: crate::key::EndKey, key: u64) -> bool {
        let end = crate::ends::key(end);
        self.nodes.queues.iter().any(|(_, queue)| queue.holds(end, key))
    }

    /// Queues that were deleted and forward what they have to, and messages that went with such a queue as there were too many.
    #[must_use]
    pub fn ended_queues(&self) -> (usize, u64) {
        (self.nodes.endings(), self.flights.dropped())
    }

    /// Link ends, queues.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.nodes.ends.len(), self.nodes.queues.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use engine_figures::PAGE_ROWS_MAX;

    use super::*;
    use crate::command::{Command, DetachMode, ProducerSpec};
    use crate::event::Event;
    use crate::key::{EndKey, LinkKey};
    use crate::limits::CoreConfig;

    #[test]
    fn figures_of_queues_keep_the_rules() {
        QUEUE_FIGURES.check();
    }

    /// Attaches a producer, which makes the queue.
    fn attach(core: &mut Core, slot: u32, address: &str) -> EndKey {
        let link = LinkKey { shard: 0, generation: 0, slot };
        let spec = ProducerSpec::of(address);
        core.handle_command(1, 1, Command::AttachProducer { link, spec: Box::new(spec) });
        let attached = std::iter::from_fn(|| core.poll_event()).find_map(|(_, event)| match event {
            Event::Attached { end, .. } => Some(end),
            _ => None,
        });
        attached.expect("it is attached")
    }

    #[test]
    fn a_hundred_thousand_queues_are_told_page_by_page() {
        let mut core = Core::new(CoreConfig::default());
        (0..100_000).for_each(|n| {
            attach(&mut core, n, &format!("queue-{n}"));
        });
        let (mut names, mut from) = (BTreeSet::new(), Some(0));
        while let Some(place) = from {
            let page = core.queue_page(&Range { from: place, rows: usize::MAX, prefix: String::new() });
            assert!(page.rows.len() <= PAGE_ROWS_MAX);
            names.extend(page.rows.into_iter().map(|queue| queue.name));
            from = page.next;
        }
        assert_eq!(names.len(), 100_000);
        let few = core.queue_page(&Range { from: 0, rows: 10, prefix: "queue-99".to_owned() });
        assert_eq!(few.rows.len(), 10);
        assert!(few.rows.iter().all(|queue| queue.name.starts_with("queue-99") && queue.producers == 1));
    }

    #[test]
    fn queues_that_stay_are_told_once_while_others_come_and_go() {
        let mut core = Core::new(CoreConfig::default());
        let stays = |n: u32| !n.is_multiple_of(3);
        let name = |n: u32| if stays(n) { format!("stays-{n}") } else { format!("goes-{n}") };
        let ends: Vec<EndKey> = (0..3000).map(|n| attach(&mut core, n, &name(n))).collect();
        let mut going: Vec<u32> = (0..3000).filter(|&n| !stays(n)).collect();
        let (mut told, mut from, mut slot) = (Vec::new(), Some(0), 3000);
        while let Some(place) = from {
            let page = core.queue_page(&Range { from: place, rows: 100, prefix: "stays".to_owned() });
            told.extend(page.rows.into_iter().map(|queue| queue.name));
            from = page.next;
            // From both ends some go, and others come into their places.
            for n in [going.pop(), going.first().copied()].into_iter().flatten() {
                core.handle_command(1, 1, Command::Detach { end: ends[n as usize], mode: DetachMode::Close });
                going.retain(|other| *other != n);
                attach(&mut core, slot, &format!("came-{slot}"));
                slot += 1;
            }
        }
        let all: BTreeSet<String> = (0..3000).filter(|&n| stays(n)).map(name).collect();
        assert_eq!(told.len(), all.len(), "each once");
        assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), all);
    }
}
