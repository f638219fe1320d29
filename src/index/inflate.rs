//! DEFLATE decompression (RFC 1951) of whole blocks whose length is known.
//!
//! Compressing is a library's work, at build time. Its decompressor is made for streams that stop
//! anywhere, and takes three times the code.

use alloc::vec::Vec;

/// Bits that a table looks up at once; longer codes, which are rare, are read bit by bit.
const SHORT: u32 = 10;

/// DEFLATE cannot make more bytes out of one.
const MAX_RATIO: usize = 1032;

/// The `len` bytes that `compressed` stands for, which may refer to those of `preset` before them;
/// `None` if it does not.
pub fn decompress(preset: &[u8], compressed: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > compressed.len().saturating_mul(MAX_RATIO) {
        return None;
    }
    let mut out = preset.to_vec();
    let mut at = out.len();
    out.resize(at + len, 0);
    let mut bits = Bits {
        bytes: compressed,
        hold: 0,
        have: 0,
    };
    loop {
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => at = stored(&mut bits, &mut out, at)?,
            1 => {
                let mut lengths = [8; 288];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                let (literals, distances) = (Codes::new(&lengths)?, Codes::new(&[5; 30])?);
                at = coded(&mut bits, &literals, &distances, &mut out, at)?;
            }
            2 => {
                let (literals, distances) = read_codes(&mut bits)?;
                at = coded(&mut bits, &literals, &distances, &mut out, at)?;
            }
            _ => return None,
        }
        if is_last {
            return (at == out.len()).then(|| out.split_off(preset.len()));
        }
    }
}

/// Bits of bytes, lowest first.
struct Bits<'a> {
    bytes: &'a [u8],
    hold: u64,
    have: u32,
}

impl Bits<'_> {
    #[inline(always)]
    fn fill(&mut self) {
        let rest = self.bytes;
        if let Some(&word) = rest.first_chunk() {
            // Bits past `have` are those of the bytes that come next: setting them again is no harm.
            self.hold |= u64::from_le_bytes(word) << self.have;
            let more = (63 - self.have) >> 3;
            self.bytes = &rest[more as usize..];
            self.have += more << 3;
            return;
        }
        while self.have <= 56
            && let Some((&byte, rest)) = self.bytes.split_first()
        {
            self.hold |= u64::from(byte) << self.have;
            self.have += 8;
            self.bytes = rest;
        }
    }

    /// The next `count` bits, at most 16.
    #[inline(always)]
    fn take(&mut self, count: u32) -> Option<usize> {
        if self.have < count {
            self.fill();
        }
        let value = self.hold & ((1 << count) - 1);
        self.skip(count)?;
        Some(value as usize)
    }

    #[inline(always)]
    fn skip(&mut self, count: u32) -> Option<()> {
        self.have = self.have.checked_sub(count)?;
        self.hold >>= count;
        Some(())
    }
}

/// A canonical prefix code.
struct Codes {
    /// `symbol << 4 | length` of the short code that the index begins with, 0 for a long one.
    short: [u16; 1 << SHORT],
    /// Codes of each length.
    counts: [u16; 16],
    /// Symbols in the order of their codes.
    symbols: [u16; 288],
}

