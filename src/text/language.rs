//! Languages: which words carry no meaning of their own, and how words are stemmed.
//!
//! English is code ([`super::stemmer`]). Every other language is **data**: the build stems the words
//! of its documents with a Snowball stemmer and learns from them which endings go, and the index
//! brings these rules along. So a program that searches holds no stemmer but one, both sides cut
//! words alike by construction, and a word that the build has never seen is cut like those that end
//! as it does.
//!
//! ```text
//! häuser ──fold──▶ hauser ──longest ending that has a rule: "ser" → cut 2──▶ haus
//! ```
//!
//! Rules are a decision list over endings (R. Rivest, *Learning decision lists*, 1987), the longest
//! first, as in lemmatizers by ripple-down rules (M. Juršič et al., *LemmaGen*, 2010).

use super::characters;
use super::english;
use super::stemmer;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use alloc::string::String;
use alloc::vec::Vec;

/// Languages of an index, at most.
pub const MAX_LANGUAGES: usize = 32;

/// Stop words of a language, at most.
pub const MAX_STOP_WORDS: usize = 1_024;

/// Rules of a language, at most.
pub const MAX_RULES: usize = 4_096;

/// What rules of a language may do, at most.
pub const MAX_ACTIONS: usize = 255;

/// Stands in an ending for the beginning of the word.
pub const WORD_START: char = '^';

/// What becomes of the parts of a word with an apostrophe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Apostrophe {
    /// They are one word (`don't`), possessive `'s` goes.
    #[default]
    Joins,
    /// What stands before is an article or the like (`l'eau`).
    Elides,
    /// What stands behind is an ending (`Ankara'da`).
    Ends,
}

/// A language as the analyzer knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Language {
    /// English, with British spelling folded into American.
    English,
    /// Any other, learnt at build.
    Learned(Learned),
}

/// What a build learnt about a language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// ISO 639-1 code.
    pub code: String,
    /// What an apostrophe does.
    pub apostrophe: Apostrophe,
    /// Folded words that are left out of running text; ascending. In Chinese, characters.
    pub stop_words: Vec<String>,
    /// What folded words may begin with that goes, like the article in Arabic; ascending.
    pub prefixes: Vec<String>,
    /// How words are stemmed that have no such beginning any more.
    pub rules: SuffixRules,
}

/// Characters that must follow a prefix: what is left is a word, not an ending.
const LEFT_AFTER_PREFIX: usize = 3;

impl Learned {
    /// A folded word without the longest prefix that it has.
    pub fn without_prefix<'w>(&self, word: &'w str) -> &'w str {
        let rests = self.prefixes.iter();
        let rests = rests.filter_map(|prefix| word.strip_prefix(prefix.as_str()));
        let rests = rests.filter(|rest| rest.chars().nth(LEFT_AFTER_PREFIX - 1).is_some());
        rests.min_by_key(|rest| rest.len()).unwrap_or(word)
    }
}

impl Language {
    /// ISO 639-1 code.
    pub fn code(&self) -> &str {
        match self {
            Self::English => "en",
            Self::Learned(learned) => &learned.code,
        }
    }

    /// Whether a folded word is a stop word.
    pub fn is_stop_word(&self, word: &str) -> bool {
        match self {
            Self::English => english::is_stop_word(word),
            Self::Learned(learned) => learned
                .stop_words
                .binary_search_by(|stop| stop.as_str().cmp(word))
                .is_ok(),
        }
    }

    /// Whether many characters of a script without spaces are words themselves.
    pub(super) fn has_word_characters(&self) -> bool {
        self.code() == "zh"
    }

    /// Puts the folded form of a word as it is written into `out`.
    pub(super) fn fold(&self, raw: &str, out: &mut String) {
        super::fold_word(self.word(raw), out);
    }

