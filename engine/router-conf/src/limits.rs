//! How large a configuration may be, each bound with its reason and what happens when it is reached.

/// Octets of a file. One queue behind a broker needs two autoLinks of 100 octets, so that this is 80,000 of them. A larger file is not
/// looked at: one fault.
pub const FILE_OCTETS_MAX: usize = 16 << 20;

/// Sections of a file: two autoLinks and an address for each of 80,000 queues behind brokers. What comes behind the last is not read: one
/// fault.
pub const SECTIONS_MAX: usize = 250_000;

/// Maps within each other, the section counted. Groups of a vhost need three. A deeper one is a fault.
pub const DEPTH_MAX: usize = 8;

/// Octets of one value, variables of the environment put in. Lists of users and addresses of a group are the longest. A longer one is a
/// fault.
pub const VALUE_OCTETS_MAX: usize = 64 << 10;

/// Octets of a value that management gives: the longest pattern of an address has half of them. A longer one is a fault. What is made so stays
/// until the router ends, and values of files are as large as whoever starts it likes.
pub const GIVEN_OCTETS_MAX: usize = 4096;

/// Octets of a router's id, the bound of a container id in the router's own tables. A longer one is a fault.
pub const ID_OCTETS_MAX: usize = 255;

/// Faults that are told, and warnings that are told: more than anybody mends before trying again. Further ones are counted.
pub const FAULTS_MAX: usize = 50;
/// See `FAULTS_MAX`.
pub const WARNINGS_MAX: usize = 50;

/// Characters of what a file says that are repeated in a fault. The rest is left out.
pub(crate) const SHOWN_MAX: usize = 60;
