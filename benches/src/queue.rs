//! One queue of the owner with one producer and one consumer.

use std::sync::Arc;

use engine_catalogue::{Catalogue, Layer};
use engine_core::Core;
use engine_core::command::{Command, ConsumerSpec, ProducerSpec, Settle, Settled};
use engine_core::event::Event;
use engine_core::key::{EndKey, LinkKey};
use engine_core::limits::{CoreConfig, Storage};
use engine_core::message::Message;

/// A catalogue by which the depth of a queue is nobody's reason to wait.
pub fn deep() -> Arc<Catalogue> {
    Arc::new(Catalogue::of_all(Layer { soft_messages: Some(1 << 20), ..Layer::default() }))
}

/// A queue and its two links.
pub struct Queue {
    core: Core,
    producer: EndKey,
    consumer: EndKey,
    settled: Settled,
}

impl Queue {
    /// A queue whose producer sends settled, and whose consumer gets settled, or not.
    pub fn new(settled: bool) -> Self {
        // As in a node with a journal, where each message is asked whether it goes there.
        let mut core = Core::new(CoreConfig { catalogue: deep(), storage: Storage::Journal, ..CoreConfig::default() });
        let link = |slot| LinkKey { shard: 0, generation: 0, slot };
        let spec = ProducerSpec::of("q");
        core.handle_command(0, 0, Command::AttachProducer { link: link(1), spec: Box::new(spec) });
        let spec =
            ConsumerSpec { settle: if settled { Settle::OnSend } else { Settle::ByPeer }, ..ConsumerSpec::of("q") };
        core.handle_command(0, 0, Command::AttachConsumer { link: link(2), spec: Box::new(spec) });
        let mut ends = std::iter::from_fn(|| core.poll_event()).filter_map(|(_, event)| match event {
            Event::Attached { end, .. } => Some(end),
            _ => None,
        });
        let (producer, consumer) = (ends.next().expect("attached"), ends.next().expect("attached"));
        drop(ends);
        Self { core, producer, consumer, settled: if settled { Settled::Yes } else { Settled::No } }
    }

    /// Gives the consumer credit.
    pub fn grant(&mut self, credit: u32) {
        self.core.handle_command(0, 0, Command::Grant { end: self.consumer, credit });
    }

    /// Puts a message in.
    #[inline]
    pub fn deliver(&mut self, delivery: u32, message: Message) {
        self.core.handle_deliver(0, 0, self.producer, delivery, self.settled, message);
    }

    /// Takes messages out as far as credit goes.
    #[inline]
    pub fn dispatch(&mut self, mut give: impl FnMut(u64, &Message)) {
        while let Some((_, delivery)) = self.core.poll_delivery() {
            give(delivery.key, self.core.message(&delivery));
        }
    }

    /// Accepts a delivery.
    #[inline]
    pub fn settle(&mut self, key: u64) {
        self.core.handle_accepted(self.consumer, key);
    }

    /// Tells what became of the producer's deliveries.
    pub fn outcomes(&mut self, mut tell: impl FnMut(u32, u32)) {
        while let Some((_, event)) = self.core.poll_event() {
            if let Event::Settled { first, last, .. } = event {
                tell(first, last);
            }
        }
    }
}
