//! What is said where a search finds nothing.

use super::*;
use strsim::osa_distance;

#[test]
fn words_spelt_like_those_that_found_nothing_are_suggested() {
    let world = World::new();
    let frequency = |word: &str| {
        let chunks = indexer::chunks(&world.documents).into_iter();
        let holds = chunks.filter(|(document, chunk)| {
            let texts = [&document.title, &chunk.headings[0], &chunk.text];
            texts
                .iter()
                .any(|text| text.split(' ').any(|one| one == word))
        });
        holds.count()
    };
    let mut suggested = 0;
    for typed in [
        "oer",
        "qar",
        "harbxyz",
        "wstuaryy",
        "anchors beaconry",
        "canoeist",
        "pad",
        "qqqqqqqq",
        "shoal reefs",
        "shoal liverworts",
        "qx",
        "b",
    ] {
        let result = world.search(typed, &keyword());
        let mut near: Vec<(usize, Reverse<usize>, &str)> = Vec::new();
        for unknown in typed.split(' ').filter(|_| result.total == 0) {
            let length = unknown.len();
            for word in support::WORDS
                .into_iter()
                .filter(|word| frequency(word) > 0)
            {
                let distance = osa_distance(unknown, word);
                let pairs = unknown.chars().zip(word.chars());
                let shared = pairs.take_while(|(a, b)| a == b).count();
                let most = 3.min(length / 3);
                let rank = if distance <= most {
                    distance
                } else if shared >= length.min(2.max(length.div_ceil(2))) {
                    most + 1
                } else {
                    continue;
                };
                near.push((rank, Reverse(frequency(word)), word));
            }
        }
        near.sort_unstable();
        let mut expected: Vec<&str> = near.iter().map(|&(.., word)| word).collect();
        expected.truncate(5);
        assert_eq!(result.suggestions, expected, "{typed}");
        suggested += expected.len();
        // A word that is named leads somewhere.
        for word in expected {
            assert!(world.search(word, &keyword()).total > 0, "{word}");
        }
    }
    assert!(suggested >= 6, "{suggested}");
}

#[test]
fn filter_that_leaves_nothing_is_told_from_words_that_find_nothing() {
    let world = World::new();
    let nothing = r#"{"lang": "en", "not": {"lang": "en"}}"#;
    for (mode, query, filter, filtered_out) in [
        (Mode::Keyword, "harbour", Some(nothing), true),
        (Mode::Hybrid, "harbour", Some(nothing), true),
        (Mode::Vector, "harbour", Some(nothing), true),
        (Mode::Keyword, "qqqqqqqq", Some(nothing), false),
        (Mode::Keyword, "oer", Some(nothing), false),
        (Mode::Keyword, "oer", None, false),
        (Mode::Keyword, "harbour", Some(r#"{"lang": "en"}"#), false),
    ] {
        let options = SearchOptions {
            mode,
            filter: filter.map(|filter| Filter::parse(filter).expect("filter")),
            ..SearchOptions::default()
        };
        let result = world.search(query, &options);
        assert_eq!(
            result.filtered_out, filtered_out,
            "{mode:?} {query} {filter:?}"
        );
        let lacks = query == "oer";
        assert_eq!(!result.suggestions.is_empty(), lacks, "{mode:?} {query}");
    }
}
