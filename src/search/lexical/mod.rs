//! Query words → terms of the dictionary.
//!
//! Each distinct term of the query becomes a [`Word`]. What the dictionary has for it, exactly or as
//! completions of an unfinished last word, becomes its alternatives. A word that has none is, in this
//! order, a word of general language that the corpus happens not to use, a misspelling that is
//! corrected ([`correct`]), or the sum of its pieces ([`crate::embed::piece`]). Completions and corrections are
//! weighed by how likely they are meant, also by what stands beside them ([`context`]).
//!
//! ```text
//! wave 1   term blocks of the words; spelling blocks of an unfinished one
//! wave 2   for words not found: spelling blocks, general words
//! wave 3   term blocks of corrections, and of pieces of words still unknown
//! then     term blocks of completions of a word that is one itself, blocks of long posting lists
//! ```
//! Most queries need nothing of waves 2 and 3, and the last one runs beside the waves of cells.

mod context;
mod correct;
mod lists;
mod suggest;

use super::Correction;
use super::dictionary::Damaged;
use super::dictionary::Dictionary;
use crate::bytes::FormatError;
use crate::cells::RouteScores;
use crate::embed::QueryVector;
use crate::embed::piece;
use crate::embed::piece::piece_keys;
use crate::index::Extent;
use crate::postings::WEIGHT_ONE;
use crate::postings::dictionary::ListPlace;
use crate::postings::dictionary::Term;
use crate::postings::dictionary::edits_allowed;
use crate::sort::sort_by;
use crate::store::Wants;
use crate::store::Wave;
use crate::text::Analyzer;
use crate::text::QueryTerm;
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
const COMPLETIONS_OF_WORDS: usize = 3;

/// How much less likely than the word itself a completion is meant at most, as a power of two: with 5, if an eighth
/// as many chunks have it. Rarer ones find nothing more, for 2 kB of blocks that a first search reads.
const RARER_BITS: u32 = 5;

/// Spellings that are looked at for completions: several may be of one term.
const COMPLETING_SPELLINGS: usize = 32;

/// Spelling blocks that are read for completions.
const COMPLETION_BLOCKS: usize = 2;

/// How much likelier the word itself is meant than a completion, as a power of two: as if so many more
/// chunks had it. With 4, one in a hundred titles that are still being typed is not found for it; of
/// finished questions neither changes what is found.
const FINISHED_BITS: u32 = 2;

/// The words of a query and what the dictionary has for them.
#[derive(Debug)]
pub struct Lookup<'a> {
    words: Vec<Word>,
    analyzer: &'a Analyzer,
    /// Whether words may be taken apart: where the query's embedding is summed from rows.
    pieces: bool,
    /// Components of the rows of terms, if they have rows.
    row_dim: Option<usize>,
}

/// How well a term stands for a word of the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// It is the word itself, or what is likeliest meant.
    Likeliest,
    /// It is another correction that is searched, or completes the word.
    Possible,
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
}

/// A term that stands for a word.
#[derive(Debug)]
struct Alternative {
    term: String,
    /// The word as it is spelt.
    word: String,
    /// Chunks that hold the term; those that hold the word as long as the term block was not read.
    df: u32,
    weight: u32,
    /// How likely it is meant whatever stands beside it, as a power of two that compares the
    /// alternatives of one word.
    bits: u32,
    /// The same by what stands beside it ([`context`]).
    context: u32,
    /// What its term block says; nothing as long as only the spelling is known.
    entry: Option<Entry>,
    /// The blocks of its list are not read: it finds no chunk, but counts in those that are found.
    left_out: bool,
}

/// What a term block says about a term.
#[derive(Debug)]
struct Entry {
    /// The term block.
    block: Extent,
    idf: f32,
    row: Vec<u8>,
    routes: Vec<u8>,
    list: Vec<u8>,
    place: ListPlace,
}

