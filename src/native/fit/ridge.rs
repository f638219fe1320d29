//! Sparse ridge regression with many right-hand sides.
//!
//! Finds the rows `W` (features × dim) that minimise
//!
//! ```text
//! Σ over texts i of  emphasis i · ‖ bag i · W − target i ‖²  +  λ ‖W‖²
//! ```
//!
//! by conjugate gradients on the normal equations, preconditioned with their diagonal (Hestenes &
//! Stiefel 1952; Saad, Iterative Methods for Sparse Linear Systems, §9.5). Every dimension is an
//! independent system with the same matrix, so [`LANES`] of them advance together: one pass over
//! the bags serves them all, and a bag's entry touches whole cache lines.
//!
//! Memory besides the targets and the result, with `n` texts, `f` features and `e` bag entries:
//! `16·e + 4·LANES·(n + 4·f)` bytes — at 125,000 texts, 70,000 features and 6 million entries
//! 200 MB; with targets and result of 384 dimensions 500 MB.
//!
//! The result does not depend on the number of threads: every sum has one owner or is taken over
//! fixed blocks in their order.

use crate::fit::bags::Bags;
use rayon::iter::IndexedParallelIterator;
use rayon::iter::IntoParallelRefMutIterator;
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;
use std::fmt;

/// Dimensions solved together: 256 bytes of a row, four cache lines.
const LANES: usize = 64;

/// Rows per partial sum of an inner product; fixed, so that the order of additions is.
const ROWS_PER_SUM: usize = 1024;

type Lanes = [f32; LANES];

/// When the iteration ends and how strongly rows are pulled to zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RidgeParams {
    /// λ, above zero: in units of bags, which have length 1.
    pub lambda: f32,
    /// Passes over the bags at most.
    pub iterations_max: usize,
    /// Ends when every residual has fallen below this share of its first length.
    pub tolerance: f32,
}

/// Targets of consecutive texts that count alike.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// One vector after the other.
    pub vectors: &'a [f32],
    /// Weight of their squared errors, above zero.
    pub emphasis: f32,
}

/// Why there are no rows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RidgeError {
    /// The targets are not one vector of `dim` components for every bag.
    TargetsLen {
        /// Components that the bags call for.
        expected: usize,
        /// Components given.
        got: usize,
    },
    /// Not every target has an emphasis that is a positive number.
    Emphasis {
        /// The first group without.
        group: usize,
    },
    /// A target has a component that is NaN or infinite.
    TargetNotFinite {
        /// The text.
        text: usize,
    },
    /// λ is not a positive number.
    Lambda {
        /// The value given.
        got: f32,
    },
}

impl fmt::Display for RidgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TargetsLen { expected, got } => write!(
                f,
                "the query table needs {expected} components of text vectors and has {got}; \
                 every text needs one vector of the same dimension"
            ),
            Self::Emphasis { group } => {
                write!(f, "the emphasis of text group {group} must be above zero")
            }
            Self::TargetNotFinite { text } => {
                write!(f, "the vector of text {text} is not finite; embed that text again")
            }
            Self::Lambda { got } => {
                write!(f, "the ridge parameter is {got}; it must be above zero")
            }
        }
    }
}

impl std::error::Error for RidgeError {}

