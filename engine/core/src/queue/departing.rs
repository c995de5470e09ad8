//! How messages leave a queue for another address.
//!
//! Guarantees: a message that goes elsewhere is out of the order and with no consumer, counts as one of the queue's in memory, journal and
//! totals, and leaves (`let_go`) when it is safe where it goes. What waits for that beyond `DEPARTING_HERE_MAX` messages leaves memory,
//! if the journal has it.
//!
//! Not here: which is next, and when (`departures`).

use super::cause::Cause;
use super::departures::{Confirm, Departed, Departures, Step};
use super::destinations::Destinations;
use super::entry::Held;
use super::stock::{Left, Why};
use super::{Kind, Queue};
use crate::command::RoutingType;
use crate::event::Refusal;
use crate::limits::{DEPARTING_HERE_MAX, FORWARDS_MAX, REASON_BYTES_MAX};
use crate::message::Message;

/// A message that goes elsewhere, and what is to be said of it there.
#[derive(Debug)]
pub(crate) struct Parting<'a> {
    pub message: &'a Message,
    pub cause: &'a Cause,
    pub target: &'a str,
    /// How it is handed out there; as that says without.
    pub routing: Option<RoutingType>,
    /// The address and the queue that it leaves.
    pub address: &'a str,
    pub queue: &'a str,
}

/// Cuts a text to at most `REASON_BYTES_MAX` octets.
fn shorten(text: &mut String) {
    if text.len() > REASON_BYTES_MAX {
        text.truncate((0..=REASON_BYTES_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0));
        text.shrink_to_fit();
    }
}

/// What a consumer said, as far as it is kept.
fn kept(mut refusal: Box<Refusal>) -> Box<Refusal> {
    shorten(&mut refusal.description);
    if refusal.condition.as_str().len() > REASON_BYTES_MAX {
        refusal.condition = "".into();
    }
    refusal
}

impl Queue {
    /// What would be dropped goes there from now on; nowhere without destinations. What was to go before goes still.
    pub fn redirect(&mut self, destinations: Option<Destinations>) {
        match (&mut self.departures, destinations) {
            (None, to) => self.departures = to.map(|to| Box::new(Departures::new(to))),
            (Some(departures), None) if departures.len() == 0 && !departures.is_listed() => self.departures = None,
            (Some(departures), to) => departures.redirect(to),
        }
    }

    /// Where a divert leads what it has, and how that is handed out there.
    pub fn diverting(&self) -> Option<(&str, Option<RoutingType>)> {
        self.departures.as_ref()?.diverting()
    }

    /// Whether a message goes elsewhere.
    pub fn departs(&self, sequence: u64) -> bool {
        self.departures.as_ref().is_some_and(|departures| departures.held(sequence).is_some())
    }

    /// Messages that go elsewhere.
    pub fn departing(&self) -> usize {
        self.departures.as_ref().map_or(0, |departures| departures.len())
    }

    /// Whether a message whose delivery failed so often goes elsewhere.
    pub(super) fn exhausts(&self, failures: u32) -> bool {
        self.departures.as_ref().is_some_and(|departures| departures.exhausts(failures))
    }

    /// What their causes cost, octets.
    pub(super) fn departing_bytes(&self) -> u64 {
        self.departures.as_ref().map_or(0, |departures| departures.bytes())
    }

    /// The address that it belongs to, or belonged to, if messages of it go elsewhere.
    pub fn origin(&self) -> Option<&str> {
        Some(self.departures.as_ref()?.origin())
    }

    /// Whether a message that is rejected goes elsewhere.
    pub fn has_dead_letters(&self) -> bool {
        self.goes_elsewhere(&Why::Exhausted)
    }

    /// Whether what leaves for this reason goes elsewhere.
    #[inline]
    pub(super) fn goes_elsewhere(&self, why: &Why) -> bool {
        self.departures.as_ref().is_some_and(|departures| departures.lead(why))
    }

    /// A message that is out of the order is to go elsewhere.
    #[cold]
    pub(super) fn depart(&mut self, sequence: u64, held: Held, why: Why) -> Left {
        let mut expired = 0;
        let lives_on = matches!(why, Why::Moved(_) | Why::Diverted);
        let held = match held {
            Held::Away(_) => held,
            Held::Here(entry) => {
                // Its place in the line, and that among what expires, are known to be gone by its old key.
                let Some(mut entry) = self.entries.remove(entry) else { return Left::default() };
                if !lives_on {
                    expired = entry.message.expires_wall_ms.take().map_or(0, u64::from);
                }
                Held::Here(self.entries.insert(entry))
            }
        };
        let cause = match why {
            Why::Rejected(refusal) => Cause::Rejected(refusal.map(kept)),
            Why::Exhausted => Cause::Exhausted,
            Why::Moved(moved) => Cause::Moved(moved),
            Why::Diverted if matches!(self.identity.kind, Kind::Wildcard(_)) => Cause::Subscribed,
            Why::Diverted => Cause::Diverted,
            Why::Unrouted => Cause::Unrouted,
            Why::Expired | Why::Acknowledged | Why::Dropped => Cause::Expired(expired),
        };
        let Some(departures) = &mut self.departures else { return Left::default() };
        let bytes = departures.insert(sequence, held, cause);
        self.stock.enter(bytes);
        self.put_departing_away(sequence)
    }

