//! Writing blocks of sorted keys.

use super::keys::separator;
use super::keys::shared_prefix;
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
///
/// Blocks end where the separator from the next one is short, as the nodes of a prefix B-tree do,
/// within the last quarter of the limit. Measured on 290,000 terms, that takes a third off the
/// directory and adds 6 % of blocks.
#[derive(Debug)]
pub(super) struct BlockBuilder {
    limit: usize,
    items: Vec<Item>,
    /// Bytes of a block with the items up to each.
    ends: Vec<usize>,
    separator: String,
}

/// A key on its way into a block.
#[derive(Debug)]
struct Item {
    key: String,
    record: Vec<u8>,
}

/// Bytes of the count, at most.
const HEAD_BYTES: usize = 3;

impl BlockBuilder {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            items: Vec::new(),
            ends: Vec::new(),
            separator: String::new(),
        }
    }

    /// Adds a key that follows all others, with its record. Returns the block before if that is full.
    pub(super) fn push(&mut self, key: &str, record: Vec<u8>) -> Option<EncodedBlock> {
        let key = String::from(key);
        let item = Item { key, record };
        let full = if !self.items.is_empty() && self.end_with(&item) > self.limit {
            Some(self.close_before(&item))
        } else {
            if self.items.is_empty() && self.separator.is_empty() {
                self.separator = String::from(separator("", &item.key));
            }
            None
        };
        self.append(item);
        full
    }

    /// The last block; `None` if it would be empty.
    pub(super) fn finish(&mut self) -> Option<EncodedBlock> {
        let all = self.items.len();
        (all > 0).then(|| self.close(all, String::new()))
    }

    /// Bytes of the block with `item` too.
    fn end_with(&self, item: &Item) -> usize {
        let before = self.items.last().map_or("", |last| &last.key);
        let shared = shared_prefix(before, &item.key);
        self.ends.last().unwrap_or(&HEAD_BYTES) + 2 + item.key.len() - shared + item.record.len()
    }

    fn append(&mut self, item: Item) {
        self.ends.push(self.end_with(&item));
        self.items.push(item);
    }

    /// Cuts where the separator is shortest, rather late than early.
    fn close_before(&mut self, next: &Item) -> EncodedBlock {
        let all = self.items.len();
        let mut cut = (separator(&self.items[all - 1].key, &next.key), all);
        let end = self.end_with(next);
        for at in (1..all).rev() {
            // What is left has to fit into the next block, its first key in full.
            let left = HEAD_BYTES + end - self.ends[at - 1] + self.items[at].key.len();
            if self.ends[at - 1] < self.limit / 4 * 3 || left > self.limit {
                break;
            }
            let separator = separator(&self.items[at - 1].key, &self.items[at].key);
            if separator.len() < cut.0.len() {
                cut = (separator, at);
            }
        }
        let (separator, at) = (String::from(cut.0), cut.1);
        self.close(at, separator)
    }

    /// A block of the first `count` items; the others begin the next one, behind `separator`.
    fn close(&mut self, count: usize, separator: String) -> EncodedBlock {
        let left = self.items.split_off(count);
        let items = core::mem::replace(&mut self.items, Vec::with_capacity(left.len()));
        let separator = core::mem::replace(&mut self.separator, separator);
        self.ends.clear();
        left.into_iter().for_each(|item| self.append(item));
        let mut bytes = Writer::new();
        bytes.varint(count as u64);
        let mut before = "";
        for item in &items {
            write_key(before, &item.key, &mut bytes);
            bytes.raw(&item.record);
            before = &item.key;
        }
        let bytes = bytes.into_bytes();
        EncodedBlock { separator, bytes }
    }
}
