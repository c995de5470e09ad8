//! What somebody who manages a queue does with messages of it: a step of such work, as much as a turn may.
//!
//! Whoever asks keeps how far the work is ([`Mark`]) and asks again until it is done: an owner keeps nothing of it, so that it may be given
//! up at any time, and any number of them be under way.
//!
//! Guarantees:
//! 1. A step looks at `MANAGED_MAX` messages at most. The work reaches every message that waits when it begins, in memory or in the journal
//!    only, and none that comes later. What consumers hold, and what waits for a time, is not touched.
//! 2. What has to be read is read a little at a time, and leaves memory again when it was looked at and stays; its name is kept.
//! 3. It is done when what it did is durable, and what it moved is safe where it went, or back (`Progress::came_back`). A message that
//!    moves is always at one of the two; a copy that is refused is not made up for.
//!
//! Not here: how one message leaves (`queue::managing`), which shard has the queue, and who may do that.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use engine_catalogue::base;
use engine_message::Condition;

use crate::choice::Choice;
use crate::command::Publish;
use crate::core::Core;
use crate::deleting::Force;
use crate::flights::Flight;
use crate::forwarding::Forward;
use crate::hop;
use crate::limits::{DEPARTING_MAX, MANAGED_AWAY_MAX, MANAGED_MAX, NAME_BYTES_MAX};
use crate::queue::{Cause, Found, Left, Moved, Parting};
use crate::refusal::Refusal;
use crate::slab::Key;

/// What is done with each message that is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It leaves for good.
    Remove,
    /// It expires, whatever its time to live.
    Expire,
    /// It goes to the dead-letter address of the queue's address.
    DeadLetter,
    /// It goes to an address, or to `address::queue`.
    Move(Arc<str>),
    /// It goes back to where it came from first; one that came from nowhere stays.
    Retry,
    /// It stays, and a copy of it goes to an address, or to `address::queue`.
    Copy(Arc<str>),
    /// The queue itself is deleted, with all of its messages.
    Delete(Force),
}

/// What is to be done with messages of one queue, and how far that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The queue's address.
    pub address: String,
    /// Its name.
    pub queue: String,
    /// The condition (JMS 3.8.1) on messages; without one all are chosen.
    pub selector: Option<String>,
    /// What is done.
    pub action: Action,
    /// To how many messages at most.
    pub most: u64,
    /// Where the last step ended.
    pub from: Option<Mark>,
}

/// How far such work is. It holds for the queue that it was made for: when that is gone, so is the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    queue: Key,
    /// The number of the next message.
    next: u64,
    /// The number behind the last one.
    until: u64,
    /// Messages that had been refused before.
    withdrawn: u64,
    /// The fact that has to be durable before the work is done; 0 while it is not known.
    fact: u64,
}

/// What a step did.
#[derive(Debug)]
pub struct Progress {
    /// Messages that it looked at.
    pub looked: u64,
    /// Messages that it did something with.
    pub done: u64,
    /// Messages of the queue that were moved or copied since the work began, and refused where they were to go: they stay.
    pub came_back: u64,
    /// Copies, which whoever drives the owner has published, as what `poll_forward` gives.
    pub copies: Vec<Forward>,
    /// How the work goes on.
    pub onward: Onward,
}

/// How work on messages goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onward {
    /// There is more to do, from there on.
    More(Mark),
    /// The same, when the disk or another shard went on.
    Later(Mark),
    /// It is done.
    Done,
}

/// What becomes of the next message.
enum Next {
    /// It is this one.
    Message(Key, u64),
    /// It comes later.
    Later,
    /// There is none.
    None,
}

impl Core {
    /// Does a step of work on the messages of a queue of this owner.
    ///
    /// # Errors
    /// `amqp:not-found` without such a queue when the work begins, `amqp:invalid-field` for a selector or a target that is none,
    /// `amqp:precondition-failed` if there is no dead-letter address or the queue is not to be deleted, `amqp:resource-limit-exceeded` if too many
    /// messages were read that stay.
    pub fn manage(&mut self, task: &Task) -> Result<Progress, Box<Refusal>> {
        let address = self.nodes.address(&task.address);
        let key = address.and_then(|address| self.nodes.find(address, &task.queue));
        let (address, key) = match (address, key, task.from) {
            (Some(address), Some(key), from) if from.is_none_or(|mark| mark.queue == key) => (address, key),
            // With its last message it went itself: nothing that the work was about waits any more.
            (_, _, Some(mark)) => return Ok(Progress::then(self.settle_down(mark))),
            _ => {
                let text = format!("there is no queue {}::{}", task.address, task.queue);
                return Err(Refusal::new(Condition::NotFound, text));
            }
        };
        if let Action::Delete(force) = task.action {
            return self.delete_managed(key, force, task);
        }
        let choice = task.selector.as_deref().map(Choice::new).transpose()?;
        let everywhere = self.everywhere(address, task)?;
        let (until, withdrawn) =
            self.nodes.queues.get(key).map_or((0, 0), |queue| (queue.horizon(), queue.withdrawn()));
        let mark = task.from.unwrap_or(Mark { queue: key, next: 0, until, withdrawn, fact: 0 });
        let mut work = Work { key, mark, progress: Progress::then(Onward::Done) };
        let found = self.work(&mut work, task, choice.as_ref(), everywhere.as_ref())?;
        let Work { mut mark, mut progress, .. } = work;
        progress.onward = match found {
            Next::Message(..) => Onward::More(mark),
            Next::Later => Onward::Later(mark),
            Next::None => {
                mark.next = mark.until;
                self.finish(key, mark)
            }
        };
        let withdrawn = self.nodes.queues.get(key).map_or(0, |queue| queue.withdrawn());
        progress.came_back = withdrawn.saturating_sub(mark.withdrawn);
        self.note_departures(key);
        self.touch(key);
        Ok(progress)
    }

