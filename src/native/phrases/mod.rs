//! Texts in few bytes: learns the phrases and codes of an index, and writes its blocks in them.
//!
//! | file | responsibility |
//! |---|---|
//! | `parse.rs` | a block as literals, phrases and repetitions, in the fewest bits |
//! | `learn.rs` | phrases, classes and codes out of samples of the blocks |
//! | `prefix.rs` | lengths of the best prefix code; codes into bits |

mod learn;
mod parse;
mod prefix;

use coracle::index::END_OR_PHRASE as PHRASE;
use coracle::index::LITERALS;
use coracle::index::Phrases;
use coracle::index::deflate;
use coracle::index::in_phrases;
use learn::learn;
use parse::Kind;
use parse::Parser;
use parse::Step;
use parse::distance_symbol;
use parse::length_symbol;
use prefix::BitWriter;
use prefix::Code;

/// Writes blocks in the phrases of an index.
pub struct Packer {
    /// What readers need.
    pub phrases: Phrases,
    parser: Parser,
    /// A code for each class of the byte before.
    of_literals: Vec<Code>,
    of_phrases: Code,
    of_distances: Code,
}

impl Packer {
    /// One for blocks like these samples, with `most` phrases at most; the same samples give the same.
    pub fn learn(samples: &[&[u8]], most: usize) -> Self {
        let (lengths, phrases) = learn(samples, most);
        let of_literals = lengths.literals.chunks(LITERALS).map(Code::new);
        Self {
            of_literals: of_literals.collect(),
            of_phrases: Code::new(&lengths.phrases),
            of_distances: Code::new(&lengths.distances),
            phrases: Phrases::new(&lengths, &phrases).expect("codes are of all symbols"),
            parser: Parser::new(phrases, lengths),
        }
    }

    /// The compressed payload of a block.
    pub fn pack(&self, block: &[u8]) -> Vec<u8> {
        let packed = in_phrases(block.len(), &self.stream(block));
        // What is like nothing that was sampled, another script say, is better off with codes of its own.
        if packed.len() > block.len() / 2 {
            let deflated = deflate(block);
            if deflated.len() < packed.len() {
                return deflated;
            }
        }
        packed
    }

    fn stream(&self, block: &[u8]) -> Vec<u8> {
        let mut out = BitWriter::default();
        let (mut at, mut before) = (0, 0);
        for Step { len, kind } in self.parser.parse(block) {
            let len = usize::from(len);
            let literals = &self.of_literals[self.parser.class_after(before)];
            match kind {
                Kind::Literal => literals.write(block[at].into(), &mut out),
                Kind::Phrase(phrase) => {
                    literals.write(PHRASE, &mut out);
                    self.of_phrases.write(phrase.into(), &mut out);
                }
                Kind::Repeat(distance) => {
                    let (symbol, extra, bits) = length_symbol(len);
                    literals.write(symbol, &mut out);
                    out.bits(extra, bits);
                    let (symbol, extra, bits) = distance_symbol(distance.into());
                    self.of_distances.write(symbol, &mut out);
                    out.bits(extra, bits);
                }
            }
            at += len;
            before = block[at - 1];
        }
        out.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coracle::index::inflate_texts;

    /// Sentences that share words, as texts do.
    fn texts(count: usize) -> Vec<Vec<u8>> {
        const WORDS: [&str; 12] = [
            "the ",
            "river ",
            "mouth",
            " of a ",
            "boat. ",
            "Where ",
            "iterators ",
            "point, ",
            "über ",
            "河口",
            "\n\n",
            "x = 7; ",
        ];
        let word = |at: usize| WORDS[(at * at / 7 + at / 3) % WORDS.len()];
        let text = |from: usize| (from..from + 60 + from % 90).map(word).collect::<String>();
        (0..count).map(|at| text(at * 31).into_bytes()).collect()
    }

    fn learnt(texts: &[Vec<u8>]) -> Packer {
        let samples: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        Packer::learn(&samples, 64)
    }

    #[test]
    fn blocks_come_back_and_take_fewer_bytes_than_each_alone() {
        let texts = texts(400);
        let packer = learnt(&texts);
        let (mut packed, mut deflated) = (0, 0);
        for text in &texts {
            let payload = packer.pack(text);
            let raw = inflate_texts(&packer.phrases, &payload, "t");
            assert_eq!(raw.as_ref(), Ok(text));
            // It is nothing without its phrases.
            assert!(inflate_texts(&Phrases::default(), &payload, "t").is_err());
            packed += payload.len();
            deflated += deflate(text).len();
        }
        assert!(packed * 2 < deflated, "{packed} {deflated}");
    }

    #[test]
    fn what_no_sample_is_like_comes_back_too() {
        let texts = texts(100);
        let packer = learnt(&texts);
        let noise = (0..70_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8);
        let blocks = [
            vec![],
            b"a".to_vec(),
            vec![7; 100_000],
            noise.collect(),
            texts.concat(),
        ];
        for block in blocks {
            let payload = packer.pack(&block);
            let raw = inflate_texts(&packer.phrases, &payload, "t");
            assert!(raw.as_ref() == Ok(&block));
            assert!(payload.len() < block.len() + block.len() / 1_000 + 16);
        }
    }

    #[test]
    fn damaged_streams_are_refused_or_have_the_length_that_they_claim() {
        let texts = texts(100);
        let packer = learnt(&texts);
        let packed = packer.pack(&texts[7]);
        for bit in 0..packed.len() * 8 {
            let mut packed = packed.clone();
            packed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(raw) = inflate_texts(&packer.phrases, &packed, "t") {
                // The first two bytes are the length itself.
                assert!(bit < 16 || raw.len() == texts[7].len(), "bit {bit}");
            }
        }
        for cut in 0..packed.len() {
            let raw = inflate_texts(&packer.phrases, &packed[..cut], "t");
            assert!(raw.is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn phrases_come_back_and_damaged_ones_are_refused() {
        let texts = texts(100);
        let samples: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        let none = Packer::learn(&samples, 0).phrases;
        let phrases = learnt(&texts).phrases;
        for phrases in [&Phrases::default(), &none, &phrases] {
            assert_eq!(Phrases::parse(phrases.as_bytes()).as_ref(), Ok(phrases));
        }
        let bytes = phrases.as_bytes();
        for cut in 1..bytes.len() {
            assert!(Phrases::parse(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        // More classes than there may be, more words than a code has, a word that is too long.
        for (at, value) in [(0, 17), (257, 1), (258, 16)] {
            let mut bytes = bytes.to_vec();
            bytes[at] = value;
            assert!(Phrases::parse(&bytes).is_err(), "byte {at}");
        }
    }
}
