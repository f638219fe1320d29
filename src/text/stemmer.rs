//! The Snowball English stemmer ("Porter2"), on small ASCII letters.
//!
//! Written out here although crates exist: the smallest one that builds without the standard
//! library adds 11.4 kB (brotli) to a module whose whole budget is 70 kB, this one about 2 kB; and
//! stems are part of what an index stores, so they must not change with a dependency. The tests
//! hold it to the crate's stems.
//!
//! Source: M. F. Porter, *Snowball: a language for stemming algorithms*, 2001, and the English
//! stemmer of Snowball 3.1 (<https://snowballstem.org/algorithms/english/stemmer.html>), whose names
//! for steps and regions are kept.

use alloc::string::String;

/// Words that the rules would spoil, with their stems.
const EXCEPTIONS: [(&str, &str); 15] = [
    ("andes", "andes"),
    ("atlas", "atlas"),
    ("bias", "bias"),
    ("cosmos", "cosmos"),
    ("early", "earli"),
    ("gently", "gentl"),
    ("howe", "howe"),
    ("idly", "idl"),
    ("news", "news"),
    ("only", "onli"),
    ("singly", "singl"),
    ("skies", "sky"),
    ("skis", "ski"),
    ("sky", "sky"),
    ("ugly", "ugli"),
];

/// Beginnings after which region R1 starts, against the general rule.
const R1_AFTER: [&str; 9] = [
    "arsen", "commun", "emerg", "gener", "inter", "later", "organ", "past", "univers",
];

/// Words in `-ing` that keep it (what stands before).
const KEEP_ING: [&str; 6] = ["even", "cann", "inn", "earr", "herr", "out"];

/// Words in `-eed` that keep it (what stands before).
const KEEP_EED: [&str; 3] = ["succ", "proc", "exc"];