    /// A word as it is written, without what an apostrophe divides from it.
    pub fn word<'t>(&self, raw: &'t str) -> &'t str {
        let apostrophe = match self {
            Self::English => Apostrophe::Joins,
            Self::Learned(learned) => learned.apostrophe,
        };
        let mut word = raw;
        for (at, c) in raw.char_indices() {
            if characters::is_apostrophe(c) {
                let rest = raw.get(at + c.len_utf8()..).unwrap_or_default();
                match apostrophe {
                    Apostrophe::Elides if rest.chars().nth(1).is_some() => word = rest,
                    Apostrophe::Ends => return raw.get(..at).unwrap_or_default(),
                    _ => {}
                }
            }
        }
        word
    }

    /// Stems a folded word.
    pub fn stem(&self, word: &mut String) {
        match self {
            Self::English => {
                english::americanize(word);
                stemmer::stem(word);
            }
            Self::Learned(learned) => {
                let rest = learned.without_prefix(word);
                if rest.len() < word.len() {
                    *word = String::from(rest);
                }
                learned.rules.apply(word);
            }
        }
    }

    /// Writes the languages of an index.
    pub fn write_all(languages: &[Self], out: &mut Writer) {
        out.varint(languages.len() as u64);
        for language in languages {
            out.str(language.code());
            match language {
                Self::English => out.u8(0),
                Self::Learned(learned) => {
                    out.u8(1);
                    out.u8(learned.apostrophe as u8);
                    out.str(&learned.stop_words.join(" "));
                    out.str(&learned.prefixes.join(" "));
                    learned.rules.write(out);
                }
            }
        }
    }

    /// Reads the languages of an index.
    ///
    /// # Errors
    /// The field that is damaged.
    #[inline(never)]
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, FormatError> {
        let mut reader = Reader::new(bytes, "languages");
        let count = reader.varint_max(MAX_LANGUAGES as u64, "language count")?;
        let mut languages = Vec::new();
        for _ in 0..count {
            let code = String::from(reader.str("language")?);
            languages.push(match at_most(&mut reader, 1, "kind")? {
                0 => Self::English,
                _ => Self::Learned(Learned {
                    code,
                    apostrophe: match at_most(&mut reader, 2, "apostrophe")? {
                        0 => Apostrophe::Joins,
                        1 => Apostrophe::Elides,
                        _ => Apostrophe::Ends,
                    },
                    stop_words: words(&mut reader, "stop words")?,
                    prefixes: words(&mut reader, "prefixes")?,
                    rules: SuffixRules::read(&mut reader)?,
                }),
            });
        }
        if languages.is_empty() {
            return Err(reader.error("language count", Problem::Inconsistent));
        }
        reader.end()?;
        Ok(languages)
    }
}

/// A byte of at most `max`.
fn at_most(reader: &mut Reader<'_>, max: u8, field: &'static str) -> Result<u8, FormatError> {
    match reader.u8(field)? {
        got if got <= max => Ok(got),
        got => {
            let (got, max) = (u64::from(got), u64::from(max));
            Err(reader.error(field, Problem::OutOfRange { got, max }))
        }
    }
}

/// Ascending words, separated by spaces.
fn words(reader: &mut Reader<'_>, field: &'static str) -> Result<Vec<String>, FormatError> {
    let all = reader.str(field)?;
    let words = all.split(' ').filter(|word| !word.is_empty());
    let words: Vec<String> = words.take(MAX_STOP_WORDS + 1).map(String::from).collect();
    if words.len() > MAX_STOP_WORDS || words.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(reader.error(field, Problem::Inconsistent));
    }
    Ok(words)
}

/// What a rule does to the end of a word.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action {
    /// Characters that go.
    pub cut: u8,
    /// What comes in their place.
    pub append: String,
}

/// Rules of stemming: endings of folded words, and what becomes of words that end so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SuffixRules {
    actions: Vec<Action>,
    /// Endings backwards, one after the other, ascending.
    endings: Vec<char>,
    /// Where an ending ends in `endings`, and its action.
    rules: Vec<(u32, u8)>,
}

