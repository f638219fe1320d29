//! Term blocks: everything about a term in one place.

use super::placement::Slot;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::postings::BlockTable;
use crate::postings::EncodedList;
use crate::postings::list::skip_short;
use crate::postings::scoring::IDF_STEPS;
use alloc::vec::Vec;

/// Bytes of a term block on average, at least and at most.
const BLOCK_BYTES: core::ops::RangeInclusive<f32> = 512.0..=8192.0;

/// Bytes of a term besides its row, on average, and of a block in the directory: measured on
/// documentation. They only decide how large blocks become.
const TERM_BYTES: usize = 18;
const DIRECTORY_BYTES: f32 = 0.5;

/// Term blocks that a query reads, on average; a sixth larger than blocks are, since larger ones hold more terms.
const BLOCKS_READ: f32 = 4.5 * 7.0 / 6.0;

/// The least bytes of a term: fingerprint, df, idf, a list of one chunk.
const MIN_TERM_BYTES: usize = 9;

const WHAT: &str = "term block";

/// The blocks over which `terms` terms with rows of `row_len` bytes on average should be spread, so that the
/// directory and the blocks that a query reads are smallest together.
pub fn block_count(terms: usize, row_len: usize) -> u32 {
    let all = terms.saturating_mul(TERM_BYTES + row_len) as f32;
    let best = libm::sqrtf(all * (DIRECTORY_BYTES / BLOCKS_READ));
    libm::ceilf(all / best.clamp(*BLOCK_BYTES.start(), *BLOCK_BYTES.end())) as u32
}

/// Where the blocks of long lists begin among those of all lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListPlace {
    /// Blocks before them.
    pub blocks: u64,
    /// Payload bytes of the blocks before them.
    pub bytes: u64,
}

impl ListPlace {
    /// The place after the blocks of a table; `None` past 64 bits.
    fn after(self, table: &BlockTable) -> Option<Self> {
        Some(Self {
            blocks: self.blocks.checked_add(table.len() as u64)?,
            bytes: self.bytes.checked_add(table.blocks_len())?,
        })
    }
}

/// Writes term blocks, term by term in the order of their slots.
#[derive(Debug, Default)]
pub struct TermBlockBuilder {
    /// Those before the one that is being written.
    blocks: Vec<Vec<u8>>,
    count: u64,
    head: ListPlace,
    terms: Writer,
    next: ListPlace,
}

impl TermBlockBuilder {
    /// Begins with block 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the term of a slot; the blocks of its list are stored elsewhere, behind those of the terms before.
    /// Its row, if it has one, is with its routes.
    pub fn push(&mut self, slot: Slot, (df, idf): (u32, f32), row: &[u8], list: &EncodedList) {
        while self.blocks.len() < slot.block as usize {
            self.close();
        }
        self.count += 1;
        self.terms.u32(slot.fingerprint);
        self.terms.varint(u64::from(df));
        self.terms.u16((f64::from(idf) * IDF_STEPS) as u16);
        self.terms.raw(row);
        self.terms.raw(&list.head);
        self.next.blocks += list.blocks.len() as u64;
        let bytes = list.blocks.iter().map(|block| block.len() as u64);
        self.next.bytes += bytes.sum::<u64>();
    }

    fn close(&mut self) {
        let mut block = Writer::new();
        if self.count > 0 {
            block.varint(self.count);
            block.varint(self.head.blocks);
            block.varint(self.head.bytes);
            block.raw(&core::mem::take(&mut self.terms).into_bytes());
        }
        self.blocks.push(block.into_bytes());
        self.count = 0;
        self.head = self.next;
    }

    /// All `blocks` blocks; one to which no term belongs is empty.
    pub fn finish(mut self, blocks: u32) -> Vec<Vec<u8>> {
        while self.blocks.len() < blocks as usize {
            self.close();
        }
        self.blocks
    }
}

/// Which terms have rows, and how long these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowShape {
    /// Bytes of a row; 0 if there are none.
    pub len: usize,
    /// Terms that fewer chunks hold have no row.
    pub least_df: u32,
    /// Bytes that follow the row of a term.
    pub routes_len: usize,
}

impl RowShape {
    /// No term has a row.
    pub const NONE: Self = Self {
        len: 0,
        least_df: 1,
        routes_len: 0,
    };

