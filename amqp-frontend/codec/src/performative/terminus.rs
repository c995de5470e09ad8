//! Sources and targets (parts 3.5.3, 3.5.4, 4.5.1) and what they are made of.

use super::connection::{put_map, put_symbols};
use engine_message::encode::{self, Compound};
use engine_message::reader::Reader;
use engine_message::value::{Map, Raw, descriptor_code};
use engine_message::{DecodeError, ErrorKind, Fields, Symbol, checked_raw, constructor};

const SOURCE: u64 = 0x28;
const TARGET: u64 = 0x29;
const COORDINATOR: u64 = 0x30;
const DELETE_ON_CLOSE: u64 = 0x2b;
const DELETE_ON_NO_LINKS: u64 = 0x2c;
const DELETE_ON_NO_MESSAGES: u64 = 0x2d;
const DELETE_ON_NO_LINKS_OR_MESSAGES: u64 = 0x2e;

const NAMES: [(u64, &str); 7] = [
    (SOURCE, "amqp:source:list"),
    (TARGET, "amqp:target:list"),
    (COORDINATOR, "amqp:coordinator:list"),
    (DELETE_ON_CLOSE, "amqp:delete-on-close:list"),
    (DELETE_ON_NO_LINKS, "amqp:delete-on-no-links:list"),
    (DELETE_ON_NO_MESSAGES, "amqp:delete-on-no-messages:list"),
    (DELETE_ON_NO_LINKS_OR_MESSAGES, "amqp:delete-on-no-links-or-messages:list"),
];

/// What of a terminus survives its node (part 3.5.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Nothing.
    #[default]
    None,
    /// That it exists.
    Configuration,
    /// That, and what is unsettled on it.
    UnsettledState,
}

/// When a terminus that nobody is attached to goes away (part 3.5.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiryPolicy {
    /// When its link is detached.
    LinkDetach,
    /// When the session that it was attached in ends; what holds if nothing is said.
    #[default]
    SessionEnd,
    /// When that session's connection closes.
    ConnectionClose,
    /// Not at all.
    Never,
}

impl ExpiryPolicy {
    const NAMES: [(Self, &'static str); 4] = [
        (Self::LinkDetach, "link-detach"),
        (Self::SessionEnd, "session-end"),
        (Self::ConnectionClose, "connection-close"),
        (Self::Never, "never"),
    ];

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(policy, _)| *policy == self).map_or("session-end", |(_, name)| name)
    }
}

/// How messages leave a source (part 3.5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DistributionMode {
    /// Each to one link.
    Move,
    /// Each to this link as well; it stays for the others.
    Copy,
}

/// When a dynamically created node goes away (parts 3.5.10 to 3.5.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifetimePolicy {
    /// With the link that created it.
    DeleteOnClose,
    /// When no link is attached to it.
    DeleteOnNoLinks,
    /// When it has no messages.
    DeleteOnNoMessages,
    /// When it has neither.
    DeleteOnNoLinksOrMessages,
}

impl LifetimePolicy {
    const CODES: [(Self, u64); 4] = [
        (Self::DeleteOnClose, DELETE_ON_CLOSE),
        (Self::DeleteOnNoLinks, DELETE_ON_NO_LINKS),
        (Self::DeleteOnNoMessages, DELETE_ON_NO_MESSAGES),
        (Self::DeleteOnNoLinksOrMessages, DELETE_ON_NO_LINKS_OR_MESSAGES),
    ];

    /// The policy in a terminus's dynamic node properties, if they have one that is known.
    pub fn of(properties: &Map) -> Option<Self> {
        let engine_message::value::Value::Described(described) = properties.get("lifetime-policy")? else {
            return None;
        };
        let code = match &described.descriptor {
            engine_message::value::Value::Ulong(code) => *code,
            engine_message::value::Value::Symbol(name) => NAMES.iter().find(|(_, known)| name == known)?.0,
            _ => return None,
        };
        Self::CODES.iter().find(|(_, known)| *known == code).map(|(policy, _)| *policy)
    }

    /// The policy as a value of the key `lifetime-policy`.
    pub fn to_value(self) -> engine_message::value::Value {
        use engine_message::value::{Described, Value};
        let code = Self::CODES.iter().find(|(policy, _)| *policy == self).map_or(DELETE_ON_CLOSE, |(_, code)| *code);
        Value::Described(Box::new(Described { descriptor: Value::Ulong(code), value: Value::List(Vec::new()) }))
    }
}

/// What sources and targets have in common: one end of a link, as it is at its node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terminus {
    /// The node's address; absent for a dynamic one, and for an anonymous one such as the relay.
    pub address: Option<String>,
    /// What survives.
    pub durable: Durability,
    /// Until when.
    pub expiry_policy: ExpiryPolicy,
    /// How long after that, seconds.
    pub timeout_s: u32,
    /// Whether the peer should create the node.
    pub dynamic: bool,
    /// Properties of a node to create.
    pub dynamic_node_properties: Map,
    /// Extensions.
    pub capabilities: Vec<Symbol>,
}

impl Terminus {
    /// One of a node by its address.
    pub fn at(address: impl Into<String>) -> Self {
        Self { address: Some(address.into()), ..Self::default() }
    }

    /// One of a node that the peer is to create.
    #[must_use]
    pub fn dynamic() -> Self {
        Self { dynamic: true, ..Self::default() }
    }
}

/// Where messages come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// The node's end.
    pub terminus: Terminus,
    /// Whether the link takes or copies; absent for the node's own way, and when the peer named a mode that the specification does
    /// not have (part 3.5.7 leaves the type open): the answer says which one is used.
    pub distribution_mode: Option<DistributionMode>,
    /// Which messages; names and described filters.
    pub filter: Map,
    /// What happens to what is unsettled when the link is lost, an encoded outcome.
    pub default_outcome: Option<Raw>,
    /// Descriptors of the outcomes that the receiver may use.
    pub outcomes: Vec<Symbol>,
}

