//! A block as literals, phrases and repetitions: of all ways to write it, nearly the one of the fewest bits.
//!
//! Prices do not change within a block, so the best way to write its beginning is part of the best way to
//! write more: the shortest path over places, as in Zopfli's and LZMA's optimal parsing.

use coracle::index::CodeLengths;
use coracle::index::END_OR_PHRASE as PHRASE;
use coracle::index::LITERALS;
use std::ops::Range;

/// One symbol and what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Bytes that it stands for.
    pub len: u16,
    /// What it is.
    pub kind: Kind,
}

/// What a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The byte itself.
    Literal,
    /// The phrase of this number.
    Phrase(u16),
    /// What stands so many bytes before.
    Repeat(u16),
}

const LITERAL: Step = Step {
    len: 1,
    kind: Kind::Literal,
};

/// Fewest bytes of a repetition, as in DEFLATE, and of a phrase.
const LEAST: usize = 3;

/// Most bytes of a repetition, as in DEFLATE.
const LONGEST: usize = 258;

/// So far back repetitions refer, which fits sixteen bits.
const MAX_DISTANCE: usize = (1 << 15) - 1;

/// So many places with the same three bytes are tried, the nearest first.
const TRIED: usize = 8;

/// Phrases and repetitions are looked for only at places whose price is so many bits below that of one
/// farther on. Parsing takes a third less time for it, and texts a fiftieth more.
const SELDOM: u32 = 4;

/// Bits of the hash of three bytes.
const HASH_BITS: u32 = 12;

/// No place.
const NONE: u32 = u32::MAX;

/// The symbol of a repetition's length, and the value and number of the bits after it.
pub fn length_symbol(len: usize) -> (usize, u32, u32) {
    if len == LONGEST {
        return (PHRASE + 29, 0, 0);
    }
    let (symbol, extra, bits) = number(len - LEAST, 2);
    (PHRASE + 1 + symbol, extra, bits)
}

/// The symbol of a distance, and the value and number of the bits after it.
pub fn distance_symbol(distance: usize) -> (usize, u32, u32) {
    number(distance - 1, 1)
}

/// A number as a symbol and some more bits; every `1 << log` symbols there is one more.
fn number(value: usize, log: u32) -> (usize, u32, u32) {
    if value < 2 << log {
        return (value, 0, 0);
    }
    let bits = value.ilog2() - log;
    let symbol = ((bits as usize) << log) + (value >> bits);
    (symbol, (value & ((1 << bits) - 1)) as u32, bits)
}

/// What a parse asks about a phrase, in few bytes: it is asked at every place.
#[derive(Clone, Copy)]
struct Phrase {
    /// The first eight bytes.
    word: u64,
    number: u16,
    len: u8,
    price: u8,
}

/// Bytes that are compared at once.
const WORD: usize = 8;

/// The first eight bytes, zeros where there are fewer.
#[inline(always)]
fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or_else(
        || {
            bytes
                .iter()
                .rev()
                .fold(0, |word, &byte| word << 8 | u64::from(byte))
        },
        |first| u64::from_le_bytes(*first),
    )
}

/// Parses blocks at the prices of a code.
pub struct Parser {
    phrases: Vec<Vec<u8>>,
    /// The phrases by the hashes of their beginnings.
    beginnings: Vec<Phrase>,
    /// Where the phrases of each hash begin, and the number of all.
    starts: Vec<u16>,
    prices: CodeLengths,
    /// Of repetitions by length less [`LEAST`], after bytes of each class.
    lengths: Vec<Vec<u32>>,
}

