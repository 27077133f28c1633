//! torch's CPU generator: a seed gives the numbers that `torch.Generator("cpu").manual_seed(seed)` gives.
//!
//! Integers and uniform numbers are bit-exact. Normal numbers agree to float rounding: torch takes logarithm and cosine
//! from the SIMD library of the machine, here they are taken in double precision, which every machine rounds alike.

use crate::{Error, Result};

/// Uniform numbers carry 24 bits, all that a float of [0, 1) can hold evenly.
const UNIFORM_MASK: u32 = (1 << 24) - 1;
const UNIFORM_STEP: f32 = 1.0 / (1 << 24) as f32;
/// From this many numbers on, torch fills whole blocks with normal numbers.
const BLOCK: usize = 16;

/// A source of random numbers for noise, timesteps, shuffles and initial weights.
#[derive(Debug, Clone)]
pub struct Generator {
    seed: u64,
    engine: MersenneTwister,
    /// The second number of the last Box-Muller pair, which torch keeps for the next call.
    cached_normal: Option<f64>,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        // torch seeds the engine with the low 32 bits only.
        Self { seed, engine: MersenneTwister::new(seed as u32), cached_normal: None }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// `torch.rand`: `n` numbers of [0, 1).
    pub fn rand(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next_uniform()).collect()
    }

    /// `Tensor.uniform_(from, to)`: `n` numbers of [from, to).
    pub fn uniform(&mut self, n: usize, from: f32, to: f32) -> Vec<f32> {
        // One rounding, as the fused instruction that torch's build uses.
        (0..n).map(|_| self.next_uniform().mul_add(to - from, from)).collect()
    }

    /// `torch.randn`: `n` numbers of the standard normal distribution.
    pub fn randn(&mut self, n: usize) -> Vec<f32> {
        if n < BLOCK { (0..n).map(|_| self.next_normal() as f32).collect() } else { self.fill_normal(n) }
    }

    /// `torch.randint(low, high, (n,))`: integers of [low, high), where both ends are 32-bit integers.
    pub fn randint(&mut self, low: i64, high: i64, n: usize) -> Result<Vec<i32>> {
        if low < i64::from(i32::MIN) {
            return Err(Error::argument("low", format!("at least {}", i32::MIN), low));
        }
        if high > i64::from(i32::MAX) + 1 {
            return Err(Error::argument("high", format!("at most {}", i64::from(i32::MAX) + 1), high));
        }
        if low >= high {
            return Err(Error::argument("high", format!("more than low ({low})"), high));
        }
        let range = (high - low) as u64;
        Ok((0..n).map(|_| (low + self.below(range) as i64) as i32).collect())
    }

    /// `torch.randperm(n)`: the numbers 0 to n - 1 in random order (Fisher-Yates).
    pub fn randperm(&mut self, n: usize) -> Vec<i32> {
        let mut order: Vec<i32> = (0..n as i32).collect();
        for i in 0..n.saturating_sub(1) {
            let chosen = i + self.engine.next_u32() as usize % (n - i);
            order.swap(i, chosen);
        }
        order
    }

    fn next_uniform(&mut self) -> f32 {
        (self.engine.next_u32() & UNIFORM_MASK) as f32 * UNIFORM_STEP
    }

    fn next_u64(&mut self) -> u64 {
        let high = u64::from(self.engine.next_u32());
        high << 32 | u64::from(self.engine.next_u32())
    }

    /// torch draws 64 bits where 32 would favour small numbers noticeably.
    fn below(&mut self, range: u64) -> u64 {
        if range >= 1 << 28 { self.next_u64() % range } else { u64::from(self.engine.next_u32()) % range }
    }

    fn next_uniform_f64(&mut self) -> f64 {
        (self.next_u64() & ((1 << 53) - 1)) as f64 / (1_u64 << 53) as f64
    }

    /// Box-Muller in double precision, one number a call: cosine first, the sine kept for the next call.
    fn next_normal(&mut self) -> f64 {
        if let Some(normal) = self.cached_normal.take() {
            return normal;
        }
        let angle = std::f64::consts::TAU * self.next_uniform_f64();
        let radius = (-2.0 * (-self.next_uniform_f64()).ln_1p()).sqrt();
        self.cached_normal = Some(radius * angle.sin());
        radius * angle.cos()
    }

    /// Box-Muller over blocks of 16 uniform numbers; a rest is covered by redrawing the last 16 numbers.
    fn fill_normal(&mut self, n: usize) -> Vec<f32> {
        let mut values = self.rand(n);
        box_muller(&mut values);
        if !n.is_multiple_of(BLOCK) {
            let mut last = self.rand(BLOCK);
            box_muller_block(&mut last);
            values.truncate(n - BLOCK);
            values.extend(last);
        }
        values
    }

    /// Everything that the next numbers depend on, for checkpoints.
    pub fn state(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(STATE_BYTES);
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend((self.engine.position as u32).to_le_bytes());
        bytes.extend(u32::from(self.cached_normal.is_some()).to_le_bytes());
        bytes.extend(self.cached_normal.unwrap_or_default().to_le_bytes());
        bytes.extend(self.engine.words.iter().flat_map(|word| word.to_le_bytes()));
        bytes
    }

    /// Continues where the generator stood that gave `state`.
    pub fn set_state(&mut self, state: &[u8]) -> Result<()> {
        let invalid =
            || Error::argument("state", "what getState() of a Generator gave", format!("{} bytes", state.len()));
        let (head, words) = state.split_at_checked(STATE_HEAD_BYTES).ok_or_else(invalid)?;
        let &[seed, position_and_flag, normal] = read_u64s(head).as_slice() else { return Err(invalid()) };
        let (position, has_normal) = (position_and_flag as u32 as usize, position_and_flag >> 32);
        let words: Vec<u32> = words.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        if state.len() != STATE_BYTES || position > WORDS || has_normal > 1 {
            return Err(invalid());
        }
        let words = words.try_into().map_err(|_| invalid())?;
        *self = Self {
            seed,
            engine: MersenneTwister { words, position },
            cached_normal: (has_normal == 1).then(|| f64::from_bits(normal)),
        };
        Ok(())
    }
}

