//! English: words that carry no meaning of their own, and British spelling.

use alloc::string::String;

/// Words left out of text (but not of titles), sorted. Contractions have lost their apostrophe.
///
/// Source: the stop word list of the Snowball project
/// (<https://snowballstem.org/algorithms/english/stop.txt>).
const STOP_WORDS: &[&str] = &[
    "a",
    "about",
    "above",
    "after",
    "again",
    "against",
    "all",
    "am",
    "an",
    "and",
    "any",
    "are",
    "arent",
    "as",
    "at",
    "be",
    "because",
    "been",
    "before",
    "being",
    "below",
    "between",
    "both",
    "but",
    "by",
    "cannot",
    "cant",
    "could",
    "couldnt",
    "did",
    "didnt",
    "do",
    "does",
    "doesnt",
    "doing",
    "dont",
    "down",
    "during",
    "each",
    "few",
    "for",
    "from",
    "further",
    "had",
    "hadnt",
    "has",
    "hasnt",
    "have",
    "havent",
    "having",
    "he",
    "her",
    "here",
    "heres",
    "hers",
    "herself",
    "him",
    "himself",
    "his",
    "how",
    "hows",
    "i",
    "if",
    "im",
    "in",
    "into",
    "is",
    "isnt",
    "it",
    "its",
    "itself",
    "ive",
    "lets",
    "me",
    "more",
    "most",
    "mustnt",
    "my",
    "myself",
    "no",
    "nor",
    "not",
    "of",
    "off",
    "on",
    "once",
    "only",
    "or",
    "other",
    "ought",
    "our",
    "ours",
    "ourselves",
    "out",
    "over",
    "own",
    "same",
    "shant",
    "she",
    "shes",
    "should",
    "shouldnt",
    "so",
    "some",
    "such",
    "than",
    "that",
    "thats",
    "the",
    "their",
    "theirs",
    "them",
    "themselves",
    "then",
    "there",
    "theres",
    "these",
    "they",
    "theyd",
    "theyll",
    "theyre",
    "theyve",
    "this",
    "those",
    "through",
    "to",
    "too",
    "under",
    "until",
    "up",
    "very",
    "was",
    "wasnt",
    "we",
    "were",
    "werent",
    "weve",
    "what",
    "whats",
    "when",
    "whens",
    "where",
    "wheres",
    "which",
    "while",
    "who",
    "whom",
    "whos",
    "why",
    "whys",
    "with",
    "wont",
    "would",
    "wouldnt",
    "you",
    "youd",
    "youll",
    "your",
    "youre",
    "yours",
    "yourself",
    "yourselves",
    "youve",
];

/// Whether a folded word is a stop word.
pub(super) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.binary_search(&word).is_ok()
}

/// Endings after which `-is-` and `-ys-` become `-iz-` and `-yz-`, with the place of the `s` counted
/// from the end.
const BRITISH: [(&str, usize); 13] = [
    ("ise", 2),
    ("ises", 3),
    ("ised", 3),
    ("iser", 3),
    ("isers", 4),
    ("ising", 4),
    ("isation", 6),
    ("isations", 7),
    ("isable", 5),
    ("yse", 2),
    ("yses", 3),
    ("ysed", 3),
    ("ysing", 4),
];

/// Spells a folded word the American way: `optimise` as `optimize`, `analyse` as `analyze`.
///
/// Words that have only one spelling (`promise`) are changed too. As documents and queries pass
/// through here alike, that does no harm. Three letters must stand before, so that all forms of
/// short words (`rise`, `rising`) stay together.
pub(super) fn americanize(word: &mut String) {
    if !word.is_ascii() {
        return;
    }
    let ending = BRITISH.iter().find(|(ending, _)| word.ends_with(ending));
    if let Some(&(_, from_end)) = ending {
        let at = word.len() - from_end;
        if at >= 4 {
            word.replace_range(at..at + 1, "z");
        }
    }
}

/// The beginning of a word as [`americanize`] would spell it once it is finished (`optimisa` as
/// `optimiza`), where it has come to such an ending.
pub(super) fn americanize_prefix(prefix: &str) -> Option<String> {
    const BEGINNINGS: [&str; 11] = [
        "is", "isa", "isat", "isati", "isatio", "isab", "isabl", "isi", "isin", "ys", "ysi",
    ];
    let ending = BEGINNINGS
        .iter()
        .find(|ending| prefix.is_ascii() && prefix.ends_with(*ending))?;
    let at = prefix.len() - ending.len() + 1;
    if at < 4 {
        return None;
    }
    let mut spelt = String::from(prefix);
    spelt.replace_range(at..at + 1, "z");
    Some(spelt)
}

#[cfg(test)]
mod tests {
    use super::STOP_WORDS;
    use super::americanize;
    use super::americanize_prefix;
    use alloc::string::String;

    #[test]
    fn stop_words_are_sorted() {
        assert!(STOP_WORDS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn british_spelling_becomes_american() {
        for (british, american) in [
            ("optimise", "optimize"),
            ("optimised", "optimized"),
            ("optimising", "optimizing"),
            ("organisations", "organizations"),
            ("analyse", "analyze"),
            ("recognisable", "recognizable"),
            ("rising", "rising"),
            ("list", "list"),
        ] {
            let mut word = String::from(british);
            americanize(&mut word);
            assert_eq!(word, american);
        }
        assert_eq!(americanize_prefix("optimisa").as_deref(), Some("optimiza"));
        assert_eq!(americanize_prefix("vector"), None);
    }
}
