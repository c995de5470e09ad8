//! Durable subscriptions that are found by their names alone: whoever comes back to one, or ends it, need not say which address it is of.
//!
//! Guarantees: an owner that does not have a subscription sends its search on to the next one, each once; the last one refuses it. A search costs
//! each owner one look into an index.
//!
//! Not here: how subscriptions are made (`attach`), and end (`collecting`).

use engine_catalogue::{NodeNumber, Owner, QUALIFIER};
use engine_message::Condition;

use crate::command::{Command, ConsumerSpec, Remembered};
use crate::core::Core;
use crate::event::{Event, Moved, Refusal};
use crate::key::LinkKey;

impl Core {
    /// Attaches a consumer to a subscription that is named and nothing else, or lets the next owner look for it.
    pub(crate) fn attach_remembered(&mut self, link: LinkKey, mut spec: Box<ConsumerSpec>) {
        let name = spec.subscription.as_ref().map(|subscription| subscription.queue_name()).unwrap_or_default();
        let found = self.nodes.subscription(&name).and_then(|key| self.nodes.queues.get(key));
        let address = found.and_then(|queue| self.nodes.addresses.get(queue.identity.address));
        if let Some(address) = address {
            spec.address = format!("{}{QUALIFIER}{name}", address.name);
            return self.attach_consumer(link, *spec);
        }
        let asked = spec.remembered.map_or(0, |search| search.asked) + 1;
        let shards = self.config.catalogue.placement().shards();
        let answer = if asked < shards {
            spec.remembered = Some(Remembered { asked });
            // No address changed hands by it.
            spec.moved = 0;
            let owner = Owner { node: NodeNumber::HERE, shard: (self.config.shard + 1) % shards, epoch: 0 };
            Event::Moved(Box::new(Moved { owner, command: Command::AttachConsumer { link, spec } }))
        } else {
            let text = format!("there is no durable subscription {name}");
            Event::Refused { refusal: Refusal::new(Condition::NotFound, text) }
        };
        self.events.push_back((link, answer));
    }
}
