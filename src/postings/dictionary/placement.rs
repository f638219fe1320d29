//! Which block holds which term: the one that the term's hash says.
//!
//! So the directory has no keys, only the length of each block, less than half a byte once deflated; a sorted
//! one took three times as much, with separators (`DESIGN.md`). A term's text is not stored either: 32 more bits
//! of the hash stand for it, and a seed is chosen under which no two terms have the same.

use super::directory::Directory;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::text::FIRST_TERM_BYTE;
use alloc::vec::Vec;
use core::ops::Range;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const WHAT: &str = "term directory";

/// Whether a key may be a term; others are reserved ([`crate::embed::piece`]).
pub(super) fn is_term(key: &str) -> bool {
    key.as_bytes().first() >= Some(&FIRST_TERM_BYTE)
}

/// Where a term belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// Its block.
    pub block: u32,
    /// What stands for it there. A term that the index lacks has that of one it has with a probability
    /// of 2⁻³² for each term of the block.
    pub fingerprint: u32,
}

/// How terms are spread over blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    seed: u64,
    blocks: u32,
}

impl Placement {
    /// Spreads `terms`, which are distinct, over `blocks` blocks; returns their slots too, ascending, each with the
    /// number of its term.
    ///
    /// # Panics
    /// If there are terms but no blocks.
    ///
    /// # Cost: one hash a term and a sort; once more for each seed under which two of them collide, which
    /// happens to one index of 100,000 terms in a thousand.
    pub fn of<'a>(
        terms: impl Iterator<Item = &'a str> + Clone,
        blocks: u32,
    ) -> (Self, Vec<(Slot, u32)>) {
        let mut placement = Self { seed: 0, blocks };
        loop {
            let slot = |term| placement.slot(term).expect("blocks for the terms");
            let mut slots: Vec<(Slot, u32)> = terms.clone().map(slot).zip(0..).collect();
            slots.sort_unstable();
            if slots.windows(2).all(|pair| pair[0].0 < pair[1].0) {
                return (placement, slots);
            }
            placement.seed += 1;
        }
    }

    /// Where `term` belongs; `None` if there are no blocks.
    pub fn slot(&self, term: &str) -> Option<Slot> {
        let hash = xxh3_64_with_seed(term.as_bytes(), self.seed);
        let block = (hash >> 32) * u64::from(self.blocks) >> 32;
        (self.blocks > 0).then_some(Slot {
            block: block as u32,
            fingerprint: hash as u32,
        })
    }
}

/// Where the blocks of terms and of reserved keys lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermDirectory {
    placement: Placement,
    /// The units of storage before each block of terms, and before the blocks of reserved keys.
    starts: Vec<u64>,
    reserved: Directory,
}

impl TermDirectory {
    /// The bytes of a directory, for [`TermDirectory::parse`]: of blocks of terms with so many `units` of storage
    /// each, 0 for those that no term belongs to, and of the blocks of reserved keys behind them.
    pub fn encode(placement: Placement, units: &[u32], reserved: &[u8]) -> Vec<u8> {
        let mut out = Writer::new();
        out.varint(placement.seed);
        out.varint(units.len() as u64);
        units.iter().for_each(|&units| out.varint(units.into()));
        out.raw(reserved);
        out.into_bytes()
    }

    /// Reads a directory.
    ///
    /// # Errors
    /// [`FormatError`] as for [`Directory::parse`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, WHAT);
        let seed = reader.varint("seed")?;
        let blocks = reader.count(1, "block count")?;
        let mut starts = Vec::with_capacity(blocks + 1);
        let mut start = 0u64;
        starts.push(start);
        for _ in 0..blocks {
            let units = reader.varint_u32("stored length")?;
            start = start
                .checked_add(units.into())
                .ok_or_else(|| reader.error("stored length", Problem::Inconsistent))?;
            starts.push(start);
        }
        let blocks = u32::try_from(blocks);
        let blocks = blocks.map_err(|_| reader.error("block count", Problem::Inconsistent))?;
        Ok(Self {
            placement: Placement { seed, blocks },
            starts,
            reserved: Directory::parse(reader.take(reader.left(), "reserved keys")?)?,
        })
    }

    /// Where a key belongs if it is a term; `None` if it is reserved or there are no terms.
    pub fn slot(&self, key: &str) -> Option<Slot> {
        is_term(key).then(|| self.placement.slot(key))?
    }

    /// How many blocks of terms there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The units of storage of a block of terms; `None` past the last one, and if no term belongs to it.
    pub fn block(&self, at: usize) -> Option<Range<u64>> {
        let stored = *self.starts.get(at)?..*self.starts.get(at.checked_add(1)?)?;
        (!stored.is_empty()).then_some(stored)
    }

    /// How many blocks of reserved keys there are.
    pub fn reserved_len(&self) -> usize {
        self.reserved.len()
    }

    /// The units of storage of a block of reserved keys; `None` past the last one.
    pub fn reserved_block(&self, at: usize) -> Option<Range<u64>> {
        let before = self.starts.last()?;
        let stored = &self.reserved.get(at)?.stored;
        Some(before.checked_add(stored.start)?..before.checked_add(stored.end)?)
    }

    /// The units of storage of the block that holds `key` if any does.
    pub fn block_of(&self, key: &str) -> Option<Range<u64>> {
        match is_term(key) {
            true => self.block(self.slot(key)?.block as usize),
            false => self.reserved_block(self.reserved.block_of(key)?),
        }
    }
}
