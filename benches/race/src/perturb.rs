//! Rows near a row: how the race and the quality benchmark make larger sets.

use std::ops::Range;

/// Relative norms of the noise.
pub const NOISE: Range<f64> = 0.3..0.5;

/// Writes a perturbed copy of `original` to `out`: to a row `x` comes `r |x| g / |g|` with `r` uniform in
/// [`NOISE`] and `g` independent standard normal numbers, and the sum is scaled back to the norm of `x`.
pub fn perturb(original: &[f32], out: &mut [f32], random: &mut fastrand::Rng) {
    let norm = |row: &mut dyn Iterator<Item = f64>| row.map(|x| x * x).sum::<f64>().sqrt();
    let noise: Vec<f64> = out.iter().map(|_| normal(random)).collect();
    let length = norm(&mut original.iter().map(|x| f64::from(*x)));
    let relative = NOISE.start + random.f64() * (NOISE.end - NOISE.start);
    let scale = relative * length / norm(&mut noise.iter().copied());
    let sum: Vec<f64> = original
        .iter()
        .zip(noise)
        .map(|(x, noise)| f64::from(*x) + scale * noise)
        .collect();
    let back = length / norm(&mut sum.iter().copied());
    for (out, sum) in out.iter_mut().zip(sum) {
        *out = (back * sum) as f32;
    }
}

/// A standard normal number, by the method of Box and Muller.
fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}
