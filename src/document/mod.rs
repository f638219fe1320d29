//! What goes in: documents, cut into chunks.
//!
//! A *document* is one input file or record. A *chunk* is a contiguous span of it: the unit that is
//! embedded, indexed, found and cited. Reading files and splitting text are the native builder's
//! work; the types here are what every later stage agrees on.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// Ordinal of a chunk in an index, dense from 0 in document order.
pub type ChunkId = u32;

/// Ordinal of a document in an index, dense from 0.
pub type DocumentId = u32;

/// A metadata value: shown with hits, usable in filters and facets.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text; filters compare it exactly.
    Text(String),
    /// A finite number; filters compare it by order too.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// Several values; a filter holds if it holds for one of them.
    List(Vec<Value>),
}

/// One input document, already cut into chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Identifier given by the input, unique in a collection (a relative path or a record's `id`).
    pub id: String,
    /// Where a reader finds it; hits link to `url#anchor`.
    pub url: String,
    /// Title; empty when the input has none.
    pub title: String,
    /// Its language as the input names it (BCP 47: `de`, `pt-BR`); empty where nothing was said.
    pub language: String,
    /// Factor on the scores of its chunks, 0.1 to 10; 1 where nothing was said.
    pub weight: f32,
    /// Metadata by field name.
    pub meta: BTreeMap<String, Value>,
    /// Its chunks in reading order.
    pub chunks: Vec<Chunk>,
}

/// One chunk of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// The headings above it, outermost first, without the document's title.
    pub headings: Vec<String>,
    /// Fragment of the nearest heading, without `#`; empty at the top of a document.
    pub anchor: String,
    /// Bytes of the input file or record text that it was cut from.
    pub span: Range<u64>,
    /// Length in tokens of the embedder's tokenizer, headings not counted.
    pub tokens: u32,
    /// The text, as it is shown, embedded and cited.
    pub text: String,
    /// A ready-made embedding, where the input brought one.
    pub embedding: Option<Vec<f32>>,
}

/// Where a reader finds a place of a document: its address, and the fragment if there is one.
pub fn address(url: &str, anchor: &str) -> String {
    match anchor {
        "" => url.into(),
        anchor => [url, "#", anchor].concat(),
    }
}

impl Chunk {
    /// The text that is embedded: title and headings give a passage its context.
    ///
    /// `title › heading › heading`, a blank line, the text. Parts that repeat the one before are
    /// left out.
    pub fn embedding_text(&self, title: &str) -> String {
        let mut out = String::new();
        let mut last = "";
        for part in core::iter::once(title).chain(self.headings.iter().map(String::as_str)) {
            if part.is_empty() || part == last {
                continue;
            }
            if !out.is_empty() {
                out.push_str(" › ");
            }
            out.push_str(part);
            last = part;
        }
        if !out.is_empty() {
            out.push_str("\n\n");
        }
        out.push_str(&self.text);
        out
    }
}
