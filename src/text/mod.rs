//! Text: cut into terms, at build and at query time alike, and into excerpts.
//!
//! ```text
//! "std::vector::pushBack"  ──scan──▶  compound ──split──▶ whole  std::vector::pushback
//!                                                         part   std
//!                                                         part   vector
//!                                                         whole  pushback
//!                                                         part   push
//!                                                         part   back
//! "optimising the codes"   ──scan──▶  words ──fold, spell, stem──▶  optim · (the) · code
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `scanner.rs` | finds words and compounds in text, names their terms |
//! | `identifiers.rs` | where a name comes apart |
//! | `characters.rs` | which characters belong to words, folding |
//! | `english.rs` | stop words, British spelling |
//! | `stemmer.rs` | Snowball English |
//! | `language.rs` | languages: English, and those whose rules an index brings along |
//! | `query.rs` | the terms of a query, and its unfinished last word |
//! | `excerpt.rs` | the best window of a text, with highlights |
//!
//! Names in code are indexed whole and in parts: on questions about code that is worth more than
//! any other choice here (nDCG@10 0.73 against 0.587 with plain words; `tests/native/relevance_words.rs`).
//! The whole form drops case and joints, so that `run_target`, `runTarget` and `run-target` meet.
//!
//! Every term begins with a byte from `-` (0x2D) on. Dictionary keys that begin with a smaller byte
//! are free for other uses.

mod characters;
mod english;
mod excerpt;
mod identifiers;
mod language;
mod query;
mod scanner;
mod stemmer;

pub use characters::is_invisible;
pub use excerpt::Excerpt;
pub use language::Action;
pub use language::Apostrophe;
pub use language::Language;
pub use language::Learned;
pub use language::MAX_ACTIONS;
pub use language::MAX_LANGUAGES;
pub use language::MAX_RULES;
pub use language::MAX_STOP_WORDS;
pub use language::SuffixRules;
pub use language::WORD_START;
pub use query::QueryTerm;
pub use query::QueryTerms;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// Terms longer than this many bytes are not indexed whole; plain words are cut to it.
pub const MAX_TERM_BYTES: usize = 64;

/// The smallest byte a term can begin with.
pub const FIRST_TERM_BYTE: u8 = b'-';

/// Identifies the rules by which terms were made: version in the upper half; in the lower 1 for
/// English alone, 0 for [languages](Language::read_all) that the index brings along.
///
/// An index stores it; terms made by other rules cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnalyzerId(pub u32);

/// Version of the rules in this module. Whatever changes a term or a position changes this.
const RULES_VERSION: u32 = 1;

/// An index was built with an analyzer that this program does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownAnalyzer {
    /// The analyzer that the index names.
    pub found: AnalyzerId,
    /// The newest analyzer here.
    pub newest: AnalyzerId,
}

impl fmt::Display for UnknownAnalyzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, newest } = self;
        write!(
            f,
            "the index was built with analyzer {:#x}, this program has {:#x}; rebuild the index or \
             use the program's version that built it",
            found.0, newest.0
        )
    }
}

impl core::error::Error for UnknownAnalyzer {}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A plain word, stemmed, or an n-gram of a script without spaces.
    Word,
    /// A compound (`run_target`, `std::vector`, `C++17`, `/O2`) as one term.
    Whole,
    /// One part of a compound, stemmed.
    Part,
}

/// One term found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'a> {
    /// The term as it is indexed.
    pub term: &'a str,
    /// The same folded, before spelling and stemming: [`Analyzer::terms_of`] makes the term of it.
    pub surface: &'a str,
    /// The bytes of the text it was made from.
    pub span: Range<usize>,
    /// Ordinal of the word or part in the text; a whole has the position of its first part. Stop
    /// words count even where they are left out.
    pub position: u32,
    /// Word, whole or part.
    pub kind: TokenKind,
}

