//! One consumer: verifies and measures what comes, holds it, answers requests, decides on it, and gives credit.
//!
//! Guarantees: deliveries that came together are decided on together; credit is given anew when half of it is used, and never exceeds
//! what the scenario says; what is held or waits to be answered is bounded by it.

use std::collections::VecDeque;

use amqp_proto::{Body, Connection, DeliveryOutcome, LinkId, Modified, Out, Part, Send, SendNow, Settled};
use bytes::Bytes;
use load_model::latency::Metric;
use load_model::ledger::{Coming, Insert, Turn};
use load_model::scenario::{Fail, Group, Pattern, Settle};
use load_model::stamp::{Flaw, Kind, STAMP_BYTES, Stamp};

use super::shared::Shared;
use crate::client::{Front, body_of, failures_of, reply_address};

/// What becomes of what a consumer receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Its latency is measured.
    Measure,
    /// It is measured and answered.
    Answer,
    /// It is the answer to a request of this connection's producer.
    Replies,
}

/// A message that came.
pub(crate) struct Came<'a> {
    /// The number to settle it by.
    pub delivery: u32,
    /// Whether the server settled it.
    pub is_settled: bool,
    /// All of it.
    pub message: &'a [u8],
}

/// What is decided of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    /// It is done with.
    Accept,
    /// It failed, and is to come again.
    Fail,
}

impl From<Decision> for DeliveryOutcome {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Accept => Self::Accepted,
            Decision::Fail => Self::Modified(Box::new(Modified { delivery_failed: true, ..Modified::default() })),
        }
    }
}

/// A message that is held, or whose answer waits for credit.
struct Held {
    until_ns: u64,
    delivery: u32,
    is_settled: bool,
    decision: Decision,
    reply: Option<Bytes>,
}

/// The time of what was decided on before the run: its confirmation is no latency of it.
const BEFORE_NS: u64 = u64::MAX;

/// A link that receives, and what it was told of messages that are not done with.
pub(crate) struct Consumer {
    group: u32,
    /// Its number in its group.
    number: u32,
    duty: Duty,
    /// Where it stands among the places of the worker.
    place: usize,
    /// Its link, while its connection stands.
    pub link: Option<LinkId>,
    /// The link that its answers leave by.
    pub relay: Option<LinkId>,
    credit: u32,
    /// Credit that was used and not given anew.
    used: u32,
    hold_ns: u64,
    settle: Settle,
    /// Which messages it gives back.
    fail: Fail,
    /// Deliveries to decide on in the same way.
    run: Option<(u32, u32, Decision)>,
    held: VecDeque<Held>,
    /// Outcomes that the server has not confirmed (mode second): deliveries, and when.
    unconfirmed: VecDeque<(u32, u32, u64)>,
    /// Whether it stands among what is to be woken.
    pub is_waking: bool,
}

impl Consumer {
    /// A consumer of a group that receives at a place, without a link.
    pub fn new((group, number): (u32, u32), spec: &Group, duty: Duty, place: usize) -> Self {
        Self {
            group,
            number,
            duty,
            place,
            link: None,
            relay: None,
            credit: spec.credit,
            used: 0,
            hold_ns: if duty == Duty::Replies { 0 } else { spec.hold.0 },
            settle: if duty == Duty::Replies && spec.settle == Settle::Second {
                Settle::Unsettled
            } else {
                spec.settle
            },
            fail: spec.jms.fail,
            run: None,
            held: VecDeque::new(),
            unconfirmed: VecDeque::new(),
            is_waking: false,
        }
    }

    /// What messages of a group are for.
    pub fn duty_of(spec: &Group) -> Duty {
        if spec.pattern == Pattern::RequestReply { Duty::Answer } else { Duty::Measure }
    }

    /// Its link is attached: gives the first credit.
    pub fn attached(&mut self, link: LinkId, machine: &mut Connection) {
        self.link = Some(link);
        self.used = 0;
        machine.grant(link, self.credit);
    }

