//! Random filters and the exact answers under them.

use serde::Deserialize;
use serde::Serialize;

/// Shares of the rows that the filters admit.
#[cfg(not(target_family = "wasm"))]
pub const SHARES: [f64; 4] = [0.5, 0.1, 0.01, 0.001];

/// Seed of the filters.
const SEED: u64 = 7;

/// The exact answers under one filter.
#[derive(Debug, Serialize, Deserialize)]
pub struct FilteredTruth {
    /// Share of the rows that the filter admits, on average.
    pub share: f64,
    /// Nearest admitted rows of the first queries, at most [`crate::K`] each.
    pub truth: Vec<Vec<u32>>,
}

/// A bitmap of `n` rows, each admitted with the probability `share`, independently.
pub fn random(n: usize, share: f64) -> Vec<u64> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut words = vec![0; n.div_ceil(64)];
    for id in 0..n {
        if random.f64() < share {
            words[id / 64] |= 1 << (id % 64);
        }
    }
    words
}

/// Rows that a bitmap admits.
pub fn admitted(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}