impl Parser {
    /// One that knows phrases of at least [`LEAST`] bytes; a code word's length is its price.
    pub fn new(phrases: Vec<Vec<u8>>, prices: CodeLengths) -> Self {
        let phrase = |(number, phrase): (u16, &Vec<u8>)| Phrase {
            word: word(phrase),
            number,
            len: phrase.len() as u8,
            price: prices.phrases[usize::from(number)],
        };
        let mut beginnings: Vec<Phrase> = (0..).zip(&phrases).map(phrase).collect();
        beginnings.sort_by_key(|phrase| hash(phrase.word));
        let starts = (0..=1 << HASH_BITS)
            .map(|at| beginnings.partition_point(|phrase| hash(phrase.word) < at) as u16)
            .collect();
        let price = |code: &[u8], len| {
            let (symbol, _, bits) = length_symbol(len);
            u32::from(code[symbol]) + bits
        };
        let lengths = |code| (LEAST..=LONGEST).map(|len| price(code, len)).collect();
        Self {
            lengths: prices.literals.chunks(LITERALS).map(lengths).collect(),
            phrases,
            beginnings,
            starts,
            prices,
        }
    }

    /// The class of what stands after a byte.
    pub fn class_after(&self, before: u8) -> usize {
        self.prices.classes[usize::from(before)].into()
    }

    /// The steps that a block is.
    pub fn parse(&self, block: &[u8]) -> Vec<Step> {
        let all = [block, &[0; WORD]].concat();
        // The last place with each hash, and the place before each place with the same.
        let (mut heads, mut links) = (vec![NONE; 1 << HASH_BITS], Vec::with_capacity(block.len()));
        // The least price of what stands before each place, and the step that ends there.
        let mut best = vec![(u32::MAX, LITERAL); block.len() + 1];
        best[0].0 = 0;
        let (mut before, mut ahead) = (0, Ahead { end: 0, price: 0 });
        for (at, &byte) in block.iter().enumerate() {
            let class = self.class_after(before);
            let prices = &self.prices.literals[class * LITERALS..][..LITERALS];
            let (here, reached) = best[at..].split_first_mut().expect("a place for each byte");
            let (here, rest) = (here.0, &block[at..]);
            reach(
                &mut reached[0],
                here + u32::from(prices[usize::from(byte)]),
                LITERAL,
            );
            let next = word(&all[at..]);
            let hash = (rest.len() >= LEAST).then(|| hash(next));
            let head = hash.map_or(NONE, |hash| heads[hash]);
            links.push(head);
            if let Some(hash) = hash {
                heads[hash] = at as u32;
            }
            before = byte;
            if ahead.end > at && ahead.price <= here + SELDOM {
                continue;
            }
            let price = here + u32::from(prices[PHRASE]);
            for phrase in hash.map_or(&[][..], |hash| self.beginning(hash)) {
                if self.begins(phrase, rest, next) {
                    let step = Step {
                        len: phrase.len.into(),
                        kind: Kind::Phrase(phrase.number),
                    };
                    let place = &mut reached[usize::from(phrase.len) - 1];
                    let price = price + u32::from(phrase.price);
                    reach(place, price, step);
                    ahead.note(at, at + usize::from(phrase.len), price);
                }
            }
            let longest = rest.len().min(LONGEST);
            each_repetition(&all, at, longest, head, &links, |lens, distance| {
                let (symbol, _, bits) = distance_symbol(distance);
                let here = here + u32::from(self.prices.distances[symbol]) + bits;
                let kind = Kind::Repeat(distance as u16);
                let prices = &self.lengths[class][lens.start - LEAST..];
                let reached = &mut reached[lens.start - 1..];
                let longest = lens.len() - 1;
                ahead.note(at, at + lens.end - 1, here + prices[longest]);
                for ((len, price), place) in lens.zip(prices).zip(reached) {
                    let len = len as u16;
                    reach(place, here + price, Step { len, kind });
                }
            });
        }
        let mut steps = Vec::new();
        let mut at = block.len();
        while at > 0 {
            steps.push(best[at].1);
            at -= usize::from(best[at].1.len);
        }
        steps.reverse();
        steps
    }

    /// The phrases whose beginning has this hash.
    fn beginning(&self, hash: usize) -> &[Phrase] {
        &self.beginnings[self.starts[hash].into()..self.starts[hash + 1].into()]
    }

