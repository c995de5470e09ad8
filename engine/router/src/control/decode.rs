//! Reads control messages.
//!
//! Guarantees:
//! 1. Any octets give a message or an error. Lists are bounded before room is reserved for them, and in their octets by the message.
//! 2. What routers of any age write is read: keys as strings or symbols, numbers of any integral type, fields that older ones do not have
//!    (`pv`, `instance`, `hints`), neighbours as a list without costs. Unknown fields are passed over.

use engine_message::reader::{Compound, Descriptor, Reader};
use engine_message::section;

use super::error::ControlError;
use super::message::{Announced, Body, Changes, Control, LinkState, VERSION};
use crate::address::Key;
use crate::limits::{ROUTER_ADDRESSES_MAX, ROUTERS_MAX};
use crate::number::number;
use crate::router_id::RouterId;
use crate::treatment::Treatment;

const AMQP_VALUE: u64 = 0x77;
const AMQP_VALUE_NAME: &str = "amqp:amqp-value:*";
const AREA: &str = "0";

/// Reads a message as it came.
///
/// # Errors
/// When it is none, or of a version or area that is not understood.
pub fn decode(message: &[u8]) -> Result<Control, ControlError> {
    let sections = section::scan(message)?;
    let opcode = section::map_entry(message.get(sections.application_properties).unwrap_or_default(), "opcode")?;
    let opcode = opcode.and_then(|opcode| text(&mut Reader::new(opcode))).ok_or(ControlError::Opcode)?;
    let fields = Fields(body(message.get(sections.body).unwrap_or_default())?);
    let id = fields.id("id")?;
    let version = fields.number("pv")?.unwrap_or_default();
    if version > VERSION {
        return Err(ControlError::Version { id, version });
    }
    if fields.text("area")?.is_some_and(|area| area != AREA) {
        return Err(ControlError::Area);
    }
    let body = match opcode {
        "HELLO" => Body::Hello { instance: fields.number("instance")?, seen: fields.seen()? },
        "RA" => Body::Advertisement {
            instance: fields.number("instance")?,
            link_state: fields.required("ls_seq")?,
            addresses: fields.required("mobile_seq")?,
        },
        "LSU" => Body::LinkState { instance: fields.number("instance")?, state: fields.link_state(&id)? },
        "LSR" => Body::LinkStateRequest,
        "MAU" => Body::Addresses { sequence: fields.required("mobile_seq")?, changes: fields.changes()? },
        "MAR" => Body::AddressRequest { known: fields.required("have_seq")? },
        _ => return Err(ControlError::Opcode),
    };
    Ok(Control { id, body })
}

/// The encoded map in the body.
fn body(section: &[u8]) -> Result<&[u8], ControlError> {
    let mut reader = Reader::new(section);
    match reader.descriptor()? {
        Descriptor::Code(AMQP_VALUE) | Descriptor::Name(AMQP_VALUE_NAME) => {}
        _ => return Err(ControlError::Wrong("body")),
    }
    // The map's own entries are walked with each look, so that what is in them need not be well-formed before it is looked at.
    Ok(reader.raw()?)
}

fn text<'a>(reader: &mut Reader<'a>) -> Option<&'a str> {
    let start = *reader;
    reader.string().ok().or_else(|| {
        *reader = start;
        reader.symbol().ok()
    })
}