/// Solves for the rows: `bags.feature_count() × dim` numbers, row-major. The row of a feature that
/// no text has is zero.
///
/// The vectors of all `targets` together are one of `dim` components per bag, in the order of the
/// bags. `progress` hears the share done, 0 to 1, ascending.
///
/// # Errors
/// [`RidgeError`] for targets of the wrong number or not finite, and for a λ or an emphasis of zero
/// or less.
/// # Cost
/// Two passes over the bags per iteration and per 64 dimensions.
pub fn solve(
    bags: &Bags,
    targets: &[Targets<'_>],
    dim: usize,
    params: &RidgeParams,
    progress: &dyn Fn(f32),
) -> Result<Vec<f32>, RidgeError> {
    let expected = bags.len() * dim;
    let got = targets.iter().map(|group| group.vectors.len()).sum();
    if dim == 0 || got != expected || targets.iter().any(|group| group.vectors.len() % dim != 0) {
        return Err(RidgeError::TargetsLen { expected, got });
    }
    if !(params.lambda > 0.0 && params.lambda.is_finite()) {
        return Err(RidgeError::Lambda { got: params.lambda });
    }
    let mut texts_before = 0;
    for (group, Targets { vectors, emphasis }) in targets.iter().enumerate() {
        if !(*emphasis > 0.0 && emphasis.is_finite()) {
            return Err(RidgeError::Emphasis { group });
        }
        if let Some(at) = vectors.iter().position(|x| !x.is_finite()) {
            return Err(RidgeError::TargetNotFinite { text: texts_before + at / dim });
        }
        texts_before += vectors.len() / dim;
    }
    let system = System::new(bags, targets, dim, params.lambda);
    let mut rows = vec![0.0; bags.feature_count() * dim];
    for first in (0..dim).step_by(LANES) {
        let width = LANES.min(dim - first);
        let share = |within: f32| (first as f32 + width as f32 * within) / dim as f32;
        let solved = system.solve(first, params, &|within| progress(share(within)));
        for (row, solved) in rows.chunks_exact_mut(dim).zip(&solved) {
            row[first..first + width].copy_from_slice(&solved[..width]);
        }
    }
    progress(1.0);
    Ok(rows)
}

/// The normal equations `(AᵀEA + λ) W = AᵀEY`, never formed: bags A, emphasis E, targets Y.
struct System<'a> {
    bags: &'a Bags,
    /// AᵀE.
    by_feature: Bags,
    targets: &'a [Targets<'a>],
    dim: usize,
    lambda: f32,
    /// One over the diagonal of `AᵀEA + λ`.
    inverse_diagonal: Vec<f32>,
}

impl<'a> System<'a> {
    fn new(bags: &'a Bags, targets: &'a [Targets<'a>], dim: usize, lambda: f32) -> Self {
        let emphasis: Vec<f32> = targets
            .iter()
            .flat_map(|group| std::iter::repeat_n(group.emphasis, group.vectors.len() / dim))
            .collect();
        let mut diagonal = vec![lambda; bags.feature_count()];
        for (text, emphasis) in emphasis.iter().enumerate() {
            for (feature, weight) in bags.bag(text) {
                diagonal[feature] += emphasis * weight * weight;
            }
        }
        let inverse_diagonal = diagonal.iter().map(|x| 1.0 / x).collect();
        let by_feature = bags.transposed(&emphasis);
        Self { bags, by_feature, targets, dim, lambda, inverse_diagonal }
    }

    /// Rows restricted to the dimensions `first..first + LANES`; those past `dim` stay zero.
    fn solve(&self, first: usize, params: &RidgeParams, progress: &dyn Fn(f32)) -> Vec<Lanes> {
        let width = LANES.min(self.dim - first);
        let mut texts: Vec<Lanes> = Vec::with_capacity(self.bags.len());
        for group in self.targets {
            texts.extend(group.vectors.chunks_exact(self.dim).map(|target| {
                let mut lanes = [0.0; LANES];
                lanes[..width].copy_from_slice(&target[first..first + width]);
                lanes
            }));
        }
        let mut residual = vec![[0.0; LANES]; self.by_feature.len()];
        multiply(&self.by_feature, &texts, &mut residual);
        let mut solution = vec![[0.0; LANES]; residual.len()];
        let mut direction = solution.clone();
        self.precondition(&residual, &mut direction);
        let mut image = solution.clone();
        let mut energy = inner(&residual, &direction);
        let tolerance = f64::from(params.tolerance);
        let goal = energy.map(|e| e * tolerance * tolerance);
        for iteration in 0..params.iterations_max {
            if energy.iter().zip(&goal).all(|(e, goal)| e <= goal) {
                break;
            }
            multiply(self.bags, &direction, &mut texts);
            multiply(&self.by_feature, &texts, &mut image);
            add_scaled(&mut image, &[self.lambda; LANES], &direction);
            let step = quotients(&energy, &inner(&direction, &image));
            add_scaled(&mut solution, &step, &direction);
            add_scaled(&mut residual, &step.map(|x| -x), &image);
            let conditioned = &mut image;
            self.precondition(&residual, conditioned);
            let next = inner(&residual, conditioned);
            turn(&mut direction, &quotients(&next, &energy), conditioned);
            energy = next;
            progress((iteration + 1) as f32 / params.iterations_max as f32);
        }
        solution
    }

    /// Writes `residual` times the inverse of the diagonal to `out`.
    fn precondition(&self, residual: &[Lanes], out: &mut [Lanes]) {
        out.par_iter_mut()
            .zip(residual)
            .zip(&self.inverse_diagonal)
            .with_min_len(ROWS_PER_SUM)
            .for_each(|((out, row), factor)| *out = row.map(|x| x * factor));
    }
}

/// `out = matrix · rows`: each output row adds its entries in their order.
fn multiply(matrix: &Bags, rows: &[Lanes], out: &mut [Lanes]) {
    out.par_iter_mut().with_min_len(64).enumerate().for_each(|(i, out)| {
        let mut sum = [0.0; LANES];
        for (j, weight) in matrix.bag(i) {
            for (sum, x) in sum.iter_mut().zip(&rows[j]) {
                *sum += weight * x;
            }
        }
        *out = sum;
    });
}

/// Inner product of every lane.
fn inner(a: &[Lanes], b: &[Lanes]) -> [f64; LANES] {
    let partial: Vec<[f64; LANES]> = a
        .par_chunks(ROWS_PER_SUM)
        .zip(b.par_chunks(ROWS_PER_SUM))
        .map(|(a, b)| {
            let mut sum = [0.0; LANES];
            for (a, b) in a.iter().zip(b) {
                for ((sum, &a), &b) in sum.iter_mut().zip(a).zip(b) {
                    *sum += f64::from(a) * f64::from(b);
                }
            }
            sum
        })
        .collect();
    let mut total = [0.0; LANES];
    for sum in &partial {
        for (total, x) in total.iter_mut().zip(sum) {
            *total += x;
        }
    }
    total
}

/// `a / b` per lane; 0 where a finished lane has nothing left to divide by.
fn quotients(a: &[f64; LANES], b: &[f64; LANES]) -> Lanes {
    let mut out = [0.0; LANES];
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = if *b > 0.0 { (a / b) as f32 } else { 0.0 };
    }
    out
}

