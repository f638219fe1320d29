//! The specification of every kernel, and the fallback.

use super::Kernels;

pub(super) static SCALAR: Kernels = Kernels {
    name: "scalar",
    block_distances,
    row_distance,
    dot_i16,
    dot_i8,
};

fn block_distances(signs: &[u8], tables: &[u8], distances: &mut [u32; 32]) {
    *distances = [0; 32];
    let (low, high) = distances.split_at_mut(16);
    for (codes, table) in signs
        .as_chunks::<16>()
        .0
        .iter()
        .zip(tables.as_chunks::<16>().0)
    {
        for ((low, high), code) in low.iter_mut().zip(high.iter_mut()).zip(codes) {
            *low += u32::from(table[usize::from(code & 15)]);
            *high += u32::from(table[usize::from(code >> 4)]);
        }
    }
}

pub(super) fn row_distance(signs: &[u64], planes: &[u64]) -> u32 {
    if signs.is_empty() {
        return 0;
    }
    planes
        .chunks_exact(signs.len())
        .zip(0..4)
        .map(|(plane, p)| {
            signs
                .iter()
                .zip(plane)
                .map(|(a, b)| (a ^ b).count_ones())
                .sum::<u32>()
                << p
        })
        .sum()
}

pub(super) fn dot_i16(row: &[i8], query: &[i16]) -> i32 {
    row.iter().zip(query).fold(0, |sum: i32, (&x, &y)| {
        sum.wrapping_add(i32::from(x) * i32::from(y))
    })
}

pub(super) fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).fold(0, |sum: i32, (&x, &y)| {
        sum.wrapping_add(i32::from(x) * i32::from(y))
    })
}
