//! Passages and documents: what hits show.
//!
//! Both are stored in compressed blocks of neighbouring records; [`Layout`] says which block holds
//! which record.

use super::block::CHECK_LEN;
use super::block::Extent;
use super::root::Counts;
use super::root::Root;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::bytes::string;
use crate::document::Chunk;
use crate::document::ChunkId;
use crate::document::Document;
use crate::document::DocumentId;
use crate::document::Value;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// Uncompressed bytes at which a block of passages is closed: the smaller, the fewer bytes a hit
/// costs; the larger, the better it compresses.
pub const PASSAGE_BLOCK_BYTES: usize = 8 << 10;

/// Uncompressed bytes at which a block of documents is closed.
pub const DOCUMENT_BLOCK_BYTES: usize = 4 << 10;

const MAX_VALUE_DEPTH: usize = 4;

/// What is stored of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Headings above it, outermost first.
    pub headings: Vec<String>,
    /// Fragment of the nearest heading, without `#`.
    pub anchor: String,
    /// Bytes of the input that it was cut from.
    pub span: Range<u64>,
    /// Length in tokens.
    pub tokens: u32,
    /// The text.
    pub text: String,
}

impl Passage {
    /// Appends the record of a chunk.
    pub fn write(chunk: &Chunk, out: &mut Writer) {
        out.varint(chunk.headings.len() as u64);
        for heading in &chunk.headings {
            out.str(heading);
        }
        out.str(&chunk.anchor);
        out.varint(chunk.span.start);
        out.varint(chunk.span.end.saturating_sub(chunk.span.start));
        out.varint(u64::from(chunk.tokens));
        out.str(&chunk.text);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let count = reader.count(1, "headings")?;
        let headings = (0..count)
            .map(|_| string(reader, "heading"))
            .collect::<Result<Vec<_>, FormatError>>()?;
        let anchor = string(reader, "anchor")?;
        let start = reader.varint("span start")?;
        let len = reader.varint_max(u64::MAX - start, "span length")?;
        let tokens = reader.varint_u32("tokens")?;
        let text = string(reader, "text")?;
        Ok(Self {
            headings,
            anchor,
            span: start..start + len,
            tokens,
            text,
        })
    }

    /// The record at `place` of an uncompressed block.
    ///
    /// # Errors
    /// [`FormatError`] when the block holds fewer records or is damaged.
    pub fn find(block: &[u8], place: usize) -> Result<Self, FormatError> {
        find(block, place, "passages", Self::read)
    }
}

/// What is stored of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentRecord {
    /// Identifier given by the input.
    pub id: String,
    /// Where a reader finds it.
    pub url: String,
    /// Title.
    pub title: String,
    /// Metadata by field name.
    pub meta: Vec<(String, Value)>,
}

impl DocumentRecord {
    /// Appends the record of a document.
    pub fn write(document: &Document, out: &mut Writer) {
        out.str(&document.id);
        out.str(&document.url);
        out.str(&document.title);
        out.varint(document.meta.len() as u64);
        for (name, value) in &document.meta {
            out.str(name);
            write_value(value, out);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let id = string(reader, "id")?;
        let url = string(reader, "url")?;
        let title = string(reader, "title")?;
        let mut meta = Vec::new();
        for _ in 0..reader.count(2, "metadata")? {
            let name = string(reader, "field name")?;
            meta.push((name, read_value(reader, MAX_VALUE_DEPTH)?));
        }
        Ok(Self {
            id,
            url,
            title,
            meta,
        })
    }

    /// The record at `place` of an uncompressed block.
    ///
    /// # Errors
    /// [`FormatError`] when the block holds fewer records or is damaged.
    pub fn find(block: &[u8], place: usize) -> Result<Self, FormatError> {
        find(block, place, "documents", Self::read)
    }
}

fn find<T>(
    block: &[u8],
    place: usize,
    what: &'static str,
    read: impl Fn(&mut Reader<'_>) -> Result<T, FormatError>,
) -> Result<T, FormatError> {
    let mut reader = Reader::new(block, what);
    for _ in 0..place {
        read(&mut reader)?;
    }
    read(&mut reader)
}

fn write_value(value: &Value, out: &mut Writer) {
    match value {
        Value::Text(text) => {
            out.u8(0);
            out.str(text);
        }
        Value::Number(number) => {
            out.u8(1);
            out.f64(*number);
        }
        Value::Bool(flag) => out.u8(2 + u8::from(*flag)),
        Value::List(values) => {
            out.u8(4);
            out.varint(values.len() as u64);
            for value in values {
                write_value(value, out);
            }
        }
    }
}

fn read_value(reader: &mut Reader<'_>, depth: usize) -> Result<Value, FormatError> {
    Ok(match reader.u8("value kind")? {
        0 => Value::Text(string(reader, "text value")?),
        1 => Value::Number(reader.f64("number value")?),
        2 => Value::Bool(false),
        3 => Value::Bool(true),
        4 if depth > 0 => {
            let count = reader.count(1, "list value")?;
            Value::List(
                (0..count)
                    .map(|_| read_value(reader, depth - 1))
                    .collect::<Result<Vec<_>, FormatError>>()?,
            )
        }
        kind => {
            let max = if depth > 0 { 4 } else { 3 };
            return Err(reader.error(
                "value kind",
                Problem::OutOfRange {
                    got: u64::from(kind),
                    max,
                },
            ));
        }
    })
}

/// Runs of records in consecutive blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockTable {
    /// Offset of the first block in the body.
    pub offset: u64,
    /// First record of each block, then the number of records.
    firsts: Vec<u32>,
    /// End of each block, relative to `offset`.
    ends: Vec<u64>,
}

impl BlockTable {
    /// A table whose first block lies at `offset`.
    pub fn new(offset: u64) -> Self {
        Self {
            offset,
            firsts: alloc::vec![0],
            ends: Vec::new(),
        }
    }

