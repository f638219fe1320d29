//! Searches that read the cells they need, level by level.

use alloc::vec::Vec;

use super::routes::RouteScores;
use super::routes::RoutedCells;
use super::search::widening;
use super::stored::Levels;
use super::stored::Place;
use super::stored::Router;
use crate::bytes::FormatError;
use crate::sort::sort_by;
use crate::vector::Metric;
use crate::vector::Query;
use crate::vector::arch::sqrt;
use crate::vector::binary::is_allowed;
use crate::vector::topk::Candidate;
use crate::vector::topk::TopK;
use crate::vector::visited::Visited;

/// Bytes of cells of cells that a search reads on a level, for each byte of cells of rows: a search
/// finds no cell whose group it has not read. 100,000 chunks of MiniLM in 192 dimensions, kB of
/// groups and cells, share of the 10 nearest among 50 candidates: 11 + 26 .76, 11 + 44 .81,
/// 23 + 26 .80, 23 + 45 .87.
const UPPER_SHARE: (u64, u64) = (3, 8);

/// Cells whose directions are farther from a query than the nearest one's, by this much of a cosine,
/// are not worth their bytes, where [`GAP_BUDGET`] are to be read at most.
const GAP: f32 = 0.2;

/// With more of them the gap grows like their root: 23 + 45 kB with 0.2 find .87, 23 + 56 with 0.28
/// .88, 23 + 62 with 0.4 no more.
const GAP_BUDGET: u64 = 32_000;

/// Cells that a search reads, whatever their bytes and scores are.
const LEAST_CELLS: usize = 3;

/// A filter makes a search read more by this factor at most.
pub const MAX_WIDENING: f32 = 4.0;

/// How far a search that reads cells goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    /// Bytes of cells of rows to read at most, as they are stored.
    pub bytes: u64,
    /// Bytes of cells of cells to read at most on a level.
    pub upper_bytes: u64,
    /// Cells whose direction scores less than the best one's by more than this are not read.
    pub gap: f32,
}

impl Reach {
    /// As far as `bytes` of cells bring a search, and no farther than is worth it.
    #[must_use]
    pub fn new(metric: Metric, bytes: u64) -> Self {
        let wider = sqrt(bytes as f64 / GAP_BUDGET as f64).max(1.0) as f32;
        // Inner products have no scale of their own.
        let gap = match metric {
            Metric::Cosine => GAP * wider,
            Metric::Dot => f32::INFINITY,
        };
        let (share, of) = UPPER_SHARE;
        Self {
            bytes,
            upper_bytes: bytes.saturating_mul(share) / of,
            gap,
        }
    }
}

/// A search that reads the cells it needs, level by level.
///
/// ```text
/// loop { take(cells at the places that wanted() names), until there are none }
/// ```
/// Between the waves it holds what it found. What is wanted depends on the query and on the cells,
/// not on what was read for other queries: equal searches have equal answers.
#[derive(Debug)]
pub struct Descent<'a> {
    levels: &'a Levels,
    query: &'a Query,
    allowed: Option<&'a [u64]>,
    reach: Reach,
    /// Of the cells that are ranked.
    level: usize,
    /// Cells to read, the best one last, with the keys of their directions.
    ranked: Vec<(u64, Place)>,
    /// Members of this level found so far.
    seen: Visited,
    /// Keys of rows found.
    rows: Vec<u64>,
}

impl<'a> Descent<'a> {
    /// Begins with the topmost cell.
    ///
    /// A filter, as in [`Cells::search`](super::Cells::search), makes a search read more, up to
    /// [`MAX_WIDENING`] times as much.
    ///
    /// # Errors
    /// [`FormatError`] for a damaged router.
    pub fn new(
        router: &'a Router,
        query: &'a Query,
        allowed: Option<&'a [u64]>,
        reach: Reach,
    ) -> Result<Self, FormatError> {
        let mut descent = Self::above(&router.levels, query, allowed, reach);
        if router.levels() > 0 && query.code_dim() == router.levels.code_dim {
            descent.take(&[router.top()])?;
        }
        Ok(descent)
    }

