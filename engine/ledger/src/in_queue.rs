//! What is said of a message in one of its queues: an attribute for each queue that something is said of, with attributes of its own in it.
//!
//! Guarantees:
//! 1. It goes along when a message is written again, whether this version knows what is said or not: with its queue, and only with that
//!    (`carry`). So attributes of the message itself never name queues, numbers or places: those are here, where every version finds them.
//! 2. What has to be understood and is not known is an error, within as without.
//! 3. A message of which nothing is said costs nothing, on disk or here.
//!
//! The one thing that is known is the *line* that the message is in there. Without it that is the line of its priority; a queue without
//! lines has one for all. It is said where it differs: no node does that yet, and each keeps it.

use storage_journal::Unknown;
use storage_journal::format::Fields;

use crate::attributes::{Attribute, Attributes};

/// Attributes of a message.
mod message {
    /// A queue's number 8, then attributes of the message there.
    pub const IN_QUEUE: u16 = 1;
}

/// Attributes of a message in a queue.
mod queued {
    /// The line, 1 octet: 0 to 9 are those of priorities.
    pub const LINE: u16 = 1;
}

/// What is said of a message in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InQueue<'a> {
    /// The queue.
    pub queue: u64,
    /// What is said.
    pub attributes: Attributes<'a>,
}

impl<'a> InQueue<'a> {
    /// Reads it; `None`: the attribute is another one.
    ///
    /// # Errors
    /// When it is cut off.
    fn decode(attribute: &Attribute<'a>) -> Result<Option<Self>, &'static str> {
        if attribute.kind != message::IN_QUEUE {
            return Ok(None);
        }
        let mut fields = Fields(attribute.value);
        let queue = fields.u64().ok_or("an attribute of a message in a queue is cut off")?;
        Ok(Some(Self { queue, attributes: Attributes(fields.0) }))
    }

    /// Appends the attribute that says so to those of a message; queues come in the order of their numbers.
    pub fn encode(&self, out: &mut Vec<u8>) {
        Attribute { kind: message::IN_QUEUE, unknown: Unknown::Refuse, value: &self.value() }.encode(out);
    }

    fn value(&self) -> Vec<u8> {
        [&self.queue.to_le_bytes(), self.attributes.0].concat()
    }

    /// The line that it says.
    ///
    /// # Errors
    /// When something is said that has to be understood and is not known, or a line is none.
    pub fn line(&self) -> Result<Option<u8>, &'static str> {
        let mut line = None;
        self.attributes.read(|attribute| match (attribute.kind, attribute.value) {
            (queued::LINE, [found]) => {
                line = Some(*found);
                Ok(())
            }
            (queued::LINE, _) => Err("the line of a message is not one octet"),
            _ => attribute.skip(),
        })?;
        Ok(line)
    }
}

/// The attribute of a message in a queue that says which line it is in.
pub fn encode_line(line: u8, out: &mut Vec<u8>) {
    Attribute { kind: queued::LINE, unknown: Unknown::Skip, value: &[line] }.encode(out);
}

/// Gives what is said of a message in its queues.
///
/// # Errors
/// When it is not what it should be, or has to be understood and is not known.
#[inline]
pub fn in_queues<'a>(attributes: Attributes<'a>, mut take: impl FnMut(InQueue<'a>)) -> Result<(), &'static str> {
    let mut last = None;
    attributes.read(|attribute| {
        let Some(found) = InQueue::decode(&attribute)? else { return attribute.skip() };
        if last.replace(found.queue).is_some_and(|last| last >= found.queue) {
            return Err("what is said of a message in its queues is not in the order of these");
        }
        found.line()?;
        take(found);
        Ok(())
    })
}

/// The attributes of a message that is written again, in queues that have another number now, or that it has left: `None`. All others
/// stay, known or not. The order of the numbers has to be that of the old ones.
pub fn carry(attributes: Attributes<'_>, number_of: impl Fn(u64) -> Option<u64>) -> Vec<u8> {
    let (mut out, mut carried) = (Vec::new(), 0);
    let read = attributes.read(|attribute| {
        match InQueue::decode(&attribute)? {
            Some(found) => {
                if let Some(queue) = number_of(found.queue) {
                    let value = InQueue { queue, ..found }.value();
                    Attribute { value: &value, ..attribute }.encode(&mut out);
                }
            }
            None => attribute.encode(&mut out),
        }
        carried += attribute.bytes();
        Ok(())
    });
    if read.is_err() {
        // Whatever it is, it is not for this version to drop.
        out.extend_from_slice(attributes.0.get(carried..).unwrap_or_default());
    }
    out
}
