//! Chance that is the same each time: numbers that follow from a seed and from whom they are for.
//!
//! The generator is `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): one addition and a
//! mix for each number, equidistributed over 2^64, which is plenty for gaps and sizes.

/// A stream of numbers.
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

/// What a stream is for; streams of one producer for different purposes have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// When messages are due.
    Arrivals,
    /// How large they are.
    Sizes,
    /// What they are filled with.
    Filler,
    /// How long to wait before connecting again.
    BackOff,
    /// Which values are drawn again, to see how well they are known.
    Resampling,
    /// When a server is killed.
    Kills,
    /// Which messages a consumer gives back.
    Failures,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Chance {
    /// The stream of one producer of one group.
    pub fn new(seed: u64, purpose: Purpose, group: u32, producer: u32) -> Self {
        let place = (u64::from(group) << 32) | u64::from(producer);
        Self { state: mix(mix(seed.wrapping_add(GOLDEN)) ^ mix(place) ^ mix((purpose as u64 + 1) << 56)) }
    }

    /// The next number, all 64 bits of it.
    #[inline]
    pub fn next_bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A number above 0 and at most 1, so that it has a logarithm.
    #[inline]
    pub fn next_share(&mut self) -> f64 {
        ((self.next_bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `bound`; 0 if that is 0. Even enough where bounds are far below 2^64.
    pub fn next_below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_bits()) * bound as u128) >> 64) as usize
    }

    /// A number of the standard normal distribution (Box and Muller, 1958).
    pub fn next_normal(&mut self) -> f64 {
        let (radius, angle) = (self.next_share(), self.next_share());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_repeated_and_differ_from_each_other() {
        let stream = |purpose, group, producer| {
            let mut chance = Chance::new(1, purpose, group, producer);
            (0..4).map(|_| chance.next_bits()).collect::<Vec<_>>()
        };
        let first = stream(Purpose::Arrivals, 0, 0);
        assert_eq!(first, stream(Purpose::Arrivals, 0, 0));
        for other in [(Purpose::Sizes, 0, 0), (Purpose::Arrivals, 1, 0), (Purpose::Arrivals, 0, 1)] {
            assert_ne!(first, stream(other.0, other.1, other.2));
        }
    }

    #[test]
    fn shares_and_normals_have_their_moments() {
        let mut chance = Chance::new(7, Purpose::Sizes, 0, 0);
        let count = 200_000;
        assert!((0..1000).all(|_| chance.next_below(7) < 7) && chance.next_below(0) == 0);
        let shares: f64 = (0..count).map(|_| chance.next_share()).sum();
        assert!((shares / f64::from(count) - 0.5).abs() < 0.005);
        let normals: Vec<f64> = (0..count).map(|_| chance.next_normal()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(count);
        let variance = normals.iter().map(|value| value * value).sum::<f64>() / f64::from(count);
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