    /// Appends a block of `records` records and `len` stored bytes.
    pub fn push(&mut self, records: u32, len: u32) {
        let first = self.firsts.last().copied().unwrap_or(0);
        let end = self.ends.last().copied().unwrap_or(0);
        self.firsts.push(first + records);
        self.ends.push(end + u64::from(len));
    }

    /// Number of records in all blocks.
    pub fn records(&self) -> u32 {
        self.firsts.last().copied().unwrap_or(0)
    }

    /// The blocks and their numbers of records, in order.
    pub fn blocks(&self) -> impl Iterator<Item = (Extent, u32)> + '_ {
        let records = self.firsts.windows(2).map(|pair| pair[1] - pair[0]);
        (0..self.ends.len())
            .map(|block| self.extent(block))
            .zip(records)
    }

    fn extent(&self, block: usize) -> Extent {
        let start = if block == 0 { 0 } else { self.ends[block - 1] };
        Extent {
            offset: self.offset + start,
            len: (self.ends[block] - start) as u32,
        }
    }

    /// The block that holds `record`, and the record's place in it.
    pub fn locate(&self, record: u32) -> Option<(Extent, usize)> {
        if record >= self.records() {
            return None;
        }
        let block = self.firsts.partition_point(|&first| first <= record) - 1;
        Some((self.extent(block), (record - self.firsts[block]) as usize))
    }

    fn write(&self, out: &mut Writer) {
        out.varint(self.ends.len() as u64);
        for block in 0..self.ends.len() {
            out.varint(u64::from(self.firsts[block + 1] - self.firsts[block]));
            out.varint(u64::from(self.extent(block).len));
        }
    }

    fn read(
        reader: &mut Reader<'_>,
        offset: u64,
        body_len: u64,
        records: u32,
        field: &'static str,
    ) -> Result<Self, FormatError> {
        let mut table = Self::new(offset);
        for _ in 0..reader.count(2, field)? {
            let left = u64::from(records - table.records());
            let count = reader.varint_max(left, field)? as u32;
            let used = table.ends.last().copied().unwrap_or(0);
            let len = reader.varint_max(body_len - table.offset - used, field)?;
            let len = u32::try_from(len).map_err(|_| reader.error(field, Problem::Inconsistent))?;
            if count == 0 || (len as usize) < CHECK_LEN {
                return Err(reader.error(field, Problem::Inconsistent));
            }
            table.push(count, len);
        }
        if table.records() != records {
            return Err(reader.error(field, Problem::Inconsistent));
        }
        Ok(table)
    }
}

/// Gathers records into blocks of about equal size.
#[derive(Debug)]
pub struct RecordBlocks {
    limit: usize,
    blocks: Vec<(u32, Vec<u8>)>,
    current: Writer,
    records: u32,
}

impl RecordBlocks {
    /// Blocks of passages.
    pub fn passages() -> Self {
        Self::new(PASSAGE_BLOCK_BYTES)
    }

    /// Blocks of documents.
    pub fn documents() -> Self {
        Self::new(DOCUMENT_BLOCK_BYTES)
    }

