//! Passages and documents: what hits show.
//!
//! Both are stored in compressed blocks of equally many neighbouring records, so that a record's
//! number says its block; [`Layout`] says where blocks lie.

use super::block::Extent;
use super::block::UNIT;
use super::block::extent_of_units;
use super::phrases::Phrases;
use super::root::Counts;
use super::root::Root;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::bytes::gather;
use crate::bytes::string;
use crate::document::Chunk;
use crate::document::ChunkId;
use crate::document::Document;
use crate::document::DocumentId;
use crate::document::Value;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// What decides how large blocks of records are.
#[derive(Debug, Clone, Copy)]
pub struct BlockSize {
    /// Blocks that a search reads, about.
    pub read: usize,
    /// Bytes of a block at least, before compression.
    pub least: usize,
}

/// Blocks of passages: a search reads those of ten hits and of eight that might be. Of a small index it reads
/// fewer and larger ones.
pub const PASSAGE_BLOCKS: BlockSize = BlockSize {
    read: 18,
    least: 2 << 10,
};

/// Blocks of documents: those of the hits and of others near them, a few of which stand together.
pub const DOCUMENT_BLOCKS: BlockSize = BlockSize {
    read: 12,
    least: 512,
};

/// Bytes of a block at most, before compression.
const MAX_BLOCK: usize = 8 << 10;

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
        let headings = gather((0..count).map(|_| string(reader, "heading")))?;
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
            Value::List(gather((0..count).map(|_| read_value(reader, depth - 1)))?)
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

/// Where the blocks of equally many records lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordTable {
    /// Offset of the first block in the body.
    pub offset: u64,
    records: u32,
    /// Records of every block but the last, which may have fewer.
    per_block: u32,
    /// End of each block in [`UNIT`]s, counted from `offset`.
    ends: Vec<u64>,
}

impl RecordTable {
    /// A table of `records` records, `per_block` in a block, the first of which lies at `offset`.
    pub fn new(offset: u64, records: u32, per_block: u32) -> Self {
        Self {
            offset,
            records,
            per_block,
            ends: Vec::new(),
        }
    }

    /// Appends a block of `units` stored [`UNIT`]s.
    pub fn push(&mut self, units: u32) {
        let end = self.ends.last().copied().unwrap_or(0);
        self.ends.push(end + u64::from(units));
    }

    /// The blocks and their numbers of records, in order.
    pub fn blocks(&self) -> impl Iterator<Item = (Extent, u32)> + '_ {
        (0..self.ends.len()).filter_map(|block| {
            let before = self.per_block.checked_mul(u32::try_from(block).ok()?)?;
            let records = self.records.checked_sub(before)?.min(self.per_block);
            Some((self.extent(block)?, records))
        })
    }

    fn extent(&self, block: usize) -> Option<Extent> {
        let start = match block.checked_sub(1) {
            None => 0,
            Some(before) => *self.ends.get(before)?,
        };
        extent_of_units(self.offset, start..*self.ends.get(block)?)
    }

    /// The block that holds `record`, and the record's place in it.
    pub fn locate(&self, record: u32) -> Option<(Extent, usize)> {
        if record >= self.records {
            return None;
        }
        let extent = self.extent(record.checked_div(self.per_block)? as usize)?;
        Some((extent, (record % self.per_block) as usize))
    }

    fn write(&self, out: &mut Writer) {
        out.varint(u64::from(self.per_block));
        let mut last = 0;
        for &end in &self.ends {
            out.varint(end - last);
            last = end;
        }
    }

    fn read(
        reader: &mut Reader<'_>,
        offset: u64,
        body_len: u64,
        records: u32,
        field: &'static str,
    ) -> Result<Self, FormatError> {
        let per_block = reader.varint_u32(field)?;
        let blocks = match (records, per_block) {
            (0, _) => 0,
            (_, 0) => return Err(reader.error(field, Problem::Inconsistent)),
            _ => records.div_ceil(per_block),
        };
        if blocks as usize > reader.left() {
            return Err(reader.error(field, Problem::Inconsistent));
        }
        let mut table = Self::new(offset, records, per_block);
        let mut left = (body_len - offset) / u64::from(UNIT);
        for _ in 0..blocks {
            let units = reader.varint_max(left.min(u64::from(u32::MAX / UNIT)), field)?;
            if units == 0 {
                return Err(reader.error(field, Problem::Inconsistent));
            }
            left -= units;
            table.push(units as u32);
        }
        Ok(table)
    }
}

/// Gathers records, to be cut into blocks.
#[derive(Debug, Default)]
pub struct RecordBlocks {
    bytes: Writer,
    starts: Vec<usize>,
}

impl RecordBlocks {
    /// No records yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The writer for the next record.
    pub fn next_record(&mut self) -> &mut Writer {
        self.starts.push(self.bytes.len());
        &mut self.bytes
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// How many records each block has, and the bytes of each block, not yet compressed.
    ///
    /// The larger blocks are, the shorter the table that every reader takes, and the more bytes a search
    /// takes that reads some of them. Compressed, a block takes a quarter of its length, and half a byte in
    /// the table: together they are smallest where a block has √(2 × all bytes / `read`).
    pub fn finish(self, size: BlockSize) -> (u32, Vec<Vec<u8>>) {
        let bytes = self.bytes.into_bytes();
        let target = (2 * bytes.len() / size.read).isqrt();
        let target = target.clamp(size.least, MAX_BLOCK);
        let per_block = (target * self.starts.len() + bytes.len() / 2)
            .checked_div(bytes.len())
            .unwrap_or(1)
            .max(1);
        let starts: Vec<usize> = self.starts.iter().copied().step_by(per_block).collect();
        let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
        let blocks = starts.iter().zip(ends);
        let blocks = blocks.map(|(&start, end)| bytes[start..end].to_vec());
        (per_block as u32, blocks.collect())
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
    pub passages: RecordTable,
    /// Blocks of documents.
    pub documents: RecordTable,
    /// What blocks of passages and documents are written in.
    pub phrases: Phrases,
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
        out.varint(self.phrases.as_bytes().len() as u64);
        out.raw(self.phrases.as_bytes());
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
        let first_chunks = read_first_chunks(&mut reader, documents, chunks)?;
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
            RecordTable::read(reader, offset, root.body_len, records, field)
        };
        let passages = table(&mut reader, root.passages_offset, chunks, "passages")?;
        let documents = table(&mut reader, root.documents_offset, documents, "documents")?;
        let len = reader.varint_max(reader.left() as u64, "phrases")? as usize;
        let phrases = Phrases::parse(reader.take(len, "phrases")?)?;
        reader.end()?;
        Ok(Self {
            first_chunks,
            weights,
            passages,
            documents,
            phrases,
        })
    }
}

/// The first chunk of each document, then the number of chunks.
fn read_first_chunks(
    reader: &mut Reader<'_>,
    documents: u32,
    chunks: u32,
) -> Result<Vec<ChunkId>, FormatError> {
    let bad = |reader: &Reader<'_>| reader.error("chunks of documents", Problem::Inconsistent);
    if documents as usize > reader.left() {
        return Err(bad(reader));
    }
    let mut first_chunks = Vec::with_capacity(documents as usize + 1);
    let mut first = 0;
    first_chunks.push(first);
    for _ in 0..documents {
        let left = u64::from(chunks - first);
        first += reader.varint_max(left, "chunks of documents")? as u32;
        first_chunks.push(first);
    }
    if first != chunks {
        return Err(bad(reader));
    }
    Ok(first_chunks)
}
