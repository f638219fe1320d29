//! The directory: which block holds a term, and where that block and its posting lists are.

use super::block::EncodedBlock;
use super::block::check_key_len;
use super::block::shared_prefix;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// The least bytes of a block: shared, suffix length, stored length, postings length.
const MIN_ENTRY_BYTES: usize = 4;

const WHAT: &str = "dictionary directory";

/// Writes the directory, block by block.
#[derive(Debug, Default)]
pub struct DirectoryBuilder {
    blocks: Writer,
    block_count: u64,
    last_term: String,
}

impl DirectoryBuilder {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next block, which takes `stored_len` bytes in its file.
    pub fn push(&mut self, block: &EncodedBlock, stored_len: u32) {
        let shared = shared_prefix(&self.last_term, &block.first_term);
        self.blocks.varint(shared as u64);
        self.blocks
            .str(block.first_term.get(shared..).unwrap_or_default());
        self.blocks.varint(u64::from(stored_len));
        self.blocks.varint(block.postings_len);
        self.block_count += 1;
        self.last_term = block.first_term.clone();
    }

    /// The directory, for [`Directory::parse`].
    pub fn finish(self) -> Vec<u8> {
        let mut out = Writer::new();
        out.varint(self.block_count);
        out.raw(&self.blocks.into_bytes());
        out.into_bytes()
    }
}

/// One block as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The first term of the block.
    pub first_term: String,
    /// The block's bytes, counted from the start of the first block.
    pub stored: Range<u64>,
    /// Where the posting lists of its terms are, counted from the start of the first list.
    pub postings: Range<u64>,
}

/// The directory, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    blocks: Vec<DirectoryEntry>,
}

impl Directory {
    /// Reads a directory.
    ///
    /// # Errors
    /// [`FormatError`] when bytes are missing or left over, terms are not UTF-8, too long or do not
    /// ascend, or
    /// lengths add up to more than 64 bits.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, WHAT);
        let count = reader.count(MIN_ENTRY_BYTES, "block count")?;
        let mut blocks: Vec<DirectoryEntry> = Vec::with_capacity(count);
        let (mut stored, mut postings) = (0u64, 0u64);
        for _ in 0..count {
            let last = blocks.last().map_or("", |block| block.first_term.as_str());
            let shared = reader.varint_max(last.len() as u64, "shared prefix")? as usize;
            let shared = last
                .get(..shared)
                .ok_or_else(|| reader.error("shared prefix", Problem::BadUtf8))?;
            let mut first_term = String::from(shared);
            first_term.push_str(reader.str("suffix")?);
            check_key_len(&reader, first_term.len())?;
            if !blocks.is_empty() && first_term.as_str() <= last {
                return Err(reader.error("suffix", Problem::Inconsistent));
            }
            let stored_len = u64::from(reader.varint_u32("stored length")?);
            let postings_len = reader.varint("postings length")?;
            let ends = stored
                .checked_add(stored_len)
                .zip(postings.checked_add(postings_len));
            let Some((stored_end, postings_end)) = ends else {
                return Err(reader.error("postings length", Problem::Inconsistent));
            };
            blocks.push(DirectoryEntry {
                first_term,
                stored: stored..stored_end,
                postings: postings..postings_end,
            });
            (stored, postings) = (stored_end, postings_end);
        }
        reader.end()?;
        Ok(Self { blocks })
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// A block; `None` past the last one.
    pub fn get(&self, block: usize) -> Option<&DirectoryEntry> {
        self.blocks.get(block)
    }

    /// The block that holds `term` if any does; `None` when the term comes before all others.
    pub fn block_of(&self, term: &str) -> Option<usize> {
        self.blocks
            .partition_point(|block| block.first_term.as_str() <= term)
            .checked_sub(1)
    }

    /// The blocks that can hold terms beginning with `prefix`: the first ones, at most `limit`.
    pub fn blocks_of_prefix(&self, prefix: &str, limit: usize) -> Range<usize> {
        let start = self.block_of(prefix).unwrap_or(0);
        let begins = |block: &DirectoryEntry| {
            block.first_term.as_str() < prefix || block.first_term.starts_with(prefix)
        };
        let end = self.blocks.partition_point(begins);
        start..end.min(start.saturating_add(limit))
    }

    /// The blocks to search for terms similar to `word`, the likeliest first, at most `limit`: that
    /// of the word itself, its neighbours with the same first two letters, then those with the
    /// beginnings that one edit at the second letter leads to (`srting`, `sring`: `st`; `osrt`: `so`).
    pub fn blocks_of_similar(&self, word: &str, limit: usize) -> Vec<usize> {
        let mut out = Vec::new();
        let mut letters = word.chars();
        let (Some(first), Some(second)) = (letters.next(), letters.next()) else {
            return out;
        };
        let third = letters.next().unwrap_or(second);
        let home = self.block_of(word).unwrap_or(0);
        for beginning in [[first, second], [first, third], [second, first]] {
            let blocks = self.blocks_of_prefix(&String::from_iter(beginning), usize::MAX);
            // From the word's place outwards.
            let home = home.clamp(blocks.start, blocks.end.max(blocks.start + 1) - 1);
            for distance in 0..blocks.len() {
                for block in [home.checked_sub(distance), home.checked_add(distance)] {
                    let block =
                        block.filter(|block| blocks.contains(block) && !out.contains(block));
                    if out.len() < limit {
                        out.extend(block);
                    }
                }
            }
        }
        out
    }
}
