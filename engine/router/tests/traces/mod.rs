//! Traces as they are in messages, for tests.

use engine_message::encode::{Compound, string};
use engine_message::reader::Reader;
use engine_router::trace::Trace;

/// The list of these routers.
pub fn trace_of<T: AsRef<str>>(ids: &[T]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut list = Compound::list(&mut out);
    for id in ids {
        list.put(|out| string(out, &format!("0/{}", id.as_ref())));
    }
    list.finish();
    out
}

/// The same as whoever gets the message reads it.
pub fn read_trace(list: &[u8]) -> Trace<'_> {
    Trace::read(&mut Reader::new(list)).expect("a trace")
}