    /// Takes a message that goes elsewhere out of memory if others are there already, and the journal has it.
    fn put_departing_away(&mut self, sequence: u64) -> Left {
        let departures = self.departures.as_ref().filter(|departures| departures.here() > DEPARTING_HERE_MAX);
        let Some(Held::Here(entry)) = departures.and_then(|departures| departures.held(sequence)) else {
            return Left::default();
        };
        let Some((stub, left)) = self.put_away(sequence, entry) else { return Left::default() };
        if let Some(departures) = &mut self.departures {
            departures.set_held(sequence, Held::Away(stub));
        }
        left
    }

    /// A consumer waits until a message has left; gives whether it goes elsewhere, and has not left yet.
    pub fn await_leave(&mut self, sequence: u64, confirm: Confirm) -> bool {
        self.departures.as_mut().is_some_and(|departures| departures.await_leave(sequence, confirm))
    }

    /// Gives whether the owner has to list it: messages may go.
    pub fn list_departures(&mut self) -> bool {
        self.departures.as_mut().is_some_and(|departures| departures.list())
    }

    /// Whether the owner lists it for that.
    pub fn lists_departures(&self) -> bool {
        self.departures.as_ref().is_some_and(|departures| departures.is_listed())
    }

    /// The owner does not list it any more.
    pub fn unlist_departures(&mut self) {
        if let Some(departures) = &mut self.departures {
            departures.unlist();
        }
    }

    /// What was refused is to be tried again at that time; gives whether the agenda has to be told.
    pub fn note_retry(&mut self, at_ns: u64) -> bool {
        self.departures.as_mut().is_some_and(|departures| departures.note_retry(at_ns))
    }

    /// The agenda does not name it for that any more.
    pub fn handle_retry_due(&mut self) {
        if let Some(departures) = &mut self.departures {
            departures.handle_retry_due();
        }
    }

    /// What is to be done next for what goes elsewhere; about `bytes` octets are read at once.
    pub fn next_departure(&mut self, now_ns: u64, bytes: u64) -> Step {
        let reads = usize::try_from(bytes / self.away.average()).unwrap_or(FORWARDS_MAX).clamp(1, FORWARDS_MAX);
        self.departures.as_mut().map_or(Step::Rest(None), |departures| departures.step(now_ns, reads))
    }

    /// A message that is next.
    pub fn parting(&self, sequence: u64) -> Option<Parting<'_>> {
        let departures = self.departures.as_ref()?;
        let Held::Here(entry) = departures.held(sequence)? else { return None };
        let (cause, target) = departures.parting(sequence)?;
        let message = &self.entries.get(entry)?.message;
        let routing = departures.routing(cause);
        let address = departures.origin();
        // What had no route was in no queue of the address.
        let queue = if matches!(cause, Cause::Unrouted) { address } else { &*self.identity.name };
        Some(Parting { message, cause, target, routing, address, queue })
    }

    /// The target of that message is asked.
    pub fn take_off(&mut self, sequence: u64) {
        if let Some(departures) = &mut self.departures {
            departures.take_off(sequence);
        }
    }

    /// A message is safe where it goes: it leaves. Gives who waits for that.
    pub fn land(&mut self, sequence: u64) -> (Left, Option<Confirm>) {
        let landed = self.departures.as_mut().and_then(|departures| departures.land(sequence));
        let Some(Departed { held, confirm, bytes }) = landed else { return (Left::default(), None) };
        self.stock.count_forwarded();
        self.stock.give_back(bytes);
        let left = self.let_go(sequence, held);
        (Left { bytes: left.bytes + bytes, ..left }, confirm)
    }

    /// A message was refused where it goes: it stays, to be tried again, or where it was before it was moved.
    pub fn turn_back(&mut self, sequence: u64, now_ns: u64) -> Left {
        if let Some(left) = self.withdraw(sequence) {
            return left;
        }
        if let Some(departures) = &mut self.departures {
            departures.turn_back(sequence, now_ns);
        }
        self.stock.count_turned_back();
        self.put_departing_away(sequence)
    }

    /// A message that goes elsewhere was read from the journal; gives it back if it is none of those.
    pub(super) fn take_read(&mut self, sequence: u64, message: Message) -> Option<Message> {
        let held = self.departures.as_ref().and_then(|departures| departures.held(sequence));
        let Some(Held::Away(stub)) = held else { return Some(message) };
        let lives_on = self.departures.as_ref().is_some_and(|departures| departures.lives_on(sequence));
        let expires_wall_ms = message.expires_wall_ms.filter(|_| lives_on);
        let entry = self.bring_back(sequence, stub, Message { expires_wall_ms, ..message });
        if let Some(departures) = &mut self.departures {
            departures.set_held(sequence, Held::Here(entry));
        }
        None
    }

    /// All in memory but what goes elsewhere leaves: the queue is deleted when that has gone. What came back and is in the journal only may be
    /// on its way from there: it leaves with the queue.
    pub fn leave_all(&mut self) -> Left {
        let mut left = Left::default();
        let waiting = self.order.take_here(&self.entries);
        let held = self.held.take_all();
        for (sequence, held) in waiting.into_iter().chain(held) {
            left = left.and(self.let_go(sequence, held));
        }
        self.behind = super::Behind::default();
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_kept_up_to_their_bound() {
        let long = Refusal { condition: "amqp:internal-error".into(), description: "ü".repeat(REASON_BYTES_MAX) };
        let kept = kept(Box::new(long));
        assert_eq!((kept.condition.as_str(), kept.description.len()), ("amqp:internal-error", REASON_BYTES_MAX));
        let mut short = "short".to_owned();
        shorten(&mut short);
        assert_eq!(short, "short");
    }
}
