//! Descent to the nearest cells, and their scan.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;

use super::Cells;
use super::Level;
use super::NO_ROW;
use super::listed_block_len;
use crate::vector::Query;
use crate::vector::arch::BLOCK_ROWS;
use crate::vector::arch::Scale;
use crate::vector::arch::sqrt;
use crate::vector::binary::is_allowed;
use crate::vector::binary::ones;
use crate::vector::int8;
use crate::vector::patience::Patience;
use crate::vector::topk::Candidate;
use crate::vector::topk::Shortlist;
use crate::vector::topk::id_of;
use crate::vector::topk::rank_of;
use crate::vector::visited::Visited;

/// Cells scanned on a level of centroids, beside half as many as are wanted of the level below.
const UPPER_PROBES: usize = 16;

/// How much of the cells a search looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// The scan ends after so many cells that brought none of the 10 best rows found so far.
    pub patience: usize,
    /// Cells to scan at most.
    pub nprobe: usize,
    /// Candidates to return, for rescoring.
    pub candidates: usize,
}

/// Memory that searches of a thread share; a new one costs a byte per row.
#[derive(Debug, Clone, Default)]
pub struct CellScratch {
    /// One set for every level: emptying a set of another size is dear.
    seen: Vec<Visited>,
    shortlist: Shortlist,
    found: Vec<Candidate>,
    /// Cells are taken as the scan gets to them, which patience may end after a few.
    cells: BinaryHeap<Ranked>,
    blocks: u64,
}

/// A cell to be scanned; the better one is the larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    /// Of its direction's score and its id, as in [`crate::vector::topk`].
    key: u64,
    /// Score of its centroid, as bits: no two keys are equal, so its order does not matter.
    score: u32,
}

impl CellScratch {
    /// Empty scratch memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Blocks of 32 codes scanned, over all searches so far.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }
}

impl Cells {
    /// The best rows found among those that `allowed` admits, best first, at most
    /// `probe.candidates` of them.
    ///
    /// Scores are estimates from 1-bit codes. Bit `id % 64` of word `id / 64` of `allowed` admits row
    /// `id`. The fewer rows are admitted the farther apart the nearest of them lie: patience and
    /// number of cells grow with the root of their rarity (a fifth less than that), up to where it is less work to look at
    /// every admitted row.
    #[must_use]
    pub fn search(
        &self,
        query: &Query,
        probe: &Probe,
        allowed: Option<&[u64]>,
        scratch: &mut CellScratch,
    ) -> Vec<Candidate> {
        let mut probe = *probe;
        if let Some(words) = allowed {
            let admitted = admitted(words);
            let factor = widening(self.len(), words);
            let wider = |count: usize| (count as f32 * factor) as usize;
            probe.patience = wider(probe.patience);
            probe.nprobe = wider(probe.nprobe).min(self.len());
            let Some(rows) = self.levels.first() else {
                return Vec::new();
            };
            // In 64 bits: WebAssembly has to come to the same plan as everybody else.
            let all_blocks = (rows.blocks.len() / listed_block_len(self.code_dim)) as u64;
            let blocks =
                (probe.nprobe as u64).saturating_mul(all_blocks) / rows.len().max(1) as u64;
            if admitted as u64 <= blocks {
                let shortlist = &mut scratch.shortlist;
                shortlist.clear(probe.candidates);
                self.estimate(query, ones(words), |candidate| shortlist.push(candidate));
                return shortlist.sorted().collect();
            }
        }
        let Some((rows, above)) = self.levels.split_first() else {
            return Vec::new();
        };
        if query.code_dim() != self.code_dim {
            return Vec::new();
        }
        let CellScratch {
            seen,
            shortlist,
            found,
            cells,
            blocks,
        } = scratch;
        seen.resize_with(self.levels.len(), Visited::default);
        cells.clear();
        let score = query.bias();
        let key = Candidate { id: 0, score }.key();
        cells.push(Ranked {
            key,
            score: score.to_bits(),
        });
        let mut scan = Scan {
            code_dim: self.code_dim,
            query,
            shortlist,
            blocks,
        };
        let mut probes = 1;
        for (at, level) in above.iter().enumerate().rev() {
            let below = self.levels.get(at).unwrap_or(rows);
            let wanted = match at {
                0 => probe.nprobe,
                _ => UPPER_PROBES + probe.nprobe / 2,
            };
            scan.shortlist.clear(wanted.saturating_add(wanted / 2 + 16));
            scan.centroids(level, cells, probes, &mut seen[at + 1]);
            found.clear();
            found.extend(scan.shortlist.best());
            cells.clear();
            let centroid = |cell| below.centroid(self.code_dim, cell);
            int8::score_each(query, found, centroid, |Candidate { id, score }| {
                let weight = below.heads.get(id as usize).map_or(1.0, |head| head.weight);
                let direction = Candidate {
                    id,
                    score: score * weight,
                };
                let key = direction.key();
                cells.push(Ranked {
                    key,
                    score: score.to_bits(),
                });
            });
            probes = wanted;
        }
        scan.shortlist.clear(probe.candidates);
        let patience = Patience::new(probe.patience);
        scan.rows(rows, cells, probes, patience, allowed, &mut seen[0]);
        scan.shortlist.sorted().collect()
    }

