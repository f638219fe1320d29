//! Kernels against the limits of the machine, in the runtime that runs this.
//!
//! The limit of a kernel is what its dearest instruction does in a loop over registers, 128 bits wide,
//! without loads: no kernel of that width can be faster. The copy is that of memory inside the cache.
//! Scans of everything follow, at sizes and dimensions of which there is no real set.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use coracle::vector::Metric;
use coracle::vector::Quantizer;
use coracle::vector::Query;
use coracle::vector::arch::FACTOR_BYTES;
use coracle::vector::arch::Scale;
use coracle::vector::arch::kernels;
use coracle::vector::binary::BinaryCodes;
use coracle::vector::binary::BinaryWriter;
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

const WARM_UP_MS: u128 = 100;

/// Rounds, runs in a round, and the least time of a run.
const ROUNDS: usize = 9;
const RUNS: usize = 8;
const RUN_NS: f64 = 2e5;

/// Steps that a limit's loop takes in a call.
const LIMIT_STEPS: u32 = 8 * 256;

/// Rows and dimensions of the scans.
const SCANS: [(usize, usize); 4] = [(10_000, 384), (10_000, 768), (50_000, 384), (100_000, 384)];

/// Candidates of a scan.
const CANDIDATES: usize = 100;

/// Queries of a scan.
const QUERIES: usize = 300;

/// One line of the record: scans of everything, with preparing the query and without rescoring.
#[derive(Debug, Serialize)]
pub struct ScanRow {
    scan: usize,
    dims: usize,
    candidates: usize,
    p50_us: f64,
    p95_us: f64,
}

