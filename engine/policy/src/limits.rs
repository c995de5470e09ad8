//! How much a policy may have, each bound with its reason and what happens when it is reached.

/// Vhosts of a policy. Tenants of the largest installations are some thousands. A further one is refused when the policy is made.
pub const VHOSTS_MAX: usize = 10_000;

/// Groups of a vhost, users and hosts of a group, and entries of its lists of addresses: each is looked through when a connection or a
/// link asks, entry by entry. More are refused when the policy is made.
pub const ENTRIES_MAX: usize = 10_000;

/// Octets of a name, a user or a hostname in a policy: those of the longest address. A longer one is refused when the policy is made.
pub const TEXT_OCTETS_MAX: usize = 2048;

/// Counts that are kept at least before those of nobody are given up: looking through fewer would cost more than it frees.
pub(crate) const COUNTS_MIN: usize = 1024;
