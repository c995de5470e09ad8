//! What the queue of transactions over several shards has in it, as bodies of messages: decisions, and notes that an owner did its share of
//! one. Octets in `docs/journal-format.md`.
//!
//! Guarantees: `read_decided(encode_decided(it))` is it; what is none is an error, never a panic, and allocates no more than the octets that are
//! there. Whoever does not know a version refuses it.

use bytes::Bytes;
use engine_core::Origin;
use engine_core::command::{Publish, RoutingType};
use engine_core::fact::{DecisionId, Mark, Share};
use engine_core::message::Message;
use storage_journal::format::Fields;
use storage_journal::{Part, Record, RecordHeader};

use crate::attributes::Attributes;
use crate::entry::message;
use crate::meaning::{Meaning, Numbers, Properties};

/// The version of decisions that is written.
const DECIDED: u8 = 1;
/// The version of notes that is written; versions of decisions and of notes are told apart.
const CARRIED: u8 = 128;
/// Added to a message's routing type if the number of its container follows.
const WITH_ORIGIN: u8 = 4;
/// Added to a message's routing type if its id is to be looked for.
const UNIQUE: u8 = 8;
/// What stands for the failures of a message that leaves its queue.
const GONE: u32 = u32::MAX;

/// What is in that queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// This is to be done, by owner.
    Decided(Vec<Share>),
    /// An owner did its share of this.
    Carried(DecisionId),
}

/// What there is to do.
#[must_use]
pub fn encode_decided(shares: &[Share]) -> Vec<u8> {
    let mut out = vec![DECIDED];
    for Share { owner, sends, marks } in shares {
        out.extend(owner.to_le_bytes());
        out.extend(count(sends.len()));
        sends.iter().for_each(|send| encode_send(send, &mut out));
        out.extend(count(marks.len()));
        for Mark { queue, name, failures } in marks {
            out.extend(queue.to_le_bytes());
            out.extend(name.to_le_bytes());
            out.extend(failures.map_or(GONE, |count| count.min(GONE - 1)).to_le_bytes());
        }
    }
    out
}

/// That it was done.
#[must_use]
pub fn encode_carried(decision: DecisionId) -> Vec<u8> {
    let mut out = vec![CARRIED];
    out.extend(decision.shard.to_le_bytes());
    out.extend(decision.name.to_le_bytes());
    out
}

fn count(count: usize) -> [u8; 4] {
    u32::try_from(count).expect("a transaction is bounded").to_le_bytes()
}

fn encode_send(Publish { address, routing, message, origin, .. }: &Publish, out: &mut Vec<u8>) {
    let routing = match routing {
        None => 0,
        Some(RoutingType::Anycast) => 1,
        Some(RoutingType::Multicast) => 2,
    };
    let unique = if message.unique { UNIQUE } else { 0 };
    out.push(routing | unique | if origin.is_some() { WITH_ORIGIN } else { 0 });
    out.extend(origin.iter().flat_map(|origin| origin.number().to_le_bytes()));
    out.extend(count(address.len()));
    out.extend_from_slice(address.as_bytes());
    let properties = Properties::of(message);
    let whole = Meaning::Message { properties, queues: Numbers(&[]), attributes: Attributes(&[]), body: &message.body };
    whole.encode(Part::Shared, |_, payload| {
        out.extend(count(payload.iter().map(|part| part.len()).sum()));
        payload.iter().for_each(|part| out.extend_from_slice(part));
    });
}

/// What the body of a message of that queue says.
///
/// # Errors
/// When it is none, or of a version that is not known.
pub fn read_decision(body: &[u8]) -> Result<Decision, &'static str> {
    let mut fields = Fields(body);
    match fields.u8() {
        Some(DECIDED) => {
            let mut shares = Vec::new();
            while !fields.0.is_empty() {
                shares.push(read_share(&mut fields).ok_or("a decision is cut off, or none")?);
            }
            Ok(Decision::Decided(shares))
        }
        Some(CARRIED) => {
            let id = (|| Some(DecisionId { shard: fields.u16()?, name: fields.u64()? }))();
            id.filter(|_| fields.0.is_empty()).map(Decision::Carried).ok_or("a note of a decision is cut off, or none")
        }
        _ => Err(
            "a decision is of a version that this version of Heddle does not know: a newer one wrote it, and is needed to carry it out",
        ),
    }
}

