//! Which of its alternatives a word is meant to be, by the words beside it.
//!
//! Rows of terms that stand for the same texts point the same way: of the words that begin with *cere*,
//! *cerevisiae* is the one near *Saccharomyces*. What was read to embed the query thus tells completions
//! and corrections apart as well.

use super::Entry;
use super::Lookup;
use super::sort_out;
use crate::embed::QueryVector;
use crate::search::dictionary::Damaged;
use alloc::vec::Vec;

/// How much likelier an alternative is meant whose row points where those of the other words do, than
/// one whose row does not, as a power of two. With 16 as many unfinished queries find their page, a few
/// others.
const CONTEXT_BITS: f32 = 8.0;

impl Lookup<'_> {
    /// Weighs the alternatives of words that were corrected or may be unfinished anew, by the rows that
    /// are known by now.
    ///
    /// # Errors
    /// The block that is damaged.
    /// # Cost
    /// For each of these words the sum of all rows of the query, O(words · components).
    #[inline(never)]
    pub(super) fn weigh_by_context(&mut self) -> Result<(), Damaged> {
        let Some(dim) = self.row_dim else {
            return Ok(());
        };
        for at in 0..self.words.len() {
            // What a word is in other languages is not a matter of what was meant.
            if !self.words[at].corrected && self.words[at].prefixes.is_empty() {
                continue;
            }
            let others = self.words.iter().enumerate();
            let others = others.filter(|(other, _)| *other != at);
            // What another word is likeliest meant to be.
            let rows = others.flat_map(|(_, word)| {
                let first = word.alternatives.first();
                let first = first.and_then(|found| found.entry.as_ref());
                let pieces = word.substitutes.iter().map(|(entry, _)| entry);
                first.into_iter().chain(pieces)
            });
            let Some(context) = direction(dim, rows)? else {
                continue;
            };
            let word = &mut self.words[at];
            for found in &mut word.alternatives {
                if let Some(own) = direction(dim, found.entry.iter())? {
                    let cosine: f32 = own.iter().zip(&context).map(|(a, b)| a * b).sum();
                    found.context = (cosine.max(0.0) * CONTEXT_BITS) as u32;
                }
            }
            sort_out(&mut word.alternatives);
            word.weigh();
        }
        Ok(())
    }
}

/// Where the sum of these rows points; nowhere if there are none.
fn direction<'a>(
    dim: usize,
    entries: impl Iterator<Item = &'a Entry>,
) -> Result<Option<Vec<f32>>, Damaged> {
    let mut sum = QueryVector::new(dim);
    for entry in entries.filter(|entry| !entry.row.is_empty()) {
        let added = sum.add(&entry.row, 1.0);
        added.map_err(|error| (entry.block, error))?;
    }
    Ok(sum.finish())
}

#[cfg(test)]
mod tests {
    use super::super::Alternative;
    use super::Entry;
    use super::Lookup;
    use crate::index::Extent;
    use crate::postings::WEIGHT_ONE;
    use crate::postings::dictionary::ListPlace;
    use crate::text::Analyzer;
    use crate::text::Language;
    use crate::vector::row::encode_row;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn alternative(term: &str, bits: u32, row: &[f32]) -> Alternative {
        let mut bytes = Vec::new();
        if !row.is_empty() {
            encode_row(row, &mut bytes).expect("finite");
        }
        Alternative {
            term: term.into(),
            word: term.into(),
            df: 1,
            weight: WEIGHT_ONE,
            bits,
            context: 0,
            entry: Some(Entry {
                block: Extent { offset: 0, len: 0 },
                idf: 1.0,
                row: bytes,
                routes: Vec::new(),
                list: Vec::new(),
                place: ListPlace::default(),
            }),
            left_out: false,
        }
    }

    /// The alternatives of the last word after weighing, likeliest first, and their weights.
    fn weighed(query: &str, beside: &[f32], last: Vec<Alternative>) -> Vec<(String, u32)> {
        let analyzer = Analyzer::new(Language::English);
        let terms = analyzer.query_terms(query);
        let mut lookup = Lookup::new(&analyzer, &terms, true, true, Some(4));
        lookup.words[0]
            .alternatives
            .push(alternative("saccharomyces", 9, beside));
        lookup.words[1].alternatives = last;
        lookup.words[1].weigh();
        // Again and again, since rows come one after the other.
        for _ in 0..2 {
            lookup.weigh_by_context().expect("valid rows");
        }
        let all = lookup.words[1].alternatives.iter();
        all.map(|found| (found.term.clone(), found.weight))
            .collect()
    }

    #[test]
    fn what_points_where_the_other_words_do_is_meant() {
        let yeast = [1.0, 0.0, 0.0, 0.0];
        let open = || {
            Vec::from([
                alternative("cerebral", 6, &[0.0, 1.0, 0.0, 0.0]),
                alternative("cerevisiae", 4, &yeast),
                alternative("cereal", 4, &[]),
            ])
        };
        let found = weighed("saccharomyces cere", &yeast, open());
        let names: Vec<&str> = found.iter().map(|(term, _)| term.as_str()).collect();
        assert_eq!(names, ["cerevisiae", "cerebral", "cereal"]);
        assert_eq!(found[0].1, WEIGHT_ONE);
        assert!(found[1].1 < WEIGHT_ONE && found[2].1 < found[1].1);
        // Without rows, and for words that are finished, nothing changes.
        let found = weighed("saccharomyces cere", &[], open());
        assert_eq!(found[0].0, "cerebral");
        let found = weighed("saccharomyces cere ", &yeast, open());
        assert_eq!(found[0].0, "cerebral");
    }
}
