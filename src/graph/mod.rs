//! Codes into a graph that finds near rows in logarithmic time.
//!
//! HNSW: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs" (2018); names and algorithm numbers are the paper's.
//!
//! ```text
//! int8 rows ── build ──► Graph ── write ──► bytes ── parse ──► Graph ── search ──► candidates
//!              (exact integer distances)                  (scores of 1-bit rows)
//! ```
//!
//! | file | what |
//! |---|---|
//! | `build.rs` | deterministic insertion in batches, on any number of threads |
//! | `select.rs` | the neighbour selection heuristic (Algorithm 4) |
//! | `walk.rs` | best-first search of one level (Algorithm 2), shared by build and search |
//! | `level.rs` | the links of one level, packed in bits; the stored form |
//! | `search.rs` | search from the entry point down (Algorithm 5), with filters |
//!
//! # When not to use it
//! Links join rows that are near in Euclidean distance of their codes, which for normalised
//! embeddings is the order of the inner product. With [`crate::vector::Metric::Dot`] and rows of
//! very different norms recall suffers: scan instead. A scan also wins below some 50,000 rows, and
//! when a filter admits few rows.

mod build;
mod level;
mod search;
mod select;
mod walk;

use core::fmt;

use alloc::vec::Vec;

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use level::Level;
use walk::Links;

pub use build::build;
pub use search::SearchScratch;

/// Levels of a graph: with at least two links a node, 2^32 nodes need no more.
const MAX_LEVELS: usize = 32;

/// How a graph is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphParams {
    /// Links of a node on the upper levels, 2 to 127.
    pub m: usize,
    /// Links of a node on level 0, `m` to 255.
    pub m0: usize,
    /// Candidates held while a node is inserted.
    pub ef_construction: usize,
    /// Draws levels and the order of insertion.
    pub seed: u64,
}

impl Default for GraphParams {
    /// `m` and `m0` of the paper; `ef_construction` 128: docs-100k, see `benches/README.md`.
    fn default() -> Self {
        Self { m: 16, m0: 32, ef_construction: 128, seed: 0 }
    }
}

/// Why a graph cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphError {
    /// `m` is not in 2..=127, or `m0` not in `m..=255`, or `ef_construction` is 0.
    BadParams(GraphParams),
    /// The codes are not a whole number of rows of 1 to [`crate::vector::MAX_DIM`] dimensions.
    PartialRow {
        /// Length of the codes in bytes.
        len: usize,
        /// Length of a row.
        code_dim: usize,
    },
    /// More than 2^32 rows, or links of more than 4 GiB.
    TooManyRows {
        /// How many.
        rows: usize,
    },
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadParams(GraphParams { m, m0, ef_construction, .. }) => write!(
                f,
                "graph: m {m}, m0 {m0}, ef_construction {ef_construction} are out of range; \
                 choose m from 2 to 127, m0 from m to 255, ef_construction from 1"
            ),
            Self::PartialRow { len, code_dim } => {
                write!(f, "graph: {len} bytes of codes are no whole number of rows of {code_dim} dimensions")
            }
            Self::TooManyRows { rows } => {
                write!(f, "graph: {rows} rows are too many for one graph; split the index")
            }
        }
    }
}

impl core::error::Error for GraphError {}

/// A navigable small world over rows `0..len`: links only, no vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    len: usize,
    entry_point: u32,
    /// From level 0, which holds every row, upwards.
    levels: Vec<Level>,
}

impl Graph {
    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Links of row `id` on level 0, ascending; none for ids past the last row.
    #[must_use]
    pub fn links(&self, id: u32) -> Vec<u32> {
        let mut links = Vec::new();
        if let Some(level) = self.levels.first() {
            level.links(id, &mut links);
        }
        links
    }

    /// Bytes held in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.levels.iter().map(Level::memory_bytes).sum()
    }

    /// Appends the stored form: entry point, number of levels, levels from 0 upwards.
    pub fn write(&self, writer: &mut Writer) {
        writer.varint(self.entry_point.into());
        writer.varint(self.levels.len() as u64);
        for level in &self.levels {
            level.write(writer);
        }
    }

    /// Reads the graph of `len` rows from all of `bytes`, checking every link.
    ///
    /// # Errors
    /// [`FormatError`] for truncation, ids of rows that do not exist or are not on the level,
    /// unsorted links, links of a node to itself, and bytes left over.
    ///
    /// Cost: one pass over the links.
    pub fn parse(bytes: &[u8], len: usize) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "graph");
        if u32::try_from(len).is_err() {
            let problem = Problem::OutOfRange { got: len as u64, max: u32::MAX.into() };
            return Err(reader.error("row count", problem));
        }
        let last = len.saturating_sub(1) as u64;
        let entry_point = reader.varint_max(last, "entry point")? as u32;
        let level_count = reader.varint_max(MAX_LEVELS as u64, "level count")?;
        if (level_count == 0) != (len == 0) {
            return Err(reader.error("level count", Problem::Inconsistent));
        }
        let mut levels: Vec<Level> = Vec::new();
        for height in 0..level_count {
            let level = match height {
                0 => Level::read_full(&mut reader, len)?,
                _ => Level::read_sparse(&mut reader, len)?,
            };
            levels.push(level);
        }
        reader.end()?;
        if levels.last().is_some_and(|top| !top.contains(entry_point)) {
            return Err(reader.error("entry point", Problem::Inconsistent));
        }
        Ok(Self { len, entry_point, levels })
    }
}
