//! The posting list of one term: chunks in ascending order, each with its impact.
//!
//! ```text
//! up to 128 postings       impacts      df bytes
//!                          gaps         df varints
//!
//! more                     block table  6 bytes a block: last chunk u32, largest impact u8, width u8
//!                          blocks       gaps, 128 × width bits; impacts, 128 bytes
//!                                       (the last block holds what is left)
//! ```
//!
//! A gap is the distance to the chunk before, less one; the first chunk of a list counts from -1.
//! `df` comes from the dictionary, beside which short lists and tables are stored; the blocks lie
//! elsewhere. Each block decodes on its own, with its line of the table and the one before.

use super::bitpack;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::document::ChunkId;
use alloc::vec::Vec;
use core::ops::Range;

/// Postings in a full block.
pub const BLOCK_LEN: usize = 128;

/// Bytes of the block table for each block.
pub const TABLE_ENTRY_BYTES: usize = 6;

const WHAT: &str = "posting list";

/// A posting list as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedList {
    /// The whole list if it is short, else the block table.
    pub head: Vec<u8>,
    /// The blocks of a long list.
    pub blocks: Vec<Vec<u8>>,
}

impl EncodedList {
    /// Reads the list back; `df` is its number of postings.
    ///
    /// # Errors
    /// As [`PostingList::new`].
    pub fn list(&self, df: u32) -> Result<PostingList<'_>, FormatError> {
        let blocks = self.blocks.iter().map(Vec::as_slice).collect();
        PostingList::new(&self.head, df, blocks)
    }
}

/// Encodes a posting list.
///
/// `chunks` ascend strictly; `impacts` has the same length and no zeros.
pub(super) fn encode(chunks: &[ChunkId], impacts: &[u8]) -> EncodedList {
    let mut out = Writer::new();
    let mut next = 0;
    let mut gaps = Vec::with_capacity(chunks.len());
    for &chunk in chunks {
        gaps.push(chunk - next);
        next = chunk.wrapping_add(1);
    }
    if chunks.len() <= BLOCK_LEN {
        out.raw(impacts);
        for gap in gaps {
            out.varint(u64::from(gap));
        }
        return EncodedList {
            head: out.into_bytes(),
            blocks: Vec::new(),
        };
    }
    let mut blocks = Vec::new();
    for (at, gaps) in gaps.chunks(BLOCK_LEN).enumerate() {
        let range = at * BLOCK_LEN..at * BLOCK_LEN + gaps.len();
        let impacts = &impacts[range.clone()];
        let width = bitpack::width(gaps);
        out.u32(chunks[range.end - 1]);
        out.u8(impacts.iter().copied().max().unwrap_or(0));
        out.u8(width as u8);
        let mut block = Vec::new();
        bitpack::pack(gaps, width, &mut block);
        block.extend_from_slice(impacts);
        blocks.push(block);
    }
    EncodedList {
        head: out.into_bytes(),
        blocks,
    }
}

/// A decoded block.
#[derive(Debug, Clone)]
pub struct Block {
    chunks: [ChunkId; BLOCK_LEN],
    impacts: [u8; BLOCK_LEN],
    len: usize,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            chunks: [0; BLOCK_LEN],
            impacts: [0; BLOCK_LEN],
            len: 0,
        }
    }
}

impl Block {
    /// Its chunks, ascending.
    pub fn chunks(&self) -> &[ChunkId] {
        &self.chunks[..self.len]
    }

    /// The impact of each chunk, 1 to 255.
    pub fn impacts(&self) -> &[u8] {
        &self.impacts[..self.len]
    }

    /// The impact of `chunk`, if the block has it.
    pub fn impact_of(&self, chunk: ChunkId) -> Option<u8> {
        self.chunks()
            .binary_search(&chunk)
            .ok()
            .map(|at| self.impacts[at])
    }

    /// Turns the gaps that `self.chunks` holds into chunks that follow `next`.
    fn add_gaps(&mut self, next: u64) -> Result<(), Problem> {
        let mut next = next;
        for chunk in &mut self.chunks[..self.len] {
            let at = next + u64::from(*chunk);
            *chunk = u32::try_from(at).map_err(|_| Problem::OutOfRange {
                got: at,
                max: u64::from(u32::MAX),
            })?;
            next = at + 1;
        }
        Ok(())
    }
}

