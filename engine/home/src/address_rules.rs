//! How addresses that peers name are understood: prefixes that ask for a routing.

use engine_core::command::RoutingType;

/// How addresses that peers name are understood.
#[derive(Clone, Debug, Default)]
pub struct AddressRules {
    /// A prefix that asks for anycast, and is taken off.
    pub anycast_prefix: String,
    /// A prefix that asks for multicast, and is taken off.
    pub multicast_prefix: String,
}

impl AddressRules {
    /// The address without its prefix, and what the prefix asks for.
    pub fn strip<'a>(&self, address: &'a str) -> (&'a str, Option<RoutingType>) {
        let prefixes = [(&self.anycast_prefix, RoutingType::Anycast), (&self.multicast_prefix, RoutingType::Multicast)];
        for (prefix, routing) in prefixes {
            if !prefix.is_empty()
                && let Some(rest) = address.strip_prefix(prefix.as_str())
            {
                return (rest, Some(routing));
            }
        }
        (address, None)
    }
}
