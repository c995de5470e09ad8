//! Bounds of a configuration and of the files that it names, each with its reason and what happens beyond it. Those
//! of single values are `engine_catalogue`'s.

/// Largest file of settings, bytes: hundreds of listeners fit. Larger ones are refused unread.
pub const FILE_MAX: u64 = 1 << 20;
/// Largest file of certificates, keys or tokens, bytes: a chain takes some thousand. Larger ones are refused unread.
pub const PEM_MAX: u64 = 1 << 20;
/// Largest message without a journal, octets: it is in memory as a whole.
pub const IN_MEMORY_MAX: u64 = 128 << 20;
/// Listeners at most: every shard has a socket for each, and each is compared with every other. More are refused.
pub const LISTENERS_MAX: usize = 64;
/// Connectors at most: each has a descriptor, and every shard looks at its own when the first of them wants something.
/// More are refused.
pub const CONNECTORS_MAX: usize = 64;
/// Routes at most: each is a pattern that links of clients are looked up by. More are refused.
pub const ROUTES_MAX: usize = 10_000;
/// Links at most that the router attaches: each is looked at when a connection opens. More are refused.
pub const AUTO_LINKS_MAX: usize = 10_000;
/// Endpoints of a connector at most: a round tries them all, one after the other. More are refused.
pub const ENDPOINTS_MAX: usize = 16;
/// Longest name of a connector, bytes. Longer ones are refused.
pub const CONNECTOR_NAME_MAX: usize = 64;
/// Name and password of a connector together, bytes: the frame of SASL that carries them has 512 at most (part 5.3.1).
/// Longer ones are refused.
pub const CREDENTIALS_MAX: usize = 450;
/// Faults that are told at once: a foreign file has one on each line. The others are counted.
pub const FAULTS_MAX: usize = 50;
/// Characters of a value that are shown in a fault; the rest is left out.
pub const SHOWN_MAX: usize = 60;
/// Shards at most: any two have two lanes between them. More are refused.
pub const SHARDS_MAX: u64 = 256;
/// Tokens in a file at most: an old one and a new one, and some to spare. More are refused.
pub const TOKENS_MAX: usize = 16;
/// Shortest token, characters: 16 at random are 96 bits. Shorter ones are refused, as are passwords that somebody thought of.
pub const TOKEN_MIN: usize = 16;
/// Longest token, characters: a request's head has room for it. Longer ones are refused.
pub const TOKEN_MAX: usize = 1024;
