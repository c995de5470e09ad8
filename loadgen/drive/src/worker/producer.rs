//! One producer: sends what is due, keeps what is on its way, and measures from when each message was due.
//!
//! Guarantees:
//! 1. Messages are sent in the order of their due times, each with the sequence of its turn; one that cannot be sent when it is due is
//!    sent later, and its latency counts from when it was due.
//! 2. Lateness counts as the generator's own (`Lag`) only if no want of credit, window or room in the socket held the producer up at or
//!    after the time when the message was due.
//! 3. What waits to be sent costs no memory: due times are computed again.
//! 4. What is due is counted by the schedule, second by second, whatever is sent.
//! 5. Nothing is sent once the run's time is over (`Shared::is_stopped`): what could not be sent until then was not offered.

use amqp_proto::{Body, Connection, DeliveryOutcome, LinkId, OUT_SOFT_MAX, Out, Part, Send, SendNow, Settled};
use bytes::Bytes;
use load_model::arrivals::{Schedule, quota};
use load_model::latency::Metric;
use load_model::ledger::Sent;
use load_model::marks::Marks;
use load_model::scenario::{Group, Settle};
use load_model::sizes::Sizes;
use load_model::stamp::{Kind, Stamp};

use super::flight::{Flight, Times};
use super::shared::Shared;
use super::transaction::Transactions;
use crate::client::Front;

/// How many due messages that cannot be sent are counted at a time, at most: a millisecond's work. The rest is counted later, at the
/// end of the interval at last.
const COUNTED_MAX: u64 = 1 << 16;

/// Why a producer sends no more for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nothing is due before this time.
    Until(u64),
    /// The server gives no credit or window, or no outcomes.
    Held,
    /// The output has to leave first.
    Full,
    /// It has sent all that it is to send.
    Over,
}

/// How much of a schedule was due.
struct Counted {
    /// That of the first message that was not counted.
    schedule: Schedule,
    /// That message's number.
    number: u64,
    /// Messages that were sent and are due behind the interval that goes on: its last turn was late.
    ahead: u64,
    /// Messages that were told to be due.
    told: u64,
}

/// A link that sends when its arrivals say so, and what it waits for.
pub(crate) struct Producer {
    group: u32,
    number: u32,
    /// Its link, while its connection stands.
    pub link: Option<LinkId>,
    settle: Settle,
    window: usize,
    schedule: Option<Schedule>,
    /// Counts what is due, whether it can be sent or not.
    counted: Option<Counted>,
    /// When it sent last.
    sent_ns: u64,
    sizes: Sizes,
    next_bytes: usize,
    front: Front,
    /// What its messages carry, if they carry something.
    marks: Option<Marks>,
    /// Filler of the size that was sent last, with its sum.
    filler: (Bytes, u32),
    quota: u64,
    flight: Flight,
    /// Sequence of the first message of this connection.
    connected_at: u64,
    /// Since when it is held up with something due.
    held_since_ns: Option<u64>,
    /// Until when it was held up last.
    held_until_ns: u64,
    /// Whether it stands among what is to be woken.
    pub is_waking: bool,
    /// Why it stopped last.
    pub stopped: Stop,
    ledger: Sent,
    /// Where its messages become one, if they do.
    pub transactions: Option<Transactions>,
}

impl Producer {
    /// A producer of a group, without a link.
    pub fn new(shared: &Shared, group: u32, number: u32, spec: &Group) -> Self {
        let scenario = &shared.scenario;
        let mut sizes = Sizes::new(&spec.size, scenario.seed, group, number);
        let next_bytes = sizes.next_bytes();
        let schedule = Schedule::new(scenario, group, number);
        let marks = Marks::of(spec, spec.address_of_producer(number));
        Self {
            group,
            number,
            link: None,
            settle: spec.settle,
            // A transaction that the window cuts off would never end.
            window: spec.window.max(spec.transaction) as usize,
            counted: schedule.clone().map(|schedule| Counted { schedule, number: 0, ahead: 0, told: 0 }),
            sent_ns: 0,
            schedule,
            sizes,
            next_bytes,
            front: marks
                .as_ref()
                .map_or_else(|| Front::plain(spec.durable), |marks| Front::marked(spec.durable, marks)),
            marks,
            filler: shared.filler(next_bytes),
            quota: quota(scenario, group, number),
            flight: Flight::default(),
            connected_at: 0,
            held_since_ns: None,
            held_until_ns: 0,
            is_waking: false,
            stopped: Stop::Held,
            ledger: Sent { group, producer: number, ..Sent::default() },
            transactions: (spec.transaction > 0).then(|| Transactions::new(spec.transaction)),
        }
    }

