//! Recently used blocks.

use super::Block;
use crate::index::Extent;
use alloc::collections::BTreeMap;

/// Keeps blocks up to a number of bytes and forgets those that were not used for longest.
///
/// There are two generations: what is used moves to the young one, and when that holds half of the
/// bytes it becomes the old one, whose blocks are forgotten.
#[derive(Debug)]
pub struct Cache {
    capacity: usize,
    /// Bytes in the young generation.
    used: usize,
    young: BTreeMap<Extent, Block>,
    old: BTreeMap<Extent, Block>,
}

impl Cache {
    /// A cache of at most `capacity` bytes of payload.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            used: 0,
            young: BTreeMap::new(),
            old: BTreeMap::new(),
        }
    }

    /// The payload of a block, if it is kept.
    pub fn get(&mut self, extent: Extent) -> Option<Block> {
        if let Some(block) = self.young.get(&extent) {
            return Some(block.clone());
        }
        let block = self.old.get(&extent)?.clone();
        self.insert(extent, block.clone());
        Some(block)
    }

    /// Keeps a payload; one larger than half of the cache is not kept.
    pub fn insert(&mut self, extent: Extent, block: Block) {
        let (len, half) = (block.len(), self.capacity / 2);
        if len > half || self.young.contains_key(&extent) {
            return;
        }
        if self.used + len > half {
            self.old = core::mem::take(&mut self.young);
            self.used = 0;
        }
        self.used += len;
        self.young.insert(extent, block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;

    fn extent(offset: u64) -> Extent {
        Extent { offset, len: 104 }
    }

    fn block(len: usize) -> Block {
        Block(Arc::from(alloc::vec![0; len]))
    }

    #[test]
    fn blocks_used_again_outlive_those_that_are_not() {
        let mut cache = Cache::new(400);
        for offset in 0..4 {
            cache.insert(extent(offset), block(100));
        }
        assert!(cache.get(extent(0)).is_some());
        cache.insert(extent(4), block(100));
        assert!(cache.get(extent(1)).is_none());
        assert!(cache.get(extent(0)).is_some() && cache.get(extent(4)).is_some());
    }

    #[test]
    fn inserting_twice_counts_once_and_giants_are_not_kept() {
        let mut cache = Cache::new(400);
        cache.insert(extent(0), block(100));
        cache.insert(extent(0), block(100));
        cache.insert(extent(1), block(100));
        assert_eq!(cache.used, 200);
        cache.insert(extent(2), block(201));
        assert!(cache.get(extent(2)).is_none() && cache.get(extent(0)).is_some());
    }
}
