//! Reading an index from end to end.

use super::Engine;
use super::SearchError;
use super::dense::Lead;
use super::dense::Resident;
use super::dictionary::parse_spellings;
use super::engine::row_dim_of;
use super::hits::locate_in;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::gather;
use crate::cells::RouteScores;
use crate::filter::Column;
use crate::index::Access;
use crate::index::DocumentRecord;
use crate::index::Extent;
use crate::index::Passage;
use crate::index::Phrases;
use crate::index::RecordTable;
use crate::index::inflate;
use crate::index::inflate_texts;
use crate::postings::Block;
use crate::postings::BlockTable;
use crate::postings::PostingList;
use crate::postings::dictionary::ListPlace;
use crate::postings::dictionary::ReservedBlock;
use crate::postings::dictionary::Slot;
use crate::postings::dictionary::TermBlock;
use crate::postings::dictionary::backwards as backwards_of;
use crate::store::Source;
use crate::store::Wants;
use crate::vector::row::Row;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

/// Blocks that are read together.
const BATCH: usize = 1024;

/// What was read and found whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Blocks whose check matched.
    pub blocks: u64,
    /// Postings decoded.
    pub postings: u64,
    /// Passages and documents read.
    pub records: u64,
}

impl<S: Source> Engine<S> {
    /// Reads every block of the index and parses everything in it.
    ///
    /// # Errors
    /// [`SearchError::Store`] for the first block that is damaged or contradicts the root.
    pub async fn verify(&self) -> Result<Verified, SearchError> {
        let mut done = Verified::default();
        let mut wants = Wants::new();
        let lead = self.root().vectors.as_ref().map(|_| Lead::Routes);
        self.want_parts(lead, &[], &mut wants);
        let wave = self.store().wave(&wants).await?;
        self.load_parts(lead.is_some(), &[], &wave)?;
        let layout = self.layout()?;
        done.blocks += 1;
        self.verify_records(&layout.passages, &layout.phrases, &mut done, |raw, at| {
            Passage::find(raw, at).map(|_| ())
        })
        .await?;
        self.verify_records(&layout.documents, &layout.phrases, &mut done, |raw, at| {
            DocumentRecord::find(raw, at).map(|_| ())
        })
        .await?;
        self.verify_columns(&mut done).await?;
        self.verify_words(&mut done).await?;
        self.verify_vectors(&mut done).await?;
        Ok(done)
    }

    async fn verify_records(
        &self,
        table: &RecordTable,
        phrases: &Phrases,
        done: &mut Verified,
        find: impl Fn(&[u8], usize) -> Result<(), FormatError>,
    ) -> Result<(), SearchError> {
        let blocks: Vec<Range<u32>> = table.blocks().collect();
        let mut last_page = None;
        for batch in blocks.chunks(BATCH) {
            let pages = batch
                .iter()
                .filter_map(|records| table.page_of(records.start));
            let pages: Vec<Extent> = pages.collect();
            let is_next = |page: &&Extent| last_page.replace(**page) != Some(**page);
            done.blocks += pages.iter().filter(is_next).count() as u64;
            let pages = self.store().wave(&Wants::from_blocks(&pages)).await?;
            // Records stand one after the other: the last of a block is found past all others.
            let last_of = |records: &Range<u32>| locate_in(table, records.end - 1, &pages);
            let last = gather(batch.iter().map(last_of));
            let last = last.map_err(|(at, bad)| self.damaged(at, bad))?;
            let extents: Vec<Extent> = last.iter().map(|&(extent, _)| extent).collect();
            let wave = self.store().wave(&Wants::from_blocks(&extents)).await?;
            for (extent, at) in last {
                let raw = wave.require(extent);
                raw.and_then(|block| find(&inflate_texts(phrases, block, "records")?, at))
                    .map_err(|bad| self.damaged(extent, bad))?;
                done.blocks += 1;
                done.records += at as u64 + 1;
            }
        }
        Ok(())
    }

    async fn verify_columns(&self, done: &mut Verified) -> Result<(), SearchError> {
        let columns = self.root().columns.iter().map(|&(_, extent)| extent);
        let documents = self.root().counts.documents;
        self.each_block(columns, done, |_, block| {
            Column::parse(&inflate(block, "column")?, documents).map(|_| ())
        })
        .await
    }

