//! Centroids by k-means, and the nearest ones of every row.
//!
//! All distances are between int8 codes, exact integers, and rows are handed out in chunks of fixed
//! size: the result does not depend on the threads.

use alloc::vec::Vec;

use super::Rows;
use super::encode::code_of;
use crate::executor::Executor;
use crate::vector::Metric;
use crate::vector::Quantizer;
use crate::vector::arch::Kernels;
use crate::vector::arch::TILE;
use crate::vector::arch::kernels;
use crate::vector::arithmetic;
use crate::vector::rotate::SplitMix64;
use crate::vector::topk::Shortlist;
use crate::vector::topk::id_of;
use crate::vector::topk::pack;
use crate::vector::topk::rank_of;

/// Passes of Lloyd's algorithm. Twice as many change recall@10 by less than 0.002.
pub(super) const PASSES: usize = 5;

/// The first passes see a part of the rows only: they move centroids far, not precisely.
const ROUGH_PASSES: usize = 3;

/// The part is one row in so many...
const ROUGH_STRIDE: usize = 3;

/// ...if that leaves so many rows for each centroid.
const ROUGH_ROWS: usize = 12;

/// Rows handed to a thread at once.
const CHUNK: usize = 256;

/// Centroids compared with all rows of a chunk before the next ones are: 12 kB at 384 dimensions.
const CACHED: usize = 32;

/// More centroids than this are searched in groups.
const GROUP_ABOVE: usize = 4096;

/// Groups of centroids that a row is compared with.
const GROUP_PROBES: usize = 12;

/// Squared Euclidean distances between rows and centroids.
#[derive(Debug)]
pub(super) struct Distances<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) centroids: Rows<'a>,
    row_norms: &'a [i32],
    centroid_norms: Vec<i32>,
    kernels: &'static Kernels,
}

impl<'a> Distances<'a> {
    fn new(rows: Rows<'a>, row_norms: &'a [i32], centroids: Rows<'a>) -> Self {
        Self {
            rows,
            centroids,
            row_norms,
            centroid_norms: norms(centroids),
            kernels: kernels(),
        }
    }

    fn dot(&self, row: usize, centroid: u32) -> i64 {
        let dot = self.kernels.dot_i8;
        dot(self.rows.row(row), self.centroids.row(centroid as usize)).into()
    }

    /// Inner product of the residuals of a row from two centroids.
    pub(super) fn of_residuals(&self, row: usize, a: u32, b: u32) -> i64 {
        let (first, second) = (
            self.centroids.row(a as usize),
            self.centroids.row(b as usize),
        );
        let between = i64::from((self.kernels.dot_i8)(first, second));
        i64::from(self.row_norms[row]) - self.dot(row, a) - self.dot(row, b) + between
    }
}

/// Squared norms of codes.
pub(super) fn norms(rows: Rows<'_>) -> Vec<i32> {
    let dot = kernels().dot_i8;
    (0..rows.len())
        .map(|id| dot(rows.row(id), rows.row(id)))
        .collect()
}

/// `count` centroids of the rows, row-major.
///
/// For cosine a centroid is the mean of its rows scaled to length 1: it stands for a direction.
pub(super) fn train(
    quantizer: &Quantizer,
    rows: Rows<'_>,
    row_norms: &[i32],
    count: usize,
    seed: u64,
    executor: &impl Executor,
    progress: &mut dyn FnMut(usize, usize),
) -> Vec<i8> {
    let mut centroids = sample(rows, count, seed);
    let rough_codes: Vec<i8> = match rows.len() / ROUGH_STRIDE >= ROUGH_ROWS * count {
        true => (0..rows.len())
            .step_by(ROUGH_STRIDE)
            .flat_map(|id| rows.row(id))
            .copied()
            .collect(),
        false => rows.codes.to_vec(),
    };
    let rough = Rows {
        codes: &rough_codes,
        ..rows
    };
    let rough_norms = norms(rough);
    for pass in 0..PASSES {
        let (rows, norms) = match pass < ROUGH_PASSES {
            true => (rough, rough_norms.as_slice()),
            false => (rows, row_norms),
        };
        let nearest = nearest(rows, norms, &centroids, 1, executor, |_, _, keys| {
            keys.first().map_or(0, |&key| id_of(key))
        });
        let members = members(&nearest, count);
        let found = executor.map(count, |cell| centroid(quantizer, rows, members.of(cell)));
        centroids.clear();
        for (cell, centroid) in found.into_iter().enumerate() {
            match centroid {
                Some(centroid) => centroids.extend(centroid),
                // A cell without rows starts again from a row of the whole set.
                None => centroids.extend(rows.row((cell * 7919 + pass) % rows.len())),
            }
        }
        progress(pass + 1, PASSES);
    }
    centroids
}

