//! Browsers: links that are shown what a queue has, and leave it there.
//!
//! Guarantees: a browser is shown every message that waits when its cursor comes to it, in order; one that drains is told that there is
//! nothing more when its cursor is behind all that waits, in memory or not. Consumers come first. What has expired is shown to nobody, and what is
//! not on stable storage yet, if it is to be, not before it is.
//!
//! Not here: where a cursor is, and what it keeps (`cursor`).

use std::num::NonZeroU64;

use engine_message::Condition;

use crate::command::{Mode, Start};
use crate::core::Core;
use crate::cursor::Cursor;
use crate::ends::{Consumer, End, EndRole, end_key, key};
use crate::event::{KEY_NONE, Refusal, Shown};
use crate::exchange::Browse;
use crate::key::LinkKey;
use crate::limits::{PICKS_MAX, Storage};
use crate::message::Message;
use crate::position::{position, told};
use crate::queue::{Entry, Found};
use crate::slab::Key;

/// What became of the next message of a browser.
enum Looked {
    /// It is shown.
    Shown(LinkKey, Shown),
    /// The browser does not want it.
    Passed,
}

impl Core {
    /// The cursor of a link that looks at a queue, where it begins; `None` for one that takes messages.
    ///
    /// # Errors
    /// When the link asks for a position, and messages of the queue have none that stays, or for a time, and they do not say when they came.
    pub(crate) fn cursor_at(
        &self,
        key: Key,
        mode: Mode,
        start: Option<Start>,
    ) -> Result<Option<Box<Cursor>>, Box<Refusal>> {
        let Some(queue) = self.nodes.queues.get(key).filter(|_| mode == Mode::Browse) else { return Ok(None) };
        let is_kept = self.config.storage == Storage::Journal && queue.is_lasting();
        if matches!(start, Some(Start::Position(_))) && !is_kept {
            let text = format!(
                "messages of the queue {} have no positions: they do not outlive the node",
                queue.identity.name
            );
            return Err(Refusal::new(Condition::NotImplemented, text));
        }
        let address = self.nodes.addresses.get(queue.identity.address);
        if matches!(start, Some(Start::Time(_))) && !address.is_some_and(|of| of.settings.ingress_timestamp) {
            let text = format!(
                "messages of the queue {} do not say when they came: set ingress_timestamp = true for its address, or name a position",
                queue.identity.name
            );
            return Err(Refusal::new(Condition::NotImplemented, text));
        }
        let Some(start) = start else { return Ok(Some(Box::default())) };
        Ok(Some(Box::new(match start {
            Start::First => Cursor::replaying(0, 0),
            Start::Last => Cursor::replaying(queue.horizon().saturating_sub(1), 0),
            Start::Next => Cursor::replaying(queue.horizon(), 0),
            Start::Position(least) => Cursor::replaying(0, least),
            Start::Time(wall_ms) => Cursor::replaying_since(wall_ms),
        })))
    }

    /// Shows one message of a queue to a browser, and tells draining ones when there is none.
    pub(crate) fn browse(&mut self, key: Key) -> Option<(LinkKey, Shown)> {
        self.turns.copy = None;
        let count = self.nodes.queues.get(key)?.consumers.browsers().len();
        for place in (0..count).rev() {
            let end = *self.nodes.queues.get(key)?.consumers.browsers().get(place)?;
            if let Some(shown) = self.show(key, end) {
                return Some(shown);
            }
        }
        None
    }

    /// Shows the next message to one browser.
    fn show(&mut self, key: Key, end: Key) -> Option<(LinkKey, Shown)> {
        for _ in 0..PICKS_MAX {
            self.shed_passed(key, end);
            match self.show_next(key, end)? {
                Looked::Shown(link, shown) => return Some((link, shown)),
                Looked::Passed => {}
            }
        }
        self.turns.again.push(key);
        None
    }

