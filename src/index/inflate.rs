//! DEFLATE decompression (RFC 1951) of whole blocks whose length is known.
//!
//! Compressing is a library's work, at build time. Its decompressor is made for streams that stop
//! anywhere, and takes three times the code.

use super::lz77::Bits;
use super::lz77::Codes;
use super::lz77::Coding;
use alloc::vec;
use alloc::vec::Vec;

/// DEFLATE cannot make more bytes out of one.
const MAX_RATIO: usize = 1032;

/// The `len` bytes that `compressed` stands for; `None` if it does not.
pub fn decompress(compressed: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > compressed.len().saturating_mul(MAX_RATIO) {
        return None;
    }
    let (mut out, mut at) = (vec![0; len], 0);
    let mut bits = Bits::new(compressed);
    loop {
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => at = stored(&mut bits, &mut out, at)?,
            kind @ 1..=2 => {
                let (literals, distances) = match kind {
                    1 => fixed_codes()?,
                    _ => read_codes(&mut bits)?,
                };
                let coding = Coding {
                    literals: &[literals],
                    classes: &[],
                    distances: &distances,
                    phrases: None,
                };
                at = coding.read(&mut bits, &mut out, at)?;
            }
            _ => return None,
        }
        if is_last {
            return (at == len).then_some(out);
        }
    }
}

/// The codes of blocks that bring none.
fn fixed_codes() -> Option<(Codes, Codes)> {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    Some((Codes::new(&lengths)?, Codes::new(&[5; 30])?))
}

/// The codes that a block brings along, themselves coded.
fn read_codes(bits: &mut Bits<'_>) -> Option<(Codes, Codes)> {
    const ORDER: [u8; 19] = [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ];
    let literals = bits.take(5)? + 257;
    let distances = bits.take(5)? + 1;
    let mut lengths = [0; 19];
    for at in &ORDER[..bits.take(4)? + 4] {
        lengths[usize::from(*at)] = bits.take(3)? as u8;
    }
    let codes = Codes::new(&lengths)?;
    let mut lengths = [0u8; 320];
    let (lengths, mut at) = (lengths.get_mut(..literals + distances)?, 0);
    while at < lengths.len() {
        let (length, times) = match codes.read(bits)? {
            16 => (lengths[at.checked_sub(1)?], 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length as u8, 1),
        };
        lengths.get_mut(at..at + times)?.fill(length);
        at += times;
    }
    let (literals, distances) = lengths.split_at(literals);
    Some((Codes::new(literals)?, Codes::new(distances)?))
}

/// Writes a block that is not compressed at `at`; returns where it ends.
fn stored(bits: &mut Bits<'_>, out: &mut [u8], at: usize) -> Option<usize> {
    bits.to_byte()?;
    let count = bits.take(16)?;
    if bits.take(16)? != !count & 0xffff {
        return None;
    }
    for byte in out.get_mut(at..at + count)? {
        *byte = bits.take(8)? as u8;
    }
    Some(at + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Vec<u8>> {
        let noise = (0..70_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8);
        let words =
            (0..9_000u32).flat_map(|i| alloc::format!("{} of {i}, ", i * i % 97).into_bytes());
        vec![
            vec![],
            b"a".to_vec(),
            vec![7; 100_000],
            noise.collect(),
            words.collect(),
        ]
    }

    #[test]
    fn all_kinds_of_blocks_come_back() {
        for raw in samples() {
            for level in [0, 1, 6, 10] {
                let packed = miniz_oxide::deflate::compress_to_vec(&raw, level);
                let unpacked = decompress(&packed, raw.len());
                assert!(
                    unpacked.as_deref() == Some(&raw),
                    "level {level}, {} bytes",
                    raw.len()
                );
                assert_eq!(decompress(&packed, raw.len() + 1), None);
                if !raw.is_empty() {
                    assert_eq!(decompress(&packed, raw.len() - 1), None);
                }
            }
        }
        // Fixed codes, which the compressor above seldom chooses.
        assert_eq!(
            decompress(&[0x4b, 0x4c, 0x4a, 0x06, 0x00], 3).as_deref(),
            Some(&b"abc"[..])
        );
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_as_the_library_reads_them() {
        for raw in &samples()[3..] {
            let raw = &raw[..3_000];
            for level in [0, 1, 9] {
                let packed = miniz_oxide::deflate::compress_to_vec(raw, level);
                for bit in (0..packed.len() * 8).filter(|bit| *bit < 2_000 || bit % 97 == 0) {
                    let mut packed = packed.clone();
                    packed[bit / 8] ^= 1 << (bit % 8);
                    if let Some(ours) = decompress(&packed, raw.len()) {
                        let theirs =
                            miniz_oxide::inflate::decompress_to_vec_with_limit(&packed, raw.len());
                        assert!(theirs.is_ok_and(|theirs| theirs == ours), "bit {bit}");
                    }
                }
            }
        }
    }
}
