//! Blocks of reserved keys: words and pieces that no chunk has, with their rows.
//!
//! They are sorted, other than terms: a word is taken apart by asking for all that it may consist of, and what begins
//! alike is then in the same block.

use super::block::BlockBuilder;
use super::block::EncodedBlock;
use super::keys::KeyReader;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use alloc::vec::Vec;

/// Bytes of a block at most: one search in twenty reads a dozen, and all read the directory.
const BLOCK_BYTES: usize = 2048;

/// The least bytes of a key: shared, suffix length.
const MIN_KEY_BYTES: usize = 2;

const WHAT: &str = "block of reserved keys";

/// Writes blocks, key by key in byte order.
#[derive(Debug)]
pub struct ReservedBlockBuilder {
    blocks: BlockBuilder,
}

impl Default for ReservedBlockBuilder {
    fn default() -> Self {
        let blocks = BlockBuilder::new(BLOCK_BYTES);
        Self { blocks }
    }
}

impl ReservedBlockBuilder {
    /// Adds a key with its row. Returns the block before if that is full.
    pub fn push(&mut self, key: &str, row: Vec<u8>) -> Option<EncodedBlock> {
        self.blocks.push(key, row)
    }

    /// The last block; `None` if it would be empty.
    pub fn finish(&mut self) -> Option<EncodedBlock> {
        self.blocks.finish()
    }
}

/// The keys of a block, in order.
#[derive(Debug, Clone)]
pub struct ReservedBlock<'a> {
    reader: Reader<'a>,
    keys: KeyReader,
    left: usize,
    row_len: usize,
}

impl<'a> ReservedBlock<'a> {
    /// Begins to read a block of keys with rows of `row_len` bytes.
    ///
    /// # Errors
    /// [`FormatError`] when the head is damaged.
    pub fn new(bytes: &'a [u8], row_len: usize) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, WHAT);
        let left = reader.count(MIN_KEY_BYTES + row_len, "key count")?;
        Ok(Self {
            reader,
            keys: KeyReader::default(),
            left,
            row_len,
        })
    }

    /// The next key and its row; `None` at the end, which is only zeros.
    ///
    /// # Errors
    /// [`FormatError`] when bytes are missing or left over, keys are too long, not UTF-8 or do not
    /// ascend.
    pub fn next_key(&mut self) -> Result<Option<(&str, &'a [u8])>, FormatError> {
        let reader = &mut self.reader;
        let Some(left) = self.left.checked_sub(1) else {
            return reader.padding().map(|()| None);
        };
        self.left = left;
        let key = self.keys.read(reader)?;
        if super::placement::is_term(key) {
            return Err(reader.error("key", Problem::Inconsistent));
        }
        let row = reader.take(self.row_len, "term row")?;
        Ok(Some((key, row)))
    }

    /// The row of `key`, if the block has it.
    ///
    /// # Errors
    /// As [`ReservedBlock::next_key`], for the keys up to `key`.
    pub fn find(mut self, key: &str) -> Result<Option<&'a [u8]>, FormatError> {
        while let Some((at, row)) = self.next_key()? {
            if at >= key {
                return Ok((at == key).then_some(row));
            }
        }
        Ok(None)
    }
}