    /// Bytes of the row of a term that `df` chunks hold.
    #[must_use]
    pub fn len_at(&self, df: u32) -> usize {
        match df >= self.least_df {
            true => self.len,
            false => 0,
        }
    }

    /// Bytes of the routes of a term that `df` chunks hold.
    #[must_use]
    pub fn routes_len_at(&self, df: u32) -> usize {
        match self.len_at(df) {
            0 => 0,
            _ => self.routes_len,
        }
    }
}

/// What is known about a key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Term<'a> {
    /// How many chunks hold it; 0 for reserved keys, which have nothing but a row.
    pub df: u32,
    /// Its inverse document frequency, 0 to 15.99 in steps of 1/4096.
    pub idf: f32,
    /// Its row; empty if it has none.
    pub row: &'a [u8],
    /// The routes of its row, see [`crate::cells::RouteScores`]; empty if it has none.
    pub routes: &'a [u8],
    /// Its posting list, or the table of a long one: [`PostingList::new`](crate::postings::PostingList::new).
    pub list: &'a [u8],
    /// Where the blocks of a long list are.
    pub place: ListPlace,
}

/// The terms of a block, in order.
#[derive(Debug, Clone)]
pub struct TermBlock<'a> {
    bytes: &'a [u8],
    reader: Reader<'a>,
    last: Option<u32>,
    left: usize,
    rows: RowShape,
    next: ListPlace,
}

impl<'a> TermBlock<'a> {
    /// Begins to read a block of terms with such rows.
    ///
    /// # Errors
    /// [`FormatError`] when the head is damaged.
    pub fn new(bytes: &'a [u8], rows: RowShape) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, WHAT);
        let left = reader.count(MIN_TERM_BYTES, "term count")?;
        let next = ListPlace {
            blocks: reader.varint("posting blocks before")?,
            bytes: reader.varint("posting bytes before")?,
        };
        Ok(Self {
            bytes,
            reader,
            last: None,
            left,
            rows,
            next,
        })
    }

    /// The fingerprint of the next term and what is known about it; `None` at the end, which is only zeros.
    ///
    /// # Errors
    /// [`FormatError`] when bytes are missing or left over, fingerprints do not ascend, a term has no
    /// postings, or a table is damaged.
    pub fn next_term(&mut self) -> Result<Option<(u32, Term<'a>)>, FormatError> {
        let reader = &mut self.reader;
        let Some(left) = self.left.checked_sub(1) else {
            return reader.padding().map(|()| None);
        };
        self.left = left;
        let fingerprint = reader.u32("fingerprint")?;
        if self.last >= Some(fingerprint) {
            return Err(reader.error("fingerprint", Problem::Inconsistent));
        }
        self.last = Some(fingerprint);
        let df = reader.varint_u32("document frequency")?;
        if df == 0 {
            return Err(reader.error("document frequency", Problem::Inconsistent));
        }
        let idf = reader.u16("idf")?;
        let row = reader.take(self.rows.len_at(df), "term row")?;
        let routes = reader.take(self.rows.routes_len_at(df), "routes")?;
        let place = self.next;
        let start = reader.offset();
        match BlockTable::byte_len(df) {
            0 => skip_short(reader, df)?,
            len => {
                let table = BlockTable::parse(reader.take(len, "block table")?, df)?;
                self.next = place
                    .after(&table)
                    .ok_or_else(|| reader.error("block table", Problem::Inconsistent))?;
            }
        }
        let list = self.bytes.get(start..reader.offset()).unwrap_or_default();
        let idf = (f64::from(idf) / IDF_STEPS) as f32;
        let term = Term {
            df,
            idf,
            row,
            routes,
            list,
            place,
        };
        Ok(Some((fingerprint, term)))
    }

    /// What the block says about the term of this slot.
    ///
    /// # Errors
    /// As [`TermBlock::next_term`], for the terms up to it.
    pub fn find(mut self, slot: Slot) -> Result<Option<Term<'a>>, FormatError> {
        while let Some((at, term)) = self.next_term()? {
            if at >= slot.fingerprint {
                return Ok((at == slot.fingerprint).then_some(term));
            }
        }
        Ok(None)
    }
}
