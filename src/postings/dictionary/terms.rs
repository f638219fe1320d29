//! Term blocks: everything about a term in one place.

use super::block::BlockBuilder;
use super::block::EncodedBlock;
use super::keys::KeyReader;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::postings::BlockTable;
use crate::postings::EncodedList;
use crate::postings::list::skip_short;
use crate::postings::scoring::IDF_STEPS;
use crate::text::FIRST_TERM_BYTE;
use core::cmp::Ordering;

/// Bytes of a term block, at least and at most; the tables of a frequent term may take more.
const BLOCK_BYTES: core::ops::RangeInclusive<usize> = 1024..=8192;

/// Bytes of a term besides its row, on average, and of a block in the directory: measured on
/// documentation. They only decide how large blocks become.
const TERM_BYTES: usize = 18;
const DIRECTORY_BYTES: f32 = 2.8;

/// Term blocks that a query reads, on average.
const BLOCKS_READ: f32 = 4.5;

/// The least bytes of a term: shared, suffix length, df.
const MIN_TERM_BYTES: usize = 3;

const WHAT: &str = "term block";

/// The bytes at which blocks of `terms` terms with rows of `row_len` bytes on average should end, so that the
/// directory and the blocks that a query reads are smallest together.
pub fn block_bytes(terms: usize, row_len: usize) -> usize {
    let all = terms.saturating_mul(TERM_BYTES + row_len) as f32;
    let best = libm::sqrtf(all * (DIRECTORY_BYTES / BLOCKS_READ)) as usize;
    // The nearest power of two, by ratio.
    (best * 5 / 7)
        .next_power_of_two()
        .clamp(*BLOCK_BYTES.start(), *BLOCK_BYTES.end())
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

/// Writes term blocks, term by term in byte order.
#[derive(Debug)]
pub struct TermBlockBuilder {
    blocks: BlockBuilder,
    next: ListPlace,
}

impl TermBlockBuilder {
    /// Makes blocks of about `limit` bytes, see [`block_bytes`].
    pub fn new(limit: usize) -> Self {
        Self {
            blocks: BlockBuilder::new(limit),
            next: ListPlace::default(),
        }
    }

    /// Adds a key that has a row and no postings.
    pub fn push_row(&mut self, key: &str, row: &[u8]) -> Option<EncodedBlock> {
        let mut record = Writer::new();
        record.varint(0);
        record.raw(row);
        self.push(key, record)
    }

    /// Adds a term; the blocks of its list are stored elsewhere, behind those of the terms before.
    /// Its row, if it has one, is with its routes. Returns the block before if that is full.
    pub fn push_term(
        &mut self,
        term: &str,
        (df, idf): (u32, f32),
        row: &[u8],
        list: &EncodedList,
    ) -> Option<EncodedBlock> {
        let mut record = Writer::new();
        record.varint(u64::from(df));
        record.u16((f64::from(idf) * IDF_STEPS) as u16);
        record.raw(row);
        record.raw(&list.head);
        let full = self.push(term, record);
        self.next.blocks += list.blocks.len() as u64;
        self.next.bytes += list
            .blocks
            .iter()
            .map(|block| block.len() as u64)
            .sum::<u64>();
        full
    }

    fn push(&mut self, key: &str, record: Writer) -> Option<EncodedBlock> {
        let mut head = Writer::new();
        head.varint(self.next.blocks);
        head.varint(self.next.bytes);
        self.blocks
            .push(key, record.into_bytes(), head.into_bytes())
    }

    /// The last block; `None` if it would be empty.
    pub fn finish(&mut self) -> Option<EncodedBlock> {
        self.blocks.finish()
    }
}

/// Which keys have rows, and how long these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowShape {
    /// Bytes of a row; 0 if there are none.
    pub len: usize,
    /// Terms that fewer chunks hold have no row; reserved keys always have one.
    pub least_df: u32,
    /// Bytes that follow the row of a term, but not of a reserved key.
    pub routes_len: usize,
}

impl RowShape {
    /// No key has a row.
    pub const NONE: Self = Self {
        len: 0,
        least_df: 1,
        routes_len: 0,
    };

    /// Bytes of the row of a key that `df` chunks hold.
    #[must_use]
    pub fn len_at(&self, df: u32) -> usize {
        match df == 0 || df >= self.least_df {
            true => self.len,
            false => 0,
        }
    }

    /// Bytes of the routes of a key that `df` chunks hold.
    #[must_use]
    pub fn routes_len_at(&self, df: u32) -> usize {
        match df > 0 && self.len_at(df) > 0 {
            true => self.routes_len,
            false => 0,
        }
    }
}

/// What a term block says about a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Term<'a> {
    /// How many chunks hold it; 0 for keys that are no terms ([`crate::embed::piece`]).
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
    keys: KeyReader,
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
            keys: KeyReader::default(),
            left,
            rows,
            next,
        })
    }

    /// The next key and what is known about it; `None` at the end, which is only zeros.
    ///
    /// # Errors
    /// [`FormatError`] when bytes are missing or left over, keys are too long, not UTF-8 or do not
    /// ascend, a term has no postings or another key has, or a table is damaged.
    pub fn next_term(&mut self) -> Result<Option<(&str, Term<'a>)>, FormatError> {
        let reader = &mut self.reader;
        let Some(left) = self.left.checked_sub(1) else {
            let padding = reader.take(reader.left(), "padding")?;
            return match padding.iter().all(|&byte| byte == 0) {
                true => Ok(None),
                false => Err(reader.error("padding", Problem::Inconsistent)),
            };
        };
        self.left = left;
        let key = self.keys.read(reader)?;
        let df = reader.varint_u32("document frequency")?;
        // Keys below all terms have rows and no postings.
        if (df == 0) != (key.as_bytes().first() < Some(&FIRST_TERM_BYTE)) {
            return Err(reader.error("document frequency", Problem::Inconsistent));
        }
        let idf = match df {
            0 => 0,
            _ => reader.u16("idf")?,
        };
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
        Ok(Some((
            self.keys.key(),
            Term {
                df,
                idf,
                row,
                routes,
                list,
                place,
            },
        )))
    }

    /// What the block says about `key`.
    ///
    /// # Errors
    /// As [`TermBlock::next_term`], for the terms up to `key`.
    pub fn find(mut self, key: &str) -> Result<Option<Term<'a>>, FormatError> {
        while let Some((at, term)) = self.next_term()? {
            match at.cmp(key) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(Some(term)),
                Ordering::Greater => break,
            }
        }
        Ok(None)
    }
}
