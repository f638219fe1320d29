//! A vector in 4 bits a component: the residual of a chunk, by which candidates are rescored, or what
//! stands for a term in a query ([`crate::embed`]).
//!
//! ```text
//! ┌───────────────┬─────────────────────────────────┐
//! │ scale, f32 LE │ codes, 4 bits each, low nibble  │
//! │ finite, ≥ 0   │ first; a spare last nibble is 0 │
//! └───────────────┴─────────────────────────────────┘
//! component i = (code i − 7.5) · scale
//! ```
//!
//! Sixteen levels, symmetric around zero, none of them zero. Four bits lose nothing that a ranking
//! shows: `tests/native/fit.rs` holds the difference for terms, `DESIGN.md` the one for chunks. Each row
//! has a scale of its own, since residuals differ in length.

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::vector::Quantizer;
use crate::vector::Query;
use alloc::vec::Vec;
use core::fmt;

/// Distance of the outermost level from zero, in scales.
const REACH: f32 = 7.5;

/// Bytes of a row of `dim` components.
pub const fn row_len(dim: usize) -> usize {
    size_of::<f32>() + dim.div_ceil(2)
}

/// A component that cannot be encoded: NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFinite {
    /// Index of the component.
    pub component: usize,
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "component {} of a term row is not finite; check the embeddings it was fitted to",
            self.component
        )
    }
}

impl core::error::Error for NotFinite {}

/// Appends `row` as [`row_len`]`(row.len())` bytes.
///
/// The scale is the one of least squared error among eleven clipping points between 0.5 and 1 of
/// the largest component, each followed by one least-squares step.
///
/// # Errors
/// [`NotFinite`]; `out` is then unchanged.
pub fn encode_row(row: &[f32], out: &mut Vec<u8>) -> Result<(), NotFinite> {
    let mut largest = 0.0f32;
    for (component, x) in row.iter().enumerate() {
        if !x.is_finite() {
            return Err(NotFinite { component });
        }
        largest = largest.max(x.abs());
    }
    let scale = best_scale(row, largest);
    out.extend_from_slice(&scale.to_le_bytes());
    out.extend(row.chunks(2).map(|pair| {
        let high = pair.get(1).map_or(0, |&x| code(x, scale));
        code(pair[0], scale) | high << 4
    }));
    Ok(())
}

/// Appends the row of a residual that is given as its int8 code, `row_len(code.len())` bytes.
pub fn encode_residual(quantizer: &Quantizer, code: &[i8], out: &mut Vec<u8>) {
    let step = quantizer.int8_step();
    let residual: Vec<f32> = code.iter().map(|&x| f32::from(x) * step).collect();
    let encoded = encode_row(&residual, out);
    debug_assert!(encoded.is_ok(), "steps are at most 10^24");
}

/// The level nearest to `x`.
fn code(x: f32, scale: f32) -> u8 {
    if scale == 0.0 {
        return 0;
    }
    // Level k covers [k − 8, k − 7) · scale; the cast rounds towards zero, which is down here.
    (x / scale + 8.0).clamp(0.0, 15.0) as u8
}

fn level(code: u8) -> f32 {
    f32::from(code) - REACH
}

fn best_scale(row: &[f32], largest: f32) -> f32 {
    let mut best = (f64::INFINITY, 0.0);
    for step in 0..=10 {
        let clipped = largest * (0.5 + 0.05 * step as f32) / REACH;
        // Subnormal scales would lose the codes' precision; such a row is a zero row.
        if clipped < f32::MIN_POSITIVE {
            continue;
        }
        let (mut projection, mut energy) = (0.0f64, 0.0f64);
        for &x in row {
            let level = f64::from(level(code(x, clipped)));
            projection += f64::from(x) * level;
            energy += level * level;
        }
        let scale = (projection / energy) as f32;
        if !scale.is_finite() || scale < f32::MIN_POSITIVE {
            continue;
        }
        let mut error = 0.0f64;
        for &x in row {
            let difference = f64::from(x) - f64::from(level(code(x, scale)) * scale);
            error += difference * difference;
        }
        if error < best.0 {
            best = (error, scale);
        }
    }
    best.1
}

