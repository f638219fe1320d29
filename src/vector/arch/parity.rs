//! The harness every table of kernels is run through, natively and in WebAssembly.
//!
//! It needs no file and no random source, so it is compiled into the library and called by
//! `tests/parity_vector.rs` on every target, and by the property tests.

use alloc::string::String;
use alloc::vec::Vec;

use super::BLOCK_ROWS;
use super::FACTOR_BYTES;
use super::Kernels;
use super::Scale;
use super::TILE;
use super::scalar::SCALAR;
use crate::vector::rotate::SplitMix64;

/// Compares `kernels` with the scalar ones on rows of every length that matters.
///
/// Codes: every multiple of 64 dimensions up to 1536 and some up to 8192; rows of words: 0 to 40;
/// dot products: every length from 0 to 260 and some up to 8192, so that every lane boundary and its
/// two neighbours are met. Values: random, and all at their extremes.
///
/// # Errors
/// A description of the first difference.
pub fn compare(kernels: &Kernels, seed: u64) -> Result<(), String> {
    let mut random = SplitMix64::new(seed);
    let words = (1..=24).chain([32, 48, 63, 64, 65, 127, 128]);
    for words in words {
        for fill in Fill::ALL {
            for planes in [1, 2, 4] {
                compare_block(kernels, words, planes, fill, &mut random)?;
            }
        }
    }
    for words in (0..=40).chain([64, 127, 128]) {
        for fill in Fill::ALL {
            compare_row(kernels, words, fill, &mut random)?;
        }
    }
    for len in (0..=260).chain([383, 384, 385, 1535, 1536, 8191, 8192]) {
        for fill in Fill::ALL {
            compare_dots(kernels, len, fill, &mut random)?;
        }
    }
    Ok(())
}

/// How inputs are filled.
#[derive(Debug, Clone, Copy)]
enum Fill {
    Random,
    Lowest,
    Highest,
}

impl Fill {
    const ALL: [Self; 3] = [Self::Random, Self::Lowest, Self::Highest];

    /// `len` numbers in `low..=high`.
    fn numbers(self, low: i64, high: i64, len: usize, random: &mut SplitMix64) -> Vec<i64> {
        let span = (high - low) as u64 + 1;
        let mut number = || match self {
            Self::Random => low + random.below(span) as i64,
            Self::Lowest => low,
            Self::Highest => high,
        };
        (0..len).map(|_| number()).collect()
    }

    fn words(self, len: usize, random: &mut SplitMix64) -> Vec<u64> {
        self.numbers(0, i64::from(u32::MAX), 2 * len, random)
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| (pair[0] as u64) << 32 | pair[1] as u64)
            .collect()
    }
}

fn differs<T: core::fmt::Debug>(kernel: &str, len: usize, fill: Fill, got: T, want: T) -> String {
    alloc::format!("{kernel}, length {len}, {fill:?}: {got:?}, the specification gives {want:?}")
}

fn compare_block(
    kernels: &Kernels,
    words: usize,
    planes: usize,
    fill: Fill,
    random: &mut SplitMix64,
) -> Result<(), String> {
    let len = 256 * words;
    let signs: Vec<u8> = fill
        .numbers(0, 255, planes * len, random)
        .into_iter()
        .map(|x| x as u8)
        .collect();
    let tables: Vec<u8> = fill
        .numbers(0, 60, len, random)
        .into_iter()
        .map(|x| x as u8)
        .collect();
    let factors = fill.numbers(0, 255, FACTOR_BYTES, random);
    let factors: Vec<u8> = factors.into_iter().map(|x| x as u8).collect();
    let factors = factors.first_chunk().unwrap_or(&[0; FACTOR_BYTES]);
    let mut step = || (random.below(1 << 20) as f32 - 524_288.0) * 1e-9;
    let scale = Scale {
        nearest: (15 * 64 * words * ((1 << planes) - 1)) as i32,
        rescale: step(),
        offset: step(),
        bias: step(),
    };
    let mut want = [9.0; BLOCK_ROWS];
    (SCALAR.block_scores)(&signs, &tables, factors, &scale, 0.0, &mut want);
    // The score of one row as the bound: its own bit must be set, and those of better rows.
    for least in [want[0], want[31], f32::INFINITY, f32::NEG_INFINITY] {
        let mut got = [7.0; BLOCK_ROWS];
        let reached = (kernels.block_scores)(&signs, &tables, factors, &scale, least, &mut got);
        let expected = (SCALAR.block_scores)(&signs, &tables, factors, &scale, least, &mut want);
        if got.map(f32::to_bits) != want.map(f32::to_bits) || reached != expected {
            let (got, want) = ((reached, got), (expected, want));
            return Err(differs("block_scores", len, fill, got, want));
        }
    }
    Ok(())
}

fn compare_row(
    kernels: &Kernels,
    words: usize,
    fill: Fill,
    random: &mut SplitMix64,
) -> Result<(), String> {
    let planes = fill.words(4 * words, random);
    for sign_fill in Fill::ALL {
        let signs = sign_fill.words(words, random);
        let got = (kernels.row_distance)(&signs, &planes);
        let want = (SCALAR.row_distance)(&signs, &planes);
        if got != want {
            return Err(differs("row_distance", words, fill, got, want));
        }
    }
    Ok(())
}

fn compare_dots(
    kernels: &Kernels,
    len: usize,
    fill: Fill,
    random: &mut SplitMix64,
) -> Result<(), String> {
    let small = |fill: Fill, random: &mut SplitMix64| -> Vec<i8> {
        fill.numbers(-128, 127, len, random)
            .into_iter()
            .map(|x| x as i8)
            .collect()
    };
    /// Ever shorter ends of `row` are different rows; so are those of equal length.
    fn tile(row: &[i8]) -> [&[i8]; TILE] {
        let len = row.len().saturating_sub(TILE - 1);
        core::array::from_fn(|at| &row[at.min(row.len() - len)..][..len])
    }
    let a = small(fill, random);
    for other in Fill::ALL {
        let b = small(other, random);
        let (got, want) = ((kernels.dot_i8)(&a, &b), (SCALAR.dot_i8)(&a, &b));
        if got != want {
            return Err(differs("dot_i8", len, fill, got, want));
        }
        let tiles = (tile(&a), tile(&b));
        let (mut got, mut want) = ([[7; TILE]; TILE], [[9; TILE]; TILE]);
        (kernels.tile_dots)(&tiles.0, &tiles.1, &mut got);
        (SCALAR.tile_dots)(&tiles.0, &tiles.1, &mut want);
        if got != want {
            return Err(differs("tile_dots", len, fill, got, want));
        }
        for bound in [2047, i64::from(i16::MAX)] {
            let query: Vec<i16> = other
                .numbers(-bound - 1, bound, len, random)
                .into_iter()
                .map(|x| x as i16)
                .collect();
            let (got, want) = ((kernels.dot_i16)(&a, &query), (SCALAR.dot_i16)(&a, &query));
            if got != want {
                return Err(differs("dot_i16", len, fill, got, want));
            }
        }
    }
    Ok(())
}
