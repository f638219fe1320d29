//! The language of each document: what the input says, else what its text looks like.

use std::collections::BTreeMap;

use coracle::document::Document;
use coracle::text::MAX_LANGUAGES;
use rayon::iter::IntoParallelRefIterator;
use rayon::iter::ParallelIterator;

use crate::languages::lexicon;

/// Bytes of a document's text that detection looks at.
const LOOK_BYTES: usize = 4_096;

/// Shorter texts are taken to be in the language of the others.
const LEAST_BYTES: usize = 200;

/// A language that no document names needs one in so many of all documents: fewer are mistakes of
/// detection more often than not.
const SHARE: usize = 50;

/// As [`SHARE`], where guesses count too: some languages can hardly be told from their neighbours.
const GUESSED_SHARE: usize = 5;

/// The languages of documents, the most frequent first, and which of these each document is in.
#[must_use]
pub fn languages(documents: &[Document]) -> (Vec<String>, Vec<u8>) {
    let found: Vec<Found> = documents.par_iter().map(language).collect();
    // By code: documents by trust.
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for found in &found {
        if let Some(code) = found.code {
            counts.entry(code).or_default()[found.trust as usize] += 1;
        }
    }
    let is_many = |count: usize, share: usize| count > 0 && count * share >= documents.len();
    let mut codes: Vec<(&str, usize)> = counts
        .iter()
        .filter(|(_, [guessed, recognised, named])| {
            *named > 0
                || is_many(*recognised, SHARE)
                || is_many(recognised + guessed, GUESSED_SHARE)
        })
        .map(|(&code, counts)| (code, counts.iter().sum()))
        .collect();
    codes.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    codes.truncate(MAX_LANGUAGES);
    if codes.is_empty() {
        codes.push(("en", 0));
    }
    let place = |found: &Found| {
        let at = codes.iter().position(|known| Some(known.0) == found.code);
        at.unwrap_or(0) as u8
    };
    let of_documents = found.iter().map(place).collect();
    let codes = codes.iter().map(|(code, _)| (*code).to_owned()).collect();
    (codes, of_documents)
}

/// How well a language is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    /// Others are nearly as likely, or the text is too short to tell.
    Guessed,
    /// The text looks like it.
    Recognised,
    /// The document says so.
    Named,
}

#[derive(Debug, Clone, Copy)]
struct Found {
    code: Option<&'static str>,
    trust: Trust,
}

/// The language of a document.
fn language(document: &Document) -> Found {
    if let Some(code) = lexicon::code_of(&document.language) {
        return Found {
            code: Some(code),
            trust: Trust::Named,
        };
    }
    let mut text = String::new();
    for chunk in &document.chunks {
        text.push_str(&chunk.text);
        text.push(' ');
        if text.len() >= LOOK_BYTES {
            break;
        }
    }
    let found = whatlang::detect(&text).filter(|_| text.len() >= LEAST_BYTES);
    let is_reliable = found.as_ref().is_some_and(whatlang::Info::is_reliable);
    Found {
        code: found.and_then(|found| lexicon::code_of(found.lang().code())),
        trust: match is_reliable {
            true => Trust::Recognised,
            false => Trust::Guessed,
        },
    }
}