/// A checked row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    scale: f32,
    codes: &'a [u8],
    dim: usize,
}

impl<'a> Row<'a> {
    /// Reads a row of `dim` components.
    ///
    /// # Errors
    /// [`Problem::Truncated`] and [`Problem::TrailingBytes`] when the length is not
    /// [`row_len`]`(dim)`; [`Problem::Inconsistent`] for a scale that is negative or not finite and
    /// for a spare nibble that is not zero.
    pub fn parse(bytes: &'a [u8], dim: usize) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "term row");
        let scale = reader.f32("scale")?;
        if scale < 0.0 {
            return Err(reader.error("scale", Problem::Inconsistent));
        }
        let codes = reader.take(dim.div_ceil(2), "codes")?;
        if dim % 2 == 1 && codes.last().is_some_and(|&pair| pair >> 4 != 0) {
            return Err(reader.error("spare nibble", Problem::Inconsistent));
        }
        reader.end()?;
        Ok(Self { scale, codes, dim })
    }

    /// Adds `weight` times the row to `sum`, component by component.
    pub fn add_to(&self, sum: &mut [f32], weight: f32) {
        // A zero row stores no direction: its codes say nothing.
        let factor = self.scale * weight;
        if factor == 0.0 {
            return;
        }
        for (pair, &codes) in sum.chunks_mut(2).zip(self.codes) {
            for (x, code) in pair.iter_mut().zip([codes & 15, codes >> 4]) {
                *x += level(code) * factor;
            }
        }
    }

    /// Estimates the inner product of the query and an embedding whose residual this row is.
    ///
    /// The dot product is one of integers. A row of another length is scored on the dimensions both
    /// have.
    #[must_use]
    pub fn score(&self, query: &Query) -> f32 {
        let levels = self.levels();
        let len = levels.len().min(query.code_dim());
        query.row_score(&levels[..len], self.scale)
    }

    /// The components in halves of the scale: odd integers from -15 to 15.
    pub fn levels(&self) -> Vec<i8> {
        let twice = |code: u8| 2 * code as i8 - 15;
        let pairs = self.codes.iter();
        pairs
            .flat_map(|&pair| [twice(pair & 15), twice(pair >> 4)])
            .take(self.dim)
            .collect()
    }

