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
//! | `stored.rs` | router and cells as they are stored |
//! | `routes.rs` | the cells that rows of terms lead to |
//! | `descent.rs` | descent that reads the cells it needs |
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
mod descent;
mod encode;
mod kmeans;
mod routes;
mod search;
mod spill;
mod stored;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

use core::fmt;

use alloc::vec::Vec;

use crate::vector::Factors;
use crate::vector::arch::BLOCK_ROWS;
use crate::vector::binary::block_len;
use crate::vector::binary::put;

pub use build::build;
pub use descent::Descent;
pub use descent::MAX_WIDENING;
pub use descent::Reach;
pub use routes::ROUTES_LEN;
pub use routes::RouteFinder;
pub use routes::RouteScores;
pub use routes::RoutedCells;
pub use search::CellScratch;
pub use search::Probe;
pub use stored::Place;
pub use stored::Router;
pub use stored::Stored;

/// Levels of cells: each is smaller than the one below by a factor of at least two.
const MAX_LEVELS: usize = 32;

/// Most cells that hold the same row.
const MAX_COPIES: usize = 4;

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
    /// Centroids that are put in a single cell at most, without a level in between.
    pub top: usize,
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
            top: TOP_CENTROIDS,
            seed: 0,
        }
    }

    /// The parameters for `rows` rows of which searches read as few bytes as possible.
    ///
    /// With `n` rows in cells of `m` the router takes bytes in proportion to `n / m` and the cells
    /// of a query in proportion to `m`, so the best `m` grows with the root of `n`. A router of two
    /// levels takes fewer bytes and one more wave: 66,000 rows of MiniLM in 192 dimensions are
    /// searched with a recall of 0.83 for 51 kB at once with 75 rows a cell, and with 0.84 for 39 kB one
    /// after the other with 35. A wave over a slow line costs as much time as 100 kB; so there is one
    /// level until it gets too large.
    #[must_use]
    pub fn for_reading(rows: usize, copies: usize) -> Self {
        let at_root = libm::sqrt(rows as f64) as usize / 4;
        let in_one_level = at_root.max(rows.div_ceil(ONE_LEVEL)).max(16);
        Self {
            rows_per_cell: match in_one_level {
                rows_per_cell @ ..=85 => rows_per_cell,
                _ => 35,
            },
            copies,
            top: TOP_READ,
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

/// So few centroids are put in a single cell for searches in memory: it takes less time to scan it
/// than to choose in it.
const TOP_CENTROIDS: usize = 4096;

/// And so few for searches that read what they need, which have to read them all.
const TOP_READ: usize = 1024;

/// Cells that those are made for, with some room for cells that are split.
const ONE_LEVEL: usize = 900;

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
    /// What is known of every cell.
    heads: Vec<Head>,
    /// int8 codes of the centroids, row-major; none for a single cell, whose centroid is the mean.
    centroids: Vec<u8>,
    /// First block of every cell in `blocks`, and the end of the last one.
    starts: Vec<u32>,
    /// Blocks of 32 codes as in [`crate::vector::binary`], each followed by the ids of its rows (32
    /// u32, 2^32 - 1 for none).
    blocks: Vec<u8>,
}

/// What is known of a cell beside its centroid and its members.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Head {
    /// What turns the score of the centroid into that of its direction.
    weight: f32,
    /// Unit of `rescale` in the codes' factors.
    rescale_step: f32,
    /// Unit of `offset` in the codes' factors.
    offset_step: f32,
}

impl Level {
    /// A level without cells.
    fn new(members: usize) -> Self {
        Self {
            members,
            heads: Vec::new(),
            centroids: Vec::new(),
            starts: alloc::vec![0],
            blocks: Vec::new(),
        }
    }

    /// Appends a cell of codes with factors of 8 bits and their ids.
    fn push<'a>(
        &mut self,
        code_dim: usize,
        head: Head,
        centroid: &[i8],
        members: impl IntoIterator<Item = (u32, &'a [u64], Factors)>,
    ) {
        self.heads.push(head);
        self.centroids
            .extend_from_slice(bytemuck::cast_slice(centroid));
        let mut lane = BLOCK_ROWS;
        let mut start = self.blocks.len();
        for (id, signs, factors) in members {
            let codes = block_len(code_dim);
            if lane == BLOCK_ROWS {
                (lane, start) = (0, self.blocks.len());
                self.blocks.resize(start + codes, 0);
                self.blocks.resize(start + codes + 4 * BLOCK_ROWS, u8::MAX);
            }
            let (block, ids) = self.blocks[start..].split_at_mut(codes);
            put(block, lane, signs, factors);
            ids[4 * lane..][..4].copy_from_slice(&id.to_le_bytes());
            lane += 1;
        }
        let block = listed_block_len(code_dim);
        self.starts.push((self.blocks.len() / block) as u32);
    }

    /// Number of cells.
    fn len(&self) -> usize {
        self.heads.len()
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
                + size_of_val(level.heads.as_slice())
                + size_of_val(level.starts.as_slice())
        };
        self.levels.iter().map(of_level).sum::<usize>() + size_of_val(self.places.as_slice())
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
