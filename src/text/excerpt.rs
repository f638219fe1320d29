//! The best window of a text for a query.

use super::Analyzer;
use super::StopWords;
use super::Token;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// How far before the first match a sentence start is looked for, as a share of the window.
const LEAD_SHARE: usize = 3;

/// Windows whose matches lie within so many bytes of each other count as equally dense.
const SPREAD_STEP: usize = 32;

/// Characters that two terms share at the beginning to be taken for forms of one word.
const KINDRED_CHARS: usize = 4;

/// A part of a text to show with a hit, and what to mark in it. All ranges are bytes of the text.
///
/// The window is the one with the largest sum of weights of distinct query terms; of equals, the one
/// in which they stand closer together, then the first. A term that the text has only in kindred words
/// (*convert*, *conversion*) counts half, and marks nothing: so a chunk found by its meaning is shown
/// where it comes nearest to the question. The window starts at a sentence if one starts close enough
/// before its first match, otherwise at a word, and ends at a word. Without any match it is the
/// beginning of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The window.
    pub range: Range<usize>,
    /// What to mark: ascending, without overlap, inside of the window.
    pub highlights: Vec<Range<usize>>,
    /// Whether text was left out before the window.
    pub cut_before: bool,
    /// Whether text was left out after it.
    pub cut_after: bool,
}

/// A token that is a query term, or kindred to one.
struct Match {
    span: Range<usize>,
    /// Index of the term.
    term: usize,
    is_exact: bool,
}

impl Excerpt {
    pub(super) fn new(
        analyzer: &Analyzer,
        text: &str,
        terms: &[(&str, f32)],
        max_chars: usize,
    ) -> Self {
        let matches = find_matches(analyzer, text, terms);
        let end = text.trim_end().len();
        let start = text.len() - text.trim_start().len();
        if start >= end {
            return Self {
                range: 0..0,
                highlights: Vec::new(),
                cut_before: false,
                cut_after: false,
            };
        }
        let range = match best_window(text, &matches, terms, max_chars) {
            Some(core) => widen(text, core, start..end, max_chars),
            None => start..cut_end(text, start, end, max_chars, true),
        };
        let mut highlights: Vec<Range<usize>> = Vec::new();
        for Match { span, .. } in matches.iter().filter(|found| found.is_exact) {
            let inside = range.start <= span.start && span.end <= range.end;
            match highlights.last_mut() {
                _ if !inside => {}
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => highlights.push(span.clone()),
            }
        }
        Self {
            cut_before: range.start > start,
            cut_after: range.end < end,
            range,
            highlights,
        }
    }
}

/// All tokens that are among `terms` or kindred to one, by where they start.
fn find_matches(analyzer: &Analyzer, text: &str, terms: &[(&str, f32)]) -> Vec<Match> {
    let mut matches: Vec<Match> = Vec::new();
    analyzer.analyze(text, StopWords::Keep, &mut |token: Token<'_>| {
        let exact = terms.iter().position(|(term, _)| *term == token.term);
        let kindred = || {
            terms
                .iter()
                .position(|(term, _)| are_kindred(term, token.term))
        };
        if let Some(term) = exact.or_else(kindred) {
            // Tokens come nearly in order of their starts: a whole before its parts.
            let start = token.span.start;
            let after = matches
                .iter()
                .rev()
                .take_while(|found| found.span.start > start)
                .count();
            matches.insert(
                matches.len() - after,
                Match {
                    span: token.span,
                    term,
                    is_exact: exact.is_some(),
                },
            );
        }
    });
    matches
}

/// Whether two terms look like forms of one word: they begin alike for most of the longer one.
fn are_kindred(a: &str, b: &str) -> bool {
    // Most words differ here already; four characters have four bytes at least.
    let begins = a.as_bytes().first_chunk::<KINDRED_CHARS>();
    if begins.is_none() || begins != b.as_bytes().first_chunk() {
        return false;
    }
    let alike = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    alike >= KINDRED_CHARS && alike * 3 >= a.chars().count().max(b.chars().count()) * 2
}

