//! Which references a sentence cites, and whether they say what it says.
//!
//! The check is one of words: a sentence is borne out where its content words, stemmed, stand in the
//! passages that it names. That catches citations made up or mixed up; it cannot catch a sentence that
//! turns the words of its passage around.

use super::Citation;
use super::Reference;
use super::scrub::Piece;
use super::sentences::sentence_end;
use crate::text::Analyzer;
use crate::text::StopWords;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Support from which on a citation counts as borne out.
pub const SUPPORTED: f32 = 0.5;

/// Follows an answer as it is written.
#[derive(Debug)]
pub struct Checker<'a> {
    analyzer: &'a Analyzer,
    references: &'a [Reference],
    /// The text so far.
    text: String,
    /// Where the sentence begins that is not whole yet: bytes, and UTF-16 units.
    start: (usize, usize),
    /// Where references are named from there on: a byte, and their numbers.
    marks: Vec<(usize, Vec<u32>)>,
    cited: bool,
}

impl<'a> Checker<'a> {
    /// For an answer from these references.
    pub fn new(analyzer: &'a Analyzer, references: &'a [Reference]) -> Self {
        Self {
            analyzer,
            references,
            text: String::new(),
            start: (0, 0),
            marks: Vec::new(),
            cited: false,
        }
    }

    /// Adds a piece; returns its text.
    pub fn push(&mut self, piece: Piece) -> String {
        let text = match piece {
            Piece::Text(text) => text,
            Piece::Marks(numbers) => {
                let text = numbers.iter().map(|number| format!("[{number}]")).collect();
                self.marks.push((self.text.len(), numbers));
                text
            }
        };
        self.text.push_str(&text);
        text
    }

    /// Appends the citations of sentences that are whole by now; of all with `is_whole`.
    pub fn citations(&mut self, is_whole: bool, out: &mut Vec<Citation>) {
        while let Some(end) = sentence_end(&self.text, self.start.0, is_whole) {
            let raw = self.text.get(self.start.0..end).unwrap_or_default();
            let lead = raw.len() - raw.trim_start().len();
            let units = |text: &str| text.encode_utf16().count();
            let from = self.start.1 + units(raw.get(..lead).unwrap_or_default());
            let sentence = raw.trim();
            let mut numbers: Vec<u32> = Vec::new();
            let after = self.marks.partition_point(|(at, _)| *at < end);
            numbers.extend(self.marks.drain(..after).flat_map(|(_, numbers)| numbers));
            numbers.sort_unstable();
            numbers.dedup();
            if !numbers.is_empty() {
                self.cited = true;
                out.push(Citation {
                    sentence: from..from + units(sentence),
                    support: self.support(sentence, &numbers),
                    numbers,
                });
            }
            self.start = (end, self.start.1 + units(raw));
        }
    }

    /// Whether any sentence so far cites anything.
    pub fn has_cited(&self) -> bool {
        self.cited
    }

    /// Share of the words of `sentence` that these references have.
    fn support(&self, sentence: &str, numbers: &[u32]) -> f32 {
        let mut known = BTreeSet::new();
        for reference in self
            .references
            .iter()
            .filter(|one| numbers.contains(&one.number))
        {
            let headings = reference.headings.iter().map(String::as_str);
            for text in headings.chain([&*reference.title, &*reference.text]) {
                let mut keep = |token: crate::text::Token<'_>| {
                    known.insert(String::from(token.term));
                };
                self.analyzer.analyze(text, StopWords::Keep, &mut keep);
            }
        }
        // A word has one token for each language: it is known if one of them is.
        let mut words: Vec<(u32, bool)> = Vec::new();
        self.analyzer
            .analyze(sentence, StopWords::Drop, &mut |token| {
                // The numbers of references are none of its words.
                let is_number = token.term.bytes().all(|byte| byte.is_ascii_digit());
                let before = sentence.get(..token.span.start).unwrap_or_default();
                if is_number && before.ends_with('[') {
                    return;
                }
                let is_known = known.contains(token.term);
                match words.last_mut() {
                    Some((position, known)) if *position == token.position => *known |= is_known,
                    _ => words.push((token.position, is_known)),
                }
            });
        let borne_out = words.iter().filter(|(_, is_known)| *is_known).count();
        match words.len() {
            0 => 1.0,
            all => borne_out as f32 / all as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Checker;
    use crate::answer::Reference;
    use crate::answer::scrub::Scrubber;
    use crate::text::Analyzer;
    use crate::text::Language;
    use alloc::string::String;
    use alloc::vec::Vec;

    #[test]
    fn sentences_are_compared_with_what_they_cite() {
        let references = [
            Reference::example(
                1,
                "",
                "Optimization",
                "The option /O2 maximizes speed of the generated code.",
            ),
            Reference::example(
                2,
                "",
                "Pointers",
                "A unique_ptr owns an object and deletes it.",
            ),
        ];
        let analyzer = Analyzer::new(Language::English);
        let answer = "Größe 😀: /O2 maximises speed. Use the /O2 option to maximize speed [1]. \
                      Penguins live in Antarctica all year [1]. Objects are owned by unique_ptr. [2][1]";
        for step in [1, 5, 400] {
            let mut scrubber = Scrubber::new(&references);
            let mut checker = Checker::new(&analyzer, &references);
            let (mut pieces, mut citations, mut text) = (Vec::new(), Vec::new(), String::new());
            let chars: Vec<char> = answer.chars().collect();
            for part in chars.chunks(step) {
                scrubber.push(&part.iter().collect::<String>(), &mut pieces);
                pieces
                    .drain(..)
                    .for_each(|piece| text += &checker.push(piece));
                checker.citations(false, &mut citations);
            }
            scrubber.end(&mut pieces);
            pieces
                .drain(..)
                .for_each(|piece| text += &checker.push(piece));
            checker.citations(true, &mut citations);
            let units: Vec<u16> = text.encode_utf16().collect();
            let found: Vec<(String, &[u32], bool)> = citations
                .iter()
                .map(|one| {
                    let sentence = String::from_utf16(&units[one.sentence.clone()]).expect("whole");
                    (sentence, &*one.numbers, one.is_supported())
                })
                .collect();
            let expected: [(&str, &[u32], bool); 3] = [
                ("Use the /O2 option to maximize speed [1].", &[1], true),
                ("Penguins live in Antarctica all year [1].", &[1], false),
                ("Objects are owned by unique_ptr. [2][1]", &[1, 2], true),
            ];
            assert_eq!(found.len(), 3);
            for (got, want) in found.iter().zip(expected) {
                assert_eq!((&*got.0, got.1, got.2), want);
            }
            assert!(checker.has_cited());
        }
    }
}
