//! Chance, all of it from the seed.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A stream of chance: the same seed and purpose give the same throws.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of a seed for one purpose, so that a throw more here changes nothing there.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        let text = format!("{seed}/{purpose}");
        let hash = xxhash_rust::xxh3::xxh3_128(text.as_bytes()).to_le_bytes();
        let mut key = [0; 32];
        key[..16].copy_from_slice(&hash);
        Self(ChaCha8Rng::from_seed(key))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 128 random bits.
    pub fn wide_bits(&mut self) -> u128 {
        u128::from(self.bits()) << 64 | u128::from(self.bits())
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end.max(1)
    }

    /// A number from `low` to `high`, both possible.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True this often.
    pub fn chance(&mut self, probability: f64) -> bool {
        if probability <= 0.0 {
            return false;
        }
        (self.bits() >> 11) as f64 / ((1_u64 << 53) as f64) < probability
    }

    /// A time from `low` to `high` milliseconds, to the microsecond.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_micros(self.between(low * 1_000, high * 1_000))
    }

    /// One of them; there is at least one.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}
