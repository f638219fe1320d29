//! Writing blocks of keys.

use super::keys::separator;
use super::keys::write_key;
use crate::bytes::Writer;
use alloc::string::String;
use alloc::vec::Vec;

/// A finished block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedBlock {
    /// Comes after all keys of the block before, and not after those of this one.
    pub separator: String,
    /// The block's bytes.
    pub bytes: Vec<u8>,
}

/// Gathers keys, each with its record, into blocks of at most `limit` bytes; what is larger has a
/// block of its own.
#[derive(Debug)]
pub(super) struct BlockBuilder {
    limit: usize,
    head: Vec<u8>,
    items: Writer,
    count: u64,
    separator: String,
    last_key: String,
}

/// Bytes of the count and of a head, at most.
const HEAD_BYTES: usize = 3 + 2 * 10;

impl BlockBuilder {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            head: Vec::new(),
            items: Writer::new(),
            count: 0,
            separator: String::new(),
            last_key: String::new(),
        }
    }

    /// Adds a key that follows all others, with its record; a block that begins with it gets `head`.
    /// Returns the block before if that is full.
    pub(super) fn push(&mut self, key: &str, record: &[u8], head: &[u8]) -> Option<EncodedBlock> {
        let needed = HEAD_BYTES + self.items.len() + key.len() + 2 + record.len();
        let full = if needed > self.limit {
            self.finish()
        } else {
            None
        };
        if self.count == 0 {
            self.head = head.to_vec();
            self.separator = String::from(separator(&self.last_key, key));
            self.last_key.clear();
        }
        write_key(&self.last_key, key, &mut self.items);
        self.items.raw(record);
        self.count += 1;
        self.last_key.clear();
        self.last_key.push_str(key);
        full
    }

    /// The last block; `None` if it would be empty.
    pub(super) fn finish(&mut self) -> Option<EncodedBlock> {
        if self.count == 0 {
            return None;
        }
        let mut bytes = Writer::new();
        bytes.varint(core::mem::take(&mut self.count));
        bytes.raw(&self.head);
        bytes.raw(&core::mem::take(&mut self.items).into_bytes());
        Some(EncodedBlock {
            separator: core::mem::take(&mut self.separator),
            bytes: bytes.into_bytes(),
        })
    }
}
