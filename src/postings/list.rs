//! The posting list of one term: chunks in ascending order, each with its impact.
//!
//! ```text
//! up to 128 postings       impacts      df bytes
//!                          gaps         df varints
//!
//! more                     block table  6 bytes a block: last chunk u32, largest impact u8, width u8
//!                          blocks       128 chunks, Elias-Fano; 128 × width bits: each impact's
//!                                       distance from the largest (the last block holds what is left)
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
use core::cmp::Ordering;
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
    if chunks.len() <= BLOCK_LEN {
        out.raw(impacts);
        let mut next = 0;
        for &chunk in chunks {
            out.varint(u64::from(chunk - next));
            next = chunk.wrapping_add(1);
        }
        return EncodedList {
            head: out.into_bytes(),
            blocks: Vec::new(),
        };
    }
    let mut blocks = Vec::new();
    let mut first = 0;
    for (chunks, impacts) in chunks.chunks(BLOCK_LEN).zip(impacts.chunks(BLOCK_LEN)) {
        let last = chunks.last().copied().unwrap_or(first);
        let largest = impacts.iter().copied().max().unwrap_or(0);
        let below: Vec<u32> = impacts
            .iter()
            .map(|&impact| u32::from(largest - impact))
            .collect();
        let width = bitpack::width(&below);
        out.u32(last);
        out.u8(largest);
        out.u8(width as u8);
        let mut block = Vec::new();
        let shape = EliasFano::new(chunks.len(), last - first);
        shape.encode(chunks.iter().map(|chunk| chunk - first), &mut block);
        bitpack::pack(&below, width, &mut block);
        blocks.push(block);
        first = last.wrapping_add(1);
    }
    EncodedList {
        head: out.into_bytes(),
        blocks,
    }
}

/// How ascending numbers from 0 to a largest one are stored: the low bits of each as they are, the
/// rest in unary, about two bits each.
///
/// Source: the quasi-succinct index (S. Vigna, WSDM 2013) after P. Elias and R. Fano, by blocks as in
/// G. Ottaviano, R. Venturini: *Partitioned Elias-Fano Indexes*, SIGIR 2014.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EliasFano {
    count: usize,
    /// Bits of a number that are stored as they are.
    low_width: u32,
    /// Bits of the unary part.
    high_bits: usize,
}

impl EliasFano {
    /// `count` numbers of which `largest` is the last; at least 1.
    fn new(count: usize, largest: u32) -> Self {
        let spread = (u64::from(largest) + 1) / count.max(1) as u64;
        let low_width = spread.checked_ilog2().unwrap_or(0);
        // Less than three bits a number.
        let high_bits = count + (u64::from(largest) >> low_width) as usize;
        Self {
            count,
            low_width,
            high_bits,
        }
    }

    fn low_len(self) -> usize {
        bitpack::packed_len(self.count, self.low_width)
    }

    fn high_len(self) -> usize {
        self.high_bits.div_ceil(8)
    }

    fn encode(self, numbers: impl Iterator<Item = u32>, out: &mut Vec<u8>) {
        let mask = (1u64 << self.low_width) - 1;
        let mut lows = Vec::with_capacity(self.count);
        let mut highs = alloc::vec![0; self.high_len()];
        for (at, number) in numbers.enumerate() {
            let number = u64::from(number);
            lows.push((number & mask) as u32);
            let bit = (number >> self.low_width) as usize + at;
            highs[bit / 8] |= 1u8 << (bit % 8);
        }
        bitpack::pack(&lows, self.low_width, out);
        out.extend_from_slice(&highs);
    }

    /// Reads the numbers and adds `first` to each.
    fn decode(
        self,
        reader: &mut Reader<'_>,
        first: ChunkId,
        out: &mut [u32],
    ) -> Result<(), FormatError> {
        bitpack::unpack(reader.take(self.low_len(), "chunks")?, self.low_width, out);
        let highs = reader.take(self.high_len(), "chunks")?;
        let bad = |reader: &Reader<'_>| reader.error("chunks", Problem::Inconsistent);
        let mut at = 0;
        for (place, word) in highs.chunks(8).enumerate() {
            let mut ones = word_of(word);
            while ones != 0 {
                let bit = place * 64 + ones.trailing_zeros() as usize;
                ones &= ones - 1;
                let number = out.get_mut(at).ok_or_else(|| bad(reader))?;
                *number |= ((bit - at) as u32).wrapping_shl(self.low_width);
                at += 1;
            }
        }
        let mut ascends = at == out.len();
        let mut last = None;
        for number in out {
            let chunk = number.wrapping_add(first);
            ascends &= last.map_or(chunk >= first, |last| chunk > last);
            last = Some(chunk);
            *number = chunk;
        }
        if ascends { Ok(()) } else { Err(bad(reader)) }
    }

    /// Where `number` stands among the numbers, if it is one of them: only what lies at its high bits is
    /// looked at.
    fn place_of(self, lows: &[u8], highs: &[u8], number: u32) -> Option<usize> {
        let high = u64::from(number).wrapping_shr(self.low_width) as usize;
        let low = number & ((1u64 << self.low_width) - 1) as u32;
        // A zero ends the numbers of each value of the high bits.
        let mut bit = match high.checked_sub(1) {
            Some(before) => zero_of(highs, before)? + 1,
            None => 0,
        };
        while highs.get(bit / 8)? >> (bit % 8) & 1 == 1 {
            let place = bit - high;
            match bitpack::get(lows, self.low_width, place).cmp(&low) {
                Ordering::Less => bit += 1,
                Ordering::Equal => return (place < self.count).then_some(place),
                Ordering::Greater => return None,
            }
        }
        None
    }
}