    /// Takes a message.
    #[inline]
    pub fn take(&mut self, came: &Came<'_>, machine: &mut Connection, shared: &mut Shared) {
        if !shared.has_begun {
            shared.leftovers += 1;
            return self.decide(came.delivery, came.is_settled, Decision::Accept, machine, BEFORE_NS);
        }
        let body = body_of(came.message);
        let read = body.ok_or(Flaw::Foreign).and_then(|body| Stamp::read(body, shared.run));
        shared.heard_ns = shared.now_ns;
        let decision = match read {
            Ok(stamp) => self.handle_stamp(&stamp, came.message, body.map_or(0, <[u8]>::len), shared),
            Err(flaw) => {
                if let Some(place) = shared.places.get_mut(self.place) {
                    place.receive_flawed(flaw, came.message.len());
                }
                Decision::Accept
            }
        };
        let Came { delivery, is_settled, .. } = *came;
        if self.hold_ns == 0 && self.duty != Duty::Answer {
            return self.decide(delivery, is_settled, decision, machine, shared.now_ns);
        }
        let reply = (self.duty == Duty::Answer).then(|| answer(came.message, body, read.ok(), shared)).flatten();
        self.held.push_back(Held { until_ns: shared.now_ns + self.hold_ns, delivery, is_settled, decision, reply });
    }

    /// Decides on a message of the run; one that fails is not received yet, and one that did is told apart.
    #[inline]
    fn handle_stamp(&self, stamp: &Stamp, message: &[u8], bytes: usize, shared: &mut Shared) -> Decision {
        let mut turn = Turn::First;
        if self.fail.share > 0.0 {
            let failures = failures_of(message);
            let message = (self.group, stamp.producer, stamp.sequence);
            if self.fail.is_due(shared.scenario.seed, message, failures) {
                if let Some(tally) = shared.tallies.get_mut(self.group as usize) {
                    tally.counts.failed += 1;
                }
                return Decision::Fail;
            }
            if failures > 0 {
                turn = Turn::Again;
            }
        }
        self.measure(stamp, turn, bytes, shared);
        Decision::Accept
    }

    #[inline]
    fn measure(&self, stamp: &Stamp, turn: Turn, bytes: usize, shared: &mut Shared) {
        let Some(place) = shared.places.get_mut(self.place) else { return };
        let seen = place.receive(stamp, Coming { consumer: self.number, turn }, &mut shared.budget);
        if seen != Insert::New {
            return shared.note(seen);
        }
        shared.came += 1;
        let Some(tally) = shared.tallies.get_mut(self.group as usize) else { return };
        if self.duty == Duty::Replies {
            tally.counts.replies += 1;
            tally.record(Metric::Round, stamp.due_ns, shared.now_ns);
        } else {
            tally.counts.received += 1;
            tally.counts.received_bytes += bytes as u64;
            let metric = if turn == Turn::Again { Metric::Again } else { Metric::Receive };
            tally.record(metric, stamp.due_ns, shared.now_ns);
        }
    }

    /// Decides on a delivery, with those next to it.
    #[inline]
    fn decide(&mut self, delivery: u32, is_settled: bool, decision: Decision, machine: &mut Connection, now_ns: u64) {
        self.used += 1;
        if is_settled {
            return;
        }
        match &mut self.run {
            Some((_, last, same)) if last.wrapping_add(1) == delivery && *same == decision => *last = delivery,
            _ => {
                self.settle_run(machine, now_ns);
                self.run = Some((delivery, delivery, decision));
            }
        }
    }

    fn settle_run(&mut self, machine: &mut Connection, now_ns: u64) {
        let (Some((first, last, decision)), Some(link)) = (self.run.take(), self.link) else { return };
        machine.settle(link, first, last, decision.into());
        if self.settle == Settle::Second {
            self.unconfirmed.push_back((first, last, now_ns));
        }
    }

