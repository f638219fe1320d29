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

/// The languages of documents, the most frequent first, and which of these each document is in.
#[must_use]
pub fn languages(documents: &[Document]) -> (Vec<String>, Vec<u8>) {
    let found: Vec<(Option<&'static str>, bool)> = documents.par_iter().map(language).collect();
    // By code: documents, and whether one of them names it.
    let mut counts: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    for &(code, is_named) in &found {
        if let Some(code) = code {
            let count = counts.entry(code).or_default();
            count.0 += 1;
            count.1 |= is_named;
        }
    }
    let mut codes: Vec<(&str, usize)> = counts
        .iter()
        .filter(|(_, (count, is_named))| *is_named || count * SHARE >= documents.len())
        .map(|(&code, &(count, _))| (code, count))
        .collect();
    codes.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    codes.truncate(MAX_LANGUAGES);
    if codes.is_empty() {
        codes.push(("en", 0));
    }
    let place = |&(code, _): &(Option<&str>, bool)| {
        let at = codes.iter().position(|known| Some(known.0) == code);
        at.unwrap_or(0) as u8
    };
    let of_documents = found.iter().map(place).collect();
    let codes = codes.iter().map(|(code, _)| (*code).to_owned()).collect();
    (codes, of_documents)
}

/// The language of a document, and whether the document names it.
fn language(document: &Document) -> (Option<&'static str>, bool) {
    if let Some(code) = lexicon::code_of(&document.language) {
        return (Some(code), true);
    }
    let mut text = String::new();
    for chunk in &document.chunks {
        text.push_str(&chunk.text);
        text.push(' ');
        if text.len() >= LOOK_BYTES {
            break;
        }
    }
    if text.len() < LEAST_BYTES {
        return (None, false);
    }
    let found = whatlang::detect(&text).filter(whatlang::Info::is_reliable);
    (
        found.and_then(|found| lexicon::code_of(found.lang().code())),
        false,
    )
}
