//! Codes: resident, in a graph or as they are, or in cells that are read as they are needed; candidates
//! by meaning; rescoring.

use super::dictionary::Damaged;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::gather;
use crate::cells::CellScratch;
use crate::cells::Cells;
use crate::cells::Descent;
use crate::cells::Place;
use crate::cells::Probe;
use crate::cells::Reach;
use crate::cells::RouteScores;
use crate::cells::RoutedCells;
use crate::cells::Router;
use crate::document::ChunkId;
use crate::filter::Bitmap;
use crate::graph::Graph;
use crate::graph::SearchScratch;
use crate::index::Access;
use crate::index::CellBlocks;
use crate::index::Extent;
use crate::index::Root;
use crate::index::VectorSections;
use crate::store::Block;
use crate::store::Wants;
use crate::store::Wave;
use crate::vector::Quantizer;
use crate::vector::Query;
use crate::vector::binary::BinaryCodes;
use crate::vector::binary::BinaryRows;
use crate::vector::row::row_len;
use crate::vector::topk::Candidate;
use crate::vector::topk::TopK;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::cell::RefCell;

/// In a graph, a filter that lets fewer chunks through than this is answered by scoring them all.
const SCORE_BELOW: u32 = 20_000;

/// Bytes of cells that a search reads at most where nothing is said, beside what leads to them. By meaning
/// alone, on 100,000 chunks, twice as many find 0.09 more of the 10 nearest, for 42 kB.
pub const CELL_BYTES: u64 = 32_000;

/// The same by words and meaning where the router has one level ([`Router::is_one_level`]): words find much of
/// what is in cells that are not read.
pub const HYBRID_CELL_BYTES: u64 = 16_000;

/// The same by words and meaning where the router has groups, which hide the cells of all groups that are not
/// read: in the worst of five collections .904 of the ten hits that all cells give, for .882 of
/// 32 kB, which read 17 kB less.
pub const GROUPED_CELL_BYTES: u64 = 48_000;

/// What leads a search to cells, where codes are in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead {
    /// Routes of the query's words.
    Routes,
    /// The router.
    Router,
}

/// The vector sections that stay in memory once they are read.
#[derive(Debug)]
pub struct Resident {
    quantizer: Quantizer,
    chunks: usize,
    codes: Codes,
}

/// The codes of all chunks, and what leads to the near ones: [`Access`] in memory.
#[derive(Debug)]
enum Codes {
    /// Blocks, scanned from first to last.
    Scanned(Vec<u8>),
    /// Rows in one piece, reached over links.
    Linked {
        rows: BinaryRows,
        graph: Graph,
        ef_search: usize,
        scratch: RefCell<SearchScratch>,
    },
    /// Cells, scanned in order of their centroids.
    InCells {
        /// Once a search came that goes by it.
        router: OnceCell<Router>,
        /// Once one came that goes by routes.
        routed: OnceCell<RoutedCells>,
        blocks: CellBlocks,
        /// All of them, once a search was to be exact.
        cells: RefCell<Option<Cells>>,
        patience: usize,
        nprobe: usize,
        scratch: RefCell<CellScratch>,
    },
}

impl Codes {
    fn load(
        access: &Access,
        chunks: usize,
        quantizer: &Quantizer,
        wave: &Wave,
    ) -> Result<Self, FormatError> {
        Ok(match access {
            Access::Scan { codes } => {
                let blocks = wave.run(codes);
                BinaryCodes::parse(&blocks, chunks, quantizer)?;
                Self::Scanned(blocks)
            }
            Access::Graph {
                codes,
                links,
                ef_search,
            } => Self::Linked {
                rows: BinaryRows::new(&BinaryCodes::parse(&wave.run(codes), chunks, quantizer)?),
                graph: Graph::parse(&wave.run(links), chunks)?,
                ef_search: *ef_search as usize,
                scratch: RefCell::default(),
            },
            Access::Cells {
                cells,
                patience,
                nprobe,
                ..
            } => Self::InCells {
                router: OnceCell::new(),
                routed: OnceCell::new(),
                blocks: *cells,
                cells: RefCell::default(),
                patience: *patience as usize,
                nprobe: *nprobe as usize,
                scratch: RefCell::default(),
            },
        })
    }
}

