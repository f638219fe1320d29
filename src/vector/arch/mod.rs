//! The kernels, and the only place that knows processors.
//!
//! | kernel | scalar | simd128 | NEON | NEON dotprod | AVX2 | AVX-512 |
//! |---|---|---|---|---|---|---|
//! | [`Kernels::block_scores`] | yes | swizzle | tbl | tbl | vpshufb | vpshufb (BW) |
//! | [`Kernels::tables`] | 64-bit words | bitselect | bsl | bsl | as scalar | as scalar |
//! | [`Kernels::row_distance`] | yes | i8x16.popcnt | cnt | cnt | popcnt | vpopcntq (VPOPCNTDQ, VL) |
//! | [`Kernels::dot_i16`] | yes | i32x4.dot_i16x8 | smlal | smlal | vpmaddwd | vpdpwssd (VNNI) |
//! | [`Kernels::dot_i8`] | yes | i32x4.dot_i16x8 | smull, sadalp | sdot | vpmaddwd | vpdpbusd (VNNI) |
//! | [`Kernels::tile_dots`] | yes | as `dot_i8` | smull, sadalp | sdot | as `dot_i8` | vpdpbusd (VNNI) |
//!
//! `scalar.rs` is the specification. All kernels add integers, so "equal" means equal. WebAssembly
//! chooses when it is compiled (a module with SIMD does not load where SIMD is missing), x86-64 at
//! run time where `std` can ask the processor. 64-bit Arm always has NEON; its dot product is found
//! at run time too, or without `std` when the target has it. Relaxed SIMD is not used: it may differ
//! between hosts.

#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
mod aarch64;
pub mod parity;
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm32;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod x86_64;

use alloc::vec::Vec;
use core::fmt;

use scalar::SCALAR;

/// Rows in a block.
pub const BLOCK_ROWS: usize = 32;

/// Bytes of a block's factors: `rescale` and `offset` of every row.
pub const FACTOR_BYTES: usize = 4 * BLOCK_ROWS;

/// Codes on each side of [`Kernels::tile_dots`].
pub const TILE: usize = 4;

/// How distances of codes become scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Agreement of a code at distance 0; each unit of distance takes 2 off.
    pub nearest: i32,
    /// Score per unit of agreement times `rescale`.
    pub rescale: f32,
    /// Score per unit of `offset`.
    pub offset: f32,
    /// Part of every score.
    pub bias: f32,
}

impl Scale {
    /// The score of a code, in the one order of operations that every kernel keeps.
    #[inline(always)]
    #[must_use]
    pub fn score(&self, distance: u32, rescale: u16, offset: i16) -> f32 {
        let agreement = self.nearest.wrapping_sub((distance as i32) << 1);
        f32::from(rescale) * agreement as f32 * self.rescale
            + f32::from(offset) * self.offset
            + self.bias
    }
}

/// One implementation of everything that is worth a special instruction.
pub struct Kernels {
    /// Instruction set.
    pub name: &'static str,

    /// Scores of the 32 rows of a block; bit `i` of the result tells whether row `i` reaches `least`.
    ///
    /// `tables` has a length that is a multiple of 256, and `signs` a multiple of that: one run of
    /// groups of 16 bytes for every bit of a code, most significant first, see
    /// [`crate::vector::binary`] and [`crate::vector::Query`]. Table entries are at most 60.
    /// `factors` are 32 `rescale` (u16) and 32 `offset` (i16).
    ///
    /// A row's distance is the sum of its table entries, every run weighing twice the next; its score
    /// is [`Scale::score`].
    pub block_scores: fn(
        signs: &[u8],
        tables: &[u8],
        factors: &[u8; FACTOR_BYTES],
        scale: &Scale,
        least: f32,
        scores: &mut [f32; BLOCK_ROWS],
    ) -> u32,

    /// For every 4 dimensions of a query the distances of the 16 sign patterns: byte `p` of a table is
    /// the sum of `15 - level` where a bit of `p` is set and `level` where it is not.
    ///
    /// `levels` are 0 to 15; `tables` has four times their number, a multiple of 4.
    pub tables: fn(levels: &[u8], tables: &mut [u8]),

    /// Weighted Hamming distance of one row: `2^p * popcount(signs[i] ^ planes[4 i + p])`, summed over
    /// all words `i` and the four planes `p`.
    ///
    /// `planes` has four times the length of `signs`.
    pub row_distance: fn(signs: &[u64], planes: &[u64]) -> u32,

    /// Inner product of a code and an integer query of the same length; wraps on overflow, which
    /// queries within ±2047 never reach.
    pub dot_i16: fn(row: &[i8], query: &[i16]) -> i32,

    /// Inner product of two codes of the same length.
    pub dot_i8: fn(a: &[i8], b: &[i8]) -> i32,

    /// Inner products of all pairs of two times [`TILE`] codes of the same length: `out[i][j]` is that
    /// of `a[i]` and `b[j]`.
    pub tile_dots: fn(a: &[&[i8]; TILE], b: &[&[i8]; TILE], out: &mut [[i32; TILE]; TILE]),
}

impl fmt::Debug for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernels")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Square root, rounded to the nearest number. WebAssembly has an instruction for it, which `core`
/// offers only as a vector's.
pub fn sqrt(number: f64) -> f64 {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    {
        use core::arch::wasm32::f64x2_extract_lane;
        use core::arch::wasm32::f64x2_splat;
        use core::arch::wasm32::f64x2_sqrt;
        f64x2_extract_lane::<0>(f64x2_sqrt(f64x2_splat(number)))
    }
    #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
    libm::sqrt(number)
}

/// The fastest kernels of this machine.
#[must_use]
pub fn kernels() -> &'static Kernels {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    return &wasm32::SIMD128;
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    return x86_64::available().last().unwrap_or(&SCALAR);
    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
    return aarch64::available().last().unwrap_or(&SCALAR);
    #[cfg(not(any(
        all(target_arch = "aarch64", target_feature = "neon"),
        all(target_arch = "wasm32", target_feature = "simd128"),
        all(target_arch = "x86_64", feature = "std")
    )))]
    return &SCALAR;
}

/// All kernels this machine can run, the scalar ones first, the fastest last.
#[must_use]
pub fn all_kernels() -> Vec<&'static Kernels> {
    let scalar = core::iter::once(&SCALAR);
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    return scalar.chain([&wasm32::SIMD128]).collect();
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    return scalar.chain(x86_64::available()).collect();
    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
    return scalar.chain(aarch64::available()).collect();
    #[cfg(not(any(
        all(target_arch = "aarch64", target_feature = "neon"),
        all(target_arch = "wasm32", target_feature = "simd128"),
        all(target_arch = "x86_64", feature = "std")
    )))]
    return scalar.collect();
}
