//! Addresses, link routes and links that the router makes.

use crate::origin::Origin;
use crate::typed::part;
use crate::words::{Direction, Distribution, LinkDistribution};

part! {
    /// How messages of addresses are spread.
    Address {
        /// Where it stands, and its name.
        origin: Origin = origin,
        /// Which addresses.
        matched: Matched = part,
        /// How messages are spread.
        distribution: Distribution = "distribution",
        /// Whether messages pass a broker on their way.
        is_waypoint: bool = "waypoint",
        /// Phase that producers reach, 0 to 9; see `Address::ingress`.
        ingress_phase: Option<u8> = "ingressPhase",
        /// Phase that consumers read, 0 to 9; see `Address::egress`.
        egress_phase: Option<u8> = "egressPhase",
        /// Priority of all messages, 0 to 9; `None`: each has its own.
        priority: Option<u8> = "priority",
        /// Whether messages that nobody takes go to consumers of the fallback.
        enables_fallback: bool = "enableFallback",
    }
}

impl Address {
    /// The phase that producers reach.
    #[must_use]
    pub fn ingress(&self) -> u8 {
        self.ingress_phase.unwrap_or(0)
    }

    /// The phase that consumers read.
    #[must_use]
    pub fn egress(&self) -> u8 {
        self.egress_phase.unwrap_or(u8::from(self.is_waypoint))
    }
}

part! {
    /// Which addresses a section is for: exactly one of both is there.
    Matched {
        /// First tokens; what is between dots and slashes is a token.
        prefix: Option<String> = "prefix",
        /// All tokens: `*` is any one, `#` any number of them.
        pattern: Option<String> = "pattern",
    }
}

impl Matched {
    /// The tokens of the pattern, where a prefix is followed by `#`; empty ones are left out, and wildcards beside each other are in one
    /// order: patterns that match the same have the same tokens.
    #[must_use]
    pub fn tokens(&self) -> Vec<&str> {
        let text = self.pattern.as_deref().or(self.prefix.as_deref()).unwrap_or_default();
        let rest = if self.pattern.is_some() { None } else { Some("#") };
        let mut tokens: Vec<&str> = Vec::new();
        let mut has_rest = false;
        for token in text.split(['.', '/']).filter(|token| !token.is_empty()).chain(rest) {
            if token == "#" {
                has_rest = true;
                continue;
            }
            // A `#` goes behind each `*` that follows it.
            if token != "*" && has_rest {
                tokens.push("#");
                has_rest = false;
            }
            tokens.push(token);
        }
        if has_rest {
            tokens.push("#");
        }
        tokens
    }
}

part! {
    /// Which connections a section is for: at most one of both is there. With none it is for no connection of this router.
    Via {
        /// Container id of the other end.
        container_id: Option<String> = "containerId",
        /// Name of the connector or listener.
        connection: Option<String> = "connection",
    }
}

part! {
    /// Links of clients that go on to a container as a whole.
    LinkRoute {
        /// Where it stands, and its name.
        origin: Origin = origin,
        /// Which addresses.
        matched: Matched = part,
        /// What the container's addresses have in front of the network's.
        add_external_prefix: Option<String> = "addExternalPrefix",
        /// What they do not have.
        del_external_prefix: Option<String> = "delExternalPrefix",
        /// Which container.
        via: Via = part,
        /// How links are spread over containers.
        distribution: LinkDistribution = "distribution",
        /// Which links.
        direction: Direction = "direction",
    }
}

part! {
    /// A link that the router makes to a node of a container whenever it is connected.
    AutoLink {
        /// Where it stands, and its name.
        origin: Origin = origin,
        /// Address in the network.
        address: String = "address",
        /// Which way messages go.
        direction: Direction = "direction",
        /// Phase of the address, 0 to 9; see `AutoLink::phase_of_link`.
        phase: Option<u8> = "phase",
        /// Which container.
        via: Via = part,
        /// Name of the node; `None`: the address.
        external_address: Option<String> = "externalAddress",
        /// Whether it is for the address' fallback, which has no phase.
        is_fallback: bool = "fallback",
    }
}

impl AutoLink {
    /// The phase of the address: what is set, else what a waypoint needs.
    #[must_use]
    pub fn phase_of_link(&self) -> u8 {
        self.phase.unwrap_or(u8::from(self.direction == Direction::In))
    }

    /// The name of the node at the container.
    #[must_use]
    pub fn node(&self) -> &str {
        self.external_address.as_deref().unwrap_or(&self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_match_the_same_have_the_same_tokens() {
        let of = |prefix: Option<&str>, pattern: Option<&str>| {
            let own = |text: &str| text.to_owned();
            Matched { prefix: prefix.map(own), pattern: pattern.map(own) }.tokens().join("/")
        };
        for (prefix, pattern, tokens) in [
            (Some("a.b"), None, "a/b/#"),
            (Some("/a/"), None, "a/#"),
            (None, Some("a/#"), "a/#"),
            (None, Some("#.*.a"), "*/#/a"),
            (None, Some("#/#/*/#"), "*/#"),
            (None, Some("a.*.b"), "a/*/b"),
            (None, Some("/"), ""),
        ] {
            assert_eq!(of(prefix, pattern), tokens);
        }
    }
}
