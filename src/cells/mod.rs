//! Codes into cells: an inverted file whose lists are scanned in order of their centroids.
//!
//! ```text
//! int8 rows ── k-means ──► centroids ── spill ──► cells of 1-bit residual codes
//!                              │
//!                              └── are rows themselves: cells of centroids, and so on upwards
//! ```
//!
//! A cell holds the rows nearest to its centroid. The topmost level is a single cell: a query scans
//! it, descends to the cells of the best centroids found, and so on down to rows. What makes the
//! scanned part small:
//! - cells of a few dozen rows, chosen by inner product with centroids of length 1;
//! - rows stored in two or three cells, the further ones chosen so that a query that misses one
//!   cell finds the other (Sun et al., "SOAR: Improved Indexing for Approximate Nearest Neighbor
//!   Search", NeurIPS 2023);
//! - codes of the residual between row and centroid, which is shorter than the row and therefore
//!   estimated with a smaller error (Gao and Long, "RaBitQ", SIGMOD 2024).
//!
//! | file | what |
//! |---|---|
//! | `build.rs` | levels from the bottom up |
//! | `kmeans.rs` | centroids, and the nearest ones of every row |
//! | `spill.rs` | the cells that hold a row |
//! | `encode.rs` | the code of a row relative to a centroid |
//! | `search.rs` | descent, scan, filters |
//! | `tests.rs` | all of it against the formulas below |
//!
//! # Estimates
//! With `c` the int8 code of the centroid, `mean + c` is a point of the rotated space and
//! `r = x - mean - c` the residual of a row. For a query `q` with `q' = R(q) - mean` and any `b`
//!
//! ```text
//! <q, x> = <R(q), mean + c> + <q' - b c, r> + <mean, r> + b <c, r>
//!        ≈ <R(q), mean + c> + f <q', s> + t        f = |r|² / |r|₁,  s = sign(r),
//!                                                  t = <mean, r> + b (<c, r> - f <c, s>)
//! ```
//! The first term is the int8 score of the centroid and the same for all rows of a cell; so one set
//! of lookup tables serves all cells. The error grows with `|r|` and `|q' - b c|`: centroids are
//! scaled to where their rows lie, see `build.rs`, and for `b` see `encode.rs`.

mod build;
mod encode;
mod kmeans;
mod search;
mod spill;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

use core::fmt;
use core::ops::Deref;
use core::ops::Range;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::vector::Quantizer;
use crate::vector::arch::BLOCK_ROWS;
use crate::vector::binary::block_len;

pub use build::build;
pub use search::CellScratch;
pub use search::Probe;

/// Levels of cells: each is smaller than the one below by a factor of at least two.
const MAX_LEVELS: usize = 32;

/// Most cells that hold the same row.
const MAX_COPIES: usize = 4;

/// Blocks of a level: a place of a row fits 32 bits.
const MAX_BLOCKS: u64 = 1 << 27;

/// Most rows of one set of cells: their blocks, half empty and with all copies, are few enough.
const MAX_ROWS: usize = 1 << 28;

/// The id of a lane without a row.
const NO_ROW: u32 = u32::MAX;

/// How cells are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellParams {
    /// Rows for each cell on average, before spilling; at least 2.
    pub rows_per_cell: usize,
    /// Cells that hold each row, 1 to 4. More cells make a scan of equal recall shorter, and the
    /// codes larger.
    pub copies: usize,
    /// Draws the first centroids.
    pub seed: u64,
}

impl CellParams {
    /// The parameters for rows in `copies` cells.
    ///
    /// A cell then holds two to five blocks of codes: with smaller cells comparing centroids takes
    /// more time than it saves, and more of the last block is empty.
    #[must_use]
    pub fn with_copies(copies: usize) -> Self {
        Self {
            rows_per_cell: if copies > 1 { 50 } else { 64 },
            copies,
            seed: 0,
        }
    }
}

impl Default for CellParams {
    fn default() -> Self {
        Self::with_copies(2)
    }
}

/// Why cells cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CellsError {
    /// `rows_per_cell` is below 2 or `copies` not in 1..=4.
    BadParams(CellParams),
    /// The codes are not rows of the quantizer's `code_dim`.
    PartialRow {
        /// Length of the codes in bytes.
        len: usize,
        /// Length of a row.
        code_dim: usize,
    },
    /// More than 2^28 rows.
    TooManyRows {
        /// How many.
        rows: usize,
    },
}

impl fmt::Display for CellsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadParams(CellParams {
                rows_per_cell,
                copies,
                ..
            }) => write!(
                f,
                "cells: {rows_per_cell} rows per cell, {copies} copies are out of range; \
                 choose at least 2 rows and 1 to {MAX_COPIES} copies"
            ),
            Self::PartialRow { len, code_dim } => write!(
                f,
                "cells: {len} bytes of codes are no whole number of rows of {code_dim} dimensions"
            ),
            Self::TooManyRows { rows } => {
                write!(f, "cells: {rows} rows are too many; split the index")
            }
        }
    }
}

