//! Query words → dictionary entries.
//!
//! Each distinct term of the query becomes a [`Word`]. What the dictionary has for it, exactly or as
//! completions of an unfinished last word, becomes its alternatives. A word that has none is, in this
//! order, a word of general language that the corpus happens not to use, a misspelling that is
//! corrected, or the sum of its pieces ([`crate::embed::piece`]).

use super::Correction;
use crate::bytes::FormatError;
use crate::embed::QueryVector;
use crate::embed::piece;
use crate::embed::piece::piece_keys;
use crate::embed::piece::word_key;
use crate::embed::row::row_len;
use crate::index::Extent;
use crate::index::Root;
use crate::index::inflate;
use crate::postings::Clause;
use crate::postings::PostingList;
use crate::postings::WEIGHT_ONE;
use crate::postings::WeightedList;
use crate::postings::dictionary::DictionaryBlock;
use crate::postings::dictionary::Directory;
use crate::postings::dictionary::Entry;
use crate::postings::dictionary::TermInfo;
use crate::postings::dictionary::edits_allowed;
use crate::sort::sort_by;
use crate::store::Wants;
use crate::store::Wave;
use crate::text::QueryTerms;
use crate::text::TokenKind;
use crate::vector::arch::sqrt;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// Completions of an unfinished word, the most frequent ones.
const COMPLETIONS: usize = 8;

/// Dictionary blocks that are read for completions.
const COMPLETION_BLOCKS: usize = 2;

/// Dictionary blocks that are read for corrections of one word.
const SIMILAR_BLOCKS: usize = 4;

/// Corrections of equal distance that stand for a word together.
const CORRECTIONS: usize = 3;

/// Weight of a completion where the word itself is in the dictionary too.
const COMPLETION_WEIGHT: u32 = WEIGHT_ONE / 2;

/// Weight of a correction, by edits; the exact word would count [`WEIGHT_ONE`].
const CORRECTION_WEIGHTS: [u32; 3] = [WEIGHT_ONE, WEIGHT_ONE * 3 / 4, WEIGHT_ONE / 2];

/// What is known about where something went wrong.
type Damaged = (Extent, FormatError);

/// The words of a query and what the dictionary has for them.
#[derive(Debug)]
pub struct Lookup {
    words: Vec<Word>,
    /// Dictionary blocks at hand, by their number.
    blocks: Vec<(usize, DictionaryBlock)>,
}

#[derive(Debug)]
struct Word {
    term: String,
    folded: String,
    kind: TokenKind,
    count: u32,
    /// Beginnings that completions may have; only for an unfinished last word.
    prefixes: Vec<String>,
    alternatives: Vec<Alternative>,
    /// Rows that stand for a word without alternatives, and their weights.
    substitutes: Vec<(Extent, f32)>,
    corrected: bool,
}

/// A dictionary entry that stands for a word.
#[derive(Debug)]
struct Alternative {
    term: String,
    info: TermInfo,
    extent: Extent,
    weight: u32,
}

impl Lookup {
    /// Prepares the look-up of a query's terms; with `prefix`, its last word may be unfinished.
    pub fn new(terms: &QueryTerms, prefix: bool) -> Self {
        let words = terms.terms.iter().enumerate().map(|(at, term)| Word {
            term: term.term.clone(),
            folded: term.folded.clone(),
            kind: term.kind,
            count: term.count,
            prefixes: match terms.last {
                Some(last) if prefix && last == at => terms.prefixes.clone(),
                _ => Vec::new(),
            },
            alternatives: Vec::new(),
            substitutes: Vec::new(),
            corrected: false,
        });
        Self {
            words: words.collect(),
            blocks: Vec::new(),
        }
    }

    /// Wants the blocks that hold the words and their completions.
    pub fn want_blocks(&self, root: &Root, directory: &Directory) -> Wants {
        let mut wants = Wants::new();
        for word in &self.words {
            let exact = directory.block_of(&word.term).into_iter();
            let completions = word
                .prefixes
                .iter()
                .flat_map(|prefix| directory.blocks_of_prefix(prefix, COMPLETION_BLOCKS));
            for block in exact.chain(completions) {
                block_extent(root, directory, block)
                    .into_iter()
                    .for_each(|at| wants.block(at));
            }
        }
        wants
    }

