//! Reading an index from end to end.

use super::Engine;
use super::SearchError;
use super::dense::Resident;
use super::engine::row_dim_of;
use super::lexical::block_extent;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::embed::row::Row;
use crate::embed::row::row_len;
use crate::filter::Column;
use crate::index::Access;
use crate::index::BlockTable;
use crate::index::DocumentRecord;
use crate::index::Extent;
use crate::index::Passage;
use crate::index::inflate;
use crate::postings::Block;
use crate::postings::PostingList;
use crate::postings::dictionary::DictionaryBlock;
use crate::store::Source;
use crate::store::Wants;
use alloc::vec::Vec;

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
        self.load_layout().await?;
        let layout = self.layout()?;
        done.blocks += 1;
        self.verify_records(&layout.passages, &mut done, |raw, at| {
            Passage::find(raw, at).map(|_| ())
        })
        .await?;
        self.verify_records(&layout.documents, &mut done, |raw, at| {
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
        table: &BlockTable,
        done: &mut Verified,
        find: impl Fn(&[u8], usize) -> Result<(), FormatError>,
    ) -> Result<(), SearchError> {
        let blocks: Vec<(Extent, u32)> = table.blocks().collect();
        for batch in blocks.chunks(BATCH) {
            let mut wants = Wants::new();
            batch.iter().for_each(|&(extent, _)| wants.block(extent));
            let wave = self.store().wave(&wants).await?;
            for &(extent, records) in batch {
                let check = || {
                    let raw = inflate(wave.require(extent)?, "records")?;
                    match records.checked_sub(1) {
                        // Records stand one after the other: the last is found past all others.
                        Some(last) => find(&raw, last as usize),
                        None => Ok(()),
                    }
                };
                check().map_err(|bad| self.damaged(extent, bad))?;
                done.blocks += 1;
                done.records += u64::from(records);
            }
        }
        Ok(())
    }

    async fn verify_columns(&self, done: &mut Verified) -> Result<(), SearchError> {
        for &(_, extent) in &self.root().columns {
            let mut wants = Wants::new();
            wants.block(extent);
            let wave = self.store().wave(&wants).await?;
            wave.require(extent)
                .and_then(|block| inflate(block, "column"))
                .and_then(|raw| Column::parse(&raw, self.root().counts.documents))
                .map_err(|bad| self.damaged(extent, bad))?;
            done.blocks += 1;
        }
        Ok(())
    }

    async fn verify_words(&self, done: &mut Verified) -> Result<(), SearchError> {
        let root = self.root();
        let row_dim = row_dim_of(root);
        let mut terms = 0u64;
        for at in 0..self.directory().len() {
            let (Some(extent), Some(place)) = (
                block_extent(root, self.directory(), at),
                self.directory().get(at),
            ) else {
                continue;
            };
            let mut wants = Wants::new();
            wants.block(extent);
            let wave = self.store().wave(&wants).await?;
            let block = wave
                .require(extent)
                .and_then(|block| inflate(block, "dictionary"))
                .and_then(|raw| DictionaryBlock::parse(&raw, place.postings.start))
                .map_err(|bad| self.damaged(extent, bad))?;
            done.blocks += 1;
            terms += block.len() as u64;
            let entries: Vec<(Extent, u32)> = block
                .iter()
                .map(|entry| {
                    let offset = root.entries_offset.saturating_add(entry.postings.start);
                    (
                        Extent {
                            offset,
                            len: entry.info.entry_len,
                        },
                        entry.info.df,
                    )
                })
                .collect();
            for batch in entries.chunks(BATCH) {
                let mut wants = Wants::new();
                batch.iter().for_each(|&(extent, _)| wants.block(extent));
                let wave = self.store().wave(&wants).await?;
                for &(extent, df) in batch {
                    let postings = wave
                        .require(extent)
                        .and_then(|entry| entry_postings(entry, row_dim, df, root.counts.chunks))
                        .map_err(|bad| self.damaged(extent, bad))?;
                    done.blocks += 1;
                    done.postings += postings;
                }
            }
        }
        let got = (terms, done.postings);
        if got != (u64::from(root.counts.terms), root.counts.postings) {
            let bad = Reader::new(&[], "root").error("terms and postings", Problem::Inconsistent);
            return Err(self.damaged(root.layout, bad).into());
        }
        Ok(())
    }

    async fn verify_vectors(&self, done: &mut Verified) -> Result<(), SearchError> {
        let root = self.root();
        let Some(sections) = &root.vectors else {
            return Ok(());
        };
        let mut wants = Wants::new();
        Resident::wants(sections, &mut wants);
        if let Some(projection) = &sections.projection {
            wants.block(projection.extent);
        }
        let wave = self.store().wave(&wants).await?;
        let resident = Resident::load(root, sections, &wave)
            .map_err(|bad| self.damaged(sections.quantizer, bad))?;
        done.blocks += self.load_cells(&resident).await?;
        if let Some(projection) = &sections.projection {
            self.read_projection(projection.extent, &wave)
                .map_err(|bad| self.damaged(projection.extent, bad))?;
            done.blocks += 1;
        }
        if matches!(sections.access, Access::Cells { .. }) {
            done.blocks += 1;
        }
        let runs = sections.access.runs();
        done.blocks += 1 + runs.map(|(_, run)| run.blocks()).sum::<u64>();
        let rows: Vec<Extent> = sections.rows.extents().collect();
        for batch in rows.chunks(BATCH) {
            let mut wants = Wants::new();
            batch.iter().for_each(|&extent| wants.block(extent));
            self.store().wave(&wants).await?;
            done.blocks += batch.len() as u64;
        }
        Ok(())
    }
}

/// Decodes a whole entry; returns its postings.
fn entry_postings(
    entry: &[u8],
    row_dim: Option<usize>,
    df: u32,
    chunks: u32,
) -> Result<u64, FormatError> {
    let mut reader = Reader::new(entry, "entry");
    if let Some(dim) = row_dim {
        Row::parse(reader.take(row_len(dim), "term row")?, dim)?;
    }
    if df == 0 {
        reader.end()?;
        return Ok(0);
    }
    let list = PostingList::parse(reader.take(reader.left(), "posting list")?, df)?;
    let mut block = Block::default();
    let mut postings = 0;
    for at in 0..list.block_count() {
        list.decode(at, &mut block)?;
        postings += block.chunks().len() as u64;
        if block.chunks().last().is_some_and(|&last| last >= chunks) {
            return Err(reader.error("chunk id", Problem::Inconsistent));
        }
    }
    Ok(postings)
}
