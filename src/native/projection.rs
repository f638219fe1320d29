//! Fits the projection of embeddings to fewer dimensions ([`coracle::vector::Projection`]).
//!
//! The directions are the eigenvectors of the rows' second moments with the largest eigenvalues, and
//! an eigenvalue is the squared length that its direction holds.

use crate::indexer::Threads;
use coracle::executor::Executor;
use coracle::vector::Projection;
use nalgebra::DMatrix;
use nalgebra::SymmetricEigen;
use std::str::FromStr;

/// Rows that directions are fitted to, evenly taken: more do not move them.
const SAMPLE_ROWS: usize = 16_384;

/// Codes come in words of 64 dimensions, so other numbers would waste bytes.
const STEP: usize = 64;

/// Share of the squared lengths that [`VectorDims::Auto`] keeps.
const KEPT: f64 = 0.95;

/// The share that it keeps of as many rows as [`LARGE`] or more, where a dimension costs most: 192
/// instead of 256 of MiniLM's take 5 MB of 43 off the C++ documentation.
const KEPT_LARGE: f64 = 0.92;

/// Rows of a large index.
const LARGE: usize = 25_000;

/// So many dimensions are kept unless fewer are asked for: with 128 of them technical documentation
/// loses 0.004 of nDCG@10, and there is little to win.
const ALWAYS_KEPT: usize = 192;

/// Dimensions of embeddings that an index keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VectorDims {
    /// As few multiples of 64, 192 at least, as hold 0.95 of the squared lengths, or 0.92 of them from
    /// 25,000 rows on.
    #[default]
    Auto,
    /// As many as the embedder makes.
    All,
    /// This many principal ones.
    Kept(usize),
}

impl FromStr for VectorDims {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "all" => Ok(Self::All),
            _ => match text.parse() {
                Ok(dims) if (1..=coracle::vector::MAX_DIM).contains(&dims) => Ok(Self::Kept(dims)),
                _ => Err(format!(
                    "{text:?} is none of auto, all and a number from 1 to {}",
                    coracle::vector::MAX_DIM
                )),
            },
        }
    }
}

/// The projection of `rows`, each `dim` numbers, to the dimensions asked for; none where nothing
/// would be left out.
///
/// # Cost
/// `SAMPLE_ROWS · dim²` multiplications on all threads and an eigenvalue problem of `dim` unknowns on
/// one: 0.5 s at 384 dimensions.
pub fn fit(rows: &[f32], dim: usize, dims: VectorDims) -> Option<Projection> {
    let kept = match dims {
        VectorDims::All => return None,
        VectorDims::Auto if dim <= ALWAYS_KEPT => return None,
        VectorDims::Auto => None,
        VectorDims::Kept(kept) => Some(kept),
    };
    if kept.is_some_and(|kept| kept >= dim) || rows.is_empty() {
        return None;
    }
    let eigen = SymmetricEigen::new(second_moments(rows, dim));
    let mut order: Vec<usize> = (0..dim).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let kept = kept.unwrap_or_else(|| {
        let all: f64 = eigen.eigenvalues.iter().sum();
        let held = |kept: usize| {
            let leading = order.iter().take(kept);
            leading.map(|&at| eigen.eigenvalues[at]).sum::<f64>()
        };
        let share = if rows.len() / dim < LARGE {
            KEPT
        } else {
            KEPT_LARGE
        };
        let enough = (ALWAYS_KEPT..dim).step_by(STEP);
        enough
            .into_iter()
            .find(|&kept| held(kept) >= share * all)
            .unwrap_or(dim)
    });
    if kept >= dim {
        return None;
    }
    let directions: Vec<f32> = order[..kept]
        .iter()
        .flat_map(|&at| {
            let direction = eigen.eigenvectors.column(at);
            // The sign of an eigenvector is open: the largest component decides, for equal builds.
            let largest = direction[direction.iamax()];
            let signed = direction.iter().map(|x| (x * largest.signum()) as f32);
            signed.collect::<Vec<f32>>()
        })
        .collect();
    Some(Projection::new(dim, &directions))
}

/// Sums of products of all pairs of components over a sample of the rows, each sum in row order.
fn second_moments(rows: &[f32], dim: usize) -> DMatrix<f64> {
    let stride = (rows.len() / dim).div_ceil(SAMPLE_ROWS).max(1);
    let sample: Vec<&[f32]> = rows.chunks_exact(dim).step_by(stride).collect();
    let lines: Vec<Vec<f64>> = Threads.map(dim, |i| {
        let mut line = vec![0.0; dim - i];
        for row in &sample {
            let factor = f64::from(row[i]);
            for (sum, &x) in line.iter_mut().zip(&row[i..]) {
                *sum += factor * f64::from(x);
            }
        }
        line
    });
    DMatrix::from_fn(dim, dim, |i, j| lines[i.min(j)][i.max(j) - i.min(j)])
}

#[cfg(test)]
mod tests {
    use super::VectorDims;
    use super::fit;

    /// Rows in a plane of a space of `dim` dimensions.
    fn plane(dim: usize) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(7);
        let [a, b]: [Vec<f32>; 2] =
            [(); 2].map(|()| (0..dim).map(|_| random.f32() - 0.5).collect());
        (0..500)
            .flat_map(|_| {
                let (x, y) = (random.f32() - 0.5, random.f32() - 0.5);
                let row = a.iter().zip(&b).map(move |(a, b)| x * a + y * b);
                row.collect::<Vec<f32>>()
            })
            .collect()
    }

    #[test]
    fn inner_products_of_rows_in_a_plane_need_two_dimensions() {
        let dim = 200;
        let rows = plane(dim);
        let projection = fit(&rows, dim, VectorDims::Kept(2)).unwrap();
        assert_eq!(projection.dim(), 2);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let rows: Vec<&[f32]> = rows.chunks(dim).take(20).collect();
        let short: Vec<Vec<f32>> = rows
            .iter()
            .map(|row| projection.apply(row).unwrap())
            .collect();
        for (row, short_row) in rows.iter().zip(&short) {
            for (other, short_other) in rows.iter().zip(&short) {
                let error = (dot(row, other) - dot(short_row, short_other)).abs();
                assert!(error < 1e-3 * dot(row, row).max(0.01), "{error}");
            }
        }
        assert_eq!(fit(&plane(dim), dim, VectorDims::Auto).unwrap().dim(), 192);
    }

    #[test]
    fn nothing_is_projected_where_nothing_would_be_left_out() {
        let rows = plane(192);
        assert!(fit(&rows, 192, VectorDims::Auto).is_none());
        assert!(fit(&rows, 192, VectorDims::Kept(192)).is_none());
        assert!(fit(&rows, 192, VectorDims::All).is_none());
        assert!(fit(&[], 192, VectorDims::Kept(64)).is_none());
    }

    #[test]
    fn dims_are_words_or_numbers_in_range() {
        assert_eq!("auto".parse(), Ok(VectorDims::Auto));
        assert_eq!("all".parse(), Ok(VectorDims::All));
        assert_eq!("192".parse(), Ok(VectorDims::Kept(192)));
        for bad in ["0", "9000", "some", "-1", ""] {
            assert!(bad.parse::<VectorDims>().is_err(), "{bad}");
        }
    }
}
