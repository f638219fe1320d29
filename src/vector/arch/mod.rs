//! The kernels, and the only place that knows processors.
//!
//! | kernel | scalar | simd128 | AVX2 | AVX-512 |
//! |---|---|---|---|---|
//! | [`Kernels::block_distances`] | yes | swizzle | vpshufb | vpshufb (BW) |
//! | [`Kernels::row_distance`] | yes | i8x16.popcnt | popcnt | vpopcntq (VPOPCNTDQ) |
//! | [`Kernels::dot_i16`] | yes | i32x4.dot_i16x8 | vpmaddwd | vpdpwssd (VNNI) |
//! | [`Kernels::dot_i8`] | yes | i32x4.dot_i16x8 | vpmaddwd | vpdpbusd (VNNI) |
//!
//! `scalar.rs` is the specification. All kernels add integers, so "equal" means equal. WebAssembly
//! chooses when it is compiled (a module with SIMD does not load where SIMD is missing), x86-64 at
//! run time where `std` can ask the processor. Relaxed SIMD is not used: it may differ between hosts.

pub mod parity;
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm32;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod x86_64;

use alloc::vec::Vec;
use core::fmt;

use scalar::SCALAR;

/// One implementation of everything that is worth a special instruction.
pub struct Kernels {
    /// Instruction set.
    pub name: &'static str,

    /// Weighted Hamming distances of the 32 rows of a block.
    ///
    /// `signs` and `tables` have the same length, a multiple of 256: groups of 16 bytes, see
    /// [`crate::vector::binary`] and [`crate::vector::Query`]. Table entries are at most 60.
    pub block_distances: fn(signs: &[u8], tables: &[u8], distances: &mut [u32; 32]),

    /// Weighted Hamming distance of one row: `sum over p of 2^p * popcount(signs ^ plane p)`.
    ///
    /// `planes` holds four planes of `signs.len()` words.
    pub row_distance: fn(signs: &[u64], planes: &[u64]) -> u32,

    /// Inner product of a code and an integer query of the same length; wraps on overflow, which
    /// queries within ±2047 never reach.
    pub dot_i16: fn(row: &[i8], query: &[i16]) -> i32,

    /// Inner product of two codes of the same length.
    pub dot_i8: fn(a: &[i8], b: &[i8]) -> i32,
}

impl fmt::Debug for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernels")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The fastest kernels of this machine.
#[must_use]
pub fn kernels() -> &'static Kernels {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    return &wasm32::SIMD128;
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    return x86_64::available().last().unwrap_or(&SCALAR);
    #[cfg(not(any(
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
    #[cfg(not(any(
        all(target_arch = "wasm32", target_feature = "simd128"),
        all(target_arch = "x86_64", feature = "std")
    )))]
    return scalar.collect();
}