    async fn verify_words(&self, done: &mut Verified) -> Result<(), SearchError> {
        let resident = self.resident.borrow().clone();
        let mut terms = Terms {
            routes: resident.and_then(|resident| resident.route_scores()),
            ..Terms::default()
        };
        let blocks: Vec<(u32, Extent)> = (0u32..)
            .zip(0..self.dictionary().terms().len())
            .filter_map(|(block, at)| Some((block, self.dictionary().term_block(at)?)))
            .collect();
        for batch in blocks.chunks(BATCH) {
            let extents: Vec<Extent> = batch.iter().map(|&(_, extent)| extent).collect();
            let wave = self.store().wave(&Wants::from_blocks(&extents)).await?;
            for &(at, extent) in batch {
                let lists = wave
                    .require(extent)
                    .and_then(|block| self.verify_terms(block, at, &mut terms, done))
                    .map_err(|bad| self.damaged(extent, bad))?;
                for list in lists {
                    self.verify_list(list, done).await?;
                }
            }
        }
        let reserved = (0..self.dictionary().terms().reserved_len())
            .filter_map(|at| self.dictionary().reserved_block(at));
        self.each_block(reserved, done, |extent, block| {
            terms.count += self.verify_reserved(block, extent)?;
            Ok(())
        })
        .await?;
        // Sums of fingerprints: both directions have the same words, in different orders.
        let (mut forwards, mut backwards) = (0u64, 0u64);
        let spelling = (0..self.dictionary().spelling().len())
            .filter_map(|at| self.dictionary().spelling_block(at));
        self.each_block(spelling, done, |extent, block| {
            let block = parse_spellings(block)?;
            let bad = |field| Reader::new(&[], "spelling").error(field, Problem::Inconsistent);
            let mut keys = block.iter();
            if !keys.all(|found| self.dictionary().block_of_spelling(found.key) == Some(extent)) {
                return Err(bad("separator"));
            }
            for spelling in block.iter() {
                let word = spelling.word();
                let print = fingerprint(&word).wrapping_add(u64::from(spelling.df));
                if spelling.key != word {
                    backwards = backwards.wrapping_add(print);
                    continue;
                }
                if backwards_of(&word).is_some() {
                    forwards = forwards.wrapping_add(print);
                }
                let names = self.analyzer().terms_of(&word);
                let is_there = |name: &String| {
                    let slot = self.dictionary().terms().slot(name);
                    slot.is_some_and(|slot| terms.slots.binary_search(&slot).is_ok())
                };
                if !names.iter().any(is_there) {
                    return Err(bad("word"));
                }
            }
            Ok(())
        })
        .await?;
        let counts = self.root().counts;
        let bad = |field| {
            let bad = Reader::new(&[], "dictionary").error(field, Problem::Inconsistent);
            let (offset, len) = (self.root().spelling_offset, 0);
            Err(self.damaged(Extent { offset, len }, bad).into())
        };
        if forwards != backwards {
            return bad("spelling");
        }
        if (terms.count, done.postings) != (u64::from(counts.terms), counts.postings) {
            return bad("terms and postings");
        }
        Ok(())
    }

    /// Reads the terms of a block and their short lists; returns the long ones.
    fn verify_terms(
        &self,
        block: &[u8],
        at: u32,
        terms: &mut Terms,
        done: &mut Verified,
    ) -> Result<Vec<LongList>, FormatError> {
        let root = self.root();
        let reader = Reader::new(block, "term block");
        let row_dim = row_dim_of(root);
        let mut reading = TermBlock::new(block, self.dictionary().rows())?;
        let mut long = Vec::new();
        done.blocks += 1;
        while let Some((fingerprint, term)) = reading.next_term()? {
            terms.count += 1;
            terms.slots.push(Slot {
                block: at,
                fingerprint,
            });
            if let Some(dim) = row_dim.filter(|_| !term.row.is_empty()) {
                Row::parse(term.row, dim)?;
            }
            if let Some(scores) = terms.routes.as_mut().filter(|_| !term.routes.is_empty()) {
                scores.add(term.routes, 1.0)?;
            }
            if term.place != terms.place {
                return Err(reader.error("place of a list", Problem::Inconsistent));
            }
            if BlockTable::byte_len(term.df) == 0 {
                let list = PostingList::new(term.list, term.df, Vec::new())?;
                done.postings += postings_of(&list, root.counts.chunks)?;
                continue;
            }
            let table = BlockTable::parse(term.list, term.df)?;
            let extents = (0..table.len())
                .map(|at| self.dictionary().posting_block(term.place, &table, at))
                .collect::<Option<Vec<_>>>();
            let extents =
                extents.ok_or_else(|| reader.error("place of a list", Problem::Inconsistent))?;
            // What has a place in the body has one in 64 bits.
            terms.place.blocks += table.len() as u64;
            terms.place.bytes += table.blocks_len();
            long.push(LongList {
                table: term.list.to_vec(),
                df: term.df,
                extents,
            });
        }
        Ok(long)
    }