/// The bytes from the first to the last match of the best window.
fn best_window(
    text: &str,
    matches: &[Match],
    terms: &[(&str, f32)],
    max_chars: usize,
) -> Option<Range<usize>> {
    // Exact and kindred matches of each term.
    let mut counts = vec![[0usize; 2]; terms.len()];
    let mut best: Option<(f32, usize, Range<usize>)> = None;
    let mut first = 0;
    for (last, found) in matches.iter().enumerate() {
        counts[found.term][usize::from(!found.is_exact)] += 1;
        // Drops what lies too far back, and what the window has again later.
        while first < last {
            let Match {
                span,
                term,
                is_exact,
            } = &matches[first];
            let [exact, kindred] = &mut counts[*term];
            let is_repeated = *exact > 1 || (!is_exact && *exact + *kindred > 1);
            if !is_repeated && chars_between(text, span.start, found.span.end) <= max_chars {
                break;
            }
            *(if *is_exact { exact } else { kindred }) -= 1;
            first += 1;
        }
        // Summed anew, in the order of the terms: running sums would depend on the way here.
        let weight = terms
            .iter()
            .zip(&counts)
            .map(|((_, weight), found)| match found {
                [0, 0] => 0.0,
                [0, _] => weight / 2.0,
                _ => *weight,
            });
        let weight: f32 = weight.sum();
        let range = matches[first].span.start..found.span.end;
        let spread = range.len() / SPREAD_STEP;
        if best
            .as_ref()
            .is_none_or(|(w, s, _)| weight > *w || (weight == *w && spread < *s))
        {
            best = Some((weight, spread, range));
        }
    }
    best.map(|(_, _, range)| range)
}

fn chars_between(text: &str, start: usize, end: usize) -> usize {
    text.get(start..end)
        .map_or(0, |slice| slice.chars().count())
}

/// Extends the matches in `core` to a window of about `max_chars` inside of `all`.
fn widen(text: &str, core: Range<usize>, all: Range<usize>, max_chars: usize) -> Range<usize> {
    let spare = max_chars.saturating_sub(chars_between(text, core.start, core.end));
    let before = text.get(all.start..core.start).unwrap_or_default();
    // At most a third of the room goes before the first match, more only where the text ends soon.
    let after = text
        .get(core.end..all.end)
        .map_or(0, |rest| rest.chars().take(spare).count());
    let lead = (max_chars / LEAD_SHARE).min(spare).max(spare - after);
    let earliest = before
        .char_indices()
        .rev()
        .map(|(at, _)| at)
        .take(lead)
        .last();
    let earliest = all.start + earliest.unwrap_or(before.len());
    let start = if earliest == all.start {
        earliest
    } else {
        let reach = text.get(earliest..core.start).unwrap_or_default();
        let offset = sentence_start(reach)
            .or_else(|| word_start(reach))
            .unwrap_or(reach.len());
        earliest + offset
    };
    let end = cut_end(text, start, all.end, max_chars, false);
    start..end.max(core.end)
}

/// Offset of the first sentence that starts in `reach`, after its first character.
fn sentence_start(reach: &str) -> Option<usize> {
    let mut ended = false;
    let mut last = ' ';
    for (at, c) in reach.char_indices() {
        if ended && !c.is_ascii_whitespace() {
            return Some(at);
        }
        let full_stop = matches!(last, '.' | '!' | '?' | ':') && c.is_ascii_whitespace();
        ended |= full_stop || matches!(c, '\n' | '。' | '！' | '？');
        last = c;
    }
    None
}

/// Offset of the first word that starts in `reach`, after its first character.
fn word_start(reach: &str) -> Option<usize> {
    let space = reach
        .char_indices()
        .skip_while(|(_, c)| !c.is_ascii_whitespace());
    space
        .into_iter()
        .find(|(_, c)| !c.is_ascii_whitespace())
        .map(|(at, _)| at)
}

/// Where a window that starts at `start` ends: after at most `max_chars` characters, at `end`, after
/// a sentence if that `prefers_sentence` and keeps at least half of it, otherwise after a word.
fn cut_end(
    text: &str,
    start: usize,
    end: usize,
    max_chars: usize,
    prefers_sentence: bool,
) -> usize {
    let rest = text.get(start..end).unwrap_or_default();
    let Some((limit, _)) = rest.char_indices().nth(max_chars) else {
        return end;
    };
    let (window, after) = rest.split_at_checked(limit).unwrap_or((rest, ""));
    if prefers_sentence {
        let mut ends =
            window
                .char_indices()
                .zip(rest.chars().skip(1))
                .filter_map(|((at, c), next)| {
                    let full_stop = matches!(c, '.' | '!' | '?') && next.is_ascii_whitespace();
                    (full_stop || matches!(c, '。' | '！' | '？')).then(|| at + c.len_utf8())
                });
        if let Some(sentence) = ends.by_ref().filter(|&at| at * 2 >= limit).last() {
            return start + sentence;
        }
    }
    let splits = after.starts_with(|c: char| !c.is_ascii_whitespace());
    let word = if splits {
        window.rfind(|c: char| c.is_ascii_whitespace())
    } else {
        None
    };
    // A script without spaces is cut anywhere.
    let kept = word.filter(|&at| at * 2 >= limit).unwrap_or(limit);
    start + window.get(..kept).unwrap_or(window).trim_end().len()
}

