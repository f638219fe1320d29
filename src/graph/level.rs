//! The links of one level, packed in bits.
//!
//! ```text
//! node: link count (u8); if not 0: width (u8), then a bit string padded to whole bytes:
//!       first link (bits of the largest id), then per link its distance to the one before,
//!       minus 1 (width bits)
//! ```
//! Links ascend, so the differences are small; one width per node makes decoding a loop without
//! branches. MiniLM, 100,000 rows, 21 links a node: about 40 bytes a node.
//!
//! Level 0 holds every row. A level above lists its nodes' ids, ascending.

use alloc::vec::Vec;

use super::walk::Links;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;

/// A read of 8 bytes may begin at any byte of the bit string.
const PADDING: usize = 8;

/// The links of one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Level {
    /// Ids of the nodes, ascending; `None` on level 0, where node and id are the same.
    ids: Option<Vec<u32>>,
    /// Bits of the largest id.
    id_bits: u32,
    /// Start of each node in `packed`.
    offsets: Vec<u32>,
    /// Nodes, followed by [`PADDING`] zeros.
    packed: Vec<u8>,
}

/// Bits of the largest id below `len`.
fn id_bits(len: usize) -> u32 {
    usize::BITS - len.saturating_sub(1).leading_zeros()
}

impl Level {
    /// Packs a level of a graph of `len` nodes; `None` if it exceeds 4 GiB.
    ///
    /// `nodes` yields the links of each node, in the order of `ids`; links ascend.
    pub(super) fn new(
        len: usize,
        ids: Option<&Vec<u32>>,
        nodes: impl Iterator<Item = Vec<u32>>,
    ) -> Option<Self> {
        let id_bits = id_bits(len);
        let (mut offsets, mut packed) = (Vec::new(), Vec::new());
        for links in nodes {
            offsets.push(u32::try_from(packed.len()).ok()?);
            pack(&links, id_bits, &mut packed);
        }
        u32::try_from(packed.len()).ok()?;
        packed.resize(packed.len() + PADDING, 0);
        Some(Self {
            ids: ids.cloned(),
            id_bits,
            offsets,
            packed,
        })
    }

    fn slot(&self, id: u32) -> Option<usize> {
        match &self.ids {
            None => ((id as usize) < self.offsets.len()).then_some(id as usize),
            Some(ids) => ids.binary_search(&id).ok(),
        }
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        self.slot(id).is_some()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        4 * (self.offsets.len() + self.ids.as_ref().map_or(0, Vec::len)) + self.packed.len()
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        if let Some(ids) = &self.ids {
            writer.varint(ids.len() as u64);
            let mut next = 0;
            for &id in ids {
                writer.varint(u64::from(id - next));
                next = id + 1;
            }
        }
        writer.bytes(&self.packed[..self.packed.len() - PADDING]);
    }

    /// Reads level 0 of a graph of `len` nodes.
    pub(super) fn read_full(reader: &mut Reader<'_>, len: usize) -> Result<Self, FormatError> {
        Self::read(reader, len, None)
    }

    /// Reads a level above 0 of a graph of `len` nodes.
    pub(super) fn read_sparse(reader: &mut Reader<'_>, len: usize) -> Result<Self, FormatError> {
        let count = reader.count(1, "level node count")?;
        let mut ids = Vec::with_capacity(count);
        let mut next = 0u64;
        for _ in 0..count {
            let max = (len as u64).saturating_sub(next + 1);
            if next >= len as u64 {
                return Err(reader.error("level node", Problem::Inconsistent));
            }
            let id = next + reader.varint_max(max, "level node")?;
            ids.push(id as u32);
            next = id + 1;
        }
        Self::read(reader, len, Some(ids))
    }

