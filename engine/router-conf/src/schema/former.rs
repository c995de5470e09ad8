//! Sections of other versions: those of 0.x, which today's stand for, and those of adaptors that Heddle does not have.

use super::attribute::{Attribute, Standing, same};
use super::entity_type::{Count, EntityType};
use crate::words::{Bias, Fanout, PatternDirection, Word};

/// A section of another version, of which there may be several.
const fn former(name: &'static str, standing: Standing, own: &'static [Attribute], about: &'static str) -> EntityType {
    EntityType { section: name, short: name, count: Count::Several, operations: &[], standing, own, about }
}

pub(crate) static CONTAINER: EntityType = EntityType {
    count: Count::One,
    ..former(
        "container",
        Standing::Deprecated("router"),
        &[
            Attribute::text("containerName", "id of the router").formerly(&[same("id")]),
            Attribute::integer("workerThreads", 1, "workerThreads of the router"),
            Attribute::path("debugDump", "debugDumpFile of the router"),
            Attribute::path("saslConfigPath", "saslConfigDir of the router"),
            Attribute::text("saslConfigName", "saslConfigName of the router"),
        ],
        "Attributes of the router, up to 0.8",
    )
};

pub(crate) static FIXED_ADDRESS: EntityType = former(
    "fixedAddress",
    Standing::Deprecated("address"),
    &[
        Attribute::text("prefix", "First tokens of the addresses").required(),
        Attribute::integer(
            "phase",
            0,
            "Phase; a prefix that has several begins with the least and ends with the largest",
        )
        .at_most(9)
        .or_number(0),
        Attribute::word("fanout", Fanout::WORDS, "How many consumers get a message").or_text("multiple"),
        Attribute::word("bias", Bias::WORDS, "Which one, if it is one").or_text("closest"),
    ],
    "How messages of addresses are spread, up to 0.8",
);

pub(crate) static WAYPOINT: EntityType = former(
    "waypoint",
    Standing::Deprecated("address with waypoint: yes, and two autoLinks"),
    &[
        Attribute::text("address", "Address of the network and of the node at the broker").required(),
        Attribute::text("connector", "Name of the connector").required(),
        Attribute::integer("inPhase", 0, "Phase that goes to the broker; absent: 0").at_most(9),
        Attribute::integer("outPhase", 0, "Phase that comes from the broker; absent: 1").at_most(9),
    ],
    "A broker that messages pass on their way, up to 0.8",
);

pub(crate) static LINK_ROUTE_PATTERN: EntityType = former(
    "linkRoutePattern",
    Standing::Deprecated("linkRoute"),
    &[
        Attribute::text("prefix", "First tokens of the addresses").required(),
        Attribute::word("dir", PatternDirection::WORDS, "Which way messages go").or_text("both"),
        Attribute::text("connector", "Name of the connector"),
    ],
    "Links of clients that go on to a container as a whole, up to 0.8",
);

pub(super) static CONSOLE: EntityType = former(
    "console",
    Standing::Ignored("the console is served by listeners with `http: yes`"),
    &[
        Attribute::text("listener", "Listener of the console"),
        Attribute::integer("wsport", 0, "Port of WebSocket"),
        Attribute::text("proxy", "Program that made TCP of WebSocket"),
        Attribute::text("home", "Directory of the console's files"),
        Attribute::text("args", "Arguments of that program"),
    ],
    "The console, up to 1.x",
);

/// Why adaptors are not taken.
const NO_ADAPTORS: &str =
    "Heddle's router speaks AMQP only: leave the section out, and keep the other router for these connections";

const ADAPTOR: &[Attribute] = &[
    Attribute::text("host", "Address or name"),
    Attribute::text("port", "Number or service name of the port"),
    Attribute::text("address", "Address in the network"),
    Attribute::text("siteId", "Name of the site"),
];

pub(super) static TCP_LISTENER: EntityType =
    former("tcpListener", Standing::Refused(NO_ADAPTORS), ADAPTOR, "A port of the TCP adaptor, 1.15 to 1.18");
pub(super) static TCP_CONNECTOR: EntityType =
    former("tcpConnector", Standing::Refused(NO_ADAPTORS), ADAPTOR, "A connection of the TCP adaptor, 1.15 to 1.18");
pub(super) static HTTP_LISTENER: EntityType =
    former("httpListener", Standing::Refused(NO_ADAPTORS), ADAPTOR, "A port of the HTTP adaptor, 1.15 to 1.18");
pub(super) static HTTP_CONNECTOR: EntityType =
    former("httpConnector", Standing::Refused(NO_ADAPTORS), ADAPTOR, "A connection of the HTTP adaptor, 1.15 to 1.18");
