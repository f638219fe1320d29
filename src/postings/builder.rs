//! Gathers the terms of all chunks and yields them encoded.

use super::Bm25Params;
use super::ChunkTerms;
use super::Field;
use super::list;
use super::list::EncodedList;
use super::scoring::Saturation;
use super::scoring::idf;
use crate::document::ChunkId;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use xxhash_rust::xxh3::xxh3_64;

/// The impact of the best posting of all. The format has 8 bits; a bit less is a bit less for each posting of a
/// long list, and nothing that nine judged collections notice (`DESIGN.md`).
const LARGEST_IMPACT: f64 = 127.0;

/// The postings of a term while chunks come in, as varints: the gap to the chunk before, then the
/// frequencies; about two bytes each. Mean lengths, and with them scores, are known only at the end.
#[derive(Debug, Default, Clone)]
struct Run {
    bytes: Vec<u8>,
    df: u32,
    /// The chunk after the last one.
    next: ChunkId,
}

impl Run {
    fn push(&mut self, chunk: ChunkId, frequencies: [u16; Field::COUNT]) {
        let [title, headings, body, related] = frequencies.map(u32::from);
        push_varint(chunk - self.next, &mut self.bytes);
        push_varint(
            body << 3
                | u32::from(related > 0) << 2
                | u32::from(headings > 0) << 1
                | u32::from(title > 0),
            &mut self.bytes,
        );
        for frequency in [headings, title] {
            if frequency > 0 {
                push_varint(frequency, &mut self.bytes);
            }
        }
        self.df += 1;
        self.next = chunk + 1;
    }

    fn iter(&self) -> impl Iterator<Item = (ChunkId, [u16; Field::COUNT])> {
        let mut bytes = self.bytes.iter();
        let mut next = 0;
        (0..self.df).map(move |_| {
            let chunk = next + read_varint(&mut bytes);
            next = chunk + 1;
            let body = read_varint(&mut bytes);
            let headings = if body & 2 != 0 {
                read_varint(&mut bytes)
            } else {
                0
            };
            let title = if body & 1 != 0 {
                read_varint(&mut bytes)
            } else {
                0
            };
            let related = u16::from(body & 4 != 0);
            (
                chunk,
                [title as u16, headings as u16, (body >> 3) as u16, related],
            )
        })
    }
}