    fn read(
        reader: &mut Reader<'_>,
        len: usize,
        ids: Option<Vec<u32>>,
    ) -> Result<Self, FormatError> {
        let bytes = reader.bytes("links")?;
        let error = |problem| reader.error("links", problem);
        if u32::try_from(bytes.len()).is_err() {
            let (got, max) = (bytes.len() as u64, u32::MAX.into());
            return Err(error(Problem::OutOfRange { got, max }));
        }
        let nodes = ids.as_ref().map_or(len, Vec::len);
        // A node takes at least one byte.
        if nodes > bytes.len() {
            let (need, left) = (nodes as u64, bytes.len() as u64);
            return Err(error(Problem::Truncated { need, left }));
        }
        let mut packed = Vec::with_capacity(bytes.len() + PADDING);
        packed.extend_from_slice(bytes);
        packed.resize(bytes.len() + PADDING, 0);
        let mut level = Self {
            ids,
            id_bits: id_bits(len),
            offsets: Vec::new(),
            packed,
        };
        level.offsets.reserve_exact(nodes);
        let mut at = 0;
        for _ in 0..nodes {
            level.offsets.push(at as u32);
            at += match level.node_len(at) {
                Some(node_len) if node_len <= bytes.len() - at => node_len,
                _ => return Err(error(Problem::Inconsistent)),
            };
        }
        if at != bytes.len() {
            return Err(error(Problem::TrailingBytes {
                left: (bytes.len() - at) as u64,
            }));
        }
        let mut links = Vec::new();
        for slot in 0..nodes {
            links.clear();
            let id = level
                .ids
                .as_ref()
                .map_or(Some(slot as u32), |ids| ids.get(slot).copied());
            let sound = level.unpack(slot, &mut links)
                && links
                    .iter()
                    .all(|&link| Some(link) != id && level.contains(link));
            if !sound {
                return Err(error(Problem::Inconsistent));
            }
        }
        Ok(level)
    }

    /// Length of the node at byte `at`, if its width is possible.
    fn node_len(&self, at: usize) -> Option<usize> {
        let count = usize::from(*self.packed.get(at)?);
        if count == 0 {
            return Some(1);
        }
        let width = usize::from(*self.packed.get(at + 1)?);
        let bits = self.id_bits as usize + (count - 1) * width;
        (width < 32).then_some(2 + bits.div_ceil(8))
    }

    /// Appends the links of a node; `false`, at the first link past `u32`, if the bytes are damaged.
    fn unpack(&self, slot: usize, links: &mut Vec<u32>) -> bool {
        let Some(&offset) = self.offsets.get(slot) else {
            return false;
        };
        let at = offset as usize;
        let Some(&[count, width]) = self.packed.get(at..).and_then(|rest| rest.first_chunk())
        else {
            return false;
        };
        let (count, width) = (usize::from(count), u32::from(width));
        let Some(string) = self.packed.get(at + 2..) else {
            return false;
        };
        let mut bit = 0usize;
        let mut take = |bits: u32| {
            let bytes = string
                .get(bit / 8..)
                .and_then(|rest| rest.first_chunk::<8>());
            let word = bytes.map_or(0, |&bytes| u64::from_le_bytes(bytes)) >> (bit % 8);
            bit += bits as usize;
            word & ((1 << bits) - 1)
        };
        let mut next = 0u64;
        for index in 0..count {
            let id = next + take(if index == 0 { self.id_bits } else { width });
            if id > u64::from(u32::MAX) {
                return false;
            }
            links.push(id as u32);
            next = id + 1;
        }
        true
    }
}

impl Links for Level {
    fn links(&self, id: u32, links: &mut Vec<u32>) {
        if let Some(slot) = self.slot(id) {
            self.unpack(slot, links);
        }
    }
}

/// Appends one node.
fn pack(links: &[u32], id_bits: u32, packed: &mut Vec<u8>) {
    packed.push(links.len() as u8);
    let Some(&first) = links.first() else { return };
    let gaps = || links.windows(2).map(|pair| pair[1] - pair[0] - 1);
    let width = 32 - gaps().max().unwrap_or(0).leading_zeros();
    packed.push(width as u8);
    let (mut held, mut bits) = (0u64, 0);
    let numbers = core::iter::once((first, id_bits)).chain(gaps().map(|gap| (gap, width)));
    for (number, number_bits) in numbers {
        held |= u64::from(number) << bits;
        bits += number_bits;
        while bits >= 8 {
            packed.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        packed.push(held as u8);
    }
}
