//! Query words → terms of the dictionary.
//!
//! Each distinct term of the query becomes a [`Word`]. What the dictionary has for it, exactly or as
//! completions of an unfinished last word, becomes its alternatives. A word that has none is, in this
//! order, a word of general language that the corpus happens not to use, a misspelling that is
//! corrected, or the sum of its pieces ([`crate::embed::piece`]).
//!
//! ```text
//! wave 1   term blocks of the words; spelling blocks of an unfinished one
//! wave 2   for words not found: spelling blocks, general words
//! wave 3   term blocks of corrections, and of pieces of words still unknown
//! then     term blocks of completions of a word that is one itself
//! then     blocks of long posting lists
//! ```
//! Most queries need nothing of waves 2 and 3, and the last two run beside the waves of cells.

use super::Correction;
use super::dictionary::Damaged;
use super::dictionary::Dictionary;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::document::ChunkId;
use crate::embed::QueryVector;
use crate::embed::piece;
use crate::embed::piece::piece_keys;
use crate::embed::piece::word_key;
use crate::index::Extent;
use crate::postings::Block;
use crate::postings::BlockTable;
use crate::postings::Clause;
use crate::postings::PostingList;
use crate::postings::WEIGHT_ONE;
use crate::postings::WeightedList;
use crate::postings::dictionary::ListPlace;
use crate::postings::dictionary::Spelling;
use crate::postings::dictionary::Term;
use crate::postings::dictionary::edits_allowed;
use crate::postings::score_of;
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

/// Completions of a last word that is one itself: each costs a term block and a list, and most such
/// words are finished.
const COMPLETIONS_OF_WORDS: usize = 2;

/// Spelling blocks that are read for completions.
const COMPLETION_BLOCKS: usize = 2;

/// Spelling blocks that are read for corrections of one word.
const SIMILAR_BLOCKS: usize = 4;

/// Corrections of equal distance that stand for a word together.
const CORRECTIONS: usize = 3;

/// Weight of a completion where the word itself is in the dictionary too.
const COMPLETION_WEIGHT: u32 = WEIGHT_ONE / 2;

/// Weight of a correction, by edits; the exact word would count [`WEIGHT_ONE`].
const CORRECTION_WEIGHTS: [u32; 3] = [WEIGHT_ONE, WEIGHT_ONE * 3 / 4, WEIGHT_ONE / 2];

/// The words of a query and what the dictionary has for them.
#[derive(Debug)]
pub struct Lookup {
    words: Vec<Word>,
    /// Whether words may be taken apart: where the query's embedding is summed from rows.
    pieces: bool,
}

#[derive(Debug)]
struct Word {
    term: String,
    /// What the word is in other languages.
    forms: Vec<String>,
    folded: String,
    kind: TokenKind,
    count: u32,
    /// Beginnings that completions may have; only for an unfinished last word.
    prefixes: Vec<String>,
    alternatives: Vec<Alternative>,
    /// Rows that stand for a word without alternatives, and their weights.
    substitutes: Vec<(Entry, f32)>,
    corrected: bool,
    /// Its lists are too long to be read beside those of the other words.
    left_out: bool,
}

/// A term that stands for a word.
#[derive(Debug)]
struct Alternative {
    term: String,
    df: u32,
    weight: u32,
    /// What its term block says; nothing as long as only the spelling is known.
    entry: Option<Entry>,
}

/// What a term block says about a term.
#[derive(Debug)]
struct Entry {
    /// The term block.
    block: Extent,
    idf: f32,
    row: Vec<u8>,
    list: Vec<u8>,
    place: ListPlace,
}

