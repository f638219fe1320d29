//! An answer of the references' own sentences, without a model.

use super::Reference;
use super::sentences::sentences;
use crate::text::Analyzer;
use crate::text::StopWords;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

/// References that sentences are taken from.
const REFERENCES: usize = 4;

/// Sentences of an answer.
const SENTENCES: usize = 3;

/// Longest sentence, in characters; what has no stops for so long is a table or a listing.
const SENTENCE_CHARS: usize = 400;

/// Share of the best sentence's score that others must have.
const NEAR_BEST: f32 = 0.6;

/// Share of the question's words, by weight, that the references must have.
const COVERED: f32 = 0.4;

/// The sentences that come nearest to the question, each with its reference, in the order of the
/// references; none where these hold too little of what is asked.
pub fn extract<'r>(
    analyzer: &Analyzer,
    question: &str,
    references: &'r [Reference],
) -> Vec<(&'r str, u32)> {
    let terms = question_terms(analyzer, question);
    let candidates: Vec<Candidate<'r>> = references
        .iter()
        .take(REFERENCES)
        .flat_map(|reference| candidates(analyzer, reference, &terms))
        .collect();
    // A word that few of the sentences have tells more (inverse document frequency).
    let weight = |term: usize| {
        let having = candidates
            .iter()
            .filter(|one| one.terms.contains(&term))
            .count();
        libm::logf(1.0 + candidates.len() as f32 / (1.0 + having as f32))
    };
    let weights: Vec<f32> = (0..terms.len()).map(weight).collect();
    let of = |terms: &BTreeSet<usize>| -> f32 { terms.iter().map(|&term| weights[term]).sum() };
    let known: BTreeSet<usize> = candidates
        .iter()
        .flat_map(|one| one.terms.iter().chain(&one.above))
        .copied()
        .collect();
    if known.is_empty() || of(&known) < COVERED * weights.iter().sum::<f32>() {
        return Vec::new();
    }
    let mut ranked: Vec<(f32, usize)> = candidates
        .iter()
        .enumerate()
        .filter(|(_, one)| !one.terms.is_empty() || !one.above.is_empty())
        // The search ranked the references; words of a heading speak for the sentences below it.
        .map(|(at, one)| {
            (
                of(&one.terms) + 0.3 * of(&one.above) - 0.2 * one.rank as f32,
                at,
            )
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let least = ranked.first().map_or(0.0, |(best, _)| best * NEAR_BEST);
    let mut chosen: Vec<usize> = ranked
        .into_iter()
        .take_while(|(score, _)| *score >= least)
        .take(SENTENCES)
        .map(|(_, at)| at)
        .collect();
    chosen.sort_unstable();
    chosen
        .into_iter()
        .map(|at| (candidates[at].sentence, candidates[at].number))
        .collect()
}

/// The terms of a question, each with its forms in other languages.
fn question_terms(analyzer: &Analyzer, question: &str) -> Vec<Vec<String>> {
    let terms = analyzer.query_terms(question).terms.into_iter();
    terms
        .map(|term| {
            let mut forms = term.forms;
            forms.push(term.term);
            forms
        })
        .collect()
}

struct Candidate<'r> {
    sentence: &'r str,
    number: u32,
    rank: usize,
    /// Terms of the question that it has.
    terms: BTreeSet<usize>,
    /// Those of the title and the headings above it.
    above: BTreeSet<usize>,
}

fn candidates<'r>(
    analyzer: &Analyzer,
    reference: &'r Reference,
    terms: &[Vec<String>],
) -> Vec<Candidate<'r>> {
    let held = |text: &str| {
        let mut held = BTreeSet::new();
        analyzer.analyze(text, StopWords::Keep, &mut |token| {
            let is_term = |forms: &Vec<String>| forms.iter().any(|form| form == token.term);
            held.extend(terms.iter().position(is_term));
        });
        held
    };
    let headings = reference.headings.iter().map(String::as_str);
    let above = core::iter::once(&*reference.title).chain(headings);
    let above: BTreeSet<usize> = above.flat_map(held).collect();
    let whole = sentences(&reference.text).filter_map(|range| reference.text.get(range));
    let sentences = whole.filter(|sentence| {
        let words = sentence.split_whitespace().count();
        let chars = sentence.chars().count();
        let letters = sentence
            .chars()
            .filter(|c| c.is_alphabetic() || *c == ' ')
            .count();
        // Headings and cells of tables answer nothing; scripts without spaces have long words. Where
        // much is neither letter nor space, it is code.
        (words >= 4 || chars >= 40) && chars <= SENTENCE_CHARS && letters * 5 >= chars * 4
    });
    sentences
        .map(|sentence| Candidate {
            sentence,
            number: reference.number,
            rank: reference.number as usize - 1,
            terms: held(sentence),
            above: above.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::extract;
    use crate::answer::Reference;
    use crate::text::Analyzer;
    use crate::text::Language;

    #[test]
    fn the_nearest_sentences_answer_and_foreign_questions_do_not() {
        let references = [
            Reference::example(
                1,
                "",
                "Compiler options",
                "Options stand in a list. The option /O2 makes code fast, and it sets others too. Read on.",
            ),
            Reference::example(
                2,
                "",
                "Linker",
                "The linker joins object files into a program.",
            ),
        ];
        let analyzer = Analyzer::new(Language::English);
        let found = extract(&analyzer, "which option makes code fast?", &references);
        assert_eq!(
            found[0],
            ("The option /O2 makes code fast, and it sets others too.", 1)
        );
        let foreign = extract(&analyzer, "capital of France", &references);
        assert!(foreign.is_empty(), "{foreign:?}");
        assert!(extract(&analyzer, "", &references).is_empty());
    }
}
