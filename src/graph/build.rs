//! Deterministic insertion (Algorithm 1) in batches.
//!
//! Nodes are inserted from the highest level down, at random within a level, so the nodes of a level
//! are always a prefix of that order and a node's place in it (its *rank*) is its number on every
//! level. Inside this file nodes are ranks; they become row ids at the end.
//!
//! A batch goes in by two steps, each a set of pure functions of the graph as it stands, so that
//! threads cannot change the outcome (the prefix-doubling batches of ParlayANN, Manohar et al.,
//! PPoPP 2024):
//! 1. every node of the batch searches the graph and selects its links;
//! 2. the reverse links are sorted by target, and every target selects its links anew.
//!
//! Of equal rows only one is inserted, see `copies.rs`.
//!
//! Nodes of one batch do not see each other, so batches are a quarter of the graph at first and never
//! more than 1/64 of all nodes.

use alloc::vec::Vec;

use super::Graph;
use super::GraphError;
use super::GraphParams;
use super::MAX_LEVELS;
use super::copies::Copies;
use super::level::Level;
use super::select::select;
use super::walk::Beam;
use super::walk::Links;
use super::walk::Walk;
use crate::executor::Executor;
use crate::vector::MAX_DIM;
use crate::vector::arch::Kernels;
use crate::vector::arch::kernels;
use crate::vector::rotate::SplitMix64;
use crate::vector::topk::pack;
use crate::vector::visited::Visited;

/// A batch is at most this part of all nodes.
const BATCHES: usize = 64;

/// Nodes handed to a thread at once; they share the memory of one walk.
const CHUNK: usize = 32;

/// Builds the graph of `codes`: rows of `code_dim` int8 numbers, row-major.
///
/// `progress` is told the nodes inserted and the nodes in all, after every batch.
///
/// Distances are exact integers, and the result depends on the codes and parameters only, not on the
/// threads of `executor`.
///
/// Cost: about `ef_construction * m0` integer dot products a node, and 130 bytes a node beside the
/// codes.
///
/// # Errors
/// [`GraphError`] if parameters or lengths are out of range.
pub fn build(
    codes: &[i8],
    code_dim: usize,
    params: &GraphParams,
    executor: &impl Executor,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Graph, GraphError> {
    let &GraphParams {
        m,
        m0,
        ef_construction,
        seed,
    } = params;
    if !(2..128).contains(&m) || !(m..255).contains(&m0) || ef_construction == 0 {
        return Err(GraphError::BadParams(*params));
    }
    if !(1..=MAX_DIM).contains(&code_dim) || !codes.len().is_multiple_of(code_dim) {
        return Err(GraphError::PartialRow {
            len: codes.len(),
            code_dim,
        });
    }
    let len = codes.len() / code_dim;
    let too_many = GraphError::TooManyRows { rows: len };
    if u32::try_from(len).is_err() {
        return Err(too_many);
    }
    let copies = Copies::find(codes, code_dim);
    let (order, level_lens) = insertion_order(copies.originals(), m, seed);
    let rows = Rows::new(codes, code_dim, order);
    let len = rows.order.len();
    let levels = level_lens
        .iter()
        .enumerate()
        .map(|(height, &len)| OpenLevel::new(len, if height == 0 { m0 } else { m }))
        .collect();
    let mut builder = Builder {
        rows,
        levels,
        ef_construction,
    };
    let mut inserted = len.min(1);
    while inserted < len {
        let batch = (inserted / 4)
            .clamp(1, len.div_ceil(BATCHES))
            .min(len - inserted);
        builder.insert(inserted..inserted + batch, executor);
        inserted += batch;
        progress(inserted, len);
    }
    if let Some(level) = builder.levels.first_mut() {
        level.connect();
    }
    builder.finish(&copies).ok_or(too_many)
}

/// The ids by rank, and the number of nodes of each level from 0 up.
fn insertion_order(ids: Vec<u32>, m: usize, seed: u64) -> (Vec<u32>, Vec<usize>) {
    let mut random = SplitMix64::new(seed);
    let mut keys: Vec<(usize, u64, u32)> = ids
        .into_iter()
        .map(|id| {
            // Level l or more with probability m^-l, which is the paper's floor(-ln(u) / ln(m)).
            let mut level = 0;
            while level + 1 < MAX_LEVELS && random.below(m as u64) == 0 {
                level += 1;
            }
            (MAX_LEVELS - level, random.next_u64(), id)
        })
        .collect();
    keys.sort_unstable();
    let mut level_lens = Vec::new();
    for level in 0..MAX_LEVELS {
        match keys.partition_point(|key| key.0 <= MAX_LEVELS - level) {
            0 => break,
            len => level_lens.push(len),
        }
    }
    (keys.into_iter().map(|(_, _, id)| id).collect(), level_lens)
}

/// The codes by rank.
struct Rows<'a> {
    codes: &'a [i8],
    code_dim: usize,
    order: Vec<u32>,
    /// Squared norms by rank.
    norms: Vec<i32>,
    kernels: &'static Kernels,
}

