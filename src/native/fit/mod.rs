//! Fits the query table: the rows whose sum embeds a query without the model.
//!
//! ```text
//! chunks, sentences ─ analyzer ─► bags of terms ─┐
//!                   ─ embedder ─► vectors ───────┴─ ridge regression ─► one row per term
//! general words, pieces ─ embedder ─► vectors ─────── centre, scale ──► one row per key
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`sentences`] | which short texts join the chunks |
//! | [`bags`] | texts as sparse rows |
//! | [`ridge`] | the solver |
//! | [`vocabulary`] | words that the corpus lacks |
//! | [`weight`] | how much meaning is to count beside words |
//! | this one | [`QueryTable`]: weights, groups of texts, rows |
//!
//! Rows come out in the space of whatever embedder made the vectors. A term's row carries its
//! weight, so that the query side adds rows as they are; see `coracle::embed`.

pub mod bags;
pub mod ridge;
pub mod sentences;
pub mod vocabulary;
pub mod weight;

use crate::fit::bags::Bags;
use crate::fit::ridge::RidgeError;
use crate::fit::ridge::RidgeParams;
use crate::fit::ridge::Targets;
use coracle::text::Analyzer;
use coracle::text::StopWords;
use coracle::vector::row::NotFinite;
use coracle::vector::row::encode_row;
use rayon::iter::IntoParallelRefIterator;
use rayon::iter::ParallelIterator;
use std::collections::BTreeMap;
use std::collections::HashMap;

/// How the table is fitted; the default is what the measurements in `tests/native/fit.rs` back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitParams {
    /// Weight of a chunk's squared error against that of a sentence.
    pub chunk_emphasis: f32,
    /// The regression.
    pub ridge: RidgeParams,
}

impl Default for FitParams {
    fn default() -> Self {
        Self {
            chunk_emphasis: 3.0,
            ridge: RidgeParams {
                lambda: 1.0,
                iterations_max: 15,
                tolerance: 0.01,
            },
        }
    }
}

/// The terms that get rows.
#[derive(Debug, Clone)]
pub struct Lexicon<'a> {
    /// Makes terms of texts.
    pub analyzer: Analyzer,
    /// The dictionary's terms; their order is that of the rows.
    pub terms: &'a [&'a str],
    /// Their inverse document frequencies, at least 0.
    pub idf: &'a [f32],
}

/// Texts of one kind with their embeddings.
#[derive(Debug, Clone, Copy)]
pub struct TextGroup<'a> {
    /// The texts as they were embedded.
    pub texts: &'a [&'a str],
    /// One vector of `dim` components per text, one after the other.
    pub embeddings: &'a [f32],
    /// Weight of a text's squared error, above zero.
    pub emphasis: f32,
}

/// One row per term.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryTable {
    dim: usize,
    rows: Vec<f32>,
}

impl QueryTable {
    /// Fits the rows of the lexicon's terms to `groups`.
    ///
    /// `progress` hears the share done, 0 to 1, ascending.
    ///
    /// # Errors
    /// [`RidgeError`] when a group has not one finite vector of `dim` components per text.
    /// # Panics
    /// If the lexicon has not one idf per term.
    pub fn fit(
        lexicon: &Lexicon<'_>,
        groups: &[TextGroup<'_>],
        dim: usize,
        params: &RidgeParams,
        progress: &dyn Fn(f32),
    ) -> Result<Self, RidgeError> {
        assert_eq!(lexicon.terms.len(), lexicon.idf.len(), "one idf per term");
        let ordinals: HashMap<&str, u32> = lexicon.terms.iter().copied().zip(0..).collect();
        let mut bags = Bags::new(lexicon.terms.len());
        let mut targets = Vec::with_capacity(groups.len());
        for group in groups {
            let expected = group.texts.len() * dim;
            if group.embeddings.len() != expected {
                return Err(RidgeError::TargetsLen {
                    expected,
                    got: group.embeddings.len(),
                });
            }
            let entries: Vec<Vec<(u32, f32)>> = group
                .texts
                .par_iter()
                .map(|text| bag(lexicon, &ordinals, text))
                .collect();
            for entries in &entries {
                bags.push(entries);
            }
            targets.push(Targets {
                vectors: group.embeddings,
                emphasis: group.emphasis,
            });
        }
        let mut rows = ridge::solve(&bags, &targets, dim, params, progress)?;
        for (row, idf) in rows.chunks_exact_mut(dim).zip(lexicon.idf) {
            for x in row {
                *x *= idf;
            }
        }
        Ok(Self { dim, rows })
    }

    /// Components of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The row of term `term`; all zeros for a term that no text had.
    ///
    /// # Panics
    /// If there is no such term.
    pub fn row(&self, term: usize) -> &[f32] {
        &self.rows[term * self.dim..][..self.dim]
    }

    /// Appends the row of term `term` as bytes, see [`encode_row`].
    ///
    /// # Errors
    /// [`NotFinite`], should the regression have overflowed.
    /// # Panics
    /// If there is no such term.
    pub fn encode(&self, term: usize, out: &mut Vec<u8>) -> Result<(), NotFinite> {
        encode_row(self.row(term), out)
    }

    /// The median length of the rows that are not zero; 1 when there are none.
    pub fn typical_length(&self) -> f32 {
        let mut lengths: Vec<f32> = self
            .rows
            .chunks_exact(self.dim)
            .map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt())
            .filter(|length| *length > 0.0)
            .collect();
        let middle = lengths.len() / 2;
        if lengths.is_empty() {
            return 1.0;
        }
        *lengths.select_nth_unstable_by(middle, f32::total_cmp).1
    }
}

/// Terms of `text` by ordinal, weighted √idf · √count: the other √idf is in the row, and the query
/// side weighs a term that a query repeats by √count, too.
fn bag(lexicon: &Lexicon<'_>, ordinals: &HashMap<&str, u32>, text: &str) -> Vec<(u32, f32)> {
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    lexicon
        .analyzer
        .analyze(text, StopWords::Drop, &mut |token| {
            if let Some(&ordinal) = ordinals.get(token.term) {
                *counts.entry(ordinal).or_default() += 1;
            }
        });
    let weight = |term: u32, count: u32| (lexicon.idf[term as usize] * count as f32).sqrt();
    counts
        .into_iter()
        .map(|(term, count)| (term, weight(term, count)))
        .collect()
}
