//! Words that the index lacks: those that are spelt like them.
//!
//! A noisy channel (M. Kernighan, K. Church, W. Gale: *A spelling correction program based on a noisy channel
//! model*, COLING 1990): of the words the fewest edits away, those are meant that are frequent and from which such an
//! error comes easily.

use super::Alternative;
use super::Entry;
use super::Lookup;
use super::Word;
use super::alternatives;
use super::sort_out;
use crate::embed::piece::word_key;
use crate::postings::dictionary::Spelling;
use crate::postings::dictionary::backwards;
use crate::postings::dictionary::edits_allowed;
use crate::search::dictionary::Damaged;
use crate::search::dictionary::Dictionary;
use crate::store::Wants;
use crate::store::Wave;
use alloc::string::String;
use alloc::vec::Vec;

/// Spelling blocks that are read for corrections of one word, forwards and as many backwards. One edit
/// leaves the longer part of a word before or behind it as it was, so the word meant is near in one of
/// the two orders.
const SIMILAR_BLOCKS: usize = 3;

/// Characters that a block's words share with the one to correct: half of the shortest.
const SIMILAR_CHARS: usize = 2;

/// Corrections of equal distance that stand for a word together.
const CORRECTIONS: usize = 3;

/// How much likelier a correction is meant that begins like the word, as a power of two, as if so many
/// more chunks had it: few mistype the first letter.
const ALIKE_BITS: u32 = 2;

/// The same for a correction of which the word lacks a letter or has two swapped: such errors
/// are as frequent as others, but there is one way to leave a letter out where there are 25 to replace it.
const LEFT_OUT_BITS: u32 = 4;

/// A word of the index that is spelt like one of the query.
#[derive(Debug)]
pub(super) struct Similar {
    pub word: String,
    /// Chunks that hold it.
    pub df: u32,
    /// Edits from the query's word.
    pub edits: u32,
}

impl Lookup<'_> {
    /// Wants the terms of completions, and the blocks where words that were not found may be spelt
    /// differently or be known as words of general language; nothing where there are no such words.
    pub fn want_spellings(&self, dictionary: &Dictionary) -> Option<Wants> {
        let mut wants = self.want_completions(dictionary);
        for word in self.words.iter().filter(|word| word.is_unknown()) {
            let wants = wants.get_or_insert_with(Wants::new);
            dictionary.want_spellings(word.similar_blocks(dictionary).into_iter(), wants);
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
            let mut found: Vec<Alternative> = Vec::new();
            let mut fewest = u32::MAX;
            let edits_allowed = edits_allowed(&word.folded);
            for Similar {
                word: meant,
                df,
                edits,
            } in word.similar(dictionary, wave, edits_allowed, false)?
            {
                let alike = meant.chars().next() == word.folded.chars().next();
                // Two errors, and one of them in the first letter, make another word.
                if edits > fewest || (edits > 1 && !alike) {
                    continue;
                }
                if edits < fewest {
                    fewest = edits;
                    found.clear();
                }
                let mut bits = 0;
                if alike {
                    bits += ALIKE_BITS;
                }
                if lacks_or_swaps(&word.folded, &meant) {
                    bits += LEFT_OUT_BITS;
                }
                for mut correction in alternatives(self.analyzer, &meant, df) {
                    correction.bits += bits;
                    found.push(correction);
                }
            }
            sort_out(&mut found);
            found.truncate(CORRECTIONS);
            word.alternatives = found;
            word.corrected = !word.alternatives.is_empty();
            word.weigh();
        }
        Ok(())
    }
}

impl Word {
    /// The words within so many edits that the blocks of [`Word::similar_blocks`] hold, and on demand others
    /// that begin like the word, as if they were an edit farther away.
    ///
    /// # Errors
    /// The block that is damaged.
    pub(super) fn similar(
        &self,
        dictionary: &Dictionary,
        wave: &Wave,
        edits: u32,
        with_others: bool,
    ) -> Result<Vec<Similar>, Damaged> {
        let mut found = Vec::new();
        let backwards = backwards(&self.folded);
        // Half of the word, and two letters of it where it has them.
        let half = self.folded.len().div_ceil(2).max(2);
        let beginning = self.folded.get(..self.folded.floor_char_boundary(half));
        let blocks = self.similar_blocks(dictionary).into_iter();
        for block in dictionary.spellings(blocks, wave)? {
            let mut add = |spelling: Spelling<'_>, edits| {
                let (word, df) = (spelling.word(), spelling.df);
                found.push(Similar { word, df, edits });
            };
            for form in core::iter::once(&self.folded).chain(&backwards) {
                for similar in block.similar(form, edits) {
                    add(similar.spelling, similar.edits);
                }
            }
            for spelling in block.iter().filter(|_| with_others) {
                if beginning.is_some_and(|half| spelling.key.starts_with(half)) {
                    add(spelling, edits + 1);
                }
            }
        }
        Ok(found)
    }

    pub(super) fn similar_blocks(&self, dictionary: &Dictionary) -> Vec<usize> {
        let around = |key: &str, alike| {
            let spelling = dictionary.spelling();
            spelling.blocks_around(key, alike, SIMILAR_BLOCKS)
        };
        let mut blocks = around(&self.folded, SIMILAR_CHARS);
        if let Some(key) = backwards(&self.folded) {
            // Its mark comes first.
            let behind = around(&key, SIMILAR_CHARS + 1).into_iter();
            behind.for_each(|block| {
                if !blocks.contains(&block) {
                    blocks.push(block)
                }
            });
        }
        blocks
    }
}

/// Whether `typed`, an edit or two away from `meant`, lacks a letter of it or has its letters in another
/// order.
fn lacks_or_swaps(typed: &str, meant: &str) -> bool {
    let [typed, meant] = [typed, meant].map(|word| {
        let letters = word.chars().map(u64::from);
        (word.chars().count(), letters.sum::<u64>())
    });
    typed.0 < meant.0 || typed == meant
}

#[cfg(test)]
mod tests {
    use super::lacks_or_swaps;

    #[test]
    fn letters_left_out_or_swapped_are_told_from_replaced_and_added_ones() {
        for (typed, meant, expected) in [
            ("smrt", "smart", true),
            ("smatr", "smart", true),
            ("smrt", "sort", false),
            ("smartt", "smart", false),
        ] {
            assert_eq!(lacks_or_swaps(typed, meant), expected, "{typed} {meant}");
        }
    }
}