/// Step 2: suffix and replacement; the longest suffix that fits comes first.
const STEP_2: [(&str, &str); 25] = [
    ("ational", "ate"),
    ("ization", "ize"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("tional", "tion"),
    ("biliti", "ble"),
    ("lessli", "less"),
    ("entli", "ent"),
    ("ousli", "ous"),
    ("fulli", "ful"),
    ("ation", "ate"),
    ("alism", "al"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("ogist", "og"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("abli", "able"),
    ("izer", "ize"),
    ("ator", "ate"),
    ("alli", "al"),
    ("bli", "ble"),
    ("ogi", "og"),
    ("li", ""),
];

/// Step 3, as step 2.
const STEP_3: [(&str, &str); 9] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("alize", "al"),
    ("icate", "ic"),
    ("iciti", "ic"),
    ("ative", ""),
    ("ical", "ic"),
    ("ness", ""),
    ("ful", ""),
];

/// Step 4: suffixes that go when they lie in R2, the longest first.
const STEP_4: [&str; 18] = [
    "ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "iti", "ous",
    "ive", "ize", "ion", "al", "er", "ic",
];

/// Replaces `word` by its stem.
///
/// Words of less than three letters, and words with anything but `a` to `z`, are left alone.
pub(super) fn stem(word: &mut String) {
    if word.len() < 3 || !word.bytes().all(|c| c.is_ascii_lowercase()) {
        return;
    }
    if let Some((_, stem)) = EXCEPTIONS.iter().find(|(exception, _)| exception == word) {
        word.clear();
        word.push_str(stem);
        return;
    }
    // Consonantal y, at the start or after a vowel, is written Y while the rules run.
    let marked = word.as_bytes().contains(&b'y');
    if marked {
        let mut vowel_before = true;
        *word = word
            .chars()
            .map(|c| {
                let c = if c == 'y' && vowel_before { 'Y' } else { c };
                vowel_before = is_vowel(c as u8);
                c
            })
            .collect();
    }
    let mut rules = Rules::new(word);
    rules.step_1a();
    rules.step_1b();
    rules.step_1c();
    rules.step_2();
    rules.step_3();
    rules.step_4();
    rules.step_5();
    if marked {
        word.make_ascii_lowercase();
    }
}

fn is_vowel(c: u8) -> bool {
    matches!(c, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// A word under the rules, with the starts of its regions R1 and R2.
struct Rules<'a> {
    word: &'a mut String,
    r1: usize,
    r2: usize,
}

impl<'a> Rules<'a> {
    fn new(word: &'a mut String) -> Self {
        let prefix = R1_AFTER.iter().find(|prefix| word.starts_with(**prefix));
        let r1 = prefix.map_or_else(|| region(word, 0), |prefix| prefix.len());
        let r2 = region(word, r1);
        Self { word, r1, r2 }
    }

    fn bytes(&self) -> &[u8] {
        self.word.as_bytes()
    }

    fn has_vowel(&self, end: usize) -> bool {
        self.bytes().iter().take(end).any(|&c| is_vowel(c))
    }

    /// Puts `replacement` in place of everything from `start` on.
    fn replace(&mut self, start: usize, replacement: &str) {
        self.word.truncate(start);
        self.word.push_str(replacement);
    }

    /// Where `suffix` starts, if the word ends with it.
    fn suffix(&self, suffix: &str) -> Option<usize> {
        self.word
            .ends_with(suffix)
            .then(|| self.word.len() - suffix.len())
    }

    /// Whether the first `end` letters end in a short syllable.
    fn ends_short(&self, end: usize) -> bool {
        match &self.bytes()[..end] {
            [first, last] => is_vowel(*first) && !is_vowel(*last),
            [.., b'p', b'a', b's', b't'] => true,
            [.., before, vowel, last] => {
                !is_vowel(*before)
                    && is_vowel(*vowel)
                    && !is_vowel(*last)
                    && !matches!(last, b'w' | b'x' | b'Y')
            }
            _ => false,
        }
    }

    fn step_1a(&mut self) {
        if let Some(start) = self.suffix("sses") {
            self.replace(start, "ss");
        } else if let Some(start) = self.suffix("ied").or_else(|| self.suffix("ies")) {
            self.replace(start, if start > 1 { "i" } else { "ie" });
        } else if let Some(start) = self.suffix("s")
            && !self.word.ends_with("ss")
            && !self.word.ends_with("us")
            && self.has_vowel(start.saturating_sub(1))
        {
            self.word.truncate(start);
        }
    }

    fn step_1b(&mut self) {
        if let Some(start) = self.suffix("eedly").or_else(|| self.suffix("eed")) {
            if start >= self.r1
                && self
                    .word
                    .get(..start)
                    .is_none_or(|stem| !KEEP_EED.contains(&stem))
            {
                self.replace(start, "ee");
            }
            return;
        }
        let suffix = ["ingly", "edly", "ing", "ed"]
            .into_iter()
            .find(|suffix| self.word.ends_with(*suffix));
        let Some(suffix) = suffix else { return };
        let start = self.word.len() - suffix.len();
        if suffix == "ing" {
            if let [consonant, b'y', b'i', b'n', b'g'] = self.bytes()
                && !is_vowel(*consonant)
            {
                self.replace(1, "ie");
                return;
            }
            if self
                .word
                .get(..start)
                .is_some_and(|stem| KEEP_ING.contains(&stem))
            {
                return;
            }
        }
        if !self.has_vowel(start) {
            return;
        }
        self.word.truncate(start);
        match self.bytes() {
            [.., b'a', b't'] | [.., b'b', b'l'] | [.., b'i', b'z'] => self.word.push('e'),
            [b'a' | b'e' | b'o', a, b] if is_double(*a, *b) => {}
            [.., a, b] if is_double(*a, *b) => self.word.truncate(start - 1),
            _ if start == self.r1 && self.ends_short(start) => self.word.push('e'),
            _ => {}
        }
    }

    fn step_1c(&mut self) {
        if let [_, .., before, b'y' | b'Y'] = self.bytes()
            && !is_vowel(*before)
        {
            self.replace(self.word.len() - 1, "i");
        }
    }

    fn step_2(&mut self) {
        let Some((start, suffix, replacement)) = self.longest(&STEP_2) else {
            return;
        };
        let before = self.bytes()[..start].last().copied().unwrap_or(b'y');
        let fits = match suffix {
            "ogi" => before == b'l',
            "li" => b"cdeghkmnrt".contains(&before),
            _ => true,
        };
        if fits && start >= self.r1 {
            self.replace(start, replacement);
        }
    }

    fn step_3(&mut self) {
        let Some((start, suffix, replacement)) = self.longest(&STEP_3) else {
            return;
        };
        let region = if suffix == "ative" {
            self.r2.max(self.r1)
        } else {
            self.r1
        };
        if start >= region {
            self.replace(start, replacement);
        }
    }

    fn step_4(&mut self) {
        let Some(suffix) = STEP_4
            .into_iter()
            .find(|suffix| self.word.ends_with(*suffix))
        else {
            return;
        };
        let start = self.word.len() - suffix.len();
        let fits = suffix != "ion" || matches!(self.bytes()[..start].last(), Some(b's' | b't'));
        if fits && start >= self.r2 {
            self.word.truncate(start);
        }
    }

    fn step_5(&mut self) {
        let start = self.word.len().saturating_sub(1);
        let goes = match self.bytes() {
            [.., b'e'] => start >= self.r2 || (start >= self.r1 && !self.ends_short(start)),
            [.., b'l', b'l'] => start >= self.r2,
            _ => false,
        };
        if goes {
            self.word.truncate(start);
        }
    }

    fn longest(
        &self,
        table: &[(&'static str, &'static str)],
    ) -> Option<(usize, &'static str, &'static str)> {
        let (suffix, replacement) = table
            .iter()
            .find(|(suffix, _)| self.word.ends_with(suffix))?;
        Some((self.word.len() - suffix.len(), suffix, replacement))
    }
}

/// The region after the first consonant that follows a vowel, from `from` on.
fn region(word: &str, from: usize) -> usize {
    let letters = &word.as_bytes()[from.min(word.len())..];
    let found = letters
        .windows(2)
        .position(|pair| is_vowel(pair[0]) && !is_vowel(pair[1]));
    found.map_or(word.len(), |at| from + at + 2)
}

fn is_double(a: u8, b: u8) -> bool {
    a == b && b"bdfgmnprt".contains(&a)
}

#[cfg(test)]
mod tests {
    use super::stem;
    use alloc::string::String;

    fn stemmed(word: &str) -> String {
        let mut word = String::from(word);
        stem(&mut word);
        word
    }

    #[test]
    fn stems_follow_the_published_examples() {
        for (word, expected) in [
            ("consistency", "consist"),
            ("consolingly", "consol"),
            ("knightly", "knight"),
            ("generalization", "general"),
            ("dying", "die"),
            ("hopping", "hop"),
            ("hoping", "hope"),
            ("egging", "egg"),
            ("say", "say"),
            ("enjoy", "enjoy"),
            ("cry", "cri"),
            ("by", "by"),
            ("proceed", "proceed"),
            ("agreed", "agre"),
            ("ties", "tie"),
            ("cries", "cri"),
            ("gas", "gas"),
            ("gaps", "gap"),
            ("skies", "sky"),
            ("optimize", "optim"),
            ("optimization", "optim"),
            ("technologist", "technolog"),
            ("x86", "x86"),
            ("naïve", "naïve"),
        ] {
            assert_eq!(stemmed(word), expected, "{word}");
        }
    }

    /// Every root with every pair of endings, and words of random letters.
    #[cfg(not(target_arch = "wasm32"))]
    mod oracle {
        use super::stemmed;
        use proptest::prelude::prop_assert_eq;
        use proptest::proptest;
        use snowstem::Algorithm;
        use snowstem::Stemmer;

        const ROOTS: &str = "abil acc activ agre ann arsen bat be bodi bre by canal cann care collect \
            commun conn copi cosm cri cry de dig do dy early earr ed egg emerg even exc fail fall \
            fee fl fluent form gen gener go grow hap herr hop hope in inn inter know later law lay \
            lie log loop man moder nat na need o off optim organ out past play proc quick r real \
            relat sens ser sk sky snow spe stud succ t tax theor to tr tri tw univers us va val \
            vi vol w wax worry y yell yes you ys";
        const ENDINGS: &str = "a able abli abl al ali alism aliti alize alli ance anci ant ate ated \
            ating ation ational ative ator bli biliti d e ed edly eed eedly ement ence enci ent \
            entli er es est ful fulli fulness i ible ic ical icate iciti ied ies ing ingly ion ism \
            iti ive iveness iviti ization ize izer l less lessli li ll ly ment ness ogi ogist ology \
            ous ousli ousness s ses sion ss sses st tion tional us y ying";

        #[test]
        fn roots_with_any_two_endings_stem_as_the_published_algorithm() {
            let oracle = Stemmer::create(Algorithm::English);
            let endings = || core::iter::once("").chain(ENDINGS.split_whitespace());
            for root in ROOTS.split_whitespace() {
                for first in endings() {
                    for second in endings() {
                        let word = alloc::format!("{root}{first}{second}");
                        assert_eq!(stemmed(&word), oracle.stem(&word), "{word}");
                    }
                }
            }
        }

        proptest! {
            #[test]
            fn any_word_stems_as_the_published_algorithm(
                word in "([a-z]{1,9}|[aeioyblst]{1,9})(ing|ed|ly|ies|y)?",
            ) {
                let oracle = Stemmer::create(Algorithm::English);
                prop_assert_eq!(stemmed(&word), oracle.stem(&word).into_owned());
            }
        }
    }
}