    /// Decides on what was held for long enough and is answered, and gives credit: after everything that came was taken. Gives when
    /// the next one has been held for long enough.
    pub fn finish(&mut self, machine: &mut Connection, out: &mut Out, shared: &mut Shared) -> Option<u64> {
        let mut next_ns = None;
        while let Some(held) = self.held.front() {
            if held.until_ns > shared.now_ns {
                next_ns = Some(held.until_ns);
                break;
            }
            if let (Some(reply), Some(relay)) = (&held.reply, self.relay)
                && !send_reply(machine, relay, reply, out)
            {
                // It goes on when the server gives credit, or the output has left.
                break;
            }
            let (delivery, is_settled, decision) = (held.delivery, held.is_settled, held.decision);
            self.held.pop_front();
            self.decide(delivery, is_settled, decision, machine, shared.now_ns);
        }
        self.settle_run(machine, if shared.has_begun { shared.now_ns } else { BEFORE_NS });
        if let Some(link) = self.link.filter(|_| self.used > self.credit / 2) {
            machine.grant(link, std::mem::take(&mut self.used));
        }
        next_ns
    }

    /// The server settled what was accepted (mode second).
    pub fn confirmed(&mut self, first: u32, last: u32, shared: &mut Shared) {
        let Some(tally) = shared.tallies.get_mut(self.group as usize) else { return };
        let now_ns = shared.now_ns;
        // Serial numbers (RFC 1982): what lies within is not further from its start than its end is.
        let span = last.wrapping_sub(first);
        let within = |delivery: u32| delivery.wrapping_sub(first) <= span;
        let before = self.unconfirmed.len();
        self.unconfirmed.retain_mut(|(from, to, since_ns)| {
            while within(*from) {
                if *since_ns != BEFORE_NS {
                    tally.record(Metric::Settle, *since_ns, now_ns);
                }
                if from == to {
                    return false;
                }
                *from = from.wrapping_add(1);
            }
            true
        });
        if self.unconfirmed.len() != before {
            shared.heard_ns = now_ns;
        }
    }

    /// Whether everything that came is decided on, and confirmed.
    pub fn is_settled(&self) -> bool {
        self.held.is_empty() && self.unconfirmed.is_empty()
    }

    /// Its connection is gone: what was not confirmed may come again.
    pub fn lost(&mut self, spec: &Group, shared: &mut Shared) {
        self.link = None;
        self.relay = None;
        self.run = None;
        self.held.clear();
        self.unconfirmed.clear();
        if let Some(place) = shared.places.get_mut(self.place) {
            if self.settle != Settle::Presettled {
                place.again_max += u64::from(self.credit);
            }
            place.was_away |= spec.pattern == Pattern::Topic;
        }
    }

    /// Its connection ends, everything being decided on: nothing comes again.
    pub fn left(&mut self) {
        self.link = None;
        self.relay = None;
    }

    /// It will be away while messages are sent: a topic does not keep them.
    pub fn goes_away(&mut self, spec: &Group, shared: &mut Shared) {
        if let Some(place) = shared.places.get_mut(self.place) {
            place.was_away |= spec.pattern == Pattern::Topic;
        }
    }
}

/// Sends a reply; gives whether it was taken.
fn send_reply(machine: &mut Connection, relay: LinkId, reply: &Bytes, out: &mut Out) -> bool {
    if machine.fits_frame(reply.len()) {
        return machine.send_now(
            relay,
            SendNow { key: 0, settled: Settled::No, mark: None, front: &[], body: Body::Shared(reply) },
            out,
        );
    }
    let is_free = machine.room(relay) > 0 && machine.waiting(relay) == 0;
    if is_free {
        let part = Part::Whole;
        machine.send(relay, Send { key: 0, settled: Settled::No, format: 0, prefix: &[], body: reply, part }, out);
    }
    is_free
}

/// The whole reply to a request, as large as the request is; `None` if it does not say where replies go.
fn answer(message: &[u8], body: Option<&[u8]>, stamp: Option<Stamp>, shared: &Shared) -> Option<Bytes> {
    let (to, number) = reply_address(message)?;
    let bytes = body?.len();
    let (filler, sum) = shared.filler(bytes);
    let stamp = Stamp { kind: Kind::Reply, ..stamp? };
    let mut front = Front::reply(to, number);
    let front = front.of(0, filler.len() + STAMP_BYTES, &stamp.seal(filler.len() + STAMP_BYTES, sum));
    Some([front, &filler].concat().into())
}
