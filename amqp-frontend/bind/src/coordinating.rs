//! Transactions as AMQP has them (part 4): a coordinator's link that begins and ends them, and deliveries that belong to them.
//!
//! Guarantees: what names a transaction that the connection does not have is refused with `amqp:transaction:unknown-id`, and nothing is done
//! about it; a message within a transaction is answered at once with the outcome that it gets if that is committed (4.4.2), and settled when
//! its link settles first. Transactions may span sessions of their connection, and a session may have several.
//!
//! Not here: what is kept for a transaction and done with it (`engine/home`). There are no distributed or promotable transactions.

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Coordinator, DeliveryState, Source, Target, Terminus};
use amqp_proto::{Deliveries, Delivery, DeliveryOutcome, Head, LinkId, State, Update, Updated};
use bytes::Bytes;
use engine_core::command::Settled;
use engine_core::event::KEY_NONE;
use engine_home::{Discharge, Discharged, Discharging, Home, Slot, TransactionId};
use engine_message::reader::Reader;
use engine_message::value::descriptor_code;
use engine_message::{Condition, DecodeError, Fields, Symbol, section};

use crate::attaching::error;
use crate::bind::Bind;
use crate::outcome::{self, Outcomes};

/// What the coordinator can do (4.5.6).
const CAPABILITIES: [&str; 3] = ["amqp:local-transactions", "amqp:multi-txns-per-ssn", "amqp:multi-ssns-per-txn"];
const DECLARE: u64 = 0x31;
const DISCHARGE: u64 = 0x32;
const NAMES: [(u64, &str); 2] = [(DECLARE, "amqp:declare:list"), (DISCHARGE, "amqp:discharge:list")];

/// What a message to the coordinator asks for.
#[derive(Debug, PartialEq, Eq)]
enum Control<'a> {
    /// A new transaction (4.5.2).
    Declare,
    /// The end of one (4.5.3).
    Discharge { id: &'a [u8], how: Discharge },
}

/// What a delivery says of the transaction that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Belongs {
    /// It belongs to none.
    Nowhere,
    To(TransactionId),
    /// To one that nobody ever began.
    Unknown,
}

/// What a delivery's first transfer says of its transaction.
pub(crate) fn belongs(head: &Head<'_>) -> Belongs {
    if !may_have_state(head.as_bytes()) {
        return Belongs::Nowhere;
    }
    match head.transfer().state {
        Some(DeliveryState::Transactional { txn_id, .. }) => {
            TransactionId::read(txn_id).map_or(Belongs::Unknown, Belongs::To)
        }
        _ => Belongs::Nowhere,
    }
}

/// Whether a transfer has so many fields that the state, the eighth, may be there: few have.
fn may_have_state(head: &[u8]) -> bool {
    !matches!(head, [0x00, 0x53, 0x14, 0xc0, _, 0..=7, ..])
}

/// The answer to an attach of a coordinator's link.
pub(crate) fn answer(attach: &Attach) -> Attach {
    let target = match &attach.target {
        Some(Target::Coordinator(_)) => {
            Target::Coordinator(Coordinator { capabilities: CAPABILITIES.map(Symbol::from).into() })
        }
        _ => Target::Node(Terminus::default()),
    };
    let answer = attach.answer();
    Attach { source: answer.source.or_else(|| Some(Source::default())), target: Some(target), ..answer }
}

impl Bind {
    /// A message came on a coordinator's link.
    #[cold]
    pub(crate) fn handle_control(&mut self, home: &mut Home, place: Slot, delivery: &Delivery<'_>) {
        self.machine.grant(delivery.link, 1);
        let settled = crate::inbound::wanted(delivery.settled);
        let done = match read(delivery.payload) {
            Ok(Control::Declare) if settled == Settled::Yes => {
                let text = "a transaction is begun by a delivery that is not settled: its identifier is the outcome";
                let error = AmqpError::new(Condition::InvalidField, text);
                return self.end_link(home, delivery.link, error);
            }
            Ok(Control::Declare) => home.declare(&self.client, place).map_err(|refusal| error(*refusal)).map(|id| {
                let id = Bytes::copy_from_slice(&id.bytes());
                Some(DeliveryOutcome::Declared(id))
            }),
            Ok(Control::Discharge { id, how }) => {
                let by = Discharging { place, delivery: delivery.delivery, settled };
                self.discharge(home, id, how, by)
            }
            Err(error) => Err(error),
        };
        let rejected = Outcomes::only(&DeliveryOutcome::Rejected(None));
        let outcome = match done {
            Ok(None) => return,
            Ok(Some(outcome)) => outcome,
            // There is no other way to say it (4.3).
            Err(error) if settled == Settled::Yes || !self.outcomes_of(place).hold(rejected) => {
                return self.end_link(home, delivery.link, error);
            }
            Err(error) => DeliveryOutcome::Rejected(Some(Box::new(error))),
        };
        if settled == Settled::No {
            self.machine.settle(delivery.link, delivery.delivery, delivery.delivery, outcome);
        }
    }

