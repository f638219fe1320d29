//! Passages and documents: what hits show.
//!
//! Both are stored in compressed blocks of equally many neighbouring records, so that a record's
//! number says its block; [`Layout`] says where blocks lie.

use super::block::Extent;
use super::block::Run;
use super::block::UNIT;
use super::block::extent_of_units;
use super::phrases::Phrases;
use super::root::Counts;
use super::root::Root;
use super::root::flag;
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
    /// Bytes of a block at least, before compression; of every block, where tables are paged.
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

/// Blocks that one page of a table speaks of: it says where each begins, and where the last one ends.
const PAGE_BLOCKS: u32 = 15;

/// Bytes of a number in a page.
const NUMBER: usize = size_of::<u32>();

/// Bytes of a page of a table, at most.
pub const PAGE_BYTES: u32 = (PAGE_BLOCKS + 1) * NUMBER as u32;

/// Where the blocks of equally many records lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordTable {
    /// Offset of the first block in the body.
    pub offset: u64,
    records: u32,
    /// Records of every block but the last, which may have fewer.
    per_block: u32,
    ends: Ends,
}

/// Where blocks end, in [`UNIT`]s counted from the first one's offset.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ends {
    /// Of each block.
    Listed(Vec<u64>),
    /// In pages, to be read when they are needed.
    Paged(Run),
}

impl Default for Ends {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl RecordTable {
    /// A table of `records` records, `per_block` in a block, the first of which lies at `offset`.
    pub fn new(offset: u64, records: u32, per_block: u32) -> Self {
        Self {
            offset,
            records,
            per_block,
            ends: Ends::default(),
        }
    }

    /// Appends a block of `units` stored [`UNIT`]s to a table that is being written.
    pub fn push(&mut self, units: u32) {
        if let Ends::Listed(ends) = &mut self.ends {
            let end = ends.last().copied().unwrap_or(0);
            ends.push(end + u64::from(units));
        }
    }

    /// The records of each block, in order.
    pub fn blocks(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        let starts = (0..self.records).step_by(self.per_block.max(1) as usize);
        starts.map(|start| start..self.records.min(start.saturating_add(self.per_block)))
    }

    /// The page to be read before [`RecordTable::locate`] finds `record`; `None` where tables are listed.
    pub fn page_of(&self, record: u32) -> Option<Extent> {
        let Ends::Paged(pages) = self.ends else {
            return None;
        };
        pages.extent((self.block_of(record)? / PAGE_BLOCKS).into())
    }

    fn block_of(&self, record: u32) -> Option<u32> {
        let block = record.checked_div(self.per_block)?;
        (record < self.records).then_some(block)
    }

    /// The block that holds `record`, and the record's place in it, by the `page` that
    /// [`RecordTable::page_of`] names; `None` where there is no such record, or the page has no place for it.
    pub fn locate(&self, record: u32, page: &[u8]) -> Option<(Extent, usize)> {
        let block = self.block_of(record)?;
        let units = match &self.ends {
            Ends::Listed(ends) => {
                let before = block.checked_sub(1);
                let start = before.map_or(Some(0), |before| ends.get(before as usize).copied());
                start?..*ends.get(block as usize)?
            }
            Ends::Paged(_) => {
                let at = (block % PAGE_BLOCKS) as usize * NUMBER;
                let number = |at: usize| {
                    let bytes = page.get(at..)?.first_chunk::<NUMBER>()?;
                    Some(u64::from(u32::from_le_bytes(*bytes)))
                };
                number(at)?..number(at + NUMBER)?
            }
        };
        let extent = extent_of_units(self.offset, units)?;
        (extent.len > 0).then_some((extent, (record % self.per_block) as usize))
    }

    /// The pages that say what a listed table does; `None` if places exceed what these hold.
    fn pages(&self) -> Option<Vec<u8>> {
        let Ends::Listed(ends) = &self.ends else {
            return None;
        };
        let mut out = Writer::new();
        let mut start = 0;
        for ends in ends.chunks(PAGE_BLOCKS as usize) {
            out.u32(u32::try_from(start).ok()?);
            for &end in ends {
                start = end;
                out.u32(u32::try_from(end).ok()?);
            }
        }
        Some(out.into_bytes())
    }

