//! NEON, which every 64-bit Arm processor of these targets has, and its dot product instruction,
//! chosen at run time.
//!
//! As in `x86_64.rs` the kernels are safe functions, loads go through `bytemuck`, and the two tables
//! below are the only callers; [`available`] hands the second out only after asking the processor.

#![expect(
    unsafe_code,
    reason = "calls of functions compiled for instructions found at run time, and one of these"
)]

use super::Kernels;

/// The tables this processor can run, the faster one last.
pub(super) fn available() -> impl Iterator<Item = &'static Kernels> {
    #[cfg(feature = "std")]
    let has_dotprod = std::arch::is_aarch64_feature_detected!("dotprod");
    #[cfg(not(feature = "std"))]
    let has_dotprod = cfg!(target_feature = "dotprod");
    core::iter::once(&NEON).chain(has_dotprod.then_some(&DOTPROD))
}

static NEON: Kernels = Kernels {
    name: "neon",
    block_scores: |signs, tables, factors, scale, least, scores| {
        // SAFETY: this file is compiled only for targets that have neon.
        unsafe { neon::block_scores(signs, tables, factors, scale, least, scores) }
    },
    tables: |levels, tables| {
        // SAFETY: this file is compiled only for targets that have neon.
        unsafe { neon::tables(levels, tables) }
    },
    row_distance: |signs, planes| {
        // SAFETY: this file is compiled only for targets that have neon.
        unsafe { neon::row_distance(signs, planes) }
    },
    dot_i16: |row, query| {
        // SAFETY: this file is compiled only for targets that have neon.
        unsafe { neon::dot_i16(row, query) }
    },
    dot_i8: |a, b| {
        // SAFETY: this file is compiled only for targets that have neon.
        unsafe { neon::dot_i8(a, b) }
    },
    tile_dots: |a, b, out| {
        // SAFETY: this file is compiled only for targets that have neon.
        unsafe { neon::tile_dots(a, b, out) }
    },
};

static DOTPROD: Kernels = Kernels {
    name: "neon dotprod",
    dot_i8: |a, b| {
        // SAFETY: `available` has found dotprod.
        unsafe { dotprod::dot_i8(a, b) }
    },
    tile_dots: |a, b, out| {
        // SAFETY: `available` has found dotprod.
        unsafe { dotprod::tile_dots(a, b, out) }
    },
    ..NEON
};

/// Groups whose sums fit 16 bits: 1024 * 60 < 2^16.
const SPAN_GROUPS: usize = 1024;

/// Words whose bit counts fit a byte: 31 * 8 < 2^8.
const SPAN_WORDS: usize = 31;

mod neon {
    use core::arch::aarch64::float32x4_t;
    use core::arch::aarch64::int8x16_t;
    use core::arch::aarch64::int16x8_t;
    use core::arch::aarch64::int32x4_t;
    use core::arch::aarch64::uint8x16_t;
    use core::arch::aarch64::uint16x8_t;
    use core::arch::aarch64::uint32x4_t;
    use core::arch::aarch64::vaddq_f32;
    use core::arch::aarch64::vaddq_s32;
    use core::arch::aarch64::vaddq_u8;
    use core::arch::aarch64::vaddq_u16;
    use core::arch::aarch64::vaddvq_s32;
    use core::arch::aarch64::vaddvq_u32;
    use core::arch::aarch64::vaddw_high_u8;
    use core::arch::aarch64::vaddw_high_u16;
    use core::arch::aarch64::vaddw_u8;
    use core::arch::aarch64::vaddw_u16;
    use core::arch::aarch64::vandq_u8;
    use core::arch::aarch64::vandq_u32;
    use core::arch::aarch64::vbslq_u8;
    use core::arch::aarch64::vcgeq_f32;
    use core::arch::aarch64::vcntq_u8;
    use core::arch::aarch64::vcvtq_f32_s32;
    use core::arch::aarch64::vdupq_n_f32;
    use core::arch::aarch64::vdupq_n_s32;
    use core::arch::aarch64::vdupq_n_u8;
    use core::arch::aarch64::vdupq_n_u16;
    use core::arch::aarch64::vdupq_n_u32;
    use core::arch::aarch64::vdupq_n_u64;
    use core::arch::aarch64::veorq_u8;
    use core::arch::aarch64::vget_low_s8;
    use core::arch::aarch64::vget_low_s16;
    use core::arch::aarch64::vget_low_u8;
    use core::arch::aarch64::vget_low_u16;
    use core::arch::aarch64::vmlal_high_s16;
    use core::arch::aarch64::vmlal_s16;
    use core::arch::aarch64::vmovl_high_s8;
    use core::arch::aarch64::vmovl_high_s16;
    use core::arch::aarch64::vmovl_high_u16;
    use core::arch::aarch64::vmovl_s8;
    use core::arch::aarch64::vmovl_s16;
    use core::arch::aarch64::vmovl_u16;
    use core::arch::aarch64::vmull_high_s8;
    use core::arch::aarch64::vmull_s8;
    use core::arch::aarch64::vmulq_f32;
    use core::arch::aarch64::vorrq_u32;
    use core::arch::aarch64::vpadalq_s16;
    use core::arch::aarch64::vpaddlq_u8;
    use core::arch::aarch64::vpaddlq_u16;
    use core::arch::aarch64::vpaddq_s32;
    use core::arch::aarch64::vqtbl1q_u8;
    use core::arch::aarch64::vreinterpretq_s32_u32;
    use core::arch::aarch64::vreinterpretq_u8_u64;
    use core::arch::aarch64::vshlq_n_u16;
    use core::arch::aarch64::vshlq_n_u32;
    use core::arch::aarch64::vshrq_n_u8;
    use core::arch::aarch64::vsubq_s32;

