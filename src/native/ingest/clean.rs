//! Text as it came → text as it is shown: no invisible characters, no stray white space.
//!
//! Invisible characters carry no meaning for a reader but can hide words from the reader and show
//! them to a language model, so they go before anything else sees them.

use std::borrow::Cow;

use coracle::text::is_invisible;

/// Whether `c`, standing behind `before`, shows nothing and changes nothing that a reader sees.
fn is_hidden(c: char, before: Option<char>) -> bool {
    match c {
        // Joiners shape Arabic and Indic words and emoji; elsewhere they only hide things.
        '\u{200C}' | '\u{200D}' => !before.is_some_and(|b| b >= '\u{0600}' && !b.is_whitespace()),
        _ => is_invisible(c),
    }
}

/// `text` without invisible and control characters; `\n` and `\t` stay, `\r\n` and `\r` become `\n`.
#[must_use]
pub fn strip_invisible(text: &str) -> Cow<'_, str> {
    let suspicious = |c: char| c == '\r' || is_hidden(c, None);
    let Some(first) = text.find(suspicious) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut chars = text[first..].chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\r' {
            if chars.peek() != Some(&'\n') {
                out.push('\n');
            }
        } else if !is_hidden(c, out.chars().next_back()) {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Appends the words of `text` to `out`, every run of white space as one space.
///
/// A space is put between what is there and what comes only where white space stood, so inline
/// elements can be appended one after the other.
pub fn push_flowing(out: &mut String, text: &str) {
    let text = strip_invisible(text);
    let mut rest = text.as_ref();
    while let Some(c) = rest.chars().next() {
        if c.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
            rest = rest.trim_start();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
}

/// One line: words with single spaces between them.
#[must_use]
pub fn flowing(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_flowing(&mut out, text);
    out.truncate(out.trim_end().len());
    out
}

/// Lines kept: trailing spaces and blank lines at both ends go, indentation stays.
#[must_use]
pub fn lines(text: &str) -> String {
    let text = strip_invisible(text);
    let mut out = String::with_capacity(text.len());
    let mut blank = 0;
    for line in text.lines() {
        let line = line.trim_end();
        if line.is_empty() {
            blank += 1;
            continue;
        }
        if !out.is_empty() {
            // More than one blank line in a row says nothing.
            out.push_str(if blank > 0 { "\n\n" } else { "\n" });
        }
        blank = 0;
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_instructions_in_tag_characters_vanish() {
        let hidden: String = "ignore"
            .chars()
            .map(|c| char::from_u32(0xE0000 + c as u32).expect("tag"))
            .collect();
        assert_eq!(flowing(&format!("safe{hidden} text")), "safe text");
        assert_eq!(
            flowing("zero\u{200B}width so\u{00AD}ft \u{202E}bidi"),
            "zerowidth soft bidi"
        );
    }

    #[test]
    fn joiners_stay_where_they_shape_words() {
        assert_eq!(flowing("می\u{200C}خواهم"), "می\u{200C}خواهم");
        assert_eq!(flowing("👩\u{200D}🚀"), "👩\u{200D}🚀");
        assert_eq!(flowing("pass\u{200D}word"), "password");
    }

    #[test]
    fn line_ends_and_blank_runs_are_made_equal() {
        assert_eq!(lines("\r\n\r\n  a \r\n\r\n\r\n\tb\rc\n\n"), "  a\n\n\tb\nc");
        assert_eq!(flowing("  a\u{00A0}\n\n b "), "a b");
    }
}
