//! Texts in few bytes: phrases that many of them hold, and prefix codes that all of them share.
//!
//! A block of texts is small, so that a hit costs few bytes. What most texts of an index repeat, words
//! and pieces of sentences, is out of a block's reach, and codes that each brings along would take a
//! tenth of it. Both are the index's here, read once: a block is LZ77 (Ziv, Lempel 1977) as in DEFLATE
//! with one more symbol, for a whole phrase, and codes of literals by the byte before them.

use super::lz77::Bits;
use super::lz77::Codes;
use super::lz77::Coding;
use super::lz77::MAX_SYMBOLS;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// Bytes, each of a class.
const BYTES: usize = 256;

/// Symbols of a code of literals.
pub const LITERALS: usize = 286;

/// Symbols of the code of distances.
pub const DISTANCES: usize = 30;

/// Most classes of bytes.
const MAX_CLASSES: usize = 16;

/// No stream makes more bytes out of one: two bits repeat up to 258.
const MAX_RATIO: usize = 1032;

/// Phrases and codes of all blocks of texts; none of a small index, whose blocks are DEFLATE's alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Phrases {
    /// All of it, as it is stored.
    bytes: Vec<u8>,
    classes: Vec<u8>,
    /// A code for each class of the byte before.
    literals: Vec<Codes>,
    distances: Codes,
    phrases: Codes,
    /// Where each phrase lies in `text`.
    places: Vec<Range<usize>>,
    /// One phrase after the other.
    text: Vec<u8>,
}

/// The lengths of the words of canonical prefix codes, 0 for symbols that do not occur.
#[derive(Debug, Clone)]
pub struct CodeLengths {
    /// Class of each byte.
    pub classes: Vec<u8>,
    /// Of literals, the phrase symbol and lengths: [`LITERALS`] for each class of the byte before.
    pub literals: Vec<u8>,
    /// Of distances: [`DISTANCES`].
    pub distances: Vec<u8>,
    /// Of phrases.
    pub phrases: Vec<u8>,
}

impl Phrases {
    /// These phrases, of up to 255 bytes, and codes.
    ///
    /// # Errors
    /// As [`Phrases::parse`].
    pub fn new(lengths: &CodeLengths, phrases: &[Vec<u8>]) -> Result<Self, FormatError> {
        let mut out = Writer::new();
        out.varint((lengths.literals.len() / LITERALS) as u64);
        out.raw(&lengths.classes);
        out.raw(&lengths.literals);
        out.raw(&lengths.distances);
        out.varint(phrases.len() as u64);
        out.raw(&lengths.phrases);
        // Ascending phrases begin alike: each is written as what it does not share with the one before.
        let before = core::iter::once(&[][..]).chain(phrases.iter().map(Vec::as_slice));
        let shared = before.zip(phrases).map(|(before, phrase)| {
            let pairs = before.iter().zip(phrase);
            pairs.take_while(|(a, b)| a == b).count()
        });
        let shared: Vec<usize> = shared.collect();
        for &shared in &shared {
            out.u8(shared as u8);
        }
        for (phrase, &shared) in phrases.iter().zip(&shared) {
            out.u8((phrase.len() - shared) as u8);
        }
        for (phrase, &shared) in phrases.iter().zip(&shared) {
            out.raw(phrase.get(shared..).unwrap_or_default());
        }
        Self::parse(&out.into_bytes())
    }

    /// Parses what the layout has of them: nothing where there are none.
    ///
    /// # Errors
    /// [`FormatError`] where it is damaged: too many classes or phrases, or words of a code.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut reader = Reader::new(bytes, "layout");
        let classes = reader.varint_max(MAX_CLASSES as u64, "classes of bytes")? as usize;
        let lengths = reader.take(BYTES + classes * LITERALS + DISTANCES, "codes")?;
        let count = reader.varint_max(MAX_SYMBOLS as u64, "phrases")? as usize;
        let mut of_phrases = reader.take(3 * count, "phrases")?.chunks(count.max(1));
        let mut next = || of_phrases.next().unwrap_or_default();
        let (words, shared, others) = (next(), next(), next());
        let mut phrases = Self {
            bytes: bytes.to_vec(),
            ..Self::default()
        };
        let mut before = 0..0;
        for (&shared, &other) in shared.iter().zip(others) {
            let (start, shared) = (phrases.text.len(), usize::from(shared));
            if shared > before.len() {
                return Err(reader.error("phrases", Problem::Inconsistent));
            }
            phrases
                .text
                .extend_from_within(before.start..before.start + shared);
            phrases
                .text
                .extend_from_slice(reader.take(other.into(), "phrases")?);
            before = start..phrases.text.len();
            phrases.places.push(before.clone());
        }
        let (of_bytes, codes) = lengths.split_at(BYTES);
        let (literals, distances) = codes.split_at(classes * LITERALS);
        let code = |lengths| {
            Codes::new(lengths).ok_or_else(|| reader.error("codes", Problem::Inconsistent))
        };
        for lengths in literals.chunks(LITERALS) {
            phrases.literals.push(code(lengths)?);
        }
        phrases.distances = code(distances)?;
        phrases.phrases = code(words)?;
        phrases.classes = of_bytes.to_vec();
        reader.end()?;
        Ok(phrases)
    }

    /// What [`Phrases::parse`] takes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The `len` bytes that `compressed` stands for; `None` if it does not.
    pub fn decompress(&self, compressed: &[u8], len: usize) -> Option<Vec<u8>> {
        if len > compressed.len().saturating_mul(MAX_RATIO) {
            return None;
        }
        let coding = Coding {
            literals: &self.literals,
            classes: &self.classes,
            distances: &self.distances,
            phrases: Some((&self.phrases, &self.places, &self.text)),
        };
        let mut out = vec![0; len];
        coding.read(&mut Bits::new(compressed), &mut out, 0)?;
        Some(out)
    }
}