    fn new(limit: usize) -> Self {
        Self {
            limit,
            blocks: Vec::new(),
            current: Writer::new(),
            records: 0,
        }
    }

    /// The writer for the next record.
    pub fn next(&mut self) -> &mut Writer {
        if self.current.len() >= self.limit {
            self.close();
        }
        self.records += 1;
        &mut self.current
    }

    fn close(&mut self) {
        if self.records > 0 {
            let block = core::mem::take(&mut self.current).into_bytes();
            self.blocks.push((self.records, block));
            self.records = 0;
        }
    }

    /// Number of records and bytes of each block, not yet compressed.
    pub fn finish(mut self) -> Vec<(u32, Vec<u8>)> {
        self.close();
        self.blocks
    }
}

/// Which chunks belong to which document, and where passages and documents are stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    /// First chunk of every document, then the number of chunks.
    pub first_chunks: Vec<ChunkId>,
    /// Documents whose weight is not 1, ascending.
    pub weights: Vec<(DocumentId, f32)>,
    /// Blocks of passages.
    pub passages: BlockTable,
    /// Blocks of documents.
    pub documents: BlockTable,
}

impl Layout {
    /// The layout of no documents.
    pub fn new() -> Self {
        Self {
            first_chunks: alloc::vec![0],
            ..Self::default()
        }
    }

    /// Adds the next document.
    pub fn push(&mut self, document: &Document) {
        let first = self.first_chunks.last().copied().unwrap_or(0);
        if document.weight != 1.0 {
            self.weights
                .push((self.first_chunks.len() as u32 - 1, document.weight));
        }
        self.first_chunks.push(first + document.chunks.len() as u32);
    }

    /// The document of a chunk; chunk ids outside the index belong to none.
    pub fn document_of(&self, chunk: ChunkId) -> Option<DocumentId> {
        if chunk >= self.first_chunks.last().copied().unwrap_or(0) {
            return None;
        }
        // Documents without chunks share their first chunk with the next one: the last wins.
        Some(self.first_chunks.partition_point(|&first| first <= chunk) as u32 - 1)
    }

    /// Factor on the scores of a document's chunks.
    pub fn weight(&self, document: DocumentId) -> f32 {
        match self.weights.binary_search_by_key(&document, |&(id, _)| id) {
            Ok(at) => self.weights[at].1,
            Err(_) => 1.0,
        }
    }

    /// Serializes the layout.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        for pair in self.first_chunks.windows(2) {
            out.varint(u64::from(pair[1] - pair[0]));
        }
        out.varint(self.weights.len() as u64);
        for &(document, weight) in &self.weights {
            out.varint(u64::from(document));
            out.f32(weight);
        }
        self.passages.write(&mut out);
        self.documents.write(&mut out);
        out.into_bytes()
    }

    /// Parses the layout of the index whose root is given.
    ///
    /// # Errors
    /// [`FormatError`] naming the field that is damaged or contradicts the root.
    pub fn parse(bytes: &[u8], root: &Root) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "layout");
        let Counts {
            documents, chunks, ..
        } = root.counts;
        if documents as usize > bytes.len() {
            return Err(reader.error("documents", Problem::Inconsistent));
        }
        let mut first_chunks = Vec::with_capacity(documents as usize + 1);
        let mut next = 0u32;
        first_chunks.push(0);
        for _ in 0..documents {
            next += reader.varint_max(u64::from(chunks - next), "chunks of a document")? as u32;
            first_chunks.push(next);
        }
        if next != chunks {
            return Err(reader.error("chunks of a document", Problem::Inconsistent));
        }
        let count = reader.count(5, "weights")?;
        let mut weights: Vec<(DocumentId, f32)> = Vec::with_capacity(count);
        for _ in 0..count {
            let document = reader.varint_u32("weighted document")?;
            let weight = reader.f32("weight")?;
            let ascends = weights.last().is_none_or(|&(last, _)| last < document);
            if !ascends || document >= documents || weight <= 0.0 {
                return Err(reader.error("weight", Problem::Inconsistent));
            }
            weights.push((document, weight));
        }
        let table = |reader: &mut Reader<'_>, offset, records, field| {
            BlockTable::read(reader, offset, root.body_len, records, field)
        };
        let passages = table(&mut reader, root.passages_offset, chunks, "passages")?;
        let documents = table(&mut reader, root.documents_offset, documents, "documents")?;
        reader.end()?;
        Ok(Self {
            first_chunks,
            weights,
            passages,
            documents,
        })
    }
}