    /// Whether `rest`, whose first eight bytes are `word`, begins with a phrase.
    #[inline(always)]
    fn begins(&self, phrase: &Phrase, rest: &[u8], word: u64) -> bool {
        let len = usize::from(phrase.len);
        let others = (phrase.word ^ word).trailing_zeros() as usize / 8;
        others >= len.min(WORD)
            && len <= rest.len()
            && (len <= WORD || rest.starts_with(&self.phrases[usize::from(phrase.number)]))
    }
}

/// A place farther on that was reached for little.
struct Ahead {
    end: usize,
    price: u32,
}

impl Ahead {
    fn note(&mut self, at: usize, end: usize, price: u32) {
        if self.end <= at || price <= self.price {
            *self = Self { end, price };
        }
    }
}

/// Takes the step where it is cheaper.
#[inline(always)]
fn reach(place: &mut (u32, Step), price: u32, step: Step) {
    if price < place.0 {
        *place = (price, step);
    }
}

/// Hash of the first three bytes of a word.
#[inline(always)]
fn hash(word: u64) -> usize {
    let first = word as u32 & 0xff_ffff;
    (first.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize
}

/// The repetitions at a place, of up to `most` bytes: each distance with the lengths that no smaller one
/// reaches. `head` is the nearest place before it with its hash; a word lies behind all.
#[inline(always)]
fn each_repetition(
    all: &[u8],
    at: usize,
    most: usize,
    mut head: u32,
    links: &[u32],
    mut found: impl FnMut(Range<usize>, usize),
) {
    let mut longest = LEAST - 1;
    let next = word(&all[at..]);
    for _ in 0..TRIED {
        let there = head as usize;
        // No place is far from all.
        let distance = at.wrapping_sub(there);
        if head == NONE || distance > MAX_DISTANCE || longest == most {
            return;
        }
        let other = next ^ word(&all[there..]);
        let mut len = other.trailing_zeros() as usize / 8;
        if other == 0 {
            let pairs = all[at + WORD..].iter().zip(&all[there + WORD..]);
            len += pairs.take_while(|(a, b)| a == b).count();
        }
        len = len.min(most);
        if len > longest {
            found(longest + 1..len + 1, distance);
            longest = len;
        }
        head = links[there];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_of_lengths_and_distances_are_those_of_deflate() {
        // RFC 1951, section 3.2.5.
        let lengths = [
            (3, 257, 0),
            (10, 264, 0),
            (11, 265, 1),
            (18, 268, 1),
            (67, 277, 4),
            (257, 284, 5),
            (258, 285, 0),
        ];
        for (len, symbol, bits) in lengths {
            let (got, _, extra) = length_symbol(len);
            assert_eq!((got, extra), (symbol, bits), "length {len}");
        }
        for (distance, symbol, bits) in [
            (1, 0, 0),
            (4, 3, 0),
            (5, 4, 1),
            (192, 14, 6),
            (24577, 29, 13),
            (32768, 29, 13),
        ] {
            let (got, _, extra) = distance_symbol(distance);
            assert_eq!((got, extra), (symbol, bits), "distance {distance}");
        }
    }

    #[test]
    fn a_parse_is_of_few_bits() {
        let prices = CodeLengths {
            classes: vec![0; 256],
            literals: vec![6; LITERALS],
            distances: vec![5; 30],
            phrases: vec![2; 2],
        };
        let phrases = vec![b"and".to_vec(), b"and so on".to_vec()];
        let parser = Parser::new(phrases, prices);
        let of = |block: &[u8]| parser.parse(block);
        let step = |len, kind| Step { len, kind };
        assert_eq!(of(b"and so on"), [step(9, Kind::Phrase(1))]);
        let literal = step(1, Kind::Literal);
        let rest = [step(3, Kind::Phrase(0)), literal, step(8, Kind::Repeat(13))];
        assert_eq!(
            of(b"so forth and so forth"),
            [&[literal; 9][..], &rest].concat()
        );
        assert_eq!(of(b"so"), [literal; 2]);
        assert_eq!(of(b"xxxxxxxxx"), [literal, step(8, Kind::Repeat(1))]);
        assert_eq!(of(b""), []);
    }
}
