//! Recently used blocks.

use crate::index::Extent;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;

/// Keeps blocks up to a number of bytes and forgets the least recently used first.
#[derive(Debug)]
pub struct Cache {
    capacity: usize,
    used: usize,
    clock: u64,
    blocks: BTreeMap<Extent, (u64, Arc<[u8]>)>,
    by_age: BTreeMap<u64, Extent>,
}

impl Cache {
    /// A cache of at most `capacity` bytes of payload.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, used: 0, clock: 0, blocks: BTreeMap::new(), by_age: BTreeMap::new() }
    }

    /// The payload of a block, if it is kept.
    pub fn get(&mut self, extent: Extent) -> Option<Arc<[u8]>> {
        let (age, bytes) = self.blocks.get_mut(&extent)?;
        self.by_age.remove(age);
        self.clock += 1;
        *age = self.clock;
        self.by_age.insert(self.clock, extent);
        Some(bytes.clone())
    }

    /// Keeps a payload; one larger than the whole cache is not kept.
    pub fn insert(&mut self, extent: Extent, bytes: Arc<[u8]>) {
        if bytes.len() > self.capacity {
            return;
        }
        self.clock += 1;
        self.used += bytes.len();
        if let Some((age, old)) = self.blocks.insert(extent, (self.clock, bytes)) {
            self.by_age.remove(&age);
            self.used -= old.len();
        }
        self.by_age.insert(self.clock, extent);
        while self.used > self.capacity {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            if let Some((_, bytes)) = self.blocks.remove(&oldest) {
                self.used -= bytes.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(offset: u64) -> Extent {
        Extent { offset, len: 104 }
    }

    #[test]
    fn least_recently_used_block_is_forgotten_first() {
        let mut cache = Cache::new(300);
        for offset in 0..3 {
            cache.insert(extent(offset), Arc::from([0u8; 100]));
        }
        assert!(cache.get(extent(0)).is_some());
        cache.insert(extent(3), Arc::from([0u8; 100]));
        assert!(cache.get(extent(1)).is_none());
        assert!(cache.get(extent(0)).is_some() && cache.get(extent(2)).is_some());
    }

    #[test]
    fn inserting_twice_counts_once_and_giants_are_not_kept() {
        let mut cache = Cache::new(250);
        cache.insert(extent(0), Arc::from([0u8; 100]));
        cache.insert(extent(0), Arc::from([1u8; 100]));
        cache.insert(extent(1), Arc::from([0u8; 100]));
        assert_eq!(cache.used, 200);
        cache.insert(extent(2), Arc::from([0u8; 251]));
        assert!(cache.get(extent(2)).is_none() && cache.get(extent(0)).is_some());
    }
}
