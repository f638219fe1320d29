//! Larger sets out of the one there is.

use rayon::iter::IndexedParallelIterator;
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSliceMut;

use crate::data::Matrix;
use crate::perturb::perturb;

impl Matrix<f32> {
    /// Appends `copies` perturbed copies of every row, so that a set grows without growing apart.
    ///
    /// The noise of a row depends on its number and `seed` only.
    pub fn grow(&mut self, copies: usize, seed: u64) {
        let (originals, dims) = (self.len(), self.dims);
        self.rows.resize((1 + copies) * originals * dims, 0.0);
        let (base, grown) = self.rows.split_at_mut(originals * dims);
        grown
            .par_chunks_exact_mut(dims)
            .enumerate()
            .for_each(|(at, row)| {
                let mut random = fastrand::Rng::with_seed(seed.wrapping_add(at as u64));
                let original = &base[at % originals * dims..][..dims];
                perturb(original, row, &mut random);
            });
    }
}

#[cfg(test)]
mod tests {
    use crate::data::Matrix;

    #[test]
    fn grown_rows_are_at_the_angle_that_the_noise_gives_and_of_the_same_norm() {
        let dims = 384;
        let mut random = fastrand::Rng::with_seed(5);
        let mut base = Matrix {
            rows: (0..20 * dims).map(|_| random.f32() - 0.5).collect(),
            dims,
            rows_in_file: 20,
        };
        let before = base.rows.clone();
        base.grow(3, 9);
        assert_eq!((base.len(), &base.rows[..20 * dims]), (80, &before[..]));
        let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        for (at, row) in base.iter().enumerate().skip(20) {
            let original = &before[at % 20 * dims..][..dims];
            let norm = dot(original, original);
            assert!((dot(row, row) / norm - 1.0).abs() < 1e-4);
            // Noise of relative norm r in many dimensions is nearly orthogonal: cos = 1 / sqrt(1 + r²).
            let cosine = dot(row, original) / norm;
            assert!((0.87..0.98).contains(&cosine), "row {at}: {cosine}");
        }
        assert_ne!(
            base.rows[20 * dims..40 * dims],
            base.rows[40 * dims..60 * dims]
        );
    }
}