impl Entry {
    fn new((block, term): (Extent, Term<'_>)) -> Self {
        Self {
            block,
            idf: term.idf,
            row: term.row.to_vec(),
            routes: term.routes.to_vec(),
            list: term.list.to_vec(),
            place: term.place,
        }
    }
}

impl<'a> Lookup<'a> {
    /// Prepares the look-up of a query's terms; with `prefix`, its last word may be unfinished, with
    /// `pieces`, unknown ones are taken apart; rows of terms, if there are any, have `row_dim` components.
    pub fn new(
        analyzer: &'a Analyzer,
        terms: &QueryTerms,
        prefix: bool,
        pieces: bool,
        row_dim: Option<usize>,
    ) -> Self {
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
        });
        let words = words.collect();
        Self {
            words,
            analyzer,
            pieces,
            row_dim,
        }
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
                        word: word.folded.clone(),
                        df: found.1.df,
                        weight: WEIGHT_ONE,
                        bits: bits_of(found.1.df) + FINISHED_BITS,
                        entry: Some(Entry::new(found)),
                        context: 0,
                        left_out: false,
                    });
                }
            }
            // What the word is in one language is as likely meant as what it is in another.
            let likeliest = word.likeliest();
            for found in &mut word.alternatives {
                found.bits = likeliest;
            }
            let most = match word.alternatives.is_empty() {
                true => COMPLETIONS,
                false => COMPLETIONS_OF_WORDS,
            };
            let mut completions: Vec<Alternative> = Vec::new();
            for prefix in &word.prefixes {
                for block in dictionary.spellings(completing(dictionary, prefix), wave)? {
                    let found = block.prefix(prefix, COMPLETING_SPELLINGS).into_iter();
                    completions
                        .extend(found.flat_map(|found| {
                            alternatives(self.analyzer, &found.word(), found.df)
                        }));
                }
            }
            sort_out(&mut completions);
            let is_new = |term: &str| word.alternatives.iter().all(|known| known.term != term);
            completions.retain(|found| {
                let is_likely = found.bits + RARER_BITS >= likeliest;
                is_likely && found.term != word.term && is_new(&found.term)
            });
            completions.truncate(most);
            word.alternatives.append(&mut completions);
            word.weigh();
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
        // The word of a spelling has a term in its own language, in others perhaps not.
        let several = self.analyzer.languages().len() > 1;
        for word in &mut self.words {
            for found in &mut word.alternatives {
                let entry = match found.entry {
                    Some(_) => continue,
                    None if several => dictionary.find_term(&found.term, wave)?,
                    None => Some(dictionary.require_term(&found.term, wave)?),
                };
                if let Some((_, term)) = &entry {
                    found.df = term.df;
                }
                found.entry = entry.map(Entry::new);
                found.left_out &= !found.is_short();
            }
            word.alternatives.retain(|found| found.entry.is_some());
        }
        self.weigh_by_context()
    }

    /// Words that stand for something in the index, in the order of the query.
    fn known(&self) -> impl Iterator<Item = &Word> {
        self.words
            .iter()
            .filter(|word| !word.alternatives.is_empty())
    }

    /// The query's embedding: the sum of the rows of its words.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn embedding(&self, dim: usize) -> Result<Option<Vec<f32>>, Damaged> {
        let mut vector = QueryVector::new(dim);
        self.each_row(|entry, weight| vector.add(&entry.row, weight))?;
        Ok(vector.finish())
    }

    /// What the rows of that sum give each cell.
    ///
    /// # Errors
    /// The block that is damaged.
    pub fn route(&self, mut scores: RouteScores) -> Result<RouteScores, Damaged> {
        self.each_row(|entry, weight| scores.add(&entry.routes, weight))?;
        Ok(scores)
    }

    /// Whether some of these rows lead to no cells: those of words and pieces that no chunk has.
    pub fn lacks_routes(&self) -> bool {
        let words = &self.words;
        words.iter().any(|word| !word.substitutes.is_empty())
    }

    /// Whether that may come to be once words are taken apart.
    pub fn may_lack_routes(&self) -> bool {
        self.lacks_routes() || self.words.iter().any(|word| self.takes_apart(word))
    }

    /// Calls `add` with each row that the query's embedding is a sum of, and its weight.
    ///
    /// A word counts with its own row, one that is corrected or unfinished with the mean of its
    /// alternatives, by how likely they are meant.
    fn each_row(
        &self,
        mut add: impl FnMut(&Entry, f32) -> Result<(), FormatError>,
    ) -> Result<(), Damaged> {
        let mut add = |entry: &Entry, weight: f32| {
            // Terms of few chunks may have no row.
            if entry.row.is_empty() {
                return Ok(());
            }
            add(entry, weight).map_err(|error| (entry.block, error))
        };
        for word in &self.words {
            // The fit weighs a repeated term by the root of its count, so the query does too.
            let weight = sqrt(f64::from(word.count)) as f32;
            let likeliest = word.likeliest();
            let likely = |found: &Alternative| {
                1.0 / (1u64 << (likeliest - found.likelihood()).min(63)) as f32
            };
            let all: f32 = word.alternatives.iter().map(likely).sum();
            for found in &word.alternatives {
                if let Some(entry) = &found.entry {
                    add(entry, weight * likely(found) / all)?;
                }
            }
            for (entry, share) in &word.substitutes {
                add(entry, weight * share)?;
            }
        }
        Ok(())
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

    /// How well these terms stand for the query's words, one after the other: its words and parts of
    /// compounds, or its compounds where there is nothing else; the worst of them says. Nothing where one does
    /// not, and where there are more or fewer.
    pub fn reads(&self, terms: &[QueryTerm]) -> Option<Meaning> {
        let is_part = |word: &Word| word.kind != TokenKind::Whole;
        let has_parts = self.words.iter().any(is_part);
        let mut terms = terms.iter();
        let mut worst = Meaning::Likeliest;
        for word in &self.words {
            if !has_parts || is_part(word) {
                worst = worst.max(word.means(terms.next()?)?);
            }
        }
        terms.next().is_none().then_some(worst)
    }

    /// Whether the index has one of the words, or what it was corrected to.
    pub fn is_known(&self) -> bool {
        self.known().next().is_some()
    }

    /// What was searched instead of words that the index does not have.
    pub fn corrections(&self) -> Vec<Correction> {
        let corrected = self.words.iter().filter(|word| word.corrected);
        corrected
            .filter_map(|word| {
                let to = word.alternatives.first()?.word.clone();
                Some(Correction {
                    from: word.folded.clone(),
                    to,
                })
            })
            .collect()
    }

    /// Names the clauses of a hit's contributions, in units of impact.
    #[inline(never)]
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

impl Alternative {
    /// How likely it is meant, all in all.
    fn likelihood(&self) -> u32 {
        self.bits.saturating_add(self.context)
    }
}

impl Word {
    /// How well a term stands for it, if it does.
    fn means(&self, term: &QueryTerm) -> Option<Meaning> {
        let has = |term: &String| self.alternatives.iter().any(|found| found.term == *term);
        let likeliest = match self.alternatives.first() {
            Some(first) if !has(&self.term) => &first.term,
            _ => &self.term,
        };
        let begins = |prefix: &String| term.folded.starts_with(prefix.as_str());
        if *likeliest == term.term {
            Some(Meaning::Likeliest)
        } else if has(&term.term) || self.prefixes.iter().any(begins) {
            Some(Meaning::Possible)
        } else {
            None
        }
    }

    fn is_unknown(&self) -> bool {
        self.alternatives.is_empty()
            && self.substitutes.is_empty()
            && edits_allowed(&self.folded) > 0
    }

    /// The most [`Alternative::likelihood`].
    fn likeliest(&self) -> u32 {
        let all = self.alternatives.iter().map(Alternative::likelihood);
        all.max().unwrap_or(0)
    }

    /// Weighs alternatives by how likely they are meant: a quarter as likely, half the weight. Without it
    /// the rarest would win, since a rare word tells chunks apart best.
    fn weigh(&mut self) {
        let likeliest = self.likeliest();
        for found in &mut self.alternatives {
            let halvings = (likeliest - found.likelihood()) / 2;
            found.weight = (WEIGHT_ONE >> halvings.min(31)).max(1);
        }
    }
}

/// The spelling blocks that may complete `prefix`.
fn completing(dictionary: &Dictionary, prefix: &str) -> core::ops::Range<usize> {
    dictionary
        .spelling()
        .blocks_of_prefix(prefix, COMPLETION_BLOCKS)
}

/// The terms that a word of so many chunks may have.
fn alternatives(analyzer: &Analyzer, word: &str, df: u32) -> Vec<Alternative> {
    let terms = analyzer.terms_of(word).into_iter();
    let alternative = |term| Alternative {
        term,
        word: word.into(),
        df,
        weight: WEIGHT_ONE,
        bits: bits_of(df),
        entry: None,
        context: 0,
        left_out: false,
    };
    terms.map(alternative).collect()
}

fn bits_of(df: u32) -> u32 {
    df.max(1).ilog2()
}

/// Sorts alternatives and keeps the first of each term.
#[inline(never)]
fn sort_out(found: &mut Vec<Alternative>) {
    sort_by(found, by_likelihood);
    let mut at = 0;
    while at < found.len() {
        if found[..at]
            .iter()
            .any(|before| before.term == found[at].term)
        {
            found.remove(at);
        } else {
            at += 1;
        }
    }
}

/// Likeliest first, then the most frequent, ties by term.
fn by_likelihood(a: &Alternative, b: &Alternative) -> Ordering {
    let key = |found: &Alternative| (found.likelihood(), found.df);
    key(b).cmp(&key(a)).then_with(|| a.term.cmp(&b.term))
}