/// Times scans of random rows: what they hold does not matter to the time.
pub fn scans() -> Result<Vec<ScanRow>, Box<dyn Error>> {
    let mut random = SplitMix64::new(6);
    let mut row = |dims: usize| -> Vec<f32> {
        (0..dims)
            .map(|_| random.below(2000) as f32 / 1000.0 - 1.0)
            .collect()
    };
    let mut measured = Vec::new();
    for (rows, dims) in SCANS {
        let sample: Vec<Vec<f32>> = (0..1000).map(|_| row(dims)).collect();
        let quantizer = Quantizer::train(Metric::Cosine, dims, 1, &sample)?;
        let mut blocks = BinaryWriter::new(quantizer.code_dim());
        for _ in 0..rows {
            blocks.push(&quantizer.encode_row(&row(dims))?);
        }
        let blocks = blocks.into_bytes();
        let codes = BinaryCodes::parse(&blocks, rows, &quantizer)?;
        let queries: Vec<Vec<f32>> = (0..QUERIES).map(|_| row(dims)).collect();
        let (mut p50_us, mut p95_us) = (f64::INFINITY, f64::INFINITY);
        // As in the race: of every percentile the lowest of some passes.
        for _ in 0..5 {
            let mut times = Vec::with_capacity(QUERIES);
            for query in &queries {
                let start = Instant::now();
                let query = Query::new(&quantizer, black_box(query))?;
                black_box(codes.scan(&query, None, CANDIDATES));
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
            times.sort_unstable_by(f64::total_cmp);
            p50_us = p50_us.min(times[QUERIES / 2]);
            p95_us = p95_us.min(times[QUERIES * 95 / 100]);
        }
        measured.push(ScanRow {
            scan: rows,
            dims,
            candidates: CANDIDATES,
            p50_us,
            p95_us,
        });
    }
    Ok(measured)
}

/// Nanoseconds of one call, the lowest of some short runs.
fn lowest_ns(pass: &mut dyn FnMut() -> u64) -> f64 {
    let mut lowest = f64::INFINITY;
    let mut calls = 1;
    let mut runs = 0;
    while runs < RUNS {
        let start = Instant::now();
        for _ in 0..calls {
            black_box(pass());
        }
        let ns = start.elapsed().as_nanos() as f64;
        if ns < RUN_NS {
            calls *= 2;
        } else {
            lowest = lowest.min(ns / f64::from(calls));
            runs += 1;
        }
    }
    lowest
}

/// Nanoseconds of a kernel's pass, and its share of a limit: the median of rounds in which both are
/// measured one after the other, because machines change their pace from one second to the next.
fn against(limit: Option<Limit>, pass: &mut dyn FnMut() -> u64) -> (f64, Option<f64>) {
    // Engines replace slow code by fast code while it runs.
    let warm = Instant::now();
    while warm.elapsed().as_millis() < WARM_UP_MS {
        black_box(pass());
        if let Some(limit) = limit {
            black_box((limit.run)());
        }
    }
    let mut lowest = f64::INFINITY;
    let mut shares = Vec::new();
    for _ in 0..ROUNDS {
        let ns = lowest_ns(pass);
        lowest = lowest.min(ns);
        if let Some(limit) = limit {
            shares.push(lowest_ns(&mut || (limit.run)()) / f64::from(LIMIT_STEPS) / ns);
        }
    }
    shares.sort_unstable_by(f64::total_cmp);
    (lowest, limit.map(|_| shares[ROUNDS / 2]))
}

/// Measures every kernel at the common dimensions.
pub fn measure() -> Vec<Row> {
    let mut random = SplitMix64::new(5);
    let set: Vec<u8> = (0..SET_BYTES).map(|_| random.next_u64() as u8).collect();
    let kernels = kernels();
    let mut copy = vec![0u8; SET_BYTES];
    let (copy_ns, _) = against(None, &mut || {
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
    for dims in [384, 768, 1024, 1536] {
        // `steps` of the limit's loop are the least that one vector takes.
        let mut row = |kernel, bytes: usize, limit, steps: f64, pass: &mut dyn FnMut() -> u64| {
            let vectors = (SET_BYTES / bytes) as f64;
            let (ns, share) = against(limit, pass);
            rows.push(Row {
                kernel,
                instructions: kernels.name,
                dims,
                ns_per_vector: ns / vectors,
                bytes_per_ns: SET_BYTES as f64 / ns,
                of_limit: share.map(|share| share * steps * vectors),
            });
        };
        let tables: Vec<u8> = set[..4 * dims].iter().map(|x| x % 61).collect();
        let scale = Scale {
            nearest: 15 * dims as i32,
            rescale: 1e-4,
            offset: 1e-4,
            bias: 0.1,
        };
        let lookups = (dims / 4 * 2) as f64 / 32.0;
        row(
            "block_scores",
            dims / 8,
            limits::SWIZZLE,
            lookups,
            &mut || {
                let mut scores = [0.0; 32];
                set.chunks_exact(4 * dims).fold(0, |sum, signs| {
                    let factors = &[3; FACTOR_BYTES];
                    let found =
                        (kernels.block_scores)(signs, &tables, factors, &scale, 0.0, &mut scores);
                    sum + u64::from(found)
                })
            },
        );

        let words: Vec<u64> = set
            .as_chunks::<8>()
            .0
            .iter()
            .map(|&word| u64::from_le_bytes(word))
            .collect();
        let planes = &words[..dims / 16];
        let counts = (4 * dims / 128) as f64;
        row(
            "row_distance",
            dims / 8,
            limits::POPCOUNT,
            counts,
            &mut || {
                words
                    .chunks_exact(dims / 64)
                    .map(|signs| u64::from((kernels.row_distance)(signs, planes)))
                    .sum()
            },
        );

        let query: Vec<i16> = (0..dims).map(|at| at as i16 - 700).collect();
        let codes: &[i8] = bytemuck::cast_slice(&set);
        let eights = (dims / 8) as f64;
        row("dot_i16", dims, limits::DOT, eights, &mut || {
            codes
                .chunks_exact(dims)
                .map(|row| u64::from((kernels.dot_i16)(row, &query) as u32))
                .sum()
        });
        row("dot_i8", dims, limits::DOT, eights, &mut || {
            codes
                .chunks_exact(dims)
                .map(|row| u64::from((kernels.dot_i8)(row, &codes[..dims]) as u32))
                .sum()
        });
    }
    rows
}

/// A loop over registers that takes [`LIMIT_STEPS`] steps.
#[derive(Debug, Clone, Copy)]
struct Limit {
    run: fn() -> u64,
}

/// One instruction of 128 bits together with adding its result; for the dot product of eight numbers
/// also widening the eight int8 codes of one side.
#[cfg(target_feature = "simd128")]
mod limits {
    use super::Limit;
    use core::arch::wasm32::*;
    use std::hint::black_box;

    /// Eight chains, so that their latency hides; with the constant they fit the registers. Steps are
    /// spelled out because code compiled for size would call them, and stand in a function of their
    /// own because engines replace slow code by fast code when it is called again.
    macro_rules! chains {
        (|$x:ident, $constant:ident| $step:expr) => {{
            #[inline(never)]
            fn run(start: [v128; 8], $constant: v128) -> u64 {
                let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = start;
                macro_rules! next {
                    ($chain:ident) => {
                        let $x = $chain;
                        $chain = $step;
                    };
                }
                for _ in 0..super::LIMIT_STEPS / 8 {
                    next!(a);
                    next!(b);
                    next!(c);
                    next!(d);
                    next!(e);
                    next!(f);
                    next!(g);
                    next!(h);
                }
                let (ab, cd) = (v128_xor(a, b), v128_xor(c, d));
                let (ef, gh) = (v128_xor(e, f), v128_xor(g, h));
                u64x2_extract_lane::<0>(v128_xor(v128_xor(ab, cd), v128_xor(ef, gh)))
            }
            Some(Limit {
                run: || {
                    let start = core::array::from_fn(|at| i8x16_splat(at as i8 + 1));
                    run(black_box(start), black_box(i8x16_splat(3)))
                },
            })
        }};
    }

    pub(super) const SWIZZLE: Option<Limit> = chains!(|x, c| i8x16_add(x, i8x16_swizzle(c, x)));
    pub(super) const POPCOUNT: Option<Limit> = chains!(|x, c| i8x16_add(c, i8x16_popcnt(x)));
    pub(super) const DOT: Option<Limit> =
        chains!(|x, c| i32x4_add(x, i32x4_dot_i16x8(c, i16x8_extend_low_i8x16(x))));
}

/// Kernels of other widths are compared with copying.
#[cfg(not(target_feature = "simd128"))]
mod limits {
    use super::Limit;

    pub(super) const SWIZZLE: Option<Limit> = None;
    pub(super) const POPCOUNT: Option<Limit> = None;
    pub(super) const DOT: Option<Limit> = None;
}