impl From<Terminus> for Source {
    fn from(terminus: Terminus) -> Self {
        Self { terminus, ..Self::default() }
    }
}

/// Where messages go to.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A node, by its address or made for the link (`dynamic`).
    Node(Terminus),
    /// The coordinator of transactions.
    Coordinator(Coordinator),
    /// A target that the specification does not have, as encoded: it can be refused properly.
    Other(Raw),
}

/// The coordinator of transactions (part 4.5.1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coordinator {
    /// What it can do.
    pub capabilities: Vec<Symbol>,
}

/// An address: a string to us. The specification allows any type; a symbol is taken too, others are refused.
fn address(fields: &mut Fields<'_>) -> Result<Option<String>, DecodeError> {
    fields.next(|reader| match reader.peek() {
        Some(constructor::SYMBOL_8 | constructor::SYMBOL_32) => reader.symbol().map(str::to_owned),
        Some(constructor::STRING_8 | constructor::STRING_32) => reader.string().map(str::to_owned),
        _ => Err(reader.error(ErrorKind::InvalidField("address"))),
    })
}

fn durability(fields: &mut Fields<'_>) -> Result<Durability, DecodeError> {
    match fields.next(Reader::uint)? {
        None | Some(0) => Ok(Durability::None),
        Some(1) => Ok(Durability::Configuration),
        Some(2) => Ok(Durability::UnsettledState),
        Some(_) => Err(fields.error(ErrorKind::InvalidField("durable"))),
    }
}

fn expiry_policy(fields: &mut Fields<'_>) -> Result<ExpiryPolicy, DecodeError> {
    // Some clients send an empty symbol for what they do not say.
    let name = fields.next(Reader::symbol)?.filter(|name| !name.is_empty());
    let Some(name) = name else { return Ok(ExpiryPolicy::default()) };
    let known = ExpiryPolicy::NAMES.iter().find(|(_, known)| *known == name);
    known.map(|(policy, _)| *policy).ok_or_else(|| fields.error(ErrorKind::InvalidField("expiry-policy")))
}

impl Terminus {
    /// Reads all but the capabilities, which come last of all fields.
    fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            address: address(fields)?,
            durable: durability(fields)?,
            expiry_policy: expiry_policy(fields)?,
            timeout_s: fields.next(Reader::uint)?.unwrap_or(0),
            dynamic: fields.flag()?,
            dynamic_node_properties: fields.map()?,
            capabilities: Vec::new(),
        })
    }

    /// Adds all but the capabilities.
    fn put(&self, list: &mut Compound<'_>) {
        list.put_some(self.address.as_deref(), encode::string)
            .put(|out| encode::uint(out, self.durable as u32))
            .put(|out| encode::symbol(out, self.expiry_policy.name()))
            .put(|out| encode::uint(out, self.timeout_s))
            .put_flag(self.dynamic);
        put_map(list, &self.dynamic_node_properties);
    }
}

impl Source {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        let descriptor = reader.descriptor()?;
        match descriptor_code(descriptor, &NAMES) {
            Some(SOURCE) => {}
            other => return Err(start.error(ErrorKind::UnknownDescriptor(other))),
        }
        let mut fields = Fields::new(reader.list()?);
        let fields = &mut fields;
        let mut source = Self {
            terminus: Terminus::read(fields)?,
            distribution_mode: match fields.next(Reader::symbol)? {
                Some("move") => Some(DistributionMode::Move),
                Some("copy") => Some(DistributionMode::Copy),
                Some(_) | None => None,
            },
            filter: fields.map()?,
            default_outcome: fields.raw()?.map(Raw::new).transpose()?,
            outcomes: fields.symbols()?,
        };
        source.terminus.capabilities = fields.symbols()?;
        Ok(source)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut list = Compound::described(out, SOURCE.to_be_bytes()[7]);
        self.terminus.put(&mut list);
        list.put_some(self.distribution_mode, |out, mode| {
            encode::symbol(out, if mode == DistributionMode::Copy { "copy" } else { "move" });
        });
        put_map(&mut list, &self.filter);
        list.put_some(self.default_outcome.as_ref(), |out, outcome| out.extend_from_slice(outcome.as_bytes()));
        put_symbols(&mut list, &self.outcomes);
        put_symbols(&mut list, &self.terminus.capabilities);
        list.finish();
    }
}

impl Target {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        let descriptor = reader.descriptor()?;
        match descriptor_code(descriptor, &NAMES) {
            Some(TARGET) => {
                let mut fields = Fields::new(reader.list()?);
                let mut terminus = Terminus::read(&mut fields)?;
                terminus.capabilities = fields.symbols()?;
                Ok(Self::Node(terminus))
            }
            Some(COORDINATOR) => {
                let mut fields = Fields::new(reader.list()?);
                Ok(Self::Coordinator(Coordinator { capabilities: fields.symbols()? }))
            }
            _ => {
                *reader = start;
                Ok(Self::Other(Raw::new(checked_raw(reader)?)?))
            }
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Node(terminus) => {
                let mut list = Compound::described(out, TARGET.to_be_bytes()[7]);
                terminus.put(&mut list);
                put_symbols(&mut list, &terminus.capabilities);
                list.finish();
            }
            Self::Coordinator(coordinator) => {
                let mut list = Compound::described(out, COORDINATOR.to_be_bytes()[7]);
                put_symbols(&mut list, &coordinator.capabilities);
                list.finish();
            }
            Self::Other(raw) => out.extend_from_slice(raw.as_bytes()),
        }
    }
}
