//! A directory: which block holds a key, and where that block is.

use super::block::EncodedBlock;
use super::keys::KeyReader;
use super::keys::shared_prefix;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::bytes::gather;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// The least bytes of a block: shared, suffix length, stored length.
const MIN_ENTRY_BYTES: usize = 3;

const WHAT: &str = "dictionary directory";

/// Writes a directory, block by block, field by field: numbers of one kind side by side deflate
/// better, by a tenth.
#[derive(Debug, Default)]
pub struct DirectoryBuilder {
    count: u64,
    shared: Writer,
    lengths: Writer,
    units: Writer,
    suffixes: Writer,
    last: String,
}

impl DirectoryBuilder {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next block, which takes `stored_units` units of storage.
    pub fn push(&mut self, block: &EncodedBlock, stored_units: u32) {
        let shared = shared_prefix(&self.last, &block.separator);
        let suffix = block.separator.as_bytes().get(shared..).unwrap_or_default();
        self.count += 1;
        self.shared.varint(shared as u64);
        self.lengths.varint(suffix.len() as u64);
        self.units.varint(u64::from(stored_units));
        self.suffixes.raw(suffix);
        self.last.clone_from(&block.separator);
    }

    /// The directory, for [`Directory::parse`].
    pub fn finish(self) -> Vec<u8> {
        let mut out = Writer::new();
        out.varint(self.count);
        for field in [self.shared, self.lengths, self.units, self.suffixes] {
            out.raw(&field.into_bytes());
        }
        out.into_bytes()
    }
}

/// One block as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The keys of the block are not below it, those of the block before are.
    pub separator: String,
    /// The block's units of storage, counted from the start of the first block.
    pub stored: Range<u64>,
}

/// A directory, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    blocks: Vec<DirectoryEntry>,
}

impl Directory {
    /// Reads a directory.
    ///
    /// # Errors
    /// [`FormatError`] when bytes are missing or left over, separators are not UTF-8, too long or do
    /// not ascend, or lengths add up to more than 64 bits.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, WHAT);
        let count = reader.count(MIN_ENTRY_BYTES, "block count")?;
        let mut numbers = |field| gather((0..count).map(|_| reader.varint_u32(field)));
        let shared = numbers("shared prefix")?;
        let lengths = numbers("suffix length")?;
        let units = numbers("stored length")?;
        let mut blocks = Vec::with_capacity(count);
        let mut keys = KeyReader::default();
        let mut start = 0u64;
        for ((shared, len), units) in shared.into_iter().zip(lengths).zip(units) {
            let suffix = core::str::from_utf8(reader.take(len as usize, "suffix")?)
                .map_err(|_| reader.error("suffix", Problem::BadUtf8))?;
            let separator = String::from(keys.follow(u64::from(shared), suffix, &reader)?);
            let end = start
                .checked_add(u64::from(units))
                .ok_or_else(|| reader.error("stored length", Problem::Inconsistent))?;
            let stored = start..end;
            blocks.push(DirectoryEntry { separator, stored });
            start = end;
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

    /// The block that holds `key` if any does; `None` when it comes before all others.
    pub fn block_of(&self, key: &str) -> Option<usize> {
        self.blocks
            .partition_point(|block| block.separator.as_str() <= key)
            .checked_sub(1)
    }

    /// The blocks that can hold keys beginning with `prefix`: the first ones, at most `limit`.
    pub fn blocks_of_prefix(&self, prefix: &str, limit: usize) -> Range<usize> {
        let start = self.block_of(prefix).unwrap_or(0);
        let begins = |block: &DirectoryEntry| {
            block.separator.as_str() < prefix || block.separator.starts_with(prefix)
        };
        let end = self.blocks.partition_point(begins);
        start..end.min(start.saturating_add(limit))
    }

    /// The blocks that can hold keys beginning with the first `alike` characters of `key`: from its own
    /// place outwards, at most `limit`.
    pub fn blocks_around(&self, key: &str, alike: usize, limit: usize) -> Vec<usize> {
        let end = key
            .char_indices()
            .nth(alike)
            .map_or(key.len(), |(at, _)| at);
        let blocks = self.blocks_of_prefix(key.get(..end).unwrap_or(key), usize::MAX);
        let home = self.block_of(key).unwrap_or(0);
        let home = home.clamp(blocks.start, blocks.end.max(blocks.start + 1) - 1);
        let mut out = Vec::new();
        for distance in 0..blocks.len() {
            for block in [home.checked_sub(distance), home.checked_add(distance)] {
                let block = block.filter(|block| blocks.contains(block) && !out.contains(block));
                if out.len() < limit {
                    out.extend(block);
                }
            }
        }
        out
    }
}
