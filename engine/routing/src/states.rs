//! Outcomes as owners know them, and states as routers pass them on: the same four, of which two have fields.
//!
//! Guarantee: an outcome becomes a state and that outcome again.
//!
//! Of states that decide nothing one passes: how far a receiver has come.

use bytes::Bytes;
use engine_core::command::{Modified, Outcome, Settled};
use engine_core::event::Refusal;
use engine_message::encode::{self, Compound};
use engine_message::reader::Reader;
use engine_message::{DecodeError, Symbol};
use engine_router::settlement::{Settling, State};

const ERROR: u8 = 0x1d;
const RECEIVED: u8 = 0x23;
const REJECTED: u8 = 0x25;
const MODIFIED: u8 = 0x27;

/// What a sender waits for.
pub(crate) fn settling(settled: Settled) -> Settling {
    match settled {
        Settled::Yes => Settling::Settled,
        Settled::No => Settling::Unsettled,
    }
}

/// The state of an outcome (part 3.4).
pub(crate) fn state(outcome: Outcome) -> State {
    match outcome {
        Outcome::Accepted => State::Accepted,
        Outcome::Released => State::Released,
        Outcome::Rejected(refusal) => State::Rejected(rejected(refusal.as_deref())),
        Outcome::Modified(modified) => State::Modified(modified_state(&modified)),
    }
}

/// The outcome of a state; what decides nothing, or cannot be read, is released: nobody can know that such a delivery was processed.
pub(crate) fn outcome(state: &State) -> Outcome {
    match state {
        State::Accepted => Outcome::Accepted,
        State::Rejected(encoded) => Outcome::Rejected(read_rejected(encoded).ok().flatten()),
        State::Modified(encoded) => {
            read_modified(encoded).map_or(Outcome::Released, |modified| Outcome::Modified(Box::new(modified)))
        }
        State::Released | State::Received(_) | State::Transactional(_) => Outcome::Released,
    }
}

/// The state of how far a receiver has come (part 3.4.1).
pub(crate) fn received(section: u32, offset: u64) -> State {
    let mut out = Vec::new();
    let mut list = Compound::described(&mut out, RECEIVED);
    list.put(|out| encode::uint(out, section));
    list.put(|out| encode::ulong(out, offset));
    list.finish();
    State::Received(out.into())
}

/// Section and offset of such a state; nothing if it cannot be read.
pub(crate) fn read_received(encoded: &[u8]) -> Option<(u32, u64)> {
    let mut reader = Reader::new(encoded);
    reader.descriptor().ok()?;
    let mut fields = reader.list().ok()?.reader;
    Some((fields.uint().ok()?, fields.ulong().ok()?))
}

fn rejected(refusal: Option<&Refusal>) -> Bytes {
    let mut out = Vec::new();
    let mut list = Compound::described(&mut out, REJECTED);
    if let Some(Refusal { condition, description }) = refusal {
        list.put(|out| {
            let mut error = Compound::described(out, ERROR);
            error.put(|out| encode::symbol(out, condition.as_str()));
            error.put_some(Some(description).filter(|text| !text.is_empty()), |out, text| encode::string(out, text));
            error.finish();
        });
    }
    list.finish();
    out.into()
}

fn modified_state(modified: &Modified) -> Bytes {
    let mut out = Vec::new();
    let mut list = Compound::described(&mut out, MODIFIED);
    list.put(|out| encode::boolean(out, modified.delivery_failed));
    list.put(|out| encode::boolean(out, modified.undeliverable_here));
    list.put_some(modified.annotations.as_ref(), |out, map| out.extend_from_slice(map));
    list.finish();
    out.into()
}

/// The error of a rejection, if it has one.
fn read_rejected(encoded: &[u8]) -> Result<Option<Box<Refusal>>, DecodeError> {
    let mut reader = Reader::new(encoded);
    reader.descriptor()?;
    let list = reader.list()?;
    let mut fields = list.reader;
    if list.count == 0 || fields.null() {
        return Ok(None);
    }
    fields.descriptor()?;
    let error = fields.list()?;
    let mut fields = error.reader;
    let condition = fields.symbol()?;
    let description = if error.count < 2 || fields.null() { "" } else { fields.string()? };
    Ok(Some(Refusal::new(Symbol::new(condition), description)))
}

fn read_modified(encoded: &[u8]) -> Result<Modified, DecodeError> {
    let mut reader = Reader::new(encoded);
    reader.descriptor()?;
    let list = reader.list()?;
    let mut fields = list.reader;
    let mut flag =
        |at: u32| -> Result<bool, DecodeError> { Ok(at < list.count && !fields.null() && fields.boolean()?) };
    let (delivery_failed, undeliverable_here) = (flag(0)?, flag(1)?);
    let has_map = list.count > 2 && !fields.null();
    let annotations = if has_map { Some(Bytes::copy_from_slice(fields.raw()?)) } else { None };
    Ok(Modified { delivery_failed, undeliverable_here, annotations })
}

#[cfg(test)]
mod tests {
    use engine_message::Condition;
    use engine_message::value::{Map, Value};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_outcome_becomes_a_state_and_that_outcome_again() {
        let mut annotations = Map::default();
        annotations.insert("x-opt-why", Value::String("too blue".to_owned()));
        let mut encoded = Vec::new();
        annotations.encode(&mut encoded);
        let modified = |delivery_failed, undeliverable_here, annotations| {
            Outcome::Modified(Box::new(Modified { delivery_failed, undeliverable_here, annotations }))
        };
        for known in [
            Outcome::Accepted,
            Outcome::Released,
            Outcome::Rejected(None),
            Outcome::Rejected(Some(Refusal::new(Condition::NotAllowed, "too blue"))),
            Outcome::Rejected(Some(Refusal::new(Symbol::new("com.example:own"), ""))),
            modified(false, false, None),
            modified(true, false, None),
            modified(true, true, Some(encoded.into())),
        ] {
            assert_eq!(outcome(&state(known.clone())), known);
        }
        assert_eq!(outcome(&State::failed()), modified(true, false, None), "what a router says itself");
    }

    #[test]
    fn how_far_a_receiver_has_come_is_read_as_it_was_written() {
        for (section, offset) in [(0, 0), (3, 17), (u32::MAX, u64::MAX)] {
            let State::Received(encoded) = received(section, offset) else { panic!("it is that state") };
            assert_eq!(read_received(&encoded), Some((section, offset)));
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_an_outcome(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
            let octets = Bytes::from(octets);
            read_received(&octets);
            outcome(&State::Rejected(octets.clone()));
            outcome(&State::Modified(octets));
        }
    }
}
