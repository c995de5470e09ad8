//! Which message has the last value of a key, in a queue that keeps no others of it.
//!
//! Guarantees:
//! 1. Of two messages of a key that wait the later one stays; the other one is named once, to leave. One that a consumer holds does not wait: it is
//!    named if it comes back and a later one of its key is known, whatever became of that.
//! 2. Keys are compared as a whole, octet by octet: no two of them are taken for one.
//!
//! Bounds: with `LAST_VALUES_MAX` messages that wait, one of a key that is not known is ordinary: it stays beside others of its key. A key is known as long as a
//! message of it waits, and until more are known than twice as many as wait. Keys above `LAST_VALUE_KEY_BYTES_MAX` octets are none.
//!
//! Not here: what waits (`order`), and how a message leaves (`queue::named`).

use std::collections::{BTreeSet, HashMap};

use engine_message::reader::Reader;
use engine_message::section;
use engine_message::value::Value;

use crate::limits::{LAST_VALUE_KEY_BYTES_MAX, LAST_VALUES_MAX};
use crate::message::Message;

/// Keys that may be known whatever waits.
const KNOWN_MIN: usize = 64;

/// The last values of a queue.
#[derive(Debug)]
pub(super) struct LastValues {
    /// The application property that is the key.
    property: Box<str>,
    /// The last message of each key, by its sequence number. It may wait no more.
    newest: HashMap<Box<[u8]>, u64>,
    /// Messages that are to leave, by their sequence numbers.
    replaced: BTreeSet<u64>,
}

impl LastValues {
    pub fn new(property: &str) -> Self {
        Self { property: property.into(), newest: HashMap::new(), replaced: BTreeSet::new() }
    }

    /// The name of the property.
    pub fn property(&self) -> &str {
        &self.property
    }

    /// A message waits at its place, beside `waiting` others; `waits` says of a sequence number whether such a message does.
    pub fn insert(&mut self, sequence: u64, message: &Message, waiting: usize, waits: impl Fn(u64) -> bool) {
        let Some(key) = self.key_of(message) else { return };
        if let Some(newest) = self.newest.get_mut(&*key) {
            let known = std::mem::replace(newest, sequence.max(*newest));
            if known > sequence {
                self.replaced.insert(sequence);
            } else if known < sequence && waits(known) {
                self.replaced.insert(known);
            }
            return;
        }
        if waiting > LAST_VALUES_MAX {
            return;
        }
        if self.newest.len() > 2 * waiting + KNOWN_MIN {
            self.newest.retain(|_, &mut sequence| waits(sequence));
        }
        self.newest.insert(key, sequence);
    }

    /// The key of a message, if it has one: whether it is a string or a symbol makes no difference, other types are apart.
    fn key_of(&self, message: &Message) -> Option<Box<[u8]>> {
        let front = message.front();
        let sections = section::scan_front(front).ok()?;
        let properties = front.get(sections.application_properties)?;
        let encoded = section::map_entry(properties, &self.property).ok()??;
        let mut key = Vec::new();
        match Value::read(&mut Reader::new(encoded)).ok()? {
            Value::Null => return None,
            Value::Symbol(text) => Value::String(text.as_str().to_owned()).encode(&mut key),
            other => other.encode(&mut key),
        }
        (key.len() <= LAST_VALUE_KEY_BYTES_MAX).then(|| key.into())
    }

    /// Whether messages are to leave.
    pub fn has_replaced(&self) -> bool {
        !self.replaced.is_empty()
    }

    /// The first message that is to leave, from a sequence number on.
    pub fn replaced_from(&self, sequence: u64) -> Option<u64> {
        self.replaced.range(sequence..).next().copied()
    }

    /// It left.
    pub fn handle_left(&mut self, sequence: u64) {
        self.replaced.remove(&sequence);
    }
}