/// Up to eight bytes as a number, the least significant first.
fn word_of(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// The bit that is the zero with `before` zeros before it.
fn zero_of(bits: &[u8], before: usize) -> Option<usize> {
    let mut before = before;
    for (place, word) in bits.chunks(8).enumerate() {
        let mut zeros = !word_of(word);
        let count = zeros.count_ones() as usize;
        if before >= count {
            before -= count;
            continue;
        }
        for _ in 0..before {
            zeros &= zeros - 1;
        }
        return Some(place * 64 + zeros.trailing_zeros() as usize);
    }
    None
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
    /// Bits of an impact, which is stored as its distance from the largest.
    width: u8,
    /// How its chunks are stored, counted from the last chunk of the block before.
    chunks: EliasFano,
    /// Bytes of the blocks before it.
    start: u64,
}

impl TableEntry {
    fn byte_len(&self) -> usize {
        let impacts = bitpack::packed_len(self.chunks.count, u32::from(self.width));
        self.chunks.low_len() + self.chunks.high_len() + impacts
    }
}

/// Where the blocks of a long list are, and what they can hold.
#[derive(Debug, Clone, Default)]
pub struct BlockTable {
    entries: Vec<TableEntry>,
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
    /// [`FormatError`] when bytes are missing or left over, a width exceeds 8 bits, or chunks do not
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
            if width > 8 {
                let problem = Problem::OutOfRange {
                    got: u64::from(width),
                    max: 8,
                };
                return Err(lines.error("width of a block", problem));
            }
            // The line before ended below this one's last chunk.
            let chunks = EliasFano::new(len, (u64::from(last_chunk) - next) as u32);
            let entry = TableEntry {
                last_chunk,
                max_impact,
                width,
                chunks,
                start,
            };
            start += entry.byte_len() as u64;
            entries.push(entry);
            next = u64::from(last_chunk) + 1;
        }
        Ok(Self { entries })
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
            entry.start..entry.start + entry.byte_len() as u64
        })
    }

    /// A block's line, and the first chunk that the block can hold.
    fn entry(&self, block: usize) -> Result<(&TableEntry, ChunkId), FormatError> {
        let Some(entry) = self.entries.get(block) else {
            let problem = Problem::OutOfRange {
                got: block as u64,
                max: self.len() as u64,
            };
            return Err(Reader::new(&[], WHAT).error("block number", problem));
        };
        let before = block.checked_sub(1).and_then(|at| self.entries.get(at));
        // No block follows one that ends with the last number there is: `parse` saw to that.
        let next = before.map_or(0, |before| before.last_chunk.wrapping_add(1));
        Ok((entry, next))
    }

    /// The impact of `chunk`, if the block has it, from the bytes that [`BlockTable::byte_range`]
    /// names. The block is not decoded for it.
    ///
    /// # Errors
    /// [`FormatError`] when there is no such block, or its bytes are not as many as the table says.
    pub fn impact_of(
        &self,
        block: usize,
        bytes: &[u8],
        chunk: ChunkId,
    ) -> Result<Option<u8>, FormatError> {
        let (entry, next) = self.entry(block)?;
        if bytes.len() != entry.byte_len() {
            return Err(Reader::new(bytes, WHAT).error("block", Problem::Inconsistent));
        }
        let (lows, rest) = bytes.split_at(entry.chunks.low_len());
        let (highs, impacts) = rest.split_at(entry.chunks.high_len());
        let place = chunk
            .checked_sub(next)
            .and_then(|number| entry.chunks.place_of(lows, highs, number));
        Ok(place.map(|at| {
            let below = bitpack::get(impacts, u32::from(entry.width), at);
            u32::from(entry.max_impact).saturating_sub(below) as u8
        }))
    }

    /// Decodes a block from the bytes that [`BlockTable::byte_range`] names.
    ///
    /// # Errors
    /// [`FormatError`] when there is no such block, or its bytes contradict the table.
    pub fn decode(&self, block: usize, bytes: &[u8], out: &mut Block) -> Result<(), FormatError> {
        let mut reader = Reader::new(bytes, WHAT);
        let (entry, next) = self.entry(block)?;
        out.len = entry.chunks.count;
        entry
            .chunks
            .decode(&mut reader, next, &mut out.chunks[..out.len])?;
        let width = u32::from(entry.width);
        let impacts = reader.take(bitpack::packed_len(out.len, width), "impacts")?;
        let mut below = [0; BLOCK_LEN];
        bitpack::unpack(impacts, width, &mut below[..out.len]);
        let mut least = u32::MAX;
        for (impact, below) in out.impacts[..out.len].iter_mut().zip(&below) {
            least = least.min(*below);
            *impact = (u32::from(entry.max_impact).saturating_sub(*below)) as u8;
            if *impact == 0 {
                return Err(reader.error("impacts", Problem::Inconsistent));
            }
        }
        reader.end()?;
        let agrees = out.chunks().last() == Some(&entry.last_chunk) && least == 0;
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

    /// The impact of `chunk`, if it holds the term. `block` is room to decode a short list into.
    ///
    /// # Errors
    /// As [`PostingList::decode`].
    pub fn impact_of(&self, chunk: ChunkId, block: &mut Block) -> Result<Option<u8>, FormatError> {
        if self.table.is_empty() {
            self.decode(0, block)?;
            return Ok(block.impact_of(chunk));
        }
        let at = self.block_of(chunk);
        match self.blocks.get(at) {
            Some(bytes) => self.table.impact_of(at, bytes, chunk),
            None => Ok(None),
        }
    }
}
