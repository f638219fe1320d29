//! The terms of one chunk.

use crate::document::Chunk;
use crate::text::Analyzer;
use crate::text::StopWords;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

/// The fields of a chunk, weighted separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The title of its document.
    Title,
    /// The headings above it.
    Headings,
    /// Its text.
    Body,
}

impl Field {
    /// How many fields there are.
    pub const COUNT: usize = 3;

    /// All fields, by index.
    pub const ALL: [Self; Self::COUNT] = [Self::Title, Self::Headings, Self::Body];
}

/// The texts of a chunk by field.
#[derive(Debug, Clone, Copy)]
pub struct ChunkFields<'a> {
    /// The title of its document.
    pub title: &'a str,
    /// The headings above it, outermost first.
    pub headings: &'a [String],
    /// Its text.
    pub body: &'a str,
}

impl<'a> ChunkFields<'a> {
    /// The fields of `chunk` in a document with this title.
    pub fn of(title: &'a str, chunk: &'a Chunk) -> Self {
        Self {
            title,
            headings: &chunk.headings,
            body: &chunk.text,
        }
    }
}

/// The distinct terms of one chunk with their frequencies by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkTerms {
    /// All terms, sorted, one after the other.
    text: String,
    /// Where each term ends, and its frequencies, by [`Field`].
    entries: Vec<(u32, [u16; Field::COUNT])>,
    /// Tokens by [`Field`].
    lengths: [u32; Field::COUNT],
    /// The distinct surfaces of the terms, one after the other, and where each ends.
    surfaces: (String, Vec<u32>),
}

impl ChunkTerms {
    /// Analyzes a chunk. Depends on nothing else, so chunks can be analyzed in parallel.
    pub fn new(analyzer: Analyzer, fields: &ChunkFields<'_>) -> Self {
        let mut seen = Occurrences::default();
        seen.add(analyzer, Field::Title, fields.title);
        let mut above = fields.title;
        for heading in fields.headings {
            // A first heading that repeats the title is the title.
            if heading != above {
                seen.add(analyzer, Field::Headings, heading);
            }
            above = heading;
        }
        seen.add(analyzer, Field::Body, fields.body);
        seen.into_terms()
    }

    /// How many distinct terms there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the chunk has no terms.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Tokens in each field, by [`Field`].
    pub fn lengths(&self) -> [u32; Field::COUNT] {
        self.lengths
    }

    /// Terms in byte order with their frequencies by [`Field`], each at most 65,535.
    pub fn iter(&self) -> impl Iterator<Item = (&str, [u16; Field::COUNT])> {
        let mut start = 0;
        self.entries.iter().map(move |&(end, frequencies)| {
            let term = self.text.get(start..end as usize).unwrap_or_default();
            start = end as usize;
            (term, frequencies)
        })
    }
}

impl ChunkTerms {
    /// The words as they are spelt, folded, in byte order.
    pub fn surfaces(&self) -> impl Iterator<Item = &str> {
        let (text, ends) = &self.surfaces;
        let mut start = 0;
        ends.iter().map(move |&end| {
            let surface = text.get(start..end as usize).unwrap_or_default();
            start = end as usize;
            surface
        })
    }
}

/// Tokens in the order in which they were found.
#[derive(Default)]
struct Occurrences {
    text: String,
    tokens: Vec<(u32, u32, Field)>,
    lengths: [u32; Field::COUNT],
    surfaces: BTreeSet<String>,
}

impl Occurrences {
    fn add(&mut self, analyzer: Analyzer, field: Field, text: &str) {
        let stop_words = if field == Field::Body {
            StopWords::Drop
        } else {
            StopWords::Keep
        };
        analyzer.analyze(text, stop_words, &mut |token| {
            let start = self.text.len() as u32;
            self.text.push_str(token.term);
            self.tokens.push((start, self.text.len() as u32, field));
            self.lengths[field as usize] += 1;
            if !self.surfaces.contains(token.surface) {
                self.surfaces.insert(String::from(token.surface));
            }
        });
    }

    fn into_terms(mut self) -> ChunkTerms {
        let all = self.text;
        let term = |&(start, end, _): &(u32, u32, Field)| {
            all.get(start as usize..end as usize).unwrap_or_default()
        };
        self.tokens.sort_unstable_by(|a, b| term(a).cmp(term(b)));
        let mut text = String::new();
        let mut entries = Vec::new();
        for same in self.tokens.chunk_by(|a, b| term(a) == term(b)) {
            let mut frequencies = [0u16; Field::COUNT];
            for &(_, _, field) in same {
                let frequency = &mut frequencies[field as usize];
                *frequency = frequency.saturating_add(1);
            }
            text.push_str(term(&same[0]));
            entries.push((text.len() as u32, frequencies));
        }
        let mut surfaces = (String::new(), Vec::new());
        for surface in &self.surfaces {
            surfaces.0.push_str(surface);
            surfaces.1.push(surfaces.0.len() as u32);
        }
        ChunkTerms {
            text,
            entries,
            lengths: self.lengths,
            surfaces,
        }
    }
}
