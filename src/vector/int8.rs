//! int8 codes: what builds measure distances with, and finer scores for candidates already found.
//!
//! `code_dim` bytes per row and nothing else, row-major, so the row of an id lies at
//! `id * code_dim` and can be read by itself.

use alloc::vec::Vec;
use core::hint::black_box;

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::vector::Quantizer;
use crate::vector::Query;
use crate::vector::topk::Candidate;
use crate::vector::topk::TopK;

/// The int8 codes of consecutive rows.
#[derive(Debug, Clone, Copy)]
pub struct Int8Codes<'a> {
    bytes: &'a [i8],
    code_dim: usize,
}

impl<'a> Int8Codes<'a> {
    /// Views `bytes` as the codes of `rows` rows.
    ///
    /// # Errors
    /// [`FormatError`] if the length is not `rows * code_dim`.
    pub fn parse(bytes: &'a [u8], rows: usize, quantizer: &Quantizer) -> Result<Self, FormatError> {
        let code_dim = quantizer.code_dim();
        let mut reader = Reader::new(bytes, "int8 codes");
        let Some(len) = rows.checked_mul(code_dim) else {
            return Err(reader.error("row count", Problem::Inconsistent));
        };
        let codes = reader.take(len, "codes")?;
        reader.end()?;
        Ok(Self {
            bytes: bytemuck::cast_slice(codes),
            code_dim,
        })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.code_dim
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The code of row `id`.
    #[must_use]
    pub fn row(&self, id: u32) -> Option<&'a [i8]> {
        let start = (id as usize).checked_mul(self.code_dim)?;
        self.bytes.get(start..)?.get(..self.code_dim)
    }

    /// All codes, row-major.
    #[must_use]
    pub fn as_slice(&self) -> &'a [i8] {
        self.bytes
    }
}

/// Estimates the inner product of the query and a row from the row's int8 code.
///
/// The error is about `step / sqrt(12)` times the query's norm: on unit vectors some 0.001.
/// A code of another length is scored on the dimensions both have.
#[must_use]
pub fn score(query: &Query, row: &[i8]) -> f32 {
    let len = row.len().min(query.int8.len());
    query.int8_score((query.kernels.dot_i16)(&row[..len], &query.int8[..len]))
}

/// Calls `found` with the score of every candidate that has a row.
pub(crate) fn score_each<'a>(
    query: &Query,
    candidates: &[Candidate],
    row: impl Fn(u32) -> Option<&'a [i8]>,
    mut found: impl FnMut(Candidate),
) {
    for candidates in candidates.chunks(TOUCHED) {
        let mut touched = 0;
        for candidate in candidates {
            touched ^= row(candidate.id).map_or(0, |row| touch(bytemuck::cast_slice(row)));
        }
        black_box(touched);
        for &Candidate { id, .. } in candidates {
            if let Some(row) = row(id) {
                let score = score(query, row);
                found(Candidate { id, score });
            }
        }
    }
}

/// Rows touched before the first of them is scored.
const TOUCHED: usize = 16;

/// Reads one byte of every cache line, so that the misses of many lines overlap: WebAssembly has no
/// instruction that prefetches.
fn touch(bytes: &[u8]) -> u8 {
    let (lines, _) = bytes.as_chunks::<64>();
    lines.iter().fold(0, |sum, line| sum ^ line[0])
}

/// Scores `candidates` again from their int8 codes and keeps the `k` best.
///
/// Candidates without a code are left out.
#[must_use]
pub fn rescore(
    query: &Query,
    codes: &Int8Codes<'_>,
    candidates: &[Candidate],
    k: usize,
) -> Vec<Candidate> {
    let mut top = TopK::new(k);
    score_each(
        query,
        candidates,
        |id| codes.row(id),
        |candidate| {
            top.push(candidate);
        },
    );
    top.into_sorted()
}
