//! Text into word pieces: ids for the model, counts for the chunker.
//!
//! The tokenizer is the reference implementation (`tokenizers`) with the model's own description.
//! Counting remembers the words it has seen: the model's tokenizer never joins what whitespace or
//! ASCII punctuation separates, so the count of a text is the sum over its words.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokenizers::Tokenizer;

use super::weights::BadModel;

static DESCRIPTION: &[u8] = include_bytes!("../model/tokenizer.json");

/// Words remembered by a [`TokenCounter`]: about 30 MB, several times the vocabulary of a large site.
const REMEMBERED_WORDS: usize = 500_000;

/// Longest word that is remembered, in bytes; longer ones are rarely seen twice.
const REMEMBERED_LEN: usize = 64;

/// The tokenizer of the built-in model.
#[derive(Clone)]
pub(crate) struct WordPieces(Arc<Tokenizer>);

impl WordPieces {
    pub(crate) fn new() -> Result<Self, BadModel> {
        let mut tokenizer = Tokenizer::from_bytes(DESCRIPTION).map_err(|_| BadModel::Tokenizer)?;
        // The description pads and cuts for batches of its own.
        tokenizer
            .with_padding(None)
            .with_truncation(None)
            .map_err(|_| BadModel::Tokenizer)?;
        Ok(Self(Arc::new(tokenizer)))
    }

    /// The ids of a text with the special tokens around them, at most `max` in all.
    pub(crate) fn ids(&self, text: &str, max: usize) -> Vec<u32> {
        let encoding = self
            .0
            .encode_fast(text, true)
            .expect("any text can be encoded: unknown words have an id");
        let ids = encoding.get_ids();
        match ids.split_last() {
            Some((&end, rest)) if ids.len() > max => rest
                .iter()
                .take(max.saturating_sub(1))
                .copied()
                .chain([end])
                .collect(),
            _ => ids.to_vec(),
        }
    }

    /// Number of word pieces that there are.
    pub(crate) fn vocabulary_len(&self) -> usize {
        self.0.get_vocab_size(false)
    }

    /// The number of word pieces, without the special tokens around them.
    fn count(&self, text: &str) -> usize {
        self.0
            .encode_fast(text, false)
            .map_or(0, |encoding| encoding.len())
    }
}

/// The word pieces of the built-in tokenizer, by id: the frequent words of general language and
/// the pieces of others (those begin with `##`).
///
/// # Errors
/// [`BadModel::Tokenizer`] when the program was built with a damaged description.
pub fn general_word_pieces() -> Result<Vec<String>, BadModel> {
    let mut pieces: Vec<(u32, String)> = WordPieces::new()?
        .0
        .get_vocab(false)
        .into_iter()
        .map(|(piece, id)| (id, piece))
        .collect();
    pieces.sort_unstable();
    Ok(pieces.into_iter().map(|(_, piece)| piece).collect())
}

/// Counts the tokens of texts, many times faster than tokenizing them.
///
/// Clones share the tokenizer, not the memory of words; give each thread its own.
pub struct TokenCounter {
    word_pieces: WordPieces,
    words: Mutex<HashMap<Box<str>, u32>>,
}

impl fmt::Debug for TokenCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCounter").finish_non_exhaustive()
    }
}

impl Clone for TokenCounter {
    fn clone(&self) -> Self {
        Self::of(self.word_pieces.clone())
    }
}

impl TokenCounter {
    /// Counts as the built-in model does.
    ///
    /// # Errors
    /// [`BadModel::Tokenizer`] when the program was built with a damaged description.
    pub fn new() -> Result<Self, BadModel> {
        WordPieces::new().map(Self::of)
    }

    pub(crate) fn of(word_pieces: WordPieces) -> Self {
        Self {
            word_pieces,
            words: Mutex::default(),
        }
    }

    /// The number of tokens of `text`, without the two special tokens that the model adds.
    ///
    /// Exact, and not cut at the model's maximum.
    pub fn count_tokens(&self, text: &str) -> usize {
        let words = &mut *self.words.lock().unwrap_or_else(PoisonError::into_inner);
        // Other whitespace is left to the tokenizer, which drops some of it without splitting.
        text.split([' ', '\t', '\n', '\r'])
            .map(|word| self.count_word(words, word))
            .sum()
    }

    fn count_word(&self, words: &mut HashMap<Box<str>, u32>, word: &str) -> usize {
        // `[` may open a special token such as `[SEP]`; control characters vanish inside a word.
        if !word.bytes().all(|b| b.is_ascii_graphic() && b != b'[') {
            return self.remembered(words, word);
        }
        let punctuation = word.bytes().filter(u8::is_ascii_punctuation).count();
        let parts = word.split(|c: char| c.is_ascii_punctuation());
        punctuation
            + parts
                .map(|part| self.remembered(words, part))
                .sum::<usize>()
    }

    fn remembered(&self, words: &mut HashMap<Box<str>, u32>, word: &str) -> usize {
        if word.is_empty() {
            return 0;
        }
        if let Some(&count) = words.get(word) {
            return count as usize;
        }
        let count = self.word_pieces.count(word);
        if word.len() <= REMEMBERED_LEN
            && let Ok(short) = u32::try_from(count)
        {
            if words.len() >= REMEMBERED_WORDS {
                words.clear();
            }
            words.insert(word.into(), short);
        }
        count
    }
}