    /// Finds the words, and completions of the last one.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn find(&mut self, root: &Root, directory: &Directory, wave: &Wave) -> Result<(), Damaged> {
        self.parse_blocks(root, directory, wave)?;
        for word in &mut self.words {
            if let Some(entry) = lookup(directory, &self.blocks, &word.term) {
                word.alternatives
                    .push(alternative(root, &entry, WEIGHT_ONE));
            }
            let completion_weight = if word.alternatives.is_empty() {
                WEIGHT_ONE
            } else {
                COMPLETION_WEIGHT
            };
            let mut completions: Vec<Alternative> = Vec::new();
            for prefix in &word.prefixes {
                for at in directory.blocks_of_prefix(prefix, COMPLETION_BLOCKS) {
                    let Some(block) = block_at(&self.blocks, at) else {
                        continue;
                    };
                    for entry in block.complete(prefix, COMPLETIONS) {
                        completions.push(alternative(root, &entry, completion_weight));
                    }
                }
            }
            sort_by(&mut completions, by_frequency);
            completions.dedup_by(|a, b| a.term == b.term);
            completions.retain(|completion| completion.term != word.term);
            completions.truncate(COMPLETIONS);
            word.alternatives.append(&mut completions);
        }
        Ok(())
    }

    /// Wants the blocks where words that were not found may be spelt differently, or be known as words
    /// of general language; nothing where there are no such words.
    pub fn want_similar(&self, root: &Root, directory: &Directory) -> Option<Wants> {
        let mut wants = None;
        for word in self.words.iter().filter(|word| word.is_unknown()) {
            let wants = wants.get_or_insert_with(Wants::new);
            let general = directory.block_of(&word_key(&word.term));
            for block in word.similar_blocks(directory).into_iter().chain(general) {
                block_extent(root, directory, block)
                    .into_iter()
                    .for_each(|at| wants.block(at));
            }
        }
        wants
    }

    /// Recognises or corrects the words that were not found.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn correct(
        &mut self,
        root: &Root,
        directory: &Directory,
        wave: &Wave,
    ) -> Result<(), Damaged> {
        self.parse_blocks(root, directory, wave)?;
        let blocks = &self.blocks;
        for word in self.words.iter_mut().filter(|word| word.is_unknown()) {
            if let Some(entry) = lookup(directory, blocks, &word_key(&word.term)) {
                word.substitutes.push((entry_extent(root, &entry), 1.0));
                continue;
            }
            let edits_allowed = edits_allowed(&word.folded);
            let mut found: Vec<Alternative> = Vec::new();
            let mut fewest = u32::MAX;
            for at in word.similar_blocks(directory) {
                let Some(block) = block_at(blocks, at) else {
                    continue;
                };
                // Stems and words as typed: an ending may hide either from the other.
                for form in [&word.term, &word.folded] {
                    for similar in block.similar(form, edits_allowed, 1) {
                        if similar.edits < fewest {
                            fewest = similar.edits;
                            found.clear();
                        } else if similar.edits > fewest {
                            continue;
                        }
                        let weight = CORRECTION_WEIGHTS
                            .get(similar.edits as usize)
                            .copied()
                            .unwrap_or(WEIGHT_ONE / 2);
                        found.push(alternative(root, &similar.entry, weight));
                    }
                }
            }
            // Of equally near words, the one that begins alike is meant: few mistype the beginning.
            let alike = |found: &Alternative| shared_prefix(&found.term, &word.folded);
            sort_by(&mut found, |a, b| {
                alike(b).cmp(&alike(a)).then(by_frequency(a, b))
            });
            found.dedup_by(|a, b| a.term == b.term);
            found.truncate(CORRECTIONS);
            found.iter_mut().skip(1).for_each(|other| other.weight /= 2);
            word.alternatives = found;
            word.corrected = !word.alternatives.is_empty();
        }
        Ok(())
    }

    /// Wants the blocks of the pieces that words still unknown may consist of; nothing where there
    /// are no such words.
    pub fn want_pieces(&self, root: &Root, directory: &Directory) -> Option<Wants> {
        let mut wants = None;
        for word in self.words.iter().filter(|word| word.is_unknown()) {
            let wants = wants.get_or_insert_with(Wants::new);
            for block in piece_keys(&word.folded)
                .iter()
                .filter_map(|key| directory.block_of(key))
            {
                block_extent(root, directory, block)
                    .into_iter()
                    .for_each(|at| wants.block(at));
            }
        }
        wants
    }

    /// Takes words still unknown apart.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn decompose(
        &mut self,
        root: &Root,
        directory: &Directory,
        wave: &Wave,
    ) -> Result<(), Damaged> {
        self.parse_blocks(root, directory, wave)?;
        let blocks = &self.blocks;
        for word in self.words.iter_mut().filter(|word| word.is_unknown()) {
            let mut exists = |key: &str| lookup(directory, blocks, key).is_some();
            let Some(pieces) = piece::decompose(&word.folded, &mut exists) else {
                continue;
            };
            for key in &pieces.keys {
                if let Some(entry) = lookup(directory, blocks, key) {
                    word.substitutes
                        .push((entry_extent(root, &entry), pieces.weight));
                }
            }
        }
        Ok(())
    }

    fn parse_blocks(
        &mut self,
        root: &Root,
        directory: &Directory,
        wave: &Wave,
    ) -> Result<(), Damaged> {
        for at in 0..directory.len() {
            let (Some(extent), Some(entry)) =
                (block_extent(root, directory, at), directory.get(at))
            else {
                continue;
            };
            if let Some(block) = wave.get(extent)
                && block_at(&self.blocks, at).is_none()
            {
                let parsed = inflate(block, "dictionary")
                    .and_then(|raw| DictionaryBlock::parse(&raw, entry.postings.start))
                    .map_err(|error| (extent, error))?;
                self.blocks.push((at, parsed));
            }
        }
        Ok(())
    }

    /// Words that stand for something in the index, in the order of the query.
    fn known(&self) -> impl Iterator<Item = &Word> {
        self.words
            .iter()
            .filter(|word| !word.alternatives.is_empty())
    }

    /// Wants the entries: posting lists and term rows.
    pub fn want_entries(&self) -> Wants {
        let mut wants = Wants::new();
        for word in &self.words {
            word.alternatives
                .iter()
                .for_each(|entry| wants.block(entry.extent));
            word.substitutes
                .iter()
                .for_each(|&(extent, _)| wants.block(extent));
        }
        wants
    }

    /// The posting lists, one clause for every known word.
    ///
    /// # Errors
    /// The entry that is damaged.
    pub fn clauses<'w>(
        &self,
        entries: &'w Wave,
        row_dim: Option<usize>,
    ) -> Result<Vec<Clause<'w>>, Damaged> {
        let skip = row_dim.map_or(0, row_len);
        let mut clauses = Vec::new();
        for word in self.known() {
            let mut clause = Clause::default();
            for Alternative {
                info,
                extent,
                weight,
                ..
            } in &word.alternatives
            {
                let list = entry(entries, *extent)?.get(skip..).unwrap_or(&[]);
                let list = PostingList::parse(list, info.df).map_err(|error| (*extent, error))?;
                clause.alternatives.push(WeightedList {
                    list,
                    weight: weight * word.count,
                });
            }
            clauses.push(clause);
        }
        Ok(clauses)
    }

    /// The query's embedding: the sum of the rows of its words.
    ///
    /// A word that is in the dictionary counts with its own row; one that is corrected, with that of
    /// the first correction; an unfinished one, with the mean of its completions.
    ///
    /// # Errors
    /// The entry that is damaged.
    pub fn embedding(&self, entries: &Wave, dim: usize) -> Result<Option<Vec<f32>>, Damaged> {
        let mut vector = QueryVector::new(dim);
        let mut add = |extent: Extent, weight: f32| {
            let row = entry(entries, extent)?.get(..row_len(dim)).unwrap_or(&[]);
            vector.add(row, weight).map_err(|error| (extent, error))
        };
        for word in &self.words {
            // The fit weighs a repeated term by the root of its count, so the query does too.
            let weight = sqrt(f64::from(word.count)) as f32;
            let exact = word
                .alternatives
                .first()
                .is_some_and(|first| first.term == word.term);
            let used = if exact || word.corrected {
                1
            } else {
                word.alternatives.len()
            };
            for Alternative { extent, .. } in &word.alternatives[..used] {
                add(*extent, weight / used as f32)?;
            }
            for &(extent, share) in &word.substitutes {
                add(extent, weight * share)?;
            }
        }
        Ok(vector.finish())
    }

    /// The dictionary terms in use with their weights, for excerpts.
    pub fn weighted_terms(&self) -> Vec<(String, f32)> {
        self.known()
            .flat_map(|word| word.alternatives.iter())
            .map(|entry| {
                let weight = entry.info.idf * entry.weight as f32 / WEIGHT_ONE as f32;
                (entry.term.clone(), weight)
            })
            .collect()
    }

    /// What was searched instead of words that the index does not have.
    pub fn corrections(&self) -> Vec<Correction> {
        let corrected = self.words.iter().filter(|word| word.corrected);
        corrected
            .filter_map(|word| {
                let to = word.alternatives.first()?.term.clone();
                Some(Correction {
                    from: word.folded.clone(),
                    to,
                })
            })
            .collect()
    }

    /// Names the clauses of a hit's contributions, in units of impact.
    pub fn explain(&self, contributions: &[u32]) -> Vec<(String, u32)> {
        self.known()
            .zip(contributions)
            .filter(|&(_, &contribution)| contribution > 0)
            .map(|(word, &contribution)| {
                let name = word
                    .alternatives
                    .first()
                    .map_or("", |first| first.term.as_str());
                (String::from(name), contribution / WEIGHT_ONE)
            })
            .collect()
    }
}

