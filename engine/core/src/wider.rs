//! What is sent to an address, and whose subscriptions to patterns get it.
//!
//! Guarantees:
//! 1. Each address has a list of the others whose multicast queues get what is sent to it: of patterns that it matches. It is made when
//!    the address comes into being, and again by a pass over all addresses when a pattern comes or goes; no pattern is looked at for a message.
//! 2. An address that no pattern matches is not touched by any: its messages go as they would without patterns.
//! 3. A message is put into all queues that it is for, those of patterns too, or into none.
//!
//! A pattern is an address. On the shard that owns it its subscriptions are its queues, which get what is sent to addresses of that shard at
//! once; on the others it has one queue, which leads there.
//!
//! Not here: which patterns there are (`patterns`), and how shards hear of them (`spreading`).

use crate::address::Diverting;
use crate::command::RoutingType;
use crate::core::Core;
use crate::diverts::Diverted;
use crate::ends::Route;
use crate::event::Refusal;
use crate::limits::REFRESH_MAX;
use crate::message::Message;
use crate::patterns::Asking;
use crate::routing::{Heading, Turn};
use crate::slab::Key;

/// Queues that get a message, but for the one of those of anycast whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Recipients {
    pub queues: Vec<Key>,
    /// Whether an anycast queue of the address gets it, too.
    pub anycast: bool,
}

impl Core {
    /// All queues that get a message at an address that has diverts, or that patterns match, but for the anycast one whose turn it is.
    pub(crate) fn beside(&self, heading: Heading, message: &Message) -> Result<Recipients, Box<Refusal>> {
        let Diverted { mut queues, is_exclusive } = self.diverted(heading.address, message)?;
        if is_exclusive {
            return Ok(Recipients { queues, anycast: false });
        }
        let (anycast, multicast) = match heading.route {
            Route::All => (true, true),
            Route::Typed(routing) => (routing == RoutingType::Anycast, routing == RoutingType::Multicast),
            Route::Queue(_) => (false, false),
        };
        if multicast {
            let beside = self.nodes.addresses.get(heading.address).map_or(&[][..], |address| address.queues.diverts());
            queues.extend(beside.iter().filter(|(_, how)| *how == Diverting::Multicast).map(|(key, _)| *key));
            self.add_multicast(heading, message, &mut queues)?;
            let wider = self.nodes.addresses.get(heading.address).map_or(&[][..], |address| address.queues.wider());
            for &address in wider {
                let Diverted { queues: diverted, is_exclusive } = self.diverted(address, message)?;
                queues.extend(diverted);
                if !is_exclusive {
                    self.add_multicast(Heading { address, ..heading }, message, &mut queues)?;
                }
            }
        }
        Ok(Recipients { queues, anycast })
    }

    /// Puts a message into the queues of an address that has diverts, or that patterns match, and into theirs.
    #[cold]
    pub(crate) fn put_beside(&mut self, heading: Heading, message: Message) -> Result<u64, Box<Refusal>> {
        let Recipients { queues, anycast } = self.beside(heading, &message)?;
        // What one of them would refuse is refused before it is an anycast queue's turn.
        for &queue in &queues {
            self.admit(queue, &message)?;
        }
        let turn = if anycast { self.take_turn(heading.address, heading.origin, &message)? } else { Turn::Nobodys };
        if turn == Turn::Nobodys && !self.has_any(&queues) {
            return self.put_unrouted(heading.address, message);
        }
        self.put_each(&queues, turn.queue(), message)
    }

    /// The queues of multicast of one address that get a message.
    fn add_multicast(&self, heading: Heading, message: &Message, queues: &mut Vec<Key>) -> Result<(), Box<Refusal>> {
        let Heading { address, origin, .. } = heading;
        match self.chosen(address, origin, message)? {
            Some(chosen) => queues.extend(chosen),
            None => {
                let listed = self.nodes.addresses.get(address).map(|of| of.queues.listed(RoutingType::Multicast));
                let lives = |key: &&Key| self.nodes.queues.get(**key).is_some();
                queues.extend(listed.unwrap_or_default().iter().filter(lives));
            }
        }
        Ok(())
    }

    /// Brings addresses to the patterns that are known, as many as a turn looks at.
    pub(crate) fn link_wider(&mut self) {
        let mut left = REFRESH_MAX;
        while left > 0
            && let Some(from) = self.nodes.patterns.begin_pass()
        {
            let stretch = self.nodes.addresses.keys(from, &mut left);
            stretch.living.into_iter().for_each(|key| self.nodes.link_wider(key));
            for Asking { shard, pattern, round } in self.nodes.patterns.pass_on(stretch.next) {
                self.tell_known(shard, pattern, round);
            }
        }
    }
}