    /// The components.
    pub fn decode(&self) -> Vec<f32> {
        let mut out = alloc::vec![0.0; self.dim];
        self.add_to(&mut out, 1.0);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::NotFinite;
    use super::Row;
    use super::encode_residual;
    use super::encode_row;
    use super::row_len;
    use crate::vector::Metric;
    use crate::vector::Quantizer;
    use crate::vector::Query;
    use alloc::vec::Vec;
    use proptest::prelude::prop;
    use proptest::prop_assert;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    fn encoded(row: &[f32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_row(row, &mut bytes).expect("finite row");
        bytes
    }

    #[test]
    fn zero_row_decodes_to_zeros() {
        for dim in 0..5 {
            let row = alloc::vec![0.0; dim];
            assert_eq!(
                Row::parse(&encoded(&row), dim).expect("valid").decode(),
                row
            );
        }
    }

    #[test]
    fn scores_are_near_the_inner_product_and_never_nan() {
        let mut state = 1u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        let rows: Vec<Vec<f32>> = (0..50)
            .map(|_| (0..100).map(|_| next()).collect())
            .collect();
        let quantizer = Quantizer::train(Metric::Cosine, 100, 7, &rows).expect("rows");
        let query = Query::new(&quantizer, &rows[0]).expect("query");
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        for row in &rows {
            let mut bytes = Vec::new();
            let code = quantizer.encode_row(row).expect("row");
            encode_residual(&quantizer, &code.int8, &mut bytes);
            let score = Row::parse(&bytes, 128).expect("valid").score(&query);
            let norms = libm::sqrtf(dot(&rows[0], &rows[0]) * dot(row, row));
            let cosine = dot(&rows[0], row) / norms;
            // Sixteen levels err by 0.11 of the norm, over 128 dimensions: five times that.
            assert!((score - cosine).abs() < 0.05, "{score} for {cosine}");
            bytes[..4].copy_from_slice(&f32::MAX.to_le_bytes());
            let score = Row::parse(&bytes, 128).expect("valid").score(&query);
            assert!(!score.is_nan());
        }
    }

    #[test]
    fn query_moved_towards_a_row_scores_as_the_sum_of_both_does() {
        let component = |row: usize, at: usize| ((row * 31 + at * 17) % 23) as f32 / 11.0 - 1.0;
        let rows: Vec<Vec<f32>> = (0..40)
            .map(|row| (0..128).map(|at| component(row, at)).collect())
            .collect();
        let quantizer = Quantizer::train(Metric::Cosine, 128, 7, &rows).expect("rows");
        let unit = |row: &[f32]| -> Vec<f32> {
            let norm = libm::sqrtf(row.iter().map(|x| x * x).sum());
            row.iter().map(|x| x / norm).collect()
        };
        let mut bytes = Vec::new();
        let code = quantizer.encode_row(&rows[5]).expect("row");
        encode_residual(&quantizer, &code.int8, &mut bytes);
        let row = Row::parse(&bytes, 128).expect("valid");
        let query = Query::new(&quantizer, &rows[1]).expect("query");
        let moved = query.towards(&quantizer, &[(row, 0.5)]);
        let (first, second) = (unit(&rows[1]), unit(&rows[5]));
        let sum: Vec<f32> = first
            .iter()
            .zip(&second)
            .map(|(a, b)| a + 0.5 * b)
            .collect();
        let expected = Query::new(&quantizer, &sum).expect("query");
        assert!((row.score(&moved) - row.score(&expected)).abs() < 0.03);
        assert!(row.score(&moved) > row.score(&query));
        let alone = query.towards(&quantizer, &[]);
        assert!((row.score(&alone) - row.score(&query)).abs() < 1e-3);
    }

    #[test]
    fn component_that_is_not_finite_is_named() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut out = Vec::new();
            assert_eq!(
                encode_row(&[0.0, bad], &mut out),
                Err(NotFinite { component: 1 })
            );
            assert!(out.is_empty());
        }
    }

    #[test]
    fn every_truncation_and_flip_is_an_error_or_another_finite_row() {
        let bytes = encoded(&[0.3, -0.1, 0.9, 0.0, 0.4]);
        for len in 0..bytes.len() {
            assert!(Row::parse(&bytes[..len], 5).is_err());
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                if let Ok(row) = Row::parse(&damaged, 5) {
                    assert_eq!(row.decode().len(), 5);
                }
            }
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(Row::parse(&longer, 5).is_err());
    }

    proptest! {
        #[test]
        fn decoded_row_is_near_the_encoded_one(
            row in prop::collection::vec(-1f32..1.0, 1..400),
            magnitude in -30i32..30,
        ) {
            let factor = libm::powf(2.0, magnitude as f32);
            let row: Vec<f32> = row.iter().map(|x| x * factor).collect();
            let bytes = encoded(&row);
            prop_assert_eq!(bytes.len(), row_len(row.len()));
            let back = Row::parse(&bytes, row.len()).expect("valid").decode();
            let largest = row.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            // The unclipped scale is a candidate, so the squared error is at most its own:
            // half a level each.
            let half = largest / 7.5 / 2.0 * 1.001;
            let error: f32 = row.iter().zip(&back).map(|(a, b)| (a - b) * (a - b)).sum();
            prop_assert!(error <= half * half * row.len() as f32);
        }
    }
}
