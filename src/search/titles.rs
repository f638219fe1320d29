//! A query that is a title: its page comes first.

use super::lexical::Lookup;
use super::ranking::Candidate;
use crate::index::DocumentRecord;
use crate::index::Passage;
use crate::text::Analyzer;
use crate::text::QueryTerm;
use crate::text::TokenKind;
use alloc::vec::Vec;

/// Moves the best hit to the front whose title, or the last segment of whose address, has the terms of
/// the query in their order and no others. It then scores like the one that was first.
pub fn titled_first(
    analyzer: &Analyzer,
    lookup: &Lookup<'_>,
    ranked: &mut [Candidate],
    records: &mut [(Passage, DocumentRecord)],
) {
    let terms = lookup.terms();
    let is_meant = |(_, document): &(Passage, DocumentRecord)| {
        is_of(analyzer, &document.title, &terms)
            || is_of(analyzer, last_segment(&document.url), &terms)
    };
    let Some(at) = records.iter().position(is_meant) else {
        return;
    };
    if let (Some(candidates), Some(records)) = (ranked.get_mut(..=at), records.get_mut(..=at)) {
        candidates.rotate_right(1);
        records.rotate_right(1);
        if let [first, second, ..] = candidates {
            first.score = second.score;
        }
    }
}

/// Whether `text` consists of these terms.
fn is_of(analyzer: &Analyzer, text: &str, terms: &[&str]) -> bool {
    let found = analyzer.query_terms(text).terms;
    let is_part = |term: &&QueryTerm| term.kind != TokenKind::Whole;
    let parts: Vec<&QueryTerm> = found.iter().filter(is_part).collect();
    let all = match parts.is_empty() {
        true => found.iter().collect(),
        false => parts,
    };
    all.iter()
        .map(|term| term.term.as_str())
        .eq(terms.iter().copied())
}

/// What an address ends with, without a file's ending, query and fragment.
fn last_segment(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.strip_suffix("index.html").unwrap_or(path);
    let path = path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::is_of;
    use super::last_segment;
    use crate::text::Analyzer;
    use crate::text::Language;

    #[test]
    fn last_segment_is_what_names_a_page() {
        for (url, name) in [
            ("/docs/vector-class/", "vector-class"),
            ("/docs/vector-class/index.html?x=/y#z", "vector-class"),
            ("/docs/install.html", "install"),
            ("vector", "vector"),
            ("/", ""),
            ("", ""),
        ] {
            assert_eq!(last_segment(url), name, "{url}");
        }
    }

    #[test]
    fn title_has_the_terms_of_the_query_in_their_order_and_no_others() {
        let analyzer = Analyzer::new(Language::English);
        let is = |text, terms: &[&str]| is_of(&analyzer, text, terms);
        assert!(is("The vector classes", &["vector", "class"]));
        assert!(is("vector-class", &["vector", "class"]));
        assert!(is("push_back", &["push", "back"]));
        assert!(!is("class vector", &["vector", "class"]));
        assert!(!is("vector class members", &["vector", "class"]));
        assert!(!is("", &["vector"]));
    }
}