    /// Begins with the cells that the routes of the query's words lead to, best first, and goes on with all
    /// others. The reach's gap does not count: these scores have a scale of their own.
    #[must_use]
    pub fn routed(
        cells: &'a RoutedCells,
        scores: &RouteScores,
        query: &'a Query,
        allowed: Option<&'a [u64]>,
        reach: Reach,
    ) -> Self {
        let gap = f32::INFINITY;
        let mut descent = Self::above(&cells.levels, query, allowed, Reach { gap, ..reach });
        let scores = scores.0.iter().zip(&cells.places).zip(0..);
        let ranked = scores.map(|((&score, &place), id)| (Candidate { id, score }.key(), place));
        descent.rank(ranked.collect());
        descent
    }

    /// Above the cells of the topmost level.
    fn above(
        levels: &'a Levels,
        query: &'a Query,
        allowed: Option<&'a [u64]>,
        mut reach: Reach,
    ) -> Self {
        if let Some(words) = allowed {
            let rows = levels.members.first().copied().unwrap_or(0);
            let factor = widening(rows, words).min(MAX_WIDENING);
            reach.bytes = (reach.bytes as f32 * factor) as u64;
            reach.gap *= factor;
        }
        Self {
            levels,
            query,
            allowed,
            reach,
            level: levels.count().saturating_sub(1),
            ranked: Vec::new(),
            seen: Visited::default(),
            rows: Vec::new(),
        }
    }

    /// Goes down to these cells.
    fn rank(&mut self, mut cells: Vec<(u64, Place)>) {
        sort_by(&mut cells, |a, b| a.0.cmp(&b.0));
        self.ranked = cells;
        self.level -= 1;
    }

    /// Where the cells lie that are to be read next; none once there are `depth` rows, or no more
    /// cells.
    pub fn wanted(&mut self, depth: usize) -> Vec<Place> {
        let mut wanted = Vec::new();
        let mut left = match self.level {
            0 => self.reach.bytes,
            _ => self.reach.upper_bytes,
        };
        if self.level == 0 && self.rows.len() >= depth && !self.rows.is_empty() {
            return wanted;
        }
        let best = self.ranked.last().map(|&(key, _)| Candidate::from_key(key));
        let least = best.map_or(0.0, |best| best.score - self.reach.gap);
        while let Some(&(key, place)) = self.ranked.last() {
            let len = u64::from(place.len);
            let is_near = self.level > 0 || Candidate::from_key(key).score >= least;
            if wanted.len() >= LEAST_CELLS && !(is_near && len <= left) {
                break;
            }
            left = left.saturating_sub(len);
            wanted.push(place);
            self.ranked.pop();
        }
        // Should these not be enough, then more.
        if self.level == 0 {
            self.reach.bytes = self.reach.bytes.saturating_mul(2);
            self.reach.gap = f32::INFINITY;
        }
        wanted
    }

    /// Takes the cells that were wanted, in this order.
    ///
    /// # Errors
    /// [`FormatError`] for a damaged cell.
    pub fn take(&mut self, cells: &[impl AsRef<[u8]>]) -> Result<(), FormatError> {
        let members = self.levels.members.get(self.level).copied().unwrap_or(0);
        if self.rows.is_empty() {
            self.seen.clear(members);
        }
        let mut found = Vec::new();
        for bytes in cells {
            let cell = self.levels.cell(self.level, bytes.as_ref())?;
            cell.score(self.query, |at, member| {
                if self.level > 0 {
                    if let Some(place) = cell.places.get(at)
                        && self.seen.insert(member.id)
                    {
                        found.push((member.key(), *place));
                    }
                } else if is_allowed(self.allowed, member.id) && self.seen.insert(member.id) {
                    self.rows.push(member.key());
                }
            });
        }
        if self.level > 0 {
            self.rank(found);
        }
        Ok(())
    }

    /// The `depth` best rows found, best first.
    #[must_use]
    pub fn nearest(&self, depth: usize) -> Vec<Candidate> {
        let mut best = TopK::new(depth);
        for &key in &self.rows {
            best.push_key(key);
        }
        best.into_sorted()
    }
}
