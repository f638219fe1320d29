//! Questions for an index that nobody judged: its own headings.

use super::judged::Question;
use coracle::search::Engine;
use coracle::search::SearchError;
use coracle::store::Source;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Questions at most: the standard error of a share of 0.9 is then 0.013.
const MAX_QUESTIONS: usize = 500;

/// Chunks whose headings are read at most.
const MAX_CHUNKS: u32 = 50_000;

/// The headings, and titles where there are none, that stand in one document alone; that document is
/// the relevant one. At most 500, evenly taken in the order of the index.
///
/// # Errors
/// [`SearchError`] when the index cannot be read.
pub async fn questions<S: Source>(engine: &Engine<S>) -> Result<Vec<Question>, SearchError> {
    let chunks = engine.root().counts.chunks;
    let step = chunks.div_ceil(MAX_CHUNKS).max(1);
    let mut found: Vec<(String, String)> = Vec::new();
    // The place of a heading's first document in the list; none if it stands in several.
    let mut places: HashMap<String, Option<usize>> = HashMap::new();
    for chunk in (0..chunks).step_by(step as usize) {
        let (passage, document) = engine.passage(chunk).await?;
        let heading = passage.headings.last().unwrap_or(&document.title).trim();
        if !heading.chars().any(char::is_alphabetic) {
            continue;
        }
        match places.entry(heading.to_lowercase()) {
            Entry::Vacant(entry) => {
                entry.insert(Some(found.len()));
                found.push((heading.to_owned(), document.id));
            }
            Entry::Occupied(mut entry) => {
                let first = entry.get().and_then(|at| found.get(at));
                if first.is_some_and(|(_, id)| *id != document.id) {
                    entry.insert(None);
                }
            }
        }
    }
    let alone: Vec<(String, String)> = found
        .into_iter()
        .filter(|(heading, _)| matches!(places.get(&heading.to_lowercase()), Some(Some(_))))
        .collect();
    let step = alone.len().div_ceil(MAX_QUESTIONS).max(1);
    let question = |(at, (text, document)): (usize, (String, String))| Question {
        id: at.to_string(),
        text,
        embedding: None,
        grades: HashMap::from([(document, 1.0)]),
    };
    Ok(alone
        .into_iter()
        .enumerate()
        .step_by(step)
        .map(question)
        .collect())
}