    /// Shows the next message to one browser, or passes it over if that does not want it.
    fn show_next(&mut self, key: Key, end: Key) -> Option<Looked> {
        let queue = self.nodes.queues.get_mut(key)?;
        let End { link, role: EndRole::Consumer(consumer) } = self.nodes.ends.get_mut(end)? else { return None };
        let Consumer { cursor: Some(cursor), credit, choice, .. } = consumer else { return None };
        let address = self.nodes.addresses.get(queue.identity.address).map_or("", |address| &address.name);
        let wants = |message: &Message| choice.as_ref().is_none_or(|choice| choice.matches(address, message));
        let durable = self.journal.awaiting.durable();
        let found = if *credit > 0 { queue.browse(cursor.next()) } else { Found::End };
        let (entry, bytes) = match found {
            Found::Here { entry, .. } if queue.blocks(entry, durable) => return None,
            Found::Here { entry, sequence } => {
                cursor.pass(sequence);
                let Entry { message, stored, .. } = queue.entry(entry)?;
                let position = position(*stored, message);
                if !cursor.reaches(position, message) || !wants(message) {
                    return Some(Looked::Passed);
                }
                match position.filter(|_| cursor.replays()).and_then(|position| told(message, position)) {
                    Some(copy) => {
                        let bytes = copy.size();
                        self.turns.copy = Some(copy);
                        (Key::NOWHERE, bytes)
                    }
                    None => (entry, message.size()),
                }
            }
            Found::Behind { sequence, .. } => {
                let wall_ms = self.now.wall_ms;
                let Some((passed, name, message)) = cursor.take_living(sequence, wall_ms) else {
                    if cursor.ask() {
                        self.cursors.asking.push_back(end);
                    }
                    return None;
                };
                cursor.pass(passed);
                let waits = message.not_before_ms().is_some_and(|at_ms| at_ms.get() > wall_ms);
                let position = position(NonZeroU64::new(name), &message);
                if !cursor.reaches(position, &message) || waits || !wants(&message) {
                    return Some(Looked::Passed);
                }
                let copy = position.filter(|_| cursor.replays()).and_then(|position| told(&message, position));
                let bytes = message.size();
                self.turns.copy = Some(copy.unwrap_or(message));
                (Key::NOWHERE, bytes)
            }
            Found::Coming => {
                self.journal.will_give(queue, &self.memory);
                return None;
            }
            Found::End => {
                consumer.drain(*link, &mut self.events);
                return None;
            }
        };
        *credit -= 1;
        self.turns.quantum = self.turns.quantum.saturating_sub(bytes);
        Some(Looked::Shown(*link, Shown { key: KEY_NONE, queue: key, entry }))
    }

    /// While memory is short, what came back and was read again for a cursor leaves it again when the cursor has passed.
    fn shed_passed(&mut self, key: Key, end: Key) {
        let Some(End { role: EndRole::Consumer(consumer), .. }) = self.nodes.ends.get_mut(end) else { return };
        let passed = consumer.cursor.as_mut().and_then(|cursor| cursor.take_passed());
        if let Some(sequence) = passed.filter(|_| self.memory.is_shed())
            && let Some(queue) = self.nodes.queues.get_mut(key)
        {
            let left = queue.shed_returned(sequence);
            self.apply(key, left);
        }
    }

    fn cursor(&mut self, end: Key) -> Option<(Key, &mut Cursor)> {
        let End { role: EndRole::Consumer(consumer), .. } = self.nodes.ends.get_mut(end)? else { return None };
        Some((consumer.queue, consumer.cursor.as_mut()?))
    }

    /// The next wish of a cursor for messages that the journal alone has. It is to be done, or postponed, before the journal gives
    /// anything else: then `skip` is what it says.
    pub(crate) fn poll_browse(&mut self) -> Option<Browse> {
        if self.cursors.asking.is_empty() || !self.has_cursor_room() {
            return None;
        }
        while let Some(end) = self.cursors.asking.pop_front() {
            let Some((key, cursor)) = self.cursor(end) else { continue };
            let (from, least) = (cursor.next(), cursor.least());
            let Some(queue) = self.nodes.queues.get_mut(key) else { continue };
            if let Found::Behind { sequence, skip } = queue.browse(from)
                && let Some(queue) = queue.number()
            {
                return Some(Browse { queue, cursor: end_key(end), sequence, skip, least });
            }
            // It came into memory, or left, meanwhile.
            if let Some((_, cursor)) = self.cursor(end) {
                cursor.end_read();
            }
            self.touch(key);
        }
        None
    }

    /// Whether something may be read for a cursor. Those that do not go on make room.
    fn has_cursor_room(&mut self) -> bool {
        let mut reading = std::mem::take(&mut self.cursors.reading);
        let mut bytes = 0;
        reading.retain(|&end| {
            let kept = self.cursor(end).map_or(0, |(_, cursor)| cursor.bytes());
            bytes += kept;
            kept > 0
        });
        let max = self.memory.cursor_bytes();
        if bytes >= max {
            for &end in &reading {
                let Some(End { role: EndRole::Consumer(consumer), .. }) = self.nodes.ends.get_mut(end) else {
                    continue;
                };
                let Some(cursor) = consumer.cursor.as_mut().filter(|_| consumer.credit == 0) else { continue };
                bytes -= cursor.bytes();
                cursor.forget_ahead();
            }
        }
        self.cursors.reading = reading;
        bytes < max
    }

    /// What a cursor wants is not on stable storage yet.
    pub(crate) fn postpone_browse(&mut self, browse: &Browse) {
        self.cursors.asking.push_front(key(browse.cursor));
    }

    /// What was read for a cursor: the message that it wants, and those behind it. They keep so many octets in memory.
    pub(crate) fn handle_browsed(&mut self, browse: &Browse, messages: Vec<(u64, Message)>, bytes: u64) {
        let end = key(browse.cursor);
        let Some((queue, cursor)) = self.cursor(end) else { return };
        cursor.handle_read(browse.sequence, messages.into(), bytes);
        self.cursors.reading.push(end);
        self.touch(queue);
    }
}
