//! Misspellings: terms within a few edits of a word.
//!
//! Source: the optimal string alignment distance (F. J. Damerau, 1964; no substring is edited twice),
//! computed row by row and given up as soon as a row exceeds the bound.

use super::Spelling;
use alloc::vec;
use alloc::vec::Vec;

/// A term that may have been meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Similar<'a> {
    /// The term.
    pub spelling: Spelling<'a>,
    /// How many edits away it is.
    pub edits: u32,
}

/// How many edits are tried for a word: none below four characters, one below eight, else two.
///
/// Shorter words have too many neighbours. Count the characters of the word as it was typed, not of
/// its stem.
pub fn edits_allowed(word: &str) -> u32 {
    match word.chars().count() {
        0..4 => 0,
        4..8 => 1,
        _ => 2,
    }
}

/// The distance from one word to many terms, with the room to compute it.
pub(super) struct Distance {
    word: Vec<char>,
    term: Vec<char>,
    max_edits: u32,
    /// Rows of the table for the last three characters of the term, the newest last.
    rows: [Vec<u32>; 3],
}

impl Distance {
    pub(super) fn new(word: &str, max_edits: u32) -> Self {
        let word: Vec<char> = word.chars().collect();
        let row = vec![0; word.len() + 1];
        Self {
            word,
            term: Vec::new(),
            max_edits,
            rows: [row.clone(), row.clone(), row],
        }
    }

    /// Edits between the word and `term`; `None` when there are more than allowed.
    pub(super) fn to(&mut self, term: &str) -> Option<u32> {
        let max_edits = self.max_edits as usize;
        // A byte is a quarter of a character at least: no need to count characters of long terms.
        if term.len() > (self.word.len() + max_edits) * 4 {
            return None;
        }
        self.term.clear();
        self.term.extend(term.chars());
        if self.term.len().abs_diff(self.word.len()) > max_edits {
            return None;
        }
        let [before_last, last, row] = &mut self.rows;
        for (distance, cell) in row.iter_mut().zip(0..) {
            *distance = cell;
        }
        for (i, &c) in self.term.iter().enumerate() {
            core::mem::swap(before_last, last);
            core::mem::swap(last, row);
            row[0] = i as u32 + 1;
            let mut least = row[0];
            for (j, &d) in self.word.iter().enumerate() {
                let mut edits = (last[j] + u32::from(c != d))
                    .min(last[j + 1] + 1)
                    .min(row[j] + 1);
                if i > 0 && j > 0 && c == self.word[j - 1] && d == self.term[i - 1] {
                    edits = edits.min(before_last[j - 1] + 1);
                }
                row[j + 1] = edits;
                least = least.min(edits);
            }
            if least > self.max_edits {
                return None;
            }
        }
        self.rows[2]
            .last()
            .copied()
            .filter(|&edits| edits <= self.max_edits)
    }
}

#[cfg(test)]
mod tests {
    use super::Distance;
    use super::edits_allowed;
    use proptest::prelude::prop_assert_eq;
    use proptest::proptest;
    use strsim::osa_distance;

    #[test]
    fn short_words_get_fewer_edits() {
        assert_eq!(
            ["std", "smrt", "pointer", "function"].map(edits_allowed),
            [0, 1, 1, 2]
        );
    }

    proptest! {
        #[test]
        fn distance_is_that_of_the_whole_table_up_to_the_bound(
            a in "[abcé]{0,8}",
            terms in proptest::collection::vec("[abcé]{0,8}", 1..4),
            bound in 0u32..4,
        ) {
            let mut distance = Distance::new(&a, bound);
            for term in &terms {
                let edits = osa_distance(&a, term) as u32;
                let expected = Some(edits).filter(|&edits| edits <= bound);
                prop_assert_eq!(distance.to(term), expected);
            }
        }
    }
}
