//! A seeded random rotation that costs `O(n log n)` and stores nothing.
//!
//! Four rounds, each: flip signs at random, apply a fast Hadamard transform to the largest power of
//! two that fits (at the front in even rounds, at the back in odd ones), and, where that leaves
//! components out, mix the two halves of the vector (one Kac step). Each step is orthogonal, so
//! norms and inner products stay.
//!
//! Rotating spreads the energy of a vector evenly over its dimensions, which is what makes one bit
//! and one common int8 step per dimension enough.
//!
//! Source: Ailon and Chazelle, "The fast Johnson–Lindenstrauss transform" (2009); the windowed form
//! for any dimension with Kac steps is that of the RaBitQ authors ("FhtKac").

use crate::vector::arch::sqrt;
use alloc::vec::Vec;
use core::f32::consts::FRAC_1_SQRT_2;

use crate::vector::arithmetic;

const ROUNDS: usize = 4;

/// The sequence SplitMix64 (Steele, Lea and Flood, 2014): random bits from a seed.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// Starts the sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is at least 1 (bias below `bound / 2^64`).
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

/// A rotation of vectors of one length, given by a seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotation {
    seed: u64,
    /// For every round and component 0.0, or -0.0 where the sign changes.
    flips: Vec<f32>,
}

impl Rotation {
    /// The rotation of `seed` for vectors of `len` components, an even number.
    #[must_use]
    pub fn new(seed: u64, len: usize) -> Self {
        let mut random = SplitMix64::new(seed);
        let mut flips = Vec::with_capacity(ROUNDS * len);
        for _ in 0..ROUNDS {
            for start in (0..len).step_by(64) {
                let bits = random.next_u64();
                let word = 0..(len - start).min(64);
                flips.extend(word.map(|bit| if bits >> bit & 1 == 1 { -0.0 } else { 0.0f32 }));
            }
        }
        Self { seed, flips }
    }

    /// Its seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Rotates `vector`, which has the rotation's length, in place.
    pub fn apply(&self, vector: &mut [f32]) {
        let len = vector.len();
        if len < 2 || ROUNDS * len != self.flips.len() {
            return;
        }
        let window = 1usize << len.ilog2();
        let scale = 1.0 / sqrt(window as f64) as f32;
        for (round, flips) in self.flips.chunks_exact(len).enumerate() {
            arithmetic::zip(vector, flips, |x, flip| {
                f32::from_bits(x.to_bits() ^ flip.to_bits())
            });
            let start = if round % 2 == 0 { 0 } else { len - window };
            let part = &mut vector[start..start + window];
            hadamard(part);
            arithmetic::map(part, |x| x * scale);
            if window < len {
                let (front, back) = vector.split_at_mut(len / 2);
                let (fronts, front) = front.as_chunks_mut::<4>();
                let (backs, back) = back.as_chunks_mut::<4>();
                let mixed = |x| x * FRAC_1_SQRT_2;
                for (x, y) in fronts.iter_mut().zip(backs) {
                    (*x, *y) = butterfly(*x, *y);
                    arithmetic::map(x, mixed);
                    arithmetic::map(y, mixed);
                }
                for (x, y) in front.iter_mut().zip(back) {
                    (*x, *y) = (mixed(*x + *y), mixed(*x - *y));
                }
            }
        }
    }
}

/// The unscaled Walsh–Hadamard transform; the length is a power of two.
///
/// Steps go two by two, four components to a vector register: fewer loads, the same sums.
fn hadamard(values: &mut [f32]) {
    let (quads, rest) = values.as_chunks_mut::<4>();
    if let [a, b] = rest {
        (*a, *b) = (*a + *b, *a - *b);
    }
    for quad in quads.iter_mut() {
        let [a, b, c, d] = *quad;
        let (x, y, z, w) = (a + b, a - b, c + d, c - d);
        *quad = [x + z, y + w, x - z, y - w];
    }
    let mut half = 1;
    while 4 * half <= quads.len() {
        for block in quads.chunks_exact_mut(4 * half) {
            let (front, back) = block.split_at_mut(2 * half);
            let (a, b) = front.split_at_mut(half);
            let (c, d) = back.split_at_mut(half);
            for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
                let (x, y) = butterfly(*a, *b);
                let (z, w) = butterfly(*c, *d);
                (*a, *c) = butterfly(x, z);
                (*b, *d) = butterfly(y, w);
            }
        }
        half *= 4;
    }
    if 2 * half == quads.len() {
        let (front, back) = quads.split_at_mut(half);
        for (a, b) in front.iter_mut().zip(back) {
            (*a, *b) = butterfly(*a, *b);
        }
    }
}

/// Spelled out, so that it becomes vector instructions even where loops are compiled for size.
#[inline(always)]
fn butterfly(a: [f32; 4], b: [f32; 4]) -> ([f32; 4], [f32; 4]) {
    (
        [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]],
        [a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3]],
    )
}

#[cfg(test)]
mod tests {
    use super::Rotation;
    use super::SplitMix64;
    use crate::vector::arithmetic;
    use std::vec::Vec;

    fn random(len: usize, seed: u64) -> Vec<f32> {
        let mut bits = SplitMix64::new(seed);
        (0..len)
            .map(|_| bits.below(2001) as f32 / 1000.0 - 1.0)
            .collect()
    }

    #[test]
    fn rotation_of_any_length_keeps_inner_products() {
        for len in [
            2, 64, 128, 192, 320, 384, 448, 576, 768, 832, 1024, 1536, 4096, 8192,
        ] {
            let (mut a, mut b) = (random(len, 1), random(len, 2));
            let before = [arithmetic::dot(&a, &a), arithmetic::dot(&a, &b)];
            let rotation = Rotation::new(7, len);
            rotation.apply(&mut a);
            rotation.apply(&mut b);
            let after = [arithmetic::dot(&a, &a), arithmetic::dot(&a, &b)];
            for (x, y) in before.iter().zip(after) {
                assert!((x - y).abs() < 1e-5 * before[0], "{len}: {x} became {y}");
            }
        }
    }

    #[test]
    fn rotation_of_a_unit_vector_spreads_it_evenly() {
        for len in [64, 192, 384, 768, 1536] {
            for at in [0, 1, len / 2, len - 1] {
                let mut unit = std::vec![0.0f32; len];
                unit[at] = 1.0;
                Rotation::new(3, len).apply(&mut unit);
                let largest = unit.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                assert!(
                    f64::from(largest) < 5.5 / (len as f64).sqrt(),
                    "{len} {at}: {largest}"
                );
            }
        }
    }
}
