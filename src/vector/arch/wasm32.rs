//! WebAssembly simd128. Loads go through `bytemuck`, so nothing here is unsafe.

use core::arch::wasm32::i8x16_add;
use core::arch::wasm32::i8x16_popcnt;
use core::arch::wasm32::i8x16_splat;
use core::arch::wasm32::i8x16_swizzle;
use core::arch::wasm32::i16x8_add;
use core::arch::wasm32::i16x8_extend_high_i8x16;
use core::arch::wasm32::i16x8_extend_low_i8x16;
use core::arch::wasm32::i16x8_shl;
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
use core::arch::wasm32::u64x2_splat;
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

/// Words whose bit counts fit a byte: 31 * 8 < 2^8.
const SPAN_WORDS: usize = 31;

fn row_distance(signs: &[u64], planes: &[u64]) -> u32 {
    let (mut signs, (mut planes, _)) = (signs, planes.as_chunks::<4>());
    let mut sum = 0;
    while signs.len() > SPAN_WORDS && planes.len() > SPAN_WORDS {
        sum += span_distance(&signs[..SPAN_WORDS], planes);
        signs = &signs[SPAN_WORDS..];
        planes = &planes[SPAN_WORDS..];
    }
    sum + span_distance(signs, planes)
}

/// At most [`SPAN_WORDS`] words.
#[inline(always)]
fn span_distance(signs: &[u64], planes: &[[u64; 4]]) -> u32 {
    let mut low = i8x16_splat(0);
    let mut high = i8x16_splat(0);
    for (&word, &planes) in signs.iter().zip(planes) {
        let word = u64x2_splat(word);
        let [planes_low, planes_high]: [v128; 2] = bytemuck::cast(planes);
        low = i8x16_add(low, i8x16_popcnt(v128_xor(word, planes_low)));
        high = i8x16_add(high, i8x16_popcnt(v128_xor(word, planes_high)));
    }
    // The sums of planes 0 and 1 lie in the halves of `low`, those of 2 and 3 in `high`.
    let pairs = i16x8_add(widen(low), i16x8_shl(widen(high), 2));
    let [a, b, c, d]: [u32; 4] = bytemuck::cast(u32x4_extadd_pairwise_u16x8(pairs));
    a + b + 2 * (c + d)
}

fn widen(bytes: v128) -> v128 {
    u16x8_extadd_pairwise_u8x16(bytes)
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
