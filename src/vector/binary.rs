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
use crate::vector::topk::Shortlist;

pub use crate::vector::arch::BLOCK_ROWS;
use crate::vector::arch::FACTOR_BYTES;

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
        Self {
            code_dim,
            rows: 0,
            bytes: Vec::new(),
        }
    }

    /// Appends a row encoded by a quantizer of the same `code_dim`.
    pub fn push(&mut self, code: &RowCode) {
        let lane = self.rows % BLOCK_ROWS;
        if lane == 0 {
            self.bytes
                .resize(self.bytes.len() + block_len(self.code_dim), 0);
        }
        self.rows += 1;
        let start = self.bytes.len() - block_len(self.code_dim);
        put(&mut self.bytes[start..], lane, &code.signs, code.factors);
    }

    /// The blocks.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Writes one row into an empty lane of a block; what follows the factors is left alone.
pub(crate) fn put(block: &mut [u8], lane: usize, signs: &[u64], factors: Factors) {
    let (groups, rest) = block.split_at_mut(256 * signs.len());
    let (column, shift) = (lane % 16, 4 * (lane / 16));
    for (groups, &word) in groups.chunks_exact_mut(256).zip(signs) {
        for (group, bytes) in groups.chunks_exact_mut(16).enumerate() {
            bytes[column] |= (word >> (4 * group) & 15) as u8 * (1 << shift);
        }
    }
    let (rescale, offset) = rest.split_at_mut(2 * BLOCK_ROWS);
    rescale[2 * lane..][..2].copy_from_slice(&factors.rescale.to_le_bytes());
    offset[2 * lane..][..2].copy_from_slice(&factors.offset.to_le_bytes());
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
    factors: &'a [u8; FACTOR_BYTES],
}

impl Block<'_> {
    fn factors(&self, lane: usize) -> Factors {
        let (rescale, offset) = self.factors.as_chunks::<2>().0.split_at(BLOCK_ROWS);
        Factors {
            rescale: u16::from_le_bytes(rescale[lane]),
            offset: i16::from_le_bytes(offset[lane]),
        }
    }
}

impl<'a> BinaryCodes<'a> {
    /// Views `bytes` as the codes of `rows` rows.
    ///
    /// # Errors
    /// [`FormatError`] if the length is not that of `rows / 32` blocks, rounded up.
    pub fn parse(bytes: &'a [u8], rows: usize, quantizer: &Quantizer) -> Result<Self, FormatError> {
        let code_dim = quantizer.code_dim();
        let mut reader = Reader::new(bytes, "binary codes");
        if u32::try_from(rows).is_err() {
            let problem = Problem::OutOfRange {
                got: rows as u64,
                max: u32::MAX.into(),
            };
            return Err(reader.error("row count", problem));
        }
        let Some(len) = rows.div_ceil(BLOCK_ROWS).checked_mul(block_len(code_dim)) else {
            return Err(reader.error("row count", Problem::Inconsistent));
        };
        let bytes = reader.take(len, "blocks")?;
        reader.end()?;
        Ok(Self {
            bytes,
            rows,
            code_dim,
        })
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
        self.bytes
            .chunks_exact(block_len(code_dim))
            .filter_map(move |block| {
                let (signs, factors) = block.split_last_chunk()?;
                Some(Block { signs, factors })
            })
    }

    /// Scores every row that `allowed` admits and returns the `top_c` best, best first.
    ///
    /// Bit `id % 64` of word `id / 64` of `allowed` admits row `id`; rows past its end are not
    /// admitted. Blocks without an admitted row are skipped.
    ///
    /// Cost: `code_dim / 32` shuffles per row; one thread, no allocation but the shortlist.
    #[must_use]
    pub fn scan(&self, query: &Query, allowed: Option<&[u64]>, top_c: usize) -> Vec<Candidate> {
        let mut shortlist = Shortlist::default();
        shortlist.clear(top_c);
        self.scan_into(query, 0, allowed, &mut shortlist);
        shortlist.sorted().collect()
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
        top: &mut Shortlist,
    ) {
        if query.code_dim() != self.code_dim {
            return;
        }
        let mut scores = [0.0f32; BLOCK_ROWS];
        let mut id = first_id;
        let mut left = self.rows;
        for block in self.blocks() {
            let present = if left >= BLOCK_ROWS {
                u32::MAX
            } else {
                (1 << left) - 1
            };
            let mut lanes = present & allowed.map_or(u32::MAX, |bits| lanes_at(bits, id));
            if lanes != 0 {
                // Most blocks end here once the collector is full.
                lanes &= (query.kernels.block_scores)(
                    block.signs,
                    &query.tables,
                    block.factors,
                    &query.scale,
                    top.least(),
                    &mut scores,
                );
                while lanes != 0 {
                    let lane = lanes.trailing_zeros();
                    lanes &= lanes - 1;
                    top.push(Candidate {
                        id: id.wrapping_add(lane),
                        score: scores[lane as usize],
                    });
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
    let high = if shift > 32 {
        word_at(word + 1) << (64 - shift)
    } else {
        0
    };
    (low | high) as u32
}

/// The ids that a bitmap holds, ascending.
pub(crate) fn ones(bits: &[u64]) -> impl Iterator<Item = u32> {
    bits.iter().zip(0u32..).flat_map(|(&word, at)| {
        let mut left = word;
        core::iter::from_fn(move || {
            let bit = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (bit < 64).then(|| 64 * at + bit)
        })
    })
}

/// Whether a bitmap holds `id`.
pub(crate) fn is_allowed(allowed: Option<&[u64]>, id: u32) -> bool {
    allowed.is_none_or(|bits| {
        bits.get(id as usize / 64)
            .is_some_and(|word| word >> (id % 64) & 1 == 1)
    })
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
                let Factors { rescale, offset } = block.factors(lane);
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
                    out.push(Candidate {
                        id,
                        score: score_row(query, head, &row[1..]),
                    });
                }
            }
        }
    }
}