impl Resident {
    /// Names what has to be read, but for what leads to cells: [`Resident::want_lead`].
    pub fn wants(sections: &VectorSections, wants: &mut Wants) {
        wants.block(sections.quantizer);
        sections
            .access
            .runs()
            .for_each(|(_, run)| wants.resident(&run));
    }

    /// Names what leads to cells, as far as `known` lacks it: their places for a search that goes by routes,
    /// else the router.
    pub fn want_lead(
        known: Option<&Self>,
        sections: &VectorSections,
        lead: Lead,
        wants: &mut Wants,
    ) {
        let Access::Cells { router, places, .. } = sections.access else {
            return;
        };
        let is_known = known.is_some_and(|known| match (&known.codes, lead) {
            (Codes::InCells { routed, .. }, Lead::Routes) => routed.get().is_some(),
            (Codes::InCells { router, .. }, Lead::Router) => router.get().is_some(),
            _ => true,
        });
        let block = match lead {
            Lead::Routes => places,
            Lead::Router => Some(router),
        };
        let block = block.filter(|_| !is_known);
        block.into_iter().for_each(|extent| wants.block(extent));
    }

    /// Takes what leads to cells out of the wave that brought it.
    ///
    /// # Errors
    /// What is damaged.
    pub fn take_lead(&self, sections: &VectorSections, wave: &Wave) -> Result<(), Damaged> {
        let (
            Access::Cells {
                router: at, places, ..
            },
            Codes::InCells { router, routed, .. },
        ) = (&sections.access, &self.codes)
        else {
            return Ok(());
        };
        let (chunks, quantizer) = (self.chunks, &self.quantizer);
        if let Some(block) = wave.get(*at).filter(|_| router.get().is_none()) {
            let parsed = Router::parse(block, chunks, quantizer).map_err(|bad| (*at, bad))?;
            _ = router.set(parsed);
        }
        let places = places.and_then(|at| Some((at, wave.get(at)?)));
        if let Some((at, block)) = places.filter(|_| routed.get().is_none()) {
            let parsed = RoutedCells::parse(block, chunks, quantizer).map_err(|bad| (at, bad))?;
            _ = routed.set(parsed);
        }
        Ok(())
    }

    /// Scores of cells by routes, of none yet; nothing if no search has read where these lead.
    pub fn route_scores(&self) -> Option<RouteScores> {
        match &self.codes {
            Codes::InCells { routed, .. } => Some(routed.get()?.scores()),
            _ => None,
        }
    }

    /// Takes the sections out of the wave that brought them.
    ///
    /// # Errors
    /// [`FormatError`] naming the section that is damaged or contradicts the root.
    pub fn load(root: &Root, sections: &VectorSections, wave: &Wave) -> Result<Self, FormatError> {
        let mut reader = Reader::new(wave.require(sections.quantizer)?, "quantizer");
        let quantizer = Quantizer::read(&mut reader)?;
        reader.end()?;
        if quantizer.dim() != sections.dim as usize || quantizer.metric() != sections.metric {
            return Err(reader.error("dimension", Problem::Inconsistent));
        }
        if sections.rows.block_payload as usize != row_len(quantizer.code_dim()) {
            return Err(reader.error("row length", Problem::Inconsistent));
        }
        let chunks = root.counts.chunks as usize;
        let codes = Codes::load(&sections.access, chunks, &quantizer, wave)?;
        Ok(Self {
            quantizer,
            chunks,
            codes,
        })
    }

    /// Parameters of the codes.
    pub fn quantizer(&self) -> &Quantizer {
        &self.quantizer
    }

    /// Whether the codes are in cells.
    pub fn are_cells(&self) -> bool {
        matches!(self.codes, Codes::InCells { .. })
    }

