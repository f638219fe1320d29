//! Where sentences end, in a text that may still grow.

use core::ops::Range;

/// What ends a sentence where white space follows.
fn is_end(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '؟' | '।')
}

/// What ends a sentence whatever follows: scripts without spaces.
fn is_full_stop(c: char) -> bool {
    matches!(c, '。' | '！' | '？')
}

/// What may stand between the end of a sentence and the white space after it.
fn closes(c: char) -> bool {
    matches!(
        c,
        '"' | '\'' | ')' | '*' | '_' | '»' | '”' | '’' | '」' | '』' | '）'
    )
}

/// The end of the sentence that begins at `start`, with the citations after it (`… it. [1][2]`): a stop
/// that is followed by white space and not by a small letter or a digit, as abbreviations are, or the end of the
/// line. Nothing where that depends on what is still to come; where nothing is (`is_whole`), only at the
/// end of the text.
pub fn sentence_end(text: &str, start: usize, is_whole: bool) -> Option<usize> {
    let mut at = start;
    let mut has_words = false;
    loop {
        let rest = text.get(at..)?;
        let Some(c) = rest.chars().next() else {
            return (is_whole && at > start).then_some(at);
        };
        at += c.len_utf8();
        if c == '\n' && has_words {
            return Some(at);
        }
        has_words |= c.is_alphabetic();
        if !has_words || !(is_end(c) || is_full_stop(c)) {
            continue;
        }
        match after_stop(text, at, is_full_stop(c), is_whole) {
            Stop::Ends(end) => return Some(end),
            Stop::GoesOn => {}
            Stop::Unknown => return None,
        }
    }
}

enum Stop {
    Ends(usize),
    GoesOn,
    Unknown,
}

/// What a stop before `at` is.
fn after_stop(text: &str, at: usize, is_full_stop: bool, is_whole: bool) -> Stop {
    let rest = text.get(at..).unwrap_or_default();
    let closed = rest.trim_start_matches(|c| closes(c) || is_end(c) || self::is_full_stop(c));
    let mut end = text.len() - closed.len();
    let mut is_cited = false;
    loop {
        let rest = text.get(end..).unwrap_or_default();
        let next = rest.trim_start_matches([' ', '\t']);
        if next.is_empty() {
            return match is_whole {
                true => Stop::Ends(end),
                false => Stop::Unknown,
            };
        }
        if let Some(inside) = next.strip_prefix('[') {
            let number =
                inside.trim_start_matches(|c: char| c.is_ascii_digit() || c == ',' || c == ' ');
            if number.len() < inside.len() && number.starts_with(']') {
                end = text.len() - number.len() + 1;
                is_cited = true;
                continue;
            }
            if number.is_empty() && !is_whole {
                return Stop::Unknown;
            }
        }
        let is_apart =
            is_full_stop || is_cited || next.len() < rest.len() || next.starts_with('\n');
        let continues = |c: char| c.is_lowercase() || c.is_ascii_digit();
        let goes_on = !is_cited && next.starts_with(continues);
        return match is_apart && !goes_on {
            true => Stop::Ends(end),
            false => Stop::GoesOn,
        };
    }
}

/// The sentences of a whole text, without white space around them.
pub fn sentences(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    core::iter::from_fn(move || {
        loop {
            let end = sentence_end(text, start, true)?;
            let sentence = text.get(start..end)?;
            let from = start + sentence.len() - sentence.trim_start().len();
            start = end;
            if !sentence.trim().is_empty() {
                return Some(from..from + sentence.trim().len());
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::sentence_end;
    use super::sentences;
    use alloc::vec::Vec;

    fn cut(text: &str) -> Vec<&str> {
        sentences(text).map(|range| &text[range]).collect()
    }

    #[test]
    fn sentences_keep_their_citations() {
        assert_eq!(
            cut(
                "1. Use `/O2`. [1][2] It is fast [3]. See e.g. the guide, ver. 3.5!\n\n- One [1]\n- Two"
            ),
            [
                "1. Use `/O2`. [1][2]",
                "It is fast [3].",
                "See e.g. the guide, ver. 3.5!",
                "- One [1]",
                "- Two"
            ]
        );
        assert_eq!(
            cut("第一句。第二句！[1] 第三"),
            ["第一句。", "第二句！[1]", "第三"]
        );
        assert_eq!(
            cut("He said \"no.\" Then left"),
            ["He said \"no.\"", "Then left"]
        );
        assert_eq!(cut(" \n"), [""; 0]);
    }

    #[test]
    fn a_growing_text_is_cut_as_the_whole() {
        let text = "One is e.g. here. [1] Two (2.5). [2, 3][4] Three?! 四。五";
        let whole = cut(text);
        let mut found = Vec::new();
        let mut start = 0;
        for end in (0..=text.len()).filter(|&end| text.is_char_boundary(end)) {
            while let Some(at) = sentence_end(&text[..end], start, end == text.len()) {
                found.push(text[start..at].trim());
                start = at;
            }
        }
        assert_eq!(found, whole);
    }
}
