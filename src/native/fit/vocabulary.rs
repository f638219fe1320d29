//! Words of general language that the corpus lacks, and pieces of words.
//!
//! The fit knows a word only by the texts that have it. For other words the embedder itself is
//! asked once at build time: what it makes of the word alone, less what it makes of any word, and
//! as long as a fitted row usually is. The words come from the vocabulary of the built-in model's
//! tokenizer (WordPiece), which lists them by falling frequency; any embedder can embed them.
//!
//! Measured with a third of the rarer query terms taken out of the corpus (nDCG@10 of the queries
//! concerned, table alone / hybrid): Cranfield 0.462 / 0.501 without, 0.509 / 0.524 with, 0.539 /
//! 0.548 had the corpus the words; code questions 0.615 / 0.697, 0.640 / 0.703, 0.661 / 0.730. A
//! linear map from the embedder's vectors to the fitted rows is as good and no better.

use coracle::embed::piece::piece_key;
use coracle::embed::piece::word_key;
use coracle::text::Analyzer;
use coracle::text::StopWords;
use coracle::text::TokenKind;
use std::collections::HashSet;

/// General words taken at most: half of the gain is there with 5,000, all of it with 10,000.
pub const WORDS_MAX: usize = 10_000;

/// Marks a WordPiece that continues a word.
const CONTINUES: &str = "##";

/// What is embedded besides the corpus: (key of the row, text).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    entries: Vec<(String, String)>,
}

impl Vocabulary {
    /// Chooses from `word_pieces`, the tokens of a WordPiece vocabulary in the order of their ids.
    ///
    /// Words: the first [`WORDS_MAX`] that become one term each, less those for whose term `known`
    /// says that the dictionary has it. Pieces: all ASCII letters of two characters or more.
    pub fn new<'a>(
        analyzer: &Analyzer,
        word_pieces: impl IntoIterator<Item = &'a str>,
        known: &dyn Fn(&str) -> bool,
    ) -> Self {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        let mut words = 0;
        for token in word_pieces {
            let letters = token.strip_prefix(CONTINUES).unwrap_or(token);
            if letters.len() < 2 || !letters.bytes().all(|b| b.is_ascii_lowercase()) {
                continue;
            }
            if letters.len() < token.len() {
                entries.push((piece_key(letters), letters.to_owned()));
                continue;
            }
            if words == WORDS_MAX {
                continue;
            }
            let Some(term) = single_term(analyzer, letters) else {
                continue;
            };
            if seen.insert(term.clone()) {
                words += 1;
                if !known(&term) {
                    entries.push((word_key(&term), letters.to_owned()));
                }
            }
        }
        entries.sort_unstable();
        Self { entries }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The texts to embed.
    pub fn texts(&self) -> Vec<&str> {
        self.entries.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The rows by key, ascending: `embeddings` has one vector of `dim` components per text;
    /// `length` is that of a usual row, see [`QueryTable::typical_length`](crate::fit::QueryTable::typical_length).
    ///
    /// # Panics
    /// If there are not as many embeddings as texts.
    pub fn rows(&self, embeddings: &[f32], dim: usize, length: f32) -> Vec<(&str, Vec<f32>)> {
        assert_eq!(
            embeddings.len(),
            self.len() * dim,
            "one embedding per text of the vocabulary"
        );
        let mut mean = vec![0.0f64; dim];
        for vector in embeddings.chunks_exact(dim.max(1)) {
            for (mean, x) in mean.iter_mut().zip(vector) {
                *mean += f64::from(*x) / self.len() as f64;
            }
        }
        let row = |vector: &[f32]| {
            vector
                .iter()
                .zip(&mean)
                .map(|(x, mean)| length * (x - *mean as f32))
                .collect()
        };
        let keys = self.entries.iter().map(|(key, _)| key.as_str());
        keys.zip(embeddings.chunks_exact(dim.max(1)).map(row))
            .collect()
    }
}

/// The term that `word` alone becomes; none for stop words.
fn single_term(analyzer: &Analyzer, word: &str) -> Option<String> {
    let mut terms = Vec::new();
    analyzer.analyze(word, StopWords::Drop, &mut |token| {
        if token.kind == TokenKind::Word {
            terms.push(token.term.to_owned());
        }
    });
    (terms.len() == 1).then(|| terms.swap_remove(0))
}

#[cfg(test)]
mod tests {
    use super::Vocabulary;
    use coracle::text::Analyzer;
    use coracle::text::Language;

    fn vocabulary(tokens: &[&str], known: &[&str]) -> Vocabulary {
        let known = |term: &str| known.contains(&term);
        Vocabulary::new(
            &Analyzer::new(Language::English),
            tokens.iter().copied(),
            &known,
        )
    }

    #[test]
    fn unknown_words_and_pieces_get_keys() {
        let tokens = [
            "[PAD]", "the", "happen", "code", "happened", "##ing", "##5", "é", "x",
        ];
        let vocabulary = vocabulary(&tokens, &["code"]);
        assert_eq!(vocabulary.texts(), ["ing", "happen"]);
        let rows = vocabulary.rows(&[1.0, 3.0, 2.0, 1.0], 2, 10.0);
        assert_eq!(
            rows,
            [("##ing", vec![-5.0, 10.0]), ("#happen", vec![5.0, -10.0])]
        );
    }

    #[test]
    fn empty_vocabulary_has_no_rows() {
        let vocabulary = vocabulary(&[], &[]);
        assert!(vocabulary.is_empty());
        assert_eq!(vocabulary.rows(&[], 4, 1.0), []);
    }
}