    /// Its connection stands; `reply_to` is where replies to its requests come.
    pub fn attached(&mut self, link: LinkId, spec: &Group, reply_to: Option<&str>) {
        self.link = Some(link);
        self.connected_at = self.ledger.count;
        if let Some(reply_to) = reply_to {
            self.front = Front::request(spec.durable, reply_to);
        }
    }

    /// Its number in its group.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// When its first message is due; at once in a closed loop.
    pub fn first_due_ns(&self) -> u64 {
        self.schedule.as_ref().map_or(0, Schedule::due_ns)
    }

    /// Messages that it sent and that a consumer has to have, as far as that is known.
    pub fn owed(&self) -> u64 {
        self.ledger.count.saturating_sub(self.ledger.refused.count() + self.ledger.in_doubt.count())
    }

    /// Sends what is due, as far as it can.
    pub fn pump(&mut self, machine: &mut Connection, out: &mut Out, shared: &mut Shared) -> Stop {
        loop {
            let now_ns = shared.now_ns;
            let due_ns = self.schedule.as_ref().map_or(now_ns, Schedule::due_ns);
            if shared.is_stopped || due_ns >= shared.stop_ns || self.ledger.count >= self.quota {
                self.release(shared);
                return self.end(machine, out, shared);
            }
            if due_ns > now_ns {
                self.release(shared);
                return Stop::Until(due_ns);
            }
            let room = self.room(machine, out, shared);
            if room == 0 {
                // What is in the way of a large message may be its own frames.
                let is_full = self.link.is_some_and(|link| machine.waiting(link) > 0) && machine.wants_room();
                return if is_full { Stop::Full } else { self.hold(shared) };
            }
            self.release(shared);
            let sent = self.send_some(room, machine, out, shared);
            if sent < room && self.is_due(shared) {
                return Stop::Full;
            }
        }
    }

    fn is_due(&self, shared: &Shared) -> bool {
        let due_ns = self.schedule.as_ref().map_or(shared.now_ns, Schedule::due_ns);
        due_ns <= shared.now_ns && !self.is_over_at(due_ns, shared)
    }

    /// How many messages may leave now.
    fn room(&mut self, machine: &mut Connection, out: &mut Out, shared: &Shared) -> usize {
        let Some(link) = self.link else { return 0 };
        let mut room = machine.room(link) as usize;
        if self.settle != Settle::Presettled || self.transactions.is_some() {
            room = room.min(self.window.saturating_sub(self.flight.count()));
        }
        match &mut self.transactions {
            Some(transactions) if room > 0 => room.min(transactions.room(link, machine, out, shared.now_ns)),
            _ => room,
        }
    }

    /// Sends at most `room` messages that are due; gives how many left.
    fn send_some(&mut self, room: usize, machine: &mut Connection, out: &mut Out, shared: &mut Shared) -> usize {
        let (mut sent, mut bytes) = (0, 0);
        let (now_ns, stop_ns) = (shared.now_ns, shared.stop_ns);
        while sent < room && self.ledger.count < self.quota {
            let due_ns = match &mut self.schedule {
                Some(schedule) if schedule.due_ns() > now_ns || schedule.due_ns() >= stop_ns => break,
                Some(schedule) => schedule.due_ns(),
                None => now_ns,
            };
            if !self.send(due_ns, machine, out, shared) {
                break;
            }
            if let Some(schedule) = &mut self.schedule {
                schedule.advance();
                if due_ns > self.held_until_ns
                    && let Some(tally) = shared.tallies.get_mut(self.group as usize)
                {
                    tally.record(Metric::Lag, due_ns, now_ns);
                }
                if due_ns >= shared.interval_end_ns
                    && let Some(counted) = &mut self.counted
                {
                    counted.ahead += 1;
                }
            }
            sent += 1;
            bytes += self.next_bytes as u64;
            self.next_bytes = self.sizes.next_bytes();
        }
        if let (Some(transactions), Some(link)) = (&mut self.transactions, self.link) {
            transactions.sent(sent, link, machine, out, now_ns);
        }
        if sent > 0 {
            self.sent_ns = now_ns;
        }
        self.count(sent as u64, bytes, shared);
        sent
    }

