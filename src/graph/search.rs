//! Search from the entry point down (Algorithm 5), with filters.

use alloc::vec::Vec;

use super::Graph;
use super::walk::Beam;
use super::walk::Walk;
use crate::vector::Query;
use crate::vector::binary::BinaryRows;
use crate::vector::binary::is_allowed;
use crate::vector::topk::Candidate;

/// The beam is so many times as wide as the walk is patient. docs-100k (MiniLM, 100,000 rows): a
/// recall@10 of 0.953 for 1,096 nodes scored instead of 1,300, of 0.980 for 1,989 instead of 2,477.
const PATIENCE: usize = 3;

/// Nodes without effect that even a narrow beam outlasts.
const LEAST_PATIENCE: usize = 16;

/// Memory that searches of a thread share; a new one costs a byte per row.
#[derive(Debug, Clone, Default)]
pub struct SearchScratch {
    walk: Walk,
    candidates: Vec<Candidate>,
}

impl SearchScratch {
    /// Empty scratch memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Nodes whose links were followed, over all searches so far.
    #[must_use]
    pub fn hops(&self) -> u64 {
        self.walk.hops
    }

    /// Nodes scored, over all searches so far.
    #[must_use]
    pub fn scored(&self) -> u64 {
        self.walk.scored
    }
}

impl Graph {
    /// The best rows found among those that `allowed` admits, best first, at most `ef_search` of
    /// them: candidates for rescoring.
    ///
    /// `rows` are the 1-bit codes of the rows the graph was built from; scores are theirs. Bit
    /// `id % 64` of word `id / 64` of `allowed` admits row `id`. Rows that are not admitted are
    /// walked through, and the walk ends when `ef_search` admitted rows are found that are
    /// better than what is left, or, where every row is admitted, as soon as `ef_search / 3` nodes have
    /// brought none of the 10 nearest: queries whose neighbours lie together need no more. The fewer rows are admitted the longer it takes, and where they are
    /// less than about a tenth [`crate::vector::binary::BinaryCodes::scan`] is faster.
    #[must_use]
    #[inline(never)]
    pub fn search(
        &self,
        rows: &BinaryRows,
        query: &Query,
        ef_search: usize,
        allowed: Option<&[u64]>,
        scratch: &mut SearchScratch,
    ) -> Vec<Candidate> {
        let Some(score) = rows.score(query, self.entry_point) else {
            return Vec::new();
        };
        let entry = Candidate {
            id: self.entry_point,
            score,
        }
        .key();
        let mut best = entry;
        let SearchScratch { walk, candidates } = scratch;
        let mut score = |ids: &[u32], keys: &mut Vec<u64>| {
            candidates.clear();
            rows.score_into(query, ids, candidates);
            keys.extend(candidates.iter().map(|candidate| candidate.key()));
        };
        for level in self.levels.iter().skip(1).rev() {
            let beam = Beam::patient(1);
            let found = walk.search(level, self.len, &[best], beam, &mut score, |_| true);
            best = found.into_keys().first().copied().unwrap_or(best);
        }
        // Every row can be reached from the entry point, so the walk starts there too.
        let Some(level) = self.levels.first() else {
            return Vec::new();
        };
        let accept = |id| is_allowed(allowed, id);
        let patience = match allowed {
            None if ef_search < self.len => (ef_search / PATIENCE).max(LEAST_PATIENCE),
            _ => usize::MAX,
        };
        walk.search(
            level,
            self.len,
            &[best, entry],
            Beam {
                ef: ef_search,
                patience,
            },
            &mut score,
            accept,
        )
        .into_sorted()
    }
}
