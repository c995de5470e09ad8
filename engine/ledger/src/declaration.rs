//! What is kept of a queue itself, as attributes.

use engine_core::Origin;
use engine_core::command::RoutingType;
use engine_core::fact::{Declared, Purpose};
use engine_selector::Selector;
use storage_journal::Unknown;

use crate::attributes::{Attribute, Attributes};

mod kind {
    /// 1 octet: 0 anycast, 1 multicast.
    pub const ROUTING: u16 = 1;
    /// 1 octet: 0 made on demand, 1 a durable subscription.
    pub const PURPOSE: u16 = 2;
    /// UTF-8.
    pub const ADDRESS: u16 = 3;
    /// UTF-8.
    pub const NAME: u16 = 4;
    /// UTF-8: the selector of a queue that chooses its messages.
    pub const SELECTOR: u16 = 5;
    /// 8 octets: the number of the container whose messages a queue leaves out.
    pub const NO_LOCAL: u16 = 6;
}

/// The attributes of a queue.
pub fn encode_declaration(declared: &Declared) -> Vec<u8> {
    let routing = match declared.routing {
        RoutingType::Anycast => 0,
        RoutingType::Multicast => 1,
    };
    let purpose = match declared.purpose {
        Purpose::OnDemand => 0,
        Purpose::Subscription => 1,
    };
    let mut out = Vec::new();
    let rows: [(u16, &[u8]); 4] = [
        (kind::ROUTING, &[routing]),
        (kind::PURPOSE, &[purpose]),
        (kind::ADDRESS, declared.address.as_bytes()),
        (kind::NAME, declared.name.as_bytes()),
    ];
    let selector = declared.selector.as_ref().map(|text| (kind::SELECTOR, text.as_bytes()));
    let no_local = declared.no_local.map(|origin| origin.number().to_le_bytes());
    let no_local = no_local.as_ref().map(|number| (kind::NO_LOCAL, number.as_slice()));
    for (kind, value) in rows.into_iter().chain(selector).chain(no_local) {
        Attribute { kind, unknown: Unknown::Refuse, value }.encode(&mut out);
    }
    out
}

/// The queue of some attributes.
///
/// # Errors
/// What is wrong with them.
pub fn declaration(queue: u64, attributes: Attributes<'_>) -> Result<Declared, &'static str> {
    let (mut routing, mut purpose, mut address, mut name) = (None, None, None, None);
    let (mut selector, mut no_local) = (None, None);
    attributes.read(|attribute| {
        match attribute.kind {
            kind::ROUTING => routing = Some(routing_of(attribute.value)?),
            kind::PURPOSE => purpose = Some(purpose_of(attribute.value)?),
            kind::ADDRESS => address = Some(text_of(attribute.value)?),
            kind::NAME => name = Some(text_of(attribute.value)?),
            kind::SELECTOR => selector = Some(selector_of(attribute.value)?),
            kind::NO_LOCAL => no_local = Some(origin_of(attribute.value)?),
            _ => attribute.skip()?,
        }
        Ok(())
    })?;
    let declared = (|| {
        let (routing, purpose, address, name) = (routing?, purpose?, address?, name?);
        Some(Declared { queue, routing, purpose, address, name, selector, no_local })
    })();
    declared.ok_or("a queue is declared without its routing type, purpose, address or name")
}

fn text_of(value: &[u8]) -> Result<String, &'static str> {
    str::from_utf8(value).map(str::to_owned).map_err(|_| "a queue has an address or a name that is no text")
}

fn selector_of(value: &[u8]) -> Result<Box<str>, &'static str> {
    let text = text_of(value)?;
    Selector::parse(&text).map_err(|_| "a queue has a selector that this version of Heddle does not understand")?;
    Ok(text.into())
}

fn origin_of(value: &[u8]) -> Result<Origin, &'static str> {
    let number = value.try_into().ok().map(u64::from_le_bytes);
    number.and_then(Origin::from_number).ok_or("a queue leaves out messages of a container that has no number")
}

fn routing_of(value: &[u8]) -> Result<RoutingType, &'static str> {
    match value {
        [0] => Ok(RoutingType::Anycast),
        [1] => Ok(RoutingType::Multicast),
        _ => Err("a queue has an unknown routing type"),
    }
}

fn purpose_of(value: &[u8]) -> Result<Purpose, &'static str> {
    match value {
        [0] => Ok(Purpose::OnDemand),
        [1] => Ok(Purpose::Subscription),
        _ => Err("a queue has an unknown purpose"),
    }
}
