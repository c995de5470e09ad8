//! Where connections come from, and where they go to.

use super::attribute::{Attribute, Kind, Standing, opposite, same};
use super::entity_type::{Count, EntityType, Operation};
use crate::words::{AddressFamily, Role, StripAnnotations, Word};

const ROLE: Attribute = Attribute::word("role", Role::WORDS, "What the other ends of these connections are")
    .or_text("normal")
    .with_former_words(&[("on-demand", "route-container")]);
const COST: Attribute =
    Attribute::integer("cost", 1, "Cost of the way between two routers; the larger of both ends counts").or_number(1);
const PORT: Attribute = Attribute::text("port", "Number or service name of the port").or_text("amqp");
const SSL_PROFILE: Attribute = Attribute::text("sslProfile", "Name of the sslProfile; absent: no TLS");
const SASL_MECHANISMS: Attribute =
    Attribute::of("saslMechanisms", Kind::Tokens, "Mechanisms of SASL that may be used; absent: all that there are");
const MAX_FRAME_SIZE: Attribute =
    Attribute::integer("maxFrameSize", 0, "Largest frame that is taken, octets; below 512 it is 512").or_number(16_384);
const MAX_SESSIONS: Attribute =
    Attribute::integer("maxSessions", 0, "Sessions of one connection, up to 32768; 0 is as many").or_number(32_768);
const MAX_SESSION_FRAMES: Attribute =
    Attribute::integer("maxSessionFrames", 0, "Incoming window of a session, frames; absent or 0: no bound");
const IDLE_TIMEOUT: Attribute =
    Attribute::integer("idleTimeoutSeconds", 0, "Silence after which a connection is closed; 0: never").or_number(16);
const STRIP_ANNOTATIONS: Attribute =
    Attribute::word("stripAnnotations", StripAnnotations::WORDS, "Where the router's annotations are removed")
        .or_text("both");
const LINK_CAPACITY: Attribute =
    Attribute::integer("linkCapacity", 0, "Deliveries of a link that may be unsettled at once; 0 is 250")
        .or_number(250);
const MESSAGE_LOGGING: Attribute =
    Attribute::of("messageLoggingComponents", Kind::Commas, "Properties of messages that are logged; all; none")
        .or_text("none")
        .formerly(&[same("logMessage")]);
const POLICY_VHOST: Attribute = Attribute::text("policyVhost", "vhost that holds whatever the connection names");
const OPEN_PROPERTIES: Attribute =
    Attribute::of("openProperties", Kind::Map, "What is added to the properties of Open");
const TRUSTED_CERTS: Attribute = Attribute::path("trustedCertsFile", "Certificates that peers' are checked with")
    .formerly(&[same("trustedCerts")])
    .deprecated("caCertFile of the sslProfile");

/// What 0.4 had in place of a profile.
const INLINE_TLS: &str =
    "write an sslProfile section with certFile, privateKeyFile and caCertFile, and its name here as sslProfile";
const CERT_DB: Attribute = Attribute::path("certDb", "Certificates of authorities, in 0.4").refused(INLINE_TLS);
const CERT_FILE: Attribute = Attribute::path("certFile", "Certificate, in 0.4").refused(INLINE_TLS);
const KEY_FILE: Attribute = Attribute::path("keyFile", "Private key, in 0.4").refused(INLINE_TLS);
const PASSWORD_FILE: Attribute =
    Attribute::path("passwordFile", "File of the key's password, in 0.4").refused(INLINE_TLS);
const PASSWORD: Attribute = Attribute::of("password", Kind::Secret, "The key's password, in 0.4").refused(INLINE_TLS);

