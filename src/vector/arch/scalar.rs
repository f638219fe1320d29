//! The specification of every kernel, and the fallback.

use super::BLOCK_ROWS;
use super::FACTOR_BYTES;
use super::Kernels;
use super::Scale;
use super::TILE;

pub(super) static SCALAR: Kernels = Kernels {
    name: "scalar",
    block_scores,
    tables,
    row_distance,
    dot_i16,
    dot_i8,
    tile_dots: |a, b, out| tile_dots(dot_i8, a, b, out),
};

fn block_scores(
    signs: &[u8],
    tables: &[u8],
    factors: &[u8; FACTOR_BYTES],
    scale: &Scale,
    least: f32,
    scores: &mut [f32; BLOCK_ROWS],
) -> u32 {
    let mut distances = [0u32; BLOCK_ROWS];
    for plane in signs.chunks_exact(tables.len().max(1)) {
        distances.iter_mut().for_each(|distance| *distance <<= 1);
        let (low, high) = distances.split_at_mut(16);
        let (tables, _) = tables.as_chunks::<16>();
        for (codes, table) in plane.as_chunks::<16>().0.iter().zip(tables) {
            for ((low, high), code) in low.iter_mut().zip(high.iter_mut()).zip(codes) {
                *low += u32::from(table[usize::from(code & 15)]);
                *high += u32::from(table[usize::from(code >> 4)]);
            }
        }
    }
    let (rescale, offset) = factors.as_chunks::<2>().0.split_at(BLOCK_ROWS);
    let mut reached = 0;
    for lane in 0..BLOCK_ROWS {
        let rescale = u16::from_le_bytes(rescale[lane]);
        let offset = i16::from_le_bytes(offset[lane]);
        scores[lane] = scale.score(distances[lane], rescale, offset);
        reached |= u32::from(scores[lane] >= least) << lane;
    }
    reached
}

/// The dimensions of a sign pattern: byte `p` is 1 where bit `b` of `p` is set, for the four bits.
pub(super) const SET: [u128; 4] = {
    let mut set = [0; 4];
    let mut at = 0;
    while at < 64 {
        let (pattern, bit) = (at / 4, at % 4);
        set[bit] |= ((pattern >> bit & 1) as u128) << (8 * pattern);
        at += 1;
    }
    set
};

/// 16 sums at once: they are at most 60, so that nothing is carried between bytes.
pub(super) fn tables(levels: &[u8], tables: &mut [u8]) {
    const ALL: u128 = u128::from_le_bytes([1; 16]);
    let spread = |level: u8, bytes: u128| {
        let (low, high) = (bytes as u64, (bytes >> 64) as u64);
        let level = u64::from(level);
        u128::from(low.wrapping_mul(level)) | u128::from(high.wrapping_mul(level)) << 64
    };
    let (groups, _) = levels.as_chunks::<4>();
    for (group, table) in groups.iter().zip(tables.as_chunks_mut::<16>().0) {
        let sums = group.iter().zip(SET).fold(0u128, |sums, (&level, set)| {
            sums.wrapping_add(spread(15 - level, set))
                .wrapping_add(spread(level, ALL ^ set))
        });
        *table = sums.to_le_bytes();
    }
}

#[inline]
pub(super) fn row_distance(signs: &[u64], planes: &[u64]) -> u32 {
    let mut counts = [0; 4];
    for (word, planes) in signs.iter().zip(planes.as_chunks::<4>().0) {
        for (count, plane) in counts.iter_mut().zip(planes) {
            *count += (word ^ plane).count_ones();
        }
    }
    let [c0, c1, c2, c3] = counts;
    c0 + 2 * c1 + 4 * c2 + 8 * c3
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

/// All pairs, one after the other.
#[inline(always)]
pub(super) fn tile_dots(
    dot: impl Fn(&[i8], &[i8]) -> i32,
    a: &[&[i8]; TILE],
    b: &[&[i8]; TILE],
    out: &mut [[i32; TILE]; TILE],
) {
    for (a, out) in a.iter().zip(out) {
        for (b, out) in b.iter().zip(out) {
            *out = dot(a, b);
        }
    }
}
