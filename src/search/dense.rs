//! Resident codes, in cells, in a graph or as they are; candidates by meaning; rescoring.

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::cells::CellScratch;
use crate::cells::Cells;
use crate::cells::Probe;
use crate::document::ChunkId;
use crate::filter::Bitmap;
use crate::graph::Graph;
use crate::graph::SearchScratch;
use crate::index::Access;
use crate::index::Root;
use crate::index::VectorSections;
use crate::store::Block;
use crate::store::Wants;
use crate::store::Wave;
use crate::vector::Quantizer;
use crate::vector::Query;
use crate::vector::binary::BinaryCodes;
use crate::vector::binary::BinaryRows;
use crate::vector::int8;
use crate::vector::topk::Candidate;
use crate::vector::topk::TopK;
use alloc::vec::Vec;
use core::cell::RefCell;

/// In a graph, a filter that lets fewer chunks through than this is answered by scoring them all.
const SCORE_BELOW: u32 = 20_000;

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
        cells: Cells,
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
            } => {
                let cells = Cells::parse(wave.run(cells), chunks, quantizer)?;
                Self::InCells {
                    patience: *patience as usize,
                    nprobe: (*nprobe as usize).min(cells.cell_count()),
                    cells,
                    scratch: RefCell::default(),
                }
            }
        })
    }
}

impl Resident {
    /// Names what has to be read.
    pub fn wants(sections: &VectorSections, wants: &mut Wants) {
        wants.block(sections.quantizer);
        sections
            .access
            .runs()
            .for_each(|(_, run)| wants.resident(&run));
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
        if sections.rows.block_payload as usize != quantizer.code_dim() {
            return Err(reader.error("int8 row length", Problem::Inconsistent));
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

    /// The `depth` chunks nearest to the query by their 1-bit codes, best first.
    ///
    /// Fewer only if fewer are allowed, or if a graph leads to fewer.
    pub fn nearest(&self, query: &Query, allowed: Option<&Bitmap>, depth: usize) -> Vec<Candidate> {
        let words = allowed.map(Bitmap::words);
        match &self.codes {
            Codes::Scanned(blocks) => {
                match BinaryCodes::parse(blocks, self.chunks, &self.quantizer) {
                    Ok(codes) => codes.scan(query, words, depth),
                    Err(_) => Vec::new(),
                }
            }
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
            } => {
                let search = |patience, nprobe| {
                    let probe = Probe {
                        patience,
                        nprobe,
                        candidates: depth,
                    };
                    cells.search(query, &probe, words, &mut scratch.borrow_mut())
                };
                let there = allowed.map_or(self.chunks, |allowed| allowed.count() as usize);
                let found = search(*patience, *nprobe);
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
                cells.estimate(query, chunks, |candidate| out.push(candidate));
                out
            }
        }
    }
}

/// The score of a chunk by its int8 code.
pub fn rescore(query: &Query, row: &Block) -> f32 {
    int8::score(query, bytemuck::cast_slice(row))
}