    /// Sends one message; gives whether it left.
    #[inline]
    fn send(&mut self, due_ns: u64, machine: &mut Connection, out: &mut Out, shared: &Shared) -> bool {
        let Some(link) = self.link else { return false };
        let bytes = self.next_bytes;
        if self.filler.0.len() != bytes - load_model::stamp::STAMP_BYTES {
            self.filler = shared.filler(bytes);
        }
        let sequence = self.ledger.count;
        let stamp = Stamp {
            run: shared.run,
            group: self.group as u16,
            kind: Kind::Message,
            producer: self.number,
            sequence,
            due_ns,
        };
        if let Some(marks) = &self.marks {
            self.front.mark(marks, sequence);
        }
        let front = self.front.of(sequence, bytes, &stamp.seal(bytes, self.filler.1));
        let settled = if self.settle == Settle::Presettled { Settled::Yes } else { Settled::No };
        let body = &self.filler.0;
        let left = if machine.fits_frame(front.len() + body.len()) {
            machine.send_now(link, SendNow { key: sequence, settled, mark: None, front, body: Body::Shared(body) }, out)
        } else {
            send_large(machine, link, (sequence, settled), [front, body], out)
        };
        if left {
            self.ledger.count += 1;
            if settled == Settled::No || self.transactions.is_some() {
                self.flight.add(sequence, Times { due_ns, sent_ns: shared.now_ns });
            }
        }
        left
    }

    /// Counts what was sent; in a closed loop that is what was due.
    fn count(&self, sent: u64, bytes: u64, shared: &mut Shared) {
        let Some(tally) = shared.tallies.get_mut(self.group as usize) else { return };
        tally.counts.sent += sent;
        tally.counts.sent_bytes += bytes;
        if self.schedule.is_none() {
            tally.counts.due += sent;
        }
    }

    /// Something is due, and the server is in its way.
    pub fn hold(&mut self, shared: &mut Shared) -> Stop {
        // In a closed loop waiting for the server is all there is to it.
        if self.schedule.is_some() && shared.has_begun {
            self.held_since_ns.get_or_insert(shared.now_ns);
            self.count_due(shared);
        }
        Stop::Held
    }

    /// Counts what became due while it is held, some at a time.
    pub fn count_due(&mut self, shared: &Shared) {
        self.look_for_due(COUNTED_MAX, shared.now_ns.min(shared.interval_end_ns).min(shared.stop_ns));
    }

    /// Looks for what was due before a time and was not sent.
    fn look_for_due(&mut self, max: u64, until_ns: u64) {
        let (Some(counted), Some(schedule)) = (&mut self.counted, &self.schedule) else { return };
        if counted.number < self.ledger.count {
            counted.schedule = schedule.clone();
            counted.number = self.ledger.count;
        }
        for _ in 0..max {
            if counted.schedule.due_ns() >= until_ns || counted.number >= self.quota {
                return;
            }
            counted.schedule.advance();
            counted.number += 1;
        }
    }

    /// It is held up no more.
    fn release(&mut self, shared: &mut Shared) {
        if let Some(since_ns) = self.held_since_ns.take() {
            self.held_until_ns = shared.now_ns;
            self.count_blocked(since_ns, shared.now_ns, shared);
        }
    }

    fn count_blocked(&self, since_ns: u64, until_ns: u64, shared: &mut Shared) {
        if let Some(tally) = shared.tallies.get_mut(self.group as usize) {
            tally.counts.blocked_ns += until_ns.saturating_sub(since_ns);
        }
    }

    /// An interval ends: what it was held up so far, and what became due, belongs to it. What is due follows from the schedule alone, to the
    /// message, so that it is what was asked for, whatever was sent.
    pub fn end_interval(&mut self, end_ns: u64, shared: &mut Shared) {
        if let Some(since_ns) = self.held_since_ns {
            self.count_blocked(since_ns, end_ns, shared);
            self.held_since_ns = Some(end_ns.max(since_ns));
        }
        self.look_for_due(u64::MAX, end_ns.min(shared.stop_ns));
        if let Some(counted) = &mut self.counted
            && let Some(tally) = shared.tallies.get_mut(self.group as usize)
        {
            let total = counted.number.saturating_sub(std::mem::take(&mut counted.ahead)).max(counted.told);
            tally.counts.due += total - counted.told;
            counted.told = total;
        }
    }

    fn end(&mut self, machine: &mut Connection, out: &mut Out, shared: &Shared) -> Stop {
        if let (Some(transactions), Some(link)) = (&mut self.transactions, self.link) {
            transactions.end(link, machine, out, shared.now_ns);
        }
        Stop::Over
    }

    /// Whether all that it sent has come to its end.
    pub fn is_settled(&self) -> bool {
        self.flight.count() == 0 && self.transactions.as_ref().is_none_or(Transactions::is_settled)
    }

    /// Whether it has sent all that it is to send.
    pub fn is_over(&self, shared: &Shared) -> bool {
        self.is_over_at(self.schedule.as_ref().map_or(shared.now_ns, Schedule::due_ns), shared)
    }

    fn is_over_at(&self, due_ns: u64, shared: &Shared) -> bool {
        shared.is_stopped || due_ns >= shared.stop_ns || self.ledger.count >= self.quota
    }