    use super::SPAN_GROUPS;
    use super::SPAN_WORDS;
    use crate::vector::arch::BLOCK_ROWS;
    use crate::vector::arch::FACTOR_BYTES;
    use crate::vector::arch::Scale;
    use crate::vector::arch::TILE;
    use crate::vector::arch::scalar;

    /// One group per register. Scores are multiplied and added one by one: a fused operation would
    /// round otherwise.
    #[target_feature(enable = "neon")]
    pub(super) fn block_scores(
        signs: &[u8],
        tables: &[u8],
        factors: &[u8; FACTOR_BYTES],
        scale: &Scale,
        least: f32,
        scores: &mut [f32; BLOCK_ROWS],
    ) -> u32 {
        let nibble = vdupq_n_u8(15);
        let mut distances = [vdupq_n_u32(0); 8];
        for plane in signs.chunks_exact(tables.len().max(1)) {
            distances = distances.map(|distance| vshlq_n_u32::<1>(distance));
            let (codes, _) = plane.as_chunks::<64>();
            let (tables, _) = tables.as_chunks::<64>();
            for (codes, tables) in codes
                .chunks(SPAN_GROUPS / 4)
                .zip(tables.chunks(SPAN_GROUPS / 4))
            {
                let mut sums = [vdupq_n_u16(0); 4];
                for (codes, tables) in codes.iter().zip(tables) {
                    let codes: [uint8x16_t; 4] = bytemuck::cast(*codes);
                    let tables: [uint8x16_t; 4] = bytemuck::cast(*tables);
                    // Four table entries add up to at most 240: one byte per row until then.
                    let low = |at: usize| vqtbl1q_u8(tables[at], vandq_u8(codes[at], nibble));
                    let high = |at: usize| vqtbl1q_u8(tables[at], vshrq_n_u8::<4>(codes[at]));
                    let low = vaddq_u8(vaddq_u8(low(0), low(1)), vaddq_u8(low(2), low(3)));
                    let high = vaddq_u8(vaddq_u8(high(0), high(1)), vaddq_u8(high(2), high(3)));
                    sums[0] = vaddw_u8(sums[0], vget_low_u8(low));
                    sums[1] = vaddw_high_u8(sums[1], low);
                    sums[2] = vaddw_u8(sums[2], vget_low_u8(high));
                    sums[3] = vaddw_high_u8(sums[3], high);
                }
                for (quads, sums) in distances.as_chunks_mut::<2>().0.iter_mut().zip(sums) {
                    quads[0] = vaddw_u16(quads[0], vget_low_u16(sums));
                    quads[1] = vaddw_high_u16(quads[1], sums);
                }
            }
        }
        let factors: [[u8; 16]; 8] = bytemuck::cast(*factors);
        let (rescale, offset) = factors.split_at(4);
        let nearest = vdupq_n_s32(scale.nearest);
        let (rescale_step, offset_step) = (vdupq_n_f32(scale.rescale), vdupq_n_f32(scale.offset));
        let (bias, least) = (vdupq_n_f32(scale.bias), vdupq_n_f32(least));
        let score = |distance: uint32x4_t, rescale: uint32x4_t, offset: int32x4_t| -> float32x4_t {
            let twice = vreinterpretq_s32_u32(vshlq_n_u32::<1>(distance));
            let agreement = vcvtq_f32_s32(vsubq_s32(nearest, twice));
            let rescale = vcvtq_f32_s32(vreinterpretq_s32_u32(rescale));
            let product = vmulq_f32(vmulq_f32(rescale, agreement), rescale_step);
            let offset = vmulq_f32(vcvtq_f32_s32(offset), offset_step);
            vaddq_f32(vaddq_f32(product, offset), bias)
        };
        let mut bits: uint32x4_t = bytemuck::cast([1u32, 2, 4, 8]);
        let mut reached = vdupq_n_u32(0);
        let (out, _) = scores.as_chunks_mut::<8>();
        let (pairs, _) = distances.as_chunks::<2>();
        for (at, (out, distances)) in out.iter_mut().zip(pairs).enumerate() {
            let rescale: uint16x8_t = bytemuck::cast(rescale[at]);
            let offset: int16x8_t = bytemuck::cast(offset[at]);
            let quads = [
                score(
                    distances[0],
                    vmovl_u16(vget_low_u16(rescale)),
                    vmovl_s16(vget_low_s16(offset)),
                ),
                score(
                    distances[1],
                    vmovl_high_u16(rescale),
                    vmovl_high_s16(offset),
                ),
            ];
            for quad in quads {
                reached = vorrq_u32(reached, vandq_u32(vcgeq_f32(quad, least), bits));
                bits = vshlq_n_u32::<4>(bits);
            }
            *out = bytemuck::cast(quads);
        }
        vaddvq_u32(reached)
    }

