//! Exact nearest rows, by comparing everything with everything.

use coracle::vector::topk::Candidate;
use coracle::vector::topk::TopK;
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;

use crate::K;
use crate::data::Matrix;

/// Queries that pass over the rows together: with 384 dimensions they stay in the second-level cache.
const TOGETHER: usize = 64;

/// For each filter and each query the `K` rows of largest inner product among
/// those the filter admits, best first; of rows that are equally near the one with the lower number.
pub fn nearest(
    base: &Matrix<f32>,
    queries: &Matrix<f32>,
    filters: &[Option<&[u64]>],
) -> Vec<Vec<Vec<u32>>> {
    let answers: Vec<Vec<Vec<u32>>> = queries
        .rows
        .par_chunks(TOGETHER * queries.dims)
        .flat_map_iter(|group| nearest_of_group(base, group, filters))
        .collect();
    let answers_to = |filter: usize| {
        answers
            .iter()
            .map(|answer| answer[filter].clone())
            .collect()
    };
    (0..filters.len()).map(answers_to).collect()
}

/// As [`nearest`], with the filters inside the queries.
fn nearest_of_group(
    base: &Matrix<f32>,
    group: &[f32],
    filters: &[Option<&[u64]>],
) -> Vec<Vec<Vec<u32>>> {
    let queries = group.chunks_exact(base.dims);
    let mut tops: Vec<Vec<TopK>> = queries
        .clone()
        .map(|_| filters.iter().map(|_| TopK::new(K)).collect())
        .collect();
    let admits = |filter: &Option<&[u64]>, id: usize| {
        filter.is_none_or(|words| words[id / 64] >> (id % 64) & 1 == 1)
    };
    for (row, id) in base.iter().zip(0..) {
        for (query, tops) in queries.clone().zip(&mut tops) {
            let score = inner_product(row, query);
            for (top, filter) in tops.iter_mut().zip(filters) {
                if admits(filter, id as usize) {
                    top.push(Candidate { id, score });
                }
            }
        }
    }
    let ids = |top: TopK| top.into_sorted().iter().map(|found| found.id).collect();
    tops.into_iter()
        .map(|tops| tops.into_iter().map(ids).collect())
        .collect()
}

/// In sixteen sums side by side, which compilers turn into vector instructions.
fn inner_product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let (a, b) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.0.iter().zip(b.0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a.1.iter().zip(b.1).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::nearest;
    use crate::data::Matrix;
    use crate::filter;

    #[test]
    fn nearest_under_a_filter_equals_a_sort_of_the_admitted_rows() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut matrix = |rows: usize| Matrix {
            rows: (0..rows * 20).map(|_| random.f32() - 0.5).collect(),
            dims: 20,
            rows_in_file: rows,
        };
        let (base, queries) = (matrix(300), matrix(70));
        let words = filter::random(300, 0.3);
        let found = nearest(&base, &queries, &[None, Some(&words)]);
        assert_eq!((found[0].len(), found[1].len()), (70, 70));
        for (at, query) in queries.iter().enumerate() {
            let score = |row: &[f32]| -> f64 {
                row.iter()
                    .zip(query)
                    .map(|(a, b)| f64::from(*a) * f64::from(*b))
                    .sum()
            };
            let mut order: Vec<u32> = (0..300).collect();
            let scores: Vec<f64> = base.iter().map(score).collect();
            order.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]));
            assert_eq!(found[0][at], order[..10]);
            order.retain(|id| words[*id as usize / 64] >> (id % 64) & 1 == 1);
            assert_eq!(found[1][at], order[..10]);
        }
    }
}
