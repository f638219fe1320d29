//! Finds words, compounds and runs of scripts without spaces, and names their terms.

use super::Language;
use super::MAX_TERM_BYTES;
use super::StopWords;
use super::Token;
use super::TokenKind;
use super::characters;
use super::characters::Class;
use super::identifiers;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// Symbols of which the name of an operator consists (`operator<<`, `operator()`).
const OPERATOR_SYMBOLS: &[u8] = b"<>=!+-*/%&|^~[]()";

/// Compounds of more segments than this are cut: nobody looks for them whole.
const MAX_SEGMENTS: usize = 6;

/// One name in a compound: `vector` in `std::vector`, `C++` in `C++17`.
#[derive(Clone)]
struct Segment {
    /// The name's bytes.
    name: Range<usize>,
    /// End of the symbols that belong to it (`++`, `#`, an operator), or of the name.
    end: usize,
}

/// One walk over a text.
pub(super) struct Scanner<'t, 's> {
    text: &'t str,
    at: usize,
    position: u32,
    languages: &'t [Language],
    stop_words: StopWords,
    sink: &'s mut dyn FnMut(Token<'_>),
    /// The segments of the compound at hand.
    segments: Vec<Segment>,
    /// The parts of the segment at hand.
    parts: Vec<Range<usize>>,
    /// The term at hand, and what it was before spelling and stemming.
    term: String,
    surface: String,
    /// The word at hand, folded as one of the languages does.
    folded: String,
}