impl<'a> Rows<'a> {
    fn new(codes: &'a [i8], code_dim: usize, order: Vec<u32>) -> Self {
        let mut rows = Self {
            codes,
            code_dim,
            order,
            norms: Vec::new(),
            kernels: kernels(),
        };
        let norm = |rank| (rows.kernels.dot_i8)(rows.row(rank), rows.row(rank));
        rows.norms = (0..rows.order.len() as u32).map(norm).collect();
        rows
    }

    fn row(&self, rank: u32) -> &'a [i8] {
        let start = self.order[rank as usize] as usize * self.code_dim;
        &self.codes[start..start + self.code_dim]
    }

    /// Squared Euclidean distance of two codes: at most `8192 * 256^2 < 2^31`.
    fn distance(&self, a: u32, b: u32) -> u32 {
        let dot = (self.kernels.dot_i8)(self.row(a), self.row(b));
        (self.norms[a as usize] + self.norms[b as usize] - 2 * dot) as u32
    }

    fn key(&self, base: u32, other: u32) -> u64 {
        pack(!self.distance(base, other), other)
    }
}

/// A level that still takes links: room for `max` on every node.
struct OpenLevel {
    max: usize,
    counts: Vec<u8>,
    links: Vec<u32>,
}

impl OpenLevel {
    fn new(len: usize, max: usize) -> Self {
        Self {
            max,
            counts: alloc::vec![0; len],
            links: alloc::vec![0; len * max],
        }
    }

    fn of(&self, node: u32) -> &[u32] {
        let start = node as usize * self.max;
        &self.links[start..start + usize::from(self.counts[node as usize])]
    }

    fn set(&mut self, node: u32, links: &[u32]) {
        let start = node as usize * self.max;
        self.links[start..start + links.len()].copy_from_slice(links);
        self.counts[node as usize] = links.len() as u8;
    }

    fn has_room(&self, node: u32) -> bool {
        usize::from(self.counts[node as usize]) < self.max
    }

    /// Makes every node reachable from node 0.
    ///
    /// Selection can leave a node without incoming links; among more equal rows than a node has links
    /// it always does. Such a node gets a link from a reachable node with room, looked for along its
    /// own links, which lead to its neighbourhood.
    fn connect(&mut self) {
        let len = self.counts.len();
        let (mut reached, mut seen) = (Visited::default(), Visited::default());
        reached.clear(len);
        let mut queue = Vec::new();
        for orphan in 0..len as u32 {
            if !reached.contains(orphan) {
                if orphan > 0 {
                    let Some(from) = self.nearby(orphan, &reached, &mut seen) else {
                        continue;
                    };
                    let mut links = self.of(from).to_vec();
                    links.push(orphan);
                    self.set(from, &links);
                }
                reached.insert(orphan);
                queue.push(orphan);
            }
            while let Some(node) = queue.pop() {
                let start = node as usize * self.max;
                let end = start + usize::from(self.counts[node as usize]);
                queue.extend(
                    self.links[start..end]
                        .iter()
                        .filter(|&&link| reached.insert(link)),
                );
            }
        }
    }

    /// A reached node with room for a link, near to `node` if possible.
    fn nearby(&self, node: u32, reached: &Visited, seen: &mut Visited) -> Option<u32> {
        seen.clear(self.counts.len());
        seen.insert(node);
        let mut queue = alloc::collections::VecDeque::from([node]);
        while let Some(node) = queue.pop_front() {
            if reached.contains(node) && self.has_room(node) {
                return Some(node);
            }
            queue.extend(self.of(node).iter().filter(|&&link| seen.insert(link)));
        }
        (0..self.counts.len() as u32).find(|&node| reached.contains(node) && self.has_room(node))
    }
}

impl Links for OpenLevel {
    fn links(&self, node: u32, links: &mut Vec<u32>) {
        links.extend_from_slice(self.of(node));
    }
}

struct Builder<'a> {
    rows: Rows<'a>,
    levels: Vec<OpenLevel>,
    ef_construction: usize,
}