    /// Where all chosen messages go, if they go to one place.
    fn everywhere(&self, address: Key, task: &Task) -> Result<Option<Moved>, Box<Refusal>> {
        let invalid = |text: String| Refusal::new(Condition::InvalidField, text);
        let (target, reason) = match &task.action {
            Action::Remove | Action::Expire | Action::Retry | Action::Delete(_) => return Ok(None),
            Action::Move(target) => (Arc::clone(target), "moved"),
            Action::Copy(target) => (Arc::clone(target), "copied"),
            Action::DeadLetter => {
                let settings = self.nodes.addresses.get(address).map(|address| &address.settings);
                let target = settings.map_or("", |settings| &settings.dead_letter_address);
                if target.is_empty() || base(target) == task.address {
                    let text = format!(
                        "the address {} has no dead_letter_address: set one, or move the messages to where they are to go",
                        task.address
                    );
                    return Err(Refusal::new(Condition::PreconditionFailed, text));
                }
                (target.into(), "dead-lettered")
            }
        };
        if base(&target).is_empty() || target.len() > 2 * NAME_BYTES_MAX {
            return Err(invalid(format!("messages cannot go to an address of 0 or more than {NAME_BYTES_MAX} bytes")));
        }
        let own = format!("{}::{}", task.address, task.queue);
        if *target == own || *target == *task.address {
            return Err(invalid(format!(
                "messages of {own} are there already: name another address, or address::queue"
            )));
        }
        Ok(Some(Moved { target, reason }))
    }

    /// Goes through messages; gives what the last one that it looked for was.
    fn work(
        &mut self,
        work: &mut Work,
        task: &Task,
        choice: Option<&Choice>,
        everywhere: Option<&Moved>,
    ) -> Result<Next, Box<Refusal>> {
        loop {
            if work.progress.done >= task.most {
                return Ok(Next::None);
            }
            let next = self.next_managed(work.key, work.mark)?;
            let Next::Message(entry, sequence) = next else { return Ok(next) };
            if work.progress.looked >= MANAGED_MAX {
                return Ok(next);
            }
            let chosen = self
                .nodes
                .queues
                .get(work.key)
                .and_then(|queue| queue.entry(entry))
                .is_some_and(|entry| choice.is_none_or(|choice| choice.matches(&task.address, &entry.message)));
            let is_copy = matches!(task.action, Action::Copy(_));
            if chosen && is_copy && !self.flights.has_room() {
                return Ok(Next::Later);
            }
            work.mark.next = sequence + 1;
            work.progress.looked += 1;
            let done = chosen && self.act(work, task, entry, everywhere);
            work.progress.done += u64::from(done);
            if !done || is_copy {
                self.pass_by(work.key, sequence, entry);
            }
        }
    }

    /// The next message of work on a queue.
    fn next_managed(&mut self, key: Key, mark: Mark) -> Result<Next, Box<Refusal>> {
        let Some(queue) = self.nodes.queues.get_mut(key) else { return Ok(Next::None) };
        if mark.next >= mark.until {
            return Ok(Next::None);
        }
        let found = queue.browse(mark.next);
        match found {
            Found::Here { sequence, .. } | Found::Behind { sequence, .. } if sequence >= mark.until => Ok(Next::None),
            Found::End => Ok(Next::None),
            Found::Here { entry, .. } if queue.blocks(entry, self.journal.awaiting.durable()) => Ok(Next::Later),
            Found::Here { entry, sequence } if queue.departing() < DEPARTING_MAX => Ok(Next::Message(entry, sequence)),
            Found::Here { .. } => Ok(Next::Later),
            Found::Behind { .. } if queue.away() >= MANAGED_AWAY_MAX => {
                let text = format!(
                    "{} messages of the queue were read and stay, which is the limit: choose more of them, or have some consumed first",
                    queue.away()
                );
                Err(Refusal::new(Condition::ResourceLimitExceeded, text))
            }
            Found::Behind { .. } => {
                // All that is in memory was looked at: what is read leaves it as soon as it was, too.
                if queue.wants_fetch(|| u64::MAX) {
                    self.journal.fetch(queue);
                }
                Ok(Next::Later)
            }
            Found::Coming => {
                self.journal.will_give(queue, &self.memory);
                Ok(Next::Later)
            }
        }
    }