impl core::error::Error for CellsError {}

/// Bytes of a block of 32 codes with their ids.
fn listed_block_len(code_dim: usize) -> usize {
    block_len(code_dim) + 4 * BLOCK_ROWS
}

/// Rows in cells, reached over cells of centroids.
#[derive(Debug, Clone, PartialEq)]
pub struct Cells {
    code_dim: usize,
    /// From level 0, which holds the rows, upwards; each level holds the centroids of the one below,
    /// and the last one is a single cell.
    levels: Vec<Level>,
    /// For every row one of its places: block of level 0 times 32 plus lane.
    places: Vec<u32>,
}

/// The cells of one level.
#[derive(Debug, Clone, PartialEq)]
struct Level {
    /// Number of rows, or of cells of the level below.
    members: usize,
    /// Unit of `rescale` in the codes' factors.
    rescale_step: f32,
    /// Unit of `offset` in the codes' factors.
    offset_step: f32,
    /// int8 codes of the centroids, row-major; none for a single cell, whose centroid is the mean.
    centroids: Part,
    /// What turns the score of a centroid into that of its direction.
    weights: Vec<f32>,
    /// First block of every cell in `blocks`, and the end of the last one.
    starts: Vec<u32>,
    /// Blocks of 32 codes as in [`crate::vector::binary`], each followed by the ids of its rows (32
    /// u32, 2^32 - 1 for none).
    blocks: Part,
}

impl Level {
    /// Number of cells.
    fn len(&self) -> usize {
        self.weights.len()
    }

    /// The int8 code of a cell's centroid.
    fn centroid(&self, code_dim: usize, cell: u32) -> Option<&[i8]> {
        let start = (cell as usize).checked_mul(code_dim)?;
        let centroid = self.centroids.get(start..)?.get(..code_dim)?;
        Some(bytemuck::cast_slice(centroid))
    }

    /// The blocks of a cell.
    fn cell(&self, code_dim: usize, cell: u32) -> Option<&[u8]> {
        let at = cell as usize;
        let block = listed_block_len(code_dim);
        let (start, end) = (
            *self.starts.get(at)? as usize,
            *self.starts.get(at + 1)? as usize,
        );
        self.blocks.get(start * block..end * block)
    }
}

impl Cells {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.levels.first().map_or(0, |level| level.members)
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of cells that hold rows.
    #[must_use]
    pub fn cell_count(&self) -> usize {
        self.levels.first().map_or(0, Level::len)
    }

    /// Bytes held in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let of_level = |level: &Level| {
            level.blocks.len()
                + level.centroids.len()
                + size_of_val(level.weights.as_slice())
                + size_of_val(level.starts.as_slice())
        };
        self.levels.iter().map(of_level).sum::<usize>() + size_of_val(self.places.as_slice())
    }

    /// Appends the stored form: number of levels; per level from 0 up the two steps and the number of
    /// cells, then weight and number of blocks of each; then per level centroids and blocks.
    pub fn write(&self, writer: &mut Writer) {
        writer.varint(self.levels.len() as u64);
        for level in &self.levels {
            writer.f32(level.rescale_step);
            writer.f32(level.offset_step);
            writer.varint(level.len() as u64);
            for (weight, pair) in level.weights.iter().zip(level.starts.windows(2)) {
                writer.f32(*weight);
                writer.varint(u64::from(pair[1] - pair[0]));
            }
        }
        for level in &self.levels {
            writer.raw(&level.centroids);
            writer.raw(&level.blocks);
        }
    }

    /// Reads the cells of `rows` rows from all of `bytes`.
    ///
    /// # Errors
    /// [`FormatError`] for truncation, bytes left over, numbers that a build cannot have produced,
    /// and ids of rows that do not exist.
    ///
    /// Cost: one look at every id. The bytes are kept as they are.
    pub fn parse(bytes: Vec<u8>, rows: usize, quantizer: &Quantizer) -> Result<Self, FormatError> {
        let code_dim = quantizer.code_dim();
        let bytes = Arc::new(bytes);
        let mut reader = Reader::new(&bytes, "cells");
        let level_count = reader.varint_max(MAX_LEVELS as u64, "level count")?;
        let mut levels: Vec<Level> = Vec::new();
        let mut members = rows;
        for _ in 0..level_count {
            let level = Level::read_directory(&mut reader, members, code_dim)?;
            members = level.len();
            levels.push(level);
        }
        // No rows, or a single cell at the top.
        if members != usize::from(rows > 0) || (rows > 0 && levels.is_empty()) {
            return Err(reader.error("level count", Problem::Inconsistent));
        }
        for level in &mut levels {
            level.read_cells(&mut reader, &bytes, code_dim)?;
        }
        reader.end()?;
        Self::new(code_dim, levels).ok_or_else(|| reader.error("row id", Problem::Inconsistent))
    }

    /// Looks up the places of rows; `None` if a row is in no cell.
    fn new(code_dim: usize, levels: Vec<Level>) -> Option<Self> {
        let mut places = Vec::new();
        if let Some(rows) = levels.first() {
            let blocks = rows.blocks.chunks_exact(listed_block_len(code_dim));
            // Before memory is taken for as many as a number found somewhere says.
            if rows.members > blocks.len() * BLOCK_ROWS {
                return None;
            }
            places.resize(rows.members, NO_ROW);
            for (id, place) in blocks.flat_map(ids).zip(0..) {
                if let Some(first) = places.get_mut(id as usize) {
                    *first = place.min(*first);
                }
            }
        }
        (!places.contains(&NO_ROW)).then_some(Self {
            code_dim,
            levels,
            places,
        })
    }
}

