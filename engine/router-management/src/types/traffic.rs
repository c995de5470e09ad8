//! What comes and goes by itself: connections, links, addresses, other routers.

use engine_router_conf::schema::{Attribute, Count, EntityType, Operation, Standing};

use super::attribute::{list, map, number, switch, text, updated, word};

const fn operational(
    short: &'static str,
    operations: &'static [Operation],
    own: &'static [Attribute],
    about: &'static str,
) -> EntityType {
    EntityType { section: short, short, count: Count::Several, operations, standing: Standing::Current, own, about }
}

/// A connection.
pub static CONNECTION: EntityType = operational(
    "connection",
    &[Operation::Read, Operation::Update],
    &[
        text("host", "Address of the other end"),
        text("role", "What the other end is"),
        text("protocol", "The protocol"),
        word("dir", &["in", "out"], "Who made it: in is the other end"),
        text("container", "Container id of the other end"),
        text("sasl", "Mechanism of SASL"),
        switch("isAuthenticated", "Whether the other end went through SASL"),
        text("user", "Who authenticated"),
        switch("isEncrypted", "Whether it is encrypted"),
        text("sslProto", "Version of TLS"),
        text("sslCipher", "Cipher of TLS"),
        map("properties", "Properties of the Open of the other end"),
        number("sslSsf", "Strength of the cipher, bits"),
        text("tenant", "Tenant of the connection"),
        switch("ssl", "Whether it is of TLS"),
        switch("opened", "Whether both ends have opened it"),
        switch("active", "Whether it is used; of several uplinks of an edge router one is"),
        updated(word("adminStatus", &["enabled", "deleted"], "deleted closes it")),
        word("operStatus", &["up", "closing"], "How far it is"),
        number("uptimeSeconds", "Time since it came"),
        number("lastDlvSeconds", "Time since its last delivery; absent: there was none"),
        updated(switch("enableProtocolTrace", "Whether its frames are logged")),
    ],
    "A connection of a client, a container or another router",
);

/// A link.
pub static LINK: EntityType = operational(
    "router.link",
    &[Operation::Read, Operation::Update],
    &[
        text("linkName", "Name of the link"),
        word("linkType", &["endpoint", "router-control", "inter-router", "edge-downlink"], "What it carries"),
        word("linkDir", &["in", "out"], "Which way messages go, seen from the router"),
        text("owningAddr", "Address, as the router's table has it; absent: messages name their own"),
        number("capacity", "Deliveries that may be unsettled at once"),
        text("peer", "Identity of the link at the other end of a link route"),
        number("undeliveredCount", "Deliveries that wait for credit"),
        number("unsettledCount", "Deliveries that are not settled"),
        number("deliveryCount", "Deliveries so far"),
        text("connectionId", "Identity of its connection"),
        updated(word("adminStatus", &["enabled", "disabled"], "enabled")),
        word("operStatus", &["up", "down", "quiescing", "idle"], "How far it is"),
        number("presettledCount", "Deliveries that came or went settled"),
        number("acceptedCount", "Deliveries that were accepted"),
        number("rejectedCount", "Deliveries that were rejected"),
        number("releasedCount", "Deliveries that were released"),
        number("modifiedCount", "Deliveries that were modified"),
        list("ingressHistogram", "Deliveries by the router where they came in"),
        number("priority", "Priority of the messages that it carries"),
        number("creditAvailable", "Credit that is not used"),
        number("zeroCreditSeconds", "Time without credit"),
    ],
    "A link of a client, a container or another router",
);

/// An address.
pub static ADDRESS: EntityType = operational(
    "router.address",
    &[Operation::Read],
    &[
        text("key", "The address, as the router's table has it"),
        word(
            "distribution",
            &["flood", "multicast", "closest", "balanced", "linkBalanced", "unavailable"],
            "How messages are spread",
        ),
        number("inProcess", "Receivers within the router"),
        number("subscriberCount", "Receivers of this router's clients"),
        number("remoteCount", "Other routers with receivers"),
        number("containerCount", "Containers that links of the address go to"),
        list("remoteHostRouters", "Other routers with receivers, by id"),
        number("deliveriesIngress", "Deliveries from clients"),
        number("deliveriesEgress", "Deliveries to clients"),
        number("deliveriesTransit", "Deliveries to other routers"),
        number("deliveriesToContainer", "Deliveries to the router itself"),
        number("deliveriesFromContainer", "Deliveries from the router itself"),
        number("deliveriesEgressRouteContainer", "Deliveries to route containers"),
        number("deliveriesIngressRouteContainer", "Deliveries from route containers"),
        list("transitOutstanding", "Deliveries that each other router has not settled"),
        number("trackedDeliveries", "Deliveries that are not settled"),
        number("priority", "Priority of all messages; -1: each has its own"),
        number("deliveriesRedirectedToFallback", "Deliveries that went to the fallback"),
    ],
    "An address that somebody wants messages of",
);

/// Another router, or this one, of a network.
pub static NODE: EntityType = operational(
    "router.node",
    &[Operation::Read],
    &[
        text("id", "Name of the router"),
        number("protocolVersion", "Version of the routers' protocol"),
        number("instance", "When it started"),
        list("linkState", "Its neighbours"),
        text("nextHop", "The neighbour on the way there; absent: it is one"),
        list("validOrigins", "Routers whose messages to it pass here"),
        text("address", "Its address"),
        number("routerLink", "Number of the link to a neighbour"),
        number("cost", "Cost of the way"),
        number("lastTopoChange", "When the network changed last"),
        number("index", "Its number in histograms"),
    ],
    "A router of the network",
);

/// A link route that a client asked for.
pub static CONNECTION_LINK_ROUTE: EntityType = operational(
    "router.connection.linkRoute",
    &[Operation::Read],
    &[
        text("pattern", "Tokens of the addresses"),
        word("direction", &["in", "out"], "Which way messages go, seen from the router"),
        text("containerId", "Container that links go to"),
    ],
    "A link route to the client that asked for it, as long as its connection is there",
);
