//! AVX2 and AVX-512, chosen at run time.
//!
//! The kernels themselves are safe functions (loads go through `bytemuck`); what is unsafe is to
//! call them on a processor that lacks their instructions. The two tables below are the only ones
//! to do so, and [`available`] hands a table out only after asking the processor.

#![expect(
    unsafe_code,
    reason = "calls of functions compiled for instructions found at run time"
)]

use std::is_x86_feature_detected;

use super::Kernels;
use super::scalar;

/// The tables this processor can run, the faster one last.
pub(super) fn available() -> impl Iterator<Item = &'static Kernels> {
    let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt");
    let has_avx512 = has_avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512vpopcntdq");
    [(has_avx2, &AVX2), (has_avx512, &AVX512)]
        .into_iter()
        .filter_map(|(runs, kernels)| runs.then_some(kernels))
}

static AVX2: Kernels = Kernels {
    name: "avx2",
    block_scores: |signs, tables, factors, scale, least, scores| {
        // SAFETY: `available` has found avx2.
        unsafe { avx2::block_scores(signs, tables, factors, scale, least, scores) }
    },
    tables: scalar::tables,
    row_distance: |signs, planes| {
        // SAFETY: `available` has found popcnt.
        unsafe { avx2::row_distance(signs, planes) }
    },
    dot_i16: |row, query| {
        // SAFETY: `available` has found avx2.
        unsafe { avx2::dot_i16(row, query) }
    },
    dot_i8: |a, b| {
        // SAFETY: `available` has found avx2.
        unsafe { avx2::dot_i8(a, b) }
    },
    tile_dots: |a, b, out| {
        // SAFETY: `available` has found avx2.
        scalar::tile_dots(|a, b| unsafe { avx2::dot_i8(a, b) }, a, b, out);
    },
};

static AVX512: Kernels = Kernels {
    name: "avx512",
    block_scores: |signs, tables, factors, scale, least, scores| {
        // SAFETY: `available` has found avx512f and avx512bw.
        unsafe { avx512::block_scores(signs, tables, factors, scale, least, scores) }
    },
    tables: scalar::tables,
    row_distance: |signs, planes| {
        // SAFETY: `available` has found avx512f, avx512vl and avx512vpopcntdq.
        unsafe { avx512::row_distance(signs, planes) }
    },
    dot_i16: |row, query| {
        // SAFETY: `available` has found avx512f, avx512bw and avx512vnni.
        unsafe { avx512::dot_i16(row, query) }
    },
    dot_i8: |a, b| {
        // SAFETY: `available` has found avx512f and avx512vnni.
        unsafe { avx512::dot_i8(a, b) }
    },
    tile_dots: |a, b, out| {
        // SAFETY: `available` has found avx512f and avx512vnni.
        unsafe { avx512::tile_dots(a, b, out) }
    },
};

/// Groups whose sums fit 16 bits: 1024 * 60 < 2^16.
const SPAN_GROUPS: usize = 1024;

mod avx2 {
    use core::arch::x86_64::__m128i;
    use core::arch::x86_64::__m256i;
    use core::arch::x86_64::_CMP_GE_OQ;
    use core::arch::x86_64::_mm_add_epi16;
    use core::arch::x86_64::_mm256_add_epi8;
    use core::arch::x86_64::_mm256_add_epi16;
    use core::arch::x86_64::_mm256_add_epi32;
    use core::arch::x86_64::_mm256_add_ps;
    use core::arch::x86_64::_mm256_and_si256;
    use core::arch::x86_64::_mm256_cmp_ps;
    use core::arch::x86_64::_mm256_cvtepi8_epi16;
    use core::arch::x86_64::_mm256_cvtepi16_epi32;
    use core::arch::x86_64::_mm256_cvtepi32_ps;
    use core::arch::x86_64::_mm256_cvtepu16_epi32;
    use core::arch::x86_64::_mm256_madd_epi16;
    use core::arch::x86_64::_mm256_movemask_ps;
    use core::arch::x86_64::_mm256_mul_ps;
    use core::arch::x86_64::_mm256_set1_epi8;
    use core::arch::x86_64::_mm256_set1_epi32;
    use core::arch::x86_64::_mm256_set1_ps;
    use core::arch::x86_64::_mm256_setzero_si256;
    use core::arch::x86_64::_mm256_shuffle_epi8;
    use core::arch::x86_64::_mm256_slli_epi32;
    use core::arch::x86_64::_mm256_srli_epi16;
    use core::arch::x86_64::_mm256_sub_epi32;
    use core::arch::x86_64::_mm256_unpackhi_epi8;
    use core::arch::x86_64::_mm256_unpacklo_epi8;

