//! Consumers of queues that have rules for who is served, and with what: priorities, one consumer only, groups, selectors.
//!
//! Guarantees: those of a higher priority are asked first; who is not served gets nothing, and is told so when it drains; what a consumer
//! may not have stays for others. It is the long way of `Core::dispatch`, which queues without rules do not take.
//!
//! Not here: who is before whom (`queue::precedence`), and which message is for whom (`queue::picking`).

use engine_message::section::set_property;
use engine_message::value::Value;

use crate::consumer::show;
use crate::core::Core;
use crate::ends::{End, EndRole};
use crate::event::Shown;
use crate::holding::Again;
use crate::key::LinkKey;
use crate::message::{Content, Message};
use crate::queue::{Picked, Search, Served};
use crate::slab::Key;

/// What came of asking a consumer.
enum Asked {
    /// It was given this.
    Given(LinkKey, Shown),
    /// There is more to look at for it than fits into a turn.
    More,
    Nothing,
}

impl Core {
    /// Gives one message of a queue to a consumer as the queue's rules say, and tells draining ones when there is none.
    #[cold]
    pub(crate) fn dispatch_by_rules(&mut self, key: Key) -> Option<(LinkKey, Shown)> {
        let ends = &self.nodes.ends;
        let served = self.nodes.queues.get_mut(key)?.consumers.served(|end| ends.get(end).is_some());
        if let Some((link, shown)) = self.give_apart(key) {
            return Some((link, shown));
        }
        let mut more = false;
        match served {
            Served::Everybody => {
                let mut search = Search::default();
                while let Some(end) = self.nodes.queues.get_mut(key)?.consumers.next_by_rules(&mut search) {
                    match self.ask(key, end) {
                        Asked::Given(link, shown) => return Some((link, shown)),
                        Asked::More => more = true,
                        Asked::Nothing => {}
                    }
                }
            }
            Served::One(end) => {
                match self.ask(key, end) {
                    Asked::Given(link, shown) => return Some((link, shown)),
                    Asked::More => more = true,
                    Asked::Nothing => {}
                }
                self.drain_but(key, Some(end));
            }
            Served::Nobody => self.drain_but(key, None),
        }
        if more {
            self.turns.again.push(key);
        }
        let has_browsers = self.nodes.queues.get(key).is_some_and(|queue| !queue.consumers.browsers().is_empty());
        if has_browsers { self.browse(key) } else { None }
    }

    /// Gives a consumer what it holds from before, whoever else is served: nobody else can have that.
    fn give_apart(&mut self, key: Key) -> Option<(LinkKey, Shown)> {
        let consumers = &self.nodes.queues.get(key)?.consumers;
        if !consumers.has_apart() {
            return None;
        }
        let takers: Vec<Key> = consumers.listed_takers().collect();
        takers.into_iter().find_map(|end| match self.give_again(key, end) {
            Again::Given(link, shown) => Some((link, shown)),
            Again::Nothing | Again::Over => None,
        })
    }

    /// Gives a consumer the first message that it may have, if there is one.
    fn ask(&mut self, key: Key, end: Key) -> Asked {
        match self.give_again(key, end) {
            Again::Given(link, shown) => return Asked::Given(link, shown),
            Again::Nothing => return Asked::Nothing,
            Again::Over => {}
        }
        let sheds = self.memory.is_shed();
        let Some(queue) = self.nodes.queues.get_mut(key) else { return Asked::Nothing };
        let Some(End { link, role: EndRole::Consumer(consumer) }) = self.nodes.ends.get_mut(end) else {
            return Asked::Nothing;
        };
        let picks = queue.consumers.picking().is_some();
        // What is for others stays in memory: as much is read as may be there, so that it holds up the rest as late as can be; and what
        // the queue can go on with, however short memory is.
        let stays = if picks { self.memory.resident_bytes() } else { 0 };
        let read = || self.memory.fetch_below().max(stays);
        if queue.wants_fetch(read) {
            self.journal.fetch(queue);
        }
        let durable = self.journal.awaiting.durable();
        let picked = if consumer.credit == 0 {
            Picked::Nothing
        } else if picks {
            let address = self.nodes.addresses.get(queue.identity.address).map_or("", |address| &address.name);
            let choice = consumer.choice.as_deref();
            let chosen = |message: &Message| choice.is_none_or(|choice| choice.matches(address, message));
            queue.pick(end, durable, &mut consumer.looked, chosen)
        } else {
            queue.pop(end, durable).map_or(Picked::Nothing, Picked::Next)
        };
        let is_first = matches!(picked, Picked::First(_));
        match picked {
            Picked::Next(next) | Picked::First(next) => {
                consumer.credit -= 1;
                let bytes = next.bytes;
                queue.note_shown(next, consumer.settle, self.now.ns);
                let shown = show(queue, (key, end), consumer.settle, next);
                self.turns.note_shown(&shown, bytes, sheds);
                let link = *link;
                Asked::Given(link, if is_first { self.show_first(shown) } else { shown })
            }
            Picked::More => Asked::More,
            Picked::Nothing => {
                let comes = self.journal.will_give(queue, &self.memory) && (!picks || queue.is_reading());
                if consumer.credit == 0 || !comes {
                    consumer.drain(*link, &mut self.events);
                }
                Asked::Nothing
            }
        }
    }

    /// A message is the first of its group that a consumer is given: if its address has it say so, the consumer is shown one that does. What is in the queue
    /// stays as it came, for whoever has its group next.
    fn show_first(&mut self, shown: Shown) -> Shown {
        let Some(queue) = self.nodes.queues.get(shown.queue) else { return shown };
        let Some(address) = self.nodes.addresses.get(queue.identity.address) else { return shown };
        let key = &address.settings.group_first_key;
        let Some(message) = queue.entry(shown.entry).map(|entry| &entry.message) else { return shown };
        if key.is_empty() || message.content == Content::File {
            return shown;
        }
        let Ok(body) = set_property(&message.body, key, Value::Boolean(true)) else { return shown };
        self.turns.copy = Some(Message { body: body.into(), ..message.clone() });
        Shown { entry: Key::NOWHERE, ..shown }
    }

    /// Tells those that drain and are not served that there is nothing for them.
    fn drain_but(&mut self, key: Key, served: Option<Key>) {
        let Some(queue) = self.nodes.queues.get(key) else { return };
        for end in queue.consumers.listed_takers().filter(|&end| Some(end) != served) {
            if let Some(End { link, role: EndRole::Consumer(consumer) }) = self.nodes.ends.get_mut(end) {
                consumer.drain(*link, &mut self.events);
            }
        }
    }
}
