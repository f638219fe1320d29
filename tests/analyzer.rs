//! What holds for the tokens of any text.

#![cfg(not(target_arch = "wasm32"))]

use coracle::text::Analyzer;
use coracle::text::FIRST_TERM_BYTE;
use coracle::text::Language;
use coracle::text::MAX_TERM_BYTES;
use coracle::text::StopWords;
use coracle::text::TokenKind;
use proptest::prelude::prop_assert;
use proptest::prelude::prop_assert_eq;
use proptest::proptest;
use std::collections::BTreeSet;

fn analyzer() -> Analyzer {
    Analyzer::new(Language::English)
}

fn terms(text: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    analyzer().analyze(text, StopWords::Drop, &mut |token| {
        out.insert(token.term.to_owned());
    });
    out
}

#[test]
fn naming_conventions_meet() {
    let expected = terms("convert_string_view");
    assert!(expected.contains("convertstringview"));
    for name in ["convertStringView", "ConvertStringView", "CONVERT_STRING_VIEW", "convert-string-view"] {
        assert_eq!(terms(name), expected, "{name}");
    }
}

#[test]
fn query_for_a_part_or_for_the_whole_finds_the_name() {
    for (text, queries) in [
        ("class DiffExecutor {", &["diff executor", "diffexecutor", "DiffExecutors"][..]),
        ("std::vector<int> v;", &["std::vector", "vectors", "vector std"]),
        ("compile with /O2 or -O2", &["/O2", "-O2", "o2"]),
        ("int32_t and utf-8", &["int32_t", "utf8", "UTF-8", "int 32"]),
        ("C++/CLI, F# and C#", &["c++", "c#", "F#", "cli"]),
        ("obj.push_back(x)", &["obj.push_back", "push_back", "pushBack", "push"]),
    ] {
        let indexed = terms(text);
        for query in queries {
            let wanted = analyzer().query_terms(query).terms;
            assert!(wanted.iter().any(|term| indexed.contains(&term.term)), "{query} in {text}");
        }
    }
    assert!(!terms("plain C").contains("c++") && !terms("C++").contains("c"));
}

#[test]
fn long_runs_are_cut_and_do_not_take_quadratic_time() {
    let long = "ab_".repeat(200_000) + &"x".repeat(1_000_000) + &".y".repeat(200_000);
    analyzer().analyze(&long, StopWords::Drop, &mut |token| assert!(token.term.len() <= MAX_TERM_BYTES));
}

proptest! {
    #[test]
    fn tokens_are_ordered_slices_of_the_text(
        text in "([ -~]|\\PC|[a-zA-Z0-9_:.#+'/-]{1,9}|operator|[容量データ]){0,40}",
    ) {
        let mut last = 0;
        let mut problems = Vec::new();
        analyzer().analyze(&text, StopWords::Keep, &mut |token| {
            let ok = text.get(token.span.clone()).is_some_and(|slice| !slice.is_empty())
                && (1..=MAX_TERM_BYTES).contains(&token.term.len())
                && token.term.as_bytes()[0] >= FIRST_TERM_BYTE
                && token.position >= last
                && !token.term.contains(char::is_whitespace);
            last = token.position;
            if !ok {
                problems.push(format!("{token:?}"));
            }
        });
        prop_assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn query_terms_are_the_distinct_tokens_of_the_text(text in "[a-zA-Z_:. -]{0,40}") {
        let mut tokens: Vec<(String, u32)> = Vec::new();
        analyzer().analyze(&text, StopWords::Drop, &mut |token| {
            match tokens.iter_mut().find(|(term, _)| term == token.term) {
                Some((_, count)) => *count += 1,
                None => tokens.push((token.term.to_owned(), 1)),
            }
        });
        let query = analyzer().query_terms(&text);
        if !tokens.is_empty() {
            let terms: Vec<(String, u32)> =
                query.terms.iter().map(|term| (term.term.clone(), term.count)).collect();
            prop_assert_eq!(terms, tokens);
        }
        prop_assert!(query.last.is_none_or(|last| query.terms[last].span.end == text.len()));
    }

    #[test]
    fn words_and_their_parts_survive_any_sentence_around_them(
        before in "[a-z]{2,5}", name in "[a-z]{3,6}[A-Z][a-z]{2,6}",
    ) {
        let alone = terms(&name);
        let inside = terms(&format!("{before} ({name}), {before}."));
        prop_assert!(alone.is_subset(&inside));
        let mut kinds = Vec::new();
        analyzer().analyze(&name, StopWords::Keep, &mut |token| kinds.push(token.kind));
        prop_assert_eq!(kinds, [TokenKind::Whole, TokenKind::Part, TokenKind::Part]);
    }
}
