//! A larger corpus out of the one there is.
//!
//! Passage `i` of the enlargement comes from passage `i % n` of the `n` there are:
//! - its vector is that one's with noise, as in the race's growing sets (`benches/race/src/perturb.rs`);
//! - of its sentences each is replaced, with a probability of one half, by a sentence of a passage
//!   drawn at random;
//! - of its rare words, those that two passages hold at most, one half is spelt anew, each copy in
//!   its own way, so that the vocabulary grows as those of larger corpora do (Heaps' law) and not
//!   only the posting lists.
//!
//! Everything depends on the passage's number only.

use crate::data::Corpus;
use crate::data::DIM;
use crate::perturb::perturb;
use rayon::iter::IndexedParallelIterator;
use rayon::iter::IntoParallelIterator;
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSliceMut;
use std::collections::HashMap;

/// Passages that hold a rare word at most.
const RARE: u32 = 2;

/// Enlarges `corpus` to `count` passages; those it has come first.
pub fn enlarge(mut corpus: Corpus, count: usize) -> Corpus {
    let there = corpus.texts.len();
    let frequencies = frequencies(&corpus.texts);
    let texts = &corpus.texts;
    let made = (there..count).into_par_iter().map(|at| {
        let mut random = fastrand::Rng::with_seed(at as u64);
        let sentences = sentences(&texts[at % there]).map(|sentence| match random.bool() {
            true => sentence,
            false => {
                let other: Vec<&str> = sentences(&texts[random.usize(..there)]).collect();
                other[random.usize(..other.len())]
            }
        });
        let mixed: Vec<&str> = sentences.collect();
        respelt(&mixed.join(" "), &frequencies, at / there, &mut random)
    });
    let made: Vec<String> = made.collect();
    corpus.texts.extend(made);
    let titles: Vec<String> = (there..count)
        .map(|at| corpus.titles[at % there].clone())
        .collect();
    corpus.titles.extend(titles);
    corpus.rows.resize(count * DIM, 0.0);
    let (base, grown) = corpus.rows.split_at_mut(there * DIM);
    let grown = grown.par_chunks_exact_mut(DIM).enumerate();
    grown.for_each(|(at, row)| {
        let mut random = fastrand::Rng::with_seed(at as u64);
        perturb(&base[at % there * DIM..][..DIM], row, &mut random);
    });
    corpus
}

/// Sentences, roughly: what ends in a full stop and a space; at least one.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(". ").map(str::trim_end)
}

/// Runs of letters and digits.
fn is_word(c: char) -> bool {
    c.is_alphanumeric()
}

/// Passages that hold each word.
fn frequencies(texts: &[String]) -> HashMap<&str, u32> {
    let mut frequencies = HashMap::new();
    for text in texts {
        let mut words: Vec<&str> = text.split(|c| !is_word(c)).collect();
        words.sort_unstable();
        words.dedup();
        for word in words {
            *frequencies.entry(word).or_insert(0) += 1;
        }
    }
    frequencies
}

/// The text with half of its rare words spelt in the way of copy number `copy`: letters shuffled,
/// digits as they are.
fn respelt(
    text: &str,
    frequencies: &HashMap<&str, u32>,
    copy: usize,
    random: &mut fastrand::Rng,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let is_rare = word.len() > 3 && frequencies.get(word).is_some_and(|&df| df <= RARE);
        if is_rare && random.bool() {
            let mut letters: Vec<char> = word.chars().collect();
            // Equal words of a copy stay equal.
            let seed = word.bytes().fold(copy as u64, |seed, byte| {
                seed.wrapping_mul(31).wrapping_add(byte.into())
            });
            fastrand::Rng::with_seed(seed).shuffle(&mut letters);
            out.extend(letters);
        } else {
            out.push_str(word);
        }
        let next = after.find(is_word).unwrap_or(after.len());
        let (between, word) = after.split_at(next);
        out.push_str(between);
        rest = word;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enlarged_corpus_keeps_what_there_is_and_makes_new_rare_words() {
        let text = |at: usize| format!("The common word {at:05}abcdefgh. Another common sentence.");
        let corpus = || Corpus {
            titles: (0..8).map(|at| at.to_string()).collect(),
            texts: (0..8).map(text).collect(),
            rows: (0..8 * DIM).map(|at| (at % 7) as f32 - 3.0).collect(),
        };
        let grown = enlarge(corpus(), 40);
        assert_eq!(grown.texts.len(), 40);
        assert_eq!(grown.rows.len(), 40 * DIM);
        assert_eq!(grown.texts[..8], corpus().texts);
        assert_eq!(grown.rows[..8 * DIM], corpus().rows);
        assert!(grown.texts.iter().all(|text| text.contains("common")));
        let words = |corpus: &Corpus| frequencies(&corpus.texts).len();
        assert!(words(&grown) > words(&corpus()));
        assert_eq!(grown.texts, enlarge(corpus(), 40).texts);
    }
}