    /// What brings all cells into memory; `None` if they are there, or if there are no cells.
    pub fn load_cells(&self) -> Option<LoadCells<'_>> {
        match &self.codes {
            Codes::InCells {
                router,
                blocks,
                cells,
                ..
            } if cells.borrow().is_none() => Some(LoadCells {
                router: router.get()?,
                blocks,
                kept: cells,
                levels: Vec::new(),
                wanted: Vec::new(),
            }),
            _ => None,
        }
    }

    /// Begins a search that reads the cells it needs, about `bytes` of them or what is usual, `beside_words`
    /// or alone, those first that routes lead to, if there are scores by these.
    ///
    /// `None` if there are no cells: [`Resident::nearest`] then has everything.
    ///
    /// # Errors
    /// [`FormatError`] for a damaged router.
    pub fn search_cells<'a>(
        &'a self,
        query: &'a Query,
        allowed: Option<&'a Bitmap>,
        bytes: Option<u64>,
        beside_words: bool,
        routes: Option<&RouteScores>,
    ) -> Result<Option<SearchCells<'a>>, FormatError> {
        let Codes::InCells {
            router,
            routed,
            blocks,
            ..
        } = &self.codes
        else {
            return Ok(None);
        };
        let allowed = allowed.map(Bitmap::words);
        let reach = |is_one_level| {
            let usual = match (beside_words, is_one_level) {
                (true, true) => HYBRID_CELL_BYTES,
                (true, false) => GROUPED_CELL_BYTES,
                (false, _) => CELL_BYTES,
            };
            Reach::new(self.quantizer.metric(), bytes.unwrap_or(usual))
        };
        let descent = match (routes.zip(routed.get()), router.get()) {
            (Some((scores, cells)), _) => {
                Descent::routed(cells, scores, query, allowed, reach(true))
            }
            (None, Some(router)) => {
                Descent::new(router, query, allowed, reach(router.is_one_level()))?
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(SearchCells {
            descent,
            blocks,
            wanted: Vec::new(),
        }))
    }

    /// The `depth` chunks nearest to the query by their 1-bit codes, best first; none of cells that
    /// are not in memory.
    ///
    /// Fewer only if fewer are allowed, or if a graph leads to fewer.
    pub fn nearest(&self, query: &Query, allowed: Option<&Bitmap>, depth: usize) -> Vec<Candidate> {
        match &self.codes {
            Codes::Scanned(blocks) => {
                let words = allowed.map(Bitmap::words);
                match BinaryCodes::parse(blocks, self.chunks, &self.quantizer) {
                    Ok(codes) => codes.scan(query, words, depth),
                    Err(_) => Vec::new(),
                }
            }
            // Hosts may load the code of these with the first call of it.
            _ => self.nearest_resident(query, allowed, depth),
        }
    }

    /// The same by a graph, or by cells that are in memory.
    #[inline(never)]
    fn nearest_resident(
        &self,
        query: &Query,
        allowed: Option<&Bitmap>,
        depth: usize,
    ) -> Vec<Candidate> {
        let words = allowed.map(Bitmap::words);
        match &self.codes {
            Codes::Scanned(_) => Vec::new(),
            Codes::Linked {
                rows,
                graph,
                ef_search,
                scratch,
            } => match allowed {
                Some(allowed) if allowed.count() < SCORE_BELOW => {
                    let mut best = TopK::new(depth);
                    for candidate in self.estimates(query, allowed.iter()) {
                        best.push(candidate);
                    }
                    best.into_sorted()
                }
                _ => {
                    let mut scratch = scratch.borrow_mut();
                    let held = depth.max(*ef_search);
                    let mut found = graph.search(rows, query, held, words, &mut scratch);
                    found.truncate(depth);
                    found
                }
            },
            Codes::InCells {
                cells,
                patience,
                nprobe,
                scratch,
                ..
            } => {
                let cells = cells.borrow();
                let Some(cells) = &*cells else {
                    return Vec::new();
                };
                let search = |patience, nprobe| {
                    let probe = Probe {
                        patience,
                        nprobe,
                        candidates: depth,
                    };
                    cells.search(query, &probe, words, &mut scratch.borrow_mut())
                };
                let there = allowed.map_or(self.chunks, |allowed| allowed.count() as usize);
                let found = search(*patience, (*nprobe).min(cells.cell_count()));
                if found.len() >= depth.min(there) {
                    return found;
                }
                // The page is longer than the cells looked at: now all are.
                search(usize::MAX, cells.cell_count())
            }
        }
    }

    /// Scores of these chunks by their 1-bit codes.
    pub fn estimates(
        &self,
        query: &Query,
        chunks: impl Iterator<Item = ChunkId>,
    ) -> Vec<Candidate> {
        match &self.codes {
            Codes::Scanned(_) => {
                let mut wanted = Bitmap::new(self.chunks as u32);
                chunks.for_each(|chunk| wanted.set(chunk));
                self.nearest(query, Some(&wanted), wanted.count() as usize)
            }
            Codes::Linked { rows, .. } => {
                let chunks: Vec<ChunkId> = chunks.collect();
                let mut out = Vec::with_capacity(chunks.len());
                rows.score_into(query, &chunks, &mut out);
                out
            }
            Codes::InCells { cells, .. } => {
                let mut out = Vec::new();
                if let Some(cells) = &*cells.borrow() {
                    cells.estimate(query, chunks, |candidate| out.push(candidate));
                }
                out
            }
        }
    }
}

