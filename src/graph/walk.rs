//! Best-first search of one level (Algorithm 2), for the builder and for queries alike.
//!
//! Candidates are keys as in [`crate::vector::topk`]: quality and id in one `u64`, larger is better.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;

use crate::vector::patience::Patience;
use crate::vector::topk::TopK;
use crate::vector::topk::id_of;
use crate::vector::visited::Visited;

/// The links of one level.
pub(super) trait Links {
    /// Appends the links of `node` to `links`.
    fn links(&self, node: u32, links: &mut Vec<u32>);
}

/// How wide a walk is, and when it ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beam {
    /// Nodes held.
    pub(super) ef: usize,
    /// Nodes that may bring none of the 10 nearest so far, one after the other.
    pub(super) patience: usize,
}

impl Beam {
    /// A beam that ends when nothing nearer is left.
    pub(super) fn patient(ef: usize) -> Self {
        let patience = usize::MAX;
        Self { ef, patience }
    }
}

/// Memory of a walk, kept from one to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Walk {
    visited: Visited,
    candidates: BinaryHeap<u64>,
    links: Vec<u32>,
    keys: Vec<u64>,
    /// Nodes whose links were followed.
    pub(super) hops: u64,
    /// Nodes scored.
    pub(super) scored: u64,
}

impl Walk {
    /// Walks a level of nodes `0..len` from the keys in `entries` and returns the keys of the `ef`
    /// best nodes found among those that `accept` admits; others are walked through only.
    ///
    /// The walk ends early once `patience` nodes, one after the other, have brought none of the 10
    /// nearest so far.
    ///
    /// `score` appends the keys of some nodes to a list.
    pub(super) fn search(
        &mut self,
        level: &impl Links,
        len: usize,
        entries: &[u64],
        Beam { ef, patience }: Beam,
        mut score: impl FnMut(&[u32], &mut Vec<u64>),
        accept: impl Fn(u32) -> bool,
    ) -> TopK {
        let mut found = TopK::new(ef);
        self.visited.clear(len);
        self.candidates.clear();
        for &key in entries {
            if self.visited.insert(id_of(key)) {
                self.candidates.push(key);
                if accept(id_of(key)) {
                    found.push_key(key);
                }
            }
        }
        let mut patience = Patience::new(patience);
        while let Some(best) = self.candidates.pop() {
            if best < found.threshold() || !patience.step() {
                break;
            }
            self.links.clear();
            level.links(id_of(best), &mut self.links);
            let visited = &mut self.visited;
            self.links.retain(|&node| visited.insert(node));
            self.keys.clear();
            score(&self.links, &mut self.keys);
            self.hops += 1;
            self.scored += self.keys.len() as u64;
            for &key in &self.keys {
                if key > found.threshold() {
                    self.candidates.push(key);
                    if accept(id_of(key)) {
                        found.push_key(key);
                        patience.found(key);
                    }
                }
            }
        }
        found
    }
}
