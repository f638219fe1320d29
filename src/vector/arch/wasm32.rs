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
use core::arch::wasm32::u8x16_splat;
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
use core::arch::wasm32::v128_bitselect;
use core::arch::wasm32::v128_xor;

use super::BLOCK_ROWS;
use super::FACTOR_BYTES;
use super::Kernels;
use super::Scale;
use super::scalar;

pub(super) static SIMD128: Kernels = Kernels {
    name: "simd128",
    block_scores,
    tables,
    row_distance,
    dot_i16,
    dot_i8,
    tile_dots: |a, b, out| scalar::tile_dots(dot_i8, a, b, out),
};

/// Groups whose sums fit 16 bits: 1024 * 60 < 2^16.
const SPAN_GROUPS: usize = 1024;

/// Written without loops over registers: compiled for size, such loops would keep their arrays in
/// memory.
fn block_scores(
    signs: &[u8],
    tables: &[u8],
    factors: &[u8; FACTOR_BYTES],
    scale: &Scale,
    least: f32,
    scores: &mut [f32; BLOCK_ROWS],
) -> u32 {
    let zero = u32x4_splat(0);
    let mut low = [zero; 4];
    let mut high = [zero; 4];
    for plane in signs.chunks_exact(tables.len().max(1)) {
        (low, high) = (doubled(low), doubled(high));
        let (codes, _) = plane.as_chunks::<64>();
        let (tables, _) = tables.as_chunks::<64>();
        for (codes, tables) in codes
            .chunks(SPAN_GROUPS / 4)
            .zip(tables.chunks(SPAN_GROUPS / 4))
        {
            let mut low_sums = PairSums::default();
            let mut high_sums = PairSums::default();
            for (codes, tables) in codes.iter().zip(tables) {
                let (low, high) = group_sums(bytemuck::cast(*codes), bytemuck::cast(*tables));
                low_sums.add(low);
                high_sums.add(high);
            }
            (low, high) = (low_sums.added_to(low), high_sums.added_to(high));
        }
    }
    let factors: [v128; 8] = bytemuck::cast(*factors);
    let scale = Scales::new(scale, least);
    let (first, a) = scale.eight(low[0], low[1], factors[0], factors[4]);
    let (second, b) = scale.eight(low[2], low[3], factors[1], factors[5]);
    let (third, c) = scale.eight(high[0], high[1], factors[2], factors[6]);
    let (fourth, d) = scale.eight(high[2], high[3], factors[3], factors[7]);
    *scores = bytemuck::cast([first, second, third, fourth]);
    a | b << 8 | c << 16 | d << 24
}

#[inline(always)]
fn doubled([a, b, c, d]: [v128; 4]) -> [v128; 4] {
    let double = |sums| u32x4_shl(sums, 1);
    [double(a), double(b), double(c), double(d)]
}

/// Table entries of four groups, summed: one byte for each of the rows 0 to 15, and 16 to 31. A sum is
/// at most 240.
#[inline(always)]
fn group_sums(codes: [v128; 4], tables: [v128; 4]) -> (v128, v128) {
    let nibble = i8x16_splat(15);
    let low = |codes, table| i8x16_swizzle(table, v128_and(codes, nibble));
    let high = |codes, table| i8x16_swizzle(table, v128_and(u16x8_shr(codes, 4), nibble));
    let sum = |a, b, c, d| i8x16_add(i8x16_add(a, b), i8x16_add(c, d));
    let ([a, b, c, d], [t, u, v, w]) = (codes, tables);
    (
        sum(low(a, t), low(b, u), low(c, v), low(d, w)),
        sum(high(a, t), high(b, u), high(c, v), high(d, w)),
    )
}

/// Sums of the bytes of a register, in 16-bit lanes: of a pair of bytes, of which the upper is also
/// kept alone.
#[derive(Clone, Copy)]
struct PairSums {
    pairs: v128,
    uppers: v128,
}

impl Default for PairSums {
    fn default() -> Self {
        Self {
            pairs: u16x8_splat(0),
            uppers: u16x8_splat(0),
        }
    }
}

impl PairSums {
    #[inline(always)]
    fn add(&mut self, bytes: v128) {
        self.pairs = u16x8_add(self.pairs, bytes);
        self.uppers = u16x8_add(self.uppers, u16x8_shr(bytes, 8));
    }

    /// The 16 sums, in the order of the bytes, added to others.
    #[inline(always)]
    fn added_to(self, [a, b, c, d]: [v128; 4]) -> [v128; 4] {
        let odd = self.uppers;
        let even = u16x8_sub(self.pairs, u16x8_shl(odd, 8));
        let front = i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(even, odd);
        let back = i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(even, odd);
        [
            u32x4_add(a, u32x4_extend_low_u16x8(front)),
            u32x4_add(b, u32x4_extend_high_u16x8(front)),
            u32x4_add(c, u32x4_extend_low_u16x8(back)),
            u32x4_add(d, u32x4_extend_high_u16x8(back)),
        ]
    }
}

/// A [`Scale`] in registers.
#[derive(Clone, Copy)]
struct Scales {
    nearest: v128,
    rescale: v128,
    offset: v128,
    bias: v128,
    least: v128,
}

impl Scales {
    #[inline(always)]
    fn new(scale: &Scale, least: f32) -> Self {
        Self {
            nearest: i32x4_splat(scale.nearest),
            rescale: f32x4_splat(scale.rescale),
            offset: f32x4_splat(scale.offset),
            bias: f32x4_splat(scale.bias),
            least: f32x4_splat(least),
        }
    }

    /// The scores of eight rows, and which of them reach the bound.
    #[inline(always)]
    fn eight(&self, a: v128, b: v128, rescale: v128, offset: v128) -> ([v128; 2], u32) {
        let front = self.four(
            a,
            u32x4_extend_low_u16x8(rescale),
            i32x4_extend_low_i16x8(offset),
        );
        let back = self.four(
            b,
            u32x4_extend_high_u16x8(rescale),
            i32x4_extend_high_i16x8(offset),
        );
        let reached = |scores| u32::from(i32x4_bitmask(f32x4_ge(scores, self.least)));
        ([front, back], reached(front) | reached(back) << 4)
    }

    #[inline(always)]
    fn four(&self, distance: v128, rescale: v128, offset: v128) -> v128 {
        let agreement = f32x4_convert_i32x4(i32x4_sub(self.nearest, i32x4_shl(distance, 1)));
        let product = f32x4_mul(f32x4_convert_i32x4(rescale), agreement);
        let offset = f32x4_mul(f32x4_convert_i32x4(offset), self.offset);
        f32x4_add(
            f32x4_add(f32x4_mul(product, self.rescale), offset),
            self.bias,
        )
    }
}

fn tables(levels: &[u8], tables: &mut [u8]) {
    let set: [v128; 4] = bytemuck::cast(scalar::SET.map(|bytes| 255 * bytes));
    let (groups, _) = levels.as_chunks::<4>();
    let entry = |level: u8, set| {
        let opposite = u8x16_splat(15 - level);
        v128_bitselect(opposite, u8x16_splat(level), set)
    };
    for (&[a, b, c, d], table) in groups.iter().zip(tables.as_chunks_mut::<16>().0) {
        let front = i8x16_add(entry(a, set[0]), entry(b, set[1]));
        let back = i8x16_add(entry(c, set[2]), entry(d, set[3]));
        *table = bytemuck::cast(i8x16_add(front, back));
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
