//! What a router does to the annotations of a message that comes in, goes on, or leaves the network.
//!
//! Guarantees: what users annotated is never touched. A trace never has more than `TRACE_MAX` entries: a message that would is one that
//! goes round.
//!
//! Not here: links that are routed as a whole, whose messages nobody looks into.

use crate::annotations::Annotations;
use crate::limits::TRACE_MAX;

/// Where what routers wrote is taken off messages of a client's connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strip {
    /// When they come in.
    In,
    /// When they leave.
    Out,
    /// Both.
    #[default]
    Both,
    /// Never.
    No,
}

/// Who a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A client or a container, on a connection that strips so.
    Client(Strip),
    /// A router, an edge router included.
    Router,
}

/// Who a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// A client or a container, on a connection that strips so.
    Client(Strip),
    /// A router, an edge router included.
    Router,
}

/// A message went through as many routers as there can be: it goes round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round;

impl<'a> Annotations<'a> {
    /// Has a message come to the interior router `me`: it enters here, or goes on.
    ///
    /// # Errors
    /// When its trace is full.
    pub fn come(&mut self, me: &'a str, source: Source) -> Result<(), Round> {
        if let Source::Client(Strip::In | Strip::Both) = source {
            self.strip();
        }
        if self.trace.len() >= TRACE_MAX {
            return Err(Round);
        }
        self.ingress.get_or_insert(me);
        self.trace.come(me);
        Ok(())
    }

    /// Has a message come to an edge router, which leaves it to the interior to write down where it entered.
    pub fn come_to_edge(&mut self, source: Source) {
        if let Source::Client(Strip::In | Strip::Both) = source {
            self.strip();
        }
    }

    /// Has a message leave.
    pub fn leave(&mut self, sink: Sink) {
        if let Sink::Client(Strip::Out | Strip::Both) = sink {
            self.strip();
        }
    }

    /// Takes off what routers wrote.
    fn strip(&mut self) {
        *self = Self { user: self.user, user_count: self.user_count, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use engine_message::reader::Reader;

    use super::*;
    use crate::address::Phase;
    use crate::trace::Trace;

    /// A trace that came.
    fn came(list: &'static [u8]) -> Trace<'static> {
        Trace::read(&mut Reader::new(list)).expect("a trace")
    }

    /// A message that came over A, with a user's entry.
    fn traced() -> Annotations<'static> {
        Annotations {
            user: b"\xa3\x01a\x40",
            user_count: 1,
            phase: Phase::FALLBACK,
            to: Some("orders"),
            ingress: Some("A"),
            trace: came(b"\xc0\x06\x01\xa1\x030/A"),
            ..Annotations::default()
        }
    }

    #[test]
    fn a_client_enters_here_or_keeps_where_it_entered() {
        for (strip, ingress, trace) in [
            (Strip::Both, "B", vec!["B"]),
            (Strip::In, "B", vec!["B"]),
            (Strip::Out, "A", vec!["A", "B"]),
            (Strip::No, "A", vec!["A", "B"]),
        ] {
            let mut annotations = traced();
            assert_eq!(annotations.come("B", Source::Client(strip)), Ok(()));
            let passed: Vec<&str> = annotations.trace.iter().collect();
            assert_eq!((annotations.ingress, &passed), (Some(ingress), &trace), "{strip:?}");
            assert_eq!(annotations.to.is_some(), trace.len() == 2, "an address that a client wrote counts as little");
            assert_eq!((annotations.user, annotations.user_count), (traced().user, 1));
        }
    }

    #[test]
    fn routers_keep_all_and_add_themselves() {
        let mut annotations = traced();
        assert_eq!(annotations.come("B", Source::Router), Ok(()));
        annotations.leave(Sink::Router);
        let trace = came(b"\xc0\x0b\x02\xa1\x030/A\xa1\x030/B");
        assert_eq!(annotations, Annotations { trace, ..traced() });
        let mut new = Annotations::default();
        assert_eq!(new.come("B", Source::Router), Ok(()), "an edge router adds nothing");
        assert_eq!((new.ingress, new.trace), (Some("B"), Trace::begun("B")));
    }

    #[test]
    fn clients_see_what_routers_wrote_if_they_are_to() {
        for (strip, is_seen) in [(Strip::Both, false), (Strip::Out, false), (Strip::In, true), (Strip::No, true)] {
            let mut annotations = traced();
            annotations.leave(Sink::Client(strip));
            assert_eq!(annotations.ingress.is_some(), is_seen, "{strip:?}");
            assert_eq!(annotations.user_count, 1);
        }
        let mut bare = Annotations { user: b"", user_count: 0, ..traced() };
        bare.leave(Sink::Client(Strip::Both));
        assert!(bare.is_empty(), "then there is no section");
    }

    #[test]
    fn a_full_trace_goes_round() {
        let mut full = Vec::new();
        let mut list = engine_message::encode::Compound::list(&mut full);
        for _ in 0..TRACE_MAX {
            list.put(|out| engine_message::encode::string(out, "0/A"));
        }
        list.finish();
        let trace = Trace::read(&mut Reader::new(&full)).expect("a trace");
        let mut annotations = Annotations { trace, ..traced() };
        assert_eq!(annotations.come("B", Source::Client(Strip::No)), Err(Round));
        assert_eq!(annotations.come("B", Source::Client(Strip::Both)), Ok(()));
    }
}