    /// Where its share of a scenario's `count` ends, if all of it was sent: when the last message was sent, and when the next one would have
    /// been due.
    pub fn over_ns(&self) -> Option<(u64, Option<u64>)> {
        let schedule = self.schedule.as_ref().filter(|_| self.quota > 0);
        (self.ledger.count >= self.quota).then(|| (self.sent_ns, schedule.map(Schedule::due_ns)))
    }

    /// The server decided on a delivery.
    #[inline]
    pub fn settled(&mut self, sequence: u64, outcome: Option<&DeliveryOutcome>, shared: &mut Shared) {
        if self.transactions.is_some() && outcome == Some(&DeliveryOutcome::Accepted) {
            // It counts when its transaction does.
            return;
        }
        let Some(times) = self.flight.settle(sequence) else { return };
        shared.heard_ns = shared.now_ns;
        match outcome {
            Some(DeliveryOutcome::Accepted) => self.accepted(times, shared),
            Some(_) => self.refused(sequence, outcome, shared),
            None => {
                let seen = self.ledger.in_doubt.insert(sequence, &mut shared.budget);
                shared.note(seen);
            }
        }
    }

    #[inline]
    fn accepted(&self, times: Times, shared: &mut Shared) {
        if let Some(tally) = shared.tallies.get_mut(self.group as usize) {
            tally.counts.accepted += 1;
            tally.record(Metric::Accept, times.due_ns, shared.now_ns);
            tally.record(Metric::Service, times.sent_ns, shared.now_ns);
        }
    }

    fn refused(&mut self, sequence: u64, outcome: Option<&DeliveryOutcome>, shared: &mut Shared) {
        let seen = self.ledger.refused.insert(sequence, &mut shared.budget);
        shared.note(seen);
        if let Some(tally) = shared.tallies.get_mut(self.group as usize) {
            tally.refuse(outcome);
        }
    }

    /// The coordinator decided on a declaration or a discharge.
    pub fn coordinated(
        &mut self,
        key: u64,
        outcome: Option<DeliveryOutcome>,
        shared: &mut Shared,
    ) -> Result<(), String> {
        let Some(transactions) = &mut self.transactions else { return Ok(()) };
        shared.heard_ns = shared.now_ns;
        let is_accepted = outcome == Some(DeliveryOutcome::Accepted);
        let Some(ended) = transactions.decided(key, outcome)? else { return Ok(()) };
        for sequence in ended.sequences {
            if let Some(times) = self.flight.settle(sequence) {
                if is_accepted {
                    self.accepted(times, shared);
                } else {
                    self.refused(sequence, None, shared);
                }
            }
        }
        if let Some(tally) = shared.tallies.get_mut(self.group as usize) {
            if is_accepted {
                tally.counts.transactions.committed += 1;
                tally.record(Metric::Settle, ended.since_ns, shared.now_ns);
            } else {
                tally.counts.transactions.rolled_back += 1;
            }
        }
        Ok(())
    }

    /// Its connection ends on purpose: what has no outcome by now is in doubt.
    pub fn left(&mut self, shared: &mut Shared) {
        self.link = None;
        self.ledger.unanswered += self.flight.count() as u64;
        self.doubt(shared);
    }

    /// Its connection is gone: nobody knows what became of what was on its way.
    pub fn lost(&mut self, shared: &mut Shared) {
        self.link = None;
        if self.settle == Settle::Presettled {
            let all = self.ledger.in_doubt.insert_range(self.connected_at, self.ledger.count, &mut shared.budget);
            shared.is_full |= !all;
        }
        self.doubt(shared);
    }

    fn doubt(&mut self, shared: &mut Shared) {
        for sequence in self.flight.take_all() {
            let seen = self.ledger.in_doubt.insert(sequence, &mut shared.budget);
            shared.note(seen);
        }
        if let Some(transactions) = &mut self.transactions {
            transactions.lost();
        }
    }

    /// What it sent, in the end: what is still on its way is in doubt.
    pub fn take_ledger(&mut self, shared: &mut Shared) -> Sent {
        self.ledger.unanswered += self.flight.count() as u64;
        self.doubt(shared);
        std::mem::take(&mut self.ledger)
    }
}

/// Sends a message of several frames, if none is under way; gives whether it was taken. It is put together for this, since its frames
/// leave when there is room: a copy beside which its size makes no difference.
#[cold]
fn send_large(
    machine: &mut Connection,
    link: LinkId,
    (key, settled): (u64, Settled),
    parts: [&[u8]; 2],
    out: &mut Out,
) -> bool {
    if machine.waiting(link) > 0 || out.len() >= OUT_SOFT_MAX {
        return false;
    }
    let whole = Bytes::from(parts.concat());
    machine.send(link, Send { key, settled, format: 0, prefix: &[], body: &whole, part: Part::Whole }, out);
    true
}