    use super::SPAN_GROUPS;
    use crate::vector::arch::BLOCK_ROWS;
    use crate::vector::arch::FACTOR_BYTES;
    use crate::vector::arch::Scale;
    use crate::vector::arch::scalar;

    /// Two groups per register, one in each half; the halves are added at the end.
    #[target_feature(enable = "avx2")]
    pub(super) fn block_scores(
        signs: &[u8],
        tables: &[u8],
        factors: &[u8; FACTOR_BYTES],
        scale: &Scale,
        least: f32,
        scores: &mut [f32; BLOCK_ROWS],
    ) -> u32 {
        let nibble = _mm256_set1_epi8(15);
        let zero = _mm256_setzero_si256();
        let mut distances = [zero; 4];
        for plane in signs.chunks_exact(tables.len().max(1)) {
            distances = distances.map(|distance| _mm256_slli_epi32::<1>(distance));
            let (codes, _) = plane.as_chunks::<128>();
            let (tables, _) = tables.as_chunks::<128>();
            for (codes, tables) in codes
                .chunks(SPAN_GROUPS / 8)
                .zip(tables.chunks(SPAN_GROUPS / 8))
            {
                let mut sums = [zero; 4];
                for (codes, tables) in codes.iter().zip(tables) {
                    let codes: [__m256i; 4] = bytemuck::cast(*codes);
                    let tables: [__m256i; 4] = bytemuck::cast(*tables);
                    // Four table entries add up to at most 240: one byte per row until then.
                    let mut low = zero;
                    let mut high = zero;
                    for (codes, table) in codes.into_iter().zip(tables) {
                        let low_codes = _mm256_and_si256(codes, nibble);
                        let high_codes = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), nibble);
                        low = _mm256_add_epi8(low, _mm256_shuffle_epi8(table, low_codes));
                        high = _mm256_add_epi8(high, _mm256_shuffle_epi8(table, high_codes));
                    }
                    sums[0] = _mm256_add_epi16(sums[0], _mm256_unpacklo_epi8(low, zero));
                    sums[1] = _mm256_add_epi16(sums[1], _mm256_unpackhi_epi8(low, zero));
                    sums[2] = _mm256_add_epi16(sums[2], _mm256_unpacklo_epi8(high, zero));
                    sums[3] = _mm256_add_epi16(sums[3], _mm256_unpackhi_epi8(high, zero));
                }
                for (distance, sums) in distances.iter_mut().zip(sums) {
                    let [front, back]: [__m128i; 2] = bytemuck::cast(sums);
                    let sums = _mm256_cvtepu16_epi32(_mm_add_epi16(front, back));
                    *distance = _mm256_add_epi32(*distance, sums);
                }
            }
        }
        let factors: [__m128i; 8] = bytemuck::cast(*factors);
        let (rescale, offset) = factors.split_at(4);
        let nearest = _mm256_set1_epi32(scale.nearest);
        let (rescale_step, offset_step) =
            (_mm256_set1_ps(scale.rescale), _mm256_set1_ps(scale.offset));
        let (bias, least) = (_mm256_set1_ps(scale.bias), _mm256_set1_ps(least));
        let (out, _) = scores.as_chunks_mut::<8>();
        let mut reached = 0;
        for at in 0..4 {
            let agreement = _mm256_sub_epi32(nearest, _mm256_slli_epi32::<1>(distances[at]));
            let rescale = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(rescale[at]));
            let offset = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(offset[at]));
            let product = _mm256_mul_ps(rescale, _mm256_cvtepi32_ps(agreement));
            let product = _mm256_mul_ps(product, rescale_step);
            let score = _mm256_add_ps(product, _mm256_mul_ps(offset, offset_step));
            let score = _mm256_add_ps(score, bias);
            let bits = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(score, least));
            reached |= (bits as u32) << (8 * at);
            out[at] = bytemuck::cast(score);
        }
        reached
    }

    /// A row is a few words: `popcnt` on each beats the byte tables AVX2 would need.
    #[target_feature(enable = "popcnt")]
    pub(super) fn row_distance(signs: &[u64], planes: &[u64]) -> u32 {
        scalar::row_distance(signs, planes)
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn dot_i16(row: &[i8], query: &[i16]) -> i32 {
        let (rows, row_tail) = row.as_chunks::<16>();
        let (queries, query_tail) = query.as_chunks::<16>();
        let mut sums = _mm256_setzero_si256();
        for (&x, &y) in rows.iter().zip(queries) {
            let products =
                _mm256_madd_epi16(_mm256_cvtepi8_epi16(bytemuck::cast(x)), bytemuck::cast(y));
            sums = _mm256_add_epi32(sums, products);
        }
        horizontal_sum(sums).wrapping_add(scalar::dot_i16(row_tail, query_tail))
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
        let (a_chunks, a_tail) = a.as_chunks::<16>();
        let (b_chunks, b_tail) = b.as_chunks::<16>();
        let mut sums = _mm256_setzero_si256();
        for (&x, &y) in a_chunks.iter().zip(b_chunks) {
            let x = _mm256_cvtepi8_epi16(bytemuck::cast(x));
            let y = _mm256_cvtepi8_epi16(bytemuck::cast(y));
            sums = _mm256_add_epi32(sums, _mm256_madd_epi16(x, y));
        }
        horizontal_sum(sums).wrapping_add(scalar::dot_i8(a_tail, b_tail))
    }

    #[target_feature(enable = "avx2")]
    fn horizontal_sum(sums: __m256i) -> i32 {
        let lanes: [i32; 8] = bytemuck::cast(sums);
        lanes
            .iter()
            .fold(0, |sum: i32, &lane| sum.wrapping_add(lane))
    }
}

