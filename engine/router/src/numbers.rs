//! Maps by numbers that this node gives itself: hashed by one multiplication, as nobody outside can choose them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by numbers of our own.
pub type Numbered<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Spreads numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NumberHasher(u64);

/// The fraction of the golden ratio: neighbours come far apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|octet| self.write_u64(u64::from(*octet)));
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // Both halves of the product: tables look at both ends of a hash, and numbers differ at either.
        let product = u128::from(self.0.rotate_left(5) ^ number) * u128::from(SPREAD);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_come_apart_at_both_ends() {
        let hash = |number: u64| {
            let mut hasher = NumberHasher::default();
            hasher.write_u64(number);
            hasher.finish()
        };
        for step in [1, 1 << 16, 1 << 48] {
            let hashes: Vec<u64> = (0..4096).map(|number| hash(number * step)).collect();
            for part in [|hash: u64| hash & 0xfff, |hash: u64| hash >> 52] {
                let mut parts: Vec<u64> = hashes.iter().map(|hash| part(*hash)).collect();
                parts.sort_unstable();
                parts.dedup();
                assert!(parts.len() > 2000, "{step}: {} of 4096", parts.len());
            }
        }
    }
}
