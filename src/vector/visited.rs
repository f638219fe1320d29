//! A set of ordinals that is emptied in constant time.

use alloc::vec::Vec;

/// A set of ordinals below a length; emptying it costs nothing, 255 times out of 256.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visited {
    stamps: Vec<u8>,
    generation: u8,
}

impl Visited {
    /// Empties the set and makes it one of ordinals below `len`.
    pub(crate) fn clear(&mut self, len: usize) {
        if self.stamps.len() != len || self.generation == u8::MAX {
            self.stamps.clear();
            self.stamps.resize(len, 0);
            self.generation = 0;
        }
        self.generation += 1;
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        self.stamps.get(id as usize) == Some(&self.generation)
    }

    /// Adds an ordinal; whether it is new. Ordinals past the end never are.
    pub(crate) fn insert(&mut self, id: u32) -> bool {
        match self.stamps.get_mut(id as usize) {
            Some(stamp) if *stamp != self.generation => {
                *stamp = self.generation;
                true
            }
            _ => false,
        }
    }
}