fn push_varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn read_varint(bytes: &mut core::slice::Iter<'_, u8>) -> u32 {
    let mut value = 0;
    for (byte, shift) in bytes.zip((0..32).step_by(7)) {
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// Gathers chunks in their order. Memory: about three bytes a posting and a hundred a term.
#[derive(Debug)]
pub struct PostingsBuilder {
    params: Bm25Params,
    terms: Terms,
    runs: Vec<Run>,
    lengths: Vec<[u32; Field::COUNT]>,
    surfaces: Terms,
    /// Chunks with each surface.
    surface_dfs: Vec<u32>,
}

impl PostingsBuilder {
    /// An empty builder.
    pub fn new(params: Bm25Params) -> Self {
        Self {
            params,
            terms: Terms::new(),
            runs: Vec::new(),
            lengths: Vec::new(),
            surfaces: Terms::new(),
            surface_dfs: Vec::new(),
        }
    }

    /// Adds the next chunk; the first is chunk 0.
    ///
    /// # Cost: one hash look-up a term.
    pub fn push(&mut self, chunk_terms: &ChunkTerms) {
        let chunk = self.lengths.len() as ChunkId;
        self.lengths.push(chunk_terms.lengths());
        for (term, frequencies) in chunk_terms.iter() {
            let ordinal = self.terms.intern(term);
            if ordinal == self.runs.len() {
                self.runs.push(Run::default());
            }
            self.runs[ordinal].push(chunk, frequencies);
        }
        for surface in chunk_terms.surfaces() {
            let ordinal = self.surfaces.intern(surface);
            if ordinal == self.surface_dfs.len() {
                self.surface_dfs.push(0);
            }
            self.surface_dfs[ordinal] += 1;
        }
    }

    /// Sorts the terms, and fixes the scale of impacts: the best posting of all gets [`LARGEST_IMPACT`].
    pub fn finish(self) -> Postings {
        let saturation = Saturation::new(self.params, &self.lengths);
        let mut order: Vec<u32> = (0..self.runs.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| self.terms.get(a as usize).cmp(self.terms.get(b as usize)));
        let mut postings = Postings {
            terms: self.terms,
            runs: self.runs,
            lengths: self.lengths,
            surfaces: self.surfaces,
            surface_dfs: self.surface_dfs,
            order,
            saturation,
            step: 1.0,
        };
        let mut largest = 0.0;
        for run in &postings.runs {
            for (_, score) in postings.scores(run) {
                if score > largest {
                    largest = score;
                }
            }
        }
        if largest > 0.0 {
            // Rounded to f32, as `impact_step` tells it: impacts times it are the scores.
            postings.step = f64::from((largest / LARGEST_IMPACT) as f32);
        }
        postings
    }
}

/// All postings of an index, to be encoded term by term.
#[derive(Debug)]
pub struct Postings {
    terms: Terms,
    runs: Vec<Run>,
    lengths: Vec<[u32; Field::COUNT]>,
    surfaces: Terms,
    surface_dfs: Vec<u32>,
    /// Ordinals of terms in byte order of the terms.
    order: Vec<u32>,
    saturation: Saturation,
    /// BM25F score of one unit of impact.
    step: f64,
}

/// One term with its posting list, ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedTerm<'a> {
    /// The term.
    pub term: &'a str,
    /// How many chunks hold it.
    pub df: u32,
    /// Its inverse document frequency, as [`idf`](super::idf) rounds it.
    pub idf: f32,
    /// Its posting list.
    pub list: EncodedList,
}

impl Postings {
    /// How many terms there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many chunks there are.
    pub fn chunk_count(&self) -> u32 {
        self.lengths.len() as u32
    }

    /// How many postings there are in all lists.
    pub fn posting_count(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.df)).sum()
    }

    /// The BM25F score that one unit of impact stands for.
    pub fn impact_step(&self) -> f32 {
        self.step as f32
    }

    /// The terms in byte order.
    pub fn terms(&self) -> impl Iterator<Item = &str> + Clone {
        self.order
            .iter()
            .map(|&ordinal| self.terms.get(ordinal as usize))
    }

    /// The words as they are spelt, folded, and how many chunks have each: in byte order.
    pub fn surfaces(&self) -> Vec<(&str, u32)> {
        let all = self.surface_dfs.iter().enumerate();
        let mut surfaces: Vec<(&str, u32)> = all
            .map(|(ordinal, &df)| (self.surfaces.get(ordinal), df))
            .collect();
        surfaces.sort_unstable();
        surfaces
    }

    /// How many chunks hold the `at`th term in byte order.
    ///
    /// # Panics
    /// When `at` is not below [`Postings::len`].
    pub fn df(&self, at: usize) -> u32 {
        self.runs[self.order[at] as usize].df
    }

    /// The inverse document frequency of the `at`th term in byte order, as [`idf`](super::idf) has it.
    ///
    /// # Panics
    /// When `at` is not below [`Postings::len`].
    pub fn idf(&self, at: usize) -> f32 {
        idf(self.df(at), self.chunk_count()) as f32
    }

    /// Encodes the `at`th term in byte order. Terms can be encoded in parallel.
    ///
    /// # Panics
    /// When `at` is not below [`Postings::len`].
    pub fn encode(&self, at: usize) -> EncodedTerm<'_> {
        let ordinal = self.order[at] as usize;
        let run = &self.runs[ordinal];
        let mut chunks = Vec::with_capacity(run.df as usize);
        let mut impacts = Vec::with_capacity(run.df as usize);
        for (chunk, score) in self.scores(run) {
            chunks.push(chunk);
            // At least 1: a chunk with the term is a hit, however common the term.
            impacts.push(libm::round(score / self.step).clamp(1.0, LARGEST_IMPACT) as u8);
        }
        EncodedTerm {
            term: self.terms.get(ordinal),
            df: run.df,
            idf: idf(run.df, self.chunk_count()) as f32,
            list: list::encode(&chunks, &impacts),
        }
    }

    /// The chunks of a run with their BM25F scores.
    fn scores(&self, run: &Run) -> impl Iterator<Item = (ChunkId, f64)> {
        let idf = idf(run.df, self.chunk_count());
        run.iter().map(move |(chunk, frequencies)| {
            (
                chunk,
                idf * self
                    .saturation
                    .of(frequencies, self.lengths[chunk as usize]),
            )
        })
    }
}

/// Terms by ordinal of first appearance: one text, and an open-addressing hash table over it.
#[derive(Debug)]
struct Terms {
    text: String,
    ends: Vec<usize>,
    /// Ordinal plus one; 0 is free. A power of two, at most half full.
    slots: Vec<u32>,
}

impl Terms {
    fn new() -> Self {
        Self {
            text: String::new(),
            ends: Vec::new(),
            slots: vec![0; 1 << 10],
        }
    }

    fn get(&self, ordinal: usize) -> &str {
        let start = ordinal.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..self.ends[ordinal]).unwrap_or_default()
    }

    /// The ordinal of `term`, a new one if it is new.
    fn intern(&mut self, term: &str) -> usize {
        let slot = self.slot(term);
        if let Some(ordinal) = self.slots[slot].checked_sub(1) {
            return ordinal as usize;
        }
        self.text.push_str(term);
        self.ends.push(self.text.len());
        self.slots[slot] = self.ends.len() as u32;
        if self.ends.len() * 2 > self.slots.len() {
            self.slots = vec![0; self.slots.len() * 2];
            for ordinal in 0..self.ends.len() {
                let slot = self.slot(self.get(ordinal));
                self.slots[slot] = ordinal as u32 + 1;
            }
        }
        self.ends.len() - 1
    }

    /// The slot that holds `term`, or the free one where it belongs.
    fn slot(&self, term: &str) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = xxh3_64(term.as_bytes()) as usize & mask;
        while let Some(ordinal) = self.slots[slot].checked_sub(1) {
            if self.get(ordinal as usize) == term {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }
}