/// `count` different rows, drawn by `seed`.
fn sample(rows: Rows<'_>, count: usize, seed: u64) -> Vec<i8> {
    let mut random = SplitMix64::new(seed);
    let mut ids: Vec<u32> = (0..rows.len() as u32).collect();
    let mut codes = Vec::with_capacity(count * rows.code_dim);
    for at in 0..count.min(ids.len()) {
        let other = at + random.below((ids.len() - at) as u64) as usize;
        ids.swap(at, other);
        codes.extend_from_slice(rows.row(ids[at] as usize));
    }
    codes
}

/// The rows of every cell, each once.
pub(super) struct Members {
    starts: Vec<u32>,
    ids: Vec<u32>,
}

impl Members {
    pub(super) fn of(&self, cell: usize) -> &[u32] {
        &self.ids[self.starts[cell] as usize..self.starts[cell + 1] as usize]
    }
}

/// Lists the rows of every cell, ascending; `cells` names the cell of each row.
pub(super) fn members(cells: &[u32], count: usize) -> Members {
    let mut starts = alloc::vec![0u32; count + 1];
    for &cell in cells {
        starts[cell as usize + 1] += 1;
    }
    for cell in 0..count {
        starts[cell + 1] += starts[cell];
    }
    let mut next = starts.clone();
    let mut ids = alloc::vec![0u32; cells.len()];
    for (&cell, row) in cells.iter().zip(0..) {
        let at = &mut next[cell as usize];
        ids[*at as usize] = row;
        *at += 1;
    }
    Members { starts, ids }
}

/// The centroid of some rows; `None` if there is none.
fn centroid(quantizer: &Quantizer, rows: Rows<'_>, members: &[u32]) -> Option<Vec<i8>> {
    if members.is_empty() {
        return None;
    }
    let mut sums = alloc::vec![0i64; rows.code_dim];
    for &id in members {
        for (sum, &x) in sums.iter_mut().zip(rows.row(id as usize)) {
            *sum += i64::from(x);
        }
    }
    let step = quantizer.int8_step();
    let scale = f64::from(step) / members.len() as f64;
    let mut point: Vec<f32> = sums
        .iter()
        .zip(quantizer.mean())
        .map(|(&sum, mean)| (sum as f64 * scale) as f32 + mean)
        .collect();
    if quantizer.metric() == Metric::Cosine {
        let norm = arithmetic::l2_norm(&point);
        arithmetic::normalize(&mut point, norm);
    }
    Some(code_of(quantizer, &point))
}

/// The squared distance that a key of [`nearest`] holds.
pub(super) fn distance_of(key: u64) -> u32 {
    !(rank_of(key) as u32)
}

