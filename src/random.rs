//! Random numbers without state: every draw is a function of (seed, purpose, epoch, index), so that a resumed run needs
//! only its position.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// A random number generator that is determined by its key.
pub(crate) struct KeyedRng(ChaCha8Rng);

impl KeyedRng {
    /// The generator of this seed, purpose, epoch and index.
    pub(crate) fn new(seed: u64, purpose: &str, epoch: u64, index: u64) -> Self {
        let key = Sha256::new()
            .chain_update(seed.to_le_bytes())
            .chain_update(epoch.to_le_bytes())
            .chain_update(index.to_le_bytes())
            .chain_update(purpose.as_bytes())
            .finalize();
        Self(ChaCha8Rng::from_seed(key.into()))
    }

    /// The generator of this seed and name. ChaCha's whole key is the digest of both, so that no two names share a
    /// stream.
    pub(crate) fn named(seed: u64, name: &str) -> Self {
        let key = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name.as_bytes()).finalize();
        Self(ChaCha8Rng::from_seed(key.into()))
    }

    /// The generator of this seed.
    pub(crate) fn of_seed(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in [0, 1), 24 bits.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// Uniform in [low, high).
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform on a logarithmic scale between two positive numbers.
    pub(crate) fn between_log(&mut self, low: f32, high: f32) -> f32 {
        low * (high / low).powf(self.unit())
    }

    /// Uniform in 0..count; 0 when there is nothing to choose from.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        // The bias of the high product is below 2^-32 for every count that occurs here.
        ((u64::from(self.0.next_u32()) * count as u64) >> 32) as usize
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Approximately standard normal: the sum of twelve uniforms.
    pub(crate) fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }

    /// Poisson with this mean: by inversion of the distribution, and above 30 by a normal of the same mean and variance.
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * f64::from(self.normal())).round().max(0.0) as u32;
        }
        let (mut left, mut share, mut count) = (f64::from(self.unit()), (-mean).exp(), 0);
        while left >= share && count < 1000 {
            left -= share;
            count += 1;
            share *= mean / f64::from(count);
        }
        count
    }

    /// Beta(10, 10): the middle one of 19 uniforms.
    pub(crate) fn beta_10_10(&mut self) -> f32 {
        let mut draws: [f32; 19] = std::array::from_fn(|_| self.unit());
        draws.sort_by(f32::total_cmp);
        draws[9]
    }

    /// Puts a slice in random order (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beta_has_the_moments_of_beta() {
        let mut rng = KeyedRng::new(1, "test", 0, 0);
        let draws: Vec<f64> = (0..20_000).map(|_| f64::from(rng.beta_10_10())).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / 20_000.0;
        // Beta(a, b): a b / ((a + b)^2 (a + b + 1)).
        assert!((mean - 0.5).abs() < 3e-3 && (variance - 100.0 / (400.0 * 21.0)).abs() < 5e-4, "{mean} {variance}");
    }

    #[test]
    fn poisson_has_its_mean_as_its_variance() {
        const DRAWS: usize = 100_000;
        let mut rng = KeyedRng::new(2, "test", 0, 0);
        for mean in [0.5, 4.0, 25.0, 400.0] {
            let draws: Vec<f64> = (0..DRAWS).map(|_| f64::from(rng.poisson(mean))).collect();
            let found = draws.iter().sum::<f64>() / DRAWS as f64;
            let variance = draws.iter().map(|draw| (draw - found).powi(2)).sum::<f64>() / DRAWS as f64;
            // Four standard errors of the least mean.
            assert!((found / mean - 1.0).abs() < 0.02, "{mean}: {found}");
            assert!((variance / mean - 1.0).abs() < 0.025, "{mean}: {variance}");
        }
        assert_eq!(rng.poisson(0.0), 0);
    }

    #[test]
    fn places_differ_and_repeat() {
        let throw = |seed, purpose, epoch, index| KeyedRng::new(seed, purpose, epoch, index).unit();
        assert_eq!(throw(1, "a", 2, 3), throw(1, "a", 2, 3));
        let others = [throw(2, "a", 2, 3), throw(1, "b", 2, 3), throw(1, "a", 3, 2), throw(1, "a", 2, 4)];
        assert!(others.iter().all(|&other| other != throw(1, "a", 2, 3)));
    }
}
