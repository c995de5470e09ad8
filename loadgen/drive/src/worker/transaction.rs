//! The transactions of one producer: declared and discharged at a coordinator, one filled at a time.
//!
//! The next one is declared together with the discharge of the last, so that a producer waits for one answer between two transactions
//! and not for two. A producer whose connection is lost begins anew: the server has rolled back what was not discharged.

use std::collections::VecDeque;
use std::ops::Range;

use amqp_proto::{Body, Connection, DeliveryOutcome, LinkId, Out, SendNow, Settled};
use bytes::Bytes;
use engine_message::encode;
use load_model::number;

/// Key of a declaration; that of a discharge is its transaction's first sequence.
const DECLARATION: u64 = u64::MAX;

/// The transactions of one producer.
pub(crate) struct Transactions {
    /// Messages to each.
    size: u32,
    /// The coordinator's link, while the connection stands.
    pub coordinator: Option<LinkId>,
    open: Open,
    /// Sequence of the next message.
    next: u64,
    discharged: VecDeque<Discharged>,
}

/// The transaction that is being filled.
enum Open {
    None,
    Declared,
    Filling { id: Bytes, first: u64 },
}

/// A transaction whose end was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Discharged {
    /// Its messages.
    pub sequences: Range<u64>,
    /// When it was discharged, nanoseconds of the run.
    pub since_ns: u64,
}

impl Transactions {
    /// Of so many messages each.
    pub fn new(size: u32) -> Self {
        Self { size, coordinator: None, open: Open::None, next: 0, discharged: VecDeque::new() }
    }

    /// How many messages may be sent into the open one; asks for one if there is none, and ends one that is full.
    pub fn room(&mut self, link: LinkId, machine: &mut Connection, out: &mut Out, now_ns: u64) -> usize {
        if let Open::Filling { id, first } = &self.open {
            let left = u64::from(self.size).saturating_sub(self.next - first);
            if self.next == *first {
                machine.enlist(link, Some(id.clone()));
            }
            if left > 0 {
                return usize::try_from(left).unwrap_or(usize::MAX);
            }
            self.discharge(link, machine, out, now_ns);
        }
        if matches!(self.open, Open::None) {
            self.declare(machine, out);
        }
        0
    }

    fn declare(&mut self, machine: &mut Connection, out: &mut Out) {
        let Some(coordinator) = self.coordinator else { return };
        // amqp-value, declare without a global identifier.
        const DECLARE: Body<'static> = Body::Copied(&[0x00, 0x53, 0x77, 0x00, 0x53, 0x31, 0x45]);
        let send = SendNow { key: DECLARATION, settled: Settled::No, mark: None, front: &[], body: DECLARE };
        if machine.send_now(coordinator, send, out) {
            self.open = Open::Declared;
        }
    }

    /// So many messages were sent; ends the transaction when it has all of its own.
    pub fn sent(&mut self, count: usize, link: LinkId, machine: &mut Connection, out: &mut Out, now_ns: u64) {
        self.next += count as u64;
        if let Open::Filling { first, .. } = self.open
            && self.next - first >= u64::from(self.size)
        {
            self.room(link, machine, out, now_ns);
        }
    }

    /// Nothing more is sent: ends the transaction that is open.
    pub fn end(&mut self, link: LinkId, machine: &mut Connection, out: &mut Out, now_ns: u64) {
        if matches!(self.open, Open::Filling { first, .. } if self.next > first) {
            self.discharge(link, machine, out, now_ns);
        }
    }

    fn discharge(&mut self, link: LinkId, machine: &mut Connection, out: &mut Out, now_ns: u64) {
        let (Open::Filling { id, first }, Some(coordinator)) = (&self.open, self.coordinator) else { return };
        if machine.waiting(link) > 0 {
            // Frames of it have not left yet.
            return;
        }
        let mut message = vec![0x00, 0x53, 0x77];
        let mut list = encode::Compound::described(&mut message, 0x32);
        list.put(|out| encode::binary(out, id)).put(|out| encode::boolean(out, false));
        list.finish();
        let send = SendNow { key: *first, settled: Settled::No, mark: None, front: &[], body: Body::Copied(&message) };
        if machine.send_now(coordinator, send, out) {
            self.discharged.push_back(Discharged { sequences: *first..self.next, since_ns: now_ns });
            self.open = Open::None;
        }
    }

    /// The coordinator decided; gives the transaction that has ended, if one has.
    ///
    /// # Errors
    /// When it declares none.
    pub fn decided(&mut self, key: u64, outcome: Option<DeliveryOutcome>) -> Result<Option<Discharged>, String> {
        if key == DECLARATION {
            let Some(DeliveryOutcome::Declared(id)) = outcome else {
                return Err(format!("the server declares no transaction: it {}", answered(outcome.as_ref())));
            };
            self.open = Open::Filling { id, first: self.next };
            return Ok(None);
        }
        let found = self.discharged.iter().position(|discharged| discharged.sequences.start == key);
        Ok(found.and_then(|place| self.discharged.remove(place)))
    }

    /// Whether every transaction with messages in it has ended.
    pub fn is_settled(&self) -> bool {
        self.discharged.is_empty() && !matches!(self.open, Open::Filling { first, .. } if self.next > first)
    }

    /// The connection is gone.
    pub fn lost(&mut self) {
        self.coordinator = None;
        self.open = Open::None;
        self.discharged.clear();
    }
}

/// What a coordinator did instead of declaring a transaction, for people.
fn answered(outcome: Option<&DeliveryOutcome>) -> String {
    match outcome {
        Some(DeliveryOutcome::Rejected(Some(error))) => {
            let description = error.description.as_deref().unwrap_or_default();
            let (condition, description) = (number::plain(error.condition.as_str()), number::plain(description));
            format!("rejected the declaration with {condition}: {description}")
        }
        Some(DeliveryOutcome::Rejected(None)) => "rejected the declaration without an error".to_owned(),
        Some(DeliveryOutcome::Released) => "released the declaration".to_owned(),
        Some(DeliveryOutcome::Modified(_)) => "modified the declaration".to_owned(),
        Some(DeliveryOutcome::Accepted | DeliveryOutcome::Declared(_)) => {
            "accepted the declaration without a transaction".to_owned()
        }
        None => "settled the declaration without an outcome".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amqp_codec::AmqpError;

    #[test]
    fn an_answer_that_is_no_transaction_is_told_in_words() {
        let error = Box::new(AmqpError::new(engine_message::Condition::NotAllowed, "no\u{1b}[2J"));
        for (outcome, told) in [
            (None, "settled the declaration without an outcome"),
            (Some(DeliveryOutcome::Accepted), "accepted the declaration without a transaction"),
            (
                Some(DeliveryOutcome::Rejected(Some(error))),
                "rejected the declaration with amqp:not-allowed: no\\u{1b}[2J",
            ),
        ] {
            assert_eq!(answered(outcome.as_ref()), told);
        }
    }
}
