//! Certificates, authentication, and who may do what.

use super::attribute::{Attribute, Kind, Standing, same};
use super::entity_type::{Count, EntityType, Operation};

const MADE_AND_REMOVED: &[Operation] = &[Operation::Create, Operation::Read, Operation::Delete];

/// A bound on connections that is no bound.
const CONNECTIONS: i64 = 65_535;

pub(crate) static SSL_PROFILE: EntityType = EntityType {
    section: "sslProfile",
    short: "sslProfile",
    count: Count::Several,
    operations: MADE_AND_REMOVED,
    standing: Standing::Current,
    about: "Certificates and rules of TLS, which listeners and connectors name",
    own: &[
        Attribute::text("ciphers", "Ciphers, as OpenSSL writes them; absent: those of the library"),
        Attribute::of("protocols", Kind::Tokens, "Versions of TLS; absent: all that there are"),
        Attribute::path("caCertFile", "Certificates of the authorities that peers' are checked with")
            .formerly(&[same("certDb")]),
        Attribute::path("certFile", "The router's certificate, PEM"),
        Attribute::path("privateKeyFile", "The private key of that, PEM").formerly(&[same("keyFile")]),
        Attribute::path("passwordFile", "File whose first line is the key's password").deprecated("password"),
        Attribute::of("password", Kind::Secret, "The key's password"),
        Attribute::text(
            "uidFormat",
            "What of a certificate is the user's name: c s l o u n 1 2 5 with semicolons between",
        ),
        Attribute::path("uidNameMappingFile", "File in JSON of names that stand for those")
            .formerly(&[same("displayNameFile")]),
    ],
};

pub(crate) static AUTH_SERVICE_PLUGIN: EntityType = EntityType {
    section: "authServicePlugin",
    short: "authServicePlugin",
    count: Count::Several,
    operations: MADE_AND_REMOVED,
    standing: Standing::Current,
    about: "A service that SASL of clients is left to",
    own: &[
        Attribute::text("authService", "Host and port of the service, with a colon between")
            .deprecated("host and port"),
        Attribute::text("host", "Address or name of the service"),
        Attribute::text("port", "Number or service name of the port").or_text("amqp"),
        Attribute::text("realm", "Host name in SASL").formerly(&[same("saslInitHostname")]),
        Attribute::text("sslProfile", "Name of the sslProfile; absent: no TLS").formerly(&[same("authSslProfile")]),
    ],
};

pub(crate) static POLICY: EntityType = EntityType {
    section: "policy",
    short: "policy",
    count: Count::One,
    operations: &[Operation::Read],
    standing: Standing::Current,
    about: "Bounds of the router as a whole, and whether vhosts say who may do what",
    own: &[
        Attribute::integer("maxConnections", 0, "Connections at once")
            .or_number(CONNECTIONS)
            .formerly(&[same("maximumConnections")]),
        Attribute::integer("maxMessageSize", 0, "Octets of a message; 0: no bound").or_number(0),
        Attribute::switch("enableVhostPolicy", "Whether vhosts say who may do what")
            .or_no()
            .formerly(&[same("enableAccessRules")]),
        Attribute::switch("enableVhostNamePatterns", "Whether host names of vhosts are patterns").or_no(),
        Attribute::path("policyDir", "Directory of files *.json with vhosts; empty: none")
            .or_text("")
            .formerly(&[same("policyFolder")]),
        Attribute::text("defaultVhost", "vhost of connections whose host name has none; empty: they are refused")
            .or_text("$default"),
        Attribute::integer("connectionsProcessed", 0, "Connections that came").told(),
        Attribute::integer("connectionsDenied", 0, "Connections that were refused").told(),
        Attribute::integer("connectionsCurrent", 0, "Connections now").told(),
        Attribute::integer("linksDenied", 0, "Links that were refused").told(),
        Attribute::integer("maxMessageSizeDenied", 0, "Messages that were too large").told(),
        Attribute::integer("totalDenials", 0, "Everything that was refused").told(),
    ],
};

