//! MDX → Markdown of the same length: imports, exports, JSX tags and expressions become spaces.
//!
//! Every byte keeps its place, so spans found in the result hold for the source.

/// `source` with everything that only a compiler reads blanked out. Code fences and code spans
/// stay.
#[must_use]
pub fn blank_jsx(source: &str) -> String {
    let mut out = source.as_bytes().to_vec();
    let mut fence: Option<(u8, usize)> = None;
    let mut after_blank = true;
    let mut misses = 0;
    let mut at = 0;
    while at < source.len() {
        let rest = source.get(at..).unwrap_or_default();
        let line_len = rest.find('\n').map_or(rest.len(), |i| i + 1);
        let line = rest.get(..line_len).unwrap_or_default();
        let trimmed = line.trim_start();
        let mark = trimmed
            .bytes()
            .next()
            .filter(|b| matches!(b, b'`' | b'~'))
            .unwrap_or(0);
        let run = trimmed
            .bytes()
            .take_while(|&b| mark != 0 && b == mark)
            .count();
        if let Some((open, len)) = fence {
            if mark == open && run >= len && trimmed.trim_end().len() == run {
                fence = None;
            }
            at += line_len;
            continue;
        }
        if run >= 3 {
            fence = Some((mark, run));
            after_blank = false;
            at += line_len;
            continue;
        }
        if after_blank && (line.starts_with("import ") || line.starts_with("export ")) {
            // A statement reaches to the next blank line, as MDX has it.
            let end = ["\n\n", "\n\r\n"]
                .iter()
                .filter_map(|gap| rest.find(gap))
                .min();
            let end = at + end.unwrap_or(rest.len());
            blank(&mut out, at, end);
            at = end;
            continue;
        }
        if line.trim().is_empty() {
            after_blank = true;
            at += line_len;
            continue;
        }
        // A paragraph: tags and expressions may reach over its lines.
        let end = at + paragraph_len(rest);
        let stop = inline(source, at, end, &mut out, &mut misses);
        after_blank = false;
        at = stop.max(at + 1);
    }
    // Whole characters were replaced by ASCII spaces.
    String::from_utf8(out).unwrap_or_else(|_| source.to_owned())
}

/// Bytes up to the end of the line before a blank line or a code fence.
fn paragraph_len(rest: &str) -> usize {
    let mut len = 0;
    for line in rest.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let is_break =
            line.trim().is_empty() || trimmed.starts_with("```") || trimmed.starts_with("~~~");
        if is_break && len > 0 {
            break;
        }
        len += line.len();
    }
    len
}

/// Blanks tags and expressions that begin in `start..end`; returns where reading goes on.
fn inline(source: &str, start: usize, end: usize, out: &mut [u8], misses: &mut u32) -> usize {
    let bytes = source.as_bytes();
    let mut at = start;
    while at < end && *misses < MAX_MISSES {
        let miss = |misses: &mut u32| {
            *misses += 1;
            1
        };
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(b'`') => {
                let run = bytes.iter().skip(at).take_while(|&&b| b == b'`').count();
                let ticks = "`".repeat(run);
                let after = at + run;
                let close = source.get(after..end).and_then(|rest| rest.find(&ticks));
                at = match close {
                    Some(close) => after + close + run,
                    None => at + run.max(miss(misses)),
                };
            }
            Some(b'{') => match balanced(bytes, at) {
                Some(close) => {
                    blank(out, at, close);
                    at = close;
                }
                None => at += miss(misses),
            },
            Some(b'<') => match tag(bytes, at) {
                Some(close) => {
                    blank(out, at, close);
                    at = close;
                }
                // `<` is often just "less than" and is given up quickly.
                None => at += 1,
            },
            Some(_) => at += 1,
            None => break,
        }
    }
    if *misses < MAX_MISSES {
        at
    } else {
        at.max(end)
    }
}

/// An expression or a tag is given up beyond this many bytes, so that one open brace costs little.
const MAX_EXPRESSION: usize = 64 * 1024;

/// After so many openings without an end, a file is taken as it stands: each costs a search.
const MAX_MISSES: u32 = 64;

/// The end of the braces that open at `start`; quotes are respected.
fn balanced(bytes: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut quote = None;
    for (i, &b) in bytes.iter().enumerate().skip(start).take(MAX_EXPRESSION) {
        match (quote, b) {
            (Some(open), _) if b == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'' | b'`') => quote = Some(b),
            (None, b'{') => depth += 1,
            (None, b'}') => {
                depth -= 1;
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            (None, _) => {}
        }
    }
    None
}

/// The end of the tag that opens at `start`: `<Name a="b" c={d}>`, `</Name>`, `<>`.
fn tag(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    if bytes.get(at) == Some(&b'/') {
        at += 1;
    }
    if !bytes
        .get(at)
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'>')
    {
        return None;
    }
    let limit = bytes.len().min(start + MAX_EXPRESSION);
    while at < limit {
        match bytes.get(at)? {
            b'>' => return Some(at + 1),
            b'{' => at = balanced(bytes, at)?,
            quote @ (b'"' | b'\'') => {
                at += bytes
                    .iter()
                    .skip(at + 1)
                    .take(limit - at)
                    .position(|b| b == quote)?
                    + 2;
            }
            // `<https://…>` is a link.
            b':' if bytes.get(at + 1) == Some(&b'/') => return None,
            b'<' => return None,
            _ => at += 1,
        }
    }
    None
}

fn blank(out: &mut [u8], start: usize, end: usize) {
    for byte in out.iter_mut().take(end).skip(start) {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> String {
        let out = blank_jsx(source);
        assert_eq!(out.len(), source.len());
        out.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn imports_tags_and_expressions_vanish_and_children_stay() {
        let source = "import { A } from 'a'\nimport B from \"b\"\n\n# Title\n\n\
            export const x = {\n  a: 1,\n}\n\n\
            <Tabs items={['a > b', \"}\"]} onClick={() => { f({}) }}>\n  Inside *text*\n</Tabs>\n\n\
            Total {1 + 1} and {/* note */} end. <Icon name=\"x\" />";
        assert_eq!(words(source), "# Title Inside *text* Total and end.");
    }

    #[test]
    fn code_and_links_stay_as_they_are() {
        let source = "Use `<T>{x}` and <https://example.org>, a < b.\n\n```jsx\nimport x\n<A b={c} />\n```\n";
        assert_eq!(blank_jsx(source), source);
    }

    #[test]
    fn open_brace_without_end_is_text() {
        assert_eq!(words("a { b\n\nc < d é {"), "a { b c < d é {");
    }
}