/// Calls `each` with the distances, every row and the keys of its `want` nearest centroids, nearest
/// first, and returns what it returns, in the order of the rows.
///
/// A key is as in [`crate::vector::topk`]: larger is nearer.
pub(super) fn nearest<T: Send>(
    rows: Rows<'_>,
    row_norms: &[i32],
    centroids: &[i8],
    want: usize,
    executor: &impl Executor,
    each: impl Fn(&Distances<'_>, usize, &[u64]) -> T + Send + Sync,
) -> Vec<T> {
    let code_dim = rows.code_dim;
    let centroids = Rows {
        codes: centroids,
        code_dim,
    };
    let distances = Distances::new(rows, row_norms, centroids);
    let groups = Groups::new(centroids, executor);
    let chunks = executor.map(rows.len().div_ceil(CHUNK), |chunk| {
        let ids = chunk * CHUNK..rows.len().min((chunk + 1) * CHUNK);
        let found = groups.nearest(&distances, ids.clone(), want);
        ids.zip(found)
            .map(|(row, keys)| each(&distances, row, &keys))
            .collect::<Vec<T>>()
    });
    chunks.into_iter().flatten().collect()
}

/// Centroids in groups, of which a row is compared with the nearest only.
///
/// The groups are cells of a coarser k-means over the centroids. A row then meets
/// `sqrt(count) * (1 + GROUP_PROBES)` centroids or so instead of all.
struct Groups {
    /// int8 codes of the groups' own centroids, row-major; none if there is but one group.
    heads: Vec<i8>,
    /// The centroids of every group, at least one.
    members: Vec<Vec<u32>>,
}

impl Groups {
    fn new(centroids: Rows<'_>, executor: &impl Executor) -> Self {
        let count = centroids.len();
        if count <= GROUP_ABOVE {
            return Self {
                heads: Vec::new(),
                members: alloc::vec![(0..count as u32).collect()],
            };
        }
        let wanted = libm::sqrt(count as f64) as usize;
        let norms = norms(centroids);
        let mut heads = sample(centroids, wanted, 1);
        let of = |heads: &[i8]| {
            nearest(centroids, &norms, heads, 1, executor, |_, _, keys| {
                keys.first().map_or(0, |&key| id_of(key))
            })
        };
        for _ in 0..2 {
            let members = members(&of(&heads), wanted);
            for (cell, head) in heads.chunks_exact_mut(centroids.code_dim).enumerate() {
                mean(centroids, members.of(cell), head);
            }
        }
        // Only groups that hold something: whatever groups a row meets, it meets a centroid.
        let members = members(&of(&heads), wanted);
        let codes = heads.chunks_exact(centroids.code_dim);
        let (heads, members): (Vec<&[i8]>, Vec<Vec<u32>>) = codes
            .zip((0..wanted).map(|cell| members.of(cell).to_vec()))
            .filter(|(_, group)| !group.is_empty())
            .unzip();
        Self {
            heads: heads.concat(),
            members,
        }
    }

    /// The keys of the `want` nearest centroids of each of some rows, nearest first.
    fn nearest(
        &self,
        distances: &Distances<'_>,
        ids: core::ops::Range<usize>,
        want: usize,
    ) -> Vec<Vec<u64>> {
        let start = ids.start;
        let mut found = shortlists(ids.len(), want);
        let all: Vec<u32> = ids.clone().map(|id| id as u32).collect();
        if self.heads.is_empty() {
            for group in &self.members {
                distances.tiles(&all, group, |row, key| {
                    found[row as usize - start].push_key(key)
                });
            }
        } else {
            let heads = Rows {
                codes: &self.heads,
                code_dim: distances.rows.code_dim,
            };
            let coarse = Distances::new(distances.rows, distances.row_norms, heads);
            let mut probes = shortlists(ids.len(), GROUP_PROBES);
            let every: Vec<u32> = (0..heads.len() as u32).collect();
            coarse.tiles(&all, &every, |row, key| {
                probes[row as usize - start].push_key(key)
            });
            let mut wanted: Vec<Vec<u32>> = alloc::vec![Vec::new(); heads.len()];
            for (&row, probes) in all.iter().zip(&mut probes) {
                for &key in probes.sorted_keys() {
                    wanted[id_of(key) as usize].push(row);
                }
            }
            for (rows, group) in wanted.iter().zip(&self.members) {
                distances.tiles(rows, group, |row, key| {
                    found[row as usize - start].push_key(key)
                });
            }
        }
        found
            .iter_mut()
            .map(|found| found.sorted_keys().to_vec())
            .collect()
    }
}

/// `count` empty lists of the `want` nearest.
fn shortlists(count: usize, want: usize) -> Vec<Shortlist> {
    let mut list = Shortlist::default();
    list.clear(want);
    alloc::vec![list; count]
}

/// Replaces `head` by the mean of some rows, if there are any.
fn mean(rows: Rows<'_>, members: &[u32], head: &mut [i8]) {
    if members.is_empty() {
        return;
    }
    for (at, x) in head.iter_mut().enumerate() {
        let sum: i64 = members
            .iter()
            .map(|&id| i64::from(rows.row(id as usize)[at]))
            .sum();
        *x = (sum / members.len() as i64) as i8;
    }
}

impl Distances<'_> {
    /// Calls `found` with every pair of `rows` and `centroids`, as row and key, in tiles.
    fn tiles(&self, rows: &[u32], centroids: &[u32], mut found: impl FnMut(u32, u64)) {
        let clamped =
            |ids: &[u32]| -> [u32; TILE] { core::array::from_fn(|at| ids[at.min(ids.len() - 1)]) };
        let mut dots = [[0; TILE]; TILE];
        // A few centroids stay in the first-level cache while all rows pass by.
        for centroids in centroids.chunks(CACHED) {
            for rows in rows.chunks(TILE) {
                let ids = clamped(rows);
                let row_codes = ids.map(|id| self.rows.row(id as usize));
                let row_norms = ids.map(|id| self.row_norms[id as usize]);
                for centroids in centroids.chunks(TILE) {
                    let ids = clamped(centroids);
                    let codes = ids.map(|id| self.centroids.row(id as usize));
                    let norms = ids.map(|id| self.centroid_norms[id as usize]);
                    (self.kernels.tile_dots)(&row_codes, &codes, &mut dots);
                    for ((&row, row_norm), dots) in rows.iter().zip(row_norms).zip(dots) {
                        for ((&centroid, norm), dot) in centroids.iter().zip(norms).zip(dots) {
                            // At most 8192 * 254² < 2^31.
                            let distance = (row_norm + norm).wrapping_sub(dot.wrapping_mul(2));
                            found(row, pack(!(distance as u32), centroid));
                        }
                    }
                }
            }
        }
    }
}
