//! The best chunks for a query: exact scores by integer addition.
//!
//! All lists advance together through windows of chunks whose sums fit the first-level cache; every
//! posting is read once. The set of matching chunks is part of the answer, so no list can be skipped,
//! and pruning (MaxScore, WAND) would save nothing.

use super::Block;
use super::PostingList;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::gather;
use crate::document::ChunkId;
use alloc::collections::BinaryHeap;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// The weight of a list that counts fully.
pub const WEIGHT_ONE: u32 = 16;

/// Chunks in a window: 32 kB of sums.
const WINDOW: u32 = 8192;

/// A posting list and how much it counts.
#[derive(Debug, Clone)]
pub struct WeightedList<'a> {
    /// The list.
    pub list: PostingList<'a>,
    /// Factor on its impacts, in sixteenths ([`WEIGHT_ONE`]); at most 65,535.
    pub weight: u32,
}

/// One term of a query: a list, or several that may stand for it (completions of an unfinished
/// word, corrections of a misspelt one), of which the best counts in each chunk.
#[derive(Debug, Clone, Default)]
pub struct Clause<'a> {
    /// The lists.
    pub alternatives: Vec<WeightedList<'a>>,
}

impl<'a> Clause<'a> {
    /// A clause of one list.
    pub fn one(list: PostingList<'a>, weight: u32) -> Self {
        Self {
            alternatives: vec![WeightedList { list, weight }],
        }
    }
}

/// A chunk found by its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeywordHit {
    /// The chunk.
    pub chunk: ChunkId,
    /// The sum of its contributions. Times the impact step, over [`WEIGHT_ONE`], it is BM25F.
    pub score: u32,
    /// What each clause contributes, by clause; 0 where the chunk lacks it.
    pub contributions: Vec<u32>,
}

/// Chunks that hold both words of a query, as far as they are told from others: more are no answer in
/// particular.
pub const FEW: usize = 10;

/// Clauses of a query that names something by words it holds together. Of three words on, queries are
/// often questions, and a chunk that happens to hold all their words is not what answers them.
const COMPLETE_CLAUSES: usize = 2;

/// The best hits, and all that there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopK {
    /// By score, then by chunk.
    pub hits: Vec<KeywordHit>,
    /// Chunks that hold at least one term and are allowed, as a bitmap like `allowed`.
    pub matches: Vec<u64>,
    /// The chunks that hold a term of either clause, ascending: none unless there are two clauses and at
    /// most [`FEW`] such chunks.
    pub complete: Vec<KeywordHit>,
}

impl TopK {
    /// How many chunks hold at least one term and are allowed.
    pub fn total(&self) -> u32 {
        self.matches.iter().map(|word| word.count_ones()).sum()
    }
}

impl TopK {
    /// The best hits, and after them those complete ones that are not among them.
    pub fn candidates(&mut self) -> Vec<KeywordHit> {
        let mut hits = core::mem::take(&mut self.hits);
        let best = hits.len();
        for hit in &self.complete {
            if !hits[..best].iter().any(|found| found.chunk == hit.chunk) {
                hits.push(hit.clone());
            }
        }
        hits
    }
}