    #[target_feature(enable = "neon")]
    pub(super) fn tables(levels: &[u8], tables: &mut [u8]) {
        let set: [uint8x16_t; 4] = bytemuck::cast(scalar::SET.map(|bytes| 255 * bytes));
        let (groups, _) = levels.as_chunks::<4>();
        let entry = |level: u8, set| vbslq_u8(set, vdupq_n_u8(15 - level), vdupq_n_u8(level));
        for (&[a, b, c, d], table) in groups.iter().zip(tables.as_chunks_mut::<16>().0) {
            let front = vaddq_u8(entry(a, set[0]), entry(b, set[1]));
            let back = vaddq_u8(entry(c, set[2]), entry(d, set[3]));
            *table = bytemuck::cast(vaddq_u8(front, back));
        }
    }

    #[target_feature(enable = "neon")]
    pub(super) fn row_distance(signs: &[u64], planes: &[u64]) -> u32 {
        let (planes, _) = planes.as_chunks::<4>();
        let spans = signs.chunks(SPAN_WORDS).zip(planes.chunks(SPAN_WORDS));
        spans
            .map(|(signs, planes)| span_distance(signs, planes))
            .sum()
    }

    /// At most [`SPAN_WORDS`] words.
    #[target_feature(enable = "neon")]
    fn span_distance(signs: &[u64], planes: &[[u64; 4]]) -> u32 {
        let mut low = vdupq_n_u8(0);
        let mut high = vdupq_n_u8(0);
        for (&word, &planes) in signs.iter().zip(planes) {
            let word = vreinterpretq_u8_u64(vdupq_n_u64(word));
            let [planes_low, planes_high]: [uint8x16_t; 2] = bytemuck::cast(planes);
            low = vaddq_u8(low, vcntq_u8(veorq_u8(word, planes_low)));
            high = vaddq_u8(high, vcntq_u8(veorq_u8(word, planes_high)));
        }
        // The sums of planes 0 and 1 lie in the halves of `low`, those of 2 and 3 in `high`.
        let pairs = vaddq_u16(vpaddlq_u8(low), vshlq_n_u16::<2>(vpaddlq_u8(high)));
        let [a, b, c, d]: [u32; 4] = bytemuck::cast(vpaddlq_u16(pairs));
        a + b + 2 * (c + d)
    }

    #[target_feature(enable = "neon")]
    pub(super) fn dot_i16(row: &[i8], query: &[i16]) -> i32 {
        let (rows, row_tail) = row.as_chunks::<16>();
        let (queries, query_tail) = query.as_chunks::<16>();
        let mut sums = [vdupq_n_s32(0); 4];
        for (&x, &y) in rows.iter().zip(queries) {
            let x: int8x16_t = bytemuck::cast(x);
            let [y_low, y_high]: [int16x8_t; 2] = bytemuck::cast(y);
            let (x_low, x_high) = (vmovl_s8(vget_low_s8(x)), vmovl_high_s8(x));
            sums[0] = vmlal_s16(sums[0], vget_low_s16(x_low), vget_low_s16(y_low));
            sums[1] = vmlal_high_s16(sums[1], x_low, y_low);
            sums[2] = vmlal_s16(sums[2], vget_low_s16(x_high), vget_low_s16(y_high));
            sums[3] = vmlal_high_s16(sums[3], x_high, y_high);
        }
        let [a, b, c, d] = sums;
        let sums = vaddq_s32(vaddq_s32(a, b), vaddq_s32(c, d));
        vaddvq_s32(sums).wrapping_add(scalar::dot_i16(row_tail, query_tail))
    }

