//! A query that is a title: its page comes first.

use super::lexical::Lookup;
use super::ranking::Candidate;
use crate::index::DocumentRecord;
use crate::index::Passage;
use crate::text::Analyzer;
use crate::text::QueryTerm;
use crate::text::TokenKind;
use alloc::vec::Vec;

/// Moves the best hit to the front whose title, or the last segment of whose address, has the words of
/// the query in their order and no others; where there is none, one whose words may have been meant by
/// those typed. It then scores like the one that was first.
pub fn titled_first(
    analyzer: &Analyzer,
    lookup: &Lookup<'_>,
    ranked: &mut [Candidate],
    records: &mut [(Passage, DocumentRecord)],
) {
    let places = records.iter().enumerate().flat_map(|(at, (_, document))| {
        [&document.title, last_segment(&document.url)]
            .into_iter()
            .filter_map(|text| lookup.reads(&parts(analyzer, text)))
            .map(move |meaning| (meaning, at))
    });
    let Some((_, at)) = places.min() else {
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

/// The terms that a text consists of: parts of compounds, or its compounds where there is nothing else.
fn parts(analyzer: &Analyzer, text: &str) -> Vec<QueryTerm> {
    let all = analyzer.query_terms(text).terms;
    let is_part = |term: &QueryTerm| term.kind != TokenKind::Whole;
    match all.iter().any(is_part) {
        true => all.into_iter().filter(is_part).collect(),
        false => all,
    }
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
    use super::super::lexical::Meaning;
    use super::Lookup;
    use super::last_segment;
    use super::parts;
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
    fn title_is_read_in_the_words_of_a_query_and_in_what_they_may_become() {
        let analyzer = Analyzer::new(Language::English);
        let reads = |query: &str, title: &str| {
            let terms = analyzer.query_terms(query);
            let lookup = Lookup::new(&analyzer, &terms, true, false, None);
            lookup.reads(&parts(&analyzer, title))
        };
        for (query, title) in [
            ("vector class", "The vector classes"),
            ("vector class", "vector-class"),
            ("push back", "push_back"),
        ] {
            let meaning = reads(query, title);
            assert_eq!(meaning, Some(Meaning::Likeliest), "{query} {title}");
        }
        for (query, title) in [
            ("vector class", "class vector"),
            ("vector class", "vector class members"),
            ("vector", ""),
            ("vect class", "vector class"),
        ] {
            assert_eq!(reads(query, title), None, "{query} {title}");
        }
        // Only what stands last may be unfinished, unless something stands behind it.
        let open = reads("vector cla", "vector class");
        assert_eq!(open, Some(Meaning::Possible));
        assert_eq!(reads("vector cla ", "vector class"), None);
    }
}
