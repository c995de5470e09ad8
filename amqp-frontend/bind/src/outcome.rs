//! What becomes of deliveries that a consumer settles without saying, or leaves unsettled: its source's default outcome (part
//! 3.5.3), in any of its encodings.
//!
//! Guarantees: what the answer to an attach names is what is done; an outcome that is not known is not named.

use amqp_codec::AmqpError;
use amqp_codec::performative::{DeliveryState, Source};
use amqp_proto::DeliveryOutcome;
use bytes::Bytes;
use engine_core::command::{Modified, Outcome};
use engine_core::event::Refusal;
use engine_message::Condition;
use engine_message::Symbol;
use engine_message::value::Raw;

/// The outcomes that a consumer may use.
const KNOWN: [&str; 4] = ["amqp:accepted:list", "amqp:rejected:list", "amqp:released:list", "amqp:modified:list"];

/// Which outcomes the deliveries of a link may have, a bit for each of `KNOWN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcomes(u8);

impl Outcomes {
    /// All that are known.
    pub const ALL: Self = Self(0b1111);

    /// Those of a source: all where it lists none, or none that is known.
    pub fn of(source: Option<&Source>) -> Self {
        let listed = source.map(|source| source.outcomes.as_slice()).unwrap_or_default();
        let bits = KNOWN.iter().enumerate().filter(|(_, known)| listed.iter().any(|listed| listed == *known));
        let bits = bits.fold(0, |bits, (place, _)| bits | 1 << place);
        if bits == 0 { Self::ALL } else { Self(bits) }
    }

    /// One alone; none for a coordinator's answer, which no source lists.
    pub fn only(outcome: &DeliveryOutcome) -> Self {
        match outcome {
            DeliveryOutcome::Accepted => Self(1),
            DeliveryOutcome::Rejected(_) => Self(1 << 1),
            DeliveryOutcome::Released => Self(1 << 2),
            DeliveryOutcome::Modified(_) => Self(1 << 3),
            DeliveryOutcome::Declared(_) => Self(0),
        }
    }

    /// Whether all of others are among them.
    pub fn hold(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }
}

/// The default outcome of a source; released where it has none that is known: nobody can know that such a delivery was processed.
///
/// # Errors
/// When it has one that is known and cannot be read: the link is refused with it.
pub(crate) fn default_of(source: &Source) -> Result<Outcome, AmqpError> {
    let Some(raw) = &source.default_outcome else { return Ok(Outcome::Released) };
    let state = DeliveryState::read(raw.as_bytes()).map_err(|error| {
        AmqpError::new(Condition::InvalidField, format!("the source's default-outcome cannot be understood: {error}"))
    })?;
    Ok(match state {
        DeliveryState::Accepted => Outcome::Accepted,
        DeliveryState::Rejected { .. } => Outcome::Rejected(None),
        DeliveryState::Modified { delivery_failed, undeliverable_here, annotations } => {
            let annotations = annotations.map(Bytes::copy_from_slice);
            Outcome::Modified(Box::new(Modified { delivery_failed, undeliverable_here, annotations }))
        }
        // Neither is an outcome, or none that is known.
        DeliveryState::Received { .. }
        | DeliveryState::Declared { .. }
        | DeliveryState::Transactional { .. }
        | DeliveryState::Unknown(_)
        | DeliveryState::Released => Outcome::Released,
    })
}

/// What a peer is told whose delivery has an outcome that the source of its link does not list.
pub(crate) const UNLISTED: &str = "the link's source does not list the outcome of its delivery";

/// An outcome that a consumer's peer says, as owners know it.
#[inline]
pub(crate) fn of_peer(outcome: &DeliveryOutcome) -> Outcome {
    match outcome {
        DeliveryOutcome::Accepted => Outcome::Accepted,
        DeliveryOutcome::Rejected(error) => Outcome::Rejected(error.clone().map(|error| refusal(*error))),
        DeliveryOutcome::Released | DeliveryOutcome::Declared(_) => Outcome::Released,
        DeliveryOutcome::Modified(modified) => Outcome::Modified(Box::new(Modified {
            delivery_failed: modified.delivery_failed,
            undeliverable_here: modified.undeliverable_here,
            annotations: modified.annotations.clone(),
        })),
    }
}

/// An outcome of an owner's as AMQP says it.
#[inline]
pub(crate) fn said(outcome: Outcome) -> DeliveryOutcome {
    match outcome {
        Outcome::Accepted => DeliveryOutcome::Accepted,
        Outcome::Released => DeliveryOutcome::Released,
        // What a receiver said of a message that was routed.
        Outcome::Modified(modified) => {
            let Modified { delivery_failed, undeliverable_here, annotations } = *modified;
            DeliveryOutcome::Modified(Box::new(amqp_proto::Modified {
                delivery_failed,
                undeliverable_here,
                annotations,
            }))
        }
        Outcome::Rejected(refusal) => DeliveryOutcome::Rejected(refusal.map(|refusal| {
            let Refusal { condition, description } = *refusal;
            Box::new(AmqpError::new(condition, description))
        })),
    }
}

/// What a consumer's rejection tells the owner: its condition may be any symbol.
pub(crate) fn refusal(error: AmqpError) -> Box<Refusal> {
    let AmqpError { condition, description, .. } = error;
    Refusal::new(condition, description.unwrap_or_default())
}

