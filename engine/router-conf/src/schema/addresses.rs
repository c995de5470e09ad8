//! Addresses, and what links brokers to them.

use super::attribute::{Attribute, Standing, same};
use super::entity_type::{Count, EntityType, Operation};
use crate::words::{Direction, Distribution, LinkDistribution, MatchMethod, Word};

const MADE_AND_REMOVED: &[Operation] = &[Operation::Create, Operation::Read, Operation::Delete];

const CONNECTION: Attribute =
    Attribute::text("connection", "Name of the connector or listener whose connections it is for");
const CONTAINER_ID: Attribute = Attribute::text("containerId", "Container id of the connections that it is for");
const DIRECTION: Attribute =
    Attribute::word("direction", Direction::WORDS, "Which way messages go, seen from the router")
        .required()
        .formerly(&[same("dir")]);
const OPER_STATUS: Attribute = Attribute::text("operStatus", "How far it is").told();

pub(crate) static ADDRESS: EntityType = EntityType {
    section: "address",
    short: "router.config.address",
    count: Count::Several,
    operations: MADE_AND_REMOVED,
    standing: Standing::Current,
    about: "How messages of addresses are spread",
    own: &[
        Attribute::text("prefix", "First tokens of the addresses"),
        Attribute::text("pattern", "Tokens of the addresses; * is any one, # any number of them"),
        Attribute::word("distribution", Distribution::WORDS, "How messages are spread").or_text("balanced"),
        Attribute::switch("waypoint", "Whether messages pass a broker on their way: ingressPhase 0, egressPhase 1")
            .or_no(),
        Attribute::integer("ingressPhase", 0, "Phase that producers reach; absent: 0").at_most(9),
        Attribute::integer("egressPhase", 0, "Phase that consumers read; absent: 1 of a waypoint, else 0").at_most(9),
        Attribute::integer("priority", -1, "Priority of all messages; absent or -1: each has its own").at_most(9),
        Attribute::switch("enableFallback", "Whether messages that nobody takes go to consumers of the fallback")
            .or_no()
            .formerly(&[same("fallback")]),
    ],
};

pub(crate) static LINK_ROUTE: EntityType = EntityType {
    section: "linkRoute",
    short: "router.config.linkRoute",
    count: Count::Several,
    operations: MADE_AND_REMOVED,
    standing: Standing::Current,
    about: "Links of clients that go on to a container as a whole",
    own: &[
        Attribute::text("prefix", "First tokens of the addresses"),
        Attribute::text("pattern", "Tokens of the addresses; * is any one, # any number of them"),
        Attribute::text("addExternalPrefix", "What the container's addresses have in front of the network's"),
        Attribute::text("delExternalPrefix", "What the container's addresses do not have in front of the network's"),
        CONTAINER_ID,
        CONNECTION,
        Attribute::word("distribution", LinkDistribution::WORDS, "How links are spread over containers")
            .or_text("linkBalanced"),
        DIRECTION,
        OPER_STATUS,
    ],
};

pub(crate) static AUTO_LINK: EntityType = EntityType {
    section: "autoLink",
    short: "router.config.autoLink",
    count: Count::Several,
    operations: MADE_AND_REMOVED,
    standing: Standing::Current,
    about: "A link that the router makes to a node of a container whenever it is connected",
    own: &[
        Attribute::text("address", "Address in the network").required().formerly(&[same("addr")]),
        DIRECTION,
        Attribute::integer("phase", 0, "Phase of the address; absent: 1 for in, 0 for out").at_most(9),
        CONTAINER_ID,
        CONNECTION,
        Attribute::text("externalAddress", "Name of the node at the container; absent: the address")
            .formerly(&[same("externalAddr")]),
        Attribute::switch("fallback", "Whether the link is for the address' fallback").or_no(),
        Attribute::text("linkRef", "The link, if there is one").told(),
        OPER_STATUS,
        Attribute::text("lastError", "Why there is no link").told(),
    ],
};

/// Why neither exchanges nor bindings are taken.
const NO_EXCHANGES: &str = "Heddle's router has no exchanges: leave the section out, and let each consumer have an address of its own \
                            that senders name, or a queue of the broker with a selector";

pub(super) static EXCHANGE: EntityType = EntityType {
    section: "exchange",
    short: "router.config.exchange",
    count: Count::Several,
    operations: MADE_AND_REMOVED,
    standing: Standing::Refused(NO_EXCHANGES),
    about: "An address whose messages go on by their subject",
    own: &[
        Attribute::text("address", "Address of the exchange").required(),
        Attribute::integer("phase", 0, "Phase of the address").at_most(9).or_number(0),
        Attribute::text("alternateAddress", "Where messages go that no binding takes"),
        Attribute::integer("alternatePhase", 0, "Phase of that").at_most(9).or_number(0),
        Attribute::word("matchMethod", MatchMethod::WORDS, "How subjects are compared with keys").or_text("amqp"),
        Attribute::integer("bindingCount", 0, "Bindings").told(),
        Attribute::integer("receivedCount", 0, "Messages that came").told(),
        Attribute::integer("droppedCount", 0, "Messages that no binding took").told(),
        Attribute::integer("forwardedCount", 0, "Messages that a binding took").told(),
        Attribute::integer("divertedCount", 0, "Messages that went to the alternate address").told(),
    ],
};

pub(super) static BINDING: EntityType = EntityType {
    section: "binding",
    short: "router.config.binding",
    count: Count::Several,
    operations: MADE_AND_REMOVED,
    standing: Standing::Refused(NO_EXCHANGES),
    about: "Which messages of an exchange go where",
    own: &[
        Attribute::text("exchangeName", "Name of the exchange").required(),
        Attribute::text("bindingKey", "Pattern of subjects; absent: all"),
        Attribute::text("nextHopAddress", "Where the messages go").required(),
        Attribute::integer("nextHopPhase", 0, "Phase of that").at_most(9).or_number(0),
        Attribute::integer("matchedCount", 0, "Messages that it took").told(),
    ],
};
