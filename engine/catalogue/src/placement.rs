//! Who owns an address: by the hash of its name, unless the catalogue says otherwise.
//!
//! Guarantees: the same name and the same number of shards give the same owner on every shard, in every process and on
//! every machine, because owners are written down on disk. `Placement` does not know addresses that were placed elsewhere
//! (`Catalogue::resolve`).

use crate::name::base;

/// A node, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeNumber(pub u16);

impl NodeNumber {
    /// The node that this catalogue is of.
    pub const HERE: Self = Self(0);
}

/// The owner of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its node.
    pub node: NodeNumber,
    /// The shard there.
    pub shard: u16,
    /// The version of the catalogue that placed the address there; 0 while it is where the hash of its name says.
    pub epoch: u64,
}

/// Owner of addresses by a stable hash of their names.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    shards: u16,
}

impl Placement {
    /// Placement over `shards` shards, at least one.
    pub fn new(shards: u16) -> Self {
        assert!(shards > 0, "a node has at least one shard");
        Self { shards }
    }

    /// The number of shards.
    pub fn shards(self) -> u16 {
        self.shards
    }

    /// The shard that owns `address`. A fully qualified `address::queue` is owned where its address is, so that all
    /// queues of an address, and with them every copy of a message, live on one shard.
    pub(crate) fn owner(self, address: &str) -> u16 {
        if self.shards == 1 {
            return 0;
        }
        let address = base(address);
        // The multiplication spreads the hash over the range without the bias and the cost of a remainder.
        let spread = (u128::from(fnv1a(address.as_bytes())) * u128::from(self.shards)) >> 64;
        u16::try_from(spread).expect("a fraction of the number of shards")
    }
}

/// FNV-1a with a final mix: stable, and names are short. The mix matters because the owner is taken from the high bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_never_change() {
        let owners: Vec<u16> =
            ["orders", "a", "", "queue-17", "temp/0"].iter().map(|name| Placement::new(4).owner(name)).collect();
        // On disk in every data directory: a change of these needs a migration.
        assert_eq!(owners, [2, 2, 2, 3, 1]);
    }

    #[test]
    fn a_qualified_name_lives_with_its_address() {
        let placement = Placement::new(7);
        for index in 0..100 {
            let address = format!("address-{index}");
            assert_eq!(placement.owner(&address), placement.owner(&format!("{address}::queue-{}", index * 3)));
        }
    }

    #[test]
    fn names_spread_evenly() {
        let placement = Placement::new(4);
        let mut counts = [0_u32; 4];
        for index in 0..4_000 {
            counts[usize::from(placement.owner(&format!("q{index}")))] += 1;
        }
        assert!(counts.iter().all(|&count| (850..1_150).contains(&count)), "{counts:?}");
    }
}
