//! Posting lists of the query's words: which are read, and what they add to scores.

use super::Alternative;
use super::Damaged;
use super::Dictionary;
use super::Entry;
use super::Lookup;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::gather;
use crate::document::ChunkId;
use crate::index::Extent;
use crate::postings::BlockTable;
use crate::postings::Clause;
use crate::postings::PostingList;
use crate::postings::WeightedList;
use crate::postings::score_of;
use crate::sort::sort_by;
use crate::store::Wants;
use crate::store::Wave;
use alloc::vec::Vec;

impl Lookup<'_> {
    /// Wants the blocks of long posting lists: those of the rarest words, at most `budget` bytes of
    /// them unless the first takes more, and none of completions whose terms are still to be read. The
    /// others find no chunk, but count in those that are found ([`Lookup::probe`]).
    ///
    /// So *MaxScore* divides lists (H. Turtle, J. Flood: *Query evaluation: strategies and
    /// optimizations*, 1995), which here is by what reading them costs.
    ///
    /// # Errors
    /// The term block whose table is damaged.
    pub fn want_postings(
        &mut self,
        dictionary: &Dictionary,
        budget: u64,
    ) -> Result<Wants, Damaged> {
        // Bytes of a word's lists, the word, and the lists' blocks.
        let mut lists = Vec::new();
        for (at, word) in self.words.iter().enumerate() {
            let mut blocks = Vec::new();
            for found in &word.alternatives {
                blocks.extend(posting_blocks(dictionary, found)?);
            }
            let bytes: u64 = blocks.iter().map(|extent| u64::from(extent.len)).sum();
            if !word.alternatives.is_empty() {
                lists.push((bytes, at, blocks));
            }
        }
        sort_by(&mut lists, |a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        let mut wants = Wants::new();
        let mut read = 0u64;
        for (place, (bytes, at, blocks)) in lists.into_iter().enumerate() {
            read = read.saturating_add(bytes);
            let Some(word) = self.words.get_mut(at) else {
                continue;
            };
            let left_out = place > 0 && read > budget;
            for found in &mut word.alternatives {
                found.left_out = found.entry.is_none() || (left_out && !found.is_short());
            }
            if !left_out {
                blocks.into_iter().for_each(|extent| wants.block(extent));
            }
        }
        Ok(wants)
    }

    /// Wants the blocks of lists left out that may hold these chunks.
    ///
    /// # Errors
    /// The term block whose table is damaged.
    pub fn want_probes(
        &self,
        dictionary: &Dictionary,
        chunks: &[ChunkId],
        wants: &mut Wants,
    ) -> Result<(), Damaged> {
        let alternatives = self.known().flat_map(|word| &word.alternatives);
        for found in alternatives.filter(|found| found.left_out) {
            let Some(entry) = &found.entry else {
                continue;
            };
            let table = table_of(entry, found.df)?;
            for &chunk in chunks {
                let at = table.block_of(chunk);
                if at < table.len() {
                    wants.block(posting_block(dictionary, entry, &table, at)?);
                }
            }
        }
        Ok(())
    }

    /// What the lists left out give these chunks: clause by clause, its number and one score for each
    /// chunk.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn probe(
        &self,
        dictionary: &Dictionary,
        chunks: &[ChunkId],
        wave: &Wave,
    ) -> Result<Vec<(usize, Vec<u32>)>, Damaged> {
        let mut clauses = Vec::new();
        for (clause, word) in self.known().enumerate() {
            let mut scores = Vec::new();
            for found in word.alternatives.iter().filter(|found| found.left_out) {
                let Some(entry) = &found.entry else {
                    continue;
                };
                let table = table_of(entry, found.df)?;
                let weight = found.weight * word.count;
                scores.resize(chunks.len(), 0);
                for (&chunk, score) in chunks.iter().zip(&mut scores) {
                    let at = table.block_of(chunk);
                    if at == table.len() {
                        continue;
                    }
                    let extent = posting_block(dictionary, entry, &table, at)?;
                    let bad = |error| (extent, error);
                    let bytes = wave.require(extent).map_err(bad)?;
                    let impact = table.impact_of(at, bytes, chunk).map_err(bad)?;
                    *score = (*score).max(score_of(impact.unwrap_or(0), weight));
                }
            }
            clauses.push((clause, scores));
        }
        Ok(clauses)
    }

    /// The posting lists, one clause for every known word; an empty one where all were left out.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn clauses<'w>(
        &'w self,
        dictionary: &Dictionary,
        postings: &'w Wave,
    ) -> Result<Vec<Clause<'w>>, Damaged> {
        let mut clauses = Vec::new();
        for word in self.known() {
            let mut clause = Clause::default();
            for found in word.alternatives.iter().filter(|found| !found.left_out) {
                let Some(entry) = &found.entry else {
                    continue;
                };
                let mut blocks = Vec::new();
                for extent in posting_blocks(dictionary, found)? {
                    let block = postings.require(extent).map_err(|error| (extent, error))?;
                    blocks.push(&**block);
                }
                let list = PostingList::new(&entry.list, found.df, blocks);
                let list = list.map_err(|error| (entry.block, error))?;
                let weight = found.weight * word.count;
                clause.alternatives.push(WeightedList { list, weight });
            }
            clauses.push(clause);
        }
        Ok(clauses)
    }
}

impl Alternative {
    /// Whether its term block holds its list.
    pub(super) fn is_short(&self) -> bool {
        BlockTable::byte_len(self.df) == 0
    }
}

/// Where the blocks of a long list lie; none for a short one.
fn posting_blocks(dictionary: &Dictionary, found: &Alternative) -> Result<Vec<Extent>, Damaged> {
    let Some(entry) = found.entry.as_ref() else {
        return Ok(Vec::new());
    };
    let table = table_of(entry, found.df)?;
    let blocks = (0..table.len()).map(|at| posting_block(dictionary, entry, &table, at));
    gather(blocks)
}

/// The table of a term's list, empty for a short one.
fn table_of(entry: &Entry, df: u32) -> Result<BlockTable, Damaged> {
    match BlockTable::byte_len(df) {
        0 => Ok(BlockTable::default()),
        _ => BlockTable::parse(&entry.list, df).map_err(|error| (entry.block, error)),
    }
}

/// Where a block of a long list lies.
fn posting_block(
    dictionary: &Dictionary,
    entry: &Entry,
    table: &BlockTable,
    at: usize,
) -> Result<Extent, Damaged> {
    let extent = dictionary.posting_block(entry.place, table, at);
    extent.ok_or_else(|| {
        let reader = Reader::new(&[], "posting list");
        let problem = Problem::Inconsistent;
        (entry.block, reader.error("place", problem))
    })
}
