//! English: words that carry no meaning of their own, and British spelling.

use alloc::string::String;

/// Words left out of text (but not of titles), by length from 1, each sorted. Contractions have lost
/// their apostrophe.
///
/// Source: the stop word list of the Snowball project
/// (<https://snowballstem.org/algorithms/english/stop.txt>), without those that can be what is asked about
/// (*while*, *after*, *between*, *under*, *off*): in how many chunks they are says how little they count.
const STOP_WORDS: [&str; 10] = [
    "a i",
    "am an as at be by do he if im in is it me my no of on or so to up we",
    "all and any are but did few for had has her him his how its ive nor not our own she the too \
     was who why you",
    "been both cant does dont each from have here hers hows into isnt lets more most only ours \
     same shes some such than that them then they this very were weve what when whom whos whys \
     with wont youd your",
    "about arent being could didnt doing hadnt hasnt heres other ought shant thats their there \
     these theyd those wasnt whats whens where which would youll youre yours youve",
    "cannot doesnt havent having itself mustnt myself should theirs theres theyll theyre theyve \
     werent wheres",
    "because couldnt further herself himself wouldnt",
    "shouldnt yourself",
    "ourselves",
    "themselves yourselves",
];

/// Whether a folded word is a stop word.
pub(super) fn is_stop_word(word: &str) -> bool {
    let Some(list) = word.len().checked_sub(1).and_then(|at| STOP_WORDS.get(at)) else {
        return false;
    };
    list.as_bytes()
        .chunks(word.len() + 1)
        .any(|stop| stop.starts_with(word.as_bytes()))
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
    use super::is_stop_word;
    use alloc::string::String;

    #[test]
    fn stop_words_are_sorted_and_as_long_as_their_list_says() {
        for (list, len) in STOP_WORDS.iter().zip(1..) {
            assert!(list.split(' ').is_sorted_by(|a, b| a < b), "{list}");
            assert!(
                list.split(' ')
                    .all(|word| word.len() == len && is_stop_word(word)),
                "{list}"
            );
        }
        assert!(!is_stop_word("code") && !is_stop_word("") && !is_stop_word("th"));
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