mod avx512 {
    use core::arch::x86_64::__m128i;
    use core::arch::x86_64::__m256i;
    use core::arch::x86_64::__m512i;
    use core::arch::x86_64::_CMP_GE_OQ;
    use core::arch::x86_64::_mm_add_epi16;
    use core::arch::x86_64::_mm_add_epi32;
    use core::arch::x86_64::_mm_unpackhi_epi16;
    use core::arch::x86_64::_mm_unpacklo_epi16;
    use core::arch::x86_64::_mm256_add_epi64;
    use core::arch::x86_64::_mm256_popcnt_epi64;
    use core::arch::x86_64::_mm256_set1_epi64x;
    use core::arch::x86_64::_mm256_setzero_si256;
    use core::arch::x86_64::_mm256_xor_si256;
    use core::arch::x86_64::_mm512_add_epi8;
    use core::arch::x86_64::_mm512_add_epi16;
    use core::arch::x86_64::_mm512_add_epi32;
    use core::arch::x86_64::_mm512_add_ps;
    use core::arch::x86_64::_mm512_and_si512;
    use core::arch::x86_64::_mm512_cmp_ps_mask;
    use core::arch::x86_64::_mm512_cvtepi8_epi16;
    use core::arch::x86_64::_mm512_cvtepi16_epi32;
    use core::arch::x86_64::_mm512_cvtepi32_ps;
    use core::arch::x86_64::_mm512_cvtepu16_epi32;
    use core::arch::x86_64::_mm512_dpbusd_epi32;
    use core::arch::x86_64::_mm512_dpwssd_epi32;
    use core::arch::x86_64::_mm512_mul_ps;
    use core::arch::x86_64::_mm512_reduce_add_epi32;
    use core::arch::x86_64::_mm512_set1_epi8;
    use core::arch::x86_64::_mm512_set1_epi32;
    use core::arch::x86_64::_mm512_set1_ps;
    use core::arch::x86_64::_mm512_setzero_si512;
    use core::arch::x86_64::_mm512_shuffle_epi8;
    use core::arch::x86_64::_mm512_slli_epi16;
    use core::arch::x86_64::_mm512_slli_epi32;
    use core::arch::x86_64::_mm512_srli_epi16;
    use core::arch::x86_64::_mm512_sub_epi16;
    use core::arch::x86_64::_mm512_sub_epi32;
    use core::arch::x86_64::_mm512_unpackhi_epi32;
    use core::arch::x86_64::_mm512_unpackhi_epi64;
    use core::arch::x86_64::_mm512_unpacklo_epi32;
    use core::arch::x86_64::_mm512_unpacklo_epi64;
    use core::arch::x86_64::_mm512_xor_si512;