/// Makes a source say which outcomes there are, and which is the default.
pub(crate) fn answer(source: &mut Source) {
    let outcome = default_of(source).unwrap_or(Outcome::Released);
    let state = match &outcome {
        Outcome::Accepted => DeliveryState::Accepted,
        Outcome::Rejected(_) => DeliveryState::Rejected { error: None },
        Outcome::Released => DeliveryState::Released,
        Outcome::Modified(modified) => DeliveryState::Modified {
            delivery_failed: modified.delivery_failed,
            undeliverable_here: modified.undeliverable_here,
            annotations: modified.annotations.as_deref(),
        },
    };
    let mut encoded = Vec::new();
    state.encode(&mut encoded);
    source.default_outcome = Raw::new(&encoded).ok();
    let used = Outcomes::of(Some(source));
    let is_used = |(place, _): &(usize, &str)| used.0 & 1 << place != 0;
    source.outcomes = KNOWN.into_iter().enumerate().filter(is_used).map(|(_, known)| Symbol::from(known)).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_message::value::Map;

    /// A described list, in each form of descriptor and list.
    fn encodings(code: u8, name: &str, fields: &[u8], count: u8) -> Vec<Vec<u8>> {
        let mut descriptors = vec![vec![0x00, 0x53, code], vec![0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, code]];
        let mut symbol = vec![0x00, 0xa3, u8::try_from(name.len()).expect("it is short")];
        symbol.extend_from_slice(name.as_bytes());
        descriptors.push(symbol);
        let length = u8::try_from(fields.len()).expect("it is short");
        let mut lists = vec![[&[0xc0, length + 1, count], fields].concat()];
        lists.push([&[0xd0, 0, 0, 0, length + 4, 0, 0, 0, count], fields].concat());
        if count == 0 {
            lists.push(vec![0x45]);
        }
        let both = |descriptor: &Vec<u8>| lists.iter().map(|list| [descriptor.as_slice(), list].concat()).collect();
        descriptors.iter().flat_map::<Vec<Vec<u8>>, _>(both).collect()
    }

    fn source(default: &[u8], outcomes: &[&'static str]) -> Source {
        let outcomes = outcomes.iter().map(|&name| Symbol::from(name)).collect();
        Source { default_outcome: Some(Raw::new(default).expect("well-formed")), outcomes, ..Source::default() }
    }

    #[test]
    fn every_outcome_is_known_in_every_encoding_and_named_in_the_answer() {
        let modified = |delivery_failed, undeliverable_here| {
            Outcome::Modified(Box::new(Modified { delivery_failed, undeliverable_here, annotations: None }))
        };
        for (code, name, fields, count, wanted) in [
            (0x24, KNOWN[0], &[][..], 0, Outcome::Accepted),
            (0x25, KNOWN[1], &[], 0, Outcome::Rejected(None)),
            (0x26, KNOWN[2], &[], 0, Outcome::Released),
            (0x27, KNOWN[3], &[], 0, modified(false, false)),
            (0x27, KNOWN[3], &[0x41], 1, modified(true, false)),
            (0x27, KNOWN[3], &[0x42, 0x56, 1], 2, modified(false, true)),
        ] {
            for encoded in encodings(code, name, fields, count) {
                let mut source = source(&encoded, &[]);
                assert_eq!(default_of(&source).as_ref(), Ok(&wanted), "{encoded:x?}");
                answer(&mut source);
                assert_eq!(default_of(&source).as_ref(), Ok(&wanted), "what is answered is what is done");
                assert_eq!(source.outcomes, KNOWN.map(Symbol::from));
            }
        }
    }

    #[test]
    fn what_is_not_known_is_not_named() {
        let released = source(&[0x00, 0x53, 0x26, 0x45], &[]).default_outcome;
        // A state that is no outcome, one of a stranger, a value without a descriptor.
        for encoded in [
            &[0x00, 0x53, 0x23, 0xc0, 3, 2, 0x43, 0x44][..],
            &[0x00, 0xa3, 3, b'o', b'w', b'n', 0x45],
            &[0xa1, 1, b'x'],
        ] {
            let mut source = source(encoded, &["amqp:accepted:list", "com.example:postponed:list"]);
            assert_eq!(default_of(&source), Ok(Outcome::Released));
            answer(&mut source);
            assert_eq!(source.default_outcome, released);
            assert_eq!(source.outcomes, [Symbol::from("amqp:accepted:list")]);
        }
        let mut none = Source::default();
        answer(&mut none);
        assert_eq!(none.default_outcome, released);
    }

    #[test]
    fn a_rejection_tells_its_owner_why() {
        let refused = |condition: &'static str, text: Option<&str>| {
            let description = text.map(str::to_owned);
            let refusal = refusal(AmqpError { condition: condition.into(), description, info: Map::default() });
            (refusal.condition, refusal.description)
        };
        let known = refused("amqp:precondition-failed", Some("too blue"));
        assert_eq!(known, (Condition::PreconditionFailed.into(), "too blue".to_owned()));
        assert_eq!(refused("amqp:not-found", None), (Condition::NotFound.into(), String::new()));
        let (condition, text) = refused("com.example:own", Some("too blue"));
        assert_eq!((condition, text.as_str()), (Symbol::new("com.example:own"), "too blue"));
    }

    #[test]
    fn one_that_cannot_be_read_refuses_the_link() {
        let broken = source(&[0x00, 0x53, 0x27, 0xc0, 2, 1, 0x43], &[]);
        assert_eq!(default_of(&broken).expect_err("no boolean").condition.as_str(), "amqp:invalid-field");
    }
}
