//! Sentences of the corpus: the short texts among those the table is fitted to.
//!
//! Questions are short, chunks are not; a table fitted to chunks alone points less well for a few
//! words. The splitter is plain on purpose: what matters is that its pieces are about as long as
//! questions.

use rayon::iter::IndexedParallelIterator;
use rayon::iter::IntoParallelRefIterator;
use rayon::iter::ParallelIterator;
use std::collections::HashSet;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

/// Shorter pieces (in characters) join the next one.
const CHARS_MIN: usize = 24;

/// Longer pieces are cut at the last space before.
const CHARS_MAX: usize = 200;

/// Sentences that a small corpus gives at most.
const LEAST: usize = 8_000;

/// Sentences that a corpus of so many chunks gives at most: a larger one has more terms, which need more
/// short texts. With 33,000 instead of 8,000 beside the 66,000 chunks of the C++ documentation, 70
/// questions have nDCG@10 of .619 instead of .611 by words and meaning, and the build takes 5 % longer.
#[must_use]
pub fn most(chunks: usize) -> usize {
    LEAST.max(chunks / 2)
}

/// The sentences of `text` as byte ranges, ascending and without surrounding space.
///
/// A sentence ends at a line's end, and at `.`, `!`, `?`, `;` or `:` before a space; the full-width
/// marks need no space.
pub fn split(text: &str) -> Vec<Range<usize>> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut chars = 0;
    let mut last_space = None;
    let mut after_mark = false;
    for (at, c) in text.char_indices() {
        let ends = c == '\n' || (after_mark && c.is_whitespace());
        if ends && chars >= CHARS_MIN {
            push(text, start..at, &mut sentences);
            (start, chars, last_space) = (at, 0, None);
        } else if chars >= CHARS_MAX {
            let cut = last_space.unwrap_or(at);
            push(text, start..cut, &mut sentences);
            (start, chars, last_space) = (cut, text[cut..at].chars().count(), None);
        }
        // Leading space does not make a sentence longer, and is no place to cut it.
        if chars > 0 || !c.is_whitespace() {
            chars += 1;
            if c.is_whitespace() {
                last_space = Some(at);
            }
        }
        after_mark = matches!(c, '.' | '!' | '?' | ';' | ':');
        if matches!(c, '。' | '！' | '？') && chars >= CHARS_MIN {
            let end = at + c.len_utf8();
            push(text, start..end, &mut sentences);
            (start, chars, last_space) = (end, 0, None);
        }
    }
    push(text, start..text.len(), &mut sentences);
    sentences
}

fn push(text: &str, range: Range<usize>, sentences: &mut Vec<Range<usize>>) {
    let untrimmed = &text[range.clone()];
    let start = range.end - untrimmed.trim_start().len();
    let end = start + untrimmed.trim().len();
    if start < end {
        sentences.push(start..end);
    }
}

/// At most `max` distinct sentences of `texts`, in their order, each with the index of its text.
///
/// Those with the smallest hashes are taken: a fair sample that hardly changes when the corpus
/// changes a little, so that their embeddings can be kept from build to build. A text that is one
/// sentence is left out: it is embedded as a chunk anyway.
///
/// # Cost: one pass over the texts on all threads; 24 bytes a sentence.
pub fn sample<'a>(texts: &[&'a str], max: usize) -> Vec<(usize, &'a str)> {
    let of_text = |(index, text): (usize, &&'a str)| {
        let sentences = split(text);
        let sentences = if sentences.len() > 1 {
            sentences
        } else {
            Vec::new()
        };
        let hashed =
            move |range: Range<usize>| (xxh3_64(text[range.clone()].as_bytes()), index, range);
        sentences.into_iter().map(hashed).collect::<Vec<_>>()
    };
    let mut all: Vec<(u64, usize, Range<usize>)> = texts
        .par_iter()
        .enumerate()
        .flat_map_iter(of_text)
        .collect();
    let mut seen = HashSet::new();
    all.retain(|(hash, ..)| seen.insert(*hash));
    if all.len() > max {
        all.select_nth_unstable_by_key(max, |(hash, ..)| *hash);
        all.truncate(max);
    }
    all.sort_unstable_by_key(|(_, index, range)| (*index, range.start));
    all.into_iter()
        .map(|(_, index, range)| (index, &texts[index][range]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::CHARS_MAX;
    use super::sample;
    use super::split;
    use proptest::prop_assert;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    fn sentences(text: &str) -> Vec<&str> {
        split(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn sentences_end_at_marks_and_lines() {
        let text =
            "A vector grows when it is full. Its items move!\n\nSee std::vector and 3.5 of it.";
        assert_eq!(
            sentences(text),
            [
                "A vector grows when it is full.",
                "Its items move!\n\nSee std::vector and 3.5 of it.",
            ]
        );
    }

    #[test]
    fn short_pieces_join_the_next() {
        assert_eq!(
            sentences("Remarks\nThe destructor is called once."),
            ["Remarks\nThe destructor is called once."]
        );
    }

    #[test]
    fn text_without_marks_is_cut_at_spaces() {
        let text = "word ".repeat(100);
        let sentences = sentences(&text);
        assert_eq!(sentences.len(), 3);
        assert!(
            sentences
                .iter()
                .all(|s| s.len() <= CHARS_MAX && s.ends_with("word"))
        );
    }

    #[test]
    fn full_width_marks_need_no_space() {
        let sentence = "这是一个关于向量索引的说明文字它足够长可以自成一句话了。";
        assert_eq!(sentences(&sentence.repeat(2)), [sentence, sentence]);
    }

    #[test]
    fn sample_is_distinct_ordered_and_hardly_moved_by_an_added_text() {
        let texts: Vec<String> = (0..200)
            .map(|i| format!("This is the first sentence of {i}. And here follows the second of {i}. The end of all texts is the same."))
            .collect();
        let views: Vec<&str> = texts.iter().map(String::as_str).collect();
        let before = sample(&views[1..], 100);
        let after = sample(&views, 100);
        assert_eq!(before.len(), 100);
        assert!(
            after
                .iter()
                .filter(|(at, s)| *at > 0 && before.contains(&(at - 1, *s)))
                .count()
                >= 95
        );
        let all = sample(&views, usize::MAX);
        assert_eq!(all.len(), 401);
        assert_eq!(all[0], (0, "This is the first sentence of 0."));
    }

    proptest! {
        #[test]
        fn nothing_but_space_is_lost(text in "(\\PC|[ .\\n。]){0,600}") {
            let glued: String = sentences(&text).concat();
            let bare = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(bare(&glued), bare(&text));
            let ranges = split(&text);
            prop_assert!(ranges.windows(2).all(|w| w[0].end <= w[1].start));
            prop_assert!(ranges.iter().all(|r| text[r.clone()].chars().count() <= CHARS_MAX));
        }
    }
}
