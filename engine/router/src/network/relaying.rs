//! The outside of a control message: where it goes, where it was, and how it is handed on.
//!
//! Guarantee: what is handed on is the same message, with this router at the end of its trace.

use bytes::Bytes;
use engine_message::DecodeError;
use engine_message::section::{self, Sections};

use crate::address::{Here, Key, Mode, resolve};
use crate::annotations::{Annotations, place, rewrite};
use crate::router_id::RouterId;
use crate::stamp::Source;

/// A control message from outside.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    message: &'a [u8],
    sections: Sections,
    /// What routers wrote about it.
    pub annotations: Annotations<'a>,
    /// Where it goes, if it says so.
    pub to: Option<Key>,
}

impl<'a> Envelope<'a> {
    /// Looks at a message from outside.
    ///
    /// # Errors
    /// When it is no well-formed message, or what routers write about it is not.
    pub fn read(message: &'a [u8], me: &RouterId) -> Result<Self, DecodeError> {
        let sections = section::scan(message)?;
        let of = |range: &std::ops::Range<usize>| message.get(range.clone()).unwrap_or_default();
        let annotations = Annotations::read(of(&sections.message_annotations))?;
        let to = annotations.to.or(section::property_to(of(&sections.properties))?);
        let to = to.and_then(|to| resolve(to, annotations.phase, Here { id: me, mode: Mode::Interior }));
        Ok(Self { message, sections, annotations, to })
    }

    /// Who says it: the first router that it went through, or the one that it came from.
    pub fn origin(&self, neighbour: &'a RouterId) -> &'a str {
        self.annotations.ingress.unwrap_or_else(|| neighbour.as_str())
    }

    /// Whether the neighbour says it itself.
    pub fn is_direct(&self) -> bool {
        self.annotations.trace.len() <= 1
    }

    /// Whether what routers wrote about it is what they write: the first one is where it entered, the last one where it came from.
    pub fn is_traced(&self, neighbour: &RouterId) -> bool {
        let (ingress, trace) = (self.annotations.ingress, &self.annotations.trace);
        let is_last = trace.iter().last().is_none_or(|last| last == neighbour.as_str());
        let first = trace.iter().next().unwrap_or(neighbour.as_str());
        is_last && ingress.is_none_or(|ingress| ingress == first)
    }

    /// The message as this router hands it on; `None` if it went through as many routers as there can be.
    pub fn hand_on<'m>(&'m self, me: &'m str) -> Option<Bytes> {
        let mut annotations: Annotations<'m> = self.annotations;
        annotations.come(me, Source::Router).ok()?;
        Some(rewrite(self.message, place(&self.sections), &annotations).into())
    }
}
