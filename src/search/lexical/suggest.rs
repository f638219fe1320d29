//! Words of the index that are spelt like those that found nothing: not searched, only named.

use super::Alternative;
use super::Lookup;
use super::Word;
use super::by_likelihood;
use super::correct::Similar;
use crate::search::dictionary::Damaged;
use crate::search::dictionary::Dictionary;
use crate::sort::sort_by;
use crate::store::Wants;
use crate::store::Wave;
use alloc::string::String;
use alloc::vec::Vec;

/// Words that are suggested at most: a line of them.
const SUGGESTIONS: usize = 5;

/// Edits of a suggestion at most, one more than of a correction: readers see for themselves what they meant.
const SUGGESTED_EDITS: u32 = 3;

/// Characters of a word for each edit of it: with more of them other words would be as near.
const CHARS_EACH: u32 = 3;

impl Lookup<'_> {
    /// Wants the spellings around the words that the index lacks. Those of words that were to be corrected
    /// have been read.
    #[inline(never)]
    pub fn want_suggestions(&self, dictionary: &Dictionary, wants: &mut Wants) {
        for word in self.lacking() {
            dictionary.want_spellings(word.similar_blocks(dictionary).into_iter(), wants);
        }
    }

    /// The words nearest to those that the index lacks: by edits, then those that begin like them, then by
    /// how many chunks hold them.
    ///
    /// # Errors
    /// The block that is damaged.
    #[inline(never)]
    pub fn suggestions(
        &self,
        dictionary: &Dictionary,
        wave: &Wave,
    ) -> Result<Vec<String>, Damaged> {
        let mut found = Vec::new();
        for word in self.lacking() {
            let length = word.folded.chars().count();
            let most = SUGGESTED_EDITS.min(length as u32 / CHARS_EACH);
            for Similar { word, df, edits } in word.similar(dictionary, wave, most, true)? {
                found.push(Alternative {
                    term: word,
                    word: String::new(),
                    df,
                    weight: 0,
                    // The nearer, the likelier.
                    bits: u32::MAX - edits,
                    context: 0,
                    entry: None,
                    left_out: false,
                });
            }
        }
        sort_by(&mut found, by_likelihood);
        let mut words: Vec<String> = Vec::new();
        for Alternative { term, .. } in found {
            if words.len() < SUGGESTIONS && !words.contains(&term) {
                words.push(term);
            }
        }
        Ok(words)
    }

    /// Words that the index lacks, as many as suggestions.
    fn lacking(&self) -> impl Iterator<Item = &Word> {
        self.words
            .iter()
            .filter(|word| word.alternatives.is_empty())
            .take(SUGGESTIONS)
    }
}