impl Entry {
    fn new((block, term): (Extent, Term<'_>)) -> Self {
        Self {
            block,
            idf: term.idf,
            row: term.row.to_vec(),
            list: term.list.to_vec(),
            place: term.place,
        }
    }
}

impl Lookup {
    /// Prepares the look-up of a query's terms; with `prefix`, its last word may be unfinished, with
    /// `pieces`, unknown ones are taken apart.
    pub fn new(terms: &QueryTerms, prefix: bool, pieces: bool) -> Self {
        let words = terms.terms.iter().enumerate().map(|(at, term)| Word {
            term: term.term.clone(),
            forms: term.forms.clone(),
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
            left_out: false,
        });
        let words = words.collect();
        Self { words, pieces }
    }

    /// Wants the blocks that hold the words, and the spellings that complete the last one.
    pub fn want_words(&self, dictionary: &Dictionary) -> Wants {
        let mut wants = Wants::new();
        for word in &self.words {
            let forms = core::iter::once(&word.term).chain(&word.forms);
            forms.for_each(|form| dictionary.want_term(form, &mut wants));
            for prefix in &word.prefixes {
                dictionary.want_spellings(completing(dictionary, prefix), &mut wants);
            }
        }
        wants
    }

    /// Finds the words, and completions of the last one.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn find(&mut self, dictionary: &Dictionary, wave: &Wave) -> Result<(), Damaged> {
        for word in &mut self.words {
            for form in core::iter::once(&word.term).chain(&word.forms) {
                if let Some(found) = dictionary.find_term(form, wave)? {
                    word.alternatives.push(Alternative {
                        term: form.clone(),
                        df: found.1.df,
                        weight: WEIGHT_ONE,
                        entry: Some(Entry::new(found)),
                    });
                }
            }
            let (completion_weight, most) = if word.alternatives.is_empty() {
                (WEIGHT_ONE, COMPLETIONS)
            } else {
                (COMPLETION_WEIGHT, COMPLETIONS_OF_WORDS)
            };
            let mut completions: Vec<Alternative> = Vec::new();
            for prefix in &word.prefixes {
                for block in dictionary.spellings(completing(dictionary, prefix), wave)? {
                    let found = block.complete(prefix, COMPLETIONS).into_iter();
                    completions.extend(found.map(|found| alternative(found, completion_weight)));
                }
            }
            sort_by(&mut completions, by_frequency);
            completions.dedup_by(|a, b| a.term == b.term);
            completions.retain(|completion| completion.term != word.term);
            completions.truncate(most);
            word.alternatives.append(&mut completions);
        }
        Ok(())
    }

    /// Whether the query's embedding depends on nothing that is still to be read: every word was found
    /// as it is.
    pub fn is_settled(&self) -> bool {
        let exact = |word: &Word| {
            word.alternatives
                .first()
                .is_some_and(|first| first.entry.is_some())
        };
        self.words
            .iter()
            .all(|word| exact(word) || (word.alternatives.is_empty() && !word.is_unknown()))
    }

    /// Wants the terms of completions, and the blocks where words that were not found may be spelt
    /// differently or be known as words of general language; nothing where there are no such words.
    pub fn want_spellings(&self, dictionary: &Dictionary) -> Option<Wants> {
        let mut wants = self.want_completions(dictionary);
        for word in self.words.iter().filter(|word| word.is_unknown()) {
            let wants = wants.get_or_insert_with(Wants::new);
            dictionary.want_spellings(word.similar_blocks(dictionary), wants);
            dictionary.want_term(&word_key(&word.term), wants);
        }
        wants
    }

