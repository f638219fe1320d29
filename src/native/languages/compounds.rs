//! Words that consist of others (*Verfassungsgericht*), and of which.
//!
//! P. Koehn and K. Knight, *Empirical methods for compound splitting*, 2003: of all ways to cut a word
//! into words of the corpus, the one whose parts have the highest geometric mean of frequencies.
//! There the word as it is competes too, since a translation needs one or the other; here parts are
//! indexed beside it.

use std::collections::HashMap;

use coracle::text::Language;
use coracle::text::Learned;
use coracle::text::folded;

use crate::languages::Vocabulary;
use crate::languages::lexicon;

/// Shorter parts, in characters, are endings and prefixes more often than words.
const SHORTEST_PART: usize = 4;

/// Longer words, in characters, are not cut: the time grows with the square.
const LONGEST_WORD: usize = 40;

/// A part must occur so often as a word.
const LEAST_COUNT: u32 = 2;

/// What may join two parts, beside nothing.
const JOINTS: [&str; 5] = ["s", "n", "en", "es", "er"];

/// Terms of compounds with the terms of their parts.
#[derive(Debug, Default)]
pub struct Compounds {
    parts: HashMap<String, Vec<String>>,
}

impl Compounds {
    /// Finds the compounds in a vocabulary whose parts are in it as well.
    #[must_use]
    pub fn learn(vocabulary: &Vocabulary, language: &Learned) -> Self {
        let language = Language::Learned(language.clone());
        let stem = |word: &str| {
            let mut stem = word.to_owned();
            language.stem(&mut stem);
            stem
        };
        // How often each term occurs; its words decide whether it can be a part.
        let mut counts: HashMap<String, u32> = HashMap::new();
        for (word, count) in vocabulary {
            let word = folded(word);
            let stop = language.is_stop_word(&word);
            if !stop && word.chars().count() >= SHORTEST_PART && lexicon::is_alphabetic(&word) {
                *counts.entry(stem(&word)).or_default() += count;
            }
        }
        counts.retain(|_, count| *count >= LEAST_COUNT);
        let mut parts = HashMap::new();
        for word in vocabulary.keys() {
            let word = folded(word);
            let chars: Vec<char> = word.chars().collect();
            if (2 * SHORTEST_PART..=LONGEST_WORD).contains(&chars.len()) {
                let whole = stem(&word);
                if let Some(mut found) = split(&chars, &|part| {
                    let term = stem(part);
                    let count = counts.get(&term).copied();
                    count.map(|count| (term, count))
                }) {
                    found.retain(|part| *part != whole);
                    // Other words of the same stem: the longer split has more to say.
                    let known: &mut Vec<String> = parts.entry(whole).or_default();
                    if (found.len(), &found) > (known.len(), known) {
                        *known = found;
                    }
                }
            }
        }
        parts.retain(|_, parts| !parts.is_empty());
        Self { parts }
    }

    /// Passes on the parts of compounds among these terms.
    pub fn relate(&self, terms: &[&str], add: &mut dyn FnMut(&str)) {
        if self.parts.is_empty() {
            return;
        }
        let known = terms.iter().filter_map(|term| self.parts.get(*term));
        known.flatten().for_each(|part| add(part));
    }

    /// How many compounds are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether none are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// The best way to cut a word into two parts or more, as the terms of these.
fn split(word: &[char], part: &dyn Fn(&str) -> Option<(String, u32)>) -> Option<Vec<String>> {
    // For each end the ways to get there by number of parts: sum of logarithms, terms.
    type Way = (f64, Vec<String>);
    let mut ways: Vec<Vec<Option<Way>>> =
        vec![vec![None; word.len() / SHORTEST_PART + 1]; word.len() + 1];
    ways[0][0] = Some((0.0, Vec::new()));
    for end in SHORTEST_PART..=word.len() {
        for start in 0..=end - SHORTEST_PART {
            if ways[start].iter().all(Option::is_none) || (start == 0 && end == word.len()) {
                continue;
            }
            let text: String = word[start..end].iter().collect();
            let joints = JOINTS.iter().filter(|_| end < word.len());
            let bare = joints.filter_map(|joint| text.strip_suffix(joint));
            let bare = bare.filter(|bare| bare.chars().count() >= SHORTEST_PART);
            let found = core::iter::once(text.as_str())
                .chain(bare)
                .filter_map(part)
                .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
            let Some((term, count)) = found else { continue };
            for parts in 0..ways[start].len().saturating_sub(1) {
                let Some((sum, terms)) = &ways[start][parts] else {
                    continue;
                };
                let sum = sum + f64::from(count).ln();
                let better = match &ways[end][parts + 1] {
                    None => true,
                    Some((best, _)) => sum > *best,
                };
                if better {
                    let terms = terms.iter().cloned().chain([term.clone()]).collect();
                    ways[end][parts + 1] = Some((sum, terms));
                }
            }
        }
    }
    let mut best: Option<Way> = None;
    for (parts, way) in ways[word.len()].iter().enumerate().skip(2) {
        let Some((sum, terms)) = way else { continue };
        let mean = sum / parts as f64;
        if best.as_ref().is_none_or(|best| mean > best.0) {
            best = Some((mean, terms.clone()));
        }
    }
    best.map(|(_, terms)| terms)
}