#[cfg(test)]
mod tests {
    use super::Excerpt;
    use crate::text::Analyzer;
    use crate::text::Language;
    use alloc::vec::Vec;
    use proptest::prelude::prop_assert;
    use proptest::proptest;

    const TEXT: &str = "A vector grows when it is full. Its elements are moved then. \
        Use reserve() to set its capacity first: that way optimised code moves nothing. \
        Capacity is never given back. Only shrink_to_fit asks for that, and it may be refused.";

    fn excerpt(text: &str, terms: &[(&str, f32)], max_chars: usize) -> Excerpt {
        Analyzer::new(Language::English).excerpt(text, terms, max_chars)
    }

    fn marked<'a>(text: &'a str, excerpt: &Excerpt) -> Vec<&'a str> {
        excerpt
            .highlights
            .iter()
            .map(|range| &text[range.clone()])
            .collect()
    }

    #[test]
    fn window_holds_the_most_distinct_weight_and_starts_at_its_sentence() {
        let found = excerpt(TEXT, &[("capac", 1.0), ("optim", 1.0), ("vector", 1.5)], 80);
        let shown = &TEXT[found.range.clone()];
        assert!(shown.starts_with("Use reserve()"), "{shown}");
        assert_eq!(marked(TEXT, &found), ["capacity", "optimised"]);
        assert!(found.cut_before && found.cut_after);
    }

    #[test]
    fn heavier_term_wins_over_more_matches_of_a_lighter_one() {
        let found = excerpt(TEXT, &[("capac", 1.0), ("vector", 9.0)], 40);
        assert_eq!(marked(TEXT, &found), ["vector"]);
        assert!(!found.cut_before);
    }

    #[test]
    fn part_of_an_identifier_is_marked_alone_and_a_whole_entirely() {
        let found = excerpt(TEXT, &[("shrink", 1.0)], 60);
        assert_eq!(marked(TEXT, &found), ["shrink"]);
        let found = excerpt(TEXT, &[("shrinktofit", 1.0), ("fit", 1.0)], 60);
        assert_eq!(marked(TEXT, &found), ["shrink_to_fit"]);
    }

    #[test]
    fn kindred_words_draw_the_window_and_are_not_marked() {
        let found = excerpt(
            TEXT,
            &[("capabl", 1.0), ("refus", 1.0), ("shrinkag", 1.0)],
            60,
        );
        let shown = &TEXT[found.range.clone()];
        assert!(shown.contains("shrink_to_fit"), "{shown}");
        assert_eq!(marked(TEXT, &found), ["refused"]);
        let exact_first = excerpt(TEXT, &[("vectorial", 1.0), ("capac", 0.9)], 40);
        assert_eq!(marked(TEXT, &exact_first), ["capacity"]);
    }

    #[test]
    fn text_without_match_shows_its_first_sentences() {
        let found = excerpt(TEXT, &[("absent", 1.0)], 70);
        let shown = &TEXT[found.range.clone()];
        assert_eq!(
            shown,
            "A vector grows when it is full. Its elements are moved then."
        );
        assert!(found.highlights.is_empty() && found.cut_after);
    }

    #[test]
    fn short_text_is_shown_whole() {
        let found = excerpt("  Few words. ", &[("word", 1.0)], 100);
        assert_eq!(
            (found.range, found.cut_before, found.cut_after),
            (2..12, false, false)
        );
        assert_eq!(excerpt(" \n", &[("word", 1.0)], 100).range, 0..0);
    }

    #[test]
    fn script_without_spaces_is_cut_between_characters() {
        let text = "向量在已满时增长。使用容量来避免移动元素。";
        let found = excerpt(text, &[("容量", 1.0)], 8);
        assert_eq!(marked(text, &found), ["容量"]);
    }

    proptest! {
        #[test]
        fn ranges_are_slices_of_the_text_and_the_window_is_bounded(
            text in "([a-zA-Zé容量.!_ \n-]|vector ){0,60}",
            max_chars in 1usize..60,
        ) {
            let found = excerpt(&text, &[("vector", 1.0), ("容量", 2.0), ("a", 0.5)], max_chars);
            let shown = text.get(found.range.clone());
            prop_assert!(shown.is_some_and(|shown| shown.chars().count() <= max_chars.max(13)));
            let mut end = found.range.start;
            for range in &found.highlights {
                prop_assert!(range.start >= end && range.start < range.end);
                prop_assert!(range.end <= found.range.end && text.get(range.clone()).is_some());
                end = range.end;
            }
        }
    }
}
