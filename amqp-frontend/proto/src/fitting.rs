//! Errors that fit into the peer's frames: what one peer said at length is told another that takes short frames.
//!
//! Guarantee: a frame with an error is never larger than the peer takes; what has to go goes in this order: the error's info, the end
//! of its description, a condition that is no name any more.
//! Not here: messages, which are cut into frames (`session`).

use amqp_codec::AmqpError;
use amqp_codec::performative::{Performative, encode_frame};
use engine_message::Condition;
use engine_message::value::Map;

use crate::out::Out;
use crate::state::DeliveryOutcome;

/// Octets of a frame around an error: header, performative and delivery state, none of which is longer than that.
const AROUND: usize = 160;
/// Longest condition that is passed on shortened, octets; those of the specification have at most 35.
const CONDITION_BYTES_MAX: usize = 128;

/// Writes what ends something, with its error if there is one.
pub(crate) fn put_end(
    out: &mut Out,
    max_frame: u32,
    channel: u16,
    error: Option<AmqpError>,
    end: impl Fn(Option<AmqpError>) -> Performative<'static>,
) {
    let short = error.as_ref().map(|error| shortened(error, max_frame));
    if !put(out, max_frame, channel, &end(error)) {
        put(out, max_frame, channel, &end(short));
    }
}

/// Writes a frame, unless it is larger than the peer takes; gives whether it was written.
pub(crate) fn put(out: &mut Out, max_frame: u32, channel: u16, performative: &Performative<'_>) -> bool {
    let start = out.buffer().len();
    encode_frame(out.buffer(), channel, performative);
    let fits = out.buffer().len() - start <= max_frame as usize;
    if !fits {
        out.buffer().truncate(start);
    }
    fits
}

/// What fits of an error into a frame.
fn shortened(error: &AmqpError, max_frame: u32) -> AmqpError {
    let is_name = error.condition.as_str().len() <= CONDITION_BYTES_MAX;
    let condition = if is_name { error.condition.clone() } else { Condition::InternalError.into() };
    let room = (max_frame as usize).saturating_sub(AROUND + condition.as_str().len());
    let description = error.description.as_deref().map(|text| text[..text.floor_char_boundary(room)].to_owned());
    AmqpError { condition, description, info: Map::default() }
}

/// What fits of an outcome into a frame.
#[cold]
pub(crate) fn shortened_outcome(outcome: &DeliveryOutcome, max_frame: u32) -> DeliveryOutcome {
    match outcome {
        DeliveryOutcome::Rejected(error) => {
            DeliveryOutcome::Rejected(error.as_deref().map(|error| Box::new(shortened(error, max_frame))))
        }
        DeliveryOutcome::Modified(modified) => {
            let mut modified = modified.clone();
            modified.annotations = None;
            DeliveryOutcome::Modified(modified)
        }
        DeliveryOutcome::Accepted | DeliveryOutcome::Released | DeliveryOutcome::Declared(_) => outcome.clone(),
    }
}
