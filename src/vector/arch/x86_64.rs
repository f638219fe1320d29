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

/// The tables this processor can run, the faster one last.
pub(super) fn available() -> impl Iterator<Item = &'static Kernels> {
    let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt");
    let has_avx512 = has_avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512vpopcntdq");
    [(has_avx2, &AVX2), (has_avx512, &AVX512)]
        .into_iter()
        .filter_map(|(runs, kernels)| runs.then_some(kernels))
}

static AVX2: Kernels = Kernels {
    name: "avx2",
    block_distances: |signs, tables, distances| {
        // SAFETY: `available` has found avx2.
        unsafe { avx2::block_distances(signs, tables, distances) }
    },
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
};

static AVX512: Kernels = Kernels {
    name: "avx512",
    block_distances: |signs, tables, distances| {
        // SAFETY: `available` has found avx512f and avx512bw.
        unsafe { avx512::block_distances(signs, tables, distances) }
    },
    row_distance: |signs, planes| {
        // SAFETY: `available` has found avx512f and avx512vpopcntdq.
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
};

/// Groups whose sums fit 16 bits: 1024 * 60 < 2^16.
const SPAN_GROUPS: usize = 1024;

fn add_sums(distances: &mut [u32; 32], sums: [[u16; 8]; 4]) {
    for (distance, &sum) in distances.iter_mut().zip(sums.as_flattened()) {
        *distance += u32::from(sum);
    }
}

mod avx2 {
    use core::arch::x86_64::__m128i;
    use core::arch::x86_64::__m256i;
    use core::arch::x86_64::_mm_add_epi16;
    use core::arch::x86_64::_mm256_add_epi8;
    use core::arch::x86_64::_mm256_add_epi16;
    use core::arch::x86_64::_mm256_add_epi32;
    use core::arch::x86_64::_mm256_and_si256;
    use core::arch::x86_64::_mm256_cvtepi8_epi16;
    use core::arch::x86_64::_mm256_madd_epi16;
    use core::arch::x86_64::_mm256_set1_epi8;
    use core::arch::x86_64::_mm256_setzero_si256;
    use core::arch::x86_64::_mm256_shuffle_epi8;
    use core::arch::x86_64::_mm256_srli_epi16;
    use core::arch::x86_64::_mm256_unpackhi_epi8;
    use core::arch::x86_64::_mm256_unpacklo_epi8;

    use super::SPAN_GROUPS;
    use super::add_sums;
    use crate::vector::arch::scalar;

    /// Two groups per register, one in each half; the halves are added at the end.
    #[target_feature(enable = "avx2")]
    pub(super) fn block_distances(signs: &[u8], tables: &[u8], distances: &mut [u32; 32]) {
        *distances = [0; 32];
        let (signs, _) = signs.as_chunks::<32>();
        let (tables, _) = tables.as_chunks::<32>();
        let nibble = _mm256_set1_epi8(15);
        let zero = _mm256_setzero_si256();
        for (signs, tables) in signs
            .chunks(SPAN_GROUPS / 2)
            .zip(tables.chunks(SPAN_GROUPS / 2))
        {
            let mut sums = [zero; 4];
            // Four table entries add up to at most 240: one byte per row until then.
            for (signs, tables) in signs.chunks(4).zip(tables.chunks(4)) {
                let mut low = zero;
                let mut high = zero;
                for (&codes, &table) in signs.iter().zip(tables) {
                    let codes: __m256i = bytemuck::cast(codes);
                    let table: __m256i = bytemuck::cast(table);
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
            let mut folded = [[0u16; 8]; 4];
            for (folded, sum) in folded.iter_mut().zip(sums) {
                let halves: [__m128i; 2] = bytemuck::cast(sum);
                *folded = bytemuck::cast(_mm_add_epi16(halves[0], halves[1]));
            }
            add_sums(distances, folded);
        }
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
    use core::arch::x86_64::__m512i;
    use core::arch::x86_64::_mm_add_epi16;
    use core::arch::x86_64::_mm512_add_epi8;
    use core::arch::x86_64::_mm512_add_epi16;
    use core::arch::x86_64::_mm512_add_epi64;
    use core::arch::x86_64::_mm512_and_si512;
    use core::arch::x86_64::_mm512_cvtepi8_epi16;
    use core::arch::x86_64::_mm512_dpbusd_epi32;
    use core::arch::x86_64::_mm512_dpwssd_epi32;
    use core::arch::x86_64::_mm512_maskz_loadu_epi64;
    use core::arch::x86_64::_mm512_popcnt_epi64;
    use core::arch::x86_64::_mm512_reduce_add_epi32;
    use core::arch::x86_64::_mm512_reduce_add_epi64;
    use core::arch::x86_64::_mm512_set1_epi8;
    use core::arch::x86_64::_mm512_setzero_si512;
    use core::arch::x86_64::_mm512_shuffle_epi8;
    use core::arch::x86_64::_mm512_slli_epi64;
    use core::arch::x86_64::_mm512_srli_epi16;
    use core::arch::x86_64::_mm512_sub_epi32;
    use core::arch::x86_64::_mm512_unpackhi_epi8;
    use core::arch::x86_64::_mm512_unpacklo_epi8;
    use core::arch::x86_64::_mm512_xor_si512;

    use super::SPAN_GROUPS;
    use super::add_sums;
    use crate::vector::arch::scalar;

    /// Four groups per register, one in each quarter; the quarters are added at the end.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn block_distances(signs: &[u8], tables: &[u8], distances: &mut [u32; 32]) {
        *distances = [0; 32];
        let (signs, _) = signs.as_chunks::<64>();
        let (tables, _) = tables.as_chunks::<64>();
        let nibble = _mm512_set1_epi8(15);
        let zero = _mm512_setzero_si512();
        for (signs, tables) in signs
            .chunks(SPAN_GROUPS / 4)
            .zip(tables.chunks(SPAN_GROUPS / 4))
        {
            let mut sums = [zero; 4];
            // Four table entries add up to at most 240: one byte per row until then.
            for (signs, tables) in signs.chunks(4).zip(tables.chunks(4)) {
                let mut low = zero;
                let mut high = zero;
                for (&codes, &table) in signs.iter().zip(tables) {
                    let codes: __m512i = bytemuck::cast(codes);
                    let table: __m512i = bytemuck::cast(table);
                    let low_codes = _mm512_and_si512(codes, nibble);
                    let high_codes = _mm512_and_si512(_mm512_srli_epi16::<4>(codes), nibble);
                    low = _mm512_add_epi8(low, _mm512_shuffle_epi8(table, low_codes));
                    high = _mm512_add_epi8(high, _mm512_shuffle_epi8(table, high_codes));
                }
                sums[0] = _mm512_add_epi16(sums[0], _mm512_unpacklo_epi8(low, zero));
                sums[1] = _mm512_add_epi16(sums[1], _mm512_unpackhi_epi8(low, zero));
                sums[2] = _mm512_add_epi16(sums[2], _mm512_unpacklo_epi8(high, zero));
                sums[3] = _mm512_add_epi16(sums[3], _mm512_unpackhi_epi8(high, zero));
            }
            let mut folded = [[0u16; 8]; 4];
            for (folded, sum) in folded.iter_mut().zip(sums) {
                let quarters: [__m128i; 4] = bytemuck::cast(sum);
                let front = _mm_add_epi16(quarters[0], quarters[1]);
                let back = _mm_add_epi16(quarters[2], quarters[3]);
                *folded = bytemuck::cast(_mm_add_epi16(front, back));
            }
            add_sums(distances, folded);
        }
    }

    #[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
    pub(super) fn row_distance(signs: &[u64], planes: &[u64]) -> u32 {
        let words = signs.len();
        let plane = |p: usize| planes.get(p * words..).and_then(|rest| rest.get(..words));
        let (Some(p0), Some(p1), Some(p2), Some(p3)) = (plane(0), plane(1), plane(2), plane(3))
        else {
            return scalar::row_distance(signs, planes);
        };
        let mut sums = _mm512_setzero_si512();
        for at in (0..words).step_by(8) {
            let signs = load(signs, at);
            let c0 = _mm512_popcnt_epi64(_mm512_xor_si512(signs, load(p0, at)));
            let c1 = _mm512_popcnt_epi64(_mm512_xor_si512(signs, load(p1, at)));
            let c2 = _mm512_popcnt_epi64(_mm512_xor_si512(signs, load(p2, at)));
            let c3 = _mm512_popcnt_epi64(_mm512_xor_si512(signs, load(p3, at)));
            let low = _mm512_add_epi64(c0, _mm512_slli_epi64::<1>(c1));
            let high = _mm512_add_epi64(c2, _mm512_slli_epi64::<1>(c3));
            let sum = _mm512_add_epi64(low, _mm512_slli_epi64::<2>(high));
            sums = _mm512_add_epi64(sums, sum);
        }
        _mm512_reduce_add_epi64(sums) as u32
    }

    /// Up to eight words from `at` on; zeros past the end.
    #[target_feature(enable = "avx512f")]
    fn load(words: &[u64], at: usize) -> __m512i {
        let rest = &words[at..];
        if let Some(&full) = rest.first_chunk::<8>() {
            return bytemuck::cast(full);
        }
        let mask = (1u8 << rest.len()) - 1;
        // SAFETY: the mask admits exactly the words of `rest`; masked-off lanes are not read.
        unsafe { _mm512_maskz_loadu_epi64(mask, rest.as_ptr().cast()) }
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
}
