//! 1-bit codes: `code_dim / 8 + 4` bytes per row.
//!
//! # Stored: blocks of 32 rows
//! ```text
//! block = signs (4 code_dim bytes) ++ rescale (32 u16) ++ offset (32 i16)
//! signs = code_dim / 4 groups of 16 bytes; byte i of group g:
//!         low nibble  = signs of row i      in dimensions 4g..4g+4, least significant first
//!         high nibble = signs of row i + 16
//! ```
//! Rows are transposed so that one byte shuffle looks up 16 rows in a table of the query ("fast
//! scan": André, Kermarrec and Le Scouarnec, VLDB 2015). The last block is padded with zeros.
//!
//! # Resident: rows
//! A graph walk touches single rows in any order. [`BinaryRows`] keeps each in one piece, factors
//! first, and scores it from the bit planes of the query, to the same bits as a scan.

use alloc::vec::Vec;

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::vector::Quantizer;
use crate::vector::Query;
use crate::vector::RowCode;
use crate::vector::quantizer::Factors;
use crate::vector::topk::Candidate;
use crate::vector::topk::TopK;

/// Rows in a block.
pub const BLOCK_ROWS: usize = 32;

const FACTOR_BYTES: usize = 4 * BLOCK_ROWS;

/// Length in bytes of one block.
#[must_use]
pub fn block_len(code_dim: usize) -> usize {
    4 * code_dim + FACTOR_BYTES
}

/// Lays rows out in blocks.
#[derive(Debug, Clone)]
pub struct BinaryWriter {
    code_dim: usize,
    rows: usize,
    bytes: Vec<u8>,
}

impl BinaryWriter {
    /// An empty run of codes of `code_dim` dimensions.
    #[must_use]
    pub fn new(code_dim: usize) -> Self {
        Self { code_dim, rows: 0, bytes: Vec::new() }
    }

    /// Appends a row encoded by a quantizer of the same `code_dim`.
    pub fn push(&mut self, code: &RowCode) {
        let lane = self.rows % BLOCK_ROWS;
        if lane == 0 {
            self.bytes.resize(self.bytes.len() + block_len(self.code_dim), 0);
        }
        self.rows += 1;
        let start = self.bytes.len() - block_len(self.code_dim);
        let (signs, factors) = self.bytes[start..].split_at_mut(4 * self.code_dim);
        let (column, shift) = (lane % 16, 4 * (lane / 16));
        for (words, &word) in signs.chunks_exact_mut(256).zip(&code.signs) {
            for (group, bytes) in words.chunks_exact_mut(16).enumerate() {
                bytes[column] |= (word >> (4 * group) & 15) as u8 * (1 << shift);
            }
        }
        let (rescale, offset) = factors.split_at_mut(2 * BLOCK_ROWS);
        rescale[2 * lane..][..2].copy_from_slice(&code.factors.rescale.to_le_bytes());
        offset[2 * lane..][..2].copy_from_slice(&code.factors.offset.to_le_bytes());
    }

    /// The blocks.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The 1-bit codes of consecutive rows, in blocks.
#[derive(Debug, Clone, Copy)]
pub struct BinaryCodes<'a> {
    bytes: &'a [u8],
    rows: usize,
    code_dim: usize,
}

/// One block: signs, and the factors of its rows.
struct Block<'a> {
    signs: &'a [u8],
    factors: [Factors; BLOCK_ROWS],
}

impl<'a> BinaryCodes<'a> {
    /// Views `bytes` as the codes of `rows` rows.
    ///
    /// # Errors
    /// [`FormatError`] if the length is not that of `rows / 32` blocks, rounded up.
    pub fn parse(
        bytes: &'a [u8],
        rows: usize,
        quantizer: &Quantizer,
    ) -> Result<Self, FormatError> {
        let code_dim = quantizer.code_dim();
        let mut reader = Reader::new(bytes, "binary codes");
        if u32::try_from(rows).is_err() {
            let problem = Problem::OutOfRange { got: rows as u64, max: u32::MAX.into() };
            return Err(reader.error("row count", problem));
        }
        let Some(len) = rows.div_ceil(BLOCK_ROWS).checked_mul(block_len(code_dim)) else {
            return Err(reader.error("row count", Problem::Inconsistent));
        };
        let bytes = reader.take(len, "blocks")?;
        reader.end()?;
        Ok(Self { bytes, rows, code_dim })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    fn blocks(&self) -> impl Iterator<Item = Block<'a>> {
        let code_dim = self.code_dim;
        self.bytes.chunks_exact(block_len(code_dim)).map(move |block| {
            let (signs, factors) = block.split_at(4 * code_dim);
            let (pairs, _) = factors.as_chunks::<2>();
            let (rescale, offset) = pairs.split_at(BLOCK_ROWS);
            let mut decoded = [Factors::default(); BLOCK_ROWS];
            for ((factors, &rescale), &offset) in decoded.iter_mut().zip(rescale).zip(offset) {
                factors.rescale = u16::from_le_bytes(rescale);
                factors.offset = i16::from_le_bytes(offset);
            }
            Block { signs, factors: decoded }
        })
    }

    /// Scores every row that `allowed` admits and returns the `top_c` best, best first.
    ///
    /// Bit `id % 64` of word `id / 64` of `allowed` admits row `id`; rows past its end are not
    /// admitted. Blocks without an admitted row are skipped.
    ///
    /// Cost: `code_dim / 32` shuffles per row; one thread, no allocation but the result.
    #[must_use]
    pub fn scan(&self, query: &Query, allowed: Option<&[u64]>, top_c: usize) -> Vec<Candidate> {
        let mut top = TopK::new(top_c);
        self.scan_into(query, 0, allowed, &mut top);
        top.into_sorted()
    }