    /// Recognises or corrects the words that were not found.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn correct(&mut self, dictionary: &Dictionary, wave: &Wave) -> Result<(), Damaged> {
        self.complete(dictionary, wave)?;
        for word in self.words.iter_mut().filter(|word| word.is_unknown()) {
            if let Some(found) = dictionary.find_term(&word_key(&word.term), wave)? {
                word.substitutes.push((Entry::new(found), 1.0));
                continue;
            }
            let edits_allowed = edits_allowed(&word.folded);
            let mut found: Vec<Alternative> = Vec::new();
            let mut fewest = u32::MAX;
            for block in dictionary.spellings(word.similar_blocks(dictionary), wave)? {
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
                        found.push(alternative(similar.spelling, weight));
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

    /// Wants the terms of corrections, and of the pieces that words still unknown may consist of;
    /// nothing where there are no such words.
    pub fn want_rest(&self, dictionary: &Dictionary) -> Option<Wants> {
        let mut wants = self.want_completions(dictionary);
        for word in self.words.iter().filter(|word| self.takes_apart(word)) {
            let wants = wants.get_or_insert_with(Wants::new);
            let keys = piece_keys(&word.folded);
            keys.iter().for_each(|key| dictionary.want_term(key, wants));
        }
        wants
    }

    /// Takes words still unknown apart.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn decompose(&mut self, dictionary: &Dictionary, wave: &Wave) -> Result<(), Damaged> {
        self.complete(dictionary, wave)?;
        if !self.pieces {
            return Ok(());
        }
        for word in self.words.iter_mut().filter(|word| word.is_unknown()) {
            let mut damaged = None;
            let mut exists = |key: &str| match dictionary.find_term(key, wave) {
                Ok(found) => found.is_some(),
                Err(error) => {
                    damaged = Some(error);
                    false
                }
            };
            let pieces = piece::decompose(&word.folded, &mut exists);
            if let Some(error) = damaged {
                return Err(error);
            }
            let Some(pieces) = pieces else {
                continue;
            };
            for key in &pieces.keys {
                let found = dictionary.find_term(key, wave)?;
                let found = found.map(|found| (Entry::new(found), pieces.weight));
                word.substitutes.extend(found);
            }
        }
        Ok(())
    }

    fn takes_apart(&self, word: &Word) -> bool {
        self.pieces && word.is_unknown()
    }

    /// Wants the terms of which only the spelling is known; nothing where there are none.
    pub fn want_completions(&self, dictionary: &Dictionary) -> Option<Wants> {
        let mut wants = None;
        let alternatives = self.words.iter().flat_map(|word| &word.alternatives);
        for found in alternatives.filter(|found| found.entry.is_none()) {
            dictionary.want_term(&found.term, wants.get_or_insert_with(Wants::new));
        }
        wants
    }

    /// Takes the terms of which only the spelling was known.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn complete(&mut self, dictionary: &Dictionary, wave: &Wave) -> Result<(), Damaged> {
        let alternatives = self
            .words
            .iter_mut()
            .flat_map(|word| &mut word.alternatives);
        for found in alternatives.filter(|found| found.entry.is_none()) {
            let (block, term) = dictionary.require_term(&found.term, wave)?;
            if term.df != found.df {
                let reader = Reader::new(&[], "dictionary");
                return Err((block, reader.error("spelling", Problem::Inconsistent)));
            }
            found.entry = Some(Entry::new((block, term)));
        }
        Ok(())
    }

    /// Words that stand for something in the index, in the order of the query.
    fn known(&self) -> impl Iterator<Item = &Word> {
        self.words
            .iter()
            .filter(|word| !word.alternatives.is_empty())
    }

