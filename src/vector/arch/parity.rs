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
/// Codes: every multiple of 64 dimensions up to 1536 and some up to 8192, of 1, 2 and 4 bits; tables of
/// 0 to 280 levels and some more; rows of words: 0 to 64; dot products: every length from 0 to 260 and some up to 8192, so that every lane
/// boundary and its two neighbours are met. Values: random, and all at their extremes; steps of scores
/// also zero, infinite and NaN. Bounds: at, just above and just below scores. Inputs are not aligned.
///
/// # Errors
/// A description of the first difference.
pub fn compare(kernels: &Kernels, seed: u64) -> Result<(), String> {
    let mut random = SplitMix64::new(seed);
    // Sums of 16 bits are emptied after 64 words.
    for words in (0..=24).chain([32, 63, 64, 65, 127, 128]) {
        for fill in Fill::ALL {
            for planes in [1, 2, 4] {
                compare_block(kernels, words, planes, fill, &mut random)?;
            }
        }
    }
    for groups in (0..=70).chain([96, 192, 256, 384, 2048]) {
        for fill in Fill::ALL {
            compare_tables(kernels, 4 * groups, fill, &mut random)?;
        }
    }
    for words in [1, 6] {
        compare_scales(kernels, words, &mut random)?;
    }
    // Sums of bytes are emptied after 31 words.
    for words in (0..=64).chain([92, 93, 94, 127, 128]) {
        for fill in Fill::ALL {
            compare_row(kernels, words, fill, &mut random)?;
        }
    }
    let real = [384, 768, 1024, 1536].into_iter();
    let real = real.flat_map(|dim| [dim - 1, dim, dim + 1]);
    for len in (0..=260).chain(real).chain([8191, 8192]) {
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

/// Everything a block is scored from.
struct Block {
    /// The first byte is none of the block's, so that the others are not aligned.
    signs: Vec<u8>,
    tables: Vec<u8>,
    factors: [u8; FACTOR_BYTES],
}

impl Block {
    fn new(words: usize, planes: usize, fill: Fill, random: &mut SplitMix64) -> Self {
        let mut bytes = |high: i64, len: usize| -> Vec<u8> {
            let numbers = fill.numbers(0, high, len, random);
            numbers.into_iter().map(|x| x as u8).collect()
        };
        let (signs, tables) = (
            bytes(255, 1 + planes * 256 * words),
            bytes(60, 1 + 256 * words),
        );
        // `rescale` has no sign and `offset` has one: their extremes in all lanes, one after another.
        let edges = [0, 1, 0x7fff, 0x8000, 0xffff];
        let factors = core::array::from_fn(|at| {
            let factor: u16 = match fill {
                Fill::Random => random.below(1 << 16) as u16,
                Fill::Lowest => edges[at / 2 % edges.len()],
                Fill::Highest => edges[at / 2 * 2 % edges.len()],
            };
            factor.to_le_bytes()[at % 2]
        });
        Self {
            signs,
            tables,
            factors,
        }
    }

    fn score(&self, kernels: &Kernels, scale: &Scale, least: f32) -> (u32, [f32; BLOCK_ROWS]) {
        let mut scores = [7.0; BLOCK_ROWS];
        let (signs, tables) = (&self.signs[1..], &self.tables[1..]);
        let reached =
            (kernels.block_scores)(signs, tables, &self.factors, scale, least, &mut scores);
        (reached, scores)
    }

    /// Compares scores, and the rows that reach the bounds, which are made of the right scores.
    fn compare(
        &self,
        kernels: &Kernels,
        scale: &Scale,
        bounds: impl FnOnce(&[f32; BLOCK_ROWS]) -> Vec<f32>,
    ) -> Result<(), String> {
        let (_, scores) = self.score(&SCALAR, scale, f32::NEG_INFINITY);
        for least in bounds(&scores) {
            let (got, want) = (
                self.score(kernels, scale, least),
                self.score(&SCALAR, scale, least),
            );
            let mut pairs = got.1.iter().zip(&want.1);
            // A NaN has many bits, and processors choose different ones.
            let same = pairs.all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()));
            if got.0 != want.0 || !same {
                return Err(alloc::format!(
                    "block_scores, {} bytes of codes, {scale:?}, bound {least}: {got:?}, the \
                     specification gives {want:?}",
                    self.signs.len() - 1,
                ));
            }
        }
        Ok(())
    }
}