    /// Calls `found` with every one of `ids` that is a row, and its score from its 1-bit code.
    ///
    /// Cost: a block of 32 codes for each id, unless ids that follow each other share it.
    #[inline(never)]
    pub fn estimate(
        &self,
        query: &Query,
        ids: impl IntoIterator<Item = u32>,
        mut found: impl FnMut(Candidate),
    ) {
        let Some(level) = self.levels.first() else {
            return;
        };
        if query.code_dim() != self.code_dim {
            return;
        }
        let mut scores = [0.0; BLOCK_ROWS];
        let (mut scored_block, mut scored_cell, mut bias) = (u32::MAX, u32::MAX, 0.0);
        for id in ids {
            let Some(&place) = self.places.get(id as usize) else {
                continue;
            };
            let (at, lane) = (place / BLOCK_ROWS as u32, place as usize % BLOCK_ROWS);
            if at != scored_block {
                let cell = level.starts.partition_point(|&start| start <= at) as u32 - 1;
                if cell != scored_cell {
                    bias = match level.centroid(self.code_dim, cell) {
                        Some(centroid) => int8::score(query, centroid),
                        None => query.bias(),
                    };
                    scored_cell = cell;
                }
                let block = listed_block_len(self.code_dim);
                let block = level.blocks[at as usize * block..].get(..block);
                if let (Some(block), Some(head)) = (block, level.heads.get(scored_cell as usize)) {
                    let scale = query.scale_of(head.rescale_step, head.offset_step, bias);
                    score_block(query, &scale, block, f32::INFINITY, &mut scores);
                    scored_block = at;
                }
            }
            found(Candidate {
                id,
                score: scores[lane],
            });
        }
    }
}

/// Rows that a filter admits.
fn admitted(words: &[u64]) -> usize {
    let ones = words.iter().map(|word| word.count_ones() as usize);
    ones.sum()
}

/// How much more of the cells of `rows` rows a search looks at for a filter: the root of the rarity
/// of what it admits, a fifth less.
pub(super) fn widening(rows: usize, words: &[u64]) -> f32 {
    let rarity = rows as f32 / admitted(words).max(1) as f32;
    1.0 + 0.8 * (sqrt(f64::from(rarity)) as f32 - 1.0)
}

/// Scores a block; which lanes reach `least`, and the ids of all.
#[inline]
fn score_block<'a>(
    query: &Query,
    scale: &Scale,
    block: &'a [u8],
    least: f32,
    scores: &mut [f32; BLOCK_ROWS],
) -> (u32, &'a [[u8; 4]]) {
    let parts = block
        .split_last_chunk::<{ 4 * BLOCK_ROWS }>()
        .and_then(|(codes, ids)| Some((codes.split_last_chunk()?, ids)));
    let Some(((signs, factors), ids)) = parts else {
        return (0, &[]);
    };
    let kernel = query.kernels.block_scores;
    let lanes = kernel(signs, &query.tables, factors, scale, least, scores);
    (lanes, ids.as_chunks::<4>().0)
}

/// What the scans of one search share.
struct Scan<'a> {
    code_dim: usize,
    query: &'a Query,
    shortlist: &'a mut Shortlist,
    blocks: &'a mut u64,
}

impl Scan<'_> {
    /// Scans the best `probes` cells of centroids.
    fn centroids(
        &mut self,
        level: &Level,
        cells: &mut BinaryHeap<Ranked>,
        probes: usize,
        seen: &mut Visited,
    ) {
        seen.clear(level.members);
        for cell in core::iter::from_fn(|| cells.pop()).take(probes) {
            self.cell(level, &cell, |shortlist, found| {
                if seen.insert(found.id) {
                    shortlist.push(found);
                }
            });
        }
    }

    /// Scans the best `probes` cells of rows, best first, as long as there is patience.
    fn rows(
        &mut self,
        level: &Level,
        cells: &mut BinaryHeap<Ranked>,
        probes: usize,
        mut patience: Patience,
        allowed: Option<&[u64]>,
        seen: &mut Visited,
    ) {
        seen.clear(level.members);
        for cell in core::iter::from_fn(|| cells.pop()).take(probes) {
            if !patience.step() {
                break;
            }
            self.cell(level, &cell, |shortlist, found| {
                if is_allowed(allowed, found.id) && seen.insert(found.id) {
                    shortlist.push(found);
                    patience.found(rank_of(found.key()));
                }
            });
        }
    }

    /// Calls `found` with every member of a cell that the shortlist may take.
    #[inline(always)]
    fn cell(
        &mut self,
        level: &Level,
        cell: &Ranked,
        mut found: impl FnMut(&mut Shortlist, Candidate),
    ) {
        let query = self.query;
        let id = id_of(cell.key);
        let Some(head) = level.heads.get(id as usize) else {
            return;
        };
        let bias = f32::from_bits(cell.score);
        let scale = query.scale_of(head.rescale_step, head.offset_step, bias);
        let blocks = level.cell(self.code_dim, id).unwrap_or(&[]);
        let mut scores = [0.0; BLOCK_ROWS];
        for block in blocks.chunks_exact(listed_block_len(self.code_dim)) {
            *self.blocks += 1;
            let least = self.shortlist.least();
            let (mut lanes, ids) = score_block(query, &scale, block, least, &mut scores);
            while lanes != 0 {
                let lane = lanes.trailing_zeros() as usize;
                lanes &= lanes - 1;
                let id = u32::from_le_bytes(ids[lane]);
                if id != NO_ROW {
                    let score = scores[lane];
                    found(self.shortlist, Candidate { id, score });
                }
            }
        }
    }
}