    /// Ends a transaction; gives the outcome, unless an owner decides on it.
    fn discharge(
        &mut self,
        home: &mut Home,
        id: &[u8],
        how: Discharge,
        by: Discharging,
    ) -> Result<Option<DeliveryOutcome>, AmqpError> {
        let id = TransactionId::read(id).ok_or_else(unknown)?;
        match home.discharge(&self.client, id, how, by) {
            Ok(Discharged::Done) => Ok(Some(DeliveryOutcome::Accepted)),
            Ok(Discharged::Asked) => Ok(None),
            Err(refusal) => Err(error(*refusal)),
        }
    }

    /// Finds the transaction that a delivery belongs to. One that the connection does not have ends there: it is refused, and its credit
    /// given back.
    #[cold]
    pub(crate) fn transaction_of(
        &mut self,
        home: &mut Home,
        belongs: Belongs,
        (link, delivery): (LinkId, u32),
        settled: Settled,
    ) -> Option<TransactionId> {
        let why = match belongs {
            Belongs::To(id) => match home.check_transaction(&self.client, id) {
                Ok(()) => return Some(id),
                Err(refusal) => error(*refusal),
            },
            Belongs::Unknown | Belongs::Nowhere => unknown(),
        };
        self.deny(home, (link, delivery), settled, why);
        None
    }

    /// Refuses a delivery that belongs to a transaction, and gives its credit back.
    pub(crate) fn deny(&mut self, home: &mut Home, (link, delivery): (LinkId, u32), settled: Settled, why: AmqpError) {
        self.machine.grant(link, 1);
        match settled {
            Settled::No => {
                let rejected = DeliveryOutcome::Rejected(Some(Box::new(why)));
                self.machine.settle(link, delivery, delivery, rejected);
            }
            // There is no other way to say it.
            Settled::Yes => self.end_link(home, link, why),
        }
    }

    /// Says to a sender what its message is if the transaction is committed.
    pub(crate) fn answer_provisionally(&mut self, link: LinkId, delivery: u32, id: TransactionId) {
        let transaction = Bytes::copy_from_slice(&id.bytes());
        let state = State::Transactional { transaction, outcome: Some(DeliveryOutcome::Accepted) };
        let settled = self.machine.settles_first(link);
        self.machine.dispose(link, Deliveries::one(delivery), Some(&state), settled, &mut self.out);
    }

    /// The peer says what becomes of deliveries within a transaction.
    #[cold]
    pub(crate) fn handle_transactional(
        &mut self,
        home: &mut Home,
        mut update: Update,
        (transaction, outcome): (&[u8], Option<DeliveryOutcome>),
    ) {
        let id = TransactionId::read(transaction);
        let asked = outcome.as_ref().map_or(Outcomes::ALL, Outcomes::only);
        let outcome = outcome.as_ref().map(outcome::of_peer);
        let settles = update.settled.is_yes();
        while let Some(Updated { link, key, delivery }) = self.machine.next_updated(&mut update) {
            let Some(place) = self.link(link).filter(|_| key != KEY_NONE && (settles || outcome.is_some())) else {
                continue;
            };
            let confirm = (!settles).then_some(delivery);
            let enlisted = match id {
                _ if outcome.is_some() && !self.outcomes_of(place).hold(asked) => {
                    Err(AmqpError::new(Condition::NotAllowed, outcome::UNLISTED))
                }
                Some(id) => home
                    .enlist_outcome(&self.client, id, (place, key), outcome.clone(), confirm)
                    .map_err(|refusal| error(*refusal)),
                None => Err(unknown()),
            };
            if let Err(why) = enlisted {
                // Its deliveries become what they become when a link ends.
                self.end_link(home, link, why);
            }
        }
    }
}

fn unknown() -> AmqpError {
    AmqpError::new(Condition::TransactionUnknownId, "no transaction was ever called so here")
}

