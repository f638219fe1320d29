//! Rows for words that the dictionary lacks.
//!
//! The corpus decides which terms there are, so a question may bring a word that no chunk has. Two
//! kinds of rows beside those of the terms give such a word a direction; their keys begin with `#`,
//! with which no analyzed term begins:
//!
//! | key | row of | asked for |
//! |---|---|---|
//! | `#happen` | a term of general language | by [`word_key`], together with misspellings |
//! | `##ing` | the inside or the end of a word | by [`decompose`], when all else fails |
//!
//! General words are correctly spelt words: a query word found here need not be corrected. With a
//! third of the rarer query terms taken out of the corpus, they win back half of what a judged
//! collection loses by it, and pieces a little more; pieces learnt from the corpus's own terms, as
//! prefixes, suffixes or hashed n-grams, won back almost nothing.

use crate::vector::arch::sqrt;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The first byte of all keys here; terms begin with a larger one.
pub const KEY_START: char = '#';

/// Letters of a word that are looked at.
const WORD_CHARS_MAX: usize = 32;

/// Letters of the first piece at least: shorter beginnings say nothing.
const FIRST_CHARS_MIN: usize = 3;

/// Letters of a piece at least and at most.
const PIECE_CHARS_MIN: usize = 2;
const PIECE_CHARS_MAX: usize = 12;

/// The key under which a general word's row is, given its analyzed `term`.
pub fn word_key(term: &str) -> String {
    format!("#{term}")
}

/// The key under which the row of a piece inside a word is.
pub fn piece_key(letters: &str) -> String {
    format!("##{letters}")
}

/// Whether `key` belongs to a row here and not to a term.
pub fn is_reserved(key: &str) -> bool {
    key.starts_with(KEY_START)
}

/// A word as the sum of other rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Pieces {
    /// Keys of the rows, in the order of the word: a term or a general word, then pieces.
    pub keys: Vec<String>,
    /// Weight of each: one over the square root of their number.
    pub weight: f32,
}

/// Takes `word` (folded, not stemmed) apart, longest match first.
///
/// It begins with the longest proper beginning that is a term or a general word and goes on with the
/// longest pieces; letters that fit nowhere are passed over. `exists` says whether the dictionary
/// has a key; it is asked about keys of [`piece_keys`] only. `None` when nothing fits.
///
/// Source: longest-match-first of WordPiece (Wu et al. 2016, arXiv:1609.08144).
pub fn decompose(word: &str, exists: &mut dyn FnMut(&str) -> bool) -> Option<Pieces> {
    let ends = char_ends(word);
    let mut keys = Vec::new();
    let mut at = 0;
    while at < ends.len() {
        let found = (at + 1..=ends.len()).rev().find_map(|end| {
            candidates(word, &ends, at, end)
                .into_iter()
                .flatten()
                .find(|key| exists(key))
                .map(|key| (key, end))
        });
        match found {
            Some((key, end)) => {
                keys.push(key);
                at = end;
            }
            None => at += 1,
        }
    }
    if keys.is_empty() {
        return None;
    }
    let weight = 1.0 / sqrt(keys.len() as f64) as f32;
    Some(Pieces { keys, weight })
}

/// Every key that [`decompose`] may ask about, so that their blocks can be fetched at once.
pub fn piece_keys(word: &str) -> Vec<String> {
    let ends = char_ends(word);
    let mut keys = Vec::new();
    for at in 0..ends.len() {
        for end in at + 1..=ends.len() {
            keys.extend(candidates(word, &ends, at, end).into_iter().flatten());
        }
    }
    keys
}

/// Byte offsets after each letter of the word.
fn char_ends(word: &str) -> Vec<usize> {
    word.char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take(WORD_CHARS_MAX)
        .collect()
}

/// The keys for letters `at..end` of `word`, the preferred one first.
fn candidates(word: &str, ends: &[usize], at: usize, end: usize) -> [Option<String>; 2] {
    let start = if at == 0 { 0 } else { ends[at - 1] };
    let letters = word.get(start..ends[end - 1]).unwrap_or_default();
    let len = end - at;
    if at == 0 {
        // The word itself is known to be missing.
        if len < FIRST_CHARS_MIN || end == ends.len() {
            return [None, None];
        }
        return [Some(String::from(letters)), Some(word_key(letters))];
    }
    if !(PIECE_CHARS_MIN..=PIECE_CHARS_MAX).contains(&len) {
        return [None, None];
    }
    [Some(piece_key(letters)), None]
}

#[cfg(test)]
mod tests {
    use super::decompose;
    use super::is_reserved;
    use super::piece_keys;
    use super::word_key;
    use crate::text::FIRST_TERM_BYTE;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prop_assert;
    use proptest::proptest;

    fn keys(word: &str, dictionary: &[&str]) -> Vec<String> {
        decompose(word, &mut |key| dictionary.contains(&key)).map_or(Vec::new(), |p| p.keys)
    }

    #[test]
    fn longest_beginning_then_longest_pieces_are_taken() {
        let dictionary = [
            "str", "string", "#multi", "##view", "##vie", "##ew", "##hop",
        ];
        assert_eq!(keys("stringview", &dictionary), ["string", "##view"]);
        assert_eq!(keys("multihopp", &dictionary), ["#multi", "##hop"]);
        assert_eq!(keys("xxview", &dictionary), ["##view"]);
    }

    #[test]
    fn term_is_preferred_to_the_general_word() {
        assert_eq!(
            keys("lockfree", &["lock", "#lock", "##free"]),
            ["lock", "##free"]
        );
    }

    #[test]
    fn word_that_fits_nowhere_has_no_pieces() {
        assert_eq!(decompose("zzzz", &mut |_| false), None);
        assert_eq!(decompose("", &mut |_| true), None);
        assert_eq!(keys("whole", &["whole"]), Vec::<String>::new());
    }

    #[test]
    fn weights_keep_the_length_of_unrelated_rows() {
        let pieces = decompose("abcdefg", &mut |key| matches!(key, "abc" | "##de" | "##fg"));
        assert!((pieces.expect("three pieces").weight - 0.577_350_26).abs() < 1e-7);
    }

    #[test]
    fn reserved_keys_sort_before_every_term() {
        assert!(word_key("zebra").as_bytes()[0] < FIRST_TERM_BYTE);
        assert!(is_reserved(&word_key("a")) && !is_reserved("c#"));
    }

    proptest! {
        #[test]
        fn only_announced_keys_are_asked_for(word in "\\PC{0,40}", mask in 0u32..7) {
            let announced = piece_keys(&word);
            let mut asked = Vec::new();
            decompose(&word, &mut |key| {
                asked.push(String::from(key));
                key.len() as u32 % 7 == mask
            });
            prop_assert!(asked.iter().all(|key| announced.contains(key)));
        }
    }
}