const STATE_HEAD_BYTES: usize = 24;
const STATE_BYTES: usize = STATE_HEAD_BYTES + 4 * WORDS;

fn read_u64s(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect()
}

/// Turns whole blocks of uniform numbers into normal ones. Logarithms and cosines take ten times as long as the uniform
/// numbers, and blocks do not depend on each other.
#[cfg(not(target_family = "wasm"))]
fn box_muller(values: &mut [f32]) {
    use rayon::prelude::*;
    /// Blocks of one job.
    const TOGETHER: usize = 128;
    if values.len() <= TOGETHER * BLOCK {
        values.chunks_exact_mut(BLOCK).for_each(box_muller_block);
    } else {
        let jobs = values.par_chunks_mut(TOGETHER * BLOCK);
        jobs.for_each(|blocks| blocks.chunks_exact_mut(BLOCK).for_each(box_muller_block));
    }
}

#[cfg(target_family = "wasm")]
fn box_muller(values: &mut [f32]) {
    values.chunks_exact_mut(BLOCK).for_each(box_muller_block);
}

/// Turns 16 uniform numbers into normal ones: the first half gives the radii, the second half the angles.
fn box_muller_block(block: &mut [f32]) {
    let (radii, angles) = block.split_at_mut(BLOCK / 2);
    for (first, second) in radii.iter_mut().zip(angles) {
        let radius = (-2.0 * f64::from(1.0 - *first).ln() as f32).sqrt();
        let angle = f64::from(std::f32::consts::TAU * *second);
        *first = radius * angle.cos() as f32;
        *second = radius * angle.sin() as f32;
    }
}

const WORDS: usize = 624;
const MIDDLE: usize = 397;

/// MT19937: Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998.
#[derive(Debug, Clone)]
struct MersenneTwister {
    words: [u32; WORDS],
    /// The next word to give; at the end all words are renewed.
    position: usize,
}

impl MersenneTwister {
    fn new(seed: u32) -> Self {
        let mut words = [seed; WORDS];
        for i in 1..WORDS {
            let previous = words[i - 1];
            words[i] = 1_812_433_253_u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(i as u32);
        }
        Self { words, position: WORDS }
    }

    fn next_u32(&mut self) -> u32 {
        if self.position == WORDS {
            self.renew();
            self.position = 0;
        }
        let mut word = self.words[self.position];
        self.position += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn renew(&mut self) {
        for i in 0..WORDS {
            let joined = (self.words[i] & 0x8000_0000) | (self.words[(i + 1) % WORDS] & 0x7fff_ffff);
            let twist = if joined & 1 == 0 { 0 } else { 0x9908_b0df };
            self.words[i] = self.words[(i + MIDDLE) % WORDS] ^ (joined >> 1) ^ twist;
        }
    }
}