/// The blocks at these places.
fn extents(blocks: &CellBlocks, places: Vec<Place>) -> Result<Vec<Extent>, FormatError> {
    let wrong = || Reader::new(&[], "cells").error("place", Problem::Inconsistent);
    let places = places.into_iter();
    places
        .map(|Place { offset, len }| blocks.extent(offset, len).ok_or_else(wrong))
        .collect()
}

/// The payloads of these blocks.
fn payloads<'a>(wave: &'a Wave, extents: &[Extent]) -> Result<Vec<&'a [u8]>, FormatError> {
    let blocks = extents.iter().map(|&extent| wave.require(extent));
    blocks.map(|block| Ok(&**block?)).collect()
}

/// A search in cells, wave by wave.
#[derive(Debug)]
pub struct SearchCells<'a> {
    descent: Descent<'a>,
    blocks: &'a CellBlocks,
    wanted: Vec<Extent>,
}

impl SearchCells<'_> {
    /// The cells to be read next; none once `depth` chunks are found, or there are no more.
    ///
    /// # Errors
    /// [`FormatError`] for a cell that lies elsewhere than all cells do.
    pub fn wants(&mut self, depth: usize) -> Result<Option<Wants>, FormatError> {
        self.wanted = extents(self.blocks, self.descent.wanted(depth))?;
        let mut wants = Wants::new();
        self.wanted.iter().for_each(|&extent| wants.block(extent));
        Ok((!self.wanted.is_empty()).then_some(wants))
    }

    /// Takes the cells that were wanted.
    ///
    /// # Errors
    /// [`FormatError`] for a damaged cell.
    pub fn take(&mut self, wave: &Wave) -> Result<(), FormatError> {
        self.descent.take(&payloads(wave, &self.wanted)?)
    }

    /// The `depth` best chunks found, best first.
    pub fn nearest(&self, depth: usize) -> Vec<Candidate> {
        self.descent.nearest(depth)
    }
}

/// Reads all cells, level by level from the topmost one.
#[derive(Debug)]
pub struct LoadCells<'a> {
    router: &'a Router,
    blocks: &'a CellBlocks,
    kept: &'a RefCell<Option<Cells>>,
    levels: Vec<Vec<Block>>,
    wanted: Vec<Extent>,
}

impl LoadCells<'_> {
    /// The cells to be read next; once there are no more, all are in memory.
    ///
    /// # Errors
    /// [`FormatError`] for damaged cells.
    #[inline(never)]
    pub fn wants(&mut self) -> Result<Option<Wants>, FormatError> {
        let read = self.levels.len() + 1;
        let Some(level) = self
            .router
            .levels()
            .checked_sub(read)
            .filter(|&level| level > 0)
        else {
            let mut levels = core::mem::take(&mut self.levels);
            levels.reverse();
            *self.kept.borrow_mut() = Some(Cells::load(self.router, &levels)?);
            return Ok(None);
        };
        let places = match self.levels.last() {
            Some(cells) => self.router.places(level, cells)?,
            None => self.router.places(level, &[self.router.top()])?,
        };
        self.wanted = extents(self.blocks, places)?;
        let mut wants = Wants::new();
        self.wanted.iter().for_each(|&extent| wants.kept(extent));
        Ok(Some(wants))
    }

    /// Takes the cells that were wanted; returns their number.
    ///
    /// # Errors
    /// [`FormatError`] for a cell that is not there.
    #[inline(never)]
    pub fn take(&mut self, wave: &Wave) -> Result<usize, FormatError> {
        let blocks = self
            .wanted
            .iter()
            .map(|&extent| wave.require(extent).cloned());
        self.levels.push(gather(blocks)?);
        Ok(self.wanted.len())
    }
}