    /// As [`BinaryCodes::scan`], for a run of rows that is part of a larger set: row `i` has the id
    /// `first_id + i`, in `allowed` as in the candidates collected.
    ///
    /// Codes of another dimension than the query's are not scored.
    pub fn scan_into(
        &self,
        query: &Query,
        first_id: u32,
        allowed: Option<&[u64]>,
        top: &mut TopK,
    ) {
        if query.code_dim() != self.code_dim {
            return;
        }
        let mut distances = [0u32; BLOCK_ROWS];
        let mut id = first_id;
        let mut left = self.rows;
        for block in self.blocks() {
            let present = if left >= BLOCK_ROWS { u32::MAX } else { (1 << left) - 1 };
            let mut lanes = present & allowed.map_or(u32::MAX, |bits| lanes_at(bits, id));
            if lanes != 0 {
                (query.kernels.block_distances)(block.signs, &query.tables, &mut distances);
                let mut scores = [0.0f32; BLOCK_ROWS];
                for ((score, &distance), factors) in
                    scores.iter_mut().zip(&distances).zip(&block.factors)
                {
                    *score = query.binary_score(distance, factors.rescale, factors.offset);
                }
                // Most blocks end here once the collector is full.
                let least = match top.threshold() {
                    0 => f32::NEG_INFINITY,
                    key => Candidate::from_key(key).score,
                };
                let promising = scores
                    .iter()
                    .enumerate()
                    .fold(0u32, |mask, (lane, &score)| mask | u32::from(score >= least) << lane);
                lanes &= promising;
                while lanes != 0 {
                    let lane = lanes.trailing_zeros();
                    lanes &= lanes - 1;
                    let score = scores[lane as usize];
                    top.push(Candidate { id: id.wrapping_add(lane), score });
                }
            }
            id = id.wrapping_add(BLOCK_ROWS as u32);
            left = left.saturating_sub(BLOCK_ROWS);
        }
    }
}

/// 32 bits of a bitmap from bit `at` on; zeros past its end.
fn lanes_at(bits: &[u64], at: u32) -> u32 {
    let (word, shift) = ((at / 64) as usize, at % 64);
    let word_at = |index: usize| bits.get(index).copied().unwrap_or(0);
    let low = word_at(word) >> shift;
    let high = if shift > 32 { word_at(word + 1) << (64 - shift) } else { 0 };
    (low | high) as u32
}

/// Whether a bitmap holds `id`.
pub(crate) fn is_allowed(allowed: Option<&[u64]>, id: u32) -> bool {
    allowed.is_none_or(|bits| bits.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1))
}

/// The 1-bit codes of all rows in memory, each in one piece.
///
/// Layout: per row one word with the factors (`rescale | offset << 16`), then `code_dim / 64` words
/// of signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinaryRows {
    words: Vec<u64>,
    /// Words per row.
    stride: usize,
}

impl BinaryRows {
    /// Takes the rows out of their blocks.
    #[must_use]
    pub fn new(codes: &BinaryCodes<'_>) -> Self {
        let stride = 1 + codes.code_dim / 64;
        let mut words = alloc::vec![0u64; codes.rows * stride];
        for (block, rows) in codes.blocks().zip(words.chunks_mut(BLOCK_ROWS * stride)) {
            for (lane, row) in rows.chunks_exact_mut(stride).enumerate() {
                let (column, shift) = (lane % 16, 4 * (lane / 16));
                let Factors { rescale, offset } = block.factors[lane];
                row[0] = u64::from(rescale) | u64::from(offset as u16) << 16;
                for (word, groups) in row[1..].iter_mut().zip(block.signs.chunks_exact(256)) {
                    for (group, bytes) in groups.chunks_exact(16).enumerate() {
                        *word |= u64::from(bytes[column] >> shift & 15) << (4 * group);
                    }
                }
            }
        }
        Self { words, stride }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len() / self.stride
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn row(&self, id: u32) -> Option<&[u64]> {
        let start = (id as usize).checked_mul(self.stride)?;
        self.words.get(start..)?.get(..self.stride)
    }

    /// The score of row `id`, equal to the bit to that of a scan; `None` past the last row.
    #[must_use]
    pub fn score(&self, query: &Query, id: u32) -> Option<f32> {
        let row = self.row(id)?;
        (query.code_dim() == 64 * (self.stride - 1)).then(|| score_row(query, row[0], &row[1..]))
    }

    /// Appends the candidates of `ids` to `out`, in their order; ids past the last row are left out.
    ///
    /// Rows are first all touched, then scored: their cache misses overlap, which in WebAssembly,
    /// without prefetch instructions, makes random rows about twice as fast.
    pub fn score_into(&self, query: &Query, ids: &[u32], out: &mut Vec<Candidate>) {
        if query.code_dim() != 64 * (self.stride - 1) {
            return;
        }
        let mut heads = [0u64; 64];
        for ids in ids.chunks(heads.len()) {
            for (head, &id) in heads.iter_mut().zip(ids) {
                *head = self.row(id).map_or(0, |row| row[0]);
            }
            for (&head, &id) in heads.iter().zip(ids) {
                if let Some(row) = self.row(id) {
                    out.push(Candidate { id, score: score_row(query, head, &row[1..]) });
                }
            }
        }
    }
}

fn score_row(query: &Query, factors: u64, signs: &[u64]) -> f32 {
    let distance = (query.kernels.row_distance)(signs, &query.planes);
    query.binary_score(distance, factors as u16, (factors >> 16) as u16 as i16)
}