fn score_row(query: &Query, factors: u64, signs: &[u64]) -> f32 {
    let distance = (query.kernels.row_distance)(signs, &query.planes);
    query
        .scale
        .score(distance, factors as u16, (factors >> 16) as u16 as i16)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::BinaryCodes;
    use super::BinaryRows;
    use super::BinaryWriter;
    use super::is_allowed;
    use super::score_row;
    use crate::vector::Metric;
    use crate::vector::Quantizer;
    use crate::vector::Query;
    use crate::vector::RowCode;
    use crate::vector::rotate::SplitMix64;
    use crate::vector::topk::Candidate;
    use crate::vector::topk::Shortlist;
    use std::vec;
    use std::vec::Vec;

    struct Sample {
        quantizer: Quantizer,
        query: Query,
        codes: Vec<RowCode>,
        blocks: Vec<u8>,
    }

    fn sample(count: usize, dim: usize) -> Sample {
        let mut random = SplitMix64::new(count as u64);
        let mut row = || -> Vec<f32> {
            (0..dim)
                .map(|_| random.below(2000) as f32 / 1000.0 - 0.9)
                .collect()
        };
        let rows: Vec<Vec<f32>> = (0..count.max(1)).map(|_| row()).collect();
        let quantizer = Quantizer::train(Metric::Cosine, dim, 1, &rows).expect("training");
        let encode = |row: &Vec<f32>| quantizer.encode_row(row).expect("row");
        let codes: Vec<RowCode> = rows[..count].iter().map(encode).collect();
        let mut blocks = BinaryWriter::new(quantizer.code_dim());
        codes.iter().for_each(|code| blocks.push(code));
        let query = Query::new(&quantizer, &row()).expect("query");
        Sample {
            quantizer,
            query,
            codes,
            blocks: blocks.into_bytes(),
        }
    }

    impl Sample {
        fn view(&self) -> BinaryCodes<'_> {
            BinaryCodes::parse(&self.blocks, self.codes.len(), &self.quantizer).expect("blocks")
        }

        /// Scores of the admitted rows, each from its own code, all sorted.
        fn naive(&self, allowed: Option<&[u64]>) -> Vec<Candidate> {
            let mut all: Vec<Candidate> = (0..self.codes.len() as u32)
                .filter(|&id| is_allowed(allowed, id))
                .map(|id| {
                    let code = &self.codes[id as usize];
                    let offset = code.factors.offset as u16;
                    let factors = u64::from(code.factors.rescale) | u64::from(offset) << 16;
                    Candidate {
                        id,
                        score: score_row(&self.query, factors, &code.signs),
                    }
                })
                .collect();
            all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
            all
        }
    }

    #[test]
    fn rows_taken_out_of_blocks_are_those_encoded() {
        for (count, dim) in [(0, 64), (1, 64), (31, 70), (32, 128), (33, 200), (100, 384)] {
            let sample = sample(count, dim);
            let rows = BinaryRows::new(&sample.view());
            assert_eq!(rows.len(), count);
            for (id, code) in sample.codes.iter().enumerate() {
                assert_eq!(rows.row(id as u32).expect("row")[1..], code.signs);
            }
            assert_eq!(rows.score(&sample.query, count as u32), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn scan_of_any_rows_and_filter_equals_a_sort_of_all_scores(
            count in 0usize..150,
            dim in 1usize..300,
            filter in proptest::option::of(proptest::collection::vec(proptest::num::u64::ANY, 0..4)),
            top_c in 0usize..60,
            first_id in 0u32..100,
        ) {
            let sample = sample(count, dim);
            let mut expected = sample.naive(filter.as_deref());
            expected.truncate(top_c);
            let found = sample.view().scan(&sample.query, filter.as_deref(), top_c);
            proptest::prop_assert_eq!(&found, &expected);

            // The same rows further on in a larger set.
            let shifted = filter.map(|words| {
                let mut bits = vec![0u64; words.len() + 3];
                for id in (0..64 * words.len() as u32).filter(|&id| is_allowed(Some(&words), id)) {
                    let at = id + first_id;
                    bits[at as usize / 64] |= 1 << (at % 64);
                }
                bits
            });
            let mut top = Shortlist::default();
            top.clear(top_c);
            sample.view().scan_into(&sample.query, first_id, shifted.as_deref(), &mut top);
            let found: Vec<Candidate> = top
                .sorted()
                .map(|c| Candidate { id: c.id - first_id, ..c })
                .collect();
            proptest::prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn blocks_of_another_length_are_refused() {
        let sample = sample(40, 64);
        for len in [0, 1, sample.blocks.len() - 1] {
            assert!(BinaryCodes::parse(&sample.blocks[..len], 40, &sample.quantizer).is_err());
        }
        for rows in [0, 32, 65, usize::MAX] {
            assert!(BinaryCodes::parse(&sample.blocks, rows, &sample.quantizer).is_err());
        }
    }

    #[test]
    fn query_of_another_dimension_finds_nothing() {
        let (small, large) = (sample(40, 64), sample(40, 128));
        assert_eq!(small.view().scan(&large.query, None, 5), []);
        let rows = BinaryRows::new(&small.view());
        assert_eq!(rows.score(&large.query, 0), None);
        let mut found = Vec::new();
        rows.score_into(&large.query, &[0, 1], &mut found);
        assert_eq!(found, []);
    }
}