pub(crate) static LISTENER: EntityType = EntityType {
    section: "listener",
    short: "listener",
    count: Count::Several,
    operations: &[Operation::Create, Operation::Read, Operation::Delete],
    standing: Standing::Current,
    about: "A port that connections come in at",
    own: &[
        Attribute::text("host", "Address or name of this machine; empty: all addresses")
            .or_text("")
            .formerly(&[same("addr")]),
        PORT,
        Attribute::word("socketAddressFamily", AddressFamily::WORDS, "Family of addresses; absent: as the host has")
            .formerly(&[same("protocolFamily")]),
        ROLE,
        COST,
        SSL_PROFILE,
        SASL_MECHANISMS,
        Attribute::switch("authenticatePeer", "Whether every peer has to say who it is")
            .or_no()
            .formerly(&[same("requirePeerAuth"), opposite("allowNoSasl")]),
        Attribute::text("saslPlugin", "Name of the authServicePlugin that SASL is left to"),
        Attribute::switch("requireEncryption", "Whether every connection has to be encrypted")
            .or_no()
            .formerly(&[opposite("allowUnsecured")]),
        Attribute::switch("requireSsl", "Whether every connection has to be of TLS").or_no(),
        TRUSTED_CERTS,
        MAX_FRAME_SIZE,
        MAX_SESSIONS,
        MAX_SESSION_FRAMES,
        IDLE_TIMEOUT,
        Attribute::integer("initialHandshakeTimeoutSeconds", 0, "Time for a connection to reach Open; 0: no bound")
            .or_number(0),
        STRIP_ANNOTATIONS,
        LINK_CAPACITY,
        Attribute::switch("multiTenant", "Whether addresses of clients begin with the host name of their Open").or_no(),
        Attribute::of("failoverUrls", Kind::Commas, "Where clients may go when this router fails")
            .formerly(&[same("failoverList")]),
        Attribute::switch("healthz", "Whether HTTP answers whether the router lives").or_yes(),
        Attribute::switch("metrics", "Whether HTTP answers with figures").or_yes(),
        Attribute::switch("websockets", "Whether HTTP takes AMQP over WebSocket").or_yes(),
        Attribute::switch("http", "Whether the port is of HTTP").or_no(),
        Attribute::path("httpRootDir", "Directory of files for HTTP; where it is set, http is yes")
            .formerly(&[same("httpRoot")]),
        MESSAGE_LOGGING,
        POLICY_VHOST,
        OPEN_PROPERTIES,
        CERT_DB,
        CERT_FILE,
        KEY_FILE,
        PASSWORD_FILE,
        PASSWORD,
    ],
};

pub(crate) static CONNECTOR: EntityType = EntityType {
    section: "connector",
    short: "connector",
    count: Count::Several,
    operations: &[Operation::Create, Operation::Read, Operation::Delete],
    standing: Standing::Current,
    about: "A connection that the router makes, and makes again when it is lost",
    own: &[
        Attribute::text("host", "Address or name of the other end").or_text("127.0.0.1").formerly(&[same("addr")]),
        PORT,
        Attribute::word("protocolFamily", AddressFamily::WORDS, "Family of addresses; absent: as the host has")
            .formerly(&[same("socketAddressFamily")]),
        ROLE,
        COST,
        SSL_PROFILE,
        SASL_MECHANISMS,
        Attribute::switch("allowRedirect", "Whether the other end may name another one")
            .or_yes()
            .ignored("no version ever followed one"),
        TRUSTED_CERTS,
        MAX_FRAME_SIZE,
        MAX_SESSIONS,
        MAX_SESSION_FRAMES,
        IDLE_TIMEOUT,
        STRIP_ANNOTATIONS,
        LINK_CAPACITY,
        Attribute::switch("verifyHostname", "Whether the certificate of the other end has to have its name")
            .or_yes()
            .formerly(&[same("verifyHostName")]),
        Attribute::text("saslUsername", "Name that the router has at the other end"),
        Attribute::of("saslPassword", Kind::Secret, "Password that the router has at the other end"),
        MESSAGE_LOGGING,
        POLICY_VHOST,
        OPEN_PROPERTIES,
        Attribute::text("failoverUrls", "Where the other end says to go when it fails")
            .formerly(&[same("failoverList")])
            .told(),
        Attribute::text("connectionStatus", "How far the connection is").told(),
        Attribute::text("connectionMsg", "What went wrong last").told(),
        CERT_DB,
        CERT_FILE,
        KEY_FILE,
        PASSWORD_FILE,
        PASSWORD,
    ],
};