/// Finds the `k` best chunks, of those that `allowed` has, for the sum of `clauses`.
///
/// `allowed` is a bitmap, the least significant bit of the first word for chunk 0; chunks past its
/// end are not allowed. Chunks from `chunk_count` on do not exist.
///
/// # Errors
/// [`FormatError`] when a list is damaged or names a chunk that does not exist.
///
/// # Cost: one addition a posting; 64 kB of memory and a block for each list.
pub fn top_k(
    clauses: &[Clause<'_>],
    chunk_count: u32,
    k: usize,
    allowed: Option<&[u64]>,
) -> Result<TopK, FormatError> {
    let mut cursors: Vec<Vec<Cursor<'_, '_>>> = Vec::with_capacity(clauses.len());
    for clause in clauses {
        let lists = clause.alternatives.iter();
        cursors.push(gather(lists.map(|list| Cursor::new(list, chunk_count)))?);
    }
    let mut matches = vec![0u64; (chunk_count as usize).div_ceil(64)];
    // The worst of the best is on top: by score, and of equals the later chunk.
    let mut best: BinaryHeap<Reverse<(u32, Reverse<ChunkId>)>> = BinaryHeap::new();
    let mut sums = vec![0u32; WINDOW as usize];
    let mut maxima = vec![0u32; WINDOW as usize];
    let wanted = cursors.iter().filter(|clause| !clause.is_empty()).count();
    let counts_clauses = clauses.len() == COMPLETE_CLAUSES;
    let mut counts = vec![0u8; if counts_clauses { WINDOW as usize } else { 0 }];
    let mut complete: Vec<ChunkId> = Vec::new();
    while let Some(first) = cursors.iter().flatten().filter_map(Cursor::chunk).min() {
        let start = first / WINDOW * WINDOW;
        sums.fill(0);
        counts.fill(0);
        for clause in &mut cursors {
            if let ([only], false) = (clause.as_mut_slice(), counts_clauses) {
                only.drain_window(start, |at, score| sums[at] = sums[at].saturating_add(score))?;
                continue;
            }
            maxima.fill(0);
            for cursor in clause {
                cursor.drain_window(start, |at, score| maxima[at] = maxima[at].max(score))?;
            }
            for (sum, maximum) in sums.iter_mut().zip(&maxima) {
                *sum = sum.saturating_add(*maximum);
            }
            for (count, maximum) in counts.iter_mut().zip(&maxima) {
                *count += u8::from(*maximum > 0);
            }
        }
        let words = matches.iter_mut().zip(0..).skip(start as usize / 64);
        for ((word, at), sums) in words.zip(sums.chunks(64)) {
            let mut found = 0;
            for (bit, &score) in sums.iter().enumerate() {
                found |= u64::from(score > 0) << bit;
            }
            found &= allowed.map_or(!0, |allowed| allowed.get(at).copied().unwrap_or(0));
            *word = found;
            while found != 0 {
                let place = found.trailing_zeros();
                found &= found - 1;
                let chunk = at as u32 * 64 + place;
                let score = sums[place as usize];
                if counts_clauses
                    && complete.len() <= FEW
                    && usize::from(counts[(chunk - start) as usize]) == wanted
                {
                    complete.push(chunk);
                }
                // Of equals the first stays.
                if best.len() < k {
                    best.push(Reverse((score, Reverse(chunk))));
                } else if let Some(mut worst) = best.peek_mut()
                    && score > worst.0.0
                {
                    *worst = Reverse((score, Reverse(chunk)));
                }
            }
        }
    }
    let hit = |chunk, score| {
        let contributions = contributions(clauses, chunk)?;
        Ok(KeywordHit {
            chunk,
            score,
            contributions,
        })
    };
    let mut hits = Vec::with_capacity(best.len());
    for Reverse((score, Reverse(chunk))) in best.into_sorted_vec() {
        hits.push(hit(chunk, score)?);
    }
    if complete.len() > FEW {
        complete.clear();
    }
    let complete = complete.into_iter().map(|chunk| {
        let mut hit = hit(chunk, 0)?;
        hit.score = hit.contributions.iter().sum();
        Ok(hit)
    });
    let complete = gather(complete)?;
    Ok(TopK {
        hits,
        matches,
        complete,
    })
}

/// What each clause contributes to the score of `chunk`; 0 where the chunk lacks it.
///
/// # Errors
/// [`FormatError`] when a list is damaged.
///
/// # Cost: one block of every list.
pub fn contributions(clauses: &[Clause<'_>], chunk: ChunkId) -> Result<Vec<u32>, FormatError> {
    let mut block = Block::default();
    clauses
        .iter()
        .map(|clause| contribution(clause, chunk, &mut block))
        .collect()
}

/// What `clause` contributes to the score of `chunk`.
fn contribution(
    clause: &Clause<'_>,
    chunk: ChunkId,
    block: &mut Block,
) -> Result<u32, FormatError> {
    let mut best = 0;
    for WeightedList { list, weight } in &clause.alternatives {
        let impact = list.impact_of(chunk, block)?.unwrap_or(0);
        best = best.max(score_of(impact, *weight));
    }
    Ok(best)
}

/// What a posting adds to the score of its chunk.
pub fn score_of(impact: u8, weight: u32) -> u32 {
    u32::from(impact) * weight.min(u32::from(u16::MAX))
}

/// A place in a posting list.
struct Cursor<'a, 'l> {
    weighted: &'l WeightedList<'a>,
    chunk_count: u32,
    block: Block,
    next_block: usize,
    at: usize,
}

impl<'a, 'l> Cursor<'a, 'l> {
    fn new(weighted: &'l WeightedList<'a>, chunk_count: u32) -> Result<Self, FormatError> {
        let mut cursor = Self {
            weighted,
            chunk_count,
            block: Block::default(),
            next_block: 0,
            at: 0,
        };
        cursor.load()?;
        Ok(cursor)
    }

    /// Moves to the start of the next block, or past the end.
    fn load(&mut self) -> Result<(), FormatError> {
        let list = &self.weighted.list;
        self.at = 0;
        if self.next_block == list.block_count() {
            self.block = Block::default();
            return Ok(());
        }
        list.decode(self.next_block, &mut self.block)?;
        self.next_block += 1;
        match self.block.chunks().last() {
            Some(&last) if last >= self.chunk_count => {
                let got = u64::from(last);
                let max = u64::from(self.chunk_count.saturating_sub(1));
                let problem = Problem::OutOfRange { got, max };
                Err(FormatError::new("posting list", "chunk", 0, problem))
            }
            _ => Ok(()),
        }
    }

    /// The next chunk; `None` past the end.
    fn chunk(&self) -> Option<ChunkId> {
        self.block.chunks().get(self.at).copied()
    }

    /// Hands on all postings of the window at `start`, as places in the window and scores.
    fn drain_window(
        &mut self,
        start: ChunkId,
        mut hand_on: impl FnMut(usize, u32),
    ) -> Result<(), FormatError> {
        let weight = self.weighted.weight;
        while let Some(&last) = self.block.chunks().last() {
            // Every cursor stands at or after the start of the window.
            let rest = &self.block.chunks()[self.at..];
            let ends = last - start < WINDOW;
            let len = if ends {
                rest.len()
            } else {
                rest.partition_point(|chunk| chunk - start < WINDOW)
            };
            let impacts = &self.block.impacts()[self.at..];
            for (&chunk, &impact) in rest[..len].iter().zip(impacts) {
                hand_on((chunk - start) as usize, score_of(impact, weight));
            }
            self.at += len;
            if !ends {
                break;
            }
            self.load()?;
        }
        Ok(())
    }
}
