//! `attach` and `detach` (parts 2.7.3, 2.7.7).

use bytes::Bytes;
use engine_message::encode::{self, Compound};
use engine_message::reader::{self, Reader};
use engine_message::value::{Map, Raw};
use engine_message::{DecodeError, ErrorKind, Fields, Symbol, checked_raw, constructor};

use super::connection::{AmqpError, put_map, put_symbols};
use super::terminus::{Source, Target};
use super::transfer::TAG_BYTES_MAX;
use super::{ReceiverSettleMode, Role, SenderSettleMode, code};

/// Attaches a link to the session.
#[derive(Clone, Debug, PartialEq)]
pub struct Attach {
    /// Names the link between the two containers, for each direction.
    pub name: String,
    /// The sender's short name for it.
    pub handle: u32,
    /// The role of the sender of this frame.
    pub role: Role,
    /// When the link's sender settles.
    pub snd_settle_mode: SenderSettleMode,
    /// When the link's receiver settles.
    pub rcv_settle_mode: ReceiverSettleMode,
    /// Where messages come from.
    pub source: Option<Source>,
    /// Where they go to.
    pub target: Option<Target>,
    /// Deliveries unsettled from before: tags and states, at most as many as fit into the frame.
    pub unsettled: Option<Vec<(Bytes, Option<Raw>)>>,
    /// Whether there are more of these.
    pub incomplete_unsettled: bool,
    /// The sender's delivery-count; mandatory if the role is sender.
    pub initial_delivery_count: Option<u32>,
    /// Largest message that the sender of this frame takes, octets; absent for no limit.
    pub max_message_size: Option<u64>,
    /// Extensions that the sender has.
    pub offered_capabilities: Vec<Symbol>,
    /// Extensions that the sender would use.
    pub desired_capabilities: Vec<Symbol>,
    /// Properties of the link.
    pub properties: Map,
    /// What of all this is not what it has to be and was left out, if anything is: the link can be refused for it, where a frame
    /// that cannot be understood would end the connection. Name, handle and role are always there.
    pub fault: Option<DecodeError>,
}

impl Attach {
    /// An attach with the defaults of the specification.
    pub fn new(name: impl Into<String>, handle: u32, role: Role) -> Self {
        Self {
            name: name.into(),
            handle,
            role,
            snd_settle_mode: SenderSettleMode::default(),
            rcv_settle_mode: ReceiverSettleMode::default(),
            source: None,
            target: None,
            unsettled: None,
            incomplete_unsettled: false,
            initial_delivery_count: if role == Role::Sender { Some(0) } else { None },
            max_message_size: None,
            offered_capabilities: Vec::new(),
            desired_capabilities: Vec::new(),
            properties: Map::default(),
            fault: None,
        }
    }

    /// The answer that agrees to this attach: its name, its settle modes and its termini as they are, from the other role; no
    /// extensions, nothing unsettled from before. The handle is the answering end's to set.
    #[must_use]
    pub fn answer(&self) -> Self {
        Self {
            snd_settle_mode: self.snd_settle_mode,
            rcv_settle_mode: self.rcv_settle_mode,
            source: self.source.clone(),
            target: self.target.clone(),
            ..Self::new(self.name.as_str(), 0, self.role.other())
        }
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let mut fault = None;
        let mut attach = Self {
            name: fields.required("name", |reader| reader.string().map(str::to_owned))?,
            handle: fields.required("handle", Reader::uint)?,
            role: Role::read(fields)?,
            snd_settle_mode: fields.lenient(&mut fault, SenderSettleMode::read)?,
            rcv_settle_mode: fields.lenient(&mut fault, ReceiverSettleMode::read)?.unwrap_or_default(),
            source: fields.lenient(&mut fault, |fields| fields.next(Source::read))?,
            target: fields.lenient(&mut fault, |fields| fields.next(Target::read))?,
            unsettled: fields.lenient(&mut fault, |fields| fields.next(read_unsettled))?,
            incomplete_unsettled: fields.lenient(&mut fault, Fields::flag)?,
            initial_delivery_count: fields.lenient(&mut fault, |fields| fields.next(Reader::uint))?,
            max_message_size: fields.lenient(&mut fault, |fields| fields.next(Reader::ulong))?.filter(|&size| size > 0),
            offered_capabilities: fields.lenient(&mut fault, Fields::symbols)?,
            desired_capabilities: fields.lenient(&mut fault, Fields::symbols)?,
            properties: fields.lenient(&mut fault, Fields::map)?,
            fault: None,
        };
        if attach.role == Role::Sender && attach.initial_delivery_count.is_none() {
            fault.get_or_insert(fields.error(ErrorKind::MissingField("initial-delivery-count")));
        }
        attach.fault = fault;
        Ok(attach)
    }

    /// Appends the encoding, which `decode` reads.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut list = Compound::described(out, code::ATTACH.to_be_bytes()[7]);
        list.put(|out| encode::string(out, &self.name))
            .put(|out| encode::uint(out, self.handle))
            .put(|out| encode::boolean(out, self.role == Role::Receiver))
            .put(|out| encode::ubyte(out, self.snd_settle_mode as u8))
            .put(|out| encode::ubyte(out, self.rcv_settle_mode as u8))
            .put_some(self.source.as_ref(), |out, source| source.encode(out))
            .put_some(self.target.as_ref(), |out, target| target.encode(out))
            .put_some(self.unsettled.as_deref(), encode_unsettled)
            .put_flag(self.incomplete_unsettled)
            .put_some(self.initial_delivery_count, encode::uint)
            .put_some(self.max_message_size, encode::ulong);
        put_symbols(&mut list, &self.offered_capabilities);
        put_symbols(&mut list, &self.desired_capabilities);
        put_map(&mut list, &self.properties);
        list.finish();
    }
}

fn read_unsettled(reader: &mut Reader<'_>) -> Result<Vec<(Bytes, Option<Raw>)>, DecodeError> {
    let reader::Compound { reader: mut entries, count } = reader.map()?;
    let mut unsettled = Vec::new();
    for _ in 0..count / 2 {
        let tag = entries.binary()?;
        if tag.len() > TAG_BYTES_MAX {
            return Err(entries.error(ErrorKind::InvalidField("delivery-tag")));
        }
        let state = match entries.peek() {
            Some(constructor::NULL) => entries.skip().map(|()| None)?,
            _ => Some(Raw::new(checked_raw(&mut entries)?)?),
        };
        unsettled.push((Bytes::copy_from_slice(tag), state));
    }
    Ok(unsettled)
}

fn encode_unsettled(out: &mut Vec<u8>, unsettled: &[(Bytes, Option<Raw>)]) {
    let mut map = Compound::map(out);
    for (tag, state) in unsettled {
        map.put(|out| encode::binary(out, tag));
        match state {
            Some(state) => map.put(|out| out.extend_from_slice(state.as_bytes())),
            None => map.put_null(),
        };
    }
    encode::finish_map(map);
}

/// Detaches a link from the session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detach {
    /// The link, by the sender's handle.
    pub handle: u32,
    /// Whether the link ends, rather than being suspended.
    pub closed: bool,
    /// Why, if something went wrong.
    pub error: Option<AmqpError>,
}

impl Detach {
    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            handle: fields.required("handle", Reader::uint)?,
            closed: fields.flag()?,
            error: fields.next(AmqpError::read)?,
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut list = Compound::described(out, code::DETACH.to_be_bytes()[7]);
        list.put(|out| encode::uint(out, self.handle))
            .put_flag(self.closed)
            .put_some(self.error.as_ref(), |out, error| error.encode(out));
        list.finish();
    }
}
