//! Kernels against the limits of the machine, in the runtime that runs this.
//!
//! The limit of a kernel is what its dearest instruction does in a loop over registers, 128 bits wide,
//! without loads: no kernel of that width can be faster. The copy is that of memory inside the cache.

use std::hint::black_box;
use std::time::Instant;

use coracle::vector::arch::FACTOR_BYTES;
use coracle::vector::arch::Scale;
use coracle::vector::arch::kernels;
use coracle::vector::rotate::SplitMix64;
use serde::Serialize;

/// Bytes of codes a kernel runs over: inside the second-level cache.
const SET_BYTES: usize = 256 << 10;

/// One line of the record.
#[derive(Debug, Serialize)]
pub struct Row {
    kernel: &'static str,
    instructions: &'static str,
    dims: usize,
    ns_per_vector: f64,
    bytes_per_ns: f64,
    /// Share of the limit, where the kernel has one.
    of_limit: Option<f64>,
}

/// Nanoseconds of one call, the lowest of many runs.
fn lowest_ns(mut pass: impl FnMut() -> u64) -> f64 {
    let mut lowest = f64::INFINITY;
    let mut calls = 1;
    for _ in 0..60 {
        let start = Instant::now();
        for _ in 0..calls {
            black_box(pass());
        }
        let ns = start.elapsed().as_nanos() as f64;
        lowest = lowest.min(ns / f64::from(calls));
        if ns < 1e6 {
            calls *= 2;
            lowest = f64::INFINITY;
        }
    }
    lowest
}

/// Measures every kernel at the common dimensions.
pub fn measure() -> Vec<Row> {
    let mut random = SplitMix64::new(5);
    let set: Vec<u8> = (0..SET_BYTES).map(|_| random.next_u64() as u8).collect();
    let kernels = kernels();
    let mut copy = vec![0u8; SET_BYTES];
    let copy_ns = lowest_ns(|| {
        black_box(&mut copy).copy_from_slice(black_box(&set));
        0
    });
    let mut rows = vec![Row {
        kernel: "copy",
        instructions: "",
        dims: 0,
        ns_per_vector: copy_ns,
        bytes_per_ns: SET_BYTES as f64 / copy_ns,
        of_limit: None,
    }];
    let limits = limits();
    for dims in [384, 768, 1024, 1536] {
        let mut row = |kernel, bytes: usize, limit_ns: Option<f64>, ns: f64| {
            let vectors = (SET_BYTES / bytes) as f64;
            rows.push(Row {
                kernel,
                instructions: kernels.name,
                dims,
                ns_per_vector: ns / vectors,
                bytes_per_ns: SET_BYTES as f64 / ns,
                of_limit: limit_ns.map(|limit| limit * vectors / ns),
            });
        };
        let tables: Vec<u8> = set[..4 * dims].iter().map(|x| x % 61).collect();
        let scale = Scale {
            nearest: 15 * dims as i32,
            rescale: 1e-4,
            offset: 1e-4,
            bias: 0.1,
        };
        let ns = lowest_ns(|| {
            let mut scores = [0.0; 32];
            set.chunks_exact(4 * dims).fold(0, |sum, signs| {
                let factors = &[3; FACTOR_BYTES];
                let found =
                    (kernels.block_scores)(signs, &tables, factors, &scale, 0.0, &mut scores);
                sum + u64::from(found)
            })
        });
        let per_group = limits.map(|limits| limits.swizzle * (dims / 4 * 2) as f64 / 32.0);
        row("block_scores", dims / 8, per_group, ns);

        let words: Vec<u64> = set
            .as_chunks::<8>()
            .0
            .iter()
            .map(|&word| u64::from_le_bytes(word))
            .collect();
        let planes = &words[..dims / 16];
        let ns = lowest_ns(|| {
            words
                .chunks_exact(dims / 64)
                .map(|signs| u64::from((kernels.row_distance)(signs, planes)))
                .sum()
        });
        let limit = limits.map(|limits| limits.popcount * (4 * dims / 128) as f64);
        row("row_distance", dims / 8, limit, ns);

        let query: Vec<i16> = (0..dims).map(|at| at as i16 - 700).collect();
        let codes: &[i8] = bytemuck::cast_slice(&set);
        let ns = lowest_ns(|| {
            codes
                .chunks_exact(dims)
                .map(|row| u64::from((kernels.dot_i16)(row, &query) as u32))
                .sum()
        });
        let limit = limits.map(|limits| limits.dot * (dims / 8) as f64);
        row("dot_i16", dims, limit, ns);
        let ns = lowest_ns(|| {
            codes
                .chunks_exact(dims)
                .map(|row| u64::from((kernels.dot_i8)(row, &codes[..dims]) as u32))
                .sum()
        });
        row("dot_i8", dims, limit, ns);
    }
    rows
}

/// Nanoseconds of one instruction of 128 bits together with adding its result.
#[derive(Debug, Clone, Copy)]
struct Limits {
    swizzle: f64,
    popcount: f64,
    dot: f64,
}

#[cfg(target_feature = "simd128")]
fn limits() -> Option<Limits> {
    use core::arch::wasm32::*;
    const STEPS: usize = 4096;
    /// Four chains, so that their latency hides and all fit the registers.
    fn chains(step: impl Fn(v128, v128) -> v128) -> f64 {
        let start: [v128; 4] = black_box(core::array::from_fn(|at| i8x16_splat(at as i8 + 1)));
        let mut state = start;
        let ns = lowest_ns(|| {
            let [mut a, mut b, mut c, mut d] = state;
            for _ in 0..STEPS {
                (a, b) = (step(a, start[0]), step(b, start[1]));
                (c, d) = (step(c, start[2]), step(d, start[3]));
            }
            state = [a, b, c, d];
            u64x2_extract_lane::<0>(v128_xor(v128_xor(a, b), v128_xor(c, d)))
        });
        ns / (4 * STEPS) as f64
    }
    Some(Limits {
        swizzle: chains(|state, start| i8x16_add(state, i8x16_swizzle(start, state))),
        popcount: chains(|state, _| i8x16_add(state, i8x16_popcnt(state))),
        dot: chains(|state, start| i32x4_add(state, i32x4_dot_i16x8(state, start))),
    })
}

#[cfg(not(target_feature = "simd128"))]
fn limits() -> Option<Limits> {
    None
}