impl Word {
    fn is_unknown(&self) -> bool {
        self.alternatives.is_empty()
            && self.substitutes.is_empty()
            && self.kind != TokenKind::Whole
            && edits_allowed(&self.folded) > 0
    }

    fn similar_blocks(&self, directory: &Directory) -> Vec<usize> {
        directory.blocks_of_similar(&self.folded, SIMILAR_BLOCKS)
    }
}

/// Characters that two words have in common at their beginning.
fn shared_prefix(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

fn alternative(root: &Root, entry: &Entry<'_>, weight: u32) -> Alternative {
    let extent = entry_extent(root, entry);
    Alternative {
        term: String::from(entry.term),
        info: entry.info,
        extent,
        weight,
    }
}

fn entry_extent(root: &Root, entry: &Entry<'_>) -> Extent {
    let offset = root.entries_offset.saturating_add(entry.postings.start);
    Extent {
        offset,
        len: entry.info.entry_len,
    }
}

/// The dictionary entry of `key`, if its block is at hand and has it.
fn lookup<'b>(
    directory: &Directory,
    blocks: &'b [(usize, DictionaryBlock)],
    key: &str,
) -> Option<Entry<'b>> {
    block_at(blocks, directory.block_of(key)?)?.lookup(key)
}

fn block_at(blocks: &[(usize, DictionaryBlock)], at: usize) -> Option<&DictionaryBlock> {
    blocks
        .iter()
        .find(|(number, _)| *number == at)
        .map(|(_, block)| block)
}

/// Most frequent first, ties by term.
fn by_frequency(a: &Alternative, b: &Alternative) -> Ordering {
    b.info.df.cmp(&a.info.df).then_with(|| a.term.cmp(&b.term))
}

/// Where dictionary block `block` lies; `None` where the directory contradicts the root.
pub fn block_extent(root: &Root, directory: &Directory, block: usize) -> Option<Extent> {
    let stored = &directory.get(block)?.stored;
    let offset = root.dictionary_offset.checked_add(stored.start)?;
    let len = u32::try_from(stored.end - stored.start).ok()?;
    Some(Extent { offset, len })
}

fn entry(wave: &Wave, extent: Extent) -> Result<&[u8], Damaged> {
    wave.require(extent)
        .map(|block| &**block)
        .map_err(|error| (extent, error))
}
