//! `begin` and `end` (parts 2.7.2, 2.7.8).

use super::code;
use super::connection::{AmqpError, put_map, put_symbols};
use engine_message::encode::{self, Compound};
use engine_message::reader::Reader;
use engine_message::value::Map;
use engine_message::{DecodeError, Fields, Symbol};

/// Begins a session on the frame's channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Begin {
    /// In an answer the channel that the other side chose.
    pub remote_channel: Option<u16>,
    /// The first transfer's number.
    pub next_outgoing_id: u32,
    /// How many transfers may come, frames.
    pub incoming_window: u32,
    /// How many transfers could go out, frames.
    pub outgoing_window: u32,
    /// Highest handle that the sender takes.
    pub handle_max: u32,
    /// Extensions that the sender has.
    pub offered_capabilities: Vec<Symbol>,
    /// Extensions that the sender would use.
    pub desired_capabilities: Vec<Symbol>,
    /// Properties of the session.
    pub properties: Map,
}

impl Default for Begin {
    fn default() -> Self {
        Self {
            remote_channel: None,
            next_outgoing_id: 0,
            incoming_window: 0,
            outgoing_window: 0,
            handle_max: u32::MAX,
            offered_capabilities: Vec::new(),
            desired_capabilities: Vec::new(),
            properties: Map::default(),
        }
    }
}

impl Begin {
    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            remote_channel: fields.next(Reader::ushort)?,
            next_outgoing_id: fields.required("next-outgoing-id", Reader::uint)?,
            incoming_window: fields.required("incoming-window", Reader::uint)?,
            outgoing_window: fields.required("outgoing-window", Reader::uint)?,
            handle_max: fields.next(Reader::uint)?.unwrap_or(u32::MAX),
            offered_capabilities: fields.symbols()?,
            desired_capabilities: fields.symbols()?,
            properties: fields.map()?,
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut list = Compound::described(out, code::BEGIN.to_be_bytes()[7]);
        list.put_some(self.remote_channel, encode::ushort)
            .put(|out| encode::uint(out, self.next_outgoing_id))
            .put(|out| encode::uint(out, self.incoming_window))
            .put(|out| encode::uint(out, self.outgoing_window))
            .put_some(Some(self.handle_max).filter(|&max| max != u32::MAX), encode::uint);
        put_symbols(&mut list, &self.offered_capabilities);
        put_symbols(&mut list, &self.desired_capabilities);
        put_map(&mut list, &self.properties);
        list.finish();
    }
}

/// Ends a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct End {
    /// Why, if something went wrong.
    pub error: Option<AmqpError>,
}

impl End {
    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self { error: fields.next(AmqpError::read)? })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut list = Compound::described(out, code::END.to_be_bytes()[7]);
        list.put_some(self.error.as_ref(), |out, error| error.encode(out));
        list.finish();
    }
}