impl Builder<'_> {
    /// Inserts the nodes of consecutive ranks.
    fn insert(&mut self, batch: core::ops::Range<usize>, executor: &impl Executor) {
        let chunks = batch.len().div_ceil(CHUNK);
        let found = executor.map(chunks, |chunk| {
            let start = batch.start + chunk * CHUNK;
            let mut walk = Walk::default();
            (start..batch.end.min(start + CHUNK))
                .map(|node| self.links_of_new(node as u32, &mut walk))
                .collect::<Vec<_>>()
        });
        let mut reverse: Vec<(u32, u32, u32)> = Vec::new();
        for (node, levels) in batch.zip(found.into_iter().flatten()) {
            for (height, links) in levels.into_iter().enumerate() {
                reverse.extend(links.iter().map(|&link| (height as u32, link, node as u32)));
                self.levels[height].set(node as u32, &links);
            }
        }
        reverse.sort_unstable();
        let targets: Vec<&[(u32, u32, u32)]> =
            reverse.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).collect();
        let relinked = executor.map(targets.len().div_ceil(CHUNK), |chunk| {
            let start = chunk * CHUNK;
            let targets = &targets[start..targets.len().min(start + CHUNK)];
            targets
                .iter()
                .map(|incoming| self.with_reverse_links(incoming))
                .collect::<Vec<_>>()
        });
        for (target, links) in targets.iter().zip(relinked.into_iter().flatten()) {
            let (height, node, _) = target[0];
            self.levels[height as usize].set(node, &links);
        }
    }

    /// The links a node selects on each of its levels, from 0 up.
    fn links_of_new(&self, node: u32, walk: &mut Walk) -> Vec<Vec<u32>> {
        let mut links = Vec::new();
        let mut entries = alloc::vec![self.rows.key(node, 0)];
        for level in self.levels.iter().rev() {
            let on_level = (node as usize) < level.counts.len();
            let ef = if on_level { self.ef_construction } else { 1 };
            let score = |nodes: &[u32], keys: &mut Vec<u64>| {
                keys.extend(nodes.iter().map(|&other| self.rows.key(node, other)));
            };
            let len = self.rows.order.len();
            let found = walk.search(level, len, &entries, Beam::patient(ef), score, |_| true);
            entries = found.into_keys();
            if on_level {
                links.push(select(&entries, level.max, |a, b| self.rows.distance(a, b)));
            }
        }
        links.reverse();
        links
    }

    /// The links of a node after new nodes have linked to it; `incoming` is not empty.
    fn with_reverse_links(&self, incoming: &[(u32, u32, u32)]) -> Vec<u32> {
        let (height, node, _) = incoming[0];
        let level = &self.levels[height as usize];
        let mut links = level.of(node).to_vec();
        links.extend(incoming.iter().map(|&(_, _, from)| from));
        if links.len() <= level.max {
            return links;
        }
        let mut keys: Vec<u64> = links
            .iter()
            .map(|&link| self.rows.key(node, link))
            .collect();
        keys.sort_unstable_by(|a, b| b.cmp(a));
        select(&keys, level.max, |a, b| self.rows.distance(a, b))
    }

    /// Ranks become row ids, copies join, links are sorted and packed; `None` if they exceed 4 GiB.
    fn finish(self, copies: &Copies) -> Option<Graph> {
        let order = &self.rows.order;
        let mut ranks = alloc::vec![None; copies.len()];
        for (&id, rank) in order.iter().zip(0u32..) {
            ranks[id as usize] = Some(rank);
        }
        let links_of = |level: &OpenLevel, rank: u32| -> Vec<u32> {
            level
                .of(rank)
                .iter()
                .map(|&link| order[link as usize])
                .collect()
        };
        let mut levels = Vec::with_capacity(self.levels.len());
        for (height, level) in self.levels.iter().enumerate() {
            let mut ids: Vec<u32> = match height {
                0 => (0..copies.len() as u32).collect(),
                _ => order[..level.counts.len()].to_vec(),
            };
            ids.sort_unstable();
            let nodes = ids.iter().map(|&id| {
                let mut links = match ranks[id as usize] {
                    Some(rank) => links_of(level, rank),
                    None => Vec::new(),
                };
                if height == 0 {
                    links.extend(copies.links(id));
                }
                links.sort_unstable();
                links
            });
            let packed = Level::new(copies.len(), (height > 0).then_some(&ids), nodes)?;
            levels.push(packed);
        }
        let entry_point = order.first().copied().unwrap_or(0);
        Some(Graph {
            len: copies.len(),
            entry_point,
            levels,
        })
    }
}