impl<'t, 's> Scanner<'t, 's> {
    pub(super) fn new(
        text: &'t str,
        languages: &'t [Language],
        stop_words: StopWords,
        sink: &'s mut dyn FnMut(Token<'_>),
    ) -> Self {
        Self {
            text,
            at: 0,
            position: 0,
            languages,
            stop_words,
            sink,
            segments: Vec::new(),
            parts: Vec::new(),
            term: String::new(),
            surface: String::new(),
            folded: String::new(),
        }
    }

    pub(super) fn run(mut self) {
        while let Some(c) = self.char_at(self.at) {
            match characters::class(c) {
                Class::Separator => self.at += c.len_utf8(),
                Class::Word => self.compound(),
                Class::NGram(n) => self.ngrams(n),
            }
        }
    }

    fn rest(&self, at: usize) -> &'t str {
        self.text.get(at..).unwrap_or_default()
    }

    fn char_at(&self, at: usize) -> Option<char> {
        self.rest(at).chars().next()
    }

    fn char_before(&self, at: usize) -> Option<char> {
        self.text.get(..at)?.chars().next_back()
    }

    fn word_at(&self, at: usize) -> bool {
        self.char_at(at).is_some_and(characters::is_word)
    }

    /// Hands on the term at hand, which is its own surface.
    fn emit_plain(&mut self, span: Range<usize>, kind: TokenKind) {
        self.surface.clone_from(&self.term);
        self.emit(span, kind);
    }

    /// Hands on the term and the surface at hand.
    fn emit(&mut self, span: Range<usize>, kind: TokenKind) {
        if !self.term.is_empty() {
            (self.sink)(Token {
                term: &self.term,
                surface: &self.surface,
                span,
                position: self.position,
                kind,
            });
        }
    }

    /// A run of a script without spaces, as overlapping n-grams; a shorter run as it is.
    ///
    /// In languages whose characters are words, bigrams of two stop words are dropped like stop words,
    /// and other characters are parts of their bigrams.
    fn ngrams(&mut self, n: usize) {
        let start = self.at;
        let rest = self.rest(start);
        let end = rest
            .char_indices()
            .find(|&(_, c)| characters::class(c) != Class::NGram(n));
        let run = end.and_then(|(at, _)| rest.get(..at)).unwrap_or(rest);
        self.at = start + run.len();
        let has_words = n == 2 && self.languages.iter().any(Language::has_word_characters);
        let mut ends = run
            .char_indices()
            .map(|(at, c)| at + c.len_utf8())
            .skip(n - 1);
        for (first, c) in run.char_indices() {
            let last = match ends.next() {
                Some(end) => end,
                None if first == 0 => run.len(),
                None => break,
            };
            let (first, last) = (start + first, start + last);
            let middle = first + c.len_utf8();
            let mut is_dropped = false;
            if has_words && middle < last {
                is_dropped = self.character(first..middle);
                // Every character once, and the bigram last.
                if last == self.at {
                    is_dropped &= self.character(middle..last);
                } else {
                    is_dropped &= self.is_stop(middle..last);
                }
            }
            if !is_dropped {
                self.fold_ngram(first..last);
                self.emit_plain(first..last, TokenKind::Word);
            }
            self.position += 1;
        }
    }

    fn fold_ngram(&mut self, span: Range<usize>) {
        self.term.clear();
        for c in self.text.get(span).unwrap_or_default().chars() {
            characters::fold(c, &mut self.term);
        }
    }

    /// Whether stop words are dropped and the character is one.
    fn is_stop(&self, span: Range<usize>) -> bool {
        let c = self.text.get(span).unwrap_or_default();
        let is_stop = |language: &Language| language.is_stop_word(c);
        self.stop_words == StopWords::Drop && self.languages.iter().any(is_stop)
    }

    /// A character as a part of a bigram, unless it is a stop word, which is returned.
    fn character(&mut self, span: Range<usize>) -> bool {
        let is_stop = self.is_stop(span.clone());
        if !is_stop {
            self.fold_ngram(span.clone());
            self.emit_plain(span, TokenKind::Part);
        }
        is_stop
    }

    /// A word, or a compound of segments: the whole first, then its segments.
    fn compound(&mut self) {
        let start = self.at;
        let mut segments = core::mem::take(&mut self.segments);
        segments.clear();
        loop {
            let segment = self.segment_at(self.at);
            self.at = segment.end;
            let joint = self.joint_len(&segment);
            segments.push(segment);
            match joint {
                Some(len) if segments.len() < MAX_SEGMENTS => self.at += len,
                _ => break,
            }
        }
        self.flag(start, &segments[0]);
        let alone = segments.len() == 1;
        if !alone {
            self.qualified(start, &segments);
        }
        for segment in &segments {
            self.segment(
                segment,
                if alone {
                    TokenKind::Word
                } else {
                    TokenKind::Part
                },
            );
        }
        self.segments = segments;
    }

    /// The segment that begins at `start`, at a word character.
    fn segment_at(&self, start: usize) -> Segment {
        let mut before = '_';
        let mut end = start;
        for (at, c) in self.rest(start).char_indices() {
            let next = start + at + c.len_utf8();
            let inside = if characters::is_apostrophe(c) {
                is_letter(before) && self.char_at(next).is_some_and(|c| c.is_ascii_alphabetic())
            } else if characters::is_hyphen(c) {
                // A hyphen between digits is a range or a date: separate numbers.
                let after = self.char_at(next);
                after.is_some_and(characters::is_word)
                    && characters::is_word(before)
                    && !(before.is_ascii_digit() && after.is_some_and(|c| c.is_ascii_digit()))
            } else {
                characters::is_word(c)
            };
            if !inside {
                break;
            }
            before = c;
            end = next;
        }
        Segment {
            name: start..end,
            end: end + self.symbols_len(start..end),
        }
    }

    /// Bytes of the symbols that belong to a name: `C++`, `F#`, `operator<<`.
    fn symbols_len(&self, name: Range<usize>) -> usize {
        let rest = self.rest(name.end).as_bytes();
        let name = self.text.get(name).unwrap_or_default();
        let letter = name.len() == 1 && name.as_bytes()[0].is_ascii_alphabetic();
        if name == "operator" {
            let len = rest
                .iter()
                .take(3)
                .take_while(|c| OPERATOR_SYMBOLS.contains(c))
                .count();
            // `operator(see below)` names no operator.
            if rest.first() == Some(&b'(') {
                if rest.get(1) == Some(&b')') { 2 } else { 0 }
            } else {
                len
            }
        } else if letter && rest.first() == Some(&b'#') && !self.word_at_byte(rest, 1) {
            1
        } else if rest.starts_with(b"++")
            && name.ends_with(['c', 'C', 'g', 'G'])
            && rest.get(2) != Some(&b'+')
        {
            2
        } else {
            0
        }
    }

    fn word_at_byte(&self, rest: &[u8], at: usize) -> bool {
        rest.get(at)
            .is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'_')
    }

    /// Bytes between a segment and the next one of the same compound.
    fn joint_len(&self, segment: &Segment) -> Option<usize> {
        let rest = self.rest(segment.end);
        let len = if rest.starts_with("::") {
            2
        } else if rest.starts_with('.') {
            1
        } else if segment.end > segment.name.end {
            0
        } else {
            return None;
        };
        self.word_at(segment.end + len).then_some(len)
    }

    /// A compiler or command line flag (`/O2`, `--release`), with its dash or slash.
    fn flag(&mut self, start: usize, segment: &Segment) {
        let Some(mark) = self.char_before(start) else {
            return;
        };
        let mut mark_at = start - mark.len_utf8();
        let opens = match mark {
            '/' => !self.rest(segment.end).starts_with('/'),
            '-' => {
                if self.char_before(mark_at) == Some('-') {
                    mark_at -= 1;
                }
                true
            }
            _ => false,
        };
        let name = self.text.get(segment.name.clone()).unwrap_or_default();
        let stands_free = match self.char_before(mark_at) {
            None => true,
            Some(c) => {
                c.is_ascii_whitespace()
                    || matches!(c, '(' | '[' | '{' | '`' | '\'' | '"' | '=' | ',' | '|')
            }
        };
        if !(opens && stands_free && name.starts_with(|c: char| c.is_ascii_alphabetic())) {
            return;
        }
        self.term.clear();
        self.term.push(mark);
        fold_joined(name, &mut self.term);
        if self.term.len() <= MAX_TERM_BYTES {
            self.emit_plain(mark_at..segment.name.end, TokenKind::Whole);
        }
    }

    /// The segments of a compound as one term, joined as they were written.
    fn qualified(&mut self, start: usize, segments: &[Segment]) {
        self.term.clear();
        let mut end = start;
        for segment in segments {
            self.term
                .push_str(self.text.get(end..segment.name.start).unwrap_or_default());
            fold_joined(
                self.text.get(segment.name.clone()).unwrap_or_default(),
                &mut self.term,
            );
            self.term.push_str(
                self.text
                    .get(segment.name.end..segment.end)
                    .unwrap_or_default(),
            );
            end = segment.end;
        }
        if self.term.len() <= MAX_TERM_BYTES {
            self.emit_plain(start..end, TokenKind::Whole);
        }
    }

    /// A segment: whole, if it has parts, and each part. `kind` is that of a segment of one part.
    fn segment(&mut self, segment: &Segment, kind: TokenKind) {
        let name = self.text.get(segment.name.clone()).unwrap_or_default();
        let symbols = self
            .text
            .get(segment.name.end..segment.end)
            .unwrap_or_default();
        let mut parts = core::mem::take(&mut self.parts);
        parts.clear();
        identifiers::for_each_part(name, |part| parts.push(part));
        if !symbols.is_empty() || parts.len() > 1 {
            let span = segment.name.start..segment.end;
            self.folded.clear();
            fold_joined(name, &mut self.folded);
            if symbols.is_empty() {
                if self.folded.len() <= MAX_TERM_BYTES {
                    self.forms(span, TokenKind::Whole, |_, _| {});
                }
            } else if self.folded.len() + symbols.len() <= MAX_TERM_BYTES {
                self.term.clone_from(&self.folded);
                self.term.push_str(symbols);
                self.emit_plain(span, TokenKind::Whole);
            }
        }
        if !symbols.is_empty() && name.len() == 1 {
            // C++ is not C: the letter alone is not a part of it.
            self.position += 1;
        } else {
            let in_whole = parts.len() > 1 || !symbols.is_empty();
            let kind = if in_whole { TokenKind::Part } else { kind };
            for part in &parts {
                self.word(
                    segment.name.start + part.start..segment.name.start + part.end,
                    kind,
                );
            }
        }
        self.parts = parts;
    }

    /// A word or part, stemmed, unless it is a stop word.
    fn word(&mut self, span: Range<usize>, kind: TokenKind) {
        let raw = self.text.get(span.clone()).unwrap_or_default();
        let drops = self.stop_words == StopWords::Drop;
        let folded = &mut self.folded;
        let is_dropped = drops
            && self.languages.iter().any(|language| {
                language.fold(raw, folded);
                language.is_stop_word(folded)
            });
        if !is_dropped {
            self.forms(span, kind, |language, out| language.fold(raw, out));
        }
        self.position += 1;
    }

    /// The stems that a word has in the languages, each of them once. `fold` folds it; what it leaves
    /// alone is folded already.
    fn forms(
        &mut self,
        span: Range<usize>,
        kind: TokenKind,
        fold: impl Fn(&Language, &mut String),
    ) {
        let languages = self.languages;
        let mut folded = core::mem::take(&mut self.folded);
        let mut form = |language: &Language, surface: &mut String| {
            fold(language, &mut folded);
            surface.clone_from(&folded);
            stemmed(language, surface)
        };
        let mut other = String::new();
        for (at, language) in languages.iter().enumerate() {
            self.term = form(language, &mut self.surface);
            let mut before = languages.iter().take(at);
            if before.all(|before| form(before, &mut other) != self.term) {
                self.emit(span.clone(), kind);
            }
        }
        self.folded = folded;
    }
}