/// `a += factors · b`, one factor per lane.
fn add_scaled(a: &mut [Lanes], factors: &Lanes, b: &[Lanes]) {
    a.par_iter_mut().zip(b).with_min_len(ROWS_PER_SUM).for_each(|(a, b)| {
        for ((a, factor), b) in a.iter_mut().zip(factors).zip(b) {
            *a += factor * b;
        }
    });
}

/// `a = b + factors · a`, one factor per lane.
fn turn(a: &mut [Lanes], factors: &Lanes, b: &[Lanes]) {
    a.par_iter_mut().zip(b).with_min_len(ROWS_PER_SUM).for_each(|(a, b)| {
        for ((a, factor), b) in a.iter_mut().zip(factors).zip(b) {
            *a = b + factor * *a;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::RidgeError;
    use super::RidgeParams;
    use super::Targets;
    use super::solve;
    use crate::fit::bags::Bags;

    const EXACT: RidgeParams = RidgeParams { lambda: 0.5, iterations_max: 200, tolerance: 1e-6 };

    /// A small linear congruential generator: the tests need variety, not quality.
    struct Lcg(u64);

    impl Lcg {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            self.0 >> 33
        }

        fn unit(&mut self) -> f32 {
            (self.next() % 2001) as f32 / 1000.0 - 1.0
        }
    }

    fn problem(texts: usize, features: usize, dim: usize, seed: u64) -> (Bags, Vec<f32>) {
        let mut lcg = Lcg(seed);
        let mut bags = Bags::new(features);
        for _ in 0..texts {
            // Low features are common, as words are.
            let mut entries: Vec<(u32, f32)> = (0..1 + lcg.next() % 9)
                .map(|_| {
                    let feature = (lcg.next() % features as u64) * (lcg.next() % 100) / 100;
                    (feature as u32, 0.1 + lcg.unit().abs())
                })
                .collect();
            entries.sort_by_key(|e| e.0);
            entries.dedup_by_key(|e| e.0);
            bags.push(&entries);
        }
        let targets = (0..texts * dim).map(|_| lcg.unit()).collect();
        (bags, targets)
    }

    fn alike(vectors: &[f32]) -> [Targets<'_>; 1] {
        [Targets { vectors, emphasis: 1.0 }]
    }

    /// Gaussian elimination on the dense normal equations.
    fn dense(bags: &Bags, targets: &[f32], dim: usize, lambda: f64, emphasis: &[f64]) -> Vec<f64> {
        let n = bags.feature_count();
        let mut m = vec![vec![0.0f64; n + dim]; n];
        for (i, row) in m.iter_mut().enumerate() {
            row[i] = lambda;
        }
        for text in 0..bags.len() {
            for (i, a) in bags.bag(text) {
                for (j, b) in bags.bag(text) {
                    m[i][j] += emphasis[text] * f64::from(a) * f64::from(b);
                }
                for d in 0..dim {
                    m[i][n + d] += emphasis[text] * f64::from(a) * f64::from(targets[text * dim + d]);
                }
            }
        }
        for i in 0..n {
            let pivot = m[i].clone();
            for (j, row) in m.iter_mut().enumerate() {
                if j != i {
                    let factor = row[i] / pivot[i];
                    for (x, p) in row.iter_mut().zip(&pivot) {
                        *x -= factor * p;
                    }
                }
            }
        }
        m.iter().enumerate().flat_map(|(i, row)| row[n..].iter().map(move |x| x / row[i])).collect()
    }

    #[test]
    fn solution_equals_the_dense_closed_form() {
        for (texts, features, dim) in [(1, 1, 1), (7, 20, 3), (60, 25, 64), (200, 90, 70)] {
            let (bags, targets) = problem(texts, features, dim, texts as u64);
            let (first, second) = targets.split_at(texts / 3 * dim);
            let groups = [
                Targets { vectors: first, emphasis: 3.0 },
                Targets { vectors: second, emphasis: 1.0 },
            ];
            let emphasis: Vec<f64> =
                (0..texts).map(|text| if text < texts / 3 { 3.0 } else { 1.0 }).collect();
            let rows = solve(&bags, &groups, dim, &EXACT, &|_| {}).expect("valid problem");
            let exact = dense(&bags, &targets, dim, f64::from(EXACT.lambda), &emphasis);
            for (got, want) in rows.iter().zip(&exact) {
                assert!((f64::from(*got) - want).abs() < 2e-5, "{got} instead of {want}");
            }
        }
    }

    #[test]
    fn feature_without_text_has_a_zero_row() {
        let mut bags = Bags::new(3);
        bags.push(&[(0, 1.0), (2, 1.0)]);
        let rows = solve(&bags, &alike(&[1.0, -1.0]), 2, &EXACT, &|_| {}).expect("valid problem");
        assert_eq!(rows[2..4], [0.0, 0.0]);
        assert!(rows[0] > 0.0 && rows[1] < 0.0);
    }

    #[test]
    fn one_and_three_threads_give_the_same_bits() {
        let (bags, targets) = problem(3000, 1500, 20, 9);
        let params = RidgeParams { lambda: 1.0, iterations_max: 12, tolerance: 0.0 };
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
            // The callback stays on the calling side of the pool.
            pool.install(|| solve(&bags, &alike(&targets), 20, &params, &|_| {})).expect("valid problem")
        };
        let bits = |rows: Vec<f32>| rows.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(with(1)), bits(with(3)));
    }

    #[test]
    fn bad_input_is_named() {
        let mut bags = Bags::new(1);
        bags.push(&[(0, 1.0)]);
        bags.push(&[]);
        let error = |targets: &[f32], lambda| {
            let params = RidgeParams { lambda, ..EXACT };
            solve(&bags, &alike(targets), 2, &params, &|_| {}).expect_err("invalid problem")
        };
        assert_eq!(error(&[0.0; 3], 1.0), RidgeError::TargetsLen { expected: 4, got: 3 });
        assert_eq!(
            error(&[0.0, 0.0, 0.0, f32::NAN], 1.0),
            RidgeError::TargetNotFinite { text: 1 }
        );
        let mute = [Targets { vectors: &[0.0; 4], emphasis: 0.0 }];
        assert_eq!(solve(&bags, &mute, 2, &EXACT, &|_| {}), Err(RidgeError::Emphasis { group: 0 }));
        assert_eq!(error(&[0.0; 4], 0.0), RidgeError::Lambda { got: 0.0 });
    }

    #[test]
    fn progress_ascends_to_one() {
        let (bags, targets) = problem(50, 20, 130, 4);
        let seen = std::cell::RefCell::new(vec![0.0f32]);
        solve(&bags, &alike(&targets), 130, &EXACT, &|share| seen.borrow_mut().push(share))
            .expect("valid problem");
        assert!(seen.borrow().is_sorted());
        assert_eq!(seen.borrow().last(), Some(&1.0));
    }
}