    use super::SPAN_GROUPS;
    use crate::vector::arch::BLOCK_ROWS;
    use crate::vector::arch::FACTOR_BYTES;
    use crate::vector::arch::Scale;
    use crate::vector::arch::TILE;
    use crate::vector::arch::scalar;

    /// Four groups per register, one in each quarter; the quarters are added at the end.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn block_scores(
        signs: &[u8],
        tables: &[u8],
        factors: &[u8; FACTOR_BYTES],
        scale: &Scale,
        least: f32,
        scores: &mut [f32; BLOCK_ROWS],
    ) -> u32 {
        let nibble = _mm512_set1_epi8(15);
        let zero = _mm512_setzero_si512();
        let mut distances = [zero; 2];
        for plane in signs.chunks_exact(tables.len().max(1)) {
            distances = distances.map(|distance| _mm512_slli_epi32::<1>(distance));
            let (codes, _) = plane.as_chunks::<256>();
            let (tables, _) = tables.as_chunks::<256>();
            for (codes, tables) in codes
                .chunks(SPAN_GROUPS / 16)
                .zip(tables.chunks(SPAN_GROUPS / 16))
            {
                // As 16-bit lanes: sums of a pair of bytes, of which the upper is also kept alone.
                let mut pairs = [zero; 2];
                let mut uppers = [zero; 2];
                for (codes, tables) in codes.iter().zip(tables) {
                    let codes: [__m512i; 4] = bytemuck::cast(*codes);
                    let tables: [__m512i; 4] = bytemuck::cast(*tables);
                    // Four table entries add up to at most 240: one byte per row until then.
                    let mut low = zero;
                    let mut high = zero;
                    for (codes, table) in codes.into_iter().zip(tables) {
                        let low_codes = _mm512_and_si512(codes, nibble);
                        let high_codes = _mm512_and_si512(_mm512_srli_epi16::<4>(codes), nibble);
                        low = _mm512_add_epi8(low, _mm512_shuffle_epi8(table, low_codes));
                        high = _mm512_add_epi8(high, _mm512_shuffle_epi8(table, high_codes));
                    }
                    pairs[0] = _mm512_add_epi16(pairs[0], low);
                    pairs[1] = _mm512_add_epi16(pairs[1], high);
                    uppers[0] = _mm512_add_epi16(uppers[0], _mm512_srli_epi16::<8>(low));
                    uppers[1] = _mm512_add_epi16(uppers[1], _mm512_srli_epi16::<8>(high));
                }
                for half in 0..2 {
                    let lowers =
                        _mm512_sub_epi16(pairs[half], _mm512_slli_epi16::<8>(uppers[half]));
                    let fold = |sums: __m512i| {
                        let [a, b, c, d]: [__m128i; 4] = bytemuck::cast(sums);
                        _mm_add_epi16(_mm_add_epi16(a, b), _mm_add_epi16(c, d))
                    };
                    let (even, odd) = (fold(lowers), fold(uppers[half]));
                    let sums = [_mm_unpacklo_epi16(even, odd), _mm_unpackhi_epi16(even, odd)];
                    let sums = _mm512_cvtepu16_epi32(bytemuck::cast(sums));
                    distances[half] = _mm512_add_epi32(distances[half], sums);
                }
            }
        }
        let factors: [__m256i; 4] = bytemuck::cast(*factors);
        let (rescale, offset) = factors.split_at(2);
        let nearest = _mm512_set1_epi32(scale.nearest);
        let (rescale_step, offset_step) =
            (_mm512_set1_ps(scale.rescale), _mm512_set1_ps(scale.offset));
        let (bias, least) = (_mm512_set1_ps(scale.bias), _mm512_set1_ps(least));
        let (out, _) = scores.as_chunks_mut::<16>();
        let mut reached = 0;
        for at in 0..2 {
            let agreement = _mm512_sub_epi32(nearest, _mm512_slli_epi32::<1>(distances[at]));
            let rescale = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(rescale[at]));
            let offset = _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(offset[at]));
            let product = _mm512_mul_ps(rescale, _mm512_cvtepi32_ps(agreement));
            let product = _mm512_mul_ps(product, rescale_step);
            let score = _mm512_add_ps(product, _mm512_mul_ps(offset, offset_step));
            let score = _mm512_add_ps(score, bias);
            let bits = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(score, least);
            reached |= u32::from(bits) << (16 * at);
            out[at] = bytemuck::cast(score);
        }
        reached
    }

    /// One word against its four planes at a time; the weights come last.
    #[target_feature(enable = "avx512f,avx512vl,avx512vpopcntdq")]
    pub(super) fn row_distance(signs: &[u64], planes: &[u64]) -> u32 {
        let mut counts = _mm256_setzero_si256();
        for (&word, &planes) in signs.iter().zip(planes.as_chunks::<4>().0) {
            let word = _mm256_set1_epi64x(word as i64);
            let differing = _mm256_xor_si256(word, bytemuck::cast(planes));
            counts = _mm256_add_epi64(counts, _mm256_popcnt_epi64(differing));
        }
        let [c0, c1, c2, c3]: [u64; 4] = bytemuck::cast(counts);
        (c0 + 2 * c1 + 4 * c2 + 8 * c3) as u32
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn dot_i16(row: &[i8], query: &[i16]) -> i32 {
        let (rows, row_tail) = row.as_chunks::<32>();
        let (queries, query_tail) = query.as_chunks::<32>();
        let mut sums = _mm512_setzero_si512();
        for (&x, &y) in rows.iter().zip(queries) {
            let x = _mm512_cvtepi8_epi16(bytemuck::cast(x));
            sums = _mm512_dpwssd_epi32(sums, x, bytemuck::cast(y));
        }
        _mm512_reduce_add_epi32(sums).wrapping_add(scalar::dot_i16(row_tail, query_tail))
    }

    /// `vpdpbusd` wants one unsigned side: `a . b = (a + 128) . b - 128 * sum(b)`.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
        let (a_chunks, a_tail) = a.as_chunks::<64>();
        let (b_chunks, b_tail) = b.as_chunks::<64>();
        let offset = _mm512_set1_epi8(i8::MIN);
        let mut shifted = _mm512_setzero_si512();
        let mut excess = _mm512_setzero_si512();
        for (&x, &y) in a_chunks.iter().zip(b_chunks) {
            let y = bytemuck::cast(y);
            let x = _mm512_xor_si512(bytemuck::cast(x), offset);
            shifted = _mm512_dpbusd_epi32(shifted, x, y);
            excess = _mm512_dpbusd_epi32(excess, offset, y);
        }
        _mm512_reduce_add_epi32(_mm512_sub_epi32(shifted, excess))
            .wrapping_add(scalar::dot_i8(a_tail, b_tail))
    }

    /// Sixteen sums at once, so that loads serve four products each.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn tile_dots(a: &[&[i8]; TILE], b: &[&[i8]; TILE], out: &mut [[i32; TILE]; TILE]) {
        let len = a.iter().chain(b).map(|row| row.len()).min().unwrap_or(0);
        let whole = len - len % 64;
        let offset = _mm512_set1_epi8(i8::MIN);
        let mut shifted = [[_mm512_setzero_si512(); TILE]; TILE];
        let mut excess = [_mm512_setzero_si512(); TILE];
        let (a_chunks, b_chunks) = (
            a.map(|row| row[..whole].as_chunks::<64>().0),
            b.map(|row| row[..whole].as_chunks::<64>().0),
        );
        for at in 0..whole / 64 {
            let xs = a_chunks.map(|row| _mm512_xor_si512(bytemuck::cast(row[at]), offset));
            let ys: [__m512i; TILE] = b_chunks.map(|row| bytemuck::cast(row[at]));
            for j in 0..TILE {
                excess[j] = _mm512_dpbusd_epi32(excess[j], offset, ys[j]);
                for i in 0..TILE {
                    shifted[i][j] = _mm512_dpbusd_epi32(shifted[i][j], xs[i], ys[j]);
                }
            }
        }
        let excess: [i32; 4] = bytemuck::cast(sums(excess));
        for i in 0..TILE {
            let sums: [i32; 4] = bytemuck::cast(sums(shifted[i]));
            for j in 0..TILE {
                out[i][j] = sums[j].wrapping_sub(excess[j]);
            }
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

    /// The sums of four registers.
    #[target_feature(enable = "avx512f")]
    fn sums([a, b, c, d]: [__m512i; 4]) -> __m128i {
        let pair =
            |a, b| _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (ab, cd) = (pair(a, b), pair(c, d));
        let quads = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
        let [a, b, c, d]: [__m128i; 4] = bytemuck::cast(quads);
        _mm_add_epi32(_mm_add_epi32(a, b), _mm_add_epi32(c, d))
    }
}