/// One line of a block table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TableEntry {
    last_chunk: ChunkId,
    max_impact: u8,
    width: u8,
    /// Bytes of the blocks before it.
    start: u64,
}

/// Where the blocks of a long list are, and what they can hold.
#[derive(Debug, Clone, Default)]
pub struct BlockTable {
    entries: Vec<TableEntry>,
    df: u32,
}

impl BlockTable {
    /// Bytes of the table of a list of `df` postings; 0 for a list without a table.
    pub fn byte_len(df: u32) -> usize {
        if df as usize <= BLOCK_LEN {
            0
        } else {
            (df as usize).div_ceil(BLOCK_LEN) * TABLE_ENTRY_BYTES
        }
    }

    /// Reads the table of a list of `df` postings, `byte_len(df)` bytes.
    ///
    /// # Errors
    /// [`FormatError`] when bytes are missing or left over, a width exceeds 32 bits, or chunks do not
    /// ascend.
    pub fn parse(bytes: &[u8], df: u32) -> Result<Self, FormatError> {
        let table_len = Self::byte_len(df);
        let mut reader = Reader::new(bytes, WHAT);
        let mut lines = Reader::new(reader.take(table_len, "block table")?, WHAT);
        reader.end()?;
        let mut entries = Vec::with_capacity(table_len / TABLE_ENTRY_BYTES);
        let mut start = 0;
        let mut next = 0u64;
        for at in 0..table_len / TABLE_ENTRY_BYTES {
            let last_chunk = lines.u32("last chunk of a block")?;
            let max_impact = lines.u8("largest impact of a block")?;
            let width = lines.u8("width of a block")?;
            let len = block_len(df, at);
            if u64::from(last_chunk) + 1 < next + len as u64 {
                return Err(lines.error("last chunk of a block", Problem::Inconsistent));
            }
            if width > 32 {
                let problem = Problem::OutOfRange {
                    got: u64::from(width),
                    max: 32,
                };
                return Err(lines.error("width of a block", problem));
            }
            entries.push(TableEntry {
                last_chunk,
                max_impact,
                width,
                start,
            });
            start += (bitpack::packed_len(len, u32::from(width)) + len) as u64;
            next = u64::from(last_chunk) + 1;
        }
        Ok(Self { entries, df })
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none: a short list.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The last chunk of a block; `None` past the last block.
    pub fn last_chunk(&self, block: usize) -> Option<ChunkId> {
        self.entries.get(block).map(|entry| entry.last_chunk)
    }

    /// The largest impact in a block; `None` past the last block.
    pub fn max_impact(&self, block: usize) -> Option<u8> {
        self.entries.get(block).map(|entry| entry.max_impact)
    }

    /// The first block that can hold `chunk` or a later one; [`BlockTable::len`] if none can.
    pub fn block_of(&self, chunk: ChunkId) -> usize {
        self.entries
            .partition_point(|entry| entry.last_chunk < chunk)
    }

    /// Bytes of all blocks together.
    pub fn blocks_len(&self) -> u64 {
        let last = self.len().saturating_sub(1);
        self.byte_range(last).end
    }

    /// The bytes of a block, counted from the first block; empty past the last one.
    pub fn byte_range(&self, block: usize) -> Range<u64> {
        self.entries.get(block).map_or(0..0, |entry| {
            let len = block_len(self.df, block);
            let bytes = bitpack::packed_len(len, u32::from(entry.width)) + len;
            entry.start..entry.start + bytes as u64
        })
    }

    /// Decodes a block from the bytes that [`BlockTable::byte_range`] names.
    ///
    /// # Errors
    /// [`FormatError`] when there is no such block, or its bytes contradict the table.
    pub fn decode(&self, block: usize, bytes: &[u8], out: &mut Block) -> Result<(), FormatError> {
        let mut reader = Reader::new(bytes, WHAT);
        let Some(entry) = self.entries.get(block) else {
            let problem = Problem::OutOfRange {
                got: block as u64,
                max: self.len() as u64,
            };
            return Err(reader.error("block number", problem));
        };
        let next = match block
            .checked_sub(1)
            .and_then(|before| self.entries.get(before))
        {
            Some(before) => u64::from(before.last_chunk) + 1,
            None => 0,
        };
        out.len = block_len(self.df, block);
        let width = u32::from(entry.width);
        let gaps = reader.take(bitpack::packed_len(out.len, width), "gaps")?;
        bitpack::unpack(gaps, width, &mut out.chunks[..out.len]);
        out.add_gaps(next)
            .map_err(|problem| reader.error("gaps", problem))?;
        let impacts = reader.take(out.len, "impacts")?;
        out.impacts[..out.len].copy_from_slice(impacts);
        reader.end()?;
        let agrees = out.chunks().last() == Some(&entry.last_chunk)
            && impacts.iter().max() == Some(&entry.max_impact);
        if agrees {
            Ok(())
        } else {
            Err(reader.error("block", Problem::Inconsistent))
        }
    }
}

/// Passes over a short list of `df` postings: where its bytes end is in the bytes themselves.
pub(super) fn skip_short(reader: &mut Reader<'_>, df: u32) -> Result<(), FormatError> {
    reader.take(df as usize, "impacts")?;
    for _ in 0..df {
        reader.varint_u32("gap")?;
    }
    Ok(())
}

/// Postings in a block of a list of `df`.
fn block_len(df: u32, block: usize) -> usize {
    (df as usize)
        .saturating_sub(block * BLOCK_LEN)
        .min(BLOCK_LEN)
}

/// The whole posting list of one term, read in place.
#[derive(Debug, Clone)]
pub struct PostingList<'a> {
    /// A short list; of a long one the table's bytes.
    head: &'a [u8],
    table: BlockTable,
    blocks: Vec<&'a [u8]>,
    df: u32,
}