    /// Wants the blocks of long posting lists: those of the rarest words, at most `budget` bytes of
    /// them unless the first takes more. The other words find no chunk, but count in those that are
    /// found ([`Lookup::probe`]).
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
            word.left_out = place > 0 && read > budget;
            if !word.left_out {
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
        let words = self.known().filter(|word| word.left_out);
        for found in words.flat_map(|word| &word.alternatives) {
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

    /// What the words left out add to the scores of these chunks: clause by clause, its number and
    /// one score for each chunk.
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
        let mut block = Block::default();
        for (clause, word) in self.known().enumerate() {
            if !word.left_out {
                continue;
            }
            let mut scores = alloc::vec![0; chunks.len()];
            for found in &word.alternatives {
                let Some(entry) = &found.entry else {
                    continue;
                };
                let table = table_of(entry, found.df)?;
                let weight = found.weight * word.count;
                for (&chunk, score) in chunks.iter().zip(&mut scores) {
                    let at = table.block_of(chunk);
                    let impact = if at < table.len() {
                        let extent = posting_block(dictionary, entry, &table, at)?;
                        let bad = |error| (extent, error);
                        let bytes = wave.require(extent).map_err(bad)?;
                        table.decode(at, bytes, &mut block).map_err(bad)?;
                        block.impact_of(chunk)
                    } else if table.is_empty() {
                        let list = PostingList::new(&entry.list, found.df, Vec::new());
                        let impact = list.and_then(|list| list.impact_of(chunk, &mut block));
                        impact.map_err(|error| (entry.block, error))?
                    } else {
                        None
                    };
                    *score = (*score).max(score_of(impact.unwrap_or(0), weight));
                }
            }
            clauses.push((clause, scores));
        }
        Ok(clauses)
    }

    /// The posting lists, one clause for every known word; an empty one for a word that was left out.
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
            let read = word.alternatives.iter().filter(|_| !word.left_out);
            for found in read {
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

    /// The query's embedding: the sum of the rows of its words.
    ///
    /// A word that is in the dictionary counts with its own row; one that is corrected, with that of
    /// the first correction; an unfinished one, with the mean of its completions.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn embedding(&self, dim: usize) -> Result<Option<Vec<f32>>, Damaged> {
        let mut vector = QueryVector::new(dim);
        let mut add = |entry: &Entry, weight: f32| {
            // Terms of few chunks may have no row.
            if entry.row.is_empty() {
                return Ok(());
            }
            let added = vector.add(&entry.row, weight);
            added.map_err(|error| (entry.block, error))
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
            for entry in word.alternatives[..used]
                .iter()
                .filter_map(|found| found.entry.as_ref())
            {
                add(entry, weight / used as f32)?;
            }
            for (entry, share) in &word.substitutes {
                add(entry, weight * share)?;
            }
        }
        Ok(vector.finish())
    }

    /// The dictionary terms in use with their weights, for excerpts.
    pub fn weighted_terms(&self) -> Vec<(String, f32)> {
        self.known()
            .flat_map(|word| word.alternatives.iter())
            .map(|found| {
                let idf = found.entry.as_ref().map_or(0.0, |entry| entry.idf);
                (
                    found.term.clone(),
                    idf * found.weight as f32 / WEIGHT_ONE as f32,
                )
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

    fn similar_blocks(&self, dictionary: &Dictionary) -> impl Iterator<Item = usize> + use<> {
        let directory = dictionary.spelling();
        let blocks = directory.blocks_of_similar(&self.folded, SIMILAR_BLOCKS);
        blocks.into_iter()
    }
}

/// The spelling blocks that may complete `prefix`.
fn completing(dictionary: &Dictionary, prefix: &str) -> core::ops::Range<usize> {
    dictionary
        .spelling()
        .blocks_of_prefix(prefix, COMPLETION_BLOCKS)
}

/// Where the blocks of a long list lie; none for a short one.
fn posting_blocks(dictionary: &Dictionary, found: &Alternative) -> Result<Vec<Extent>, Damaged> {
    let Some(entry) = found.entry.as_ref() else {
        return Ok(Vec::new());
    };
    let table = table_of(entry, found.df)?;
    let blocks = (0..table.len()).map(|at| posting_block(dictionary, entry, &table, at));
    blocks.collect()
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

/// Characters that two words have in common at their beginning.
fn shared_prefix(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

fn alternative(spelling: Spelling<'_>, weight: u32) -> Alternative {
    Alternative {
        term: String::from(spelling.key),
        df: spelling.df,
        weight,
        entry: None,
    }
}

/// Most frequent first, ties by term.
fn by_frequency(a: &Alternative, b: &Alternative) -> Ordering {
    b.df.cmp(&a.df).then_with(|| a.term.cmp(&b.term))
}
