//! Nanoseconds per vector of every kernel of this machine, against the scalar specification and
//! against copying the same bytes, which is as fast as memory lets any kernel be.
//!
//! Throughput is counted in vectors: criterion's `elem/s` is vectors per second.

use std::hint::black_box;
use std::time::Duration;

use coracle::vector::arch::FACTOR_BYTES;
use coracle::vector::arch::Kernels;
use coracle::vector::arch::Scale;
use coracle::vector::arch::TILE;
use coracle::vector::arch::all_kernels;
use coracle::vector::arch::parity::compare;
use coracle::vector::rotate::SplitMix64;
use criterion::BenchmarkGroup;
use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;
use criterion::measurement::WallTime;

const DIMS: [usize; 3] = [384, 768, 1536];

/// Bytes of codes a kernel runs over: inside the second-level cache, as scans of small indexes are.
const SET_BYTES: usize = 256 << 10;

fn bytes(len: usize, bound: u64) -> Vec<u8> {
    let mut random = SplitMix64::new(len as u64);
    (0..len).map(|_| random.below(bound) as u8).collect()
}

/// Runs `pass` with every table of kernels, and the copy; all passes must return the same sum.
fn bench(
    criterion: &mut Criterion,
    name: &str,
    vector_bytes: impl Fn(usize) -> usize,
    pass: impl Fn(&Kernels, &[u8], usize) -> u64,
) {
    let mut group: BenchmarkGroup<'_, WallTime> = criterion.benchmark_group(name);
    group
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    for dim in DIMS {
        // Whole blocks of 32 rows, and whole tiles.
        let vectors = (SET_BYTES / vector_bytes(dim)).next_multiple_of(32);
        let set = bytes(vectors * vector_bytes(dim), 256);
        group.throughput(Throughput::Elements(vectors as u64));
        let all = all_kernels();
        let expected = pass(all[0], &set, dim);
        for kernels in all {
            assert_eq!(
                pass(kernels, &set, dim),
                expected,
                "{name}, {}, {dim}",
                kernels.name
            );
            group.bench_function(BenchmarkId::new(kernels.name, dim), |bencher| {
                bencher.iter(|| pass(kernels, black_box(&set), dim));
            });
        }
        let mut copy = vec![0; set.len()];
        group.bench_function(BenchmarkId::new("copy", dim), |bencher| {
            bencher.iter(|| black_box(&mut copy).copy_from_slice(black_box(&set)));
        });
    }
    group.finish();
}

fn all(criterion: &mut Criterion) {
    for kernels in all_kernels() {
        compare(kernels, 2).unwrap_or_else(|difference| panic!("{}: {difference}", kernels.name));
    }

    let tables: Vec<u8> = bytes(4 * 1536, 61);
    let scale = Scale {
        nearest: 15 * 384,
        rescale: 1e-4,
        offset: 1e-4,
        bias: 0.1,
    };
    bench(
        criterion,
        "block_scores",
        |dim| dim / 8,
        |kernels, set, dim| {
            let (mut scores, mut sum) = ([0.0; 32], 0);
            for block in set.chunks_exact(4 * dim) {
                sum += u64::from((kernels.block_scores)(
                    block,
                    &tables[..4 * dim],
                    &[7; FACTOR_BYTES],
                    &scale,
                    0.0,
                    &mut scores,
                ));
            }
            sum
        },
    );

    let planes: Vec<u64> = bytes(4 * 1536 / 8, 256)
        .as_chunks::<8>()
        .0
        .iter()
        .map(|&word| u64::from_le_bytes(word))
        .collect();
    bench(
        criterion,
        "row_distance",
        |dim| dim / 8,
        |kernels, set, dim| {
            let (words, planes) = (dim / 64, &planes[..dim / 16]);
            bytemuck::pod_align_to::<u8, u64>(set)
                .1
                .chunks_exact(words)
                .map(|row| u64::from((kernels.row_distance)(row, planes)))
                .sum()
        },
    );

    let query: Vec<i16> = bytes(1536, 256)
        .into_iter()
        .map(|x| 16 * i16::from(x) - 2047)
        .collect();
    bench(
        criterion,
        "dot_i16",
        |dim| dim,
        |kernels, set, dim| {
            bytemuck::cast_slice(set)
                .chunks_exact(dim)
                .map(|row| (kernels.dot_i16)(row, &query[..dim]) as u64)
                .fold(0, u64::wrapping_add)
        },
    );

    let code = bytes(1536, 256);
    bench(
        criterion,
        "dot_i8",
        |dim| dim,
        |kernels, set, dim| {
            bytemuck::cast_slice(set)
                .chunks_exact(dim)
                .map(|row| (kernels.dot_i8)(row, bytemuck::cast_slice(&code[..dim])) as u64)
                .fold(0, u64::wrapping_add)
        },
    );

    // As in k-means: four rows against four centroids. A vector is a row.
    let centroids = bytes(TILE * 1536, 256);
    bench(
        criterion,
        "tile_dots",
        |dim| dim,
        |kernels, set, dim| {
            let tile = |codes| -> [&[i8]; TILE] {
                let codes: &[i8] = bytemuck::cast_slice(codes);
                std::array::from_fn(|at| &codes[at * dim..][..dim])
            };
            let centroids = tile(&centroids[..TILE * dim]);
            let mut dots = [[0; TILE]; TILE];
            let mut sum = 0u64;
            for rows in set.chunks_exact(TILE * dim) {
                (kernels.tile_dots)(&tile(rows), &centroids, &mut dots);
                sum = dots
                    .as_flattened()
                    .iter()
                    .fold(sum, |sum, &dot| sum.wrapping_add(dot as u64));
            }
            sum
        },
    );
}

criterion_group!(benches, all);
criterion_main!(benches);
