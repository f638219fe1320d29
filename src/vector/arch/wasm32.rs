//! WebAssembly simd128. Loads go through `bytemuck`, so nothing here is unsafe.

use core::arch::wasm32::i8x16_add;
use core::arch::wasm32::i8x16_popcnt;
use core::arch::wasm32::i8x16_shl;
use core::arch::wasm32::i8x16_splat;
use core::arch::wasm32::i8x16_swizzle;
use core::arch::wasm32::i16x8_extend_high_i8x16;
use core::arch::wasm32::i16x8_extend_low_i8x16;
use core::arch::wasm32::i32x4_add;
use core::arch::wasm32::i32x4_dot_i16x8;
use core::arch::wasm32::i32x4_extract_lane;
use core::arch::wasm32::i32x4_splat;
use core::arch::wasm32::u8x16_shr;
use core::arch::wasm32::u16x8_add;
use core::arch::wasm32::u16x8_extadd_pairwise_u8x16;
use core::arch::wasm32::u16x8_extend_high_u8x16;
use core::arch::wasm32::u16x8_extend_low_u8x16;
use core::arch::wasm32::u16x8_splat;
use core::arch::wasm32::u32x4_extadd_pairwise_u16x8;
use core::arch::wasm32::v128;
use core::arch::wasm32::v128_and;
use core::arch::wasm32::v128_xor;

use super::Kernels;
use super::scalar;

pub(super) static SIMD128: Kernels = Kernels {
    name: "simd128",
    block_distances,
    row_distance,
    dot_i16,
    dot_i8,
};

/// Groups whose sums fit 16 bits: 1024 * 60 < 2^16.
const SPAN_GROUPS: usize = 1024;

fn block_distances(signs: &[u8], tables: &[u8], distances: &mut [u32; 32]) {
    *distances = [0; 32];
    let (signs, _) = signs.as_chunks::<16>();
    let (tables, _) = tables.as_chunks::<16>();
    let nibble = i8x16_splat(15);
    for (signs, tables) in signs.chunks(SPAN_GROUPS).zip(tables.chunks(SPAN_GROUPS)) {
        let mut sums = [u16x8_splat(0); 4];
        // Four table entries add up to at most 240: one byte per row until then.
        for (signs, tables) in signs.chunks(4).zip(tables.chunks(4)) {
            let mut low = i8x16_splat(0);
            let mut high = i8x16_splat(0);
            for (&codes, &table) in signs.iter().zip(tables) {
                let (codes, table): (v128, v128) = (bytemuck::cast(codes), bytemuck::cast(table));
                low = i8x16_add(low, i8x16_swizzle(table, v128_and(codes, nibble)));
                high = i8x16_add(high, i8x16_swizzle(table, u8x16_shr(codes, 4)));
            }
            sums[0] = u16x8_add(sums[0], u16x8_extend_low_u8x16(low));
            sums[1] = u16x8_add(sums[1], u16x8_extend_high_u8x16(low));
            sums[2] = u16x8_add(sums[2], u16x8_extend_low_u8x16(high));
            sums[3] = u16x8_add(sums[3], u16x8_extend_high_u8x16(high));
        }
        let sums: [u16; 32] = bytemuck::cast(sums);
        for (distance, sum) in distances.iter_mut().zip(sums) {
            *distance += u32::from(sum);
        }
    }
}

fn row_distance(signs: &[u64], planes: &[u64]) -> u32 {
    let words = signs.len();
    let (pairs, odd) = signs.as_chunks::<2>();
    let plane = |p: usize| planes.get(p * words..).and_then(|rest| rest.get(..words));
    let (Some(p0), Some(p1), Some(p2), Some(p3)) = (plane(0), plane(1), plane(2), plane(3)) else {
        return scalar::row_distance(signs, planes);
    };
    let load = |pair: [u64; 2]| -> v128 { bytemuck::cast(pair) };
    let mut sums = i32x4_splat(0);
    let mut add = |signs: v128, planes: [v128; 4]| {
        let [c0, c1, c2, c3] = planes.map(|plane| i8x16_popcnt(v128_xor(signs, plane)));
        // At most 8 * (1 + 2 + 4 + 8) = 120 per byte.
        let low = i8x16_add(c0, i8x16_shl(c1, 1));
        let high = i8x16_add(i8x16_shl(c2, 2), i8x16_shl(c3, 3));
        let pairwise = u16x8_extadd_pairwise_u8x16(i8x16_add(low, high));
        sums = i32x4_add(sums, u32x4_extadd_pairwise_u16x8(pairwise));
    };
    let pairs_of = |plane| <[u64]>::as_chunks::<2>(plane).0.iter();
    for ((((&signs, &a), &b), &c), &d) in pairs
        .iter()
        .zip(pairs_of(p0))
        .zip(pairs_of(p1))
        .zip(pairs_of(p2))
        .zip(pairs_of(p3))
    {
        add(load(signs), [load(a), load(b), load(c), load(d)]);
    }
    if let [last] = odd {
        let at = words - 1;
        add(
            load([*last, 0]),
            [p0, p1, p2, p3].map(|plane| load([plane[at], 0])),
        );
    }
    horizontal_sum(sums) as u32
}

fn dot_i16(row: &[i8], query: &[i16]) -> i32 {
    let (rows, row_tail) = row.as_chunks::<16>();
    let (queries, query_tail) = query.as_chunks::<16>();
    let mut low = i32x4_splat(0);
    let mut high = i32x4_splat(0);
    for (&x, &y) in rows.iter().zip(queries) {
        let x: v128 = bytemuck::cast(x);
        let [y_low, y_high]: [v128; 2] = bytemuck::cast(y);
        low = i32x4_add(low, i32x4_dot_i16x8(i16x8_extend_low_i8x16(x), y_low));
        high = i32x4_add(high, i32x4_dot_i16x8(i16x8_extend_high_i8x16(x), y_high));
    }
    horizontal_sum(i32x4_add(low, high)).wrapping_add(scalar::dot_i16(row_tail, query_tail))
}

fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    let (a_chunks, a_tail) = a.as_chunks::<16>();
    let (b_chunks, b_tail) = b.as_chunks::<16>();
    let mut low = i32x4_splat(0);
    let mut high = i32x4_splat(0);
    for (&x, &y) in a_chunks.iter().zip(b_chunks) {
        let (x, y): (v128, v128) = (bytemuck::cast(x), bytemuck::cast(y));
        let (x_low, y_low) = (i16x8_extend_low_i8x16(x), i16x8_extend_low_i8x16(y));
        let (x_high, y_high) = (i16x8_extend_high_i8x16(x), i16x8_extend_high_i8x16(y));
        low = i32x4_add(low, i32x4_dot_i16x8(x_low, y_low));
        high = i32x4_add(high, i32x4_dot_i16x8(x_high, y_high));
    }
    horizontal_sum(i32x4_add(low, high)).wrapping_add(scalar::dot_i8(a_tail, b_tail))
}

fn horizontal_sum(sums: v128) -> i32 {
    let [a, b, c, d] = [
        i32x4_extract_lane::<0>(sums),
        i32x4_extract_lane::<1>(sums),
        i32x4_extract_lane::<2>(sums),
        i32x4_extract_lane::<3>(sums),
    ];
    a.wrapping_add(b).wrapping_add(c).wrapping_add(d)
}
