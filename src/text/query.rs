//! The terms of a query.

use super::Analyzer;
use super::Language;
use super::StopWords;
use super::Token;
use super::TokenKind;
use super::characters;
use super::english;
use super::fold_word;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// One distinct term of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryTerm {
    /// The term as the index has it.
    pub term: String,
    /// The terms that the word would be in other languages of the index, where they differ.
    pub forms: Vec<String>,
    /// How often the query has it.
    pub count: u32,
    /// Where the query has it first, in bytes.
    pub span: Range<usize>,
    /// Position of its first occurrence, counted as in the analyzer's tokens.
    pub position: u32,
    /// Word, whole or part.
    pub kind: TokenKind,
    /// The word before spelling and stemming, to compare with when the term is not in the index; empty
    /// for a compound with joints (`std::vector`, `pre-built`), of which the segments are compared.
    pub folded: String,
}

/// The terms of a query, and what its last word may become while it is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryTerms {
    /// Distinct terms by first occurrence.
    pub terms: Vec<QueryTerm>,
    /// Beginnings that terms for the last word may have, the likelier first; empty when the query
    /// ends in a separator, that is, when its last word is finished.
    pub prefixes: Vec<String>,
    /// The term that [`QueryTerms::prefixes`] would complete, as an index into
    /// [`QueryTerms::terms`]; absent when the word is a stop word so far (`th`, `the`).
    pub last: Option<usize>,
}

impl QueryTerms {
    pub(super) fn new(analyzer: &Analyzer, query: &str) -> Self {
        let mut terms = collect(analyzer, query, StopWords::Drop);
        if terms.is_empty() {
            terms = collect(analyzer, query, StopWords::Keep);
        }
        let mut last_token: Option<Range<usize>> = None;
        analyzer.analyze(query, StopWords::Keep, &mut |token| {
            // The shortest token at the end: the last part of a compound, the last n-gram of a run.
            if token.span.end == query.len() {
                last_token = Some(token.span);
            }
        });
        let last = last_token.as_ref().and_then(|span| {
            terms
                .iter()
                .position(|term| term.span == *span && term.kind != TokenKind::Whole)
        });
        let prefixes = last_token.map_or_else(Vec::new, |span| {
            let english = analyzer
                .languages()
                .iter()
                .any(|language| matches!(language, Language::English));
            prefixes_of(query.get(span).unwrap_or_default(), english)
        });
        Self {
            terms,
            prefixes,
            last,
        }
    }
}

/// Beginnings of terms that complete `word`: as it is, and as it would be spelt in English.
fn prefixes_of(word: &str, english: bool) -> Vec<String> {
    let mut folded = String::new();
    fold_word(word, &mut folded);
    if folded.is_empty() {
        return Vec::new();
    }
    let american = match english {
        true => english::americanize_prefix(&folded),
        false => None,
    };
    core::iter::once(folded).chain(american).collect()
}

fn collect(analyzer: &Analyzer, query: &str, stop_words: StopWords) -> Vec<QueryTerm> {
    let mut terms: Vec<QueryTerm> = Vec::new();
    // The word at hand, and its place among the terms.
    let mut word: Option<(Range<usize>, TokenKind, usize)> = None;
    analyzer.analyze(query, stop_words, &mut |token: Token<'_>| {
        if let Some((span, kind, at)) = &word
            && (span, *kind) == (&token.span, token.kind)
        {
            // The same word in another language.
            let forms = terms.get_mut(*at).map(|term| &mut term.forms);
            if let Some(forms) = forms.filter(|forms| forms.iter().all(|form| form != token.term)) {
                forms.push(String::from(token.term));
            }
            return;
        }
        let known = terms.iter().position(|known| known.term == token.term);
        let at = known.unwrap_or(terms.len());
        word = Some((token.span.clone(), token.kind, at));
        if let Some(known) = known.and_then(|at| terms.get_mut(at)) {
            known.count += 1;
            return;
        }
        let raw = query.get(token.span.clone()).unwrap_or_default();
        let is_joined = token.kind == TokenKind::Whole
            && !raw.chars().all(|c| c == '_' || characters::is_word(c));
        terms.push(QueryTerm {
            term: String::from(token.term),
            forms: Vec::new(),
            count: 1,
            span: token.span,
            position: token.position,
            kind: token.kind,
            folded: String::from(if is_joined { "" } else { token.surface }),
        });
    });
    terms
}

#[cfg(test)]
mod tests {
    use crate::text::Analyzer;
    use crate::text::Language;
    use alloc::vec;
    use alloc::vec::Vec;

    fn terms(query: &str) -> Vec<alloc::string::String> {
        let terms = Analyzer::new(Language::English).query_terms(query).terms;
        terms.into_iter().map(|term| term.term).collect()
    }

    #[test]
    fn stop_words_stay_only_where_nothing_else_is() {
        assert_eq!(terms("how do I convert a string"), ["convert", "string"]);
        assert_eq!(terms("to be or not to be"), ["to", "be", "or", "not"]);
    }

    #[test]
    fn repeated_terms_are_counted() {
        let query = Analyzer::new(Language::English).query_terms("code codes coding");
        assert_eq!((query.terms.len(), query.terms[0].count), (1, 3));
    }

    #[test]
    fn last_word_is_open_until_a_separator_follows() {
        let analyzer = Analyzer::new(Language::English);
        let open = analyzer.query_terms("smart point");
        assert_eq!((open.prefixes, open.last), (vec!["point".into()], Some(1)));
        let spelt = analyzer.query_terms("optimis");
        assert_eq!(spelt.prefixes, ["optimis", "optimiz"]);
        let stop = analyzer.query_terms("pointer th");
        assert_eq!((stop.prefixes, stop.last), (vec!["th".into()], Some(1)));
        let stop = analyzer.query_terms("pointer the");
        assert_eq!((stop.prefixes, stop.last), (vec!["the".into()], None));
        let closed = analyzer.query_terms("smart pointer ");
        assert_eq!((closed.prefixes, closed.last), (vec![], None));
    }

    #[test]
    fn words_have_a_form_for_every_language_that_stems_them_differently() {
        let cut = crate::text::Action {
            cut: 1,
            append: "".into(),
        };
        let german = Language::Learned(crate::text::Learned {
            code: "de".into(),
            stop_words: vec!["die".into()],
            rules: crate::text::SuffixRules::new(vec![cut], vec![(vec!['n'], 0)]),
            ..Default::default()
        });
        let analyzer = Analyzer::of(vec![Language::English, german]);
        let query = analyzer.query_terms("die the strassen streets strassen");
        let terms: Vec<_> = query
            .terms
            .iter()
            .map(|term| (term.term.as_str(), &*term.forms, term.count))
            .collect();
        assert_eq!(
            terms,
            [
                ("strassen", &["strasse".into()][..], 2),
                ("street", &["streets".into()][..], 1)
            ]
        );
    }
}
