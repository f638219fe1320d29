//! The order of documents in an index: documents about the same stand together.
//!
//! A search reads what it shows and rescores of a few documents. Those are near each other in meaning;
//! if they are so in the files as well, fewer reads and bytes have them all. The documents are halved
//! along the direction in which their embeddings differ most, and each half again (Boley, "Principal
//! Direction Divisive Partitioning", 1998): neighbours are together at every scale.

use nalgebra::DMatrix;
use nalgebra::DMatrixView;
use nalgebra::DVector;

/// Documents that a direction is fitted to, evenly taken: more hardly turn it.
const SAMPLE: usize = 2_048;

/// Steps of the power iteration: any direction near the principal one parts topics.
const STEPS: usize = 8;

/// The order in which documents are to stand, as a permutation of their numbers.
///
/// `chunks` has the number of chunks of each document, `rows` the embeddings of all chunks, of `dim`
/// components, in the same order. The result depends on these alone, not on the number of threads.
///
/// # Panics
/// If there are not as many rows as chunks, or more than 2^32 documents.
pub fn order(chunks: &[usize], rows: &[f32], dim: usize) -> Vec<u32> {
    let rows = DMatrixView::from_slice(rows, dim, rows.len() / dim);
    let mut points = DMatrix::zeros(dim, chunks.len());
    let mut first = 0;
    for (mut point, &count) in points.column_iter_mut().zip(chunks) {
        let sum = rows.columns(first, count).column_sum();
        // One without a direction stands anywhere.
        let sum = sum
            .try_normalize(0.0)
            .unwrap_or_else(|| DVector::zeros(dim));
        point.copy_from(&sum);
        first += count;
    }
    let count = u32::try_from(chunks.len()).expect("fewer than 2^32 documents");
    let mut order: Vec<u32> = (0..count).collect();
    halve(&points, &mut order, &DVector::zeros(dim));
    order
}

/// Orders documents along their principal direction, then each half on its own. `above` is the
/// direction that parted them from others; theirs points the same way, so that what was near the
/// others stays near them.
fn halve(points: &DMatrix<f32>, documents: &mut [u32], above: &DVector<f32>) {
    if documents.len() < 3 {
        return;
    }
    let Some(mut direction) = principal(points, documents) else {
        return;
    };
    if direction.dot(above) < 0.0 {
        direction.neg_mut();
    }
    let along = |&document: &u32| direction.dot(&points.column(document as usize));
    let mut placed: Vec<(f32, u32)> = documents.iter().map(|at| (along(at), *at)).collect();
    placed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    for (slot, (_, document)) in documents.iter_mut().zip(placed) {
        *slot = document;
    }
    let (low, high) = documents.split_at_mut(documents.len() / 2);
    rayon::join(
        || halve(points, low, &direction),
        || halve(points, high, &direction),
    );
}

/// The direction in which documents differ most, by power iteration; none if they are all alike.
fn principal(points: &DMatrix<f32>, documents: &[u32]) -> Option<DVector<f32>> {
    let step = documents.len().div_ceil(SAMPLE);
    let sample = documents.iter().step_by(step).map(|&at| at as usize);
    let mut sample = points.select_columns(&sample.collect::<Vec<_>>());
    let mean = sample.column_mean();
    sample
        .column_iter_mut()
        .for_each(|mut column| column -= &mean);
    // The one farthest out is hardly at right angles to what is looked for.
    let squares = DVector::from_iterator(
        sample.ncols(),
        sample.column_iter().map(|x| x.norm_squared()),
    );
    let mut direction = sample.column(squares.imax()).into_owned();
    for _ in 0..STEPS {
        direction = direction.try_normalize(f32::EPSILON)?;
        direction = &sample * sample.tr_mul(&direction);
    }
    direction.try_normalize(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three topics, their documents mixed: each stands together, on a line from the first to the last.
    #[test]
    fn documents_of_a_topic_stand_together() {
        let topics = [[1.0, 0.0, 0.0], [0.7, 0.7, 0.0], [0.0, 1.0, 0.0]];
        let mut random = fastrand::Rng::with_seed(3);
        let mut chunks = Vec::new();
        let mut rows = Vec::new();
        for document in 0..300 {
            chunks.push(1 + document % 2);
            for _ in 0..1 + document % 2 {
                rows.extend(topics[document % 3].map(|x: f32| x + 0.1 * (random.f32() - 0.5)));
            }
        }
        let order = order(&chunks, &rows, 3);
        let topics: Vec<u32> = order.iter().map(|document| document % 3).collect();
        let changes = topics.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(changes, 2, "{topics:?}");
        assert_eq!(topics[150], 1, "the middle one is between the others");
        let mut all = order;
        all.sort_unstable();
        assert!(all.into_iter().eq(0..300));
    }

    #[test]
    fn documents_that_are_alike_or_few_stay_as_they_are() {
        for count in [0, 1, 2, 50] {
            let rows = [0.6, 0.8].repeat(count);
            let all: Vec<u32> = (0..count as u32).collect();
            assert_eq!(order(&vec![1; count], &rows, 2), all);
        }
        assert_eq!(order(&[1; 3], &[0.0; 6], 2), [0, 1, 2]);
    }
}