fn compare_block(
    kernels: &Kernels,
    words: usize,
    planes: usize,
    fill: Fill,
    random: &mut SplitMix64,
) -> Result<(), String> {
    let block = Block::new(words, planes, fill, random);
    let mut step = || (random.below(1 << 20) as f32 - 524_288.0) * 1e-9;
    let scale = Scale {
        nearest: (15 * 64 * words * ((1 << planes) - 1)) as i32,
        rescale: step(),
        offset: step(),
        bias: step(),
    };
    // The score of one row as the bound: its own bit must be set, and those of better rows.
    block.compare(kernels, &scale, |scores| {
        let near = [scores[words % BLOCK_ROWS].next_up(), scores[31].next_down()];
        [&near[..], &[scores[0], scores[31], f32::INFINITY]].concat()
    })
}

/// All combinations of steps that are usual, zero, at the ends of their type, and no numbers.
fn compare_scales(kernels: &Kernels, words: usize, random: &mut SplitMix64) -> Result<(), String> {
    let steps = [
        1e-4,
        0.0,
        -0.0,
        f32::from_bits(1),
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    for fill in [Fill::Random, Fill::Highest] {
        let block = Block::new(words, 1, fill, random);
        // The scores of all rows as bounds, those around them, and some that no score is.
        let scale = Scale {
            nearest: 960 * words as i32,
            rescale: 1e-4,
            offset: -1e-5,
            bias: 0.3,
        };
        block.compare(kernels, &scale, |scores| {
            let around = |score: &f32| [score.next_down(), *score, score.next_up()];
            scores.iter().flat_map(around).collect()
        })?;
        for nearest in [0, 960 * words as i32, i32::MIN, i32::MAX] {
            for (rescale, offset) in pairs(&steps) {
                for bias in steps {
                    let scale = Scale {
                        nearest,
                        rescale,
                        offset,
                        bias,
                    };
                    block.compare(kernels, &scale, |scores| {
                        alloc::vec![scores[3], -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY]
                    })?;
                }
            }
        }
    }
    Ok(())
}

fn pairs(steps: &[f32]) -> impl Iterator<Item = (f32, f32)> {
    let with = |&a: &f32| steps.iter().map(move |&b| (a, b));
    steps.iter().flat_map(with)
}

fn compare_tables(
    kernels: &Kernels,
    len: usize,
    fill: Fill,
    random: &mut SplitMix64,
) -> Result<(), String> {
    let levels = fill.numbers(0, 15, len, random);
    let levels: Vec<u8> = levels.into_iter().map(|x| x as u8).collect();
    // The first byte is none of the tables', so that the others are not aligned.
    let (mut got, mut want) = (alloc::vec![7; 1 + 4 * len], alloc::vec![7; 1 + 4 * len]);
    (kernels.tables)(&levels, &mut got[1..]);
    (SCALAR.tables)(&levels, &mut want[1..]);
    if got != want {
        return Err(differs("tables", len, fill, got, want));
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
        // One more, so that rows are not aligned.
        fill.numbers(-128, 127, len + 1, random)
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
    let a = &a[1..];
    for other in Fill::ALL {
        let b = small(other, random);
        let b = &b[1..];
        let (got, want) = ((kernels.dot_i8)(a, b), (SCALAR.dot_i8)(a, b));
        if got != want {
            return Err(differs("dot_i8", len, fill, got, want));
        }
        let tiles = (tile(a), tile(b));
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
            let (got, want) = ((kernels.dot_i16)(a, &query), (SCALAR.dot_i16)(a, &query));
            if got != want {
                return Err(differs("dot_i16", len, fill, got, want));
            }
        }
    }
    Ok(())
}
