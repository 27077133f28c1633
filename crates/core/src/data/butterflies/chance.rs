//! The randomness of one picture.

/// SplitMix64 (Steele, Lea and Flood 2014): integer arithmetic only, so every machine draws the same specimen. It is
/// not the training `Generator`: a picture must not depend on what else was drawn.
pub struct Chance(u64);

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Chance {
    pub fn new(seed: u64, index: u64) -> Self {
        // Mixing the seed once keeps the streams of neighbouring seeds from being shifted copies of each other.
        Self(mix(seed.wrapping_add(GOLDEN_GAMMA)) ^ mix(index.wrapping_mul(GOLDEN_GAMMA)))
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        mix(self.0)
    }

    /// In [0, 1), 24 bits.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 24) as f32
    }

    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Bell-shaped around `centre`, never further away than `spread`.
    pub fn around(&mut self, centre: f32, spread: f32) -> f32 {
        centre + spread * (2.0 * (self.unit() + self.unit() + self.unit()) / 3.0 - 1.0)
    }

    /// True with this probability.
    pub fn odds(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    pub fn pick<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[(self.bits() >> 32) as usize % N]
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_as_published() {
        // The first outputs of SplitMix64 with state 0.
        let mut chance = Chance(0);
        assert_eq!([chance.bits(), chance.bits()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn draws_stay_inside_their_bounds() {
        let mut chance = Chance::new(1, 2);
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&chance.unit()));
            assert!((2.0..=4.0).contains(&chance.around(3.0, 1.0)));
        }
    }
}