    /// Reads a block of reserved keys; returns how many there are.
    fn verify_reserved(&self, block: &[u8], extent: Extent) -> Result<u64, FormatError> {
        let reader = Reader::new(block, "block of reserved keys");
        let Some(dim) = row_dim_of(self.root()) else {
            return Err(reader.error("key count", Problem::Inconsistent));
        };
        let mut reading = ReservedBlock::new(block, self.dictionary().rows().len)?;
        let mut count = 0;
        while let Some((key, row)) = reading.next_key()? {
            if self.dictionary().block_of_term(key) != Some(extent) {
                return Err(reader.error("separator", Problem::Inconsistent));
            }
            Row::parse(row, dim)?;
            count += 1;
        }
        Ok(count)
    }

    async fn verify_list(&self, list: LongList, done: &mut Verified) -> Result<(), SearchError> {
        let wave = self
            .store()
            .wave(&Wants::from_blocks(&list.extents))
            .await?;
        let read = || {
            let blocks = list
                .extents
                .iter()
                .map(|&extent| Ok(&**wave.require(extent)?));
            let blocks = blocks.collect::<Result<Vec<&[u8]>, FormatError>>()?;
            let postings = PostingList::new(&list.table, list.df, blocks)?;
            postings_of(&postings, self.root().counts.chunks)
        };
        let first = list.extents.first().copied();
        let at = first.unwrap_or(self.root().layout);
        done.postings += read().map_err(|bad| self.damaged(at, bad))?;
        done.blocks += list.extents.len() as u64;
        Ok(())
    }

    async fn verify_vectors(&self, done: &mut Verified) -> Result<(), SearchError> {
        let root = self.root();
        let Some(sections) = &root.vectors else {
            return Ok(());
        };
        let mut wants = Wants::new();
        Resident::wants(sections, &mut wants);
        for lead in [Lead::Router, Lead::Routes] {
            Resident::want_lead(None, sections, lead, &mut wants);
        }
        if let Some(projection) = &sections.projection {
            wants.block(projection.extent);
        }
        let wave = self.store().wave(&wants).await?;
        let resident = Resident::load(root, sections, &wave)
            .map_err(|bad| self.damaged(sections.quantizer, bad))?;
        let taken = resident.take_lead(sections, &wave);
        taken.map_err(|(at, bad)| self.damaged(at, bad))?;
        done.blocks += self.load_cells(&resident, &RefCell::default()).await?;
        if let Some(projection) = &sections.projection {
            self.read_projection(projection.extent, &wave)
                .map_err(|bad| self.damaged(projection.extent, bad))?;
            done.blocks += 1;
        }
        if let Access::Cells { places, .. } = sections.access {
            done.blocks += 1 + u64::from(places.is_some());
        }
        let runs = sections.access.runs();
        done.blocks += 1 + runs.map(|(_, run)| run.blocks()).sum::<u64>();
        let code_dim = resident.quantizer().code_dim();
        self.each_block(sections.rows.extents(), done, |_, row| {
            Row::parse(row, code_dim).map(|_| ())
        })
        .await
    }

    /// Reads blocks and has each looked at.
    async fn each_block(
        &self,
        blocks: impl Iterator<Item = Extent>,
        done: &mut Verified,
        mut verify: impl FnMut(Extent, &[u8]) -> Result<(), FormatError>,
    ) -> Result<(), SearchError> {
        let blocks: Vec<Extent> = blocks.collect();
        for batch in blocks.chunks(BATCH) {
            let wave = self.store().wave(&Wants::from_blocks(batch)).await?;
            for &extent in batch {
                wave.require(extent)
                    .and_then(|block| verify(extent, block))
                    .map_err(|bad| self.damaged(extent, bad))?;
                done.blocks += 1;
            }
        }
        Ok(())
    }
}

/// What the terms read so far add up to.
#[derive(Default)]
struct Terms {
    count: u64,
    /// Where those are that chunks hold, ascending.
    slots: Vec<Slot>,
    /// What their routes add up to.
    routes: Option<RouteScores>,
    /// Where the next long list has to begin.
    place: ListPlace,
}

/// A list whose blocks are still to be read.
struct LongList {
    table: Vec<u8>,
    df: u32,
    extents: Vec<Extent>,
}

fn fingerprint(word: &str) -> u64 {
    xxh3_64(word.as_bytes())
}

/// Decodes a whole list; returns the number of its postings.
fn postings_of(list: &PostingList<'_>, chunks: u32) -> Result<u64, FormatError> {
    let mut block = Block::default();
    let mut postings = 0;
    for at in 0..list.block_count() {
        list.decode(at, &mut block)?;
        postings += block.chunks().len() as u64;
        if block.chunks().last().is_some_and(|&last| last >= chunks) {
            let reader = Reader::new(&[], "posting list");
            return Err(reader.error("chunk id", Problem::Inconsistent));
        }
    }
    Ok(postings)
}