    #[target_feature(enable = "neon")]
    pub(super) fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
        let (a_chunks, a_tail) = a.as_chunks::<16>();
        let (b_chunks, b_tail) = b.as_chunks::<16>();
        let mut sums = vdupq_n_s32(0);
        for (&x, &y) in a_chunks.iter().zip(b_chunks) {
            sums = add_products(sums, bytemuck::cast(x), bytemuck::cast(y));
        }
        vaddvq_s32(sums).wrapping_add(scalar::dot_i8(a_tail, b_tail))
    }

    /// A product of two codes fits 16 bits, a sum of two such products does not.
    #[inline]
    #[target_feature(enable = "neon")]
    fn add_products(sums: int32x4_t, x: int8x16_t, y: int8x16_t) -> int32x4_t {
        let low = vmull_s8(vget_low_s8(x), vget_low_s8(y));
        vpadalq_s16(vpadalq_s16(sums, low), vmull_high_s8(x, y))
    }

    #[target_feature(enable = "neon")]
    pub(super) fn tile_dots(a: &[&[i8]; TILE], b: &[&[i8]; TILE], out: &mut [[i32; TILE]; TILE]) {
        tile_dots_with(|sums, x, y| add_products(sums, x, y), a, b, out);
    }

    /// Sixteen sums at once, so that loads serve four products each; `add` adds products of bytes
    /// to four sums.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn tile_dots_with(
        add: impl Fn(int32x4_t, int8x16_t, int8x16_t) -> int32x4_t,
        a: &[&[i8]; TILE],
        b: &[&[i8]; TILE],
        out: &mut [[i32; TILE]; TILE],
    ) {
        let len = a.iter().chain(b).map(|row| row.len()).min().unwrap_or(0);
        let whole = len - len % 16;
        let (a_chunks, b_chunks) = (
            a.map(|row| row[..whole].as_chunks::<16>().0),
            b.map(|row| row[..whole].as_chunks::<16>().0),
        );
        let mut sums = [[vdupq_n_s32(0); TILE]; TILE];
        for at in 0..whole / 16 {
            let ys: [int8x16_t; TILE] = b_chunks.map(|row| bytemuck::cast(row[at]));
            for i in 0..TILE {
                let x = bytemuck::cast(a_chunks[i][at]);
                for j in 0..TILE {
                    sums[i][j] = add(sums[i][j], x, ys[j]);
                }
            }
        }
        for (out, [a, b, c, d]) in out.iter_mut().zip(sums) {
            *out = bytemuck::cast(vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
        }
        if whole < len {
            for i in 0..TILE {
                for j in 0..TILE {
                    let tail = scalar::dot_i8(&a[i][whole..len], &b[j][whole..len]);
                    out[i][j] = out[i][j].wrapping_add(tail);
                }
            }
        }
    }
}

mod dotprod {
    use core::arch::aarch64::int8x16_t;
    use core::arch::aarch64::int32x4_t;
    use core::arch::aarch64::vaddq_s32;
    use core::arch::aarch64::vaddvq_s32;
    use core::arch::aarch64::vdupq_n_s32;
    use core::arch::asm;

    use super::neon;
    use crate::vector::arch::TILE;
    use crate::vector::arch::scalar;

    /// Four products of bytes onto each of four sums. The intrinsic is not stable yet.
    #[inline]
    #[target_feature(enable = "neon,dotprod")]
    fn sdot(mut sums: int32x4_t, x: int8x16_t, y: int8x16_t) -> int32x4_t {
        // SAFETY: the function has the instruction, which touches its three registers only.
        unsafe {
            asm!(
                "sdot {sums:v}.4s, {x:v}.16b, {y:v}.16b",
                sums = inout(vreg) sums,
                x = in(vreg) x,
                y = in(vreg) y,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sums
    }

    #[target_feature(enable = "neon,dotprod")]
    pub(super) fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
        let (a_chunks, a_tail) = a.as_chunks::<32>();
        let (b_chunks, b_tail) = b.as_chunks::<32>();
        let mut low = vdupq_n_s32(0);
        let mut high = vdupq_n_s32(0);
        for (&x, &y) in a_chunks.iter().zip(b_chunks) {
            let [x_low, x_high]: [int8x16_t; 2] = bytemuck::cast(x);
            let [y_low, y_high]: [int8x16_t; 2] = bytemuck::cast(y);
            low = sdot(low, x_low, y_low);
            high = sdot(high, x_high, y_high);
        }
        vaddvq_s32(vaddq_s32(low, high)).wrapping_add(scalar::dot_i8(a_tail, b_tail))
    }

    #[target_feature(enable = "neon,dotprod")]
    pub(super) fn tile_dots(a: &[&[i8]; TILE], b: &[&[i8]; TILE], out: &mut [[i32; TILE]; TILE]) {
        neon::tile_dots_with(|sums, x, y| sdot(sums, x, y), a, b, out);
    }
}
