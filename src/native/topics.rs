//! The order of documents in an index: documents about the same stand together.
//!
//! A search reads what it shows and rescores of a few documents. Those are near each other in meaning;
//! if they are so in the files as well, fewer reads and bytes have them all. The documents are halved
//! along the direction in which their embeddings differ most, and each half again (Boley, "Principal
//! Direction Divisive Partitioning", 1998): neighbours are together at every scale. The last few dozen stand in the
//! order of how many chunks they have, so that these numbers, which each reader takes, deflate to half.

use nalgebra::DMatrix;
use nalgebra::DMatrixView;
use nalgebra::DVector;

/// Documents that a direction is fitted to, evenly taken: more hardly turn it.
const SAMPLE: usize = 2_048;

/// As many documents at most are ordered by their numbers of chunks: they are about the same, and fill a few blocks.
const NEIGHBOURS: usize = 64;

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
    let topics = Topics { points, chunks };
    topics.halve(&mut order, &DVector::zeros(dim), false);
    order
}

struct Topics<'a> {
    /// What each document is about.
    points: DMatrix<f32>,
    /// The number of chunks of each.
    chunks: &'a [usize],
}

impl Topics<'_> {
    /// Orders documents along their principal direction, then each half on its own. `above` is the
    /// direction that parted them from others; theirs points the same way, so that what was near the
    /// others stays near them. Numbers of chunks rise in lower halves and fall in `upper` ones.
    fn halve(&self, documents: &mut [u32], above: &DVector<f32>, upper: bool) {
        if documents.len() <= NEIGHBOURS {
            let by_chunks = |&document: &u32| {
                let chunks = self.chunks[document as usize];
                if upper { usize::MAX - chunks } else { chunks }
            };
            documents.sort_by_key(by_chunks);
            return;
        }
        let Some(mut direction) = principal(&self.points, documents) else {
            return;
        };
        if direction.dot(above) < 0.0 {
            direction.neg_mut();
        }
        let along = |&document: &u32| direction.dot(&self.points.column(document as usize));
        let mut placed: Vec<(f32, u32)> = documents.iter().map(|at| (along(at), *at)).collect();
        placed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (slot, (_, document)) in documents.iter_mut().zip(placed) {
            *slot = document;
        }
        let (low, high) = documents.split_at_mut(documents.len() / 2);
        rayon::join(
            || self.halve(low, &direction, false),
            || self.halve(high, &direction, true),
        );
    }
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

    /// Four topics, their documents mixed: each stands together, on a line from the first to the last, and few
    /// neighbours differ in how many chunks they have.
    #[test]
    fn documents_of_a_topic_stand_together() {
        let topics = [[1.0, 0.0], [0.87, 0.5], [0.5, 0.87], [0.0, 1.0]];
        let mut random = fastrand::Rng::with_seed(3);
        let mut chunks = Vec::new();
        let mut rows = Vec::new();
        for document in 0..512 {
            let count = 1 + random.usize(0..3);
            chunks.push(count);
            for _ in 0..count {
                rows.extend(topics[document % 4].map(|x: f32| x + 0.1 * (random.f32() - 0.5)));
            }
        }
        let order = order(&chunks, &rows, 2);
        let mut topics: Vec<u32> = order.iter().map(|document| document % 4).collect();
        if topics[0] > 0 {
            topics.reverse();
        }
        assert!(topics.is_sorted(), "{topics:?}");
        let counts: Vec<usize> = order.iter().map(|&at| chunks[at as usize]).collect();
        let changes = counts.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes <= 3 * 512 / NEIGHBOURS, "{changes}");
        let mut all = order;
        all.sort_unstable();
        assert!(all.into_iter().eq(0..512));
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
