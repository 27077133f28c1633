//! What a checkpoint remembers of the images that its run learned from: enough to notice others, on every machine and
//! whether they are held in memory or read from their files.

/// What is known of the content of one item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Bytes as they were stored.
    pub length: u64,
    pub digest: u64,
}

impl Content {
    pub fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len() as u64, digest: Digest::default().with(bytes).0 }
    }

    pub fn of_values(values: &[f32]) -> Self {
        let digest = values.iter().fold(Digest::default(), |digest, value| digest.with(&value.to_le_bytes()));
        Self { length: 4 * values.len() as u64, digest: digest.0 }
    }
}

/// FNV-1a of 64 bits ([RFC 9923](https://www.rfc-editor.org/rfc/rfc9923)): against mistakes, not against malice.
#[derive(Clone, Copy, Debug)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)))
    }

    #[must_use]
    pub fn with_number(self, number: u64) -> Self {
        self.with(&number.to_le_bytes())
    }

    /// Hexadecimal.
    pub fn text(self) -> String {
        format!("{:016x}", self.0)
    }
}

/// So many are read to the end where they lie in files; of the others the length counts.
const SAMPLES: usize = 256;

/// Whether item `index` of `count` is among those whose whole content counts: all, or some at even distances.
pub fn is_sampled(index: usize, count: usize) -> bool {
    let sample = |index: usize| index as u128 * SAMPLES as u128 / count.max(1) as u128;
    count <= SAMPLES || index == 0 || sample(index) != sample(index - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_fnv_1a() {
        // Of the test vectors of RFC 9923, appendix C.
        for (text, hash) in [("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8")] {
            assert_eq!(Digest::default().with(text.as_bytes()).text(), hash);
        }
    }

    #[test]
    fn all_of_few_and_some_of_many_are_sampled() {
        for count in [0, 1, 255, 256] {
            assert!((0..count).all(|index| is_sampled(index, count)));
        }
        for count in [257, 1000, 1_000_003] {
            assert_eq!((0..count).filter(|&index| is_sampled(index, count)).count(), SAMPLES, "{count}");
        }
    }
}
