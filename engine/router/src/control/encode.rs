//! Writes control messages, as whole messages: header, annotations, properties, opcode and body.
//!
//! What is said in them has been bounded before: a router's own lists are within `limits`.

use bytes::Bytes;
use engine_message::encode::{self, Compound};
use engine_message::value::Value;

use super::message::{Announced, Body, Changes, Control, LinkState, VERSION};
use crate::annotations::Annotations;
use crate::router_id::RouterId;
use crate::trace::Trace;
use crate::treatment::Treatment;

const HEADER: u8 = 0x70;
const PROPERTIES: u8 = 0x73;
const APPLICATION_PROPERTIES: u8 = 0x74;
const AMQP_VALUE: u8 = 0x77;

/// Octets before the body, of routers whose ids are not long.
const FRONT_OCTETS: usize = 256;

/// Where a control message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To whoever is at the other end of each link between routers.
    Neighbours,
    /// To all routers.
    All,
    /// To one.
    Router(RouterId),
}

impl Control {
    /// The address that it goes to.
    #[must_use]
    pub fn address(&self, to: &Destination) -> String {
        let endpoint = match self.body {
            Body::Addresses { .. } | Body::AddressRequest { .. } => "qdrouter.ma",
            _ => "qdrouter",
        };
        match to {
            Destination::Neighbours => "amqp:/_local/qdhello".to_owned(),
            Destination::All => format!("amqp:/_topo/0/all/{endpoint}"),
            Destination::Router(id) => format!("amqp:/_topo/0/{id}/{endpoint}"),
        }
    }

    /// The message, for a destination.
    #[must_use]
    pub fn encode(&self, to: &Destination) -> Bytes {
        let mut out = self.encode_front(to, 0);
        self.encode_body(&mut out);
        out.into()
    }

    /// The same of a body that `encoded_body` gave of a message that says the same: what is in this one's lists is not looked at.
    #[must_use]
    pub fn encode_with(&self, to: &Destination, body: &[u8]) -> Bytes {
        let mut out = self.encode_front(to, body.len());
        out.extend_from_slice(body);
        out.into()
    }

    /// What it says, which is the same for all destinations.
    #[must_use]
    pub fn encoded_body(&self) -> Bytes {
        let mut out = Vec::new();
        self.encode_body(&mut out);
        out.into()
    }

    /// What stands before the body, with room for that.
    fn encode_front(&self, to: &Destination, body_octets: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(FRONT_OCTETS + body_octets);
        let mut header = Compound::described(&mut out, HEADER);
        header.put(|out| encode::boolean(out, false));
        header.finish();
        let id = self.id.as_str();
        Annotations { ingress: Some(id), trace: Trace::begun(id), ..Annotations::default() }.encode(&mut out);
        let mut properties = Compound::described(&mut out, PROPERTIES);
        properties.put_null().put_null().put(|out| encode::string(out, &self.address(to)));
        properties.finish();
        encode::descriptor(&mut out, APPLICATION_PROPERTIES);
        let mut opcode = Compound::map(&mut out);
        opcode.put(|out| encode::string(out, "opcode")).put(|out| encode::string(out, self.body.opcode()));
        opcode.finish();
        out
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        encode::descriptor(out, AMQP_VALUE);
        let mut map = Compound::map(out);
        put(&mut map, "id", |out| encode::string(out, self.id.as_str()));
        put(&mut map, "pv", |out| long(out, VERSION));
        put(&mut map, "area", |out| encode::string(out, "0"));
        if let Some(instance) = self.body.instance() {
            put(&mut map, "instance", |out| long(out, instance));
        }
        match &self.body {
            Body::Hello { seen, .. } => {
                put(&mut map, "seen", |out| list(out, seen, |out, id| encode::string(out, id.as_str())));
            }
            Body::Advertisement { link_state, addresses, .. } => {
                put(&mut map, "ls_seq", |out| long(out, *link_state));
                put(&mut map, "mobile_seq", |out| long(out, *addresses));
            }
            Body::LinkState { state, .. } => {
                put(&mut map, "ls_seq", |out| long(out, state.sequence));
                put(&mut map, "ls", |out| state.encode(out, &self.id));
            }
            Body::LinkStateRequest => {}
            Body::Addresses { sequence, changes } => {
                put(&mut map, "mobile_seq", |out| long(out, *sequence));
                changes.encode(&mut map);
            }
            Body::AddressRequest { known } => put(&mut map, "have_seq", |out| long(out, *known)),
        }
        encode::finish_map(map);
    }
}

impl Body {
    fn opcode(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "HELLO",
            Self::Advertisement { .. } => "RA",
            Self::LinkState { .. } => "LSU",
            Self::LinkStateRequest => "LSR",
            Self::Addresses { .. } => "MAU",
            Self::AddressRequest { .. } => "MAR",
        }
    }

    fn instance(&self) -> Option<u64> {
        match self {
            Self::Hello { instance, .. } | Self::Advertisement { instance, .. } | Self::LinkState { instance, .. } => {
                *instance
            }
            Self::LinkStateRequest | Self::Addresses { .. } | Self::AddressRequest { .. } => None,
        }
    }
}

impl LinkState {
    fn encode(&self, out: &mut Vec<u8>, id: &RouterId) {
        let mut map = Compound::map(out);
        put(&mut map, "id", |out| encode::string(out, id.as_str()));
        put(&mut map, "area", |out| encode::string(out, "0"));
        put(&mut map, "ls_seq", |out| long(out, self.sequence));
        put(&mut map, "peers", |out| {
            let mut peers = Compound::map(out);
            for (id, cost) in &self.peers {
                peers.put(|out| encode::string(out, id.as_str())).put(|out| long(out, u64::from(*cost)));
            }
            encode::finish_map(peers);
        });
        encode::finish_map(map);
    }
}

impl Changes {
    fn encode(&self, map: &mut Compound<'_>) {
        let (added, name) = match self {
            Self::Since { added, deleted } => {
                put(map, "del", |out| list(out, deleted, |out, key| encode::string(out, key.as_str())));
                (added, "add")
            }
            Self::All(all) => (all, "exist"),
        };
        put(map, name, |out| list(out, added, |out, Announced { key, .. }| encode::string(out, key.as_str())));
        put(map, "hints", |out| list(out, added, |out, Announced { treatment, .. }| hint(out, *treatment)));
    }
}

/// What an address without a treatment of its own is: `balanced`, as everywhere.
fn hint(out: &mut Vec<u8>, treatment: Option<Treatment>) {
    Value::Int(treatment.unwrap_or(Treatment::Balanced).hint()).encode(out);
}

fn put(map: &mut Compound<'_>, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
    map.put(|out| encode::string(out, key)).put(write);
}

fn list<T>(out: &mut Vec<u8>, elements: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    let mut list = Compound::list(out);
    for element in elements {
        list.put(|out| write(out, element));
    }
    match elements.is_empty() {
        true => list.finish_empty(),
        false => list.finish(),
    }
}

/// Numbers are longs: what routers in a language with one kind of integer expect.
fn long(out: &mut Vec<u8>, number: u64) {
    Value::Long(i64::try_from(number).unwrap_or(i64::MAX)).encode(out);
}
