//! Ids by which producers say that messages are the same: one that came before at its address is known, and its message goes nowhere.
//!
//! Guarantees:
//! 1. An address knows the last ids of messages that it took (`ids`); so do addresses that nobody uses any more.
//! 2. An id of a message that outlives the node does as well: it is on stable storage with that.
//!
//! Not here: who asks (`routing`), and the octets on disk (`engine/ledger`).

use std::num::NonZeroU64;

use engine_message::Condition;

use crate::command::RoutingType;
use crate::core::Core;
use crate::event::Refusal;
use crate::fact::{Declared, Fact, IDS, Purpose};
use crate::ids::{DuplicateTotals, ResumedIds};
use crate::limits::{ID_BYTES_MAX, Storage};
use crate::message::Message;
use crate::routing::Heading;
use crate::slab::Key;

/// Whether an address, which knows so many ids at most, knows this one.
struct Asked {
    address: Box<str>,
    id: Vec<u8>,
    max: usize,
}

impl Core {
    /// What addresses know of ids.
    #[must_use]
    pub fn duplicates(&self) -> DuplicateTotals {
        self.nodes.duplicates.totals()
    }

    /// Puts a message into the queues that it is for, unless its id is known.
    #[cold]
    pub(crate) fn put_unique(&mut self, heading: Heading, message: Message) -> Result<u64, Box<Refusal>> {
        let message = Message { unique: false, ..message };
        let Some(Asked { address: name, id, max }) = self.id_of(heading.address, &message)? else {
            return self.put(heading, message);
        };
        if self.nodes.duplicates.knows(&name, &id) {
            self.nodes.duplicates.dropped += 1;
            return Ok(self.put_nowhere(&message));
        }
        let since = self.journal.outbox.begin_together();
        let put = self.put(heading, message);
        if let Ok(number) = put {
            let stored = (number > 0).then(|| self.note_id(&name, &id)).flatten();
            let forgotten = self.nodes.duplicates.insert(&name, &id, stored, max);
            self.forget_ids(forgotten);
        }
        self.journal.outbox.end_together(since);
        put
    }

    /// Whether an address knows the id of a message.
    ///
    /// # Errors
    /// When it does, or the id is none.
    pub(crate) fn check_id(&mut self, address: Key, message: &Message) -> Result<(), Box<Refusal>> {
        if !message.unique {
            return Ok(());
        }
        match self.id_of(address, message)? {
            Some(Asked { address, id, .. }) if self.nodes.duplicates.knows(&address, &id) => Err(Refusal::new(
                Condition::PreconditionFailed,
                format!("a message of that id came to {address} before"),
            )),
            _ => Ok(()),
        }
    }

    /// What is asked of an address for a message; nothing if it looks for no ids.
    fn id_of(&self, address: Key, message: &Message) -> Result<Option<Asked>, Box<Refusal>> {
        let Some(found) = self.nodes.addresses.get(address) else { return Ok(None) };
        let max = found.settings.duplicate_ids as usize;
        let Some(id) = message.id().filter(|_| max > 0) else { return Ok(None) };
        if id.len() > ID_BYTES_MAX {
            let text = format!("the property _AMQ_DUPL_ID has more than {ID_BYTES_MAX} octets");
            return Err(Refusal::new(Condition::InvalidField, text));
        }
        Ok(Some(Asked { address: found.name.clone(), id: id.to_vec(), max }))
    }

    /// An id goes to the journal; gives its name there.
    fn note_id(&mut self, address: &str, id: &[u8]) -> Option<NonZeroU64> {
        if self.config.storage == Storage::Memory {
            return None;
        }
        let queue = self.ids_queue();
        let number = self.journal.numbers.take(1);
        self.journal.outbox.push(Fact::Identified { number, queue, address: address.into(), id: id.into() });
        NonZeroU64::new(number)
    }

    fn forget_ids(&mut self, names: Vec<NonZeroU64>) {
        for name in names {
            let queue = self.ids_queue();
            self.acknowledge(queue, name.get());
        }
    }

    fn ids_queue(&mut self) -> u64 {
        if let Some(queue) = self.nodes.duplicates.queue {
            return queue;
        }
        let queue = self.declare_internal(IDS);
        self.nodes.duplicates.queue = Some(queue);
        queue
    }

    /// Makes a queue that is in the journal only: nobody consumes from it.
    pub(crate) fn declare_internal(&mut self, name: &str) -> u64 {
        let queue = self.journal.numbers.take_lasting_queue();
        let number = self.journal.numbers.take(1);
        let (address, name) = (name.to_owned(), name.to_owned());
        let (routing, purpose) = (RoutingType::Anycast, Purpose::OnDemand);
        let declared = Box::new(Declared { queue, routing, purpose, address, name, selector: None, no_local: None });
        self.journal.outbox.push(Fact::Declared { number, declared });
        queue
    }

    /// Goes on after a restart with the ids that the journal has.
    pub fn resume_ids(&mut self, resumed: ResumedIds) {
        for (name, address, id) in resumed.known {
            let max = self.config.catalogue.settings(&address).duplicate_ids as usize;
            let forgotten = match self.nodes.duplicates.knows(&address, &id) || max == 0 {
                true => vec![name],
                false => self.nodes.duplicates.insert(&address, &id, Some(name), max),
            };
            self.forget_ids(forgotten);
        }
        self.forget_ids(resumed.stale.into_iter().filter_map(NonZeroU64::new).collect());
    }
}
