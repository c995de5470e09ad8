//! How much a selector may ask for. A text that exceeds one of these is refused, each with an error of its own.

/// Longest text, octets. People write lines, programs write lists of some thousand names; each subscription keeps what it has compiled to.
pub const TEXT_OCTETS_MAX: usize = 64 * 1024;

/// Steps of a program and elements of its lists: what an evaluation may cost, for every message of an address. Lists of names that
/// programs make have hundreds.
pub const NODES_MAX: usize = 4096;

/// Operators and parentheses that are open at once, and operands that wait for theirs: the room that an evaluation has on the stack.
pub const DEPTH_MAX: usize = 64;

/// Characters between two `%` of a LIKE pattern: as many as an integer has bits, so that its search looks at each character once.
pub const SEGMENT_CHARS_MAX: usize = 128;

/// Octets of a binary message-id that is shown as text. Clients make 16 or 24; what is longer counts as binary.
pub(crate) const BINARY_ID_OCTETS_MAX: usize = 64;
