//! Blocks that are read before they are wanted.

use super::Block;
use crate::index::Access;
use crate::index::Extent;
use crate::index::Root;
use crate::index::payload;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;

/// Bytes that are read ahead at most: the cells of cells of some three million chunks.
const MAX_BYTES: u32 = 8 << 20;

/// A piece of the body, beside the cache, out of which its blocks are cut instead of being read.
#[derive(Debug, Default)]
pub struct Ahead(RefCell<Option<(Extent, Vec<u8>)>>);

impl Ahead {
    /// What to read along with these blocks: with the router, which leads to cells of cells, all of these.
    pub fn beside(root: &Root, extents: &[Extent]) -> Option<Extent> {
        let Access::Cells { router, cells, .. } = root.vectors.as_ref()?.access else {
            return None;
        };
        let upper = cells.upper().filter(|upper| upper.len <= MAX_BYTES)?;
        extents.contains(&router).then_some(upper)
    }

    /// Keeps the piece that was read.
    pub fn keep(&self, piece: Extent, bytes: &[u8]) {
        *self.0.borrow_mut() = Some((piece, bytes.to_vec()));
    }

    /// A block out of the piece. One that is damaged is none, so that it is read again.
    pub fn cut(&self, build_id: u64, extent: Extent) -> Option<Block> {
        let kept = self.0.borrow();
        let (piece, bytes) = kept.as_ref()?;
        let start = usize::try_from(extent.offset.checked_sub(piece.offset)?).ok()?;
        let block = bytes.get(start..)?.get(..extent.len as usize)?;
        let payload = payload(block, build_id, extent, "block").ok()?;
        Some(Block(Arc::from(payload)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::BodyWriter;

    #[test]
    fn blocks_are_cut_out_of_the_piece_unless_they_are_damaged() {
        let mut body = BodyWriter::new(7, Vec::new());
        let mut block = |payload: &[u8]| match body.block(payload) {
            Ok(extent) => extent,
            Err(never) => match never {},
        };
        let [before, first, second, after] =
            [b"before", b"first ", b"second", b"after "].map(|payload| block(payload));
        let mut bytes = body.into_sink();
        let piece = Extent {
            offset: first.offset,
            len: first.len + second.len,
        };
        let of_piece = first.offset as usize..after.offset as usize;

        let ahead = Ahead::default();
        assert!(ahead.cut(7, first).is_none());
        ahead.keep(piece, &bytes[of_piece.clone()]);
        assert_eq!(ahead.cut(7, first).as_deref(), Some(&b"first "[..]));
        assert_eq!(ahead.cut(7, second).as_deref(), Some(&b"second"[..]));
        assert!(ahead.cut(7, before).is_none() && ahead.cut(7, after).is_none());
        assert!(ahead.cut(8, first).is_none());

        bytes[second.offset as usize] ^= 1;
        ahead.keep(piece, &bytes[of_piece]);
        assert!(ahead.cut(7, first).is_some() && ahead.cut(7, second).is_none());
    }
}