/// Whether stop words become tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopWords {
    /// They do: for titles and headings, where a name may consist of them (*this* pointers).
    Keep,
    /// They do not: for running text, where they would take half of the space.
    Drop,
}

/// Cuts text into terms.
///
/// The same text gives the same tokens on every target and for ever, as long as [`Analyzer::id`] and
/// the languages are the same.
///
/// Where there are several languages, a word gives one token for each stem that it has in one of them,
/// all with the same span and position. So queries are cut, whose language nobody knows; a document is
/// cut by an analyzer of its language alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analyzer {
    languages: Vec<Language>,
}

impl Analyzer {
    /// The newest analyzer for `language`.
    pub fn new(language: Language) -> Self {
        Self::of(alloc::vec![language])
    }

    /// The newest analyzer for several languages; English if there are none.
    pub fn of(mut languages: Vec<Language>) -> Self {
        if languages.is_empty() {
            languages.push(Language::English);
        }
        Self { languages }
    }

    /// The analyzer with which an index was built that brings these languages along.
    ///
    /// # Errors
    /// [`UnknownAnalyzer`] when this program has no such rules, or the languages are not those that
    /// the id speaks of.
    pub fn from_parts(id: AnalyzerId, languages: Vec<Language>) -> Result<Self, UnknownAnalyzer> {
        let analyzer = Self::of(languages);
        if analyzer.id() == id {
            Ok(analyzer)
        } else {
            Err(UnknownAnalyzer {
                found: id,
                newest: analyzer.id(),
            })
        }
    }

    /// What an index stores about its analyzer.
    pub fn id(&self) -> AnalyzerId {
        AnalyzerId(RULES_VERSION << 16 | u32::from(self.is_english()))
    }

    /// Whether there is no language but English.
    pub fn is_english(&self) -> bool {
        matches!(*self.languages, [Language::English])
    }

    /// The languages.
    pub fn languages(&self) -> &[Language] {
        &self.languages
    }

    /// Calls `sink` with every token of `text`, by position, a whole before its parts.
    ///
    /// # Cost: one pass; a few small buffers are allocated per call.
    pub fn analyze(&self, text: &str, stop_words: StopWords, sink: &mut dyn FnMut(Token<'_>)) {
        scanner::Scanner::new(text, &self.languages, stop_words, sink).run();
    }

    /// The terms that a token with this surface may have: one, unless languages differ.
    pub fn terms_of(&self, surface: &str) -> Vec<String> {
        scanner::terms_of(&self.languages, surface)
    }

    /// The terms of a query.
    ///
    /// Stop words, of whichever language, are left out unless the query consists of nothing else.
    pub fn query_terms(&self, query: &str) -> QueryTerms {
        QueryTerms::new(self, query)
    }

    /// The best excerpt of `text` for `terms` in at most about `max_chars` characters.
    ///
    /// See [`Excerpt`].
    pub fn excerpt(&self, text: &str, terms: &[(&str, f32)], max_chars: usize) -> Excerpt {
        Excerpt::new(self, text, terms, max_chars)
    }
}

/// A word as it is compared: small, without diacritics and apostrophes.
pub fn folded(word: &str) -> String {
    let mut out = String::new();
    fold_word(word, &mut out);
    out
}

/// Folds `raw` into `out`, without its apostrophes and possessive `'s`.
fn fold_word(raw: &str, out: &mut String) {
    out.clear();
    let mut word = raw;
    if let Some((before, ending)) = raw
        .char_indices()
        .rev()
        .nth(1)
        .and_then(|(at, _)| raw.split_at_checked(at))
    {
        let mut ending = ending.chars();
        if ending.next().is_some_and(characters::is_apostrophe)
            && matches!(ending.next(), Some('s' | 'S'))
        {
            word = before;
        }
    }
    for c in word.chars().filter(|&c| !characters::is_apostrophe(c)) {
        characters::fold(c, out);
    }
}