/// The stem of a folded word.
fn stemmed(language: &Language, word: &str) -> String {
    let mut term = String::from(word);
    language.stem(&mut term);
    cut(&mut term);
    term
}

/// The terms that a token with this surface may have, one for each language that makes another of it.
pub(super) fn terms_of(languages: &[Language], surface: &str) -> Vec<String> {
    // Joints and symbols are those of compounds, which stay as they are.
    if !surface.chars().all(characters::is_word) {
        return alloc::vec![String::from(surface)];
    }
    let mut terms = Vec::new();
    for language in languages {
        let term = stemmed(language, surface);
        if !terms.contains(&term) {
            terms.push(term);
        }
    }
    terms
}

/// Whether `c` is a letter: a word character, but no digit or underscore.
fn is_letter(c: char) -> bool {
    characters::is_word(c) && !c.is_ascii_digit() && c != '_'
}

/// Appends `name` folded and without joints and apostrophes.
fn fold_joined(name: &str, out: &mut String) {
    for c in name.chars() {
        if c != '_' && !characters::is_hyphen(c) && !characters::is_apostrophe(c) {
            characters::fold(c, out);
        }
    }
}

/// Cuts a term to [`MAX_TERM_BYTES`], at a character.
fn cut(term: &mut String) {
    if term.len() > MAX_TERM_BYTES {
        let end = term
            .char_indices()
            .map(|(at, _)| at)
            .take_while(|&at| at <= MAX_TERM_BYTES)
            .last();
        term.truncate(end.unwrap_or(0));
    }
}
