//! What machines of AMQP are told, whoever connects: what lies under them, and how much may be under way.

use node_shell::Layers;

use crate::config::{Config, IN_MEMORY_MAX, Role, Transport};

/// Messages that are larger and come in several frames go through files, octets.
const LARGE_ABOVE: u64 = 1 << 20;
/// Messages that are larger and come in several frames begin to leave a router before they are whole, octets: what stands before the body of
/// one has to be in as much. A smaller one costs less as a whole.
const THROUGH_ABOVE: u64 = 128 << 10;
/// Octets that may be under way to a session of a router: what comes still when a sender is held up. They are counted in frames: of the usual
/// size 512, twice what a link has credit for.
const SESSION_OCTETS: u32 = 64 << 20;

/// Transfers that may be under way to a session while they are small: enough that neither end of a connection waits for the other's next turn.
/// When they become large all the same, four times `SESSION_OCTETS` may come of what was announced before.
const SMALL_FRAMES: u32 = 2048;
/// The same between routers, where all clients of the other one send on a session: what finds no window waits there message by message, which
/// costs twice as much. Small ones that go together are as large as these frames may be. A router that takes to large messages has links of their own for
/// them; if it does not, eight times `SESSION_OCTETS` may come of what was announced, of which its senders have credit for what comes.
const NEIGHBOURS_SMALL_FRAMES: u32 = 4096;

/// What lies under AMQP by a transport.
pub fn layers(transport: Transport) -> Layers {
    match transport {
        Transport::Tcp => Layers::Plain,
        Transport::Tls => Layers::Tls,
        Transport::Ws => Layers::WebSocket,
        Transport::Wss => Layers::WebSocketOverTls,
    }
}

/// The largest message that is taken where so much was asked for, octets.
pub fn max_message_size(config: &Config, wanted: u64) -> u64 {
    // What passes through a router is never there as a whole.
    if config.storage.enabled || !config.keeps_some() { wanted } else { wanted.min(IN_MEMORY_MAX) }
}

/// Size beyond which a message in several frames goes through a file, or begins to leave a router, octets.
pub fn stream_above(config: &Config) -> u64 {
    match (config.keeps_some(), config.storage.enabled) {
        (false, _) => THROUGH_ABOVE,
        (true, true) => LARGE_ABOVE,
        // Without files what is kept is there as a whole, and on the same connections what passes.
        (true, false) => u64::MAX,
    }
}

/// Transfers that may be under way to a session with frames of so many octets.
pub fn incoming_window(config: &Config, max_frame_size: u32) -> u32 {
    let usual = amqp_proto::Config::default().incoming_window;
    if config.router.enabled { usual.min((SESSION_OCTETS / max_frame_size).max(2)) } else { usual }
}

/// The same while they are small, by who sends them.
pub fn small_frames_window(role: Role) -> u32 {
    match role {
        Role::InterRouter => NEIGHBOURS_SMALL_FRAMES,
        Role::Normal | Role::RouteContainer | Role::Edge => SMALL_FRAMES,
    }
}
