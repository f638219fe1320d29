//! LZ77 (Ziv, Lempel 1977) in canonical prefix codes, as in DEFLATE (RFC 1951, section 3.2), and with phrases.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// Bits that a table looks up at once; longer codes, which are rare, are read bit by bit.
const SHORT: u32 = 10;

/// Most symbols of a code.
pub const MAX_SYMBOLS: usize = 1 << 12;

/// Bits of bytes, lowest first.
#[derive(Debug)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    hold: u64,
    have: u32,
}

impl<'a> Bits<'a> {
    /// Those of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            hold: 0,
            have: 0,
        }
    }

    #[inline]
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
    #[inline]
    pub fn take(&mut self, count: u32) -> Option<usize> {
        if self.have < count {
            self.fill();
        }
        let value = self.hold & ((1 << count) - 1);
        self.skip(count)?;
        Some(value as usize)
    }

    /// Passes over what is left of a byte.
    pub fn to_byte(&mut self) -> Option<()> {
        self.skip(self.have % 8)
    }

    #[inline]
    fn skip(&mut self, count: u32) -> Option<()> {
        self.have = self.have.checked_sub(count)?;
        self.hold >>= count;
        Some(())
    }
}

/// A canonical prefix code.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Codes {
    /// `symbol << 4 | length` of the short code that the index begins with, 0 for a long one.
    short: Vec<u16>,
    /// Codes of each length.
    counts: [u16; 16],
    /// Symbols in the order of their codes.
    symbols: Vec<u16>,
}

impl Codes {
    /// The code whose symbols' codes have these lengths, 0 for none.
    ///
    /// `None` where no code has these lengths, or more than [`MAX_SYMBOLS`].
    pub fn new(lengths: &[u8]) -> Option<Self> {
        if lengths.len() > MAX_SYMBOLS || lengths.iter().any(|&length| length > 15) {
            return None;
        }
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
        let (mut short, mut symbols) = (vec![0; 1 << SHORT], vec![0; lengths.len()]);
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

    /// The next symbol; `None` where the bits end or begin no code.
    #[inline]
    pub fn read(&self, bits: &mut Bits<'_>) -> Option<usize> {
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

/// What a block is written in.
#[derive(Debug)]
pub struct Coding<'a> {
    /// Codes of literals and lengths, by the class of the byte before.
    pub literals: &'a [Codes],
    /// Classes of bytes; 0 of those that are not listed.
    pub classes: &'a [u8],
    /// Code of distances.
    pub distances: &'a Codes,
    /// What symbol 256 begins; without, it ends the block.
    pub phrases: Option<(&'a Codes, &'a [Range<usize>], &'a [u8])>,
}

/// The symbol that ends a block, or that a phrase follows.
pub const END_OR_PHRASE: usize = 256;

impl Coding<'_> {
    /// Writes a block of literals, phrases and repetitions at `at`; returns where it ends, with phrases
    /// where all is written.
    pub fn read(&self, bits: &mut Bits<'_>, out: &mut [u8], mut at: usize) -> Option<usize> {
        let mut before = 0;
        while at < out.len() || self.phrases.is_none() {
            let class = self.classes.get(before).map_or(0, |&class| class.into());
            match self.literals.get(class)?.read(bits)? {
                END_OR_PHRASE => {
                    let Some((codes, places, text)) = self.phrases else {
                        return Some(at);
                    };
                    let phrase = text.get(places.get(codes.read(bits)?)?.clone())?;
                    out.get_mut(at..at + phrase.len())?.copy_from_slice(phrase);
                    at += phrase.len();
                }
                byte if byte < END_OR_PHRASE => {
                    *out.get_mut(at)? = byte as u8;
                    at += 1;
                }
                symbol => {
                    let length = match symbol {
                        285 => 258,
                        257..285 => 3 + number(bits, symbol - 257, 2)?,
                        _ => return None,
                    };
                    let symbol = self.distances.read(bits).filter(|&symbol| symbol < 30)?;
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
            before = usize::from(*out.get(at.wrapping_sub(1))?);
        }
        Some(at)
    }
}

/// A number that is a symbol and some more bits; every `1 << log` symbols there is one more.
fn number(bits: &mut Bits<'_>, symbol: usize, log: u32) -> Option<usize> {
    if symbol < 2 << log {
        return Some(symbol);
    }
    let extra = (symbol >> log) as u32 - 1;
    let base = (1 << log) + symbol % (1 << log);
    Some((base << extra) + bits.take(extra)?)
}