impl SuffixRules {
    /// Rules of endings (backwards, perhaps with [`WORD_START`] at the end) and indices of actions.
    ///
    /// # Panics
    /// When there are more rules or actions than an index holds, or a rule has no action.
    pub fn new(actions: Vec<Action>, mut rules: Vec<(Vec<char>, u8)>) -> Self {
        assert!(rules.len() <= MAX_RULES && actions.len() <= MAX_ACTIONS);
        rules.sort();
        let mut out = Self {
            actions,
            ..Self::default()
        };
        for (ending, action) in rules {
            assert!(usize::from(action) < out.actions.len());
            out.endings.extend_from_slice(&ending);
            out.rules.push((out.endings.len() as u32, action));
        }
        out
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The `at`th ending, backwards.
    fn ending(&self, at: usize) -> &[char] {
        let end_of = |at: usize| self.rules.get(at).map_or(0, |rule| rule.0 as usize);
        let start = at.checked_sub(1).map_or(0, end_of);
        self.endings.get(start..end_of(at)).unwrap_or_default()
    }

    /// Applies the rule of the word's longest ending that has one. Words with digits stay.
    ///
    /// # Cost: a look at every rule, mostly at its first character.
    pub fn apply(&self, word: &mut String) {
        if word.bytes().any(|byte| byte.is_ascii_digit()) {
            return;
        }
        let has = |&at: &usize| {
            let mut backwards = word.chars().rev().chain([WORD_START]);
            self.ending(at).iter().all(|&c| backwards.next() == Some(c))
        };
        // Endings that one word has continue each other, and the longest comes last.
        let found = (0..self.rules.len()).rev().find(has);
        let rule = found.and_then(|at| self.rules.get(at));
        if let Some(action) = rule.and_then(|rule| self.actions.get(usize::from(rule.1))) {
            action.apply(word);
        }
    }

    fn write(&self, out: &mut Writer) {
        out.varint(self.actions.len() as u64);
        for action in &self.actions {
            out.u8(action.cut);
            out.str(&action.append);
        }
        out.varint(self.rules.len() as u64);
        // Column by column: equal things stand together, which DEFLATE rewards.
        let shared = |at: usize| {
            let before = at.checked_sub(1).map_or(&[][..], |at| self.ending(at));
            let pairs = self.ending(at).iter().zip(before);
            pairs.take_while(|(a, b)| a == b).count()
        };
        let all = 0..self.rules.len();
        all.clone().for_each(|at| out.u8(shared(at) as u8));
        let added = |at: usize| self.ending(at).get(shared(at)..).unwrap_or_default();
        all.clone().for_each(|at| out.u8(added(at).len() as u8));
        self.rules.iter().for_each(|rule| out.u8(rule.1));
        out.str(&all.flat_map(added).collect::<String>());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let mut out = Self::default();
        for _ in 0..reader.varint_max(MAX_ACTIONS as u64, "action count")? {
            out.actions.push(Action {
                cut: reader.u8("cut")?,
                append: String::from(reader.str("append")?),
            });
        }
        let count = reader.varint_max(MAX_RULES as u64, "rule count")? as usize;
        let shared = reader.take(count, "shared")?;
        let added = reader.take(count, "added")?;
        let actions = reader.take(count, "actions")?;
        let mut text = reader.str("endings")?.chars();
        let bad = |reader: &Reader<'_>| reader.error("endings", Problem::Inconsistent);
        let mut before = 0;
        for ((&shared, &added), &action) in shared.iter().zip(added).zip(actions) {
            let start = out.endings.len();
            let (shared, added) = (usize::from(shared), usize::from(added));
            if before + shared > start || usize::from(action) >= out.actions.len() {
                return Err(bad(reader));
            }
            // A byte each at most, and 4,096 of them: small.
            for at in before..before + shared {
                out.endings.push(out.endings[at]);
            }
            out.endings.extend(text.by_ref().take(added));
            let is_first = out.rules.is_empty();
            let (old, new) = out.endings.split_at(start);
            let old = old.get(before..).unwrap_or_default();
            if new.len() != shared + added || (!is_first && old >= new) {
                return Err(bad(reader));
            }
            before = start;
            out.rules.push((out.endings.len() as u32, action));
        }
        if text.next().is_some() {
            return Err(bad(reader));
        }
        Ok(out)
    }
}

impl Action {
    /// Changes the end of `word`, unless nothing would be left of it.
    fn apply(&self, word: &mut String) {
        let cut = usize::from(self.cut);
        let at = match cut.checked_sub(1) {
            None => Some(word.len()),
            Some(before) => word.char_indices().rev().nth(before).map(|(at, _)| at),
        };
        if let Some(at) = at.filter(|&at| at + self.append.len() > 0) {
            word.truncate(at);
            word.push_str(&self.append);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::prop_assert;
    use proptest::prelude::prop_assert_eq;
    use proptest::proptest;

    fn rules(rules: &[(&str, u8, &str)]) -> SuffixRules {
        let mut actions = Vec::new();
        let mut all = Vec::new();
        for &(ending, cut, append) in rules {
            let action = Action {
                cut,
                append: append.into(),
            };
            let known = actions.iter().position(|known| *known == action);
            let at = known.unwrap_or_else(|| {
                actions.push(action);
                actions.len() - 1
            });
            all.push((ending.chars().rev().collect(), at as u8));
        }
        SuffixRules::new(actions, all)
    }

    fn german() -> Learned {
        Learned {
            code: "de".into(),
            apostrophe: Apostrophe::Joins,
            stop_words: vec!["der".into(), "die".into()],
            prefixes: vec!["ge".into()],
            rules: rules(&[
                ("en", 2, ""),
                ("er", 2, ""),
                ("wasser", 0, ""),
                ("^oder", 0, ""),
                ("ies", 3, "y"),
            ]),
        }
    }

    fn stemmed(word: &str) -> String {
        let mut word = String::from(word);
        Language::Learned(german()).stem(&mut word);
        word
    }

    #[test]
    fn longest_ending_decides() {
        for (word, stem) in [
            ("hauser", "haus"),
            ("trinkwasser", "trinkwasser"),
            ("oder", "oder"),
            ("moder", "mod"),
            ("ladies", "lady"),
            ("laden", "lad"),
            ("en", "en"),
            ("gefallen", "fall"),
            ("geld", "geld"),
            ("haus", "haus"),
            ("", ""),
            ("x86er", "x86er"),
        ] {
            assert_eq!(stemmed(word), stem, "{word}");
        }
    }

    #[test]
    fn languages_read_are_the_languages_written_and_damage_is_refused_or_harmless() {
        let languages = vec![Language::English, Language::Learned(german())];
        let mut out = Writer::new();
        Language::write_all(&languages, &mut out);
        let bytes = out.into_bytes();
        assert_eq!(Language::read_all(&bytes).as_ref(), Ok(&languages));
        for len in 0..bytes.len() {
            assert!(Language::read_all(&bytes[..len]).is_err(), "{len}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let Ok(languages) = Language::read_all(&damaged) else {
                    continue;
                };
                for language in languages {
                    for word in ["hauser", "oder", "e", ""] {
                        language.stem(&mut String::from(word));
                    }
                }
            }
        }
    }

    #[test]
    fn example_has_the_bytes_of_the_specification() {
        let learned = Learned {
            code: "xx".into(),
            rules: rules(&[("ies", 3, "y"), ("s", 1, ""), ("^is", 0, "")]),
            ..Learned::default()
        };
        let mut out = Writer::new();
        Language::write_all(&[Language::Learned(learned)], &mut out);
        let hex = |byte: &u8| alloc::format!("{byte:02x}");
        let hex: Vec<String> = out.into_bytes().iter().map(hex).collect();
        assert!(include_str!("../index/SPEC.md").contains(&hex.join(" ")));
    }

    #[test]
    fn apostrophes_follow_the_language() {
        let fold = |apostrophe, word: &str| {
            let learned = Learned {
                apostrophe,
                ..Learned::default()
            };
            let mut out = String::new();
            Language::Learned(learned).fold(word, &mut out);
            out
        };
        assert_eq!(fold(Apostrophe::Joins, "Don't"), "dont");
        assert_eq!(fold(Apostrophe::Elides, "l’Été"), "ete");
        assert_eq!(fold(Apostrophe::Elides, "dell'acqua"), "acqua");
        assert_eq!(fold(Apostrophe::Elides, "po'"), "po");
        assert_eq!(fold(Apostrophe::Ends, "Ankara'da"), "ankara");
    }

    proptest! {
        #[test]
        fn rules_find_the_longest_ending(
            endings in proptest::collection::btree_map("[abc]{0,4}", 0u8..4, 0..20),
            word in "[abc]{0,8}",
        ) {
            let append = |at: u8| alloc::format!("{at}");
            let table: Vec<(&str, u8, String)> =
                endings.iter().map(|(ending, &at)| (ending.as_str(), 0, append(at))).collect();
            let table: Vec<(&str, u8, &str)> =
                table.iter().map(|(ending, cut, append)| (*ending, *cut, append.as_str())).collect();
            let rules = rules(&table);
            let longest = endings.iter().filter(|(ending, _)| word.ends_with(ending.as_str()));
            let longest = longest.max_by_key(|(ending, _)| ending.len());
            let mut found = word.clone();
            rules.apply(&mut found);
            let expected = longest.map_or(word.clone(), |(_, &at)| word.clone() + &append(at));
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_bytes_are_languages_or_an_error(
            bytes in proptest::collection::vec(0u8.., 0..200),
        ) {
            if let Ok(languages) = Language::read_all(&bytes) {
                prop_assert!(!languages.is_empty());
            }
        }
    }
}