impl Level {
    /// Reads what is known of a level's cells before they are read.
    fn read_directory(
        reader: &mut Reader<'_>,
        members: usize,
        code_dim: usize,
    ) -> Result<Self, FormatError> {
        let positive = |reader: &mut Reader<'_>, field| match reader.f32(field)? {
            number if (0.0..=1e24).contains(&number) => Ok(number),
            _ => Err(reader.error(field, Problem::Inconsistent)),
        };
        let rescale_step = positive(reader, "rescale step")?;
        let offset_step = positive(reader, "offset step")?;
        // A cell takes at least 5 bytes, and a block more than one.
        let count = reader.count(5, "cell count")?;
        if count == 0 || count > members {
            return Err(reader.error("cell count", Problem::Inconsistent));
        }
        let mut weights = Vec::with_capacity(count);
        let mut starts = Vec::with_capacity(count + 1);
        starts.push(0u32);
        let mut end = 0u64;
        for _ in 0..count {
            weights.push(positive(reader, "weight")?);
            let blocks = reader.varint_max(u32::MAX.into(), "block count")?;
            end += blocks;
            if end * listed_block_len(code_dim) as u64 > reader.left() as u64 {
                let (need, left) = (
                    end * listed_block_len(code_dim) as u64,
                    reader.left() as u64,
                );
                return Err(reader.error("block count", Problem::Truncated { need, left }));
            }
            starts.push(end as u32);
        }
        if end > MAX_BLOCKS {
            let (got, max) = (end, MAX_BLOCKS);
            return Err(reader.error("block count", Problem::OutOfRange { got, max }));
        }
        Ok(Self {
            members,
            rescale_step,
            offset_step,
            centroids: Part::default(),
            weights,
            starts,
            blocks: Part::default(),
        })
    }

    /// Finds the cells in all bytes, which `reader` reads.
    fn read_cells(
        &mut self,
        reader: &mut Reader<'_>,
        bytes: &Arc<Vec<u8>>,
        code_dim: usize,
    ) -> Result<(), FormatError> {
        let mut part = |len, field| {
            let start = reader.offset();
            reader.take(len, field)?;
            Ok(Part {
                bytes: Arc::clone(bytes),
                range: start..start + len,
            })
        };
        if self.len() > 1 {
            self.centroids = part(self.len() * code_dim, "centroids")?;
        }
        let count = self.starts.last().copied().unwrap_or(0) as usize;
        self.blocks = part(count * listed_block_len(code_dim), "cells")?;
        let blocks = self.blocks.chunks_exact(listed_block_len(code_dim));
        let known = |id: u32| id == NO_ROW || (id as usize) < self.members;
        match blocks.flat_map(ids).all(known) {
            true => Ok(()),
            false => Err(reader.error("row id", Problem::Inconsistent)),
        }
    }
}

/// Bytes that stay where they are, in others.
#[derive(Debug, Clone, Default)]
struct Part {
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl From<Vec<u8>> for Part {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            range: 0..bytes.len(),
            bytes: Arc::new(bytes),
        }
    }
}

impl Deref for Part {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.range.clone()).unwrap_or(&[])
    }
}

impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// The ids at the end of a block.
fn ids(block: &[u8]) -> impl Iterator<Item = u32> {
    let ids = block
        .last_chunk::<{ 4 * BLOCK_ROWS }>()
        .map_or(&[][..], |ids| ids.as_chunks::<4>().0);
    ids.iter().map(|&id| u32::from_le_bytes(id))
}

/// Rows of int8 codes, row-major.
#[derive(Debug, Clone, Copy)]
struct Rows<'a> {
    codes: &'a [i8],
    code_dim: usize,
}

impl<'a> Rows<'a> {
    fn len(&self) -> usize {
        self.codes.len() / self.code_dim
    }

    fn row(&self, id: usize) -> &'a [i8] {
        &self.codes[id * self.code_dim..][..self.code_dim]
    }
}
