//! `open`, `close` (parts 2.7.1, 2.7.9) and `error` (2.8.14).

use super::code;
use engine_message::encode::{self, Compound};
use engine_message::reader::Reader;
use engine_message::value::{Map, descriptor_code};
use engine_message::{DecodeError, ErrorKind, Fields, Symbol};

/// Smallest maximum frame size that a peer may announce, octets (part 2.7.1).
pub const FRAME_BYTES_MIN_MAX: u32 = 512;

/// Negotiates a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// The sender's identity.
    pub container_id: String,
    /// The host that the sender wants to reach.
    pub hostname: Option<String>,
    /// Largest frame that the sender takes, octets; at least 512.
    pub max_frame_size: u32,
    /// Highest channel that the sender takes.
    pub channel_max: u16,
    /// After so many milliseconds without a frame the sender gives up.
    pub idle_timeout_ms: Option<u32>,
    /// Locales that the sender can use in texts.
    pub outgoing_locales: Vec<Symbol>,
    /// Locales that the sender wants.
    pub incoming_locales: Vec<Symbol>,
    /// Extensions that the sender has.
    pub offered_capabilities: Vec<Symbol>,
    /// Extensions that the sender would use.
    pub desired_capabilities: Vec<Symbol>,
    /// Properties of the connection.
    pub properties: Map,
}

impl Default for Open {
    fn default() -> Self {
        Self {
            container_id: String::new(),
            hostname: None,
            max_frame_size: u32::MAX,
            channel_max: u16::MAX,
            idle_timeout_ms: None,
            outgoing_locales: Vec::new(),
            incoming_locales: Vec::new(),
            offered_capabilities: Vec::new(),
            desired_capabilities: Vec::new(),
            properties: Map::default(),
        }
    }
}

impl Open {
    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let open = Self {
            container_id: fields.required("container-id", |reader| reader.string().map(str::to_owned))?,
            hostname: fields.text()?,
            max_frame_size: fields.next(Reader::uint)?.unwrap_or(u32::MAX),
            channel_max: fields.next(Reader::ushort)?.unwrap_or(u16::MAX),
            idle_timeout_ms: fields.next(Reader::uint)?.filter(|&timeout| timeout > 0),
            outgoing_locales: fields.symbols()?,
            incoming_locales: fields.symbols()?,
            offered_capabilities: fields.symbols()?,
            desired_capabilities: fields.symbols()?,
            properties: fields.map()?,
        };
        if open.max_frame_size < FRAME_BYTES_MIN_MAX {
            return Err(fields.error(ErrorKind::InvalidField("max-frame-size")));
        }
        Ok(open)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut list = Compound::described(out, code::OPEN.to_be_bytes()[7]);
        list.put(|out| encode::string(out, &self.container_id))
            .put_some(self.hostname.as_deref(), encode::string)
            .put_some(Some(self.max_frame_size).filter(|&size| size != u32::MAX), encode::uint)
            .put_some(Some(self.channel_max).filter(|&max| max != u16::MAX), encode::ushort)
            .put_some(self.idle_timeout_ms, encode::uint);
        put_symbols(&mut list, &self.outgoing_locales);
        put_symbols(&mut list, &self.incoming_locales);
        put_symbols(&mut list, &self.offered_capabilities);
        put_symbols(&mut list, &self.desired_capabilities);
        put_map(&mut list, &self.properties);
        list.finish();
    }
}

/// Adds symbols, or null for none.
pub(super) fn put_symbols(list: &mut Compound<'_>, symbols: &[Symbol]) {
    if symbols.is_empty() {
        list.put_null();
    } else {
        list.put(|out| encode::symbols(out, symbols.iter().map(Symbol::as_str)));
    }
}

/// Adds a map, or null for an empty one.
pub(super) fn put_map(list: &mut Compound<'_>, map: &Map) {
    if map.is_empty() {
        list.put_null();
    } else {
        list.put(|out| map.encode(out));
    }
}

/// Ends a connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Close {
    /// Why, if something went wrong.
    pub error: Option<AmqpError>,
}

impl Close {
    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self { error: fields.next(AmqpError::read)? })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut list = Compound::described(out, code::CLOSE.to_be_bytes()[7]);
        list.put_some(self.error.as_ref(), |out, error| error.encode(out));
        list.finish();
    }
}

/// Why something ended.
#[derive(Clone, Debug, PartialEq)]
pub struct AmqpError {
    /// What kind of error: one of `Condition`, or the peer's own.
    pub condition: Symbol,
    /// What a person should read.
    pub description: Option<String>,
    /// More about it.
    pub info: Map,
}

const ERROR: u64 = 0x1d;

impl AmqpError {
    /// An error of one of the standard conditions.
    pub fn new(condition: impl Into<Symbol>, description: impl Into<String>) -> Self {
        Self { condition: condition.into(), description: Some(description.into()), info: Map::default() }
    }

    /// Reads a described error.
    ///
    /// # Errors
    /// When the next value is none.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        let descriptor = reader.descriptor()?;
        match descriptor_code(descriptor, &[(ERROR, "amqp:error:list")]) {
            Some(ERROR) => {}
            other => return Err(start.error(ErrorKind::UnknownDescriptor(other))),
        }
        let mut fields = Fields::new(reader.list()?);
        Ok(Self {
            condition: Symbol::new(fields.required("condition", Reader::symbol)?),
            description: fields.text()?,
            info: fields.map()?,
        })
    }

    /// Appends the encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut list = Compound::described(out, ERROR.to_be_bytes()[7]);
        list.put(|out| encode::symbol(out, self.condition.as_str()))
            .put_some(self.description.as_deref(), encode::string);
        put_map(&mut list, &self.info);
        list.finish();
    }
}

impl std::fmt::Display for AmqpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.condition)?;
        self.description.as_deref().map_or(Ok(()), |description| write!(f, ": {description}"))
    }
}