    fn write(&self, is_paged: bool, out: &mut Writer) {
        out.varint(u64::from(self.per_block));
        if let Ends::Listed(ends) = &self.ends
            && !is_paged
        {
            let mut last = 0;
            for &end in ends {
                out.varint(end - last);
                last = end;
            }
        }
    }

    /// Reads a table of records that lie inside a body of `body_len` bytes. Where tables are paged, `pages` is where
    /// its pages begin, and becomes where they end.
    fn read(
        reader: &mut Reader<'_>,
        (offset, records): (u64, u32),
        body_len: u64,
        pages: Option<&mut u64>,
        field: &'static str,
    ) -> Result<Self, FormatError> {
        let bad = |reader: &Reader<'_>| reader.error(field, Problem::Inconsistent);
        let per_block = reader.varint_u32(field)?;
        let blocks = match (records, per_block) {
            (0, _) => 0,
            (_, 0) => return Err(bad(reader)),
            _ => records.div_ceil(per_block),
        };
        let mut table = Self::new(offset, records, per_block);
        if let Some(start) = pages {
            let numbers = u64::from(blocks) + u64::from(blocks.div_ceil(PAGE_BLOCKS));
            let run = Run {
                offset: *start,
                payload_len: numbers * NUMBER as u64,
                block_payload: PAGE_BYTES,
            };
            *start = run
                .end()
                .filter(|&end| end <= body_len)
                .ok_or_else(|| bad(reader))?;
            table.ends = Ends::Paged(run);
            return Ok(table);
        }
        if blocks as usize > reader.left() {
            return Err(bad(reader));
        }
        let mut left = (body_len - offset) / u64::from(UNIT);
        for _ in 0..blocks {
            let units = reader.varint_max(left.min(u64::from(u32::MAX / UNIT)), field)?;
            if units == 0 {
                return Err(bad(reader));
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

    /// How many blocks there are where their table is listed, about.
    pub fn listed(&self, size: BlockSize) -> usize {
        self.bytes.len() / self.block_bytes(size, false)
    }

    /// Bytes of a block.
    ///
    /// The larger blocks are, the shorter the table that every reader takes, and the more bytes a search
    /// takes that reads some of them. Compressed, a block takes a quarter of its length, and half a byte in
    /// the table: together they are smallest where a block has √(2 × all bytes / `read`). Of a table in pages nobody
    /// takes more than is needed.
    fn block_bytes(&self, size: BlockSize, is_paged: bool) -> usize {
        match is_paged {
            true => size.least,
            false => (2 * self.bytes.len() / size.read)
                .isqrt()
                .clamp(size.least, MAX_BLOCK),
        }
    }

    /// How many records each block has, and the bytes of each block, not yet compressed.
    pub fn finish(self, size: BlockSize, is_paged: bool) -> (u32, Vec<Vec<u8>>) {
        let target = self.block_bytes(size, is_paged);
        let bytes = self.bytes.into_bytes();
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

    /// Whether pages are to be read before records can be located.
    pub fn is_paged(&self) -> bool {
        matches!(self.passages.ends, Ends::Paged(_))
    }

    /// Writes the pages of both tables, which are behind the layout where it has none itself; `None` if places exceed
    /// what pages hold.
    pub fn pages(&self) -> Option<[Vec<u8>; 2]> {
        Some([self.passages.pages()?, self.documents.pages()?])
    }

    /// Serializes the layout, without tables if these are in pages behind it.
    pub fn to_bytes(&self, is_paged: bool) -> Vec<u8> {
        let mut out = Writer::new();
        for pair in self.first_chunks.windows(2) {
            out.varint(u64::from(pair[1] - pair[0]));
        }
        out.varint(self.weights.len() as u64);
        for &(document, weight) in &self.weights {
            out.varint(u64::from(document));
            out.f32(weight);
        }
        out.u8(is_paged.into());
        self.passages.write(is_paged, &mut out);
        self.documents.write(is_paged, &mut out);
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
        let mut pages = flag(&mut reader, "pages")?.then_some(root.layout.range().end);
        let mut table = |reader: &mut Reader<'_>, offset, records, field| {
            RecordTable::read(
                reader,
                (offset, records),
                root.body_len,
                pages.as_mut(),
                field,
            )
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