/// Reads a message to the coordinator.
fn read(payload: &[u8]) -> Result<Control<'_>, AmqpError> {
    let broken = |error: DecodeError| AmqpError::new(Condition::DecodeError, error.to_string());
    let sections = section::scan(payload).map_err(broken)?;
    let body = payload.get(sections.body).unwrap_or_default();
    control(body).map_err(broken)?.unwrap_or_else(|| {
        let text = "a message to the coordinator is a declare or a discharge, in a section amqp-value";
        Err(AmqpError::new(Condition::NotImplemented, text))
    })
}

/// Reads a body; `None` if it asks for something else.
fn control(body: &[u8]) -> Result<Option<Result<Control<'_>, AmqpError>>, DecodeError> {
    let mut reader = Reader::new(body);
    if descriptor_code(reader.descriptor()?, &[(0x77, "amqp:amqp-value:*")]) != Some(0x77) {
        return Ok(None);
    }
    // What is no described value is something else.
    let Ok(descriptor) = reader.descriptor() else { return Ok(None) };
    let code = descriptor_code(descriptor, &NAMES);
    if !matches!(code, Some(DECLARE | DISCHARGE)) {
        return Ok(None);
    }
    let mut fields = Fields::new(reader.list()?);
    if code == Some(DECLARE) {
        let text = "distributed transactions (a declare with a global-id) are not implemented";
        let global = fields.raw()?.map(|_| AmqpError::new(Condition::NotImplemented, text));
        return Ok(Some(global.map_or(Ok(Control::Declare), Err)));
    }
    let id = fields.required("txn-id", Reader::binary)?;
    let how = if fields.flag()? { Discharge::RollBack } else { Discharge::Commit };
    Ok(Some(Ok(Control::Discharge { id, how })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_coordinator_is_asked_for_is_read_in_every_encoding() {
        let value = |body: &[u8]| [&[0x00, 0x53, 0x77][..], body].concat();
        for declare in [
            &[0x00, 0x53, 0x31, 0x45][..],
            &[0x00, 0x53, 0x31, 0xc0, 2, 1, 0x40],
            &[0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x31, 0xd0, 0, 0, 0, 4, 0, 0, 0, 0],
        ] {
            assert_eq!(read(&value(declare)), Ok(Control::Declare), "{declare:x?}");
        }
        let named = [&[0x00, 0xa3, 17][..], b"amqp:declare:list", &[0x45]].concat();
        assert_eq!(read(&value(&named)), Ok(Control::Declare));
        for (fail, how) in [(&[][..], Discharge::Commit), (&[0x42], Discharge::Commit), (&[0x41], Discharge::RollBack)]
        {
            let count = 1 + u8::try_from(fail.len()).expect("it is short");
            let size = 4 + count;
            let body = [&[0x00, 0x53, 0x32, 0xc0, size, count, 0xa0, 2, 7, 9][..], fail].concat();
            assert_eq!(read(&value(&body)), Ok(Control::Discharge { id: &[7, 9], how }), "{body:x?}");
        }
    }

    #[test]
    fn what_else_it_is_asked_for_is_refused_by_what_is_wrong_with_it() {
        let refused = |message: &[u8]| read(message).expect_err("it is refused").condition.as_str().to_owned();
        for (message, condition) in [
            (&[][..], "amqp:decode-error"),
            (&[0x00, 0x53, 0x75, 0xa0, 0], "amqp:not-implemented"),
            (&[0x00, 0x53, 0x77, 0x40], "amqp:not-implemented"),
            (&[0x00, 0x53, 0x77, 0x00, 0x53, 0x30, 0x45], "amqp:not-implemented"),
            (&[0x00, 0x53, 0x77, 0x00, 0x53, 0x31, 0xc0, 4, 1, 0xa0, 1, 1], "amqp:not-implemented"),
            (&[0x00, 0x53, 0x77, 0x00, 0x53, 0x32, 0x45], "amqp:decode-error"),
            (&[0x00, 0x53, 0x77, 0x00, 0x53, 0x32, 0xc0, 2, 1, 0x41], "amqp:decode-error"),
            (&[0x00, 0x53, 0x77, 0x00, 0x53, 0x32], "amqp:decode-error"),
        ] {
            assert_eq!(refused(message), condition, "{message:x?}");
        }
    }

    #[test]
    fn a_state_is_looked_for_where_there_may_be_one() {
        assert!(!may_have_state(&[0x00, 0x53, 0x14, 0xc0, 9, 7, 0x43]));
        assert!(may_have_state(&[0x00, 0x53, 0x14, 0xc0, 9, 8, 0x43]));
        assert!(may_have_state(&[0x00, 0x53, 0x14, 0xd0, 0, 0, 0, 9, 0, 0, 0, 5]));
    }
}
