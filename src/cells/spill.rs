//! The cells that hold a row: the nearest one, and others that make up for its mistakes.

use alloc::vec::Vec;

use super::kmeans::Distances;
use super::kmeans::distance_of;
use crate::vector::topk::id_of;

/// Weight of the part of a residual that lies along an earlier one.
const PARALLEL: f64 = 1.0;

/// Chooses the cells of a row among its nearest centroids, `nearest` first.
///
/// A query whose nearest rows are spread misses a cell when it lies along the residual of the row
/// from the cell's centroid. A further cell helps with such queries if its residual points elsewhere,
/// so of each candidate's residual `r'` the part along the residuals `r` of the cells chosen so far
/// counts again: `|r'|² + Σ <r, r'>² / |r|²` (SOAR, equation 3, with λ = 1).
pub(super) fn choose(
    distances: &Distances<'_>,
    row: usize,
    nearest: &[u64],
    copies: usize,
) -> Vec<u32> {
    let mut chosen: Vec<u32> = Vec::with_capacity(copies);
    let mut penalties = alloc::vec![0.0; nearest.len()];
    while chosen.len() < copies {
        let best = nearest
            .iter()
            .zip(&penalties)
            .filter(|&(&key, _)| !chosen.contains(&id_of(key)))
            .map(|(&key, penalty)| (f64::from(distance_of(key)) + penalty, key))
            .min_by(|a, b| a.0.total_cmp(&b.0).then(id_of(a.1).cmp(&id_of(b.1))));
        let Some((_, key)) = best else { break };
        let cell = id_of(key);
        chosen.push(cell);
        let length = f64::from(distance_of(key));
        if chosen.len() < copies && length > 0.0 {
            for (penalty, &key) in penalties.iter_mut().zip(nearest) {
                let along = distances.of_residuals(row, cell, id_of(key)) as f64;
                *penalty += PARALLEL * along * along / length;
            }
        }
    }
    chosen
}
