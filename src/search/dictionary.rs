//! The dictionary of an opened index: where its blocks lie, and what they say.

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::gather;
use crate::index::CHECK_LEN;
use crate::index::Extent;
use crate::index::Root;
use crate::index::extent_of_units;
use crate::index::inflate;
use crate::postings::BlockTable;
use crate::postings::dictionary::Directory;
use crate::postings::dictionary::ListPlace;
use crate::postings::dictionary::ReservedBlock;
use crate::postings::dictionary::RowShape;
use crate::postings::dictionary::SpellingBlock;
use crate::postings::dictionary::Term;
use crate::postings::dictionary::TermBlock;
use crate::postings::dictionary::TermDirectory;
use crate::store::Wants;
use crate::store::Wave;
use crate::vector::row::row_len;
use alloc::vec::Vec;

/// A block, and what is wrong with it.
pub type Damaged = (Extent, FormatError);

/// Which terms of the index with this root have rows.
fn row_shape(root: &Root) -> RowShape {
    let rows = root.vectors.as_ref().and_then(|vectors| {
        let len = row_len(vectors.dim as usize);
        Some(RowShape {
            len,
            least_df: vectors.term_rows?,
            routes_len: vectors.access.routes_len(),
        })
    });
    rows.unwrap_or(RowShape::NONE)
}

/// Both directories and the places of what they list.
#[derive(Debug)]
pub struct Dictionary {
    terms: TermDirectory,
    spelling: Directory,
    terms_offset: u64,
    spelling_offset: u64,
    postings_offset: u64,
    rows: RowShape,
}

impl Dictionary {
    /// The dictionary of the index with this root.
    ///
    /// # Errors
    /// [`FormatError`] when a directory is damaged.
    pub fn open(root: &Root) -> Result<Self, FormatError> {
        let terms = inflate(&root.term_directory, "term directory")?;
        let spelling = inflate(&root.spelling_directory, "spelling directory")?;
        Ok(Self {
            terms: TermDirectory::parse(&terms)?,
            spelling: Directory::parse(&spelling)?,
            terms_offset: root.terms_offset,
            spelling_offset: root.spelling_offset,
            postings_offset: root.postings_offset,
            rows: row_shape(root),
        })
    }

    /// The directory of the blocks of terms and of reserved keys.
    pub fn terms(&self) -> &TermDirectory {
        &self.terms
    }

    /// The directory of the spelling blocks.
    pub fn spelling(&self) -> &Directory {
        &self.spelling
    }

    /// Which terms have rows.
    pub fn rows(&self) -> RowShape {
        self.rows
    }

    /// Where a term block lies; `None` past the last one, if no term belongs to it, or where offsets exceed
    /// 64 bits.
    pub fn term_block(&self, at: usize) -> Option<Extent> {
        extent_of_units(self.terms_offset, self.terms.block(at)?)
    }

    /// Where a block of reserved keys lies; `None` as for [`Dictionary::term_block`].
    pub fn reserved_block(&self, at: usize) -> Option<Extent> {
        extent_of_units(self.terms_offset, self.terms.reserved_block(at)?)
    }

    /// Where a spelling block lies; `None` as for [`Dictionary::term_block`].
    pub fn spelling_block(&self, at: usize) -> Option<Extent> {
        extent_of_units(self.spelling_offset, self.spelling.get(at)?.stored.clone())
    }

    /// Where block `at` of a long posting list lies; `None` where offsets exceed 64 bits.
    pub fn posting_block(&self, place: ListPlace, table: &BlockTable, at: usize) -> Option<Extent> {
        let check = CHECK_LEN as u64;
        let range = table.byte_range(at);
        let blocks_before = place.blocks.checked_add(at as u64)?;
        let bytes_before = place.bytes.checked_add(range.start)?;
        let before = blocks_before
            .checked_mul(check)?
            .checked_add(bytes_before)?;
        let len = u32::try_from(range.end - range.start + check).ok()?;
        let offset = self.postings_offset.checked_add(before)?;
        Some(Extent { offset, len })
    }

    /// Where the block lies that holds `key`, a term or reserved, if any does.
    pub fn block_of_term(&self, key: &str) -> Option<Extent> {
        extent_of_units(self.terms_offset, self.terms.block_of(key)?)
    }

    /// Where the spelling block lies that holds `key` if any does.
    pub fn block_of_spelling(&self, key: &str) -> Option<Extent> {
        self.spelling_block(self.spelling.block_of(key)?)
    }

    /// Wants the block that holds `key` if any does.
    pub fn want_term(&self, key: &str, wants: &mut Wants) {
        let extent = self.block_of_term(key);
        extent.into_iter().for_each(|extent| wants.block(extent));
    }

    /// What the block that [`Dictionary::want_term`] wanted says about `key`, and that block.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn find_term<'w>(
        &self,
        key: &str,
        wave: &'w Wave,
    ) -> Result<Option<(Extent, Term<'w>)>, Damaged> {
        let extent = self.block_of_term(key);
        let Some((extent, block)) = extent.and_then(|at| Some((at, wave.get(at)?))) else {
            return Ok(None);
        };
        let term = self.find_in(key, block);
        let term = term.map_err(|error| (extent, error))?;
        Ok(term.map(|term| (extent, term)))
    }

    fn find_in<'w>(&self, key: &str, block: &'w [u8]) -> Result<Option<Term<'w>>, FormatError> {
        if let Some(slot) = self.terms.slot(key) {
            return TermBlock::new(block, self.rows)?.find(slot);
        }
        let row = ReservedBlock::new(block, self.rows.len)?.find(key)?;
        Ok(row.map(|row| Term {
            row,
            ..Term::default()
        }))
    }

    /// The same for a key that is in the dictionary, since its spelling is.
    ///
    /// # Errors
    /// The block that is damaged or lacks it.
    pub fn require_term<'w>(
        &self,
        key: &str,
        wave: &'w Wave,
    ) -> Result<(Extent, Term<'w>), Damaged> {
        self.find_term(key, wave)?.ok_or_else(|| {
            let (offset, len) = (self.terms_offset, 0);
            let extent = self.block_of_term(key).unwrap_or(Extent { offset, len });
            let reader = Reader::new(&[], "dictionary");
            (extent, reader.error("spelling", Problem::Inconsistent))
        })
    }

    /// Wants spelling blocks.
    pub fn want_spellings(&self, blocks: impl Iterator<Item = usize>, wants: &mut Wants) {
        let extents = blocks.filter_map(|at| self.spelling_block(at));
        extents.for_each(|extent| wants.block(extent));
    }

    /// Spelling blocks out of the wave that brought them.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn spellings(
        &self,
        blocks: impl Iterator<Item = usize>,
        wave: &Wave,
    ) -> Result<Vec<SpellingBlock>, Damaged> {
        let extents = blocks.filter_map(|at| self.spelling_block(at));
        gather(extents.map(|extent| {
            let block = wave
                .require(extent)
                .and_then(|block| parse_spellings(block));
            block.map_err(|error| (extent, error))
        }))
    }
}

/// Inflates and reads a spelling block.
pub(super) fn parse_spellings(block: &[u8]) -> Result<SpellingBlock, FormatError> {
    SpellingBlock::parse(&inflate(block, "spelling")?)
}