    /// Does to a message what is to be done; gives whether it did.
    fn act(&mut self, work: &mut Work, task: &Task, entry: Key, everywhere: Option<&Moved>) -> bool {
        let (key, wall_ms, address) = (work.key, self.now.wall_ms, task.address.as_str());
        match (&task.action, everywhere) {
            (Action::Remove, _) => self.let_leave(key, |queue| queue.remove(entry)),
            (Action::Expire, _) => self.let_leave(key, |queue| queue.expire_now(entry, wall_ms)),
            (Action::Retry, _) => {
                let message =
                    self.nodes.queues.get(key).and_then(|queue| queue.entry(entry)).map(|entry| &entry.message);
                let Some(origin) = message.and_then(hop::origin) else { return false };
                let stays = origin == address || origin == format!("{address}::{}", task.queue);
                if stays || origin.len() > 2 * NAME_BYTES_MAX {
                    return false;
                }
                let moved = Moved { target: origin.into(), reason: "retried" };
                self.let_leave(key, |queue| queue.send_away(entry, address, moved))
            }
            (Action::Copy(_), Some(copied)) => return self.copy(work, address, entry, copied),
            (Action::DeadLetter | Action::Move(_), Some(moved)) => {
                self.let_leave(key, |queue| queue.send_away(entry, address, moved.clone()))
            }
            (Action::DeadLetter | Action::Move(_) | Action::Copy(_), None) | (Action::Delete(_), _) => return false,
        }
        true
    }

    fn let_leave(&mut self, key: Key, leave: impl FnOnce(&mut crate::queue::Queue) -> Left) {
        if let Some(left) = self.resize(key, leave) {
            self.hear(key, left.news);
        }
    }

    fn copy(&mut self, work: &mut Work, address: &str, entry: Key, copied: &Moved) -> bool {
        let Some(queue) = self.nodes.queues.get(work.key) else { return false };
        let Some(found) = queue.entry(entry) else { return false };
        let (message, target, name) = (&found.message, &*copied.target, &*queue.identity.name);
        let cause = Cause::Moved(copied.clone());
        let message = hop::moved(
            &Parting { message, cause: &cause, target, routing: None, address, queue: name },
            self.now.wall_ms,
        );
        let flight = self.flights.begin(Flight { queue: work.key, sequence: None, bytes: message.size() });
        work.progress.copies.push(Forward { flight, publish: Box::new(Publish::of(target, message)) });
        true
    }

    /// A message was looked at and stays: it leaves memory if others of the queue are in the journal only, or memory is short.
    fn pass_by(&mut self, key: Key, sequence: u64, entry: Key) {
        let is_shed = self.memory.is_shed();
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        if is_shed || queue.has_behind() {
            let left = queue.pass_by(sequence, entry);
            self.apply(key, left);
        }
    }

    /// All was looked at: the work is done when nothing is on its way, and what left is durable.
    fn finish(&mut self, key: Key, mark: Mark) -> Onward {
        let copying = self.flights.under_way().any(|flight| flight.queue == key && flight.sequence.is_none());
        if copying || self.nodes.queues.get(key).is_some_and(|queue| queue.moving() > 0) {
            return Onward::Later(mark);
        }
        self.tell_gone(key);
        self.settle_down(mark)
    }

    /// Nothing is on its way any more: the work is done when all that happened is durable.
    pub(crate) fn settle_down(&self, mut mark: Mark) -> Onward {
        if mark.fact == 0 {
            mark.fact = self.journal.numbers.last();
        }
        if mark.fact > self.journal.awaiting.durable() { Onward::Later(mark) } else { Onward::Done }
    }
}

impl Mark {
    /// Of work on a queue whose messages do not matter.
    pub(crate) fn of(queue: Key) -> Self {
        Self { queue, next: 0, until: 0, withdrawn: 0, fact: 0 }
    }
}

impl Progress {
    /// Of a step that did nothing.
    pub(crate) fn then(onward: Onward) -> Self {
        Self { looked: 0, done: 0, came_back: 0, copies: Vec::new(), onward }
    }
}

/// Whole, as text for whoever asks: it goes on by giving it back.
impl fmt::Display for Mark {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, next, until, withdrawn, fact } = self;
        write!(out, "{}.{next}.{until}.{withdrawn}.{fact}", queue.to_bits())
    }
}

impl FromStr for Mark {
    type Err = NoMark;

    fn from_str(text: &str) -> Result<Self, NoMark> {
        let mut parts = text.split('.').map(|part| part.parse::<u64>().map_err(|_| NoMark));
        let mut part = || parts.next().unwrap_or(Err(NoMark));
        let (queue, next, until, withdrawn, fact) = (Key::from_bits(part()?), part()?, part()?, part()?, part()?);
        if parts.next().is_some() { Err(NoMark) } else { Ok(Self { queue, next, until, withdrawn, fact }) }
    }
}

/// A text says not how far work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMark;

/// Work that a step is about.
struct Work {
    key: Key,
    mark: Mark,
    progress: Progress,
}
