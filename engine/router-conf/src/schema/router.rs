//! The router itself.

use super::attribute::{Attribute, Standing, same};
use super::entity_type::{Count, EntityType, Operation};
use crate::words::{Distribution, Mode, Word};

pub(crate) static ROUTER: EntityType = EntityType {
    section: "router",
    short: "router",
    count: Count::One,
    operations: &[Operation::Read],
    standing: Standing::Current,
    about: "The router, its place in the network, and what holds for all of it",
    own: &[
        Attribute::text(
            "id",
            "Name in the network and container id of every connection; absent: made up at each start",
        )
        .formerly(&[same("routerId")]),
        Attribute::word("mode", Mode::WORDS, "What the router is in its network")
            .or_text("standalone")
            .with_former_words(&[("endpoint", "standalone")]),
        Attribute::text("area", "Part of the network; there is one").or_text("0").ignored("networks have one area"),
        Attribute::integer("helloIntervalSeconds", 1, "Time between greetings of neighbours")
            .or_number(1)
            .formerly(&[same("helloInterval")]),
        Attribute::integer("helloMaxAgeSeconds", 1, "Silence after which a neighbour is lost")
            .or_number(3)
            .formerly(&[same("helloMaxAge")]),
        Attribute::integer("raIntervalSeconds", 1, "Time between advertisements in a quiet network")
            .or_number(30)
            .formerly(&[same("raInterval")]),
        Attribute::integer("raIntervalFluxSeconds", 1, "Time between advertisements while the network changes")
            .or_number(4)
            .formerly(&[same("raIntervalFlux")]),
        Attribute::integer("remoteLsMaxAgeSeconds", 1, "Silence after which a router is forgotten")
            .or_number(60)
            .formerly(&[same("remoteLsMaxAge")]),
        Attribute::integer("workerThreads", 1, "Threads, or cores, that connections are spread over").or_number(4),
        Attribute::path("debugDumpFile", "File for what is still allocated at the end").formerly(&[same("debugDump")]),
        Attribute::path("saslConfigDir", "Directory of the SASL library's configuration")
            .formerly(&[same("saslConfigPath")]),
        Attribute::text("saslConfigName", "Name of the SASL library's configuration, without its ending")
            .or_text("qdrouterd"),
        Attribute::switch("allowResumableLinkRoute", "Whether routed links may outlive their connection").or_yes(),
        Attribute::switch("timestampsInUTC", "Whether times of log lines are of UTC, not of the place").or_no(),
        Attribute::text("timestampFormat", "How times of log lines are written, as by strftime")
            .or_text("%Y-%m-%d %H:%M:%S.%%06lu %z"),
        Attribute::switch("allowUnsettledMulticast", "What multicast once needed for unsettled messages")
            .or_no()
            .ignored("unsettled messages may always be multicast"),
        Attribute::word(
            "defaultDistribution",
            Distribution::WORDS,
            "How messages of addresses are spread that no section is for",
        )
        .or_text("balanced"),
        Attribute::text("metadata", "Free text that management tells"),
        Attribute::integer("mobileAddrMaxAge", 0, "How long addresses of other routers were kept")
            .or_number(60)
            .ignored("addresses are kept as long as their router is there"),
        Attribute::text("version", "Version of the program").told(),
        Attribute::integer("addrCount", 0, "Addresses that somebody wants messages of").told(),
        Attribute::integer("linkCount", 0, "Links").told(),
        Attribute::integer("nodeCount", 0, "Other routers").told(),
        Attribute::integer("linkRouteCount", 0, "Link routes").told(),
        Attribute::integer("autoLinkCount", 0, "Links that the router makes").told(),
        Attribute::integer("connectionCount", 0, "Connections").told(),
        Attribute::integer("presettledDeliveries", 0, "Deliveries that came settled").told(),
        Attribute::integer("droppedPresettledDeliveries", 0, "Settled deliveries that were dropped").told(),
        Attribute::integer("acceptedDeliveries", 0, "Deliveries whose senders heard that they were accepted").told(),
        Attribute::integer("rejectedDeliveries", 0, "The same, rejected").told(),
        Attribute::integer("releasedDeliveries", 0, "The same, released").told(),
        Attribute::integer("modifiedDeliveries", 0, "The same, modified").told(),
        Attribute::integer("deliveriesIngress", 0, "Deliveries from clients").told(),
        Attribute::integer("deliveriesEgress", 0, "Deliveries to clients").told(),
        Attribute::integer("deliveriesTransit", 0, "Deliveries to other routers").told(),
        Attribute::integer("deliveriesRedirectedToFallback", 0, "Deliveries that went to a fallback").told(),
        Attribute::integer("uptimeSeconds", 0, "Time since the start").told(),
        Attribute::integer("memoryUsage", 0, "Virtual memory of the process, octets").told(),
    ],
};
