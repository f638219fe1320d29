//! WebAssembly simd128. Loads go through `bytemuck`, so nothing here is unsafe.

use core::arch::wasm32::f32x4_add;
use core::arch::wasm32::f32x4_convert_i32x4;
use core::arch::wasm32::f32x4_ge;
use core::arch::wasm32::f32x4_mul;
use core::arch::wasm32::f32x4_splat;
use core::arch::wasm32::i8x16_add;
use core::arch::wasm32::i8x16_popcnt;
use core::arch::wasm32::i8x16_splat;
use core::arch::wasm32::i8x16_swizzle;
use core::arch::wasm32::i16x8_add;
use core::arch::wasm32::i16x8_extend_high_i8x16;
use core::arch::wasm32::i16x8_extend_low_i8x16;
use core::arch::wasm32::i16x8_shl;
use core::arch::wasm32::i16x8_shuffle;
use core::arch::wasm32::i32x4_add;
use core::arch::wasm32::i32x4_bitmask;
use core::arch::wasm32::i32x4_dot_i16x8;
use core::arch::wasm32::i32x4_extend_high_i16x8;
use core::arch::wasm32::i32x4_extend_low_i16x8;
use core::arch::wasm32::i32x4_extract_lane;
use core::arch::wasm32::i32x4_shl;
use core::arch::wasm32::i32x4_splat;
use core::arch::wasm32::i32x4_sub;
use core::arch::wasm32::u16x8_add;
use core::arch::wasm32::u16x8_extadd_pairwise_u8x16;
use core::arch::wasm32::u16x8_shl;
use core::arch::wasm32::u16x8_shr;
use core::arch::wasm32::u16x8_splat;
use core::arch::wasm32::u16x8_sub;
use core::arch::wasm32::u32x4_add;
use core::arch::wasm32::u32x4_extadd_pairwise_u16x8;
use core::arch::wasm32::u32x4_extend_high_u16x8;
use core::arch::wasm32::u32x4_extend_low_u16x8;
use core::arch::wasm32::u32x4_shl;
use core::arch::wasm32::u32x4_splat;
use core::arch::wasm32::u64x2_splat;
use core::arch::wasm32::v128;
use core::arch::wasm32::v128_and;
use core::arch::wasm32::v128_xor;

use super::BLOCK_ROWS;
use super::FACTOR_BYTES;
use super::Kernels;
use super::Scale;
use super::scalar;

pub(super) static SIMD128: Kernels = Kernels {
    name: "simd128",
    block_scores,
    row_distance,
    dot_i16,
    dot_i8,
    tile_dots: |a, b, out| scalar::tile_dots(dot_i8, a, b, out),
};

/// Groups whose sums fit 16 bits: 1024 * 60 < 2^16.
const SPAN_GROUPS: usize = 1024;

fn block_scores(
    signs: &[u8],
    tables: &[u8],
    factors: &[u8; FACTOR_BYTES],
    scale: &Scale,
    least: f32,
    scores: &mut [f32; BLOCK_ROWS],
) -> u32 {
    let nibble = i8x16_splat(15);
    let mut distances = [u32x4_splat(0); 8];
    for plane in signs.chunks_exact(tables.len().max(1)) {
        distances = distances.map(|distance| u32x4_shl(distance, 1));
        let (codes, _) = plane.as_chunks::<64>();
        let (tables, _) = tables.as_chunks::<64>();
        for (codes, tables) in codes
            .chunks(SPAN_GROUPS / 4)
            .zip(tables.chunks(SPAN_GROUPS / 4))
        {
            // As 16-bit lanes: sums of a pair of bytes, of which the upper is also kept alone.
            let mut pairs = [u16x8_splat(0); 2];
            let mut uppers = [u16x8_splat(0); 2];
            for (codes, tables) in codes.iter().zip(tables) {
                let codes: [v128; 4] = bytemuck::cast(*codes);
                let tables: [v128; 4] = bytemuck::cast(*tables);
                // Four table entries add up to at most 240: one byte per row until then.
                let low = |at: usize| i8x16_swizzle(tables[at], v128_and(codes[at], nibble));
                let high = |at: usize| {
                    i8x16_swizzle(tables[at], v128_and(u16x8_shr(codes[at], 4), nibble))
                };
                let low = i8x16_add(i8x16_add(low(0), low(1)), i8x16_add(low(2), low(3)));
                let high = i8x16_add(i8x16_add(high(0), high(1)), i8x16_add(high(2), high(3)));
                pairs[0] = u16x8_add(pairs[0], low);
                pairs[1] = u16x8_add(pairs[1], high);
                uppers[0] = u16x8_add(uppers[0], u16x8_shr(low, 8));
                uppers[1] = u16x8_add(uppers[1], u16x8_shr(high, 8));
            }
            for half in 0..2 {
                let odd = uppers[half];
                let even = u16x8_sub(pairs[half], u16x8_shl(odd, 8));
                let sums = [
                    i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(even, odd),
                    i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(even, odd),
                ];
                for (at, sums) in sums.into_iter().enumerate() {
                    let quads = &mut distances[4 * half + 2 * at..][..2];
                    quads[0] = u32x4_add(quads[0], u32x4_extend_low_u16x8(sums));
                    quads[1] = u32x4_add(quads[1], u32x4_extend_high_u16x8(sums));
                }
            }
        }
    }
    let factors: [v128; 8] = bytemuck::cast(*factors);
    let (rescale, offset) = factors.split_at(4);
    let nearest = i32x4_splat(scale.nearest);
    let (rescale_step, offset_step) = (f32x4_splat(scale.rescale), f32x4_splat(scale.offset));
    let (bias, least) = (f32x4_splat(scale.bias), f32x4_splat(least));
    let score = |distance: v128, rescale: v128, offset: v128| {
        let agreement = f32x4_convert_i32x4(i32x4_sub(nearest, i32x4_shl(distance, 1)));
        let product = f32x4_mul(
            f32x4_mul(f32x4_convert_i32x4(rescale), agreement),
            rescale_step,
        );
        let offset = f32x4_mul(f32x4_convert_i32x4(offset), offset_step);
        f32x4_add(f32x4_add(product, offset), bias)
    };
    let mut reached = 0;
    for (at, (out, distances)) in scores
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip(distances.as_chunks::<2>().0)
        .enumerate()
    {
        let (rescale, offset) = (rescale[at], offset[at]);
        let low = score(
            distances[0],
            u32x4_extend_low_u16x8(rescale),
            i32x4_extend_low_i16x8(offset),
        );
        let high = score(
            distances[1],
            u32x4_extend_high_u16x8(rescale),
            i32x4_extend_high_i16x8(offset),
        );
        let bits = u32::from(i32x4_bitmask(f32x4_ge(low, least)))
            | u32::from(i32x4_bitmask(f32x4_ge(high, least))) << 4;
        reached |= bits << (8 * at);
        *out = bytemuck::cast([low, high]);
    }
    reached
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