/// The fields of a body, or of a map in it, as an encoded map.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// A field that is there and not null.
    fn find(self, name: &'static str) -> Result<Option<Reader<'a>>, ControlError> {
        let value = section::encoded_entry(self.0, name)?.map(Reader::new);
        Ok(value.filter(|value| !value.clone().null()))
    }

    fn text(self, name: &'static str) -> Result<Option<&'a str>, ControlError> {
        let Some(mut value) = self.find(name)? else { return Ok(None) };
        text(&mut value).map(Some).ok_or(ControlError::Wrong(name))
    }

    fn id(self, name: &'static str) -> Result<RouterId, ControlError> {
        let text = self.text(name)?.ok_or(ControlError::Missing(name))?;
        RouterId::new(text).ok_or(ControlError::Wrong(name))
    }

    fn number(self, name: &'static str) -> Result<Option<u64>, ControlError> {
        self.find(name)?.map(|mut value| number(&mut value)).transpose().map_err(|_| ControlError::Wrong(name))
    }

    fn required(self, name: &'static str) -> Result<u64, ControlError> {
        self.number(name)?.ok_or(ControlError::Missing(name))
    }

    /// A list of so many elements at most.
    fn list(self, name: &'static str, most: usize) -> Result<Option<Compound<'a>>, ControlError> {
        let Some(mut value) = self.find(name)? else { return Ok(None) };
        let list = value.list().map_err(|_| ControlError::Wrong(name))?;
        if list.count as usize > most { Err(ControlError::TooMany(name)) } else { Ok(Some(list)) }
    }

    fn seen(self) -> Result<Vec<RouterId>, ControlError> {
        let mut seen = self.list("seen", ROUTERS_MAX)?.ok_or(ControlError::Missing("seen"))?;
        (0..seen.count).map(|_| read_id(&mut seen.reader, "seen")).collect()
    }

    fn link_state(self, of: &RouterId) -> Result<LinkState, ControlError> {
        let mut state = self.find("ls")?.ok_or(ControlError::Missing("ls"))?;
        let state = Fields(state.raw()?);
        if state.id("id")? != *of {
            return Err(ControlError::Wrong("ls"));
        }
        let mut peers = state.peers()?;
        peers.sort_unstable();
        let differ = peers.windows(2).all(|pair| matches!(pair, [(one, _), (other, _)] if one != other));
        if !differ || peers.iter().any(|(id, _)| id == of) {
            return Err(ControlError::Wrong("peers"));
        }
        Ok(LinkState { sequence: state.required("ls_seq")?, peers })
    }

    /// Neighbours with their costs. Routers of version 0 list them without.
    fn peers(self) -> Result<Vec<(RouterId, u32)>, ControlError> {
        const PEERS: &str = "peers";
        let mut value = self.find(PEERS)?.ok_or(ControlError::Missing(PEERS))?;
        let map = value.clone().map().ok();
        let (mut elements, count) = match map {
            Some(map) => (map.reader, map.count / 2),
            None => value.list().map(|list| (list.reader, list.count)).map_err(|_| ControlError::Wrong(PEERS))?,
        };
        if count as usize > ROUTERS_MAX {
            return Err(ControlError::TooMany(PEERS));
        }
        let mut peers = Vec::new();
        for _ in 0..count {
            let id = read_id(&mut elements, PEERS)?;
            let cost = if map.is_some() { number(&mut elements).unwrap_or_default() } else { 1 };
            let cost = u32::try_from(cost).ok().filter(|cost| *cost > 0);
            peers.push((id, cost.ok_or(ControlError::Wrong(PEERS))?));
        }
        Ok(peers)
    }

    fn changes(self) -> Result<Changes, ControlError> {
        if let Some(exist) = self.list("exist", ROUTER_ADDRESSES_MAX)? {
            return Ok(Changes::All(self.announced(exist, "exist")?));
        }
        let added = self.list("add", ROUTER_ADDRESSES_MAX)?.ok_or(ControlError::Missing("add"))?;
        let mut deleted = self.list("del", ROUTER_ADDRESSES_MAX)?.ok_or(ControlError::Missing("del"))?;
        let added = self.announced(added, "add")?;
        let mut keys = Vec::new();
        for _ in 0..deleted.count {
            keys.extend(read_key(&mut deleted.reader, "del")?);
        }
        Ok(Changes::Since { added, deleted: keys })
    }

    /// Addresses with their hints, which count only if there is one for each.
    fn announced(self, mut keys: Compound<'a>, name: &'static str) -> Result<Vec<Announced>, ControlError> {
        let hints = self.list("hints", ROUTER_ADDRESSES_MAX).ok().flatten();
        let mut hints = hints.filter(|hints| hints.count == keys.count);
        let mut announced = Vec::new();
        for _ in 0..keys.count {
            let key = read_key(&mut keys.reader, name)?;
            let hint = hints
                .as_mut()
                .map(|hints| number(&mut hints.reader))
                .transpose()
                .map_err(|_| ControlError::Wrong("hints"))?;
            let treatment = hint.and_then(Treatment::of_hint);
            announced.extend(key.map(|key| Announced { key, treatment }));
        }
        Ok(announced)
    }
}

fn read_id(elements: &mut Reader<'_>, field: &'static str) -> Result<RouterId, ControlError> {
    text(elements).and_then(RouterId::new).ok_or(ControlError::Wrong(field))
}

/// A key, or nothing if it is none that routers tell each other.
fn read_key(elements: &mut Reader<'_>, field: &'static str) -> Result<Option<Key>, ControlError> {
    let text = text(elements).ok_or(ControlError::Wrong(field))?;
    Ok(Key::read(text).filter(|key| key.class().is_announced()))
}
