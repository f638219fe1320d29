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
    /// Terms that it does not have, but something related: parts of its compounds, synonyms. A chunk
    /// has such a term once or not at all.
    Related,
}

impl Field {
    /// How many fields there are.
    pub const COUNT: usize = 4;

    /// All fields, by index.
    pub const ALL: [Self; Self::COUNT] = [Self::Title, Self::Headings, Self::Body, Self::Related];
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

/// What a build knows about terms beside the texts.
pub trait Relations {
    /// Passes on what is related to the terms of a field, which come in the order of the text. It counts
    /// as [`Field::Related`] in chunks that do not have it anyway.
    fn relate(&self, terms: &[&str], add: &mut dyn FnMut(&str));

    /// Whether a term is indexed.
    fn keeps(&self, term: &str) -> bool;
}

/// Nothing is known.
impl Relations for () {
    fn relate(&self, _: &[&str], _: &mut dyn FnMut(&str)) {}

    fn keeps(&self, _: &str) -> bool {
        true
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
    pub fn new(analyzer: &Analyzer, fields: &ChunkFields<'_>) -> Self {
        Self::related(analyzer, fields, &())
    }

    /// As [`ChunkTerms::new`], with the terms that are related to those of the chunk.
    pub fn related(
        analyzer: &Analyzer,
        fields: &ChunkFields<'_>,
        relations: &dyn Relations,
    ) -> Self {
        let mut seen = Occurrences::default();
        let mut add = |field, text| seen.add(analyzer, relations, field, text);
        add(Field::Title, fields.title);
        let mut above = fields.title;
        for heading in fields.headings {
            // A first heading that repeats the title is the title.
            if heading != above {
                add(Field::Headings, heading);
            }
            above = heading;
        }
        add(Field::Body, fields.body);
        seen.relate(relations);
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
    fn add(&mut self, analyzer: &Analyzer, relations: &dyn Relations, field: Field, text: &str) {
        let stop_words = if field == Field::Body {
            StopWords::Drop
        } else {
            StopWords::Keep
        };
        analyzer.analyze(text, stop_words, &mut |token| {
            self.lengths[field as usize] += 1;
            if !relations.keeps(token.term) {
                return;
            }
            let start = self.text.len() as u32;
            self.text.push_str(token.term);
            self.tokens.push((start, self.text.len() as u32, field));
            if !self.surfaces.contains(token.surface) {
                self.surfaces.insert(String::from(token.surface));
            }
        });
    }

    fn relate(&mut self, relations: &dyn Relations) {
        let mut more = String::new();
        let mut ends = Vec::new();
        for field in self.tokens.chunk_by(|a, b| a.2 == b.2) {
            let terms: Vec<&str> = field
                .iter()
                .filter_map(|&(start, end, _)| self.text.get(start as usize..end as usize))
                .collect();
            relations.relate(&terms, &mut |term| {
                more.push_str(term);
                ends.push(more.len());
            });
        }
        let before = self.text.len();
        self.text.push_str(&more);
        let mut start = before;
        for end in ends {
            let end = before + end;
            self.tokens.push((start as u32, end as u32, Field::Related));
            start = end;
        }
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
            let related = &mut frequencies[Field::Related as usize];
            *related = (*related).min(1);
            if frequencies[..Field::Related as usize] != [0; 3] {
                frequencies[Field::Related as usize] = 0;
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