pub(crate) static VHOST: EntityType = EntityType {
    section: "vhost",
    short: "vhost",
    count: Count::Several,
    operations: &[Operation::Create, Operation::Read, Operation::Update, Operation::Delete],
    standing: Standing::Current,
    about: "What connections to a host name may do, by group of users",
    own: &[
        Attribute::text("hostname", "Host name of Open").required().updated().formerly(&[same("id")]),
        Attribute::of("aliases", Kind::Commas, "Further host names").updated(),
        Attribute::integer("maxConnections", 0, "Connections at once").or_number(CONNECTIONS).updated(),
        Attribute::integer("maxMessageSize", 0, "Octets of a message; absent: as the policy has; 0: no bound")
            .updated(),
        Attribute::integer("maxConnectionsPerUser", 0, "Connections of one user").or_number(CONNECTIONS).updated(),
        Attribute::integer("maxConnectionsPerHost", 0, "Connections from one host").or_number(CONNECTIONS).updated(),
        Attribute::switch("allowUnknownUser", "Whether users without a group are those of group $default")
            .or_no()
            .updated(),
        Attribute::of("groups", Kind::Groups, "Groups of users by name").updated(),
    ],
};

pub(super) static GROUP: EntityType = EntityType {
    section: "vhostUserGroupSettings",
    short: "vhostUserGroupSettings",
    count: Count::Several,
    operations: &[],
    standing: Standing::Current,
    about: "What users of a group may do",
    own: &[
        Attribute::of("users", Kind::Commas, "Names of users; * is all"),
        Attribute::of("remoteHosts", Kind::Commas, "Addresses, ranges with a hyphen, and names of hosts; * is all"),
        Attribute::integer("maxConnectionsPerUser", 0, "Connections of one user; absent: as the vhost has"),
        Attribute::integer("maxConnectionsPerHost", 0, "Connections from one host; absent: as the vhost has"),
        Attribute::integer("maxMessageSize", 0, "Octets of a message; absent: as the vhost has; 0: no bound"),
        Attribute::integer("maxFrameSize", 0, "Octets of a frame; absent or 0: as the listener has"),
        Attribute::integer(
            "maxSessionWindow",
            0,
            "Incoming window of a session, octets; absent or 0: as the listener has",
        ),
        Attribute::integer("maxSessions", 0, "Sessions of a connection; absent or 0: as the listener has"),
        Attribute::integer("maxSenders", 0, "Links of a connection that send to the router").or_number(Kind::MOST),
        Attribute::integer("maxReceivers", 0, "Links of a connection that receive from the router")
            .or_number(Kind::MOST),
        Attribute::switch("allowDynamicSource", "Whether reply addresses may be asked for").or_no(),
        Attribute::switch("allowAnonymousSender", "Whether links may be without an address").or_no(),
        Attribute::switch("allowUserIdProxy", "Whether messages may have another user's name").or_no(),
        Attribute::switch("allowWaypointLinks", "Whether links may say that they are of a waypoint").or_yes(),
        Attribute::switch("allowFallbackLinks", "Whether links may say that they are of a fallback").or_yes(),
        Attribute::switch("allowDynamicLinkRoutes", "Whether a connection may route links to itself").or_yes(),
        Attribute::switch("allowAdminStatusUpdate", "Whether connections may be closed by management").or_yes(),
        Attribute::of("sources", Kind::Commas, "Addresses to receive from; * at the end is any rest; ${user} the user"),
        Attribute::of("sourcePattern", Kind::Commas, "Patterns of addresses to receive from"),
        Attribute::of("targets", Kind::Commas, "Addresses to send to; * at the end is any rest; ${user} the user"),
        Attribute::of("targetPattern", Kind::Commas, "Patterns of addresses to send to"),
    ],
};
