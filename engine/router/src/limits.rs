//! How much a network of routers may ask of this one, each with its reason and what happens when it is reached.

/// Routers of a network, this one included. Routers of the kind that Heddle shares networks with hold sets of routers in as many bits and
/// know no more; so does a `RouterSet`, which is one integer. A further router is not taken note of until another one is forgotten, and
/// counted.
pub const ROUTERS_MAX: usize = 128;

/// Octets of a router's id. It stands in addresses and in the trace of each message; host names, which most ids are made of, have as many
/// at most. A message that names a longer one is malformed.
pub const ID_OCTETS_MAX: usize = 255;

/// Octets of an address as tables have it, class and phase included: those of the longest address of the catalogue, a tenant's name
/// before it, and two more. A longer one in another router's list is passed over: nobody here could send to it.
pub const KEY_OCTETS_MAX: usize = 2048 + 256 + 2;

/// Addresses that one router may announce: a million is what the largest installation is to have, with its reply queues. A message that
/// makes them more is refused as a whole, and the router's earlier ones stay.
pub const ROUTER_ADDRESSES_MAX: usize = 1 << 20;

/// Addresses that a node knows, from all routers and its own consumers: 100 octets each are 200 MB. A further one is passed over and
/// counted: messages to it have no path here.
pub const ADDRESSES_MAX: usize = 1 << 21;

/// Addresses of what came over one link that wait to be taken into the table: two of the longest lists. What is beyond is not taken, and its
/// router is asked for all that it has, once a second.
pub const LEARNING_MAX: usize = 2 * ROUTER_ADDRESSES_MAX;

/// Addresses of one router that are taken before it is another one's turn: so few that a short change of the last of `ROUTERS_MAX` waits some
/// hundredths of a second for long lists of all others.
pub const LEARNING_SHARE: usize = 256;

/// Link routes that a node learns of from all other routers: more than brokers behind a network have queues with routes of their own. Each
/// change makes the tree anew that links find them by, in some milliseconds at most. A further one is passed over and counted.
pub const LINK_ROUTES_MAX: usize = 4096;

/// Routers in the trace of a message: as many as there are, once each. A longer one is malformed.
pub const TRACE_MAX: usize = ROUTERS_MAX;

/// Control links at once: two to each other router, so that one can take over from the other. A further connection is closed.
pub const LINKS_MAX: usize = 2 * ROUTERS_MAX;

/// Octets of a control message: a list of as many addresses as a router may have, of 60 octets each. Whoever sends a larger one is closed.
pub const MESSAGE_OCTETS_MAX: usize = 64 << 20;

/// Control messages that one link may bring in a second: between 64 routers on either side of one connection each asks each for two
/// things and is answered. Whoever sends more is closed: nothing that routers have to say makes so many.
pub const LINK_MESSAGES_MAX: u32 = 4 * 64 * 64;

/// Those of them to all routers that go on to others in a second: 64 routers behind a connection have that many changes to tell, 64 each. Others
/// would end their connection to this router if they got more from here than `LINK_MESSAGES_MAX`; so one neighbour that speaks without end
/// makes a quarter of it. What is beyond does not go on, and is asked for again by whoever misses it.
pub const LINK_FLOODED_MAX: u32 = LINK_MESSAGES_MAX / 4;

/// Octets of a pattern of addresses, and its words: those of the longest address, and more words than people divide one into. A longer
/// one is refused.
pub const PATTERN_OCTETS_MAX: usize = 2048;
/// See `PATTERN_OCTETS_MAX`.
pub const PATTERN_WORDS_MAX: usize = 64;

/// Deliveries that a link may have without an outcome before it counts as busy, unless its connection says another number: what routers
/// give as credit, too.
pub const LINK_CAPACITY: u32 = 250;

/// Deliveries under way through one shard: those of four thousand links that have as many unsettled as they may. A further one is
/// released, or dropped and counted if it was sent settled.
pub const DELIVERIES_MAX: usize = 1 << 20;

/// What a delivery takes beside what was sent, octets: its place, its copies, and the numbers that its links have for it.
pub const DELIVERY_OCTETS: u64 = 256;

/// Links that a router attaches itself: two for each queue of the largest broker that it stands before. Those beyond stay inactive.
pub const AUTO_LINKS_MAX: usize = 1 << 16;

/// Links for addresses that a router at the edge has in the interior: two for each of as many addresses as one connection of an interior
/// router takes links of in 128 sessions. Addresses beyond are not connected with the interior until another one goes, which is told.
pub const PROXIES_MAX: usize = 1 << 17;

/// Octets of one message in parts that are kept for receivers that take less than its sender sends: a few of the largest frames that are
/// usual, so that a receiver always finds something to take. Beyond them its sender is held up; what was on its way then is kept, too, unless
/// memory is used up: then the message is given up.
pub const STREAM_OCTETS: u64 = 1 << 20;

/// Octets of one message in parts that were sent on a link, or to another shard, and are not passed on yet: what a connection writes at
/// once. Further parts wait.
pub const COPY_OCTETS: u64 = 512 << 10;

/// What a part takes beside its octets: its place where it is kept, and its share of an allocation.
pub const PART_OCTETS: u64 = 96;
