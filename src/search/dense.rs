//! Resident codes and graph; candidates by meaning; rescoring.

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::document::ChunkId;
use crate::filter::Bitmap;
use crate::graph::Graph;
use crate::graph::SearchScratch;
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

/// A filter that lets fewer chunks through than this is answered by scanning them.
const SCAN_BELOW: u32 = 20_000;

/// The vector sections that stay in memory once they are read.
#[derive(Debug)]
pub struct Resident {
    quantizer: Quantizer,
    chunks: usize,
    access: Access,
    scratch: RefCell<SearchScratch>,
}

#[derive(Debug)]
enum Access {
    /// Blocks, scanned from first to last.
    Scan(Vec<u8>),
    /// Rows in one piece, reached over links.
    Walk { rows: BinaryRows, graph: Graph },
}

impl Resident {
    /// Names what has to be read.
    pub fn wants(sections: &VectorSections, wants: &mut Wants) {
        wants.block(sections.quantizer);
        wants.resident(&sections.codes);
        if let Some(graph) = &sections.graph {
            wants.resident(graph);
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
        if sections.rows.block_payload as usize != quantizer.code_dim() {
            return Err(reader.error("int8 row length", Problem::Inconsistent));
        }
        let chunks = root.counts.chunks as usize;
        let blocks = wave.run(&sections.codes);
        let codes = BinaryCodes::parse(&blocks, chunks, &quantizer)?;
        let access = match &sections.graph {
            None => Access::Scan(blocks),
            Some(graph) => {
                let graph = Graph::parse(&wave.run(graph), chunks)?;
                Access::Walk {
                    rows: BinaryRows::new(&codes),
                    graph,
                }
            }
        };
        Ok(Self {
            quantizer,
            chunks,
            access,
            scratch: RefCell::default(),
        })
    }

    /// Parameters of the codes.
    pub fn quantizer(&self) -> &Quantizer {
        &self.quantizer
    }

    /// The `depth` chunks nearest to the query by their 1-bit codes, best first.
    pub fn nearest(&self, query: &Query, allowed: Option<&Bitmap>, depth: usize) -> Vec<Candidate> {
        let words = allowed.map(Bitmap::words);
        match &self.access {
            Access::Scan(blocks) => {
                match BinaryCodes::parse(blocks, self.chunks, &self.quantizer) {
                    Ok(codes) => codes.scan(query, words, depth),
                    Err(_) => Vec::new(),
                }
            }
            Access::Walk { rows, graph } => match allowed {
                Some(allowed) if allowed.count() < SCAN_BELOW => {
                    let mut best = TopK::new(depth);
                    for candidate in self.estimates(query, allowed.iter()) {
                        best.push(candidate);
                    }
                    best.into_sorted()
                }
                _ => {
                    let mut scratch = self.scratch.borrow_mut();
                    let mut found = graph.search(rows, query, depth, words, &mut scratch);
                    found.truncate(depth);
                    found
                }
            },
        }
    }

    /// Scores of these chunks by their 1-bit codes.
    pub fn estimates(
        &self,
        query: &Query,
        chunks: impl Iterator<Item = ChunkId>,
    ) -> Vec<Candidate> {
        match &self.access {
            Access::Scan(_) => {
                let mut wanted = Bitmap::new(self.chunks as u32);
                chunks.for_each(|chunk| wanted.set(chunk));
                self.nearest(query, Some(&wanted), wanted.count() as usize)
            }
            Access::Walk { rows, .. } => {
                let chunks: Vec<ChunkId> = chunks.collect();
                let mut out = Vec::with_capacity(chunks.len());
                rows.score_into(query, &chunks, &mut out);
                out
            }
        }
    }
}

/// The score of a chunk by its int8 code.
pub fn rescore(query: &Query, row: &Block) -> f32 {
    int8::score(query, bytemuck::cast_slice(row))
}