fn read_share(fields: &mut Fields<'_>) -> Option<Share> {
    let owner = fields.u16()?;
    let mut sends = Vec::new();
    for _ in 0..fields.u32()? {
        sends.push(read_send(fields)?);
    }
    let mut marks = Vec::new();
    for _ in 0..fields.u32()? {
        let (queue, name, failures) = (fields.u64()?, fields.u64()?, fields.u32()?);
        marks.push(Mark { queue, name, failures: Some(failures).filter(|&count| count != GONE) });
    }
    Some(Share { owner, sends, marks })
}

fn read_send(fields: &mut Fields<'_>) -> Option<Publish> {
    let first = fields.u8()?;
    let routing = match first & !(WITH_ORIGIN | UNIQUE) {
        0 => None,
        1 => Some(RoutingType::Anycast),
        2 => Some(RoutingType::Multicast),
        _ => return None,
    };
    let origin = if first & WITH_ORIGIN == 0 { None } else { Some(Origin::from_number(fields.u64()?)?) };
    let length = fields.u32()? as usize;
    let address = str::from_utf8(fields.take(length)?).ok()?.to_owned();
    let length = fields.u32()? as usize;
    let mut message = read_message(fields.take(length)?)?;
    message.unique = first & UNIQUE != 0;
    Some(Publish { routing, origin, ..Publish::of(address, message) })
}

fn read_message(payload: &[u8]) -> Option<Message> {
    let header = RecordHeader { numbers: 0, ..Meaning::MESSAGE_HEADER };
    let meaning = Meaning::decode(&Record { header, number: 0, payload }).ok().flatten()?;
    // Nobody was given it.
    let mut message = message(&meaning, Bytes::copy_from_slice)?;
    message.header.first_acquirer = true;
    Some(message)
}

#[cfg(test)]
mod tests {
    use engine_core::message::Header;

    use super::*;

    fn share() -> Share {
        let message = Message {
            header: Header { durable: true, priority: 7, first_acquirer: true, ..Header::default() },
            ..Message::new(b"body".as_slice().into())
        };
        let sends = vec![
            Publish::of("a", message.clone()),
            Publish { origin: Some(Origin::of("me")), ..Publish::of("a", message.clone()) },
            Publish { routing: Some(RoutingType::Multicast), ..Publish::of("b::c", message) },
        ];
        let marks = vec![Mark { queue: 3, name: 9, failures: None }, Mark { queue: 4, name: 10, failures: Some(2) }];
        Share { owner: 2, sends, marks }
    }

    #[test]
    fn what_is_written_is_read() {
        let shares = vec![share(), Share { owner: 5, sends: Vec::new(), marks: Vec::new() }];
        assert_eq!(read_decision(&encode_decided(&shares)), Ok(Decision::Decided(shares)));
        let id = DecisionId { shard: 7, name: 1 << 40 };
        assert_eq!(read_decision(&encode_carried(id)), Ok(Decision::Carried(id)));
    }

    #[test]
    fn the_octets_are_what_they_were() {
        let share = Share { owner: 2, sends: Vec::new(), marks: vec![Mark { queue: 3, name: 9, failures: None }] };
        let mut octets = vec![1, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        octets.extend([0xff; 4]);
        assert_eq!(encode_decided(&[share]), octets);
        assert_eq!(encode_carried(DecisionId { shard: 3, name: 5 }), [128, 3, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_is_cut_or_foreign_is_refused() {
        for whole in [encode_decided(&[share()]), encode_carried(DecisionId { shard: 1, name: 2 })] {
            for length in 0..whole.len() {
                // What was left off may be all there is behind the version.
                let cut = read_decision(&whole[..length]);
                assert!(cut.is_err() || length == 1, "{length}: {cut:?}");
            }
            for flip in 0..whole.len() {
                let mut flipped = whole.clone();
                flipped[flip] ^= 0x81;
                let _ = read_decision(&flipped);
            }
        }
        assert!(read_decision(&[2]).is_err_and(|error| error.contains("newer")));
        assert!(read_decision(&[1, 0, 0, 0xff, 0xff, 0xff, 0xff]).is_err(), "so many are not there");
    }
}
