//! Every bound of this crate: its value, its reason, and what happens when it is reached.

use amqp_codec::performative::Open;
use engine_message::Symbol;
use engine_message::value::Value;

/// Output beyond which nothing more is encoded, octets: transfers wait on their links, where they cost less.
pub const OUT_SOFT_MAX: usize = 512 * 1024;
/// Frames before `open` was exchanged (part 2.3.1 allows no more to be assumed); larger: framing error.
/// Clients send larger opens and are heard, up to this.
pub const FRAME_BYTES_BEFORE_OPEN: u32 = 4096;
/// Deliveries of one session that may be unsettled by the peer: 16 octets each. Sending waits.
pub const UNSETTLED_OUT_MAX: usize = 1 << 18;
/// Octets of a transaction's identifier; longer: the session ends. The specification has no bound; Artemis has 36 (a UUID as text).
pub const TRANSACTION_ID_BYTES_MAX: usize = 64;
/// Links of a connection that are looked through for a name, one by one: most connections have fewer, and no memory for more. Beyond that
/// there is an index by name, 25 octets a link.
pub const LINKS_WALKED_MAX: u32 = 8;
/// SASL exchanges of one connection; more: the connection ends.
pub const SASL_FRAMES_MAX: u8 = 8;
/// How long a closed connection waits for the peer's close, nanoseconds.
pub const CLOSE_TIMEOUT_NS: u64 = 2_000_000_000;
/// Shortest idle timeout of a peer that is honoured, milliseconds; below it the connection is refused, since heart
/// beats would cost more than they tell.
pub const IDLE_TIMEOUT_MIN_MS: u32 = 100;

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our name.
    pub container_id: String,
    /// Largest frame that we take, octets, at least 512.
    pub max_frame_size: u32,
    /// Highest channel; frames beyond it: the connection is closed with a framing error (part 2.7.1).
    pub channel_max: u16,
    /// Highest handle; frames that name one beyond it: the connection is closed with a framing error (part 2.7.2).
    pub handle_max: u32,
    /// Transfers that may be under way to a session, frames; announced anew when half of it is used.
    pub incoming_window: u32,
    /// The same while its frames are small: together no larger than so many of the largest size. Frames; less than `incoming_window`: that.
    pub small_frames_window: u32,
    /// Give up on a peer that is silent for so long, milliseconds; 0: never. Half of it is announced.
    pub idle_timeout_ms: u32,
    /// Give up on a peer that has not opened for so long, milliseconds.
    pub handshake_timeout_ms: u32,
    /// Largest message, octets; larger: the link is detached with message-size-exceeded.
    pub max_message_size: u64,
    /// Messages in several frames that are larger are given to the host in parts, octets.
    pub stream_above: u64,
    /// Whether peers may, must or cannot authenticate.
    pub sasl: Sasl,
    /// The mechanisms that are offered.
    pub mechanisms: Vec<Mechanism>,
    /// Whether the peer may ask for TLS by its protocol header.
    pub tls: Tls,
}

/// Whether there is a SASL layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sasl {
    /// A connection without it is not accepted.
    Required,
    /// As the peer likes.
    Optional,
    /// A connection with it is not accepted.
    Off,
}

/// Whether there is TLS inside the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// As the peer likes.
    Optional,
    /// No.
    Off,
}

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4505
    Anonymous,
    /// RFC 4616
    Plain,
}

impl Config {
    /// The open of an end that connects: its name and its limits, and nothing else.
    #[must_use]
    pub fn client_open(&self) -> Open {
        Open {
            container_id: self.container_id.clone(),
            max_frame_size: self.max_frame_size,
            channel_max: self.channel_max,
            idle_timeout_ms: Some(self.idle_timeout_ms / 2).filter(|&ms| ms > 0),
            ..Open::default()
        }
    }

    /// The open of a node that is connected to: also what it can do, and which product it is.
    #[must_use]
    pub fn server_open(&self) -> Open {
        let mut open = self.client_open();
        open.offered_capabilities = ["ANONYMOUS-RELAY", "SHARED-SUBS", "DELAYED_DELIVERY"].map(Symbol::from).into();
        open.properties.insert("product", Value::String("heddle".to_owned()));
        open.properties.insert("version", Value::String(env!("CARGO_PKG_VERSION").to_owned()));
        open
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            container_id: "heddle".to_owned(),
            max_frame_size: 128 * 1024,
            channel_max: 255,
            handle_max: 1023,
            incoming_window: 8192,
            small_frames_window: 0,
            idle_timeout_ms: 60_000,
            handshake_timeout_ms: 10_000,
            max_message_size: 128 * 1024 * 1024,
            stream_above: u64::MAX,
            sasl: Sasl::Optional,
            mechanisms: vec![Mechanism::Anonymous],
            tls: Tls::Off,
        }
    }
}