impl<'a> PostingList<'a> {
    /// Reads the list of a term with `df` postings: `head` is the whole list if it is short, else the
    /// table of its `blocks`.
    ///
    /// # Errors
    /// [`FormatError`] when the table is damaged or does not belong to these blocks. Damage inside of
    /// a block shows when the block is read.
    pub fn new(head: &'a [u8], df: u32, blocks: Vec<&'a [u8]>) -> Result<Self, FormatError> {
        let table = match BlockTable::byte_len(df) {
            0 => BlockTable::default(),
            _ => BlockTable::parse(head, df)?,
        };
        if table.len() != blocks.len() {
            return Err(Reader::new(head, WHAT).error("blocks", Problem::Inconsistent));
        }
        Ok(Self {
            head,
            table,
            blocks,
            df,
        })
    }

    /// How many chunks hold the term.
    pub fn df(&self) -> u32 {
        self.df
    }

    /// How many blocks there are; a short list is one block.
    pub fn block_count(&self) -> usize {
        self.table.len().max(usize::from(self.df > 0))
    }

    /// The first block that can hold `chunk` or a later one.
    pub fn block_of(&self, chunk: ChunkId) -> usize {
        self.table.block_of(chunk)
    }

    /// Decodes a block.
    ///
    /// # Errors
    /// [`FormatError`] when the bytes are damaged, or there is no such block.
    pub fn decode(&self, block: usize, out: &mut Block) -> Result<(), FormatError> {
        if self.table.is_empty() {
            return self.decode_short(block, out);
        }
        let bytes = self.blocks.get(block).copied().unwrap_or_default();
        self.table.decode(block, bytes, out)
    }

    fn decode_short(&self, block: usize, out: &mut Block) -> Result<(), FormatError> {
        let mut reader = Reader::new(self.head, WHAT);
        if block > 0 {
            return Err(reader.error(
                "block number",
                Problem::OutOfRange {
                    got: block as u64,
                    max: 0,
                },
            ));
        }
        out.len = self.df as usize;
        out.impacts[..out.len].copy_from_slice(reader.take(out.len, "impacts")?);
        for gap in &mut out.chunks[..out.len] {
            *gap = reader.varint_u32("gap")?;
        }
        reader.end()?;
        out.add_gaps(0)
            .map_err(|problem| reader.error("gap", problem))
    }

    /// The impact of `chunk`, if it holds the term. `block` is room to decode into.
    ///
    /// # Errors
    /// As [`PostingList::decode`].
    pub fn impact_of(&self, chunk: ChunkId, block: &mut Block) -> Result<Option<u8>, FormatError> {
        let at = self.block_of(chunk);
        if at >= self.block_count() {
            return Ok(None);
        }
        self.decode(at, block)?;
        Ok(block.impact_of(chunk))
    }
}