impl Codes {
    /// The code whose symbols' codes have these lengths, 0 for none.
    fn new(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0u16; 16];
        for &length in lengths {
            counts[usize::from(length)] += 1;
        }
        counts[0] = 0;
        // First code and first symbol of each length.
        let (mut codes, mut places) = ([0u16; 16], [0u16; 16]);
        let (mut code, mut place) = (0u32, 0);
        for length in 1..16 {
            code = (code + u32::from(counts[length - 1])) << 1;
            if code + u32::from(counts[length]) > 1 << length {
                return None;
            }
            codes[length] = code as u16;
            place += counts[length - 1];
            places[length] = place;
        }
        let (mut short, mut symbols) = ([0; 1 << SHORT], [0; 288]);
        for (symbol, &length) in (0u16..).zip(lengths) {
            if length == 0 {
                continue;
            }
            let at = usize::from(length);
            symbols[usize::from(places[at])] = symbol;
            places[at] += 1;
            if u32::from(length) <= SHORT {
                let first = codes[at].reverse_bits() >> (16 - length);
                for entry in short.iter_mut().skip(first.into()).step_by(1 << length) {
                    *entry = symbol << 4 | u16::from(length);
                }
            }
            codes[at] += 1;
        }
        Some(Self {
            short,
            counts,
            symbols,
        })
    }

    #[inline(always)]
    fn read(&self, bits: &mut Bits<'_>) -> Option<usize> {
        if bits.have < SHORT {
            bits.fill();
        }
        let entry = self.short[bits.hold as usize % (1 << SHORT)];
        if entry != 0 {
            bits.skip(u32::from(entry & 15))?;
            return Some(usize::from(entry >> 4));
        }
        self.read_long(bits)
    }

    #[inline(never)]
    fn read_long(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut first, mut place) = (0, 0, 0);
        for &count in &self.counts[1..] {
            let count = usize::from(count);
            code = code << 1 | bits.take(1)?;
            first <<= 1;
            if code < first + count {
                return Some(self.symbols[place + code - first].into());
            }
            first += count;
            place += count;
        }
        None
    }
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
    bits.take(bits.have % 8)?;
    let count = bits.take(16)?;
    if bits.take(16)? != !count & 0xffff {
        return None;
    }
    for byte in out.get_mut(at..at + count)? {
        *byte = bits.take(8)? as u8;
    }
    Some(at + count)
}

/// A number that is a symbol and some more bits; every `1 << log` symbols there is one more.
#[inline(always)]
fn number(bits: &mut Bits<'_>, symbol: usize, log: u32) -> Option<usize> {
    if symbol < 2 << log {
        return Some(symbol);
    }
    let extra = (symbol >> log) as u32 - 1;
    let base = (1 << log) + symbol % (1 << log);
    Some((base << extra) + bits.take(extra)?)
}

/// Writes a block of literals and repetitions at `at`; returns where it ends.
fn coded(
    bits: &mut Bits<'_>,
    literals: &Codes,
    distances: &Codes,
    out: &mut [u8],
    mut at: usize,
) -> Option<usize> {
    loop {
        let length = match literals.read(bits)? {
            byte if byte < 256 => {
                *out.get_mut(at)? = byte as u8;
                at += 1;
                continue;
            }
            256 => return Some(at),
            285 => 258,
            symbol @ 257..285 => 3 + number(bits, symbol - 257, 2)?,
            _ => return None,
        };
        let symbol = distances.read(bits).filter(|&symbol| symbol < 30)?;
        let distance = 1 + number(bits, symbol, 1)?;
        // Most repetitions are short, and one may repeat what it has just written.
        let first = at.checked_sub(distance)?;
        let repeated = out.get_mut(first..at + length)?;
        for to in distance..repeated.len() {
            repeated[to] = repeated[to - distance];
        }
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

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
                let unpacked = decompress(&[], &packed, raw.len());
                assert!(
                    unpacked.as_deref() == Some(&raw),
                    "level {level}, {} bytes",
                    raw.len()
                );
                assert_eq!(decompress(&[], &packed, raw.len() + 1), None);
                if !raw.is_empty() {
                    assert_eq!(decompress(&[], &packed, raw.len() - 1), None);
                }
            }
        }
        // Fixed codes, which the compressor above seldom chooses.
        assert_eq!(
            decompress(&[], &[0x4b, 0x4c, 0x4a, 0x06, 0x00], 3).as_deref(),
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
                    if let Some(ours) = decompress(&[], &packed, raw.len()) {
                        let theirs =
                            miniz_oxide::inflate::decompress_to_vec_with_limit(&packed, raw.len());
                        assert!(theirs.is_ok_and(|theirs| theirs == ours), "bit {bit}");
                    }
                }
            }
        }
    }
}
